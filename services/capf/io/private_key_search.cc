#include "services/capf/io/private_key_search.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/capf/io/file_signer.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

using std::string_view_literals::operator""sv;

constexpr char kBegin[] = "-----BEGIN ";
constexpr char kDashes[] = "-----";

struct Shape {
  std::string_view octets;
  const char* what;
};
constexpr Shape kShapes[] = {
    // version 0, then id-ecPublicKey and a named curve.
    {"\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"sv,
     "PKCS #8 of an elliptic key"},
    {"\x02\x01\x00\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"sv,
     "PKCS #8 of an elliptic key"},
    // version 0, then rsaEncryption with NULL.
    {"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv,
     "PKCS #8 of an RSA key"},
    // version 1 and an octet string as long as the curve's.
    {"\x02\x01\x01\x04\x20"sv, "RFC 5915, P-256"},
    {"\x02\x01\x01\x04\x30"sv, "RFC 5915, P-384"},
    {"\x02\x01\x01\x04\x42"sv, "RFC 5915, P-521"},
    // version 0 and a modulus of 2048 or 3072 bits.
    {"\x02\x01\x00\x02\x82\x01\x01\x00"sv, "RFC 3447, RSA-2048"},
    {"\x02\x01\x00\x02\x82\x01\x81\x00"sv, "RFC 3447, RSA-3072"},
};

std::string Octets(const BIGNUM* number) {
  std::string out(BN_num_bytes(number), '\0');
  BN_bn2bin(number, reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

// As far as it is base64, without line ends.
std::string Unescaped(std::string_view text) {
  std::string base64;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' ||
        c == '/') {
      base64 += c;
    }
  }
  std::string out;
  base64.append((4 - base64.size() % 4) % 4, 'A');
  return absl::Base64Unescape(base64, &out) ? out : "";
}

}  // namespace

std::vector<std::string> PemBlocks(std::string_view text,
                                   std::string_view label) {
  const std::string begin = absl::StrCat(kBegin, std::string(label), kDashes);
  const std::string end =
      absl::StrCat("-----END ", std::string(label), kDashes);
  std::vector<std::string> out;
  for (size_t at = text.find(begin); at != std::string_view::npos;
       at = text.find(begin, at + 1)) {
    const size_t to = text.find(end, at);
    if (to == std::string_view::npos) break;
    out.emplace_back(text.substr(at, to + end.size() - at));
    out.back() += '\n';
  }
  return out;
}

void PrivateKeySearch::Know(const Secret& clear_pem) {
  const std::string_view text = clear_pem.DangerousText();
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  SP_CHECK(key != nullptr);
  if (const EC_KEY* const ec = EVP_PKEY_get0_EC_KEY(key.get())) {
    numbers_.push_back(Octets(EC_KEY_get0_private_key(ec)));
  } else {
    const RSA* const rsa = EVP_PKEY_get0_RSA(key.get());
    SP_CHECK(rsa != nullptr);
    for (const BIGNUM* const number :
         {RSA_get0_d(rsa), RSA_get0_p(rsa), RSA_get0_q(rsa)}) {
      numbers_.push_back(Octets(number));
    }
  }
}

size_t PrivateKeySearch::KnowEncrypted(
    const std::string& text, const std::vector<const Secret*>& secrets) {
  size_t opened = 0;
  for (const std::string& block : PemBlocks(text, "ENCRYPTED PRIVATE KEY")) {
    for (const Secret* const secret : secrets) {
      const auto key = FileSigner::FromPem(block, *secret);
      if (!key.ok()) continue;
      Know((*key)->DangerousPem().value());
      ++opened;
      break;
    }
  }
  return opened;
}

std::vector<std::string> PrivateKeySearch::Look(
    std::string_view content) const {
  std::vector<std::string> out;
  const auto shapes = [&](std::string_view octets, const std::string& where) {
    for (const Shape& shape : kShapes) {
      if (octets.find(shape.octets) != std::string_view::npos) {
        out.push_back(absl::StrCat(shape.what, where));
      }
    }
    const std::string lower = absl::AsciiStrToLower(std::string(octets));
    for (const std::string& number : numbers_) {
      if (octets.find(number) != std::string_view::npos ||
          lower.find(absl::BytesToHexString(number)) != std::string::npos) {
        out.push_back(absl::StrCat("the number of a key", where));
      }
    }
  };
  shapes(content, "");
  for (size_t at = content.find(kBegin); at != std::string_view::npos;
       at = content.find(kBegin, at + 1)) {
    const size_t from = at + sizeof kBegin - 1;
    const std::string_view label =
        content.substr(from, content.find(kDashes, from) - from);
    if (label.find("PRIVATE KEY") != std::string_view::npos &&
        label.find("ENCRYPTED") == std::string_view::npos) {
      out.push_back(absl::StrCat("PEM of ", std::string(label)));
    }
    const size_t body = from + label.size() + sizeof kDashes - 1;
    if (body >= content.size()) break;
    shapes(Unescaped(content.substr(body, content.find(kDashes, body) - body)),
           absl::StrCat(" within PEM of ", std::string(label)));
  }
  return out;
}

std::vector<std::string> PrivateKeySearch::LookBelow(
    const std::string& folder) const {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(in)), {});
    for (const std::string& found : Look(content)) {
      out.push_back(absl::StrCat(entry.path().string(), ": ", found));
    }
  }
  return out;
}

}  // namespace sallyport::capf
