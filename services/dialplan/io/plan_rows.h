// The plan as rows of the store's tables, and back.
//
// All of these throw what SOCI throws; only a SqlDatabase's transaction calls
// them, and catches.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_ROWS_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_ROWS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/plan_store.h"

namespace soci {
class session;
}  // namespace soci

namespace sallyport::dialplan {

// Times are microseconds since 1970, octets are Base64.
int64_t ToColumn(absl::Time time);
absl::Time FromColumn(int64_t micros);
std::string ToBase64(const std::string& bytes);
// DATA_LOSS, reason STORE_CORRUPT.
absl::StatusOr<std::string> FromBase64(const std::string& text);

// The row `settings` of the whole store.
struct StoreSettings {
  int64_t version = 0;
  absl::Time version_time = absl::UnixEpoch();
  int64_t request_sequence = 0;  // of the last remembered request
  std::string token_key;
};

// With `lock`, no other replica writes until this transaction ends.
absl::StatusOr<StoreSettings> ReadSettings(soci::session& sql, bool lock);
void WriteSetting(soci::session& sql, const std::string& name, int64_t value);

// All resources; or, with `since` >= 0, those that changed after it.
absl::StatusOr<std::vector<StoredResource>> ReadResources(soci::session& sql,
                                                          int64_t since);
// Changes after `since`, by version.
std::vector<std::pair<int64_t, std::string>> ReadChanges(soci::session& sql,
                                                         int64_t since);
// Remembered requests after `sequence`.
absl::StatusOr<std::vector<RememberedRequest>> ReadRequests(soci::session& sql,
                                                            int64_t sequence);

// Resources, hashes and the log of changes.
void WriteChanges(soci::session& sql, const std::vector<PlanChange>& changes,
                  absl::Time now);
// Numbers them from `sequence` + 1; returns the last one.
int64_t WriteRequests(soci::session& sql,
                      const std::vector<RememberedRequest>& requests,
                      int64_t sequence);
void ForgetRequests(soci::session& sql, const std::vector<std::string>& keys,
                    absl::Time now);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_PLAN_ROWS_H_
