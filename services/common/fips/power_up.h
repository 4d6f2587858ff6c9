// What a process does before it opens anything in FIPS mode (IMP-69, IMP-73 to
// IMP-76): self tests, the check of its program, and the end if they fail.

#ifndef SALLYPORT_SERVICES_COMMON_FIPS_POWER_UP_H_
#define SALLYPORT_SERVICES_COMMON_FIPS_POWER_UP_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

// Failed starts in a row after which a restart is no remedy (IMP-76).
inline constexpr int kMaxFailedStarts = 3;

// Counts starts whose self tests failed, in `file`, so that a process that is
// started again and again ends up halted and says so. Thread-compatible.
class FailedStarts {
 public:
  explicit FailedStarts(std::string file) : file_(std::move(file)) {}

  // This many in a row, this one included.
  absl::StatusOr<int> Add();
  absl::Status Clear();

 private:
  absl::StatusOr<int> Read() const;

  const std::string file_;
};

// The SHA-256 of this process' program, hex.
absl::StatusOr<std::string> ProgramSha256();

// The program is what `integrity_file` says (a hex SHA-256, as sha256sum
// writes it); an empty path is OK. FAILED_PRECONDITION, reason FIPS_INTEGRITY.
absl::Status CheckIntegrity(const std::string& integrity_file);

struct PowerUpOptions {
  std::string failed_starts_file;
  std::string integrity_file;  // empty: none
  std::string broken;          // a self test that is to fail; empty: none
  // Told in words when the process stays halted, on this thread; may be null.
  std::function<void(const std::string& why)> on_halt;
};

// Runs the self tests and the check of integrity. FAILED_PRECONDITION, reason
// FIPS_SELF_TEST_FAILED or FIPS_INTEGRITY, with the names of what failed: the
// process ends, and a restart may cure it (IMP-75). After kMaxFailedStarts in a
// row it cannot, says so, and returns only once it is told to end (IMP-76):
// SIGTERM and SIGINT must be blocked in every thread.
absl::Status RunPowerUpTests(const PowerUpOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FIPS_POWER_UP_H_
