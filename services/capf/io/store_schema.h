// The schema of the store, as steps that are never changed, only added to.
// Plain enough for SQLite and PostgreSQL alike: octets are hex, times are
// microseconds since 1970, nothing is NULL.

#ifndef SALLYPORT_SERVICES_CAPF_IO_STORE_SCHEMA_H_
#define SALLYPORT_SERVICES_CAPF_IO_STORE_SCHEMA_H_

#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace sallyport::capf {

struct StoreMigration {
  int version;
  std::vector<std::string_view> statements;
};

// In order of version, from 1.
absl::Span<const StoreMigration> StoreMigrations();

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_STORE_SCHEMA_H_
