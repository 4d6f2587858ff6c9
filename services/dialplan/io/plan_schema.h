// The tables of the store, version by version.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_SCHEMA_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_SCHEMA_H_

#include <string_view>

#include "absl/types/span.h"

namespace sallyport::dialplan {

// One step: from schema `version` - 1 to `version`. Statements are SQL that
// SQLite and PostgreSQL both take. A released step is never edited.
struct PlanMigration {
  int version;
  absl::Span<const std::string_view> statements;
};

// All steps, in order, from an empty database.
absl::Span<const PlanMigration> PlanMigrations();

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_SCHEMA_H_
