// The schema of the store, as steps that are never changed, only added to.
// Plain enough for SQLite and PostgreSQL alike: octets are hex, times are
// microseconds since 1970, nothing is NULL.

#ifndef SALLYPORT_SERVICES_CAPF_IO_STORE_SCHEMA_H_
#define SALLYPORT_SERVICES_CAPF_IO_STORE_SCHEMA_H_

#include "absl/types/span.h"
#include "services/common/sql/sql_migration.h"

namespace sallyport::capf {

// In order of version, from 1.
absl::Span<const SqlMigration> StoreMigrations();

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_STORE_SCHEMA_H_
