// One request of HTTP/1.1 to one address, and its answer.

#ifndef SALLYPORT_SERVICES_COMMON_HTTP_HTTP_EXCHANGE_H_
#define SALLYPORT_SERVICES_COMMON_HTTP_HTTP_EXCHANGE_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/http/http_response.h"
#include "services/common/net/socket_address.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"

namespace sallyport {

struct HttpExchangeOptions {
  absl::Duration timeout = absl::Seconds(10);  // of all of it
  size_t max_bytes = size_t{256} << 10;        // of the answer
  // Over TLS with this and this name; null: in the clear.
  std::shared_ptr<const TlsContext> tls;
  std::string server_name;
  // A server that cuts the connection off without a goodbye may still have
  // said everything. False: what it said without a length does not count.
  bool cut_off_ends_answer = false;
  // Set by others: give up. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct HttpExchange {
  bool reached = false;  // somebody was there, if not who was meant
  // Of whatever status. Reasons: HTTP_UNREACHABLE, HTTP_TIMEOUT (UNAVAILABLE
  // both), HTTP_MALFORMED (INVALID_ARGUMENT), HTTP_TOO_LARGE
  // (RESOURCE_EXHAUSTED), HTTP_UNTRUSTED (PERMISSION_DENIED).
  absl::StatusOr<HttpResponse> answer;
};

// Sends `request`, whole with its head, and waits on this thread.
HttpExchange ExchangeHttp(const SocketAddress& address,
                          const std::string& request,
                          const HttpExchangeOptions& options);

// RFC 9110 section 4.3.4: the certificate bears `host`, in lower case, as
// dNSName, no wildcard. PERMISSION_DENIED with reason HTTP_UNTRUSTED.
absl::Status CheckHttpServerName(const PeerCertificate& peer,
                                 const std::string& host);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_HTTP_HTTP_EXCHANGE_H_
