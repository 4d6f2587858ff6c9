// The tables of credential_issuer.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_SCHEMA_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_SCHEMA_H_

#include "absl/status/status.h"
#include "services/common/sql/sql_database.h"

namespace sallyport::credential_issuer {

// Brings the tables up to date: those of the store and that of the audit, in
// every database. With PostgreSQL one holds both; with SQLite the audit is a
// file of its own, so that a flood of records never delays a change of keys,
// and each file leaves the other's tables empty. Errors of Migrate.
absl::Status MigrateIssuer(SqlDatabase& database);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_ISSUER_SCHEMA_H_
