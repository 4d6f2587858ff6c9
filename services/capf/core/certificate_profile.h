// What each kind of certificate that we issue may hold.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_PROFILE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_PROFILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/public_key.h"

namespace sallyport::capf {

enum class ProfileId {
  kAuthority,    // the internal CA itself
  kLsc,          // a phone's locally significant certificate
  kSipServer,    // an edge, gateway or PBX on TLS 5061, or the CAPF listener
  kService,      // a Sallyport service, by its spiffe URI
  kClient,       // an operator or another client, by common name
  kPhoneServer,  // what phones reach by host name or address: CAPF, TFTP, TVS
  kCtlSigner,    // signs trust lists and phone files, never a TLS party
  kRoot,         // signs authorities, and nothing else
  kCapfServer,   // CAPF's port, for phones that look for an authority there
};
inline constexpr size_t kProfileCount = 9;

// Key usage bits as X.509 numbers them, bit 0 highest (RFC 5280 4.2.1.3).
inline constexpr uint16_t kDigitalSignature = 0x8000;
inline constexpr uint16_t kKeyEncipherment = 0x2000;
inline constexpr uint16_t kKeyCertSign = 0x0400;
inline constexpr uint16_t kCrlSign = 0x0200;

enum class ExtendedKeyUsage {
  kServerAuth,
  kClientAuth,
  kIpsecEndSystem,
  kSipDomain,  // RFC 5924
};

// "1.3.6.1.5.5.7.3.1" and so on.
std::string_view ExtendedKeyUsageOid(ExtendedKeyUsage usage);

// One kind of certificate. Immutable.
struct CertificateProfile {
  ProfileId id;
  std::string_view name;  // in the API, the audit record and the store
  absl::Duration default_validity;
  absl::Duration max_validity;
  bool is_authority;
  int path_length = 0;      // of an authority: authorities below it
  bool signs_lists = true;  // of an authority: revocation lists
  std::vector<ExtendedKeyUsage> extended_key_usages;

  // Elliptic keys do not encipher (RFC 5480 section 3).
  uint16_t KeyUsage(bool rsa) const;
};

const CertificateProfile& ProfileFor(ProfileId id);
// nullopt for a name that is none of ours.
std::optional<ProfileId> ProfileByName(std::string_view name);

// Whether a certificate of this profile may bear these names: all a
// common name; an LSC no alternative name; a client at most one spiffe URI; a
// SIP server one to 20 dNSNames or sip URIs (RFC 5922); a service exactly one
// spiffe URI, and dNSNames and addresses if wanted; a phone server dNSNames or
// addresses, and so CAPF's port; a signer of trust lists none.
// kInvalidArgument with reason SUBJECT_INVALID or SAN_INVALID otherwise.
absl::Status CheckNames(const CertificateProfile& profile,
                        const SubjectName& subject,
                        const SubjectAltNames& names);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_PROFILE_H_
