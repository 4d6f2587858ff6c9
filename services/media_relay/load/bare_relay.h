// The least that a relay can do, as the ceiling to compare with. On kernel
// sockets: one for all ports by sk_lookup, recvmmsg, a prepared head, one
// sendmmsg of frames. On AF_XDP: all that arrives from one ring, rewritten
// where it lies, into another. It checks the source address and nothing else.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_BARE_RELAY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_BARE_RELAY_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "services/media_relay/load/testbed.h"

namespace sallyport::media_relay {

enum class BareSrtp { kNone, kAesCm, kAesGcm };

// Runs on the first of the testbed's relay cores until destroyed.
class BareRelay {
 public:
  BareRelay(Testbed& testbed, size_t flows, BareSrtp srtp, bool af_xdp);
  ~BareRelay();
  pid_t thread() const { return thread_id_; }

 private:
  struct Flow;
  void Serve();
  void ServeRings();

  Testbed& testbed_;
  const bool af_xdp_;
  std::vector<Flow> flows_;
  std::atomic<bool> stop_ = false;
  std::atomic<pid_t> thread_id_ = 0;
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_BARE_RELAY_H_
