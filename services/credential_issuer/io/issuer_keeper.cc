#include "services/credential_issuer/io/issuer_keeper.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::credential_issuer {
namespace {

// Of one command, when other replicas are always first.
constexpr int kMostAttempts = 8;

}  // namespace

IssuerKeeper::IssuerKeeper(const Options& options, const Parts& parts)
    : ring_(options.ring),
      parts_(parts),
      rotations_(parts.metrics.Counter(kRotationsTotal)),
      revocations_(parts.metrics.Counter(kRevocationsTotal)),
      version_(parts.metrics.Gauge(kStateVersion)),
      keys_(parts.metrics.Gauge(kVerificationKeys)),
      entries_(parts.metrics.Gauge(kRevocationEntries)),
      write_seconds_(parts.metrics.Histogram(kStoreWriteSeconds)),
      store_failures_(parts.metrics.Counter(kStoreFailuresTotal)),
      clock_jumps_(parts.metrics.Counter(kClockJumpsTotal)),
      activations_(parts.metrics.Counter(kActivationsTotal)),
      conflicts_(parts.metrics.Counter(kStateConflictsTotal)),
      limits_(options.limits) {}

absl::StatusOr<std::unique_ptr<IssuerKeeper>> IssuerKeeper::Create(
    const Options& options, const Parts& parts) {
  std::unique_ptr<IssuerKeeper> keeper(new IssuerKeeper(options, parts));
  SP_ASSIGN_OR_RETURN(IssuerState loaded, parts.store.Load(options.ring));
  {
    absl::MutexLock lock(&keeper->mutex_);
    keeper->state_ = std::make_shared<const IssuerState>(std::move(loaded));
    keeper->issuer_ = std::make_shared<const Issuer>(
        options.limits, parts.subject_key, keeper->state_);
    LogInfo("state loaded",
            {{"version", keeper->state_->version},
             {"keys", keeper->state_->ring.keys().size()},
             {"revocations", keeper->state_->revocations.all().size()}});
  }
  keeper->ShowState(*keeper->state());
  SP_RETURN_IF_ERROR(keeper->OnTimer());
  return keeper;
}

std::shared_ptr<const Issuer> IssuerKeeper::issuer() const {
  absl::MutexLock lock(&mutex_);
  return issuer_;
}

std::shared_ptr<const IssuerState> IssuerKeeper::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

void IssuerKeeper::SetLimits(IssueLimits limits) {
  absl::MutexLock lock(&mutex_);
  limits_ = std::move(limits);
  issuer_ = std::make_shared<const Issuer>(limits_, parts_.subject_key, state_);
}

void IssuerKeeper::SetListener(Listener listener) {
  absl::MutexLock lock(&command_mutex_);
  listener_ = std::move(listener);
}

std::string IssuerKeeper::FreshId() {
  std::array<uint8_t, 12> bytes;
  parts_.random.Fill(absl::MakeSpan(bytes));
  return HexEncode(bytes);
}

absl::Time IssuerKeeper::Now() const {
  return absl::FromUnixMicros(absl::ToUnixMicros(parts_.clock.Now()));
}

Secret IssuerKeeper::FreshKey() {
  return Secret::Random(parts_.random, kKeyBytes);
}

void IssuerKeeper::ShowState(const IssuerState& state) {
  version_.Set(static_cast<double>(state.version));
  keys_.Set(static_cast<double>(state.ring.VerificationKeys().size()));
  entries_.Set(static_cast<double>(state.revocations.all().size()));
}

absl::Status IssuerKeeper::Noted(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  store_status_ = absl::IsAborted(status) ? absl::OkStatus() : status;
  return status;
}

absl::Status IssuerKeeper::store_status() const {
  absl::MutexLock lock(&mutex_);
  return store_status_;
}

void IssuerKeeper::Publish(std::shared_ptr<const IssuerState> next) {
  {
    absl::MutexLock lock(&mutex_);
    state_ = next;
    issuer_ = std::make_shared<const Issuer>(limits_, parts_.subject_key, next);
  }
  ShowState(*next);
  if (listener_) listener_(std::move(next));
}

