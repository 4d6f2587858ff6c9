// What a server of HTTP/1.1 answers, read as far as a client needs it that asks
// once (RFC 9110, RFC 9112).

#ifndef SALLYPORT_SERVICES_COMMON_HTTP_HTTP_RESPONSE_H_
#define SALLYPORT_SERVICES_COMMON_HTTP_HTTP_RESPONSE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport {

// An answer of HTTP/1.1 without its framing. A value.
struct HttpResponse {
  int status = 0;
  std::optional<absl::Duration> retry_after;  // in seconds or as a date
  std::string content_type;                   // lower case, no parameters
  std::string body;
};

// Reads an answer of which this much has come. nullopt: not whole yet; `ended`
// says that no more will come, which ends a body without a length.
// INVALID_ARGUMENT with reason HTTP_MALFORMED if it is none, RESOURCE_EXHAUSTED
// with HTTP_TOO_LARGE if it is larger than `max_size`. `now` is for dates in
// Retry-After. Pure.
absl::StatusOr<std::optional<HttpResponse>> ParseHttpResponse(
    std::string_view received, bool ended, absl::Time now,
    size_t max_size = 256 * 1024);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_HTTP_HTTP_RESPONSE_H_
