#include "services/capf/rpc/capf_convert.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

using ::sallyport::FromProto;
using ::sallyport::ToProto;

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

bool IsIdCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
}

// The statuses are listed by operation; each list in the order of
// FailureReason, "Failed" first. Unspecified: the API has none.
using StatusList = std::array<pb::EnrollmentStatus, 11>;

constexpr StatusList kUpgradeFailed = {
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_INVALID_LSC,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_INVALID_AUTHENTICATION_STRING,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_INVALID_MIC,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_INVALID_CREDENTIALS,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_PHONE_COMMUNICATION_FAILURE,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_KEY_GENERATION_FAILED,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_CA_COMMUNICATION_FAILURE,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_CA_REJECTED_CONNECTION,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_USER_INITIATED_REQUEST_LATE,
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_NO_SUPPORT_FOR_EC_ONLY};
constexpr StatusList kDeleteFailed = {
    pb::ENROLLMENT_STATUS_DELETE_FAILED,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_INVALID_LSC,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_INVALID_AUTHENTICATION_STRING,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_INVALID_MIC,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_INVALID_CREDENTIALS,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_PHONE_COMMUNICATION_FAILURE,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_KEY_GENERATION_FAILED,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_CA_COMMUNICATION_FAILURE,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_CA_REJECTED_CONNECTION,
    pb::ENROLLMENT_STATUS_DELETE_FAILED_USER_INITIATED_REQUEST_LATE,
    pb::ENROLLMENT_STATUS_DELETE_FAILED};
constexpr StatusList kTroubleshootFailed = {
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_INVALID_LSC,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_INVALID_AUTHENTICATION_STRING,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_INVALID_MIC,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_INVALID_CREDENTIALS,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_PHONE_COMMUNICATION_FAILURE,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_KEY_GENERATION_FAILED,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED_USER_INITIATED_REQUEST_LATE,
    pb::ENROLLMENT_STATUS_TROUBLESHOOT_FAILED};

pb::CertificateOperation ToProto(Operation operation) {
  switch (operation) {
    case Operation::kNone:
      return pb::CERTIFICATE_OPERATION_NO_PENDING_OPERATION;
    case Operation::kInstallUpgrade:
      return pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE;
    case Operation::kDelete:
      return pb::CERTIFICATE_OPERATION_DELETE;
    case Operation::kTroubleshoot:
      return pb::CERTIFICATE_OPERATION_TROUBLESHOOT;
  }
  return pb::CERTIFICATE_OPERATION_UNSPECIFIED;
}

Operation FromProto(pb::CertificateOperation operation) {
  switch (operation) {
    case pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE:
      return Operation::kInstallUpgrade;
    case pb::CERTIFICATE_OPERATION_DELETE:
      return Operation::kDelete;
    case pb::CERTIFICATE_OPERATION_TROUBLESHOOT:
      return Operation::kTroubleshoot;
    default:
      return Operation::kNone;
  }
}

pb::AuthenticationMode ToProto(AuthenticationMode mode) {
  switch (mode) {
    case AuthenticationMode::kByString:
      return pb::AUTHENTICATION_MODE_AUTHENTICATION_STRING;
    case AuthenticationMode::kByNullString:
      return pb::AUTHENTICATION_MODE_NULL_STRING;
    case AuthenticationMode::kByExistingLsc:
      return pb::AUTHENTICATION_MODE_EXISTING_CERTIFICATE_LSC;
    case AuthenticationMode::kByExistingMic:
      return pb::AUTHENTICATION_MODE_EXISTING_CERTIFICATE_MIC;
  }
  return pb::AUTHENTICATION_MODE_UNSPECIFIED;
}

AuthenticationMode FromProto(pb::AuthenticationMode mode) {
  switch (mode) {
    case pb::AUTHENTICATION_MODE_NULL_STRING:
      return AuthenticationMode::kByNullString;
    case pb::AUTHENTICATION_MODE_EXISTING_CERTIFICATE_LSC:
      return AuthenticationMode::kByExistingLsc;
    case pb::AUTHENTICATION_MODE_EXISTING_CERTIFICATE_MIC:
      return AuthenticationMode::kByExistingMic;
    default:
      return AuthenticationMode::kByString;
  }
}

