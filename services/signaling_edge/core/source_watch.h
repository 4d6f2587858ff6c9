// What unproven sources do over time: who walks through user names, who tries
// passwords, who has proven once that it is somebody. Reasons for an operator
// and for slower service, never a ban (a NAT address is many people).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_WATCH_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_WATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport::signaling_edge {

enum class Suspicion : uint8_t {
  kNone,
  kScanner,           // says itself that it is one
  kUserWalk,          // many users are tried and none proven
  kPasswordGuessing,  // wrong passwords
};

// The reason in refusals and events; empty for kNone.
std::string_view SuspicionReason(Suspicion suspicion);

// A source is an IPv4 address or an IPv6 /64. Fixed memory, 64 octets a source,
// taken at construction; every call is O(1) and allocates nothing. When all
// places of a bucket are taken, the one that says least is forgotten: first who
// has done nothing lately, then who is under suspicion, last who has proven
// something. Thread-compatible.
class SourceWatch {
 public:
  struct Options {
    size_t sources = 65'536;
    // Users (as told apart by 64 bits of a hash) that wait for a proof, and
    // wrong passwords, within `window`, that are suspicious.
    int users = 24;
    uint32_t failures = 16;
    absl::Duration window = absl::Seconds(30);
    absl::Duration suspected_for = absl::Seconds(60);
    absl::Duration proven_for = absl::Hours(24);
  };

  // The key of its hash is drawn from `random`, once.
  SourceWatch(const Options& options, RandomSource& random);

  // A request of the source for this user was challenged or refused, `failed`
  // if by a wrong password. The suspicion that begins with it, or kNone.
  Suspicion OnUnproven(const SocketAddress& source, std::string_view user,
                       bool failed, MonoTime now);
  // A message that says of itself that it is a scanner's; whether that begins.
  bool OnScanner(const SocketAddress& source, MonoTime now);
  // A request or connection was of a party that we know.
  void OnProven(const SocketAddress& source, std::string_view user,
                MonoTime now);

  Suspicion Of(const SocketAddress& source, MonoTime now) const;
  bool HasProven(const SocketAddress& source, MonoTime now) const;

  size_t capacity() const { return buckets_.size() * kWays; }

 private:
  static constexpr size_t kWays = 8;

  struct Slot {
    uint64_t fingerprint = 0;  // 0: never used
    uint64_t users = 0;        // one bit for each that waits for a proof
    int64_t window = 0;        // nanoseconds since origin_, as all times here
    int64_t last = 0;
    int64_t suspected_until = 0;
    int64_t proven_until = 0;
    uint32_t failures = 0;
    Suspicion suspicion = Suspicion::kNone;
  };
  using Bucket = std::array<Slot, kWays>;

  uint64_t HashOf(const SocketAddress& source) const;
  uint64_t BitOf(std::string_view user) const;
  int64_t At(MonoTime now) const;
  const Slot* Find(const SocketAddress& source) const;
  Slot& Take(const SocketAddress& source, int64_t at);
  Suspicion Suspect(Slot& slot, Suspicion what, int64_t at);

  const Options options_;
  std::array<uint64_t, 2> key_;
  MonoTime origin_ = MonoTime::InfinitePast();
  std::vector<Bucket> buckets_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_WATCH_H_
