// Enrollment over Secure Transport (RFC 7030), the client's half: what is sent
// and what the answers say.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_EST_MESSAGE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_EST_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/http/http_response.h"

namespace sallyport::capf {

enum class EstOperation { kCaCerts, kSimpleEnroll, kSimpleReenroll };

struct EstRequest {
  EstOperation operation = EstOperation::kCaCerts;
  std::string host;         // with the port, as in the Host header
  std::string path_prefix;  // "/.well-known/est", perhaps with a label
  std::string csr_der;      // of an enrollment
  std::string credentials;  // "user:password" of HTTP basic; empty: none
};

// Where a server is.
struct EstUrl {
  std::string host;  // a DNS name
  uint16_t port = 443;
  std::string path_prefix;
};

// Of "https://host[:port]/path" without query; nullopt if it is none.
std::optional<EstUrl> ParseEstUrl(std::string_view url);

// The whole request. Host, prefix and credentials hold no control characters.
std::string SerializeEstRequest(const EstRequest& request);

// The certificates (DER) of a certs-only answer, in its order. Of what went
// wrong the reason tells: EST_PENDING (202; UNAVAILABLE), EST_REFUSED (any
// other 4xx; FAILED_PRECONDITION), EST_UNAUTHORIZED (401, 403;
// PERMISSION_DENIED), EST_UNAVAILABLE (5xx; UNAVAILABLE), EST_MALFORMED (what
// is no such answer; INVALID_ARGUMENT).
absl::StatusOr<std::vector<std::string>> CertificatesOfAnswer(
    const HttpResponse& answer);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_EST_MESSAGE_H_
