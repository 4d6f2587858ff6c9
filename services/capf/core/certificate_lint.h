// The last look at a certificate before it is signed.
//
// Reads the bytes with readers that had no part in writing them, so that a
// fault of the builder shows. BR and RFC 5280 rules that can matter for
// our profiles; each finding has a stable name.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_LINT_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_LINT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_profile.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// What the certificate is meant to be. The serial's uniqueness is the store's
// question, answered when the intent is written.
struct LintContext {
  const CertificateSpec& spec;
  const std::optional<Issuer>& issuer;  // nullopt: self-signed authority
  absl::Time now;
};

// The names of the rules that `tbs` breaks, in a fixed order; empty if it may
// be signed. Pure; never fails on any input.
//
//   malformed              not a TBSCertificate in DER that reads and writes
//                          back the same
//   version                not v3
//   serial_length          not 17 to 20 octets, so under 128 random bits
//   serial_sign            zero or negative
//   serial_mismatch        not the serial that was recorded
//   signature_algorithm    not the one of the issuer's key, or not SHA-2
//   issuer_mismatch        issuer is not the issuer's subject to the byte
//   subject_mismatch       subject is not what was asked
//   subject_empty          no common name
//   validity_mismatch      not the dates that were recorded
//   validity_order         ends before it begins
//   validity_too_long      beyond the profile
//   validity_backdated     begins over 48 hours ago
//   validity_future        begins later than now
//   validity_outlives      outside the issuer's time
//   key_weak               fails PublicKey::FromSpki()
//   key_mismatch           not the key that was proven
//   key_is_issuers         the leaf bears the issuer's own key
//   extension_unknown      an extension that no profile has, or twice one
//   basic_constraints      absent or not critical
//   ca_true                CA:TRUE on a leaf
//   ca_false               an authority without CA:TRUE and pathlen 0
//   key_usage              absent, not critical, or not the profile's
//   extended_key_usage     not the profile's
//   san_shape              names that CheckNames() refuses, or a name that is
//                          neither dNSName, URI nor address
//   san_mismatch           not the names that were granted
//   crl_point              not one distribution point of the URL that was
//   meant,
//                          or one where none was
//   subject_key_id         absent or wrong
//   authority_key_id       absent or wrong
std::vector<std::string> LintCertificate(ByteSpan tbs,
                                         const LintContext& context);
// The same by an X.509 parser alone. LintCertificate() asks it for the names of
// what is wrong once ReadsAsMeant() found something to be; tests and the fuzzer
// see that this one has nothing against what that one takes.
std::vector<std::string> LintSlowly(ByteSpan tbs, const LintContext& context);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_LINT_H_
