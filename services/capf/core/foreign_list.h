// Revocation lists of other authorities: where they lie, who has signed them,
// and what of them everybody may be told.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_FOREIGN_LIST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_FOREIGN_LIST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/capf/core/trust_bundle.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/pki/parsed_crl.h"

namespace sallyport::capf {

// The http URLs of a certificate's distribution points, at most four, and of
// those of delta lists, as many. None by https: to believe that server may take
// the very list that it has (RFC 5280 section 8).
std::vector<std::string> ListUrlsOf(const ParsedCertificate& certificate);
// Likewise of delta lists that a list names (RFC 5280 section 5.2.6).
std::vector<std::string> DeltaUrlsOf(const ParsedCrl& list);

// A list as the store keeps it. A value.
struct FetchedList {
  std::string url;
  std::string der;
  std::string sha256;  // lower-case hex
  absl::Time fetch_time = absl::UnixEpoch();

  bool operator==(const FetchedList&) const = default;
};

// A certificate that may have signed lists, and the tenants that trust it.
struct ListAuthority {
  std::shared_ptr<const ParsedCertificate> certificate;
  std::set<std::string> tenants;
};

// Reads what was fetched, DER or PEM. INVALID_ARGUMENT CRL_MALFORMED.
absl::StatusOr<std::shared_ptr<const ParsedCrl>> ReadFetchedList(
    std::string_view content);

// Who of `authorities` has signed the list. PERMISSION_DENIED:
// CRL_ISSUER_UNKNOWN, or CRL_SIGNATURE_INVALID if the name is known and no key
// of it fits.
absl::StatusOr<const ListAuthority*> SignerOfList(
    const ParsedCrl& list, absl::Span<const ListAuthority> authorities);

// Whether `list` may take the place of `held` (null: of none) at `now`:
// FAILED_PRECONDITION CRL_EXPIRED, CRL_NOT_YET_VALID, CRL_OLDER, as whoever is
// in between may play an old one again, or CRL_OF_ANOTHER_KIND, as he may give
// one list for another: while `held` is in force none of another issuer or
// scope, and no delta list for a complete one or the other way.
absl::Status CheckReplaces(const ParsedCrl& list, const ParsedCrl* held,
                           absl::Time now);

// Of `lists` the delta list that says most of what changed since `base`, by the
// same signer (RFC 5280 section 5.2.4); null if there is none. One that is past
// its next update counts too: what it revoked is still revoked.
const ParsedCrl* NewestDelta(
    const ParsedCrl& base, const ListAuthority& signer,
    absl::Span<const std::shared_ptr<const ParsedCrl>> lists);

// For whose certificates, beside the signer's own, consumers believe an
// indirect list by `signer` (RFC 5280 sections 5.2.5 and 6.3.3): of
// `authorities` those that lead to a common one with it, and that no tenant
// trusts that does not trust the signer too. In no order; none twice. Empty for
// other lists.
std::vector<const ListAuthority*> IssuersOfIndirect(
    const ParsedCrl& list, const ListAuthority& signer,
    absl::Span<const ListAuthority> authorities);

// The serials that consumers are told to refuse, which know issuers by name
// only; at most `limit`. A list about some of its issuer's certificates is
// told too, as no other has its numbers. `delta` (of NewestDelta(); null: none)
// adds to it and takes away. Of an indirect list the entries of other issuers
// are told as far as these are among IssuersOfIndirect(), for certificates that
// name the list's issuer. FAILED_PRECONDITION: CRL_PARTIAL, if it has a
// critical extension that is not known, or is about others' certificates and
// none of them can be told (it still counts where whole paths are verified);
// CRL_BASE_MISSING, if it is a delta list itself, which means nothing alone;
// CRL_ISSUER_AMBIGUOUS, if a tenant trusts another key of the same name and not
// this one, as one tenant's authority must not revoke another's; CRL_TOO_LONG.
absl::StatusOr<std::vector<RevokedSerial>> SerialsToTell(
    const ParsedCrl& list, const ParsedCrl* delta, const ListAuthority& signer,
    absl::Span<const ListAuthority> authorities, size_t limit);

// Until when consumers can rely on it that all revocations of the list's issuer
// are told, once its serials are.
RevocationCoverage CoverageOf(const ParsedCrl& list);
// The same of certificates, of IssuersOfIndirect(), that name its issuer as
// theirs of lists: not beyond the life of the signer's certificate.
RevocationCoverage IndirectCoverageOf(const ParsedCrl& list,
                                      const ListAuthority& signer);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_FOREIGN_LIST_H_
