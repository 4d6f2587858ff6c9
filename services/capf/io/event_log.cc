#include "services/capf/io/event_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/expiry_schedule.h"
#include "services/capf/io/change_events.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// The longest month and a day: none of its events comes sooner.
constexpr absl::Duration kLookAhead = absl::Hours(24 * 33);
// Events of one certificate in one go: ten years of them.
constexpr size_t kMostAtOnce = 4000;
// Events in one transaction.
constexpr size_t kBatch = 500;
constexpr char kProgressKey[] = "expiry";
// How old the remembered time may get when nothing happens.
constexpr absl::Duration kProgressStep = absl::Hours(1);

std::string Day(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

std::string StageText(const ExpiryEvent& event, absl::Time not_after) {
  const absl::Duration left = not_after - event.due;
  switch (event.stage) {
    case ExpiryStage::kMonthBefore:
      return "expires in a month, on " + Day(not_after);
    case ExpiryStage::kDayBefore:
      return absl::StrCat("expires in ", left / absl::Hours(24), " days, on ",
                          Day(not_after));
    case ExpiryStage::kHourBefore:
      return absl::StrCat("expires in ", left / absl::Hours(1), " hours, on ",
                          Day(not_after));
    case ExpiryStage::kExpired:
      return "has expired now";
    case ExpiryStage::kDayAfter:
      return absl::StrCat("has been expired for ", -left / absl::Hours(24),
                          " days, and is still in use");
  }
  return "expires";
}

}  // namespace

absl::Status EventLog::RecordStart(absl::Time start) {
  StoreChange change;
  for (const CertificateUse& use : own_) {
    CertificateEvent event = NewEvent(CertificateEventType::kInUse, use.tenant,
                                      use.certificate_der, use.used_by, start);
    event.key = absl::StrCat("in_use:", use.used_by, ":",
                             HexEncode(Sha256(AsBytes(use.certificate_der))),
                             ":", absl::ToUnixMicros(start));
    event.event_id = kEventInUse;
    event.summary = absl::StrCat(DescribeCertificate(use.certificate_der),
                                 " is in use by ", use.used_by);
    change.audit.push_back(
        {"CERTIFICATE_IN_USE", "capf", use.used_by, event.summary});
    change.insert_events.push_back(std::move(event));
  }
  if (change.audit.empty()) return absl::OkStatus();
  return ledger_.Apply(change);
}

absl::Status EventLog::RecordRenewalFailure(const CertificateUse& use,
                                            absl::Time next_attempt) {
  const absl::Time now = ledger_.clock().Now();
  StoreChange change;
  CertificateEvent event =
      NewEvent(CertificateEventType::kRenewalFailed, use.tenant,
               use.certificate_der, use.used_by, now);
  event.key = absl::StrCat("renewal_failed:", absl::ToUnixMicros(now));
  event.summary =
      absl::StrCat("the certificate of the ", use.used_by,
                   " was not renewed; next attempt at ", Day(next_attempt));
  change.audit.push_back({"RENEWAL_FAILED", "capf", use.used_by, ""});
  change.insert_events.push_back(std::move(event));
  return ledger_.Apply(change);
}

absl::StatusOr<std::vector<CertificateUse>> EventLog::UsesExpiringBefore(
    absl::Time until) {
  std::vector<CertificateUse> uses;
  for (const CertificateUse& own : own_) {
    if (own.not_after <= until) uses.push_back(own);
  }
  if (services_ != nullptr) {
    for (const ServiceCertificate& one : services_->InUse()) {
      // What we issued is among the records.
      if (one.not_after > until || one.issued_here) continue;
      uses.push_back({one.tenant, one.UsedBy(), one.der, one.not_after});
    }
  }
  SP_ASSIGN_OR_RETURN(const std::vector<TrustedCertificate> trusted,
                      ledger_.store().ListTrusted());
  for (const TrustedCertificate& one : trusted) {
    const absl::StatusOr<CertificateInfo> info =
        ParseCertificate(AsBytes(one.der));
    if (!info.ok() || info->not_after > until) continue;
    uses.push_back(
        {TenantOfResource(one.store), one.store, one.der, info->not_after});
  }
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateRecord> issued,
                      ledger_.store().ListExpiring(until));
  for (const CertificateRecord& record : issued) {
    uses.push_back(
        {record.tenant,
         record.enrollment.empty() ? record.Name() : record.enrollment,
         record.der, record.not_after});
  }
  return uses;
}

absl::Status EventLog::Tick() {
  const absl::Time now = ledger_.clock().Now();
  SP_ASSIGN_OR_RETURN(const std::vector<CertificateUse> uses,
                      UsesExpiringBefore(now + kLookAhead));
  SP_ASSIGN_OR_RETURN(const std::vector<ExpiryProgress> stored,
                      ledger_.store().ListProgress());
  // A clock that is set back finds nothing due until it is where it was.
  absl::Time done_until = now;
  for (const ExpiryProgress& one : stored) {
    if (one.key == kProgressKey) done_until = one.done_until;
  }

  StoreChange change;
  const auto flush = [&]() -> absl::Status {
    change.audit.push_back(
        {"EXPIRY_EVENTS", "capf", "",
         absl::StrCat("events=", change.insert_events.size())});
    SP_RETURN_IF_ERROR(ledger_.Apply(change));
    change = {};
    return absl::OkStatus();
  };
  bool any = false;
  for (const CertificateUse& use : uses) {
    const std::string key = absl::StrCat(
        use.used_by, ":", HexEncode(Sha256(AsBytes(use.certificate_der))));
    for (const ExpiryEvent& one :
         ExpiryEventsDue(use.not_after, done_until, now, kMostAtOnce)) {
      CertificateEvent event =
          NewEvent(one.due < use.not_after ? CertificateEventType::kExpiring
                                           : CertificateEventType::kExpired,
                   use.tenant, use.certificate_der, use.used_by, one.due);
      event.key =
          absl::StrCat("expiry:", key, ":", absl::ToUnixSeconds(one.due));
      event.event_id = kEventExpiry;
      event.summary = absl::StrCat(DescribeCertificate(use.certificate_der),
                                   " ", StageText(one, use.not_after));
      change.insert_events.push_back(std::move(event));
      any = true;
      if (change.insert_events.size() >= kBatch) SP_RETURN_IF_ERROR(flush());
    }
  }
  // A death before this makes the same events again, which the store knows.
  if (any || stored.empty() || now - done_until > kProgressStep) {
    change.put_progress.push_back({kProgressKey, std::max(now, done_until)});
    return flush();
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
