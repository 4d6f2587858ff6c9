// A phone's proof that it holds the key of a certificate that it shows
// (authentication by existing certificate: LSC or MIC).
//
// The form is what an open server and its client agree on (research/pki.md
// section 2.5). What is signed is the same each time, so the proof shows that
// the key was there once; only the SUDI form is bound to the session, and it
// is taken where a phone sends it.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_PROOF_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_PROOF_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/capf_message.h"

namespace sallyport::capf {

// A certificate whose key the phone has shown to hold. Nothing is said about
// who issued it, whether it is valid, or whose it is.
struct ProvenCertificate {
  CapfCertificateType type = CapfCertificateType::kLsc;
  std::string der;
  bool bound_to_session = false;

  bool operator==(const ProvenCertificate&) const = default;
};

// Checks every signature that `message` holds; all must be right, and there
// must be one. An RSA signature is PKCS #1 type 1 padding over the bare digest
// without a DigestInfo: the whole recovered block is compared, as a server
// that looks at its end only takes forgeries for keys with exponent 3. Keys
// below 1024 bits prove nothing. Pure.
//
// kUnauthenticated with a reason: PROOF_MISSING (no certificate, or no
// signature), PROOF_CERTIFICATE_MALFORMED, PROOF_KEY_UNFIT, PROOF_WRONG.
absl::StatusOr<ProvenCertificate> VerifyProof(const CapfMessage& message,
                                              std::string_view device_name,
                                              uint32_t session_id);

// Whether a certificate is the device's own: the only common name of its
// subject is the device name, or, in a manufacturer's certificate, ends with
// "-" and the device name ("CP-8861-SEP001122334455"). Letters of the name's
// hexadecimal digits may differ in case.
bool IsCertificateOf(std::string_view common_name, std::string_view device_name,
                     CapfCertificateType type);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_PROOF_H_
