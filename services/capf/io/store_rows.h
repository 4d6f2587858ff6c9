// Our types as rows of the store's tables, and back.
//
// All of these throw what SOCI throws; only sql_store calls them, and catches.

#ifndef SALLYPORT_SERVICES_CAPF_IO_STORE_ROWS_H_
#define SALLYPORT_SERVICES_CAPF_IO_STORE_ROWS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/core/audit_record.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/core/enrollment.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/procedure.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport {
class SqlRow;
class SqlStatements;
}  // namespace sallyport

namespace sallyport::capf {

// Microseconds since 1970; the infinities are the ends of the range.
long long ToColumn(absl::Time time);

// An update or a deletion that meets no row as expected is ABORTED, reason
// ETAG_MISMATCH.
Enrollment ReadEnrollment(const SqlRow& row);
void InsertEnrollment(SqlStatements& sql, const Enrollment& enrollment);
absl::Status UpdateEnrollment(SqlStatements& sql, const Enrollment& enrollment);
absl::Status DeleteEnrollment(SqlStatements& sql, const VersionedName& which);

CertificateRecord ReadCertificate(const SqlRow& row);
void InsertCertificate(SqlStatements& sql, const CertificateRecord& record);
absl::Status UpdateCertificate(SqlStatements& sql,
                               const CertificateUpdate& update);

TrustedCertificate ReadTrusted(const SqlRow& row);
void InsertTrusted(SqlStatements& sql, const TrustedCertificate& trusted);
absl::Status DeleteTrusted(SqlStatements& sql,
                           const TrustedCertificate& trusted);

PublishedList ReadPublished(const SqlRow& row);
void InsertPublished(SqlStatements& sql, const PublishedList& list);
PhoneLists ReadPhoneLists(const SqlRow& row);
void PutPhoneLists(SqlStatements& sql, const PhoneLists& lists);

CertificateEvent ReadEvent(const SqlRow& row);
// An occasion that has its event keeps it.
void InsertEvent(SqlStatements& sql, const CertificateEvent& event);
ExpiryProgress ReadProgress(const SqlRow& row);
void PutProgress(SqlStatements& sql, const ExpiryProgress& progress);
PeerChain ReadPeerChain(const SqlRow& row);
void PutPeerChain(SqlStatements& sql, const PeerChain& chain);

FetchedList ReadFetched(const SqlRow& row);
// Without the contents.
FetchedList ReadFetchedHead(const SqlRow& row);
void PutFetched(SqlStatements& sql, const FetchedList& list);
// Without its nodes.
PhoneCluster ReadCluster(const SqlRow& row);
ClusterNode ReadClusterNode(const SqlRow& row);
absl::Status PutCluster(SqlStatements& sql, const PhoneCluster& cluster);
ListSigner ReadSigner(const SqlRow& row);
void InsertSigner(SqlStatements& sql, const ListSigner& signer);
absl::Status UpdateSigner(SqlStatements& sql, const ListSigner& signer);
// Without its steps.
Procedure ReadProcedure(const SqlRow& row);
ProcedureStep ReadProcedureStep(const SqlRow& row);
absl::Status PutProcedure(SqlStatements& sql, const Procedure& procedure);

AuditRecord ReadAuditRow(const SqlRow& row);
void InsertAudit(SqlStatements& sql, const AuditRecord& record);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_STORE_ROWS_H_
