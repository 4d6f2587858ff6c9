#include "services/signaling_edge/core/admission.h"

#include <algorithm>
#include <cstdint>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kPeerSources = 16384;
constexpr size_t kTenants = 4096;
constexpr size_t kUsers = 65536;
// What a configured peer may send for one message of a stranger.
constexpr double kPeerFactor = 50;
constexpr double kSuspectFactor = 0.02;

// Of INVITE or REGISTER.
double RateOf(double rate, const EdgeOptions& options) {
  return rate > 0 ? rate : options.requests_per_second_per_source;
}

// Four seconds' worth may come at once: phones behind one NAT address all come
// back together after a power cut.
GcraLimit Limit(double rate) {
  return GcraLimit::PerSecond(
      rate, std::max<int64_t>(1, static_cast<int64_t>(rate * 4)));
}

// Of the plan: a second's worth may come at once. What has been taken is time,
// and so it still counts when the plan says another number.
GcraLimit PlanLimit(uint32_t most) { return GcraLimit::PerSecond(most, most); }

ByteSpan KeyOf(const SocketAddress& canonical) {
  const ByteSpan ip = canonical.ip_bytes();
  return canonical.is_v6() ? ip.first(8) : ip;
}

absl::Status Exhausted(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kResourceExhausted, reason, what);
}

}  // namespace

Admission::Admission(const EdgeOptions& options, RandomSource& random)
    : max_connections_(options.max_connections),
      max_connections_per_source_(options.max_connections_per_source),
      connections_(Limit(options.connections_per_second_per_source),
                   options.tracked_sources, random),
      messages_(Limit(options.requests_per_second_per_source),
                options.tracked_sources, random),
      peer_messages_(
          Limit(kPeerFactor * options.requests_per_second_per_source),
          kPeerSources, random),
      suspects_(Limit(kSuspectFactor * options.requests_per_second_per_source),
                kPeerSources, random),
      invites_(Limit(RateOf(options.invites_per_second_per_source, options)),
               options.tracked_sources, random),
      registrations_(
          Limit(RateOf(options.registrations_per_second_per_source, options)),
          options.tracked_sources, random),
      tenant_invites_(Limit(options.invites_per_second_per_tenant), kTenants,
                      random),
      tenant_calls_({}, kTenants, random),
      tenant_registrations_(Limit(options.registrations_per_second_per_tenant),
                            kTenants, random),
      // A minute's worth may come at once: a phone whose password was changed.
      wrong_passwords_(
          GcraLimit::PerSecond(
              options.wrong_passwords_per_minute_per_user / 60,
              std::max<int64_t>(
                  1, static_cast<int64_t>(
                         options.wrong_passwords_per_minute_per_user))),
          kUsers, random) {}

absl::Status Admission::OnConnection(const SocketAddress& source, size_t open,
                                     size_t from_source, MonoTime now) {
  if (open >= max_connections_ || from_source >= max_connections_per_source_) {
    return Exhausted("CONNECTION_LIMIT", "too many connections");
  }
  const SocketAddress canonical = source.Canonical();
  if (!connections_.Take(KeyOf(canonical), now)) {
    return Exhausted("RATE_LIMITED", "connections come too fast");
  }
  return absl::OkStatus();
}

absl::Status Admission::OnMessage(const SocketAddress& source, bool is_peer,
                                  MonoTime now) {
  const SocketAddress canonical = source.Canonical();
  GcraTable& table = is_peer ? peer_messages_ : messages_;
  if (!table.Take(KeyOf(canonical), now)) {
    return Exhausted("RATE_LIMITED", "messages come too fast");
  }
  return absl::OkStatus();
}

absl::Status Admission::OnSuspect(const SocketAddress& source, MonoTime now) {
  if (!suspects_.Take(KeyOf(source.Canonical()), now)) {
    return Exhausted("RATE_LIMITED", "messages of a suspect come too fast");
  }
  return absl::OkStatus();
}

absl::Status Admission::OnInvite(const SocketAddress& source, MonoTime now) {
  if (!invites_.Take(KeyOf(source.Canonical()), now)) {
    return Exhausted("RATE_LIMITED", "calls of this source come too fast");
  }
  return absl::OkStatus();
}

absl::Status Admission::OnRegister(const SocketAddress& source, MonoTime now) {
  if (!registrations_.Take(KeyOf(source.Canonical()), now)) {
    return Exhausted("RATE_LIMITED",
                     "registrations of this source come too fast");
  }
  return absl::OkStatus();
}

absl::Status Admission::OnTenantInvite(std::string_view tenant, uint32_t most,
                                       MonoTime now) {
  const ByteSpan key = AsBytes(tenant);
  if ((most != 0 && (!tenant_invites_.Look(key, now) ||
                     !tenant_calls_.Take(PlanLimit(most), key, now))) ||
      !tenant_invites_.Take(key, now)) {
    return Exhausted("TENANT_RATE_LIMITED",
                     "calls of this tenant come too fast");
  }
  return absl::OkStatus();
}

void Admission::OnTenantCallForHelp(std::string_view tenant, uint32_t most,
                                    MonoTime now) {
  if (most != 0) tenant_calls_.Take(PlanLimit(most), AsBytes(tenant), now);
}

absl::Status Admission::OnTenantRegister(std::string_view tenant,
                                         MonoTime now) {
  if (!tenant_registrations_.Take(AsBytes(tenant), now)) {
    return Exhausted("TENANT_RATE_LIMITED",
                     "registrations of this tenant come too fast");
  }
  return absl::OkStatus();
}

void Admission::OnWrongPassword(std::string_view user, MonoTime now) {
  wrong_passwords_.Take(AsBytes(user), now);
}

absl::Status Admission::MayGuess(std::string_view user, MonoTime now) const {
  if (!wrong_passwords_.Look(AsBytes(user), now)) {
    return Exhausted("USER_RATE_LIMITED",
                     "too many wrong passwords were given for this user");
  }
  return absl::OkStatus();
}

}  // namespace sallyport::signaling_edge
