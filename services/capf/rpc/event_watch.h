// WatchCertificateEvents.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_EVENT_WATCH_H_
#define SALLYPORT_SERVICES_CAPF_RPC_EVENT_WATCH_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "sallyport/capf/v1/certificate_event.pb.h"
#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/work_thread.h"

namespace sallyport::capf {

// Sends each event once and in order to everybody who watches, from the store,
// so that whoever comes back with the last sequence misses none. A slow
// consumer costs a hundred unsent events, and no one else anything.
// Thread-safe.
class EventFeed {
 public:
  // Both must outlive this object and `work` has stopped before it goes.
  EventFeed(EnrollmentStore& store, WorkThread& work)
      : store_(store), work_(work) {}

  // Of `tenant`, or of all if it is empty; after `after`, or from now on if
  // that is zero. The reactor deletes itself.
  grpc::ServerWriteReactor<v1::WatchCertificateEventsResponse>* Start(
      const std::string& tenant, int64_t after) ABSL_LOCKS_EXCLUDED(mutex_);

  // There may be new events: looks on the work thread, if anybody watches.
  void Poke() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends every stream, and each that comes later.
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Watch;
  class Reactor;

  void Look() ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(uint64_t id) ABSL_LOCKS_EXCLUDED(mutex_);

  EnrollmentStore& store_;
  WorkThread& work_;
  absl::Mutex mutex_;
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;  // a look is posted
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Watch>> watches_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_EVENT_WATCH_H_
