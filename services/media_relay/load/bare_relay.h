// The least that a relay on kernel sockets can do, as the ceiling to compare
// with: one socket for all ports by sk_lookup, recvmmsg, a prepared head, one
// sendmmsg of frames. It checks the source address and nothing else.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_BARE_RELAY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_BARE_RELAY_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <thread>

#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {

enum class BareSrtp { kNone, kAesCm, kAesGcm };

// Runs on the first of the testbed's relay cores until destroyed.
class BareRelay {
 public:
  BareRelay(Testbed& testbed, size_t flows, BareSrtp srtp);
  ~BareRelay();
  pid_t thread() const { return thread_id_; }

 private:
  void Serve(size_t flows, BareSrtp srtp);

  Testbed& testbed_;
  std::atomic<bool> stop_ = false;
  std::atomic<pid_t> thread_id_ = 0;
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_BARE_RELAY_H_