absl::Status IssuerKeeper::Commit(const IssuerState& current,
                                  std::shared_ptr<const IssuerState> next) {
  const MonoTime start = parts_.clock.MonoNow();
  const absl::Status saved = Noted(parts_.store.Save(current, *next));
  write_seconds_.Observe(absl::ToDoubleSeconds(parts_.clock.MonoNow() - start));
  if (absl::IsAborted(saved)) return saved;
  if (!saved.ok()) {
    store_failures_.Increment();
    SALLYPORT_LOG_LIMITED(kError, "state not saved",
                          {{"reason", ReasonOf(saved)}, {"error", saved}});
    return saved;
  }
  Publish(std::move(next));
  return absl::OkStatus();
}

absl::StatusOr<IssuerKeeper::Change> IssuerKeeper::Perform(Command command) {
  for (int attempt = 0;; ++attempt) {
    Change change;
    change.before = state();
    SP_ASSIGN_OR_RETURN(IssuerState next, command(*change.before));
    change.after = std::make_shared<const IssuerState>(std::move(next));
    if (!change.made()) return change;
    const absl::Status committed = Commit(*change.before, change.after);
    if (committed.ok()) return change;
    if (!absl::IsAborted(committed) || attempt == kMostAttempts) {
      return committed;
    }
    conflicts_.Increment();
    SP_RETURN_IF_ERROR(RefreshLocked());
  }
}

absl::Status IssuerKeeper::RefreshLocked() {
  const absl::StatusOr<int64_t> version = parts_.store.Version();
  SP_RETURN_IF_ERROR(Noted(version.status()));
  if (*version == state()->version) return absl::OkStatus();
  absl::StatusOr<IssuerState> stored = parts_.store.Load(ring_);
  SP_RETURN_IF_ERROR(Noted(stored.status()));
  IssuerState loaded = *std::move(stored);
  if (loaded.version == state()->version) return absl::OkStatus();
  LogInfo("another replica changed the state", {{"version", loaded.version}});
  Publish(std::make_shared<const IssuerState>(std::move(loaded)));
  return absl::OkStatus();
}

absl::Status IssuerKeeper::Refresh() {
  absl::MutexLock lock(&command_mutex_);
  return RefreshLocked();
}

absl::StatusOr<RingKey> IssuerKeeper::RotateKey(std::string_view request_id) {
  absl::MutexLock lock(&command_mutex_);
  SP_ASSIGN_OR_RETURN(
      const Change change,
      Perform([&](const IssuerState& current) -> absl::StatusOr<IssuerState> {
        if (current.ring.MadeBy(request_id) != nullptr) return current;
        return WithNewKey(current, FreshKey(), request_id, Now());
      }));
  if (!change.made()) return *change.after->ring.MadeBy(request_id);
  const RingKey key = change.after->ring.keys().back();
  rotations_.Increment(RotationCause::kCommand);
  LogInfo("key made", {{"key_id", key.id}, {"cause", "command"}});
  return key;
}

absl::StatusOr<RingKey> IssuerKeeper::RevokeKey(uint32_t id,
                                                std::string reason) {
  absl::MutexLock lock(&command_mutex_);
  SP_ASSIGN_OR_RETURN(const Change change,
                      Perform([&](const IssuerState& current) {
                        return WithKeyRevoked(current, id, {FreshId(), reason},
                                              FreshKey(), Now());
                      }));
  const RingKey key = *change.after->ring.Find(id);
  if (!change.made()) return key;
  const bool replaced =
      change.after->ring.next_id() != change.before->ring.next_id();
  revocations_.Increment(RevocationKind::kKey);
  if (replaced) rotations_.Increment(RotationCause::kRevocation);
  LogWarning("key revoked", {{"key_id", id}, {"replaced", replaced}});
  return key;
}