pb::KeyOrder ToProto(KeyOrder order) {
  switch (order) {
    case KeyOrder::kRsaOnly:
      return pb::KEY_ORDER_RSA_ONLY;
    case KeyOrder::kEcOnly:
      return pb::KEY_ORDER_EC_ONLY;
    case KeyOrder::kEcPreferredRsaBackup:
      return pb::KEY_ORDER_EC_PREFERRED_RSA_BACKUP;
  }
  return pb::KEY_ORDER_UNSPECIFIED;
}

KeyOrder FromProto(pb::KeyOrder order) {
  switch (order) {
    case pb::KEY_ORDER_RSA_ONLY:
      return KeyOrder::kRsaOnly;
    case pb::KEY_ORDER_EC_ONLY:
      return KeyOrder::kEcOnly;
    default:
      return KeyOrder::kEcPreferredRsaBackup;
  }
}

uint32_t CurveBits(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcP384:
      return 384;
    case KeyKind::kEcP521:
      return 521;
    default:
      return 256;
  }
}

// kRsa stands for a size that is no curve; CheckEnrollment() refuses it.
KeyKind CurveOf(uint32_t bits) {
  switch (bits) {
    case 0:
    case 256:
      return KeyKind::kEcP256;
    case 384:
      return KeyKind::kEcP384;
    case 521:
      return KeyKind::kEcP521;
    default:
      return KeyKind::kRsa;
  }
}

pb::CertificateProfile ToProto(ProfileId profile) {
  switch (profile) {
    case ProfileId::kLsc:
      return pb::CERTIFICATE_PROFILE_LSC;
    case ProfileId::kSipServer:
    case ProfileId::kPhoneServer:
    case ProfileId::kCapfServer:
      return pb::CERTIFICATE_PROFILE_SERVER;
    case ProfileId::kService:
      return pb::CERTIFICATE_PROFILE_SERVICE;
    case ProfileId::kClient:
      return pb::CERTIFICATE_PROFILE_CLIENT;
    case ProfileId::kCtlSigner:
      return pb::CERTIFICATE_PROFILE_CTL_SIGNER;
    case ProfileId::kAuthority:
    case ProfileId::kRoot:
      break;
  }
  return pb::CERTIFICATE_PROFILE_UNSPECIFIED;
}

pb::CertificateState StateOf(const CertificateRecord& record, absl::Time now) {
  if (record.state == CertificateState::kRevoked) {
    return pb::CERTIFICATE_STATE_REVOKED;
  }
  if (record.not_after < now) return pb::CERTIFICATE_STATE_EXPIRED;
  if (record.state == CertificateState::kPending) {
    return pb::CERTIFICATE_STATE_PENDING;
  }
  return pb::CERTIFICATE_STATE_ACTIVE;
}

std::string_view AltNamePrefix(SubjectAltName::Type type) {
  switch (type) {
    case SubjectAltName::Type::kDns:
      return "DNS:";
    case SubjectAltName::Type::kUri:
      return "URI:";
    case SubjectAltName::Type::kIp:
      return "IP:";
    case SubjectAltName::Type::kEmail:
      return "email:";
    case SubjectAltName::Type::kOther:
      break;
  }
  return "other:";
}

type::v1::KeyType KeyTypeOf(ByteSpan der) {
  // Only what we would certify has a name in the API.
  const absl::StatusOr<PublicKey> key =
      KeyOfCertificate(der, KeyPolicy{.min_rsa_bits = 1024});
  if (!key.ok()) return type::v1::KEY_TYPE_UNSPECIFIED;
  switch (key->kind()) {
    case KeyKind::kEcP256:
      return type::v1::KEY_TYPE_EC_P256;
    case KeyKind::kEcP384:
      return type::v1::KEY_TYPE_EC_P384;
    case KeyKind::kEcP521:
      return type::v1::KEY_TYPE_EC_P521;
    case KeyKind::kRsa:
      break;
  }
  switch (key->bits()) {
    case 1024:
      return type::v1::KEY_TYPE_RSA_1024;
    case 2048:
      return type::v1::KEY_TYPE_RSA_2048;
    case 3072:
      return type::v1::KEY_TYPE_RSA_3072;
    case 4096:
      return type::v1::KEY_TYPE_RSA_4096;
    default:
      return type::v1::KEY_TYPE_UNSPECIFIED;
  }
}

void AddStore(const std::string& name,
              const std::vector<std::string>& certificates, bool hard,
              pb::WatchTrustBundleResponse& step) {
  pb::TrustStoreContents& store = *step.add_stores();
  store.set_name(name);
  store.set_hard_revocation(hard);
  for (const std::string& der : certificates) store.add_certificates(der);
}

