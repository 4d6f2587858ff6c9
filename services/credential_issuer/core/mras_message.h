// The XML of MRAS, by which clients of the A/V authentication service ask for
// credentials in SIP SERVICE requests (MS-AVEDGEA): what is asked, read
// strictly, and the answer, written.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_MRAS_MESSAGE_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_MRAS_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/credential_issuer/core/issuer.h"
#include "services/credential_issuer/core/relay_directory.h"

namespace sallyport::credential_issuer {

// "application/<this>" is the content type of both.
inline constexpr std::string_view kMrasSubtype = "msrtc-media-relay-auth+xml";

// How a request ended: the reasonPhrase of the answer, in this order.
enum class MrasReason {
  kOk,
  kRequestMalformed,
  kRequestTooLarge,
  kNotSupported,
  kServerBusy,
  kTimeOut,
  kForbidden,
  kInternalServerError,
  kOtherFailure,
  kVersionMismatch,
};
inline constexpr size_t kMrasReasonCount = 10;

// "OK", "Request Malformed" and so on.
std::string_view MrasReasonPhrase(MrasReason reason);

// One credentialsRequest.
struct MrasCredentialsRequest {
  std::string id;        // credentialsRequestID, up to 64 characters
  std::string identity;  // a SIP URI, as it came
  std::optional<ClientNetwork> location;
  std::optional<absl::Duration> duration;  // whole minutes, at least one
};

struct MrasRequest {
  std::string request_id;  // up to 64 characters
  std::string version;     // "1.0" or "2.0"
  std::string to;
  std::string from;
  bool direct_ip = false;  // route "directip": addresses, no host names
  std::vector<MrasCredentialsRequest> credentials;
};

// A request, or what is wrong with it, to be answered in a body. Of a request
// with a fault `request` holds what was read before it.
struct ParsedMras {
  MrasReason reason = MrasReason::kOk;
  MrasRequest request;
};

// Most octets of a body, and most credentials in it.
inline constexpr size_t kMaxMrasBody = 65'536;
inline constexpr size_t kMaxMrasCredentials = 100;

// Reads a body. UTF-8 alone; document types, and so entities of the sender's
// own, are refused; elements of other namespaces are passed over. Pure.
//
// INVALID_ARGUMENT with MRAS_BODY_INVALID when it is not XML, or its root is
// not an MRAS request: SIP 400. Everything else that is wrong is a reason.
absl::StatusOr<ParsedMras> ParseMrasRequest(std::string_view body);

// True if `identity`, a SIP URI, and `subject`, with or without scheme, name
// the same user: user parts equal, hosts equal but for case (RFC 3261 section
// 19.1.4), whatever the parameters.
bool IsSameSipUser(std::string_view identity, std::string_view subject);

// One mediaRelay of an answer.
struct MrasRelay {
  ClientNetwork location = ClientNetwork::kInternet;
  std::string host;
  bool direct_ip = false;
  uint16_t udp_port = 0;  // 0: none
  uint16_t tcp_port = 0;
};

// Addresses of one relay and host as one mediaRelay; the TCP port is that of
// TLS, on which the relay also knows plain TURN and pseudo-TLS, or else that
// of TCP. `asked` stands for an address that serves both networks. With
// `direct_ip` only literal addresses, unless there are none. Keeps the order.
std::vector<MrasRelay> MrasRelaysOf(absl::Span<const RelayAddress> addresses,
                                    std::optional<ClientNetwork> asked,
                                    bool direct_ip);

// One credentialsResponse.
struct MrasCredentials {
  std::string id;  // of the request
  const IssuedCredential* credential = nullptr;
  std::vector<MrasRelay> relays;
};

// The body of the answer to `request`; `credentials` only with kOk. User name
// and password are in base64 of their octets, as clients of this protocol
// decode them: the octets of the user name are what MS-TURN carries. The text
// holds passwords: cleanse it.
std::string WriteMrasResponse(const MrasRequest& request, MrasReason reason,
                              std::string_view realm,
                              absl::Span<const MrasCredentials> credentials);

// Clients of MS-AVEDGEA are known that trim quotes and zeros off the ends of
// the octets that they decode: whether `credential` survives that.
bool SurvivesTrimming(const IssuedCredential& credential);

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_MRAS_MESSAGE_H_
