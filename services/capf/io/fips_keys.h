// Keys that were made before FIPS mode and are still in use (IMP-69).

#ifndef SALLYPORT_SERVICES_CAPF_IO_FIPS_KEYS_H_
#define SALLYPORT_SERVICES_CAPF_IO_FIPS_KEYS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/procedure.h"
#include "services/capf/io/enrollment_store.h"

namespace sallyport::capf {

// One of them. A value.
struct KeyOfBefore {
  // The procedure that replaces it.
  ProcedureKind renewed_by = ProcedureKind::kAuthorityRotation;
  std::string tenant;     // of a signer of lists
  std::string authority;  // id, of an authority's key
  // "certificateAuthorities/default key 1", "tenants/a signer sast-1".
  std::string name;
  // Names it within a procedure's id.
  std::string label;
};

// When the mode came into force: never, if it is off.
absl::StatusOr<absl::Time> FipsModeSince(EnrollmentStore& store);
// What the store is told of it.
int64_t FipsModeValue(absl::Time since);

// Keys made before the mode came into force that sign or are trusted to. None
// outside the mode. With the signers of lists first, as lists are to be signed
// by keys of the mode when they name an authority's.
absl::StatusOr<std::vector<KeyOfBefore>> KeysOfBefore(EnrollmentStore& store);

// The name of the procedure that replaces `key` for `parent`, the n-th that was
// begun for it, from 1.
std::string NameOfRenewal(const Procedure& parent, const KeyOfBefore& key,
                          int n);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_FIPS_KEYS_H_
