#include "services/capf/io/store_apply.h"

#include <cstddef>
#include <exception>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/io/authority_rows.h"
#include "services/capf/io/store_rows.h"
#include "services/common/bytes/string_view.h"
#include "services/common/sql/sql_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr std::string_view kDuplicate = "STORE_DUPLICATE";

// Whether what went wrong is the change's, not the store's.
bool IsOfChange(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == kDuplicate || reason == "STORE_ERROR";
}

absl::Status Exists(std::string_view reason) {
  return MakeError(absl::StatusCode::kAlreadyExists, reason,
                   "it is already there");
}

bool Any(SqlStatements& sql, std::string_view where, const std::string& value) {
  long long count = 0;
  sql.Fetch(std::tie(count),
            absl::StrCat("SELECT COUNT(*) FROM ", AbslView(where), " = :v"),
            value);
  return count > 0;
}

// Which of the rows that `change` inserts is there already.
absl::Status DuplicateOf(SqlStatements& sql, const StoreChange& change) {
  for (const Enrollment& e : change.insert_enrollments) {
    if (Any(sql, "enrollments WHERE name", e.name)) {
      return Exists("ENROLLMENT_EXISTS");
    }
    if (Any(sql, "enrollments WHERE device_name", e.device_name)) {
      return Exists("DEVICE_EXISTS");
    }
    if (!e.request_key.empty() &&
        Any(sql, "enrollments WHERE request_key", e.request_key)) {
      return Exists("REQUEST_EXISTS");
    }
  }
  for (const CertificateRecord& c : change.insert_certificates) {
    if (Any(sql, "certificates WHERE serial", c.serial)) {
      return Exists("SERIAL_EXISTS");
    }
    if (!c.request_key.empty() &&
        Any(sql, "certificates WHERE state <> 5 AND request_key",
            c.request_key)) {
      return Exists("REQUEST_EXISTS");
    }
  }
  for (const Procedure& p : change.put_procedures) {
    if (p.version != 0) continue;
    if (Any(sql, "procedures WHERE name", p.name)) {
      return Exists("PROCEDURE_EXISTS");
    }
    if (Any(sql, "procedures WHERE state IN (1, 2) AND slot",
            SlotOf(p.kind, p.tenant))) {
      return Exists("PROCEDURE_RUNNING");
    }
    return Exists("REQUEST_EXISTS");
  }
  return Exists("TRUSTED_EXISTS");
}

// pki.md 9.2: one key, one name. Nobody else writes meanwhile, so this holds
// whoever asked at the same time.
absl::Status CheckKeyMayBeCertified(SqlStatements& sql,
                                    const CertificateRecord& c) {
  const auto revoked = static_cast<long long>(CertificateState::kRevoked);
  const auto reason = static_cast<long long>(RevocationReason::kKeyCompromise);
  long long others = 0;
  long long compromised = 0;
  sql.Fetch(std::tie(others, compromised),
            "SELECT COALESCE(SUM(CASE WHEN tenant <> :t OR common_name <> :c"
            " THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = :s AND"
            " revocation_reason = :r THEN 1 ELSE 0 END), 0)"
            " FROM certificates WHERE key_sha256 = :k",
            c.tenant, c.common_name, revoked, reason, c.key_sha256);
  if (compromised > 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEY_COMPROMISED",
                     "the key is known to others");
  }
  if (others > 0) {
    return MakeError(absl::StatusCode::kAlreadyExists, "KEY_REUSED",
                     "the key is certified for another name");
  }
  return absl::OkStatus();
}

