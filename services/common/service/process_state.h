// What a process says of itself, whichever service it is: the sockets that it
// listens on, and settings whose configured and active values differ until it
// restarts (sallyport.common.v1.ProcessService).

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_STATE_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_STATE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server_context.h"
#include "sallyport/common/v1/process_service.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/service/config_watch.h"

namespace sallyport {

// What an operator has asked of a process.
enum class ProcessChange { kNone, kRestart, kStop, kStart };

// Thread-safe.
class ProcessState {
 public:
  struct Options {
    std::string instance;
    absl::Time start_time;
    bool stopped = false;
    // Who may ask for a change; outlives this object. Null: nobody.
    const AccessPolicy* policy = nullptr;
    // Why the service could not begin with its file as it is; OK if it could.
    // Called on any thread. Null: it could.
    std::function<absl::Status()> check;
    // Tells of settings that wait beside those of SetWaiting(), on any thread;
    // null: there are none.
    std::function<std::vector<SettingDifference>()> ask_waiting;
  };
  explicit ProcessState(Options options);
  ~ProcessState();

  // For the gRPC server; lives as long as this object.
  grpc::Service* service() { return service_.get(); }

  // The file changed at `now`, and these settings of it wait for a restart.
  void SetWaiting(std::vector<SettingDifference> waiting, absl::Time now);
  // The file changed at `now` and is refused; all stays as it was.
  void SetRefused(std::string why, absl::Time now);

  common::v1::Process Describe() const;

  // Notes what was asked, once: those of ProcessService.
  absl::Status Ask(ProcessChange change);
  // What was asked for and is to be done.
  ProcessChange asked() const;
  absl::Status Authorize(const grpc::ServerContextBase& context,
                         std::string_view method) const;

 private:
  const Options options_;
  const std::unique_ptr<grpc::Service> service_;
  mutable absl::Mutex mutex_;
  std::vector<SettingDifference> waiting_ ABSL_GUARDED_BY(mutex_);
  std::string refused_ ABSL_GUARDED_BY(mutex_);
  ProcessChange asked_ ABSL_GUARDED_BY(mutex_) = ProcessChange::kNone;
  absl::Time change_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_STATE_H_
