#include "services/common/tls/trust_anchors.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

// Longest chain looked at: a leaf and more intermediates than any CA uses.
constexpr size_t kMaxChain = 10;

bssl::UniquePtr<X509> ParseDer(const std::string& der) {
  const ByteSpan bytes = AsBytes(der);
  const uint8_t* at = bytes.data();
  bssl::UniquePtr<X509> x509(
      d2i_X509(nullptr, &at, static_cast<long>(bytes.size())));
  if (x509 != nullptr && at != bytes.data() + bytes.size()) x509.reset();
  ERR_clear_error();
  return x509;
}

absl::Status Untrusted(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, message);
}

std::string_view ReasonFor(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "PEER_CERTIFICATE_EXPIRED";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "PEER_CERTIFICATE_NOT_YET_VALID";
    case X509_V_ERR_INVALID_PURPOSE:
      return "PEER_CERTIFICATE_WRONG_USAGE";
    default:
      return "PEER_CERTIFICATE_UNTRUSTED";
  }
}

int PurposeId(CertificatePurpose purpose) {
  switch (purpose) {
    case CertificatePurpose::kTlsClient:
      return X509_PURPOSE_SSL_CLIENT;
    case CertificatePurpose::kTlsServer:
      return X509_PURPOSE_SSL_SERVER;
    case CertificatePurpose::kAny:
      break;
  }
  return X509_PURPOSE_ANY;
}

}  // namespace

TrustAnchors::TrustAnchors(bssl::UniquePtr<X509_STORE> store, size_t size)
    : store_(std::move(store)), size_(size) {}

TrustAnchors::~TrustAnchors() = default;

absl::StatusOr<std::shared_ptr<const TrustAnchors>> TrustAnchors::FromPem(
    std::string_view pem) {
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                      CertificatesFromPem(pem));
  return FromDer(certificates);
}

absl::StatusOr<std::shared_ptr<const TrustAnchors>> TrustAnchors::FromDer(
    absl::Span<const std::string> certificates) {
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  if (store == nullptr) return absl::ResourceExhaustedError("X509_STORE_new");
  for (const std::string& der : certificates) {
    const bssl::UniquePtr<X509> x509 = ParseDer(der);
    if (x509 == nullptr) {
      return absl::InvalidArgumentError("an anchor is not a DER certificate");
    }
    // The same one twice is harmless.
    if (!X509_STORE_add_cert(store.get(), x509.get()) &&
        ERR_GET_REASON(ERR_peek_last_error()) !=
            X509_R_CERT_ALREADY_IN_HASH_TABLE) {
      ERR_clear_error();
      return absl::InvalidArgumentError("an anchor cannot be added");
    }
    ERR_clear_error();
  }
  return std::shared_ptr<const TrustAnchors>(
      new TrustAnchors(std::move(store), certificates.size()));
}

absl::Status TrustAnchors::Verify(absl::Span<const std::string> chain,
                                  CertificatePurpose purpose,
                                  absl::Time now) const {
  if (chain.empty()) {
    return Untrusted("PEER_CERTIFICATE_MISSING", "no certificate");
  }
  if (chain.size() > kMaxChain) {
    return Untrusted("PEER_CERTIFICATE_MALFORMED", "the chain is too long");
  }
  const bssl::UniquePtr<X509> leaf = ParseDer(chain[0]);
  bssl::UniquePtr<STACK_OF(X509)> others(sk_X509_new_null());
  if (leaf == nullptr || others == nullptr) {
    return Untrusted("PEER_CERTIFICATE_MALFORMED", "not a certificate");
  }
  for (const std::string& der : chain.subspan(1)) {
    bssl::UniquePtr<X509> x509 = ParseDer(der);
    if (x509 == nullptr || !bssl::PushToStack(others.get(), std::move(x509))) {
      return Untrusted("PEER_CERTIFICATE_MALFORMED", "not a certificate");
    }
  }

  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (context == nullptr || !X509_STORE_CTX_init(context.get(), store_.get(),
                                                 leaf.get(), others.get())) {
    ERR_clear_error();
    return absl::ResourceExhaustedError("X509_STORE_CTX_init");
  }
  X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context.get());
  // TRUSTED_FIRST: an anchor ends the path even if the peer sent a longer one.
  // PARTIAL_CHAIN: an anchor need not be self-signed.
  X509_VERIFY_PARAM_set_flags(
      param, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_time(param, absl::ToTimeT(now));
  X509_VERIFY_PARAM_set_depth(param, static_cast<int>(kMaxChain));
  if (!X509_VERIFY_PARAM_set_purpose(param, PurposeId(purpose))) {
    ERR_clear_error();
    return absl::InternalError("X509_VERIFY_PARAM_set_purpose");
  }
  const int verified = X509_verify_cert(context.get());
  ERR_clear_error();
  if (verified == 1) return absl::OkStatus();
  const int error = X509_STORE_CTX_get_error(context.get());
  return Untrusted(ReasonFor(error), X509_verify_cert_error_string(error));
}

}  // namespace sallyport
