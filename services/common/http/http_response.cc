#include "services/common/http/http_response.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "HTTP_MALFORMED", what);
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
  HttpResponse answer;
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

absl::StatusOr<std::optional<HttpResponse>> ParseHttpResponse(
    std::string_view received, bool ended, absl::Time now, size_t max_size) {
  const auto too_large = [] {
    return MakeError(absl::StatusCode::kResourceExhausted, "HTTP_TOO_LARGE",
                     "the answer is too large");
  };
  if (received.size() > max_size) return too_large();
  const auto cut = [ended]() -> absl::StatusOr<std::optional<HttpResponse>> {
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
  HttpResponse& answer = headers->answer;
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

}  // namespace sallyport
