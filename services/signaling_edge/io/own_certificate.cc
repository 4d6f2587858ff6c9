#include "services/signaling_edge/io/own_certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_context.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kLifetime = absl::Hours(24 * 365);
// Clocks that are behind.
constexpr absl::Duration kBackdated = absl::Hours(1);

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "OWN_CERTIFICATE_INVALID", what);
}

absl::Status Unmakeable() {
  ERR_clear_error();
  return MakeError(absl::StatusCode::kInternal, "OWN_CERTIFICATE_INVALID",
                   "a self-signed certificate could not be made");
}

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr &&
         X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Certificate and PKCS #8 key, one behind the other.
absl::StatusOr<std::string> MakeSelfSigned(
    const std::vector<std::string>& names, absl::Time now) {
  const bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  const bssl::UniquePtr<EC_KEY> ec(
      EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  const bssl::UniquePtr<X509> certificate(X509_new());
  const bssl::UniquePtr<BIGNUM> number(BN_new());
  std::array<uint8_t, 16> serial;
  RAND_bytes(serial.data(), serial.size());
  serial[0] = static_cast<uint8_t>((serial[0] & 0x7f) | 0x40);  // positive
  if (key == nullptr || ec == nullptr || certificate == nullptr ||
      number == nullptr || !EC_KEY_generate_key_fips(ec.get()) ||
      !EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) ||
      !BN_bin2bn(serial.data(), serial.size(), number.get()) ||
      !BN_to_ASN1_INTEGER(number.get(),
                          X509_get_serialNumber(certificate.get()))) {
    return Unmakeable();
  }
  X509* const out = certificate.get();
  X509_NAME* const subject = X509_get_subject_name(out);
  const std::string common_name = names.front().substr(0, 64);
  std::string alt_names;
  for (const std::string& name : names) {
    absl::StrAppend(&alt_names, alt_names.empty() ? "" : ",", "DNS:", name);
  }
  if (!X509_set_version(out, 2) ||
      !ASN1_TIME_set(X509_getm_notBefore(out),
                     absl::ToTimeT(now - kBackdated)) ||
      !ASN1_TIME_set(X509_getm_notAfter(out), absl::ToTimeT(now + kLifetime)) ||
      !X509_NAME_add_entry_by_NID(
          subject, NID_commonName, MBSTRING_UTF8, AsBytes(common_name).data(),
          static_cast<int>(common_name.size()), -1, 0) ||
      !X509_set_issuer_name(out, subject) || !X509_set_pubkey(out, key.get()) ||
      !AddExtension(out, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(out, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(out, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !AddExtension(out, NID_subject_alt_name, alt_names) ||
      !X509_sign(out, key.get(), EVP_sha256())) {
    return Unmakeable();
  }
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (bio == nullptr || !PEM_write_bio_X509(bio.get(), out) ||
      !PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                     nullptr, nullptr) ||
      !BIO_mem_contents(bio.get(), &data, &size)) {
    return Unmakeable();
  }
  return ToString({data, size});
}

}  // namespace

absl::StatusOr<CertificateInfo> ReadOwnCertificate(
    const std::string& certificate_file, const std::string& key_file,
    absl::Time now) {
  TlsContextOptions options;
  options.role = TlsRole::kServer;
  const auto context = TlsContext::CreateFromFiles(certificate_file, key_file,
                                                   "", std::move(options));
  if (context.status().code() == absl::StatusCode::kNotFound) {
    return MakeError(absl::StatusCode::kNotFound, "OWN_CERTIFICATE_NOT_FOUND",
                     StdView(context.status().message()));
  }
  if (!context.ok()) return Invalid(StdView(context.status().message()));
  const CertificateInfo& info = *(*context)->certificate();
  if (now > info.not_after) return Invalid("our certificate has expired");
  if (now < info.not_before) return Invalid("our certificate is not valid yet");
  if (!info.server_auth && !info.sip_domain) {
    return Invalid(
        "the extended key usage of our certificate allows neither server "
        "authentication nor SIP domains");
  }
  return info;
}

absl::StatusOr<OwnCertificate> ChooseOwnCertificate(
    const OwnCertificateFiles& files, absl::Time now) {
  OwnCertificate out;
  const auto configured =
      ReadOwnCertificate(files.certificate_file, files.key_file, now);
  out.configured = configured.status();
  if (configured.ok() || files.self_signed_file.empty()) {
    out.certificate_file = files.certificate_file;
    out.key_file = files.key_file;
    if (configured.ok()) {
      out.info = *configured;
      return out;
    }
    // Better one that peers may refuse than none.
    const auto context = TlsContext::CreateFromFiles(files.certificate_file,
                                                     files.key_file, "", {});
    if (!context.ok()) return out.configured;
    out.info = *(*context)->certificate();
    return out;
  }
  const std::string& own = files.self_signed_file;
  auto kept = ReadOwnCertificate(own, own, now);
  if (!kept.ok()) {
    SP_ASSIGN_OR_RETURN(const std::string pem,
                        MakeSelfSigned(files.self_signed_names, now));
    SP_RETURN_IF_ERROR(WriteDurableFile(own, pem));
    kept = ReadOwnCertificate(own, own, now);
    out.made_now = true;
  }
  SP_ASSIGN_OR_RETURN(out.info, std::move(kept));
  out.certificate_file = out.key_file = own;
  out.self_signed = true;
  return out;
}

}  // namespace sallyport::signaling_edge
