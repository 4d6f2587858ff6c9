#include "services/media_relay/core/dtls_endpoint.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_identity.h"

namespace sallyport::media_relay {
namespace {

std::string_view FailureText(DtlsAssociation::Failure failure) {
  switch (failure) {
    case DtlsAssociation::Failure::kFingerprintMismatch:
      return "FINGERPRINT_MISMATCH";
    case DtlsAssociation::Failure::kNoCommonProfile:
      return "NO_COMMON_SRTP_PROFILE";
    case DtlsAssociation::Failure::kAlert:
      return "ALERT_RECEIVED";
    case DtlsAssociation::Failure::kTimeout:
      return "TIMEOUT";
    case DtlsAssociation::Failure::kNone:
    case DtlsAssociation::Failure::kProtocol:
      break;
  }
  return "PROTOCOL_ERROR";
}

}  // namespace

DtlsEndpoint::DtlsEndpoint(std::shared_ptr<const DtlsIdentity> identity,
                           SrtpProfiles profiles)
    : identity_(std::move(identity)), profiles_(profiles) {}

DtlsRole DtlsEndpoint::role() const {
  // Of actpass the answerer should take active (RFC 5763 section 5). While the
  // far side has not chosen, it may begin before its answer reaches us.
  return setup_.has_value() && *setup_ != DtlsSetup::kActive
             ? DtlsRole::kClient
             : DtlsRole::kServer;
}

DtlsSetup DtlsEndpoint::local_setup() const {
  if (!setup_.has_value()) return DtlsSetup::kActPass;
  return role() == DtlsRole::kClient ? DtlsSetup::kActive : DtlsSetup::kPassive;
}

void DtlsEndpoint::Enter(State state, std::string_view failure) {
  failure_ = failure;
  if (state_ == state) return;
  state_ = state;
  changed_ = true;
}

bool DtlsEndpoint::MayBegin(MonoTime now) const {
  return association_ == nullptr &&
         (role() == DtlsRole::kServer || attempts_ < kMaxAttempts) &&
         (retry_ == MonoTime::InfiniteFuture() || retry_ <= now);
}

void DtlsEndpoint::Update(
    const std::optional<CertificateFingerprint>& fingerprint,
    std::optional<DtlsSetup> setup, MonoTime now) {
  const bool another_certificate = fingerprint.has_value() &&
                                   fingerprint_.has_value() &&
                                   *fingerprint != *fingerprint_;
  const DtlsRole before = role();
  if (fingerprint.has_value()) fingerprint_ = fingerprint;
  if (setup.has_value()) setup_ = setup;
  const bool another_role =
      association_ != nullptr && association_->role() != role();
  if (another_certificate || another_role) {
    Forget();
  } else if (before != role()) {
    retry_ = MonoTime::InfiniteFuture();
  }
  if (association_ != nullptr && fingerprint_.has_value()) {
    association_->SetFingerprint(*fingerprint_, now);
    Follow(now);
  }
  if (has_path_) OnPath(now);
}

void DtlsEndpoint::Forget() {
  association_.reset();
  attempts_ = 0;
  give_up_ = MonoTime::InfiniteFuture();
  retry_ = MonoTime::InfiniteFuture();
  outgoing_.clear();
  keys_.reset();
  Enter(State::kNew);
}

void DtlsEndpoint::Restart() {
  fingerprint_.reset();
  setup_.reset();
  Forget();
}

void DtlsEndpoint::OnPath(MonoTime now) {
  has_path_ = true;
  if (role() == DtlsRole::kClient && MayBegin(now)) {
    Begin(DtlsRole::kClient, now);
  }
}

void DtlsEndpoint::Begin(DtlsRole role, MonoTime now) {
  ++attempts_;
  retry_ = MonoTime::InfiniteFuture();
  absl::StatusOr<std::unique_ptr<DtlsAssociation>> made =
      DtlsAssociation::Create(identity_, role, profiles_, fingerprint_, now);
  if (!made.ok()) {
    Enter(State::kFailed, FailureText(DtlsAssociation::Failure::kProtocol));
    return;
  }
  association_ = *std::move(made);
  begin_time_ = now;
  hello_random_.reset();
  give_up_ = now + kHandshakeTimeout;
  Enter(State::kHandshaking);
  Follow(now);
}

void DtlsEndpoint::GiveWayToAnother(ByteSpan datagram, MonoTime now) {
  if (association_ == nullptr || state_ != State::kHandshaking ||
      association_->role() != DtlsRole::kServer) {
    return;
  }
  const std::optional<HelloRandom> random = ClientHelloRandom(datagram);
  if (!random.has_value()) return;
  if (!hello_random_.has_value()) hello_random_ = random;
  if (*hello_random_ == *random || now - begin_time_ < kRetry) return;
  association_.reset();
}

DropReason DtlsEndpoint::OnDatagram(ByteSpan datagram, MonoTime now) {
  GiveWayToAnother(datagram, now);
  if (association_ == nullptr) {
    if (role() != DtlsRole::kServer || !MayBegin(now) ||
        !IsClientHello(datagram)) {
      return DropReason::kUnexpectedDtls;
    }
    Begin(DtlsRole::kServer, now);
    if (association_ == nullptr) return DropReason::kUnexpectedDtls;
    hello_random_ = ClientHelloRandom(datagram);
  }
  association_->OnDatagram(datagram, now);
  Follow(now);
  return DropReason::kNone;
}

void DtlsEndpoint::Follow(MonoTime now) {
  std::vector<std::string> datagrams = association_->TakeDatagrams();
  outgoing_.insert(outgoing_.end(), std::make_move_iterator(datagrams.begin()),
                   std::make_move_iterator(datagrams.end()));
  switch (association_->state()) {
    case DtlsAssociation::State::kHandshaking:
      return;
    case DtlsAssociation::State::kOpen:
      if (state_ == State::kEstablished) return;
      keys_ = association_->TakeKeys();
      attempts_ = 0;
      give_up_ = MonoTime::InfiniteFuture();
      Enter(State::kEstablished);
      return;
    case DtlsAssociation::State::kClosed:
      association_.reset();  // another may follow
      Enter(State::kClosed);
      return;
    case DtlsAssociation::State::kFailed:
      break;
  }
  const std::string_view failure = FailureText(association_->failure());
  association_.reset();
  give_up_ = MonoTime::InfiniteFuture();
  retry_ = now + kRetry;
  Enter(State::kFailed, failure);
}

MonoTime DtlsEndpoint::deadline() const {
  MonoTime first = give_up_;
  if (association_ != nullptr) {
    first = std::min(first, association_->deadline());
  }
  // A server waits for the next ClientHello instead.
  if (role() == DtlsRole::kClient && attempts_ < kMaxAttempts)
    first = std::min(first, retry_);
  return first;
}

void DtlsEndpoint::OnDeadline(MonoTime now) {
  if (give_up_ <= now) {
    association_.reset();
    give_up_ = MonoTime::InfiniteFuture();
    retry_ = now + kRetry;
    Enter(State::kFailed, FailureText(DtlsAssociation::Failure::kTimeout));
    return;
  }
  if (association_ != nullptr && association_->deadline() <= now) {
    association_->OnDeadline(now);
    Follow(now);
  }
  if (retry_ <= now && role() == DtlsRole::kClient) {
    retry_ = MonoTime::InfiniteFuture();
    if (has_path_) OnPath(now);
  }
}

std::vector<std::string> DtlsEndpoint::TakeDatagrams() {
  return std::exchange(outgoing_, {});
}

std::optional<DtlsAssociation::Keys> DtlsEndpoint::TakeKeys() {
  return std::exchange(keys_, std::nullopt);
}

bool DtlsEndpoint::TakeChange() { return std::exchange(changed_, false); }

}  // namespace sallyport::media_relay