void FillRevoked(const RevokedSerial& revoked, pb::RevokedCertificate& one) {
  one.set_issuer(revoked.issuer_der);
  one.set_serial(revoked.serial);
  one.set_crl_issuer(revoked.crl_issuer_der);
  if (revoked.revoke_time != absl::UnixEpoch()) {
    *one.mutable_revoke_time() = ToProto(revoked.revoke_time);
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseName(
    std::string_view name,
    std::initializer_list<std::string_view> collections) {
  const std::vector<std::string> parts = absl::StrSplit(AbslView(name), '/');
  std::vector<std::string> ids;
  bool ok = parts.size() == 2 * collections.size();
  size_t at = 0;
  for (const std::string_view collection : collections) {
    if (!ok) break;
    const std::string& id = parts[at + 1];
    ok = parts[at] == collection && !id.empty() && id != "-" &&
         id.size() <= 80 && std::all_of(id.begin(), id.end(), IsIdCharacter);
    ids.push_back(id);
    at += 2;
  }
  if (!ok) return Invalid("NAME_INVALID", "not a resource name of this kind");
  return ids;
}

bool IsResourceId(std::string_view id) {
  return !id.empty() && id.size() <= 63 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
                  c == '-' || c == '_';
         });
}

type::v1::CertificateSummary Summarize(ByteSpan der) {
  type::v1::CertificateSummary summary;
  const absl::StatusOr<CertificateInfo> info = ParseCertificate(der);
  if (!info.ok()) return summary;
  summary.set_subject(info->subject);
  summary.set_issuer(info->issuer);
  summary.set_serial(info->serial_hex);
  for (const SubjectAltName& name : info->alt_names) {
    std::string value = name.value;
    if (name.type == SubjectAltName::Type::kIp) {
      const auto address = SocketAddress::FromBytes(AsBytes(value), 0);
      value = address.has_value() ? address->IpText() : std::string();
    }
    summary.add_subject_alt_names(
        std::string(AltNamePrefix(name.type)).append(value));
  }
  *summary.mutable_not_before_time() = ToProto(info->not_before);
  *summary.mutable_not_after_time() = ToProto(info->not_after);
  summary.set_sha1_thumbprint(HexEncode(info->sha1));
  summary.set_sha256_thumbprint(HexEncode(info->sha256));
  summary.set_key_type(KeyTypeOf(der));
  summary.set_self_signed(info->self_signed);
  if (info->server_auth) summary.add_extended_key_usages("serverAuth");
  if (info->client_auth) summary.add_extended_key_usages("clientAuth");
  if (info->sip_domain) summary.add_extended_key_usages("sipDomain");
  for (const std::string_view name : KeyUsageNames(*info)) {
    summary.add_key_usages(std::string(name));
  }
  for (const std::string_view name : PermittedFunctions(*info)) {
    summary.add_permitted_functions(std::string(name));
  }
  return summary;
}

pb::EnrollmentStatus ToProto(const OperationStatus& status) {
  const auto reason = static_cast<size_t>(status.reason);
  switch (status.outcome) {
    case OperationStatus::Outcome::kNone:
      return pb::ENROLLMENT_STATUS_NONE;
    case OperationStatus::Outcome::kPending:
      return pb::ENROLLMENT_STATUS_OPERATION_PENDING;
    case OperationStatus::Outcome::kSuccess:
      switch (status.operation) {
        case Operation::kDelete:
          return pb::ENROLLMENT_STATUS_DELETE_SUCCESS;
        case Operation::kTroubleshoot:
          return pb::ENROLLMENT_STATUS_TROUBLESHOOT_SUCCESS;
        default:
          return pb::ENROLLMENT_STATUS_UPGRADE_SUCCESS;
      }
    case OperationStatus::Outcome::kFailed:
      break;
  }
  switch (status.operation) {
    case Operation::kDelete:
      return kDeleteFailed[reason];
    case Operation::kTroubleshoot:
      return kTroubleshootFailed[reason];
    default:
      return kUpgradeFailed[reason];
  }
}

