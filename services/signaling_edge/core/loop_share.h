// What the loops of one edge have in common, so that a limit is the edge's and
// not each loop's.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_SHARE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_SHARE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/admission.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/keyed_counts.h"
#include "services/signaling_edge/core/nonce_counts.h"
#include "services/signaling_edge/core/source_watch.h"
#include "services/signaling_edge/core/tenant_counts.h"
#include "services/signaling_edge/core/toll_guard.h"

namespace sallyport::signaling_edge {

// Words and tables that are read and changed without a lock. Loops that ask in
// the same microsecond may each get the last place. Thread-safe.
class LoopShare {
 public:
  LoopShare(const EdgeOptions& options, RandomSource& random);

  Admission& admission() { return admission_; }
  SourceWatch& watch() { return watch_; }
  TollGuard& tolls() { return tolls_; }
  TenantCounts& tenants() { return tenants_; }
  NonceCounts& nonces() { return nonces_; }
  // Of a loop-spanning secret: marks of INVITEs that come back (loop_mark.h).
  uint64_t mark_key() const { return mark_key_; }

  // Keys for the tables below.
  uint64_t KeyOf(const SocketAddress& source) const;  // an address or IPv6 /64
  uint64_t KeyOf(std::string_view name) const;

  // Of all loops (SharedTotal).
  std::atomic<size_t> connections = 0;
  std::atomic<size_t> calls = 0;
  std::atomic<size_t> registrations = 0;
  std::atomic<size_t> handshakes = 0;

  KeyedCounts& sources() { return sources_; }  // accepted connections
  KeyedCounts& peers() { return peers_; }      // calls

 private:
  const uint64_t key_;
  const uint64_t mark_key_;
  Admission admission_;
  SourceWatch watch_;
  TollGuard tolls_;
  TenantCounts tenants_;
  NonceCounts nonces_;
  KeyedCounts sources_;
  KeyedCounts peers_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_SHARE_H_
