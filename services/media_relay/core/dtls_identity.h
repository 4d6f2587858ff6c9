// The relay's own certificate for DTLS-SRTP, and what all handshakes with it
// share: RFC 5763, RFC 5764, RFC 8827 section 6.5.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_IDENTITY_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_IDENTITY_H_

#include <openssl/base.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"

namespace sallyport::media_relay {

// A fresh ECDSA P-256 key with a self-signed certificate that names nobody.
// Nobody checks a chain: the fingerprint goes through the signalling, so a new
// one can be made at any time for sessions to come. DTLS 1.2, forward-secret
// AEAD suites, no resumption. Key and handshakes draw from BoringSSL's own
// generator. Immutable.
class DtlsIdentity {
 public:
  // `approved_only`: AES-GCM over P-256 and P-384 alone, as FIPS mode asks.
  // INTERNAL when BoringSSL has no memory.
  static absl::StatusOr<std::shared_ptr<const DtlsIdentity>> Create(
      absl::Time now, bool approved_only = false);
  ~DtlsIdentity();
  DtlsIdentity(const DtlsIdentity&) = delete;
  DtlsIdentity& operator=(const DtlsIdentity&) = delete;

  const CertificateFingerprint& fingerprint() const { return fingerprint_; }
  absl::Time create_time() const { return create_time_; }

  // For DtlsAssociation: a connection whose verification ends in `judge`, with
  // SSL_get_app_data() as the association. Null if memory is short.
  using Judge = ssl_verify_result_t (*)(SSL* ssl, uint8_t* out_alert);
  bssl::UniquePtr<SSL> NewConnection(Judge judge) const;
  // The time that BoringSSL's timers see in calls of this thread from now on.
  static void SetTime(MonoTime now);

 private:
  DtlsIdentity(bssl::UniquePtr<SSL_CTX> context,
               const CertificateFingerprint& fingerprint, absl::Time now);

  bssl::UniquePtr<SSL_CTX> context_;
  CertificateFingerprint fingerprint_;
  absl::Time create_time_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_IDENTITY_H_
