// What unproven sources do over time: who walks through user names, who tries
// passwords, who has proven once that it is somebody. Reasons for an operator
// and for slower service, never a ban (a NAT address is many people).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_WATCH_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_WATCH_H_

#include <array>
#include <atomic>
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
// taken at construction; every call is O(1), allocates nothing and takes no
// lock. When all places of a bucket are taken, the one that says least is
// forgotten: first who has done nothing lately, then who is under suspicion,
// last who has proven something. Threads that meet in one bucket may lose a
// mark of a source, or begin one that is new to both twice. Thread-safe.
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
  size_t bytes() const { return buckets_.size() * sizeof(Bucket); }

 private:
  static constexpr size_t kWays = 8;
  // Fingerprints that are no source's: never used, and being given away.
  static constexpr uint64_t kFree = 0;
  static constexpr uint64_t kChanging = 1;

  // What a slot says of its source. Times are nanoseconds of MonoTime.
  struct Slot {
    std::atomic<uint64_t> fingerprint = kFree;
    std::atomic<uint64_t> users = 0;  // a bit for each that waits for a proof
    std::atomic<int64_t> window = 0;
    std::atomic<int64_t> last = 0;
    std::atomic<int64_t> suspected_until = 0;
    std::atomic<int64_t> proven_until = 0;
    std::atomic<uint32_t> failures = 0;
    std::atomic<Suspicion> suspicion = Suspicion::kNone;
  };
  using Bucket = std::array<Slot, kWays>;

  uint64_t HashOf(const SocketAddress& source) const;
  uint64_t BitOf(std::string_view user) const;
  // Reads of the slot of `source`, if it has one.
  template <typename Read>
  auto Look(const SocketAddress& source, const Read& read) const;
  Slot& Take(const SocketAddress& source, int64_t at);
  Suspicion Suspect(Slot& slot, Suspicion what, int64_t at);

  const Options options_;
  const std::array<uint64_t, 2> key_;
  std::vector<Bucket> buckets_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SOURCE_WATCH_H_
