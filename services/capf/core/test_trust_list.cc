#include "services/capf/core/test_trust_list.h"

#include <openssl/asn1.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include "services/capf/core/test_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

constexpr long kDay = 24 * 60 * 60;

std::string Sign(EVP_PKEY* key, SignedFileDigest digest,
                 std::string_view text) {
  const EVP_MD* const hash = digest == SignedFileDigest::kSha1 ? EVP_sha1()
                             : digest == SignedFileDigest::kSha256
                                 ? EVP_sha256()
                                 : EVP_sha512();
  bssl::ScopedEVP_MD_CTX context;
  size_t size = 0;
  const ByteSpan bytes = AsBytes(text);
  SP_CHECK(EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key));
  SP_CHECK(EVP_DigestSign(context.get(), nullptr, &size, bytes.data(),
                          bytes.size()));
  std::string out(size, '\0');
  SP_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<uint8_t*>(out.data()),
                          &size, bytes.data(), bytes.size()));
  return out;
}

}  // namespace

TestIdentity NewTestIdentity(std::string_view common_name, uint64_t serial) {
  TestIdentity out;
  out.key = NewTestKey(KeyKind::kRsa);
  const bssl::UniquePtr<X509> certificate(X509_new());
  SP_CHECK(X509_set_version(certificate.get(), X509_VERSION_3));
  SP_CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()),
                                   serial));
  SP_CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0));
  SP_CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 365 * kDay));
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  const auto add = [name](const char* type, std::string_view value) {
    SP_CHECK(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
                                        AsBytes(value).data(),
                                        static_cast<int>(value.size()), -1, 0));
  };
  add("C", "XX");
  add("O", "Example");
  add("CN", common_name);
  SP_CHECK(X509_set_issuer_name(certificate.get(), name));
  SP_CHECK(X509_set_pubkey(certificate.get(), out.key.get()));
  SP_CHECK(X509_sign(certificate.get(), out.key.get(), EVP_sha256()));
  uint8_t* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  SP_CHECK(size > 0);
  const bssl::UniquePtr<uint8_t> owner(der);
  out.certificate = ToString(ByteSpan(der, static_cast<size_t>(size)));
  return out;
}

TrustListRecord TestRecord(const TestIdentity& identity, TrustListRole role,
                           std::string_view dns_name) {
  const auto record = RecordOf(identity.certificate, role, dns_name,
                               std::string("\xc0\x00\x02\x01", 4));
  SP_CHECK(record.ok());
  return *record;
}

std::string SignedTestList(TrustList list, const TestIdentity& signer) {
  const TrustListRecord record = TestRecord(signer, TrustListRole::kSast);
  list.header.signer_name = record.subject;
  list.header.signer_serial = record.serial;
  list.header.signer_issuer = record.issuer;
  list.header.modulus_size = 256;
  list.header.signature.clear();
  const auto text = WriteTrustList(list);
  SP_CHECK(text.ok());
  list.header.signature = Sign(signer.key.get(), list.header.digest, *text);
  const auto file = WriteTrustList(list);
  SP_CHECK(file.ok());
  return *file;
}

}  // namespace sallyport::capf
