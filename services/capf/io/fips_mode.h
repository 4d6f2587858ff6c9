// FIPS mode as a process meets it (IMP-66 to IMP-76): what it runs in, what it
// has tested, and what it refuses.

#ifndef SALLYPORT_SERVICES_CAPF_IO_FIPS_MODE_H_
#define SALLYPORT_SERVICES_CAPF_IO_FIPS_MODE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/fips/fips_mode.h"

namespace sallyport::capf {

// Ends the keys of our ports that were made in the other mode, so that they are
// made anew: `mode` is "on" or "off", and that of the last run is kept in
// `folder`. Without a last run nothing is ended.
absl::Status RegenerateKeys(const std::string& folder, const std::string& mode);

// What a process that runs decides by. Immutable.
struct FipsMode : FipsState {
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
