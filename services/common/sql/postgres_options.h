// How a PostgreSQL server is reached.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_POSTGRES_OPTIONS_H_
#define SALLYPORT_SERVICES_COMMON_SQL_POSTGRES_OPTIONS_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypto/secret.h"

namespace sallyport {

struct PostgresOptions {
  // libpq's connection string, TLS options among it, without a password.
  std::string connection;
  std::string password_file;  // its first line is the password; empty: none
  size_t pool_size = 4;       // connections held open at most
  absl::Duration timeout = absl::Seconds(5);  // of a connection, a statement
};

// Says what is wrong with a connection string; empty if nothing is: it must
// parse, hold no password, and a server on another machine must be reached by
// TLS that checks its certificate (sslmode=verify-full or verify-ca). Pure.
std::string PostgresFault(const std::string& connection);

// The whole connection string as a URI, password included, with the timeouts
// that keep a dead server from holding a thread, and UTF-8. Reads the
// password's file, each time, so that a changed one is taken. UNAVAILABLE,
// reason STORE_UNAVAILABLE, if it cannot be read; INVALID_ARGUMENT, reason
// STORE_CONFIG_INVALID, by PostgresFault.
absl::StatusOr<Secret> PostgresConnection(const PostgresOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_POSTGRES_OPTIONS_H_
