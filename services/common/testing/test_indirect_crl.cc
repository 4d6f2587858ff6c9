#include "services/common/testing/test_indirect_crl.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include <cstdint>
#include <string_view>

#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

using std::string_view_literals::operator""sv;

constexpr unsigned kTag0 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
constexpr unsigned kTag2 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 2;
constexpr unsigned kTag4 = CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 4;
constexpr std::string_view kEcdsaSha256 =
    "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"sv;

bool Add(CBB* to, std::string_view octets) {
  return CBB_add_bytes(to, AsBytes(octets).data(), octets.size()) == 1;
}

// Tag, length and octets.
std::string Element(unsigned tag, std::string_view octets) {
  bssl::ScopedCBB cbb;
  CBB inner;
  uint8_t* data = nullptr;
  size_t size = 0;
  SP_CHECK(CBB_init(cbb.get(), octets.size() + 16) &&
           CBB_add_asn1(cbb.get(), &inner, tag) && Add(&inner, octets) &&
           CBB_finish(cbb.get(), &data, &size));
  const bssl::UniquePtr<uint8_t> owner(data);
  return ToString({data, size});
}

std::string Sequence(const std::string& octets) {
  return Element(CBS_ASN1_SEQUENCE, octets);
}

std::string Time(absl::Time time) {
  return Element(CBS_ASN1_UTCTIME,
                 absl::FormatTime("%y%m%d%H%M%SZ", time, absl::UTCTimeZone()));
}

// 2.5.29.`last`, critical.
std::string Extension(char last, const std::string& value) {
  return Sequence("\x06\x03\x55\x1d" + std::string(1, last) +
                  std::string("\x01\x01\xff") +
                  Element(CBS_ASN1_OCTETSTRING, value));
}

std::string Number(long number) {
  bssl::ScopedCBB cbb;
  uint8_t* data = nullptr;
  size_t size = 0;
  SP_CHECK(CBB_init(cbb.get(), 16) &&
           CBB_add_asn1_uint64(cbb.get(), static_cast<uint64_t>(number)) &&
           CBB_finish(cbb.get(), &data, &size));
  const bssl::UniquePtr<uint8_t> owner(data);
  return ToString({data, size});
}

}  // namespace

std::string SubjectDer(const TestCertificate& certificate) {
  return ParseWholeCertificate(AsBytes(certificate.der)).value()->subject_der;
}

std::string IssueIndirectCrl(const TestCertificate& signer,
                             const std::vector<TestIndirectEntry>& entries,
                             absl::Time this_update, absl::Time next_update) {
  std::string revoked;
  for (const TestIndirectEntry& one : entries) {
    std::string entry = Number(one.serial) + Time(this_update);
    if (!one.issuer_der.empty()) {
      entry +=
          Sequence(Extension(29, Sequence(Element(kTag4, one.issuer_der))));
    }
    revoked += Sequence(entry);
  }
  const std::string scope =
      Sequence(Element(CBS_ASN1_CONTEXT_SPECIFIC | 4, "\xff"));
  const std::string tbs =
      Sequence(Number(1) + std::string(kEcdsaSha256) + SubjectDer(signer) +
               Time(this_update) + Time(next_update) +
               (revoked.empty() ? "" : Sequence(revoked)) +
               Element(kTag0, Sequence(Extension(28, scope))));

  const bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(
      signer.key_pem.data(), static_cast<int>(signer.key_pem.size())));
  const bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  SP_CHECK(key != nullptr);
  std::string signature(256, '\0');
  size_t size = signature.size();
  bssl::ScopedEVP_MD_CTX context;
  SP_CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr,
                              key.get()) &&
           EVP_DigestSign(context.get(),
                          reinterpret_cast<uint8_t*>(signature.data()), &size,
                          AsBytes(tbs).data(), tbs.size()));
  signature.resize(size);
  return Sequence(
      tbs + std::string(kEcdsaSha256) +
      Element(CBS_ASN1_BITSTRING, std::string(1, '\0') + signature));
}

std::string IndirectPoint(const TestCertificate& crl_issuer,
                          const std::string& url) {
  std::string point;
  if (!url.empty()) {
    point += Element(
        kTag0, Element(kTag0, Element(CBS_ASN1_CONTEXT_SPECIFIC | 6, url)));
  }
  point += Element(kTag2, Element(kTag4, SubjectDer(crl_issuer)));
  return "DER:" + HexEncode(AsBytes(Sequence(Sequence(point))));
}

}  // namespace sallyport
