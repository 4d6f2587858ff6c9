// An end to calls that have none.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_CALL_LIMIT_H_
#define SALLYPORT_SERVICES_COMMON_RPC_CALL_LIMIT_H_

#include <list>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"

namespace sallyport {

// Cancels calls that last longer than `longest`, some hundredths of it late. A
// timer of gRPC for each call would cost a call some microseconds and a switch
// of threads; this costs a lock. Thread-safe.
class CallLimit {
 private:
  struct Entry {
    absl::Time latest;
    grpc::ServerContextBase* context;
  };

 public:
  using Call = std::list<Entry>::iterator;

  explicit CallLimit(absl::Duration longest);
  // All calls must have ended.
  ~CallLimit();
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;

  // Nothing for a call whose caller has set a deadline that comes first.
  std::optional<Call> Begin(grpc::ServerContextBase* context, absl::Time start);
  // The context is not touched after it.
  void End(Call call);

 private:
  void Run();

  const absl::Duration longest_;
  absl::Mutex mutex_;
  // In order of time, as all have the same limit.
  std::list<Entry> calls_ ABSL_GUARDED_BY(mutex_);
  // Entries to be used again.
  std::list<Entry> spare_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_CALL_LIMIT_H_
