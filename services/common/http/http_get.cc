#include "services/common/http/http_get.h"

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/http/http_exchange.h"
#include "services/common/http/http_response.h"
#include "services/common/net/name_lookup.h"
#include "services/common/net/private_address.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

constexpr size_t kMaxAuthorities = size_t{1} << 20;

absl::Status Unavailable(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, reason, message);
}

absl::StatusOr<std::shared_ptr<const TlsContext>> ClientContext(
    const std::string& ca_file, const std::string& host) {
  SP_ASSIGN_OR_RETURN(const std::string pem,
                      ReadWholeFile(ca_file, kMaxAuthorities));
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  SP_ASSIGN_OR_RETURN(tls.trust_anchors, TrustAnchors::FromPem(pem));
  tls.accept_peer = [host](const PeerCertificate& peer) {
    return CheckHttpServerName(peer, host);
  };
  return TlsContext::Create(std::move(tls));
}

absl::StatusOr<std::string> BodyOf(absl::StatusOr<HttpResponse> answer) {
  SP_RETURN_IF_ERROR(answer.status());
  if (answer->status == 200) return std::move(answer->body);
  return Unavailable("HTTP_STATUS",
                     absl::StrCat("the server answered ", answer->status));
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const HttpUrl& url,
                                    const HttpGetOptions& options) {
  const MonoTime end = Clock::Real().MonoNow() + options.timeout;
  std::vector<SocketAddress> addresses = LookUp({url.host, url.port});
  if (addresses.empty()) {
    return Unavailable("HTTP_UNREACHABLE", "the server's name is not known");
  }
  if (!options.allow_private) {
    std::erase_if(addresses, IsPrivateAddress);
    if (addresses.empty()) {
      return MakeError(absl::StatusCode::kPermissionDenied,
                       "HTTP_ADDRESS_PRIVATE",
                       "the address is loopback or private, which takes "
                       "allow_private_peers");
    }
  }
  HttpExchangeOptions exchange;
  exchange.max_bytes = options.max_bytes;
  exchange.stop = options.stop;
  if (url.tls) {
    auto made = ClientContext(options.ca_file, url.host);
    if (!made.ok()) {
      return MakeError(absl::StatusCode::kPermissionDenied, "HTTP_UNTRUSTED",
                       StdView(made.status().message()));
    }
    exchange.tls = *std::move(made);
    exchange.server_name = url.host;
  }
  std::string request =
      absl::StrCat("GET ", url.path, " HTTP/1.1\r\nHost: ", HostHeader(url),
                   "\r\nUser-Agent: sallyport\r\n"
                   "Accept: */*\r\nConnection: close\r\n");
  for (const auto& [name, value] : options.headers) {
    absl::StrAppend(&request, name, ": ", value, "\r\n");
  }
  request += "\r\n";
  HttpExchange outcome;
  for (size_t i = 0; i < addresses.size(); ++i) {
    // Each that is left has the same share of what is left.
    const absl::Duration left = end - Clock::Real().MonoNow();
    exchange.timeout = left / static_cast<int64_t>(addresses.size() - i);
    outcome = ExchangeHttp(addresses[i], request, exchange);
    const bool stopped = options.stop != nullptr && *options.stop;
    if (outcome.reached || stopped) break;
  }
  return BodyOf(std::move(outcome.answer));
}

}  // namespace sallyport
