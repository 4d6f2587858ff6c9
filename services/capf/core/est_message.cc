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

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// The next line without its CRLF, taken off `text`; false if there is none.
bool TakeLine(std::string_view* text, std::string_view* line) {
  const size_t end = text->find("\r\n");
  if (end == std::string_view::npos) return false;
  *line = text->substr(0, end);
  text->remove_prefix(end + 2);
  return true;
}

// RFC 9110 section 10.2.3: seconds, or a date.
std::optional<absl::Duration> RetryAfter(std::string_view value,
                                         absl::Time now) {
  uint32_t seconds = 0;
  if (absl::SimpleAtoi(AbslView(value), &seconds)) {
    return absl::Seconds(seconds);
  }
  absl::Time date;
  if (absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", AbslView(value), &date,
                      nullptr)) {
    return std::max(date - now, absl::ZeroDuration());
  }
  return std::nullopt;
}

struct Headers {
  HttpAnswer answer;
  std::optional<size_t> length;
  bool chunked = false;
};

absl::StatusOr<Headers> ReadHeaders(std::string_view head, absl::Time now) {
  Headers out;
  std::string_view line;
  if (!TakeLine(&head, &line) || line.substr(0, 7) != "HTTP/1." ||
      line.size() < 12 || line[8] != ' ' ||
      !absl::SimpleAtoi(AbslView(line.substr(9, 3)), &out.answer.status) ||
      out.answer.status < 100 || out.answer.status > 599) {
    return Malformed("the answer has no status line of HTTP/1.1");
  }
  while (TakeLine(&head, &line)) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return Malformed("a header has no name");
    }
    const std::string name = Lower(line.substr(0, colon));
    const std::string_view value = Trimmed(line.substr(colon + 1));
    if (name == "content-length") {
      uint32_t length = 0;
      if (out.length.has_value() ||
          !absl::SimpleAtoi(AbslView(value), &length)) {
        return Malformed("the length is none, or is said twice");
      }
      out.length = length;
    } else if (name == "transfer-encoding") {
      if (Lower(value) != "chunked") {
        return Malformed("a transfer coding that we do not know");
      }
      out.chunked = true;
    } else if (name == "retry-after") {
      out.answer.retry_after = RetryAfter(value, now);
    } else if (name == "content-type") {
      out.answer.content_type =
          Lower(Trimmed(value.substr(0, value.find(';'))));
    }
  }
  if (out.chunked && out.length.has_value()) {
    return Malformed("both a length and chunks");
  }
  return out;
}

// RFC 9112 section 7.1. nullopt: more has to come.
absl::StatusOr<std::optional<std::string>> ReadChunks(std::string_view rest) {
  std::string body;
  while (true) {
    std::string_view line;
    if (!TakeLine(&rest, &line)) return std::nullopt;
    const std::string digits(Trimmed(line.substr(0, line.find(';'))));
    size_t size = 0;
    if (digits.empty() || digits.size() > 6) return Malformed("a chunk");
    for (const char c : digits) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
        return Malformed("a chunk");
      }
      size = size * 16 +
             static_cast<size_t>(
                 absl::ascii_isdigit(static_cast<unsigned char>(c))
                     ? c - '0'
                     : (absl::ascii_tolower(static_cast<unsigned char>(c)) -
                        'a' + 10));
    }
    if (size == 0) {
      // Trailers, if any, then an empty line.
      do {
        if (!TakeLine(&rest, &line)) return std::nullopt;
      } while (!line.empty());
      return body;
    }
    if (rest.size() < size + 2) return std::nullopt;
    body.append(rest.substr(0, size));
    if (rest.substr(size, 2) != "\r\n") return Malformed("a chunk's end");
    rest.remove_prefix(size + 2);
  }
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

absl::StatusOr<std::optional<HttpAnswer>> ParseHttpAnswer(
    std::string_view received, bool ended, absl::Time now, size_t max_size) {
  const auto too_large = [] {
    return MakeError(absl::StatusCode::kResourceExhausted, "EST_MALFORMED",
                     "the answer is too large");
  };
  if (received.size() > max_size) return too_large();
  const auto cut = [ended]() -> absl::StatusOr<std::optional<HttpAnswer>> {
    if (ended) return Malformed("the answer is cut off");
    return std::nullopt;
  };
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    // What can be no answer is not waited for.
    const std::string_view start = std::string_view("HTTP/1.").substr(
        0, std::min<size_t>(received.size(), 7));
    if (received.substr(0, start.size()) != start) {
      return Malformed("the answer is no HTTP/1.1");
    }
    return cut();
  }
  absl::StatusOr<Headers> headers =
      ReadHeaders(received.substr(0, end + 2), now);
  if (!headers.ok()) return headers.status();
  const std::string_view rest = received.substr(end + 4);
  HttpAnswer& answer = headers->answer;
  if (answer.status < 200) return Malformed("an interim answer");
  if (headers->chunked) {
    absl::StatusOr<std::optional<std::string>> body = ReadChunks(rest);
    if (!body.ok()) return body.status();
    if (!body->has_value()) return cut();
    answer.body = **std::move(body);
  } else if (headers->length.has_value()) {
    if (*headers->length > max_size) return too_large();
    if (rest.size() < *headers->length) return cut();
    answer.body = std::string(rest.substr(0, *headers->length));
  } else if (answer.status == 204) {
    return answer;
  } else {
    if (!ended) return std::nullopt;
    answer.body = std::string(rest);
  }
  return answer;
}

absl::StatusOr<std::vector<std::string>> CertificatesOfAnswer(
    const HttpAnswer& answer) {
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
