// The tables of the store, version by version.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_SCHEMA_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_SCHEMA_H_

#include "absl/types/span.h"
#include "services/common/sql/sql_migration.h"

namespace sallyport::dialplan {

// All steps, in order, from an empty database.
absl::Span<const SqlMigration> PlanMigrations();

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_SCHEMA_H_
