#include "services/signaling_edge/core/source_watch.h"

#include <openssl/siphash.h>

#include <bit>
#include <tuple>

#include "services/common/bytes/byte_span.h"

namespace sallyport::signaling_edge {

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
  return hash == 0 ? 1 : hash;
}

uint64_t SourceWatch::BitOf(std::string_view user) const {
  const ByteSpan bytes = AsBytes(user);
  return uint64_t{1} << (SIPHASH_24(key_.data(), bytes.data(), bytes.size()) &
                         63);
}

int64_t SourceWatch::At(MonoTime now) const {
  return absl::ToInt64Nanoseconds(now - origin_);
}

const SourceWatch::Slot* SourceWatch::Find(const SocketAddress& source) const {
  const uint64_t hash = HashOf(source);
  for (const Slot& slot : buckets_[hash & (buckets_.size() - 1)]) {
    if (slot.fingerprint == hash) return &slot;
  }
  return nullptr;
}

SourceWatch::Slot& SourceWatch::Take(const SocketAddress& source, int64_t at) {
  const uint64_t hash = HashOf(source);
  Bucket& bucket = buckets_[hash & (buckets_.size() - 1)];
  const auto worth = [at](const Slot& slot) {
    return std::make_tuple(slot.fingerprint != 0, slot.proven_until > at,
                           slot.suspected_until > at, slot.last);
  };
  Slot* victim = &bucket[0];
  for (Slot& slot : bucket) {
    if (slot.fingerprint == hash) {
      slot.last = at;
      return slot;
    }
    if (worth(slot) < worth(*victim)) victim = &slot;
  }
  *victim = Slot();
  victim->fingerprint = hash;
  victim->window = victim->last = at;
  return *victim;
}

Suspicion SourceWatch::Suspect(Slot& slot, Suspicion what, int64_t at) {
  const bool begins = slot.suspected_until <= at || slot.suspicion != what;
  slot.suspicion = what;
  slot.suspected_until = at + absl::ToInt64Nanoseconds(options_.suspected_for);
  return begins ? what : Suspicion::kNone;
}

Suspicion SourceWatch::OnUnproven(const SocketAddress& source,
                                  std::string_view user, bool failed,
                                  MonoTime now) {
  if (origin_ == MonoTime::InfinitePast()) origin_ = now;
  const int64_t at = At(now);
  Slot& slot = Take(source, at);
  if (at - slot.window > absl::ToInt64Nanoseconds(options_.window)) {
    slot.window = at;
    slot.users = 0;
    slot.failures = 0;
  }
  slot.users |= BitOf(user);
  if (failed && ++slot.failures >= options_.failures) {
    return Suspect(slot, Suspicion::kPasswordGuessing, at);
  }
  if (std::popcount(slot.users) >= options_.users) {
    return Suspect(slot, Suspicion::kUserWalk, at);
  }
  return Suspicion::kNone;
}

bool SourceWatch::OnScanner(const SocketAddress& source, MonoTime now) {
  if (origin_ == MonoTime::InfinitePast()) origin_ = now;
  const int64_t at = At(now);
  return Suspect(Take(source, at), Suspicion::kScanner, at) != Suspicion::kNone;
}

void SourceWatch::OnProven(const SocketAddress& source, std::string_view user,
                           MonoTime now) {
  if (origin_ == MonoTime::InfinitePast()) origin_ = now;
  const int64_t at = At(now);
  Slot& slot = Take(source, at);
  slot.users &= ~BitOf(user);
  slot.proven_until = at + absl::ToInt64Nanoseconds(options_.proven_for);
}

Suspicion SourceWatch::Of(const SocketAddress& source, MonoTime now) const {
  const Slot* slot = Find(source);
  return slot == nullptr || slot->suspected_until <= At(now) ? Suspicion::kNone
                                                             : slot->suspicion;
}

bool SourceWatch::HasProven(const SocketAddress& source, MonoTime now) const {
  const Slot* slot = Find(source);
  return slot != nullptr && slot->proven_until > At(now);
}

}  // namespace sallyport::signaling_edge
