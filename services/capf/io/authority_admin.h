// Authorities as an operator makes, disables and deletes them.

#ifndef SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ADMIN_H_
#define SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ADMIN_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/authority_rotation.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_admin.h"

namespace sallyport::capf {

// Thread-compatible.
class AuthorityAdmin {
 public:
  // All must outlive this object.
  struct Parts {
    Ledger& ledger;
    Authorities& authorities;
    AuthorityRotation& rotation;
    TrustAdmin& trust;
    // The id of who certifies the CAPF port; null: the default one does.
    std::function<std::string()> port_authority;
  };
  explicit AuthorityAdmin(const Parts& parts) : parts_(parts) {}

  // In two phases. First it is made, with its key and certificate, and issues
  // nothing. Then, in one transaction, it issues and is trusted where it is to
  // be; a tenant's own takes the place of the issuers that the tenant does not
  // need. A process that dies in between leaves the second phase to
  // FinishCreations(). Errors of Authorities::Create().
  absl::Status Create(AuthorityGeneration first, absl::Duration lifetime,
                      const std::string& actor, bool validate_only);
  // Takes the second phase of every authority that waits for it; at the start,
  // and now and then, as the replica that made one may be gone.
  absl::Status FinishCreations(const std::string& actor);

  // It issues nothing any more, or again; what it has issued stays good, and
  // its revocation lists are signed. A tenant whose own authority is disabled
  // gets no certificates: no other one takes its place. FAILED_PRECONDITION,
  // reason AUTHORITY_IN_USE, for the default one, which certifies what no other
  // does, and for the one that certifies the CAPF port; NOT_FOUND.
  absl::Status SetDisabled(const std::string& id, bool disabled,
                           const std::string& actor, bool validate_only);

  // It leaves every trust store and its keys are destroyed (one in a token
  // stays there, for its owner). Its id and names are never used again.
  // FAILED_PRECONDITION: AUTHORITY_IN_USE names who depends on it, or that it
  // is one of those two; ROTATION_UNDER_WAY. NOT_FOUND.
  absl::Status Delete(const std::string& id, const std::string& actor,
                      bool validate_only);

 private:
  absl::Status Finish(const AuthorityGeneration& first,
                      const std::string& actor);
  // Enrolments that name it, in words; empty: none.
  absl::StatusOr<std::string> NamedBy(const std::string& id);
  absl::Status CheckNotOurs(const std::string& id);

  const Parts parts_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_AUTHORITY_ADMIN_H_
