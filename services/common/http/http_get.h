// Fetches one file by HTTP/1.1, in the clear or over TLS, within bounds of time
// and size.

#ifndef SALLYPORT_SERVICES_COMMON_HTTP_HTTP_GET_H_
#define SALLYPORT_SERVICES_COMMON_HTTP_HTTP_GET_H_

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/http/http_url.h"

namespace sallyport {

struct HttpGetOptions {
  absl::Duration timeout = absl::Seconds(10);  // of the whole exchange
  size_t max_bytes = size_t{4} << 20;
  // Loopback and private addresses may be asked.
  bool allow_private = false;
  // PEM: whom to believe over TLS. Read for each exchange.
  std::string ca_file;
  // Further ones of the request, names and values. Nothing in them is checked.
  std::vector<std::pair<std::string, std::string>> headers;
  // Set by others: give up. May be null.
  const std::atomic<bool>* stop = nullptr;
};

// The body of a 200. Of several addresses of the host the first that is reached
// is asked. Redirections are not followed. Waits on this thread; the
// resolver's own time is not bounded by `timeout`. Reasons: HTTP_UNREACHABLE,
// HTTP_TIMEOUT, HTTP_STATUS (UNAVAILABLE all), HTTP_MALFORMED
// (INVALID_ARGUMENT), HTTP_TOO_LARGE (RESOURCE_EXHAUSTED),
// HTTP_ADDRESS_PRIVATE, HTTP_UNTRUSTED (PERMISSION_DENIED): the certificate is
// not by one of `ca_file`, or does not bear the host as dNSName.
absl::StatusOr<std::string> HttpGet(const HttpUrl& url,
                                    const HttpGetOptions& options);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_HTTP_HTTP_GET_H_
