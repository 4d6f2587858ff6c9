#include "services/capf/io/change_events.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name_text.h"

namespace sallyport::capf {

std::string DescribeCertificate(const std::string& der) {
  // One for each certificate issued: only what is told is read.
  const std::optional<CertificateLabel> label = ReadLabel(AsBytes(der));
  if (!label.has_value()) return "a certificate";
  return absl::StrCat(label->subject, " of ", label->issuer, ", serial ",
                      label->serial_hex, ", SHA-1 ",
                      HexEncode(Sha1(AsBytes(der))));
}

std::string TenantOfResource(const std::string& name) {
  constexpr size_t kPrefix = sizeof("tenants/") - 1;
  const size_t end = name.find('/', kPrefix);
  return name.size() < kPrefix ? std::string()
                               : name.substr(kPrefix, end - kPrefix);
}

CertificateEvent NewEvent(CertificateEventType type, const std::string& tenant,
                          const std::string& der, const std::string& used_by,
                          absl::Time time) {
  CertificateEvent event;
  event.type = type;
  event.tenant = tenant;
  event.certificate_der = der;
  event.used_by = used_by;
  event.event_time = time;
  return event;
}

std::vector<CertificateEvent> EventsOf(const StoreChange& change,
                                       absl::Time now) {
  std::vector<CertificateEvent> out;
  for (const CertificateUpdate& update : change.update_certificates) {
    const CertificateRecord& record = update.record;
    const bool issued = update.expected == CertificateState::kIntent &&
                        (record.state == CertificateState::kPending ||
                         record.state == CertificateState::kActive);
    const bool revoked = record.state == CertificateState::kRevoked;
    if (!issued && !revoked) continue;
    CertificateEvent event = NewEvent(
        issued ? CertificateEventType::kIssued : CertificateEventType::kRevoked,
        record.tenant, record.der, record.enrollment, now);
    event.key = absl::StrCat(issued ? "issued:" : "revoked:", record.serial);
    event.summary = absl::StrCat(DescribeCertificate(record.der),
                                 issued ? " was issued" : " was revoked");
    out.push_back(std::move(event));
  }
  const auto trusted = [&](const TrustedCertificate& one, bool added) {
    CertificateEvent event =
        NewEvent(added ? CertificateEventType::kTrusted
                       : CertificateEventType::kUntrusted,
                 TenantOfResource(one.store), one.der, one.store, now);
    event.key = absl::StrCat(added ? "trusted:" : "untrusted:", one.Name(), ":",
                             absl::ToUnixMicros(now));
    event.summary =
        absl::StrCat(DescribeCertificate(one.der),
                     added ? " is trusted in " : " is trusted no longer in ",
                     one.store.substr(one.store.rfind('/') + 1));
    out.push_back(std::move(event));
  };
  for (const TrustedCertificate& one : change.insert_trusted) {
    trusted(one, true);
  }
  for (const TrustedCertificate& one : change.delete_trusted) {
    trusted(one, false);
  }
  for (const Enrollment& phone : change.update_enrollments) {
    const bool ended =
        phone.status.outcome == OperationStatus::Outcome::kSuccess ||
        phone.status.outcome == OperationStatus::Outcome::kFailed;
    if (!ended) continue;
    CertificateEvent event =
        NewEvent(CertificateEventType::kEnrollment,
                 TenantOfResource(phone.name), "", phone.name, now);
    event.key = absl::StrCat("enrollment:", phone.name, ":", phone.version);
    event.summary =
        absl::StrCat(phone.device_name, ": ", StatusName(phone.status));
    out.push_back(std::move(event));
  }
  return out;
}

}  // namespace sallyport::capf
