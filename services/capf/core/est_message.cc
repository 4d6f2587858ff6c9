#include "services/capf/core/est_message.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/pool.h>
#include <openssl/stack.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_names.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxCertificates = 10;

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "EST_MALFORMED", what);
}

std::string_view PathOf(EstOperation operation) {
  switch (operation) {
    case EstOperation::kSimpleEnroll:
      return "/simpleenroll";
    case EstOperation::kSimpleReenroll:
      return "/simplereenroll";
    case EstOperation::kCaCerts:
      break;
  }
  return "/cacerts";
}

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(AbslView(text));
}

}  // namespace

std::optional<EstUrl> ParseEstUrl(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (url.substr(0, kScheme.size()) != kScheme) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const size_t slash = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, slash);
  EstUrl out;
  out.path_prefix = std::string(url.substr(slash));
  if (const size_t colon = authority.find(':');
      colon != std::string_view::npos) {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(AbslView(authority.substr(colon + 1)), &port) ||
        port == 0 || port > 65535) {
      return std::nullopt;
    }
    out.port = static_cast<uint16_t>(port);
    authority = authority.substr(0, colon);
  }
  out.host = Lower(authority);
  const bool fits =
      std::all_of(out.path_prefix.begin(), out.path_prefix.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
               std::string_view("/._-~").find(c) != std::string_view::npos;
      });
  if (!IsDnsName(out.host) || !fits || out.path_prefix.empty() ||
      out.path_prefix.back() == '/') {
    return std::nullopt;
  }
  return out;
}

std::string SerializeEstRequest(const EstRequest& request) {
  const bool get = request.operation == EstOperation::kCaCerts;
  std::string out = absl::StrCat(get ? "GET " : "POST ", request.path_prefix,
                                 std::string(PathOf(request.operation)),
                                 " HTTP/1.1\r\nHost: ", request.host,
                                 "\r\nAccept: application/pkcs7-mime\r\n",
                                 "Connection: close\r\n");
  if (!request.credentials.empty()) {
    absl::StrAppend(&out, "Authorization: Basic ",
                    absl::Base64Escape(request.credentials), "\r\n");
  }
  if (get) return out + "\r\n";
  // RFC 7030 section 4.2.1, and RFC 8951: base64 whatever the header says.
  const std::string body = absl::Base64Escape(request.csr_der);
  absl::StrAppend(&out,
                  "Content-Type: application/pkcs10\r\n"
                  "Content-Transfer-Encoding: base64\r\nContent-Length: ",
                  body.size(), "\r\n\r\n", body);
  return out;
}

absl::StatusOr<std::vector<std::string>> CertificatesOfAnswer(
    const HttpResponse& answer) {
  const std::string said = absl::StrCat("the server answered ", answer.status);
  if (answer.status == 202) {
    return MakeError(absl::StatusCode::kUnavailable, "EST_PENDING",
                     "the server will answer later");
  }
  if (answer.status == 401 || answer.status == 403) {
    return MakeError(absl::StatusCode::kPermissionDenied, "EST_UNAUTHORIZED",
                     said);
  }
  if (answer.status >= 400 && answer.status < 500) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "EST_REFUSED",
                     said);
  }
  if (answer.status >= 500) {
    return MakeError(absl::StatusCode::kUnavailable, "EST_UNAVAILABLE", said);
  }
  if (answer.status != 200) return Malformed(said);
  if (answer.content_type != "application/pkcs7-mime") {
    return Malformed("the answer is no application/pkcs7-mime");
  }
  std::string base64 = answer.body;
  base64.erase(
      std::remove_if(base64.begin(), base64.end(),
                     [](char c) { return c == '\r' || c == '\n' || c == ' '; }),
      base64.end());
  std::string der;
  if (!absl::Base64Unescape(base64, &der)) {
    return Malformed("the answer is no base64");
  }
  CBS cbs;
  CBS_init(&cbs, AsBytes(der).data(), der.size());
  bssl::UniquePtr<STACK_OF(CRYPTO_BUFFER)> buffers(sk_CRYPTO_BUFFER_new_null());
  if (!buffers || !PKCS7_get_raw_certificates(buffers.get(), &cbs, nullptr) ||
      CBS_len(&cbs) != 0) {
    ERR_clear_error();
    return Malformed("the answer is no PKCS #7 of certificates");
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(buffers.get()); ++i) {
    const CRYPTO_BUFFER* const one = sk_CRYPTO_BUFFER_value(buffers.get(), i);
    out.push_back(
        ToString(ByteSpan(CRYPTO_BUFFER_data(one), CRYPTO_BUFFER_len(one))));
  }
  if (out.empty() || out.size() > kMaxCertificates) {
    return Malformed("the answer has no certificate, or too many");
  }
  return out;
}

}  // namespace sallyport::capf
