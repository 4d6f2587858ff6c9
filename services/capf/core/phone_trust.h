// Whom a phone believes, and whether it would believe a new trust list.
//
// A phone that refuses a list cannot be helped from afar: somebody has to walk
// to it. So no list is published before the rule by which phones accept one
// has been replayed for every phone that is known.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_PHONE_TRUST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_PHONE_TRUST_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "services/capf/core/trust_list.h"

namespace sallyport::capf {

// Certificates by the SHA-256 of their DER, 32 octets each.
using CertificateSet = absl::flat_hash_set<std::string>;

// What one list makes a phone trust. Immutable once filled.
struct ListTrust {
  CertificateSet signers;        // may sign the next list
  CertificateSet call_managers;  // may be spoken to by TLS
  CertificateSet file_signers;   // may sign configuration files
  CertificateSet tvs;            // may vouch for any certificate
};

ListTrust TrustOf(const TrustList& list);

// What a model of phone can do.
struct PhoneAbility {
  bool sha512 = false;  // verifies lists signed with SHA-512

  bool operator==(const PhoneAbility&) const = default;
};

// The recorded state of one phone. Phones that took the same file share the
// object. Null: it holds no list of that kind.
struct PhoneTrustState {
  std::string device;
  PhoneAbility ability;
  bool speaks_tls = false;  // its security profile is not non-secure
  std::shared_ptr<const ListTrust> ctl;
  std::shared_ptr<const ListTrust> itl;
};

// What phones will meet once the list is out.
struct ServedCertificates {
  CertificateSet call_managers;  // presented on SIP over TLS
  CertificateSet file_signers;   // sign configuration files now
  CertificateSet tvs;            // presented by the running services
  CertificateSet vouched_for;    // what those answer "valid" for
};

enum class ListVerdict {
  kAccepted,
  kDigestUnsupported,       // the model cannot verify the signature
  kSignerUnknown,           // neither in its lists nor vouched for
  kCallManagerUntrusted,    // takes it, and can then not register
  kConfigurationUntrusted,  // takes it, and can then read no configuration
};

// "SIGNER_UNKNOWN" and so on; stable.
std::string_view ListVerdictName(ListVerdict verdict);

// A list that is to be published.
struct ProposedList {
  bool is_ctl = true;
  SignedFileDigest digest = SignedFileDigest::kSha1;
  std::string signer;  // its certificate's SHA-256
  std::shared_ptr<const ListTrust> trust;
};

// From a list that VerifyTrustList() found good.
ProposedList ProposalOf(const TrustList& list, bool is_ctl);

// The rule of one phone. Its first list it takes on trust. After that the
// signer must be in a list that it holds, or be vouched for by a trust
// verification service whose certificate is in one. An ITL without TVS and
// file signers ("prepare for rollback") makes it take anything.
ListVerdict WouldAccept(const PhoneTrustState& phone, const ProposedList& list,
                        const ServedCertificates& served);

struct LockedOutPhone {
  std::string device;
  ListVerdict verdict;

  bool operator==(const LockedOutPhone&) const = default;
};

struct TrustListSimulation {
  size_t phones_evaluated = 0;
  size_t locked_out_count = 0;
  std::vector<LockedOutPhone> locked_out;  // the first `max_listed`
};

// Replays the rule for each. Phones in the same state cost one lookup.
TrustListSimulation SimulateTrustList(absl::Span<const PhoneTrustState> phones,
                                      const ProposedList& list,
                                      const ServedCertificates& served,
                                      size_t max_listed);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_PHONE_TRUST_H_
