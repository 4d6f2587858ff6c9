// What SOCI throws, as a status.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_SQL_STATUS_H_
#define SALLYPORT_SERVICES_COMMON_SQL_SQL_STATUS_H_

#include <exception>
#include <string_view>

#include "absl/status/status.h"

namespace sallyport {

// The error of a statement; `doing` is a verb ("read", "open"). The message
// has the database's own words only where they cannot hold a value: SOCI adds
// every parameter of a failed statement to what(), and PostgreSQL quotes the
// row that breaks a constraint.
//
//   UNAVAILABLE         STORE_UNAVAILABLE  no connection, I/O error, timeout,
//                                          server starting or read only
//                       STORE_LOCKED       another process has the file
//   RESOURCE_EXHAUSTED  STORE_FULL         disk full
//   DATA_LOSS           STORE_CORRUPT      not a database, or damaged
//   PERMISSION_DENIED   STORE_ACCESS_DENIED  login or right refused
//   ABORTED             STORE_CONFLICT     deadlock, serialization failure,
//                                          statement prepared for another
//                                          schema: the same again may succeed
//   ALREADY_EXISTS      STORE_DUPLICATE    a unique or primary key is taken
//   INTERNAL            STORE_ERROR        everything else: our SQL is wrong
absl::Status SqlStatus(std::string_view doing, const std::exception& error);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_SQL_STATUS_H_
