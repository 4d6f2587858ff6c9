#include "services/signaling_edge/core/admission.h"

#include <algorithm>
#include <cstdint>

#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kSources = 65536;
constexpr size_t kPeerSources = 16384;
// What a configured peer may send for one message of a stranger.
constexpr double kPeerFactor = 50;

// Four seconds' worth may come at once: phones behind one NAT address all come
// back together after a power cut.
GcraLimit Limit(double rate) {
  return GcraLimit::PerSecond(
      rate, std::max<int64_t>(1, static_cast<int64_t>(rate * 4)));
}

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
      connections_(Limit(options.connections_per_second_per_source), kSources,
                   random),
      messages_(Limit(options.requests_per_second_per_source), kSources,
                random),
      peer_messages_(
          Limit(kPeerFactor * options.requests_per_second_per_source),
          kPeerSources, random) {}

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

}  // namespace sallyport::signaling_edge
