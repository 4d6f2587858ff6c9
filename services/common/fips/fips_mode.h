// FIPS mode as a process runs in it (IMP-66): of the installation, switched by
// capf's procedure, and the same from the start of a process to its end.

#ifndef SALLYPORT_SERVICES_COMMON_FIPS_FIPS_MODE_H_
#define SALLYPORT_SERVICES_COMMON_FIPS_FIPS_MODE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport {

// The reason of everything that the mode refuses (IMP-70).
inline constexpr char kNotAllowedInFipsMode[] = "NOT_ALLOWED_IN_FIPS_MODE";

// A value.
struct FipsState {
  bool on = false;
  bool self_tests_passed = false;  // not run outside the mode
  std::string program_sha256;      // lower-case hex
};

// FAILED_PRECONDITION with that reason: what is not allowed, in words.
absl::Status NotAllowedInFipsMode(std::string_view what);

// The mode that capf said last, so that a service starts in it while capf is
// down: false if there is no such file. FAILED_PRECONDITION, reason
// FIPS_MODE_UNKNOWN, if it can be read and says neither: whoever starts then
// might leave the mode by it.
absl::StatusOr<bool> ReadFipsMode(const std::string& file);
absl::Status WriteFipsMode(const std::string& file, bool on);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_FIPS_FIPS_MODE_H_
