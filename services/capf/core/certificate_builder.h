// The bytes of a certificate, before and after its signature.
//
// Written by hand with the DER builder rather than through an X.509 object:
// what is linted, what is signed and what is delivered are one string.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_BUILDER_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_BUILDER_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/certificate_names.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/der_parts.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/random_source.h"

namespace sallyport::capf {

SignatureAlgorithm SignatureAlgorithmFor(KeyKind issuer_key);

// What an issued certificate takes from the certificate that signs it.
struct Issuer {
  std::string certificate_der;
  std::string subject_der;  // its Name, copied to the byte
  SubjectName subject;      // the same, for LSCs that copy its parts
  PublicKey key;
  std::string key_id;  // its subject key identifier
  absl::Time not_before;
  absl::Time not_after;
};

// Reads an authority's certificate. kInvalidArgument, reason ISSUER_INVALID,
// if it is not one certificate with CA:TRUE, keyCertSign and a subject key
// identifier, or its key is not fit.
absl::StatusOr<Issuer> ReadIssuer(ByteSpan certificate_der);

// Everything that one certificate will say. Profile rules are CheckNames() and
// the lint; here it is only written down.
struct CertificateSpec {
  ProfileId profile;
  std::string serial;  // big-endian octets, first one 0x01 to 0x7f
  SubjectName subject;
  SubjectAltNames names;
  PublicKey key;
  absl::Time not_before;  // both inclusive, in whole seconds
  absl::Time not_after;
  // Where the issuer's revocation list is, an http URL (section 4.2.1.13 of RFC
  // 5280); empty: nowhere.
  std::string crl_url = {};
};

// A serial of 17 octets: `instance` (0x01 to 0x7f; replicas cannot collide and
// the number is never negative), then 128 random bits.
std::string DrawSerial(uint8_t instance, RandomSource& random);

// From when to when: backdated by an hour, for clocks that are behind, but
// never outside the issuer's own time. `validity` zero takes the profile's
// default. kInvalidArgument VALIDITY_INVALID if it is below an hour (of
// services and servers: ten seconds, backdated by a tenth) or above the
// profile's longest; kFailedPrecondition ISSUER_EXPIRED if less than an hour is
// left of the issuer.
struct Validity {
  absl::Time not_before;
  absl::Time not_after;
};
absl::StatusOr<Validity> ChooseValidity(const CertificateProfile& profile,
                                        absl::Duration validity, absl::Time now,
                                        const std::optional<Issuer>& issuer);

// The TBSCertificate in DER. Without an issuer it is self-signed: issuer name
// and algorithm are those of the subject and its key.
absl::StatusOr<std::string> BuildTbs(const CertificateSpec& spec,
                                     const std::optional<Issuer>& issuer);

// A CertificationRequestInfo (RFC 2986) for another certificate of this
// authority: its name, its key, no attributes. Signed and assembled like a
// TBSCertificate it is the request.
absl::StatusOr<std::string> BuildRequestInfo(const Issuer& authority);

// INVALID_ARGUMENT, reason CHAIN_INVALID, unless the second, an authority of
// the issuer's name, has signed the first.
absl::Status CheckSignedBy(ByteSpan certificate_der, ByteSpan issuer_der);

// The Certificate: `tbs` as it stands, the algorithm, the signature.
absl::StatusOr<std::string> AssembleCertificate(ByteSpan tbs,
                                                SignatureAlgorithm algorithm,
                                                ByteSpan signature);

// The TBSCertificate within a certificate; for the comparison after signing.
absl::StatusOr<std::string> TbsOf(ByteSpan certificate_der);

// Its issuer's Name, in DER.
absl::StatusOr<std::string> IssuerNameOf(ByteSpan certificate_der);

// Whether `signature` over `tbs` verifies with `key`.
bool VerifySignature(ByteSpan tbs, SignatureAlgorithm algorithm,
                     ByteSpan signature, const PublicKey& key);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_BUILDER_H_
