// FIPS mode as a process meets it (IMP-66 to IMP-76): what it runs in, what it
// has tested, and what it refuses.

#ifndef SALLYPORT_SERVICES_CAPF_IO_FIPS_MODE_H_
#define SALLYPORT_SERVICES_CAPF_IO_FIPS_MODE_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/fips_self_test.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport::capf {

// Failed starts in a row after which a restart is no remedy (IMP-76).
inline constexpr int kMaxFailedStarts = 3;

// Counts starts whose self tests failed, in `file`, so that a process that is
// started again and again ends up halted and says so.
class FailedStarts {
 public:
  explicit FailedStarts(std::string file) : file_(std::move(file)) {}

  // This many in a row, this one included.
  absl::StatusOr<int> Add();
  absl::Status Clear();

 private:
  const std::string file_;
};

// The SHA-256 of this process' program, hex.
absl::StatusOr<std::string> ProgramSha256();

// The program is what `integrity_file` says (a hex SHA-256, as sha256sum
// writes it). FAILED_PRECONDITION, reason FIPS_INTEGRITY.
absl::Status CheckIntegrity(const std::string& integrity_file);

struct PowerUpOptions {
  std::string failed_starts_file;
  std::string integrity_file;  // empty: none
  std::string broken;          // a self test that is to fail; empty: none
};

// Runs the self tests and the check of integrity. FAILED_PRECONDITION, reason
// FIPS_SELF_TEST_FAILED or FIPS_INTEGRITY, with the names of what failed: the
// process ends, and a restart may cure it (IMP-75). After kMaxFailedStarts in a
// row it cannot, says so, and returns only once it is told to end (IMP-76).
absl::Status RunPowerUpTests(const PowerUpOptions& options);

// Ends the keys of our ports that were made in the other mode, so that they are
// made anew: `mode` is "on" or "off", and that of the last run is kept in
// `folder`. Without a last run nothing is ended.
absl::Status RegenerateKeys(const std::string& folder, const std::string& mode);

// What a process that runs decides by. Immutable.
struct FipsMode {
  bool on = false;
  bool self_tests_passed = false;
  std::string program_sha256;

  // Settings of the configuration file that the mode forbids, in words.
  std::vector<std::string> forbidden_settings;
  // Ends the process soon, for it to be started again; may be null.
  std::function<void()> restart;
};

// What the store has that the mode forbids, in words: null-string operations,
// phones whose model takes SHA-1 only.
absl::StatusOr<std::vector<std::string>> ForbiddenInStore(
    EnrollmentStore& store);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_FIPS_MODE_H_
