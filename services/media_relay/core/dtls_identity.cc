#include "services/media_relay/core/dtls_identity.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"

namespace sallyport::media_relay {
namespace {

constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kApprovedCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kApprovedCurves[] = "P-256:P-384";
constexpr absl::Duration kBackdated = absl::Hours(24);
constexpr absl::Duration kValidity = absl::Hours(24 * 30);

// BoringSSL asks for the time without saying for which connection.
thread_local MonoTime current_time;

void TellTime(const SSL*, timeval* out) {
  // Zero means "no timer" inside, so the origin is moved.
  *out = absl::ToTimeval(current_time.since_origin() + absl::Hours(24));
}

bssl::UniquePtr<EVP_PKEY> NewKey() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (ec == nullptr || key == nullptr || !EC_KEY_generate_key(ec.get()) ||
      !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<X509> NewCertificate(EVP_PKEY* key, absl::Time now) {
  bssl::UniquePtr<X509> certificate(X509_new());
  bssl::UniquePtr<BIGNUM> serial(BN_new());
  if (certificate == nullptr || serial == nullptr ||
      !BN_rand(serial.get(), 63, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) ||
      !BN_to_ASN1_INTEGER(serial.get(),
                          X509_get_serialNumber(certificate.get())) ||
      !X509_set_version(certificate.get(), X509_VERSION_3)) {
    return nullptr;
  }
  constexpr uint8_t kName[] = "media";
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  if (!X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, kName, -1, -1, 0) ||
      !X509_set_issuer_name(certificate.get(), name) ||
      !ASN1_TIME_set(X509_getm_notBefore(certificate.get()),
                     absl::ToTimeT(now - kBackdated)) ||
      !ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                     absl::ToTimeT(now + kValidity)) ||
      !X509_set_pubkey(certificate.get(), key) ||
      !X509_sign(certificate.get(), key, EVP_sha256())) {
    return nullptr;
  }
  return certificate;
}

}  // namespace

DtlsIdentity::DtlsIdentity(bssl::UniquePtr<SSL_CTX> context,
                           const CertificateFingerprint& fingerprint,
                           absl::Time now)
    : context_(std::move(context)),
      fingerprint_(fingerprint),
      create_time_(now) {}

DtlsIdentity::~DtlsIdentity() = default;

void DtlsIdentity::SetTime(MonoTime now) { current_time = now; }

absl::StatusOr<std::shared_ptr<const DtlsIdentity>> DtlsIdentity::Create(
    absl::Time now, bool approved_only) {
  const auto failed = [] {
    ERR_clear_error();
    return absl::InternalError("cannot make a DTLS certificate");
  };
  const bssl::UniquePtr<EVP_PKEY> key = NewKey();
  if (key == nullptr) return failed();
  const bssl::UniquePtr<X509> certificate = NewCertificate(key.get(), now);
  if (certificate == nullptr) return failed();
  uint8_t* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return failed();
  const bssl::UniquePtr<uint8_t> owner(der);

  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(DTLS_method()));
  if (context == nullptr ||
      !SSL_CTX_set_min_proto_version(context.get(), DTLS1_2_VERSION) ||
      !SSL_CTX_use_certificate(context.get(), certificate.get()) ||
      !SSL_CTX_use_PrivateKey(context.get(), key.get()) ||
      !SSL_CTX_set_strict_cipher_list(
          context.get(), approved_only ? kApprovedCiphers : kCiphers) ||
      (approved_only &&
       !SSL_CTX_set1_curves_list(context.get(), kApprovedCurves))) {
    return failed();
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_current_time_cb(context.get(), TellTime);
  return std::shared_ptr<const DtlsIdentity>(new DtlsIdentity(
      std::move(context),
      CertificateFingerprint::Of(CertificateFingerprint::Hash::kSha256,
                                 {der, static_cast<size_t>(size)}),
      now));
}

bssl::UniquePtr<SSL> DtlsIdentity::NewConnection(Judge judge) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
  if (ssl == nullptr) {
    ERR_clear_error();
    return nullptr;
  }
  // Both sides show a certificate (RFC 5763 section 5).
  SSL_set_custom_verify(
      ssl.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, judge);
  return ssl;
}

}  // namespace sallyport::media_relay
