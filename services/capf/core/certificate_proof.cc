#include "services/capf/core/certificate_proof.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <vector>

#include "absl/strings/match.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr int kMinRsaBits = 1024;
constexpr uint8_t kSha1Digest = 1;
constexpr uint8_t kSha256Digest = 2;
constexpr uint8_t kSha512Digest = 3;

absl::Status Refuse(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, what);
}

absl::StatusOr<std::string> DigestOf(uint8_t type, std::string_view text) {
  const ByteSpan bytes = AsBytes(text);
  switch (type) {
    case kSha1Digest:
      return ToString(Sha1(bytes));
    case kSha256Digest:
      return ToString(Sha256(bytes));
    case kSha512Digest:
      return ToString(Sha512(bytes));
    default:
      return Refuse("PROOF_WRONG", "a digest of an unknown kind");
  }
}

bool VerifyRsa(RSA* key, ByteSpan digest, ByteSpan signature) {
  std::vector<uint8_t> recovered(RSA_size(key));
  size_t size = 0;
  if (!RSA_verify_raw(key, &size, recovered.data(), recovered.size(),
                      signature.data(), signature.size(), RSA_PKCS1_PADDING)) {
    return false;
  }
  return size == digest.size() &&
         CRYPTO_memcmp(recovered.data(), digest.data(), size) == 0;
}

absl::Status VerifyOne(EVP_PKEY* key, uint8_t digest_type,
                       std::string_view text, ByteSpan signature) {
  SP_ASSIGN_OR_RETURN(const std::string digest, DigestOf(digest_type, text));
  const ByteSpan octets = AsBytes(digest);
  bool right = false;
  if (RSA* const rsa = EVP_PKEY_get0_RSA(key); rsa != nullptr) {
    if (RSA_bits(rsa) < kMinRsaBits) {
      return Refuse("PROOF_KEY_UNFIT", "the RSA key is too short");
    }
    right = VerifyRsa(rsa, octets, signature);
  } else if (EC_KEY* const ec = EVP_PKEY_get0_EC_KEY(key); ec != nullptr) {
    right = ECDSA_verify(0, octets.data(), octets.size(), signature.data(),
                         signature.size(), ec) == 1;
  } else {
    return Refuse("PROOF_KEY_UNFIT", "the key is neither RSA nor elliptic");
  }
  return right ? absl::OkStatus()
               : Refuse("PROOF_WRONG", "a signature does not verify");
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> KeyOf(ByteSpan der) {
  const uint8_t* at = der.data();
  const bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr || at != der.data() + der.size()) {
    return Refuse("PROOF_CERTIFICATE_MALFORMED", "not exactly one certificate");
  }
  bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(certificate.get()));
  if (key == nullptr) {
    return Refuse("PROOF_KEY_UNFIT", "the key cannot be read");
  }
  return key;
}

// The session id as the machines that set the form wrote it: little endian.
std::string SudiText(uint32_t session_id, ByteSpan certificate) {
  std::string text;
  for (int shift = 0; shift < 32; shift += 8) {
    text.push_back(static_cast<char>(session_id >> shift & 0xff));
  }
  text += AsText(certificate);
  return text;
}

absl::Status VerifySudi(const CapfSudi& sudi, uint32_t session_id) {
  SP_ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key,
                      KeyOf(sudi.certificate_der));
  const std::string text = SudiText(session_id, sudi.certificate_der);
  if (sudi.sha1_signature.empty() && sudi.sha512_signature.empty()) {
    return Refuse("PROOF_MISSING", "a SUDI without a signature");
  }
  if (!sudi.sha1_signature.empty()) {
    SP_RETURN_IF_ERROR(
        VerifyOne(key.get(), kSha1Digest, text, sudi.sha1_signature));
  }
  if (!sudi.sha512_signature.empty()) {
    SP_RETURN_IF_ERROR(
        VerifyOne(key.get(), kSha512Digest, text, sudi.sha512_signature));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProvenCertificate> VerifyProof(const CapfMessage& message,
                                              std::string_view device_name,
                                              uint32_t session_id) {
  if (message.sudi) {
    SP_RETURN_IF_ERROR(VerifySudi(*message.sudi, session_id));
    // A second certificate beside it would leave open which one is meant.
    if (message.certificate &&
        message.certificate->der != message.sudi->certificate_der) {
      return Refuse("PROOF_WRONG", "two certificates that differ");
    }
    return ProvenCertificate{.type = CapfCertificateType::kMic,
                             .der = ToString(message.sudi->certificate_der),
                             .bound_to_session = true};
  }
  if (!message.certificate) {
    return Refuse("PROOF_MISSING", "no certificate");
  }
  if (!message.sha1_signed_data && !message.sha2_signed_data) {
    return Refuse("PROOF_MISSING", "no signature");
  }
  const ByteSpan der = message.certificate->der;
  SP_ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, KeyOf(der));
  std::string text(device_name);
  text.push_back('\0');
  text += AsText(der);
  if (message.sha1_signed_data) {
    SP_RETURN_IF_ERROR(
        VerifyOne(key.get(), kSha1Digest, text, *message.sha1_signed_data));
  }
  if (message.sha2_signed_data) {
    SP_RETURN_IF_ERROR(VerifyOne(key.get(),
                                 message.sha2_signed_data->digest_type, text,
                                 message.sha2_signed_data->bytes));
  }
  return ProvenCertificate{.type = message.certificate->type,
                           .der = ToString(der),
                           .bound_to_session = false};
}

bool IsCertificateOf(std::string_view common_name, std::string_view device_name,
                     CapfCertificateType type) {
  if (device_name.empty()) return false;
  const auto same = [device_name](std::string_view name) {
    return absl::EqualsIgnoreCase(
        absl::string_view(name.data(), name.size()),
        absl::string_view(device_name.data(), device_name.size()));
  };
  if (same(common_name)) return true;
  if (type != CapfCertificateType::kMic ||
      common_name.size() <= device_name.size() + 1) {
    return false;
  }
  const size_t at = common_name.size() - device_name.size();
  return common_name[at - 1] == '-' && same(common_name.substr(at));
}

}  // namespace sallyport::capf
