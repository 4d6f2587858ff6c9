// What a process says of itself, whichever service it is: the sockets that it
// listens on, and settings whose configured and active values differ until it
// restarts (sallyport.common.v1.ProcessService).

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_STATE_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_STATE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/impl/service_type.h"
#include "sallyport/common/v1/process_service.pb.h"
#include "services/common/service/config_watch.h"

namespace sallyport {

// Thread-safe.
class ProcessState {
 public:
  ProcessState(std::string instance, absl::Time start_time);
  ~ProcessState();

  // For the gRPC server; lives as long as this object.
  grpc::Service* service() { return service_.get(); }

  // The file changed at `now`, and these settings of it wait for a restart.
  void SetWaiting(std::vector<SettingDifference> waiting, absl::Time now);
  // The file changed at `now` and is refused; all stays as it was.
  void SetRefused(std::string why, absl::Time now);

  common::v1::Process Describe() const;

 private:
  const std::string instance_;
  const absl::Time start_time_;
  const std::unique_ptr<grpc::Service> service_;
  mutable absl::Mutex mutex_;
  std::vector<SettingDifference> waiting_ ABSL_GUARDED_BY(mutex_);
  std::string refused_ ABSL_GUARDED_BY(mutex_);
  absl::Time change_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_PROCESS_STATE_H_
