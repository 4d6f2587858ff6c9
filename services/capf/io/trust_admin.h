// Changes of the trust stores.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TRUST_ADMIN_H_
#define SALLYPORT_SERVICES_CAPF_IO_TRUST_ADMIN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/trust_store.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/ledger.h"

namespace sallyport::capf {

// "tenants/{tenant}/trustStores/{store}".
std::string TrustStoreName(const std::string& tenant, std::string_view store);

// Thread-safe.
class TrustAdmin {
 public:
  // Both must outlive this object.
  TrustAdmin(const CertificateAuthority& authority, Ledger& ledger)
      : authority_(authority), ledger_(ledger) {}

  // The tenant's edges trust what our authority issues: its certificate, and
  // those above it, in CAPF-trust (LSCs) and CallManager-trust (SIP servers).
  // Adds nothing that is there, and removes nothing: what a certificate of
  // before has issued stays good.
  absl::Status EnsureOwn(const std::string& tenant, const std::string& actor);
  // The same for every tenant that trusts it already: its certificate is new.
  absl::Status RenewOwn(const std::string& actor);

  // What leaves trust stores when the tenant has an authority of its own: what
  // others issued counts there no more, unless certificates of the tenant are
  // in use by them; and what stands above authorities counts nowhere, as it
  // vouches for all of them. Nothing is stored.
  absl::StatusOr<StoreChange> Separation(const std::string& tenant,
                                         const std::string& actor);

  // Adds certificates in DER to `store`, a full name; those that are there are
  // left as they are. Returns all of them as stored.
  absl::StatusOr<std::vector<TrustedCertificate>> Add(
      const std::string& store, const std::vector<std::string>& certificates,
      const TrustedCertificate& like, const std::string& actor,
      bool validate_only);

  // Remembers what a peer showed, so that it is known who depends on what.
  absl::Status Remember(const PeerChain& chain, const std::string& actor);

  // The peers whose remembered chain is trusted by `store` with that
  // certificate and is not without it, in order of name.
  absl::StatusOr<std::vector<std::string>> DependentsOf(
      const std::string& store, const std::string& sha256);

  // NOT_FOUND; unless `force` FAILED_PRECONDITION, reason OWN_AUTHORITY for the
  // certificate of an authority of the tenant's (phones would lose trust), or
  // PEERS_LOSE_TRUST, which names them.
  absl::Status Remove(const std::string& store, const std::string& sha256,
                      const std::string& actor, bool force, bool validate_only);

 private:
  // Certificates of every key by which the tenant's phones or servers may be
  // certified, and those above them.
  absl::StatusOr<std::vector<std::string>> OwnChains(const std::string& tenant);
  // Whether `der` is an authority's that certifies for the tenant.
  absl::StatusOr<bool> IssuesFor(const std::string& tenant,
                                 const std::string& der);
  // Whether certificates of the tenant are in use by it.
  absl::StatusOr<bool> IsNeeded(const AuthorityGeneration& one,
                                const std::string& tenant);

  const CertificateAuthority& authority_;
  Ledger& ledger_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TRUST_ADMIN_H_