absl::Status ApplyRows(SqlStatements& sql, const StoreChange& change) {
  for (const Enrollment& e : change.insert_enrollments) {
    InsertEnrollment(sql, e);
  }
  for (const Enrollment& e : change.update_enrollments) {
    SP_RETURN_IF_ERROR(UpdateEnrollment(sql, e));
  }
  for (const VersionedName& which : change.delete_enrollments) {
    SP_RETURN_IF_ERROR(DeleteEnrollment(sql, which));
  }
  for (const CertificateRecord& c : change.insert_certificates) {
    SP_RETURN_IF_ERROR(CheckMayIssue(sql, c));
    SP_RETURN_IF_ERROR(CheckKeyMayBeCertified(sql, c));
    InsertCertificate(sql, c);
  }
  for (const CertificateUpdate& update : change.update_certificates) {
    SP_RETURN_IF_ERROR(UpdateCertificate(sql, update));
  }
  for (const TrustedCertificate& t : change.insert_trusted) {
    InsertTrusted(sql, t);
  }
  for (const TrustedCertificate& t : change.delete_trusted) {
    SP_RETURN_IF_ERROR(DeleteTrusted(sql, t));
  }
  for (const PublishedList& list : change.insert_lists) {
    InsertPublished(sql, list);
  }
  for (const PhoneLists& lists : change.put_phone_lists) {
    PutPhoneLists(sql, lists);
  }
  for (const CertificateEvent& event : change.insert_events) {
    InsertEvent(sql, event);
  }
  for (const ExpiryProgress& progress : change.put_progress) {
    PutProgress(sql, progress);
  }
  for (const PeerChain& chain : change.put_peer_chains) {
    PutPeerChain(sql, chain);
  }
  for (const FetchedList& list : change.put_fetched_lists) {
    PutFetched(sql, list);
  }
  for (const SignedListHead& head : change.insert_signed_lists) {
    InsertSignedList(sql, head);
  }
  for (const PhoneCluster& cluster : change.put_clusters) {
    SP_RETURN_IF_ERROR(PutCluster(sql, cluster));
  }
  for (const ListSigner& signer : change.insert_signers) {
    InsertSigner(sql, signer);
  }
  for (const ListSigner& signer : change.update_signers) {
    SP_RETURN_IF_ERROR(UpdateSigner(sql, signer));
  }
  for (const Procedure& procedure : change.put_procedures) {
    SP_RETURN_IF_ERROR(PutProcedure(sql, procedure));
  }
  for (const AuthorityGeneration& one : change.put_authorities) {
    SP_RETURN_IF_ERROR(PutAuthority(sql, one));
  }
  for (const KnownConsumer& consumer : change.put_consumers) {
    PutConsumer(sql, consumer);
  }
  if (change.set_fips_mode.has_value()) {
    const long long mode = *change.set_fips_mode;
    sql.Execute("UPDATE counters SET value = :v WHERE name = 'fips_mode'",
                mode);
  }
  return absl::OkStatus();
}

absl::Status ApplyRecorded(SqlStatements& sql, const StoreChange& change,
                           absl::Time now, ChainEnd& end,
                           std::vector<AuditRecord>& audit) {
  SP_RETURN_IF_ERROR(ApplyRows(sql, change));
  for (const AuditEvent& event : change.audit) {
    AuditRecord record = ChainAudit(end.sequence + 1, end.hash, now, event);
    InsertAudit(sql, record);
    end = {record.sequence, record.hash};
    audit.push_back(std::move(record));
  }
  return absl::OkStatus();
}

}  // namespace

bool ChangesTrust(const StoreChange& change) {
  if (!change.insert_trusted.empty() || !change.delete_trusted.empty() ||
      !change.put_fetched_lists.empty()) {
    return true;
  }
  for (const CertificateUpdate& update : change.update_certificates) {
    if (update.record.state == CertificateState::kRevoked) return true;
  }
  return false;
}

absl::Status ApplyOne(SqlStatements& sql, const StoreChange& change,
                      absl::Time now, ChainEnd& end,
                      std::vector<AuditRecord>& audit) {
  absl::Status result;
  try {
    result = ApplyRecorded(sql, change, now, end, audit);
  } catch (const std::exception& e) {
    result = SqlStatus("change", e);
    if (!IsOfChange(result)) throw;
  }
  return result;
}

absl::Status ApplyGuarded(SqlStatements& sql, const StoreChange& change,
                          absl::Time now, ChainEnd& end,
                          std::vector<AuditRecord>& audit) {
  const ChainEnd before = end;
  const size_t records = audit.size();
  sql.Execute("SAVEPOINT one_change");
  const absl::Status result = ApplyOne(sql, change, now, end, audit);
  if (result.ok()) {
    sql.Execute("RELEASE SAVEPOINT one_change");
    return result;
  }
  end = before;
  audit.resize(records);
  sql.Execute("ROLLBACK TO SAVEPOINT one_change");
  sql.Execute("RELEASE SAVEPOINT one_change");
  return ReasonOf(result) == kDuplicate ? DuplicateOf(sql, change) : result;
}

}  // namespace sallyport::capf
