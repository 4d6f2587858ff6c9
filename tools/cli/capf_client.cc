#include "tools/cli/capf_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::cli {
namespace {

using capf::CapfCurve;
using capf::CapfKeyType;
using capf::CapfMessage;
using capf::CapfOpcode;
using capf::CapfReason;

// The newest dialect: it can ask for EC keys.
constexpr uint8_t kProtocolVersion = 3;
constexpr uint8_t kOk = static_cast<uint8_t>(CapfReason::kOk);

std::optional<DeviceKeyType> KeyTypeOf(const CapfMessage& message) {
  if (message.key_type == CapfKeyType::kEc) {
    if (message.curve == CapfCurve::kP384) return DeviceKeyType::kEcP384;
    if (message.curve == CapfCurve::kP521) return DeviceKeyType::kEcP521;
    return DeviceKeyType::kEcP256;
  }
  const uint16_t bits = message.key_size.value_or(2048);
  if (bits == 2048) return DeviceKeyType::kRsa2048;
  if (bits == 3072) return DeviceKeyType::kRsa3072;
  if (bits == 4096) return DeviceKeyType::kRsa4096;
  return std::nullopt;
}

absl::Status Unexpected(const CapfMessage& message) {
  const std::string_view name = CapfOpcodeName(message.opcode);
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "CAPF_UNEXPECTED_MESSAGE",
                   absl::StrCat(std::string(name), " was not expected now"));
}

}  // namespace

CapfClient::CapfClient(Options options) : options_(std::move(options)) {}

CapfMessage CapfClient::Reply(CapfOpcode opcode) const {
  CapfMessage message;
  message.opcode = opcode;
  message.session_id = session_id_;
  return message;
}

absl::StatusOr<CapfActions> CapfClient::OnMessage(const CapfMessage& message) {
  if (state_ == State::kWaitAuthRequest) {
    session_id_ = message.session_id;
  } else if (message.session_id != session_id_) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "CAPF_UNEXPECTED_MESSAGE",
                     "a message of another session came");
  }
  switch (message.opcode) {
    case CapfOpcode::kAuthRequest:
      if (state_ != State::kWaitAuthRequest) return Unexpected(message);
      return OnAuthRequest();
    case CapfOpcode::kKeyGenerateRequest:
      if (state_ != State::kWaitRequest) return Unexpected(message);
      return OnKeyRequest(message);
    case CapfOpcode::kStoreCertRequest: {
      if (state_ != State::kWaitCertificate ||
          !message.certificate.has_value()) {
        return Unexpected(message);
      }
      state_ = State::kStoring;
      CapfActions actions;
      actions.store = message.certificate->der;
      return actions;
    }
    case CapfOpcode::kFetchCertRequest:
      // For each kind that the server asks for.
      if (state_ != State::kWaitRequest && state_ != State::kWaitEnd) {
        return Unexpected(message);
      }
      return OnFetch(message);
    case CapfOpcode::kDeleteCertRequest: {
      if (state_ != State::kWaitRequest) return Unexpected(message);
      state_ = State::kStoring;
      CapfActions actions;
      actions.erase = true;
      return actions;
    }
    case CapfOpcode::kEndSession:
      return OnEnd(message);
    case CapfOpcode::kRetryLater:
      return MakeError(absl::StatusCode::kUnavailable, "CAPF_RETRY_LATER",
                       "the server is busy: try again later");
    default:
      return Unexpected(message);
  }
}

absl::StatusOr<CapfActions> CapfClient::OnAuthRequest() {
  state_ = State::kWaitRequest;
  CapfMessage reply = Reply(CapfOpcode::kAuthResponse);
  reply.reason = kOk;
  reply.protocol_version = kProtocolVersion;
  if (!options_.authentication_string.empty()) {
    reply.authentication_string =
        std::string(options_.authentication_string.DangerousText());
  }
  reply.device_name = options_.device_name;
  if (options_.proof_certificate.has_value()) {
    reply.certificate = options_.proof_certificate;
    reply.sha1_signed_data = options_.proof_sha1;
    reply.sha2_signed_data =
        capf::CapfSignature{.digest_type = 3, .bytes = options_.proof_sha512};
  }
  CapfActions actions;
  actions.send.push_back(std::move(reply));
  return actions;
}

absl::StatusOr<CapfActions> CapfClient::OnKeyRequest(
    const CapfMessage& message) {
  const bool is_ec = message.key_type == CapfKeyType::kEc;
  const std::optional<DeviceKeyType> type = KeyTypeOf(message);
  if (!type.has_value() || (is_ec && !options_.allow_ec) ||
      (!is_ec && !options_.allow_rsa)) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "CAPF_KEY_NOT_ALLOWED",
        absl::StrCat("the server asks for ",
                     is_ec
                         ? std::string("an EC key")
                         : absl::StrCat("an RSA key of ",
                                        message.key_size.value_or(0), " bits"),
                     "; this device makes none"));
  }
  state_ = State::kGenerating;
  CapfActions actions;
  actions.send.push_back(Reply(CapfOpcode::kRequestInProgress));
  actions.generate = type;
  return actions;
}

absl::StatusOr<CapfActions> CapfClient::OnFetch(const CapfMessage& message) {
  const capf::CapfCertificateType type =
      message.certificate_type.value_or(capf::CapfCertificateType::kLsc);
  const std::vector<uint8_t>& der = type == capf::CapfCertificateType::kMic
                                        ? options_.mic_der
                                        : options_.certificate_der;
  CapfMessage reply = Reply(CapfOpcode::kFetchCertResponse);
  reply.reason = kOk;
  if (!der.empty()) reply.certificate = capf::CapfCertificate{type, der};
  state_ = State::kWaitEnd;
  CapfActions actions;
  actions.send.push_back(std::move(reply));
  return actions;
}

absl::StatusOr<CapfActions> CapfClient::OnEnd(const CapfMessage& message) {
  const bool completed = state_ == State::kWaitEnd;
  state_ = State::kOver;
  const uint8_t reason =
      message.reason.value_or(static_cast<uint8_t>(CapfReason::kNoAction));
  if (completed && reason == kOk) {
    CapfActions actions;
    actions.done = true;
    return actions;
  }
  if (reason == static_cast<uint8_t>(CapfReason::kNoAction)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CAPF_NO_OPERATION",
                     "no certificate operation is pending for this device");
  }
  return MakeError(
      absl::StatusCode::kPermissionDenied, "CAPF_DECLINED",
      absl::StrCat("the server declined with reason ", reason,
                   ": device, authentication string or state is not what it "
                   "expects; it does not say which"));
}

CapfActions CapfClient::OnKey(const std::vector<uint8_t>& public_key_der) {
  state_ = State::kWaitCertificate;
  CapfMessage reply = Reply(CapfOpcode::kKeyGenerateResponse);
  reply.public_key = public_key_der;
  CapfActions actions;
  actions.send.push_back(std::move(reply));
  return actions;
}

CapfActions CapfClient::OnStored() {
  state_ = State::kWaitEnd;
  CapfMessage reply = Reply(CapfOpcode::kStoreCertResponse);
  reply.reason = kOk;
  CapfActions actions;
  actions.send.push_back(std::move(reply));
  return actions;
}

CapfActions CapfClient::OnErased() {
  state_ = State::kWaitEnd;
  CapfMessage reply = Reply(CapfOpcode::kDeleteCertResponse);
  reply.reason = kOk;
  CapfActions actions;
  actions.send.push_back(std::move(reply));
  return actions;
}

}  // namespace sallyport::cli
