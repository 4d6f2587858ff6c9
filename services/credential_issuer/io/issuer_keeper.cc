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

IssuerKeeper::IssuerKeeper(const Options& options, const Parts& parts)
    : options_(options),
      parts_(parts),
      rotations_(parts.metrics.Counter(kRotationsTotal)),
      revocations_(parts.metrics.Counter(kRevocationsTotal)),
      version_(parts.metrics.Gauge(kStateVersion)),
      keys_(parts.metrics.Gauge(kVerificationKeys)),
      entries_(parts.metrics.Gauge(kRevocationEntries)),
      write_seconds_(parts.metrics.Histogram(kStoreWriteSeconds)),
      store_failures_(parts.metrics.Counter(kStoreFailuresTotal)) {}

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
  keys_.Set(static_cast<double>(
      state.ring.VerificationKeysAt(parts_.clock.Now()).size()));
  entries_.Set(static_cast<double>(state.revocations.all().size()));
}

absl::Status IssuerKeeper::Commit(std::shared_ptr<const IssuerState> next) {
  const MonoTime start = parts_.clock.MonoNow();
  const absl::Status saved = parts_.store.Save(*state(), *next);
  write_seconds_.Observe(absl::ToDoubleSeconds(parts_.clock.MonoNow() - start));
  if (!saved.ok()) {
    store_failures_.Increment();
    SALLYPORT_LOG_LIMITED(kError, "state not saved",
                          {{"reason", ReasonOf(saved)}, {"error", saved}});
    return saved;
  }
  {
    absl::MutexLock lock(&mutex_);
    state_ = next;
    issuer_ = std::make_shared<const Issuer>(options_.limits,
                                             parts_.subject_key, next);
  }
  ShowState(*next);
  if (listener_) listener_(std::move(next));
  return absl::OkStatus();
}

absl::StatusOr<RingKey> IssuerKeeper::RotateKey(std::string_view request_id) {
  absl::MutexLock lock(&command_mutex_);
  const auto current = state();
  if (const RingKey* made = current->ring.MadeBy(request_id)) return *made;
  SP_ASSIGN_OR_RETURN(IssuerState next,
                      WithNewKey(*current, FreshKey(), request_id, Now()));
  const RingKey key = next.ring.keys().back();
  SP_RETURN_IF_ERROR(
      Commit(std::make_shared<const IssuerState>(std::move(next))));
  rotations_.Increment(RotationCause::kCommand);
  LogInfo("key made", {{"key_id", key.id}, {"cause", "command"}});
  return key;
}

absl::StatusOr<RingKey> IssuerKeeper::RevokeKey(uint32_t id,
                                                std::string reason) {
  absl::MutexLock lock(&command_mutex_);
  const auto current = state();
  SP_ASSIGN_OR_RETURN(
      IssuerState next,
      WithKeyRevoked(*current, id, {FreshId(), std::move(reason)}, FreshKey(),
                     Now()));
  const RingKey key = *next.ring.Find(id);
  if (next.version == current->version) return key;
  const bool replaced = next.ring.next_id() != current->ring.next_id();
  SP_RETURN_IF_ERROR(
      Commit(std::make_shared<const IssuerState>(std::move(next))));
  revocations_.Increment(RevocationKind::kKey);
  if (replaced) rotations_.Increment(RotationCause::kRevocation);
  LogWarning("key revoked", {{"key_id", id}, {"replaced", replaced}});
  return key;
}

absl::StatusOr<Revocation> IssuerKeeper::Revoke(RevocationKind kind,
                                                std::string_view tenant,
                                                std::string_view target,
                                                std::string reason) {
  const auto current = state();
  SP_ASSIGN_OR_RETURN(IssuerState next,
                      WithRevocation(*current, kind, tenant, target,
                                     {FreshId(), std::move(reason)}, Now()));
  const Revocation revocation = *next.revocations.Find(kind, tenant, target);
  if (next.version == current->version) return revocation;
  SP_RETURN_IF_ERROR(
      Commit(std::make_shared<const IssuerState>(std::move(next))));
  revocations_.Increment(kind);
  return revocation;
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
  return Revoke(RevocationKind::kSubject, tenant,
                issuer()->OpaqueSubject(tenant, subject), std::move(reason));
}

absl::Status IssuerKeeper::OnTimer() {
  absl::MutexLock lock(&command_mutex_);
  const absl::Time now = Now();
  IssuerState next = WithoutExpired(*state(), now);
  bool rotated = false;
  if (next.ring.rotation_time() <= now) {
    SP_ASSIGN_OR_RETURN(next, WithNewKey(next, FreshKey(), "", now));
    rotated = true;
  }
  if (next.version == state()->version) return absl::OkStatus();
  const uint32_t key_id = next.ring.next_id() - 1;
  SP_RETURN_IF_ERROR(
      Commit(std::make_shared<const IssuerState>(std::move(next))));
  if (rotated) {
    rotations_.Increment(RotationCause::kSchedule);
    LogInfo("key made", {{"key_id", key_id}, {"cause", "schedule"}});
  }
  return absl::OkStatus();
}

absl::Time IssuerKeeper::deadline() const { return NextDeadline(*state()); }

}  // namespace sallyport::credential_issuer
