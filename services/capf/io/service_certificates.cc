#include "services/capf/io/service_certificates.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_event.h"
#include "services/capf/core/csr.h"
#include "services/capf/io/change_events.h"
#include "services/capf/io/fips_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/log/log.h"
#include "services/common/renewal/renewal_request.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMostCertificates = 64;
constexpr size_t kMostInstances = 10000;
constexpr absl::Duration kForgotten = absl::Hours(24);

absl::Status Denied(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, message);
}

absl::Status Invalid(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

std::vector<std::string> Sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

// A name in events and lists: as instance ids and host names are.
bool IsWord(const std::string& text, size_t most) {
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

absl::StatusOr<CertificateRecord> ServiceCertificates::Renew(
    const ServiceRenewal& renewal) {
  SP_ASSIGN_OR_RETURN(const VerifiedCsr csr,
                      VerifyCsr(AsBytes(renewal.csr_der), KeyPolicy{}));
  SP_ASSIGN_OR_RETURN(const CertificateInfo current,
                      ParseCertificate(AsBytes(renewal.current_der)));
  const SubjectAltNames& names = csr.names();
  if (Sorted(current.AltNames(SubjectAltName::Type::kDns)) !=
          Sorted(names.dns_names) ||
      Sorted(current.AltNames(SubjectAltName::Type::kUri)) !=
          Sorted(names.uris) ||
      Sorted(current.AltNames(SubjectAltName::Type::kIp)) !=
          Sorted(names.ip_addresses)) {
    return Denied("RENEWAL_NAMES_DIFFER",
                  "a service renews the names that it has and no others");
  }
  if (ledger_.clock().Now() > current.not_after) {
    return Denied("CERTIFICATE_EXPIRED",
                  "what has expired proves nothing; an operator must help");
  }
  SP_ASSIGN_OR_RETURN(std::optional<CertificateRecord> record,
                      ledger_.store().GetCertificate(current.serial_hex));
  // Another authority may have used the number.
  if (record && record->der != renewal.current_der) record.reset();
  if (record && record->state == CertificateState::kRevoked) {
    return Denied("CERTIFICATE_REVOKED", "it is revoked");
  }
  IssueOrder order{.tenant = options_.tenant,
                   .profile = ProfileId::kService,
                   .subject = {},
                   .names = names,
                   .key = csr.key(),
                   .validity = options_.service_lifetime,
                   .enrollment = {},
                   .requester = absl::StrCat("service ", renewal.service),
                   .request_key = {},
                   .request_sha256 = HexEncode(AsBytes(csr.sha256()))};
  if (renewal.is_identity) {
    const std::string identity =
        ServiceSpiffeId(options_.trust_domain, renewal.service);
    if (names.uris != std::vector<std::string>{identity}) {
      return Denied("RENEWAL_NAMES_DIFFER", "it is not the caller's identity");
    }
  } else {
    if (!record || record->profile != ProfileId::kSipServer) {
      return Denied("CERTIFICATE_NOT_OURS",
                    "it is no server's certificate that was issued here");
    }
    if (!VerifyRenewalProof(AsBytes(renewal.current_der),
                            AsBytes(renewal.csr_der), AsBytes(renewal.proof))) {
      return Denied("PROOF_INVALID", "the old key has not signed the request");
    }
    order.tenant = record->tenant;
    order.profile = ProfileId::kSipServer;
    order.validity = options_.server_lifetime;
  }
  order.subject = {.organization = authority_.issuer().subject.organization,
                   .common_name = current.common_names.empty()
                                      ? renewal.service
                                      : current.common_names.front()};
  if (!renewal.request_id.empty()) {
    if (renewal.request_id.size() > 64) {
      return Invalid("REQUEST_ID_INVALID", "request_id has 64 characters");
    }
    order.request_key = absl::StrCat(order.tenant, "/", renewal.request_id);
  }
  return authority_.Issue(
      order, [&](const CertificateRecord&, StoreChange& change) {
        // What was replaced expires in silence.
        if (!record || record->state != CertificateState::kActive) return;
        CertificateRecord old = *record;
        old.state = CertificateState::kSuperseded;
        change.update_certificates.push_back({old, CertificateState::kActive});
      });
}

absl::Status ServiceCertificates::Report(
    const std::string& service, const std::string& instance,
    std::vector<ServiceCertificate> certificates) {
  if (!IsWord(instance, 253)) {
    return Invalid("INSTANCE_INVALID", "instance is no name");
  }
  if (certificates.size() > kMostCertificates ||
      in_use_.size() > kMostInstances) {
    return Invalid("TOO_MANY_CERTIFICATES", "more than can be remembered");
  }
  StoreChange change;
  for (ServiceCertificate& one : certificates) {
    const absl::StatusOr<CertificateInfo> info =
        ParseCertificate(AsBytes(one.der));
    if (!info.ok() || !IsWord(one.use, 300) || one.last_reason.size() > 64 ||
        one.mended_reason.size() > 64) {
      return Invalid("CERTIFICATE_MALFORMED",
                     "a certificate or its use cannot be read");
    }
    one.service = service;
    one.instance = instance;
    one.not_after = info->not_after;
    one.report_time = ledger_.clock().Now();
    SP_ASSIGN_OR_RETURN(const std::optional<CertificateRecord> record,
                        ledger_.store().GetCertificate(info->serial_hex));
    one.issued_here = record && record->der == one.der;
    one.tenant = one.issued_here ? record->tenant : options_.tenant;
    const std::string used_by = one.UsedBy();
    const std::string sha256 = HexEncode(info->sha256);
    const auto before = in_use_.find({service, instance, one.use});
    const bool known = before != in_use_.end();
    if (!known || before->second.der != one.der ||
        before->second.start_time != one.start_time) {
      CertificateEvent event =
          NewEvent(CertificateEventType::kInUse, one.tenant, one.der, used_by,
                   one.use_time);
      // Each start of each instance tells it once, whatever replica it asks.
      event.key = absl::StrCat("in_use:", used_by, ":", sha256, ":",
                               absl::ToUnixMicros(one.start_time));
      event.event_id = kEventInUse;
      event.summary =
          absl::StrCat(DescribeCertificate(one.der), " is in use by ", used_by);
      LogInfo("certificate in use", {{"used_by", used_by},
                                     {"issuer", info->issuer},
                                     {"serial", info->serial_hex},
                                     {"sha1", HexEncode(info->sha1)},
                                     {"sha256", sha256}});
      change.audit.push_back({"CERTIFICATE_IN_USE",
                              absl::StrCat("service ", service), used_by,
                              event.summary});
      change.insert_events.push_back(std::move(event));
    }
    if (one.failures > 0 &&
        (!known || before->second.last_failure_time != one.last_failure_time)) {
      CertificateEvent event =
          NewEvent(CertificateEventType::kRenewalFailed, one.tenant, one.der,
                   used_by, one.last_failure_time);
      event.key = absl::StrCat("renewal_failed:", used_by, ":",
                               absl::ToUnixMicros(one.last_failure_time));
      event.summary = absl::StrCat(
          DescribeCertificate(one.der), " of ", used_by,
          " was not renewed: ", one.last_reason, ", attempt ", one.failures,
          "; next attempt at ",
          absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", one.next_attempt_time,
                           absl::UTCTimeZone()));
      change.audit.push_back({"RENEWAL_FAILED",
                              absl::StrCat("service ", service), used_by,
                              event.summary});
      change.insert_events.push_back(std::move(event));
    }
    // A failure that was told while it lasted is no other now.
    if (one.mended_failures > 0 &&
        (!known ||
         before->second.last_failure_time != one.mended_failure_time)) {
      CertificateEvent event =
          NewEvent(CertificateEventType::kRenewalFailed, one.tenant, one.der,
                   used_by, one.mended_failure_time);
      event.key = absl::StrCat("renewal_failed:", used_by, ":",
                               absl::ToUnixMicros(one.mended_failure_time));
      event.summary = absl::StrCat(
          "the certificate of ", used_by, " was not renewed in ",
          one.mended_failures, " attempts until ",
          absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", one.mended_failure_time,
                           absl::UTCTimeZone()),
          ": ", one.mended_reason, "; it has been since");
      change.audit.push_back({"RENEWAL_FAILED",
                              absl::StrCat("service ", service), used_by,
                              event.summary});
      change.insert_events.push_back(std::move(event));
    }
  }
  if (!change.audit.empty()) SP_RETURN_IF_ERROR(ledger_.Apply(change));
  const auto begin = in_use_.lower_bound({service, instance, ""});
  auto end = begin;
  while (end != in_use_.end() && end->second.service == service &&
         end->second.instance == instance) {
    ++end;
  }
  in_use_.erase(begin, end);
  for (ServiceCertificate& one : certificates) {
    const Key key{service, instance, one.use};
    in_use_.insert_or_assign(key, std::move(one));
  }
  return absl::OkStatus();
}

bool ServiceCertificates::IsDue(const ServiceCertificate& certificate) const {
  const auto info = ParseCertificate(AsBytes(certificate.der));
  if (!info.ok()) return false;
  const auto record = ledger_.store().GetCertificate(info->serial_hex);
  if (!record.ok() || !record->has_value() ||
      (*record)->der != certificate.der) {
    return false;
  }
  // The order came with the key.
  const absl::StatusOr<absl::Time> fips = FipsModeSince(ledger_.store());
  if (fips.ok() && *fips != absl::InfiniteFuture() &&
      (*record)->create_time < *fips) {
    return true;
  }
  const auto issuer = IssuerNameOf(AsBytes(certificate.der));
  return issuer.ok() && *issuer != authority_.issuer().subject_der;
}

std::vector<ServiceCertificate> ServiceCertificates::InUse() const {
  const absl::Time oldest = ledger_.clock().Now() - kForgotten;
  std::vector<ServiceCertificate> out;
  for (const auto& [key, one] : in_use_) {
    if (one.report_time >= oldest) out.push_back(one);
  }
  return out;
}

}  // namespace sallyport::capf
