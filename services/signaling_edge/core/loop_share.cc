#include "services/signaling_edge/core/loop_share.h"

#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/signaling_edge/core/digest_auth.h"

namespace sallyport::signaling_edge {
namespace {

// Peers with calls at once.
constexpr size_t kPeers = 65'536;

}  // namespace

LoopShare::LoopShare(const EdgeOptions& options, RandomSource& random)
    : key_(random.NextU64()),
      mark_key_(random.NextU64()),
      admission_(options, random),
      watch_({.sources = options.tracked_sources}, random),
      tolls_(random),
      tenants_(random),
      nonces_(DigestAuth::kTrackedNonces),
      sources_(options.max_connections),
      peers_(kPeers) {}

uint64_t LoopShare::KeyOf(const SocketAddress& source) const {
  const SocketAddress canonical = source.Canonical();
  const ByteSpan ip = canonical.ip_bytes();
  return KeyOf(AsText(canonical.is_v6() ? ip.first(8) : ip));
}

uint64_t LoopShare::KeyOf(std::string_view name) const {
  return absl::Hash<std::pair<uint64_t, absl::string_view>>{}(
      {key_, AbslView(name)});
}

}  // namespace sallyport::signaling_edge
