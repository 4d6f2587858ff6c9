#include "services/common/crypto/x509_name_text.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "services/common/bytes/hex.h"

namespace sallyport {
namespace {

// The next Name of `fields`.
std::optional<std::string> TakeName(CBS* fields) {
  CBS element;
  if (!CBS_get_asn1_element(fields, &element, CBS_ASN1_SEQUENCE)) {
    return std::nullopt;
  }
  const uint8_t* at = CBS_data(&element);
  const uint8_t* const end = at + CBS_len(&element);
  const bssl::UniquePtr<X509_NAME> name(
      d2i_X509_NAME(nullptr, &at, static_cast<long>(CBS_len(&element))));
  if (name == nullptr || at != end) {
    ERR_clear_error();
    return std::nullopt;
  }
  return NameText(name.get());
}

}  // namespace

std::string NameText(const X509_NAME* name) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return "";
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (!BIO_mem_contents(bio.get(), &data, &size)) return "";
  return ToString({data, size});
}

std::optional<CertificateLabel> ReadLabel(ByteSpan der) {
  constexpr auto kVersion =
      CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0;
  CBS input, certificate, tbs, serial;
  int negative = 0;
  CBS_init(&input, der.data(), der.size());
  if (!CBS_get_asn1(&input, &certificate, CBS_ASN1_SEQUENCE) ||
      CBS_len(&input) != 0 ||
      !CBS_get_asn1(&certificate, &tbs, CBS_ASN1_SEQUENCE) ||
      !CBS_get_optional_asn1(&tbs, nullptr, nullptr, kVersion) ||
      !CBS_get_asn1(&tbs, &serial, CBS_ASN1_INTEGER) ||
      !CBS_is_valid_asn1_integer(&serial, &negative) || negative != 0 ||
      !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE)) {
    return std::nullopt;
  }
  std::optional<std::string> issuer = TakeName(&tbs);
  if (!issuer.has_value() || !CBS_get_asn1(&tbs, nullptr, CBS_ASN1_SEQUENCE)) {
    return std::nullopt;
  }
  std::optional<std::string> subject = TakeName(&tbs);
  if (!subject.has_value()) return std::nullopt;
  const std::string hex = HexEncode({CBS_data(&serial), CBS_len(&serial)});
  // The last digit stays, if it is zero too.
  const size_t digit = std::min(hex.find_first_not_of('0'), hex.size() - 1);
  return CertificateLabel{.subject = *std::move(subject),
                          .issuer = *std::move(issuer),
                          .serial_hex = hex.substr(digit)};
}

}  // namespace sallyport