absl::StatusOr<Revocation> IssuerKeeper::Revoke(RevocationKind kind,
                                                std::string_view tenant,
                                                std::string_view subject,
                                                std::string reason) {
  std::string target(subject);
  SP_ASSIGN_OR_RETURN(const Change change,
                      Perform([&](const IssuerState& current) {
                        if (kind == RevocationKind::kSubject) {
                          // As it is by the newest state, another replica's
                          // perhaps.
                          target = issuer()->OpaqueSubject(tenant, subject);
                        }
                        return WithRevocation(current, kind, tenant, target,
                                              {FreshId(), reason}, Now());
                      }));
  if (change.made()) revocations_.Increment(kind);
  return *change.after->revocations.Find(kind, tenant, target);
}

absl::StatusOr<Revocation> IssuerKeeper::RevokeCredential(
    std::string_view tenant, std::string_view credential_id,
    std::string reason) {
  absl::MutexLock lock(&command_mutex_);
  return Revoke(RevocationKind::kCredential, tenant, credential_id,
                std::move(reason));
}

absl::StatusOr<Revocation> IssuerKeeper::RevokeUser(std::string_view tenant,
                                                    std::string_view subject,
                                                    std::string reason) {
  absl::MutexLock lock(&command_mutex_);
  return Revoke(RevocationKind::kSubject, tenant, subject, std::move(reason));
}

void IssuerKeeper::WatchClock() {
  if (!clock_guard_.Observe(parts_.clock.Now(), parts_.clock.MonoNow())) return;
  clock_jumps_.Increment();
  LogWarning("the clock was set; nothing is removed for a while",
             {{"settling", ClockGuard::kSettling}});
}

absl::StatusOr<IssuerState> IssuerKeeper::ActivateWhatIsKnown(IssuerState state,
                                                              absl::Time now) {
  const RingKey* const pending = state.ring.PendingAt(now);
  if (pending == nullptr || now < pending->not_before) return state;
  const bool acknowledged =
      !parts_.acknowledged || parts_.acknowledged(pending->made_version);
  const bool late = now >= pending->not_before + ring_.acknowledge_timeout;
  if (!acknowledged && !late) return state;
  return WithKeyActivated(state, pending->id, now);
}

absl::Status IssuerKeeper::OnTimer() {
  absl::MutexLock lock(&command_mutex_);
  WatchClock();
  const bool settled = clock_guard_.settled(parts_.clock.MonoNow());
  const absl::Time now = Now();
  SP_ASSIGN_OR_RETURN(
      const Change change,
      Perform([&](const IssuerState& current) -> absl::StatusOr<IssuerState> {
        IssuerState next = settled ? WithoutExpired(current, now) : current;
        const bool due = next.ring.RotationTime(now) <= now;
        if (due && (settled || next.ring.ActiveAt(now) == nullptr)) {
          SP_ASSIGN_OR_RETURN(next, WithNewKey(next, FreshKey(), "", now));
        }
        return ActivateWhatIsKnown(std::move(next), now);
      }));
  if (!change.made()) return absl::OkStatus();
  const KeyRing& ring = change.after->ring;
  if (ring.next_id() != change.before->ring.next_id()) {
    rotations_.Increment(RotationCause::kSchedule);
    LogInfo("key made",
            {{"key_id", ring.next_id() - 1}, {"cause", "schedule"}});
  }
  const RingKey* const was = change.before->ring.ActiveAt(now);
  const RingKey* const is = ring.ActiveAt(now);
  if (was != nullptr && is != nullptr && was->id != is->id) {
    const bool acknowledged =
        !parts_.acknowledged || parts_.acknowledged(is->made_version);
    activations_.Increment(acknowledged ? Activation::kAcknowledged
                                        : Activation::kTimeout);
    if (acknowledged) {
      LogInfo("key in use", {{"key_id", is->id}});
    } else {
      LogWarning("key in use, although not every relay acknowledged it",
                 {{"key_id", is->id}});
    }
  }
  return absl::OkStatus();
}

absl::Time IssuerKeeper::deadline() const {
  return NextDeadline(*state(), Now());
}

bool IssuerKeeper::clock_settled() const {
  absl::MutexLock lock(&command_mutex_);
  return clock_guard_.settled(parts_.clock.MonoNow());
}

}  // namespace sallyport::credential_issuer