pb::Enrollment ToProto(const Enrollment& e) {
  pb::Enrollment out;
  out.set_name(e.name);
  out.set_device_name(e.device_name);
  out.set_model(e.model);
  if (!e.authority.empty()) {
    out.set_certificate_authority("certificateAuthorities/" + e.authority);
  }
  out.set_operation(ToProto(e.operation));
  out.set_authentication_mode(ToProto(e.mode));
  out.set_key_order(ToProto(e.key_order));
  out.set_rsa_key_size(static_cast<uint32_t>(e.rsa_bits));
  out.set_ec_key_size(CurveBits(e.curve));
  if (e.completes_by != absl::InfiniteFuture()) {
    *out.mutable_operation_completes_by_time() = ToProto(e.completes_by);
  }
  out.set_status(ToProto(e.status));
  *out.mutable_status_time() = ToProto(e.update_time);
  out.set_failed_attempts(e.failed_attempts);
  out.set_locked(e.locked);
  out.set_approval_required(e.approval_required);
  out.set_approved(e.approved);
  out.set_etag(absl::StrCat(e.version));
  *out.mutable_create_time() = ToProto(e.create_time);
  *out.mutable_update_time() = ToProto(e.update_time);
  out.set_protocol_version(e.protocol_version);
  return out;
}

absl::Status ApplyProto(const pb::Enrollment& in,
                        const std::vector<std::string>& fields,
                        Enrollment& out) {
  for (const std::string& field : fields) {
    if (field == "operation") {
      out.operation = FromProto(in.operation());
    } else if (field == "approval_required") {
      out.approval_required = in.approval_required();
    } else if (field == "authentication_mode") {
      out.mode = FromProto(in.authentication_mode());
      if (out.mode != AuthenticationMode::kByString) out.verifier = {};
    } else if (field == "key_order") {
      out.key_order = FromProto(in.key_order());
    } else if (field == "rsa_key_size") {
      out.rsa_bits =
          in.rsa_key_size() == 0 ? 2048 : static_cast<int>(in.rsa_key_size());
    } else if (field == "ec_key_size") {
      out.curve = CurveOf(in.ec_key_size());
    } else if (field == "operation_completes_by_time") {
      out.completes_by = FromProto(in.operation_completes_by_time());
    } else if (field == "model") {
      if (in.model().size() > 64) {
        return Invalid("ENROLLMENT_INVALID", "a model has 64 characters");
      }
      out.model = in.model();
    } else if (field == "certificate_authority") {
      out.authority.clear();
      if (!in.certificate_authority().empty()) {
        SP_ASSIGN_OR_RETURN(
            const std::vector<std::string> ids,
            ParseName(in.certificate_authority(), {"certificateAuthorities"}));
        out.authority = ids[0];
      }
    } else if (field == "device_name") {
      if (in.device_name() != out.device_name) {
        return Invalid("FIELD_IMMUTABLE", "the device name cannot change");
      }
    } else if (field != "authentication_string") {
      return Invalid("UPDATE_MASK_INVALID",
                     absl::StrCat("field ", field, " cannot be set"));
    }
  }
  return absl::OkStatus();
}

pb::Certificate ToProto(const CertificateRecord& record,
                        const std::string& authority_name, absl::Time now) {
  pb::Certificate out;
  out.set_name(record.Name());
  *out.mutable_summary() = Summarize(AsBytes(record.der));
  out.set_certificate_pem(CertificateToPem(AsBytes(record.der)));
  out.set_profile(ToProto(record.profile));
  out.set_certificate_authority(authority_name);
  out.set_state(StateOf(record, now));
  if (record.state == CertificateState::kRevoked) {
    out.set_revocation_reason(static_cast<pb::RevocationReason>(
        static_cast<int>(record.revocation_reason)));
    *out.mutable_revoke_time() = ToProto(record.revoke_time);
  }
  *out.mutable_create_time() = ToProto(record.create_time);
  if (record.profile == ProfileId::kLsc) {
    out.set_device_name(record.common_name);
  }
  out.set_requester(record.requester);
  *out.mutable_renew_time() = ToProto(
      record.not_before + (record.not_after - record.not_before) / 3 * 2);
  return out;
}

absl::StatusOr<ProfileId> FromProto(pb::CertificateProfile profile) {
  switch (profile) {
    case pb::CERTIFICATE_PROFILE_SERVER:
      return ProfileId::kSipServer;
    case pb::CERTIFICATE_PROFILE_CLIENT:
      return ProfileId::kClient;
    case pb::CERTIFICATE_PROFILE_SERVICE:
      return ProfileId::kService;
    case pb::CERTIFICATE_PROFILE_CTL_SIGNER:
      return Invalid("PROFILE_INVALID",
                     "the signers of trust lists are made by capf itself");
    case pb::CERTIFICATE_PROFILE_LSC:
      return Invalid("PROFILE_INVALID",
                     "an LSC is issued by the CAPF protocol only");
    default:
      return Invalid("PROFILE_INVALID", "a profile is required");
  }
}

