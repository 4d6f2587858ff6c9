#include "services/signaling_edge/core/source_watch.h"

#include <openssl/siphash.h>

#include <bit>
#include <tuple>
#include <utility>

#include "services/common/bytes/byte_span.h"

namespace sallyport::signaling_edge {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

int64_t Nanoseconds(MonoTime now) {
  return absl::ToInt64Nanoseconds(now.since_origin());
}

}  // namespace

std::string_view SuspicionReason(Suspicion suspicion) {
  switch (suspicion) {
    case Suspicion::kNone:
      return "";
    case Suspicion::kScanner:
      return "SCANNER_USER_AGENT";
    case Suspicion::kUserWalk:
      return "SCANNER_USER_WALK";
    case Suspicion::kPasswordGuessing:
      return "PASSWORD_GUESSING";
  }
  return "";
}

SourceWatch::SourceWatch(const Options& options, RandomSource& random)
    : options_(options),
      key_{random.NextU64(), random.NextU64()},
      buckets_(std::bit_ceil((options.sources + kWays - 1) / kWays)) {}

uint64_t SourceWatch::HashOf(const SocketAddress& source) const {
  const SocketAddress canonical = source.Canonical();
  const ByteSpan ip = canonical.ip_bytes();
  const size_t size = canonical.is_v6() ? 8 : ip.size();
  const uint64_t hash = SIPHASH_24(key_.data(), ip.data(), size);
  return hash == kFree || hash == kChanging ? kChanging + 1 : hash;
}

uint64_t SourceWatch::BitOf(std::string_view user) const {
  const ByteSpan bytes = AsBytes(user);
  return uint64_t{1} << (SIPHASH_24(key_.data(), bytes.data(), bytes.size()) &
                         63);
}

template <typename Read>
auto SourceWatch::Look(const SocketAddress& source, const Read& read) const {
  const uint64_t hash = HashOf(source);
  for (const Slot& slot : buckets_[hash & (buckets_.size() - 1)]) {
    if (slot.fingerprint.load(std::memory_order_acquire) != hash) continue;
    const auto found = read(slot);
    // It may have become another source's meanwhile.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (slot.fingerprint.load(kRelaxed) == hash) return found;
  }
  return decltype(read(std::declval<const Slot&>())){};
}

SourceWatch::Slot& SourceWatch::Take(const SocketAddress& source, int64_t at) {
  const uint64_t hash = HashOf(source);
  Bucket& bucket = buckets_[hash & (buckets_.size() - 1)];
  const auto worth = [at](const Slot& slot, uint64_t whose) {
    return std::make_tuple(
        whose != kFree, slot.proven_until.load(kRelaxed) > at,
        slot.suspected_until.load(kRelaxed) > at, slot.last.load(kRelaxed));
  };
  while (true) {
    Slot* victim = nullptr;
    uint64_t victims = kFree;
    auto least = worth(bucket[0], kFree);
    for (Slot& slot : bucket) {
      const uint64_t whose = slot.fingerprint.load(std::memory_order_acquire);
      if (whose == hash) {
        slot.last.store(at, kRelaxed);
        return slot;
      }
      if (whose == kChanging) continue;
      if (auto its = worth(slot, whose); victim == nullptr || its < least) {
        victim = &slot;
        victims = whose;
        least = its;
      }
    }
    if (victim == nullptr ||
        !victim->fingerprint.compare_exchange_strong(victims, kChanging)) {
      continue;  // another thread has come on
    }
    victim->users.store(0, kRelaxed);
    victim->window.store(at, kRelaxed);
    victim->last.store(at, kRelaxed);
    victim->suspected_until.store(0, kRelaxed);
    victim->proven_until.store(0, kRelaxed);
    victim->failures.store(0, kRelaxed);
    victim->suspicion.store(Suspicion::kNone, kRelaxed);
    victim->fingerprint.store(hash, std::memory_order_release);
    return *victim;
  }
}

Suspicion SourceWatch::Suspect(Slot& slot, Suspicion what, int64_t at) {
  const bool other = slot.suspicion.exchange(what) != what;
  const int64_t before = slot.suspected_until.exchange(
      at + absl::ToInt64Nanoseconds(options_.suspected_for));
  return other || before <= at ? what : Suspicion::kNone;
}

Suspicion SourceWatch::OnUnproven(const SocketAddress& source,
                                  std::string_view user, bool failed,
                                  MonoTime now) {
  const int64_t at = Nanoseconds(now);
  Slot& slot = Take(source, at);
  if (at - slot.window.load(kRelaxed) >
      absl::ToInt64Nanoseconds(options_.window)) {
    slot.window.store(at, kRelaxed);
    slot.users.store(0, kRelaxed);
    slot.failures.store(0, kRelaxed);
  }
  const uint64_t bit = BitOf(user);
  const uint64_t users = slot.users.fetch_or(bit, kRelaxed) | bit;
  if (failed && slot.failures.fetch_add(1, kRelaxed) + 1 >= options_.failures) {
    return Suspect(slot, Suspicion::kPasswordGuessing, at);
  }
  if (std::popcount(users) >= options_.users) {
    return Suspect(slot, Suspicion::kUserWalk, at);
  }
  return Suspicion::kNone;
}

bool SourceWatch::OnScanner(const SocketAddress& source, MonoTime now) {
  const int64_t at = Nanoseconds(now);
  return Suspect(Take(source, at), Suspicion::kScanner, at) != Suspicion::kNone;
}

void SourceWatch::OnProven(const SocketAddress& source, std::string_view user,
                           MonoTime now) {
  const int64_t at = Nanoseconds(now);
  Slot& slot = Take(source, at);
  slot.users.fetch_and(~BitOf(user), kRelaxed);
  slot.proven_until.store(at + absl::ToInt64Nanoseconds(options_.proven_for),
                          kRelaxed);
}

Suspicion SourceWatch::Of(const SocketAddress& source, MonoTime now) const {
  const int64_t at = Nanoseconds(now);
  return Look(source, [at](const Slot& slot) {
    return slot.suspected_until.load(kRelaxed) <= at
               ? Suspicion::kNone
               : slot.suspicion.load(kRelaxed);
  });
}

bool SourceWatch::HasProven(const SocketAddress& source, MonoTime now) const {
  const int64_t at = Nanoseconds(now);
  return Look(source, [at](const Slot& slot) {
    return slot.proven_until.load(kRelaxed) > at;
  });
}

}  // namespace sallyport::signaling_edge
