#include "services/capf/core/capf_session.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "services/capf/core/certificate_names.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

constexpr uint8_t kOurVersion = 3;
constexpr uint8_t kOldestVersion = 2;

CapfCurve CurveOf(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcP384:
      return CapfCurve::kP384;
    case KeyKind::kEcP521:
      return CapfCurve::kP521;
    case KeyKind::kEcP256:
    case KeyKind::kRsa:
      break;
  }
  return CapfCurve::kP256;
}

}  // namespace

CapfSession::CapfSession(const CapfSessionOptions& options, uint32_t session_id,
                         MonoTime now)
    : options_(options),
      session_id_(session_id),
      deadline_(now + options.pre_auth_timeout) {}

void CapfSession::Enter(State state, MonoTime deadline) {
  state_ = state;
  deadline_ = deadline;
}

CapfMessage CapfSession::Compose(CapfOpcode opcode) const {
  CapfMessage message;
  message.opcode = opcode;
  message.session_id = session_id_;
  return message;
}

CapfSession::Send CapfSession::SendMessage(const CapfMessage& message) const {
  absl::StatusOr<std::string> wire = SerializeCapfMessage(message);
  // Our own messages are small; only a certificate of 64 KiB would not fit.
  SP_CHECK(wire.ok());
  return Send{*std::move(wire)};
}

CapfSession::Actions CapfSession::Over() {
  Enter(State::kOver, MonoTime::InfiniteFuture());
  buffer_.clear();
  return {Close{}};
}

CapfSession::Actions CapfSession::End(CapfReason reason) {
  end_reason_ = reason;
  CapfMessage message = Compose(CapfOpcode::kEndSession);
  message.reason = static_cast<uint8_t>(reason);
  Actions actions = {SendMessage(message)};
  Actions over = Over();
  std::move(over.begin(), over.end(), std::back_inserter(actions));
  return actions;
}

CapfSession::Actions CapfSession::Refuse(CapfReason reason, MonoTime now) {
  end_reason_ = reason;
  if (now >= refuse_at_) return End(reason);
  Enter(State::kRefusing, refuse_at_);
  return {};
}

CapfSession::Actions CapfSession::Fail(FailureReason reason) {
  Actions actions;
  if (!enrollment_.empty()) {
    // The certificate that went out unconfirmed is not given up: the phone may
    // have stored it. The next contact with the same key gets it again.
    actions.push_back(RecordFailure{
        .enrollment = enrollment_, .serial = {}, .reason = reason});
  }
  Actions over = Over();
  std::move(over.begin(), over.end(), std::back_inserter(actions));
  return actions;
}

CapfSession::Actions CapfSession::OnSecured(MonoTime now) {
  if (state_ != State::kSecuring) return {};
  Enter(State::kAsking, now + options_.pre_auth_timeout);
  CapfMessage message = Compose(CapfOpcode::kAuthRequest);
  message.protocol_version = kOurVersion;
  if (options_.send_auth_type) message.auth_type = CapfAuthType::kNone;
  return {SendMessage(message)};
}

CapfSession::Actions CapfSession::OnData(ByteSpan bytes, MonoTime now) {
  if (state_ == State::kOver) return {};
  // One message is outstanding at any time; a phone that talks while we work
  // is held to the same bound.
  if (buffer_.size() + bytes.size() >
      2 * (kCapfHeaderSize + options_.max_payload)) {
    return Fail(FailureReason::kPhoneCommunicationFailure);
  }
  buffer_.append(AsText(bytes));
  Actions actions;
  while (state_ == State::kAsking || state_ == State::kKeyWait ||
         state_ == State::kStoreWait || state_ == State::kDeleteWait ||
         state_ == State::kFetchWait) {
    absl::StatusOr<std::optional<ParsedCapfMessage>> parsed =
        ParseCapfMessage(AsBytes(buffer_), options_.max_payload);
    Actions more;
    if (!parsed.ok()) {
      more = Fail(FailureReason::kPhoneCommunicationFailure);
    } else if (!parsed->has_value()) {
      break;
    } else {
      buffer_.erase(0, (*parsed)->consumed);
      more = OnMessage(std::move((*parsed)->message), now);
    }
    std::move(more.begin(), more.end(), std::back_inserter(actions));
  }
  return actions;
}

