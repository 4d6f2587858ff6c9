// Authorities, and who takes what they are trusted by, as rows of the store.
//
// All of these throw what SOCI throws; only sql_store calls them, and catches.

#ifndef SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ROWS_H_
#define SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ROWS_H_

#include "absl/status/status.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/certificate_record.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport {
class SqlRow;
class SqlStatements;
}  // namespace sallyport

namespace sallyport::capf {

AuthorityGeneration ReadAuthority(const SqlRow& row);
// ABORTED, reason ETAG_MISMATCH, unless it is at the version that was read.
absl::Status PutAuthority(SqlStatements& sql, const AuthorityGeneration& one);
// ABORTED, reason AUTHORITY_SUPERSEDED, if whoever is to sign the certificate
// issues no more.
absl::Status CheckMayIssue(SqlStatements& sql, const CertificateRecord& record);

KnownConsumer ReadConsumer(const SqlRow& row);
SignedListHead ReadSignedList(const SqlRow& row);
// Those that are past their next update are forgotten.
void InsertSignedList(SqlStatements& sql, const SignedListHead& head);
void PutConsumer(SqlStatements& sql, const KnownConsumer& consumer);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ROWS_H_