RevocationReason FromProto(pb::RevocationReason reason) {
  // The API numbers them as RFC 5280 does.
  const int number = static_cast<int>(reason);
  return number >= 0 && number <= 5 ? static_cast<RevocationReason>(number)
                                    : RevocationReason::kUnspecified;
}

absl::StatusOr<SubjectAltNames> ParseAltNames(
    const google::protobuf::RepeatedPtrField<std::string>& names) {
  SubjectAltNames out;
  for (const std::string& name : names) {
    const size_t colon = name.find(':');
    const std::string kind = name.substr(0, colon);
    const std::string value =
        colon == std::string::npos ? std::string() : name.substr(colon + 1);
    if (kind == "DNS") {
      out.dns_names.push_back(absl::AsciiStrToLower(value));
    } else if (kind == "URI") {
      out.uris.push_back(value);
    } else if (kind == "IP") {
      const auto address = SocketAddress::FromIp(value, 0);
      if (!address.ok()) return Invalid("SAN_INVALID", "not an address");
      out.ip_addresses.push_back(ToString(address->ip_bytes()));
    } else {
      return Invalid("SAN_INVALID", "a name begins with DNS:, URI: or IP:");
    }
  }
  return out;
}

pb::TrustedCertificate ToProto(const TrustedCertificate& trusted) {
  pb::TrustedCertificate out;
  out.set_name(trusted.Name());
  out.set_certificate(CertificateToPem(AsBytes(trusted.der)));
  *out.mutable_summary() = Summarize(AsBytes(trusted.der));
  out.set_origin(trusted.origin);
  out.set_tls_peer_subject(trusted.tls_peer_subject);
  for (const std::string& context : trusted.tls_contexts) {
    out.add_tls_contexts(context);
  }
  *out.mutable_create_time() = ToProto(trusted.create_time);
  return out;
}

pb::WatchTrustBundleResponse ToStep(const TrustBundle& bundle,
                                    const TrustBundleDelta& delta) {
  pb::WatchTrustBundleResponse step;
  step.set_version(bundle.version);
  for (const auto& [name, certificates] : delta.stores) {
    AddStore(name, certificates, bundle.IsHard(name), step);
  }
  for (const RevokedSerial& revoked : delta.revoked) {
    FillRevoked(revoked, *step.add_revoked());
  }
  for (const RevokedSerial& restored : delta.restored) {
    FillRevoked(restored, *step.add_restored());
  }
  const auto add = [&step](const RevocationCoverage& coverage) {
    pb::RevocationCoverage* const one = step.add_coverage();
    if (coverage.leaf_until != absl::InfinitePast()) {
      *one->mutable_leaf_until_time() = ToProto(coverage.leaf_until);
    }
    if (coverage.authority_until != absl::InfinitePast()) {
      *one->mutable_authority_until_time() = ToProto(coverage.authority_until);
    }
    return one;
  };
  for (const auto& [issuer, coverage] : delta.coverage) {
    add(coverage)->set_issuer(issuer);
  }
  for (const auto& [issuers, coverage] : delta.indirect_coverage) {
    pb::RevocationCoverage* const one = add(coverage);
    one->set_issuer(issuers.first);
    one->set_crl_issuer(issuers.second);
  }
  *step.mutable_create_time() = ToProto(bundle.create_time);
  return step;
}

pb::RevocationSource ToProto(const RevocationSource& source) {
  pb::RevocationSource out;
  const auto set = [](absl::Time time, google::protobuf::Timestamp* to) {
    if (time != absl::InfinitePast()) *to = ToProto(time);
  };
  out.set_url(source.url);
  out.set_configured(source.configured);
  if (!source.status.ok()) out.set_reason(ReasonOf(source.status));
  out.set_held(source.held);
  if (source.held) {
    set(source.this_update, out.mutable_this_update_time());
    set(source.next_update, out.mutable_next_update_time());
  }
  out.set_entry_count(static_cast<uint32_t>(source.entries));
  out.set_told_count(static_cast<uint32_t>(source.told));
  if (!source.told_status.ok()) {
    out.set_told_reason(ReasonOf(source.told_status));
  }
  set(source.last_attempt, out.mutable_last_attempt_time());
  set(source.next_attempt, out.mutable_next_attempt_time());
  out.set_failure_count(static_cast<uint32_t>(source.failures));
  return out;
}

}  // namespace sallyport::capf