CapfSession::Actions CapfSession::OnMessage(CapfMessage message, MonoTime now) {
  if (message.session_id != session_id_) {
    return Fail(FailureReason::kPhoneCommunicationFailure);
  }
  switch (state_) {
    case State::kAsking:
      if (message.opcode == CapfOpcode::kAuthResponse) {
        return OnAuthResponse(std::move(message), now);
      }
      break;
    case State::kKeyWait:
      if (message.opcode == CapfOpcode::kRequestInProgress) return {};
      if (message.opcode == CapfOpcode::kKeyGenerateResponse) {
        return OnKey(std::move(message), now);
      }
      break;
    case State::kStoreWait:
      if (message.opcode == CapfOpcode::kRequestInProgress) return {};
      if (message.opcode == CapfOpcode::kStoreCertResponse) {
        return OnStoreResponse(message, now);
      }
      break;
    case State::kDeleteWait:
      if (message.opcode == CapfOpcode::kRequestInProgress) return {};
      if (message.opcode == CapfOpcode::kDeleteCertResponse) {
        return OnDeleteResponse(message, now);
      }
      break;
    case State::kFetchWait:
      if (message.opcode == CapfOpcode::kRequestInProgress) return {};
      if (message.opcode == CapfOpcode::kFetchCertResponse) {
        return OnFetchResponse(std::move(message), now);
      }
      break;
    default:
      break;
  }
  return Fail(FailureReason::kPhoneCommunicationFailure);
}

CapfSession::Actions CapfSession::OnAuthResponse(CapfMessage message,
                                                 MonoTime now) {
  refuse_at_ = now + options_.refusal_delay;
  const uint8_t version = message.protocol_version.value_or(kOldestVersion);
  if (version < kOldestVersion || !message.device_name.has_value() ||
      !IsDeviceName(*message.device_name)) {
    return Refuse(CapfReason::kDeclined, now);
  }
  // The older dialect of the two is spoken.
  protocol_version_ = std::min(version, kOurVersion);
  message.protocol_version = protocol_version_;
  // The judge answers by itself; the limit is for a judge that hangs.
  Enter(State::kJudging, now + options_.answer_timeout);
  return {Authenticate{std::move(message)}};
}

CapfSession::Actions CapfSession::OnAdmission(const Admission& admission,
                                              MonoTime now) {
  if (state_ != State::kJudging) return {};
  switch (admission.verdict) {
    case Verdict::kRefused:
      return Refuse(CapfReason::kDeclined, now);
    case Verdict::kUnknownDevice:
      return Refuse(options_.dangerous_tell_unknown_device
                        ? CapfReason::kUnknownDevice
                        : CapfReason::kDeclined,
                    now);
    case Verdict::kNothingPending:
    case Verdict::kAwaitsApproval:
      // Told only to a phone that proved itself; it asks again later.
      return End(CapfReason::kNoAction);
    case Verdict::kTroubleshoot:
      enrollment_ = admission.enrollment;
      Enter(State::kFetchWait, now + options_.answer_timeout);
      return {Fetch(CapfCertificateType::kLsc)};
    case Verdict::kDelete:
      enrollment_ = admission.enrollment;
      Enter(State::kDeleteWait, now + options_.answer_timeout);
      return {SendMessage(Compose(CapfOpcode::kDeleteCertRequest))};
    case Verdict::kInstall:
      break;
  }
  enrollment_ = admission.enrollment;
  Enter(State::kKeyWait, now + options_.key_generation_timeout);
  CapfMessage message = Compose(CapfOpcode::kKeyGenerateRequest);
  if (admission.key.kind == KeyKind::kRsa) {
    message.key_size = static_cast<uint16_t>(admission.key.rsa_bits);
    if (protocol_version_ >= 3) message.key_type = CapfKeyType::kRsa;
  } else {
    message.key_type = CapfKeyType::kEc;
    message.curve = CurveOf(admission.key.kind);
  }
  return {SendMessage(message)};
}

CapfSession::Actions CapfSession::OnKey(CapfMessage message, MonoTime now) {
  // A phone that could not make a key says so by a reason or by no key.
  if (!message.public_key.has_value() || message.public_key->empty()) {
    Actions actions = {
        RecordFailure{.enrollment = enrollment_,
                      .serial = {},
                      .reason = FailureReason::kKeyGenerationFailed}};
    Actions end = End(CapfReason::kDeclined);
    std::move(end.begin(), end.end(), std::back_inserter(actions));
    return actions;
  }
  Enter(State::kIssuing, now + options_.answer_timeout);
  return {IssueLsc{.enrollment = enrollment_,
                   .protocol_version = protocol_version_,
                   .spki = ToString(ByteSpan(*message.public_key))}};
}

