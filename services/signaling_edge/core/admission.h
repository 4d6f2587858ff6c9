// Who may still open a connection or send a request: limits by source that
// cost the same with one source as with a million.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_ADMISSION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_ADMISSION_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/edge_options.h"

namespace sallyport::signaling_edge {

// A source is an IPv4 address or an IPv6 /64. Who has proven who it is does not
// pass here: peers have caps of their own and are never banned.
// Thread-safe.
class Admission {
 public:
  Admission(const EdgeOptions& options, RandomSource& random);

  // `open` connections there are in all, `from_source` of that source.
  // RATE_LIMITED or CONNECTION_LIMIT.
  absl::Status OnConnection(const SocketAddress& source, size_t open,
                            size_t from_source, MonoTime now);
  // A message of a source without proof: RATE_LIMITED. `is_peer`: it is the
  // address of a configured peer, which on a clear transport is no proof but
  // is worth more room.
  absl::Status OnMessage(const SocketAddress& source, bool is_peer,
                         MonoTime now);
  // One of a source that SourceWatch suspects: far fewer.
  absl::Status OnSuspect(const SocketAddress& source, MonoTime now);
  // A new INVITE or REGISTER of a source without proof.
  absl::Status OnInvite(const SocketAddress& source, MonoTime now);
  absl::Status OnRegister(const SocketAddress& source, MonoTime now);
  // The same of somebody of `tenant` who has proven it: TENANT_RATE_LIMITED.
  // `most` is what the plan allows it in a second, and at once after a rest;
  // 0: any number. A call that is refused by one of the two limits counts for
  // none.
  absl::Status OnTenantInvite(std::string_view tenant, uint32_t most,
                              MonoTime now);
  absl::Status OnTenantRegister(std::string_view tenant, MonoTime now);
  // A call for help of that tenant, which is never refused: it takes of what
  // the plan allows, if anything is left of that.
  void OnTenantCallForHelp(std::string_view tenant, uint32_t most,
                           MonoTime now);
  // A source that has proven nothing gave a wrong password for `user`, who may
  // not exist. From however many sources these come, MayGuess() says when it
  // is enough: USER_RATE_LIMITED.
  void OnWrongPassword(std::string_view user, MonoTime now);
  absl::Status MayGuess(std::string_view user, MonoTime now) const;

 private:
  const size_t max_connections_;
  const size_t max_connections_per_source_;
  GcraTable connections_;
  GcraTable messages_;
  GcraTable peer_messages_;
  GcraTable suspects_;
  GcraTable invites_;
  GcraTable registrations_;
  GcraTable tenant_invites_;
  GcraTable tenant_calls_;  // by the plan's limits
  GcraTable tenant_registrations_;
  GcraTable wrong_passwords_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_ADMISSION_H_