CapfSession::Actions CapfSession::OnIssued(
    const absl::StatusOr<IssuedLsc>& issued, MonoTime now) {
  if (state_ != State::kIssuing) return {};
  if (!issued.ok()) {
    // Whoever refused has recorded why.
    return End(CapfReason::kDeclined);
  }
  serial_ = issued->serial;
  CapfMessage message = Compose(CapfOpcode::kStoreCertRequest);
  message.certificate_type = CapfCertificateType::kLsc;
  message.certificate =
      CapfCertificate{.type = CapfCertificateType::kLsc,
                      .der = {issued->der.begin(), issued->der.end()}};
  Enter(State::kStoreWait, now + options_.answer_timeout);
  return {SendMessage(message)};
}

CapfSession::Actions CapfSession::OnStoreResponse(const CapfMessage& message,
                                                  MonoTime now) {
  if (message.reason == static_cast<uint8_t>(CapfReason::kOk)) {
    Enter(State::kRecording, now + options_.answer_timeout);
    return {RecordStored{.enrollment = enrollment_, .serial = serial_}};
  }
  Actions actions = {RecordFailure{.enrollment = enrollment_,
                                   .serial = serial_,
                                   .reason = FailureReason::kInvalidLsc}};
  Actions end = End(CapfReason::kDeclined);
  std::move(end.begin(), end.end(), std::back_inserter(actions));
  return actions;
}

CapfSession::Actions CapfSession::OnDeleteResponse(const CapfMessage& message,
                                                   MonoTime now) {
  if (message.reason == static_cast<uint8_t>(CapfReason::kOk)) {
    Enter(State::kRecording, now + options_.answer_timeout);
    return {RecordDeleted{.enrollment = enrollment_}};
  }
  Actions actions = {RecordFailure{
      .enrollment = enrollment_, .serial = {}, .reason = FailureReason::kNone}};
  Actions end = End(CapfReason::kDeclined);
  std::move(end.begin(), end.end(), std::back_inserter(actions));
  return actions;
}

CapfSession::Send CapfSession::Fetch(CapfCertificateType type) const {
  CapfMessage message = Compose(CapfOpcode::kFetchCertRequest);
  message.certificate_type = type;
  return SendMessage(message);
}

// A phone that has none of a kind says so by another reason, or by leaving the
// certificate out.
CapfSession::Actions CapfSession::OnFetchResponse(CapfMessage message,
                                                  MonoTime now) {
  std::string der;
  if (message.reason.value_or(static_cast<uint8_t>(CapfReason::kOk)) ==
          static_cast<uint8_t>(CapfReason::kOk) &&
      message.certificate.has_value()) {
    der = ToString(ByteSpan(message.certificate->der));
  }
  if (!fetching_mic_) {
    fetching_mic_ = true;
    lsc_der_ = std::move(der);
    Enter(State::kFetchWait, now + options_.answer_timeout);
    return {Fetch(CapfCertificateType::kMic)};
  }
  Enter(State::kRecording, now + options_.answer_timeout);
  return {RecordFetched{.enrollment = enrollment_,
                        .lsc_der = std::move(lsc_der_),
                        .mic_der = std::move(der)}};
}

CapfSession::Actions CapfSession::OnRecorded(const absl::Status& status,
                                             MonoTime now) {
  static_cast<void>(now);
  if (state_ != State::kRecording) return {};
  // Not recorded: the phone is not told that all is well, and asks again.
  return End(status.ok() ? CapfReason::kOk : CapfReason::kDeclined);
}

CapfSession::Actions CapfSession::OnClosed(MonoTime now) {
  static_cast<void>(now);
  Actions actions;
  switch (state_) {
    case State::kKeyWait:
    case State::kStoreWait:
    case State::kDeleteWait:
    case State::kFetchWait:
    case State::kIssuing:
      actions.push_back(
          RecordFailure{.enrollment = enrollment_,
                        .serial = {},
                        .reason = FailureReason::kPhoneCommunicationFailure});
      break;
    default:
      break;
  }
  Enter(State::kOver, MonoTime::InfiniteFuture());
  buffer_.clear();
  return actions;
}

CapfSession::Actions CapfSession::OnDeadline(MonoTime now) {
  if (now < deadline_) return {};
  switch (state_) {
    case State::kRefusing:
      return End(end_reason_);
    case State::kKeyWait:
      return Fail(FailureReason::kKeyGenerationFailed);
    case State::kStoreWait:
    case State::kDeleteWait:
    case State::kFetchWait:
      return Fail(FailureReason::kPhoneCommunicationFailure);
    case State::kIssuing:
      return Fail(FailureReason::kCaCommunicationFailure);
    default:
      return Over();
  }
}

}  // namespace sallyport::capf
