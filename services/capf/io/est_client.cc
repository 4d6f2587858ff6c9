#include "services/capf/io/est_client.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/http/http_exchange.h"
#include "services/common/net/name_lookup.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::capf {
namespace {

// What an exchange by HTTP that failed means to whoever asks by EST.
absl::Status Named(const absl::Status& failure) {
  const std::string reason = ReasonOf(failure);
  const auto name = [&](std::string_view est) {
    return MakeError(failure.code(), est, StdView(failure.message()));
  };
  if (reason == "HTTP_UNTRUSTED") return name("EST_UNTRUSTED");
  if (reason == "HTTP_TIMEOUT") return name("EST_TIMEOUT");
  if (reason == "HTTP_MALFORMED" || reason == "HTTP_TOO_LARGE") {
    return name("EST_MALFORMED");
  }
  return name("EST_UNREACHABLE");
}

}  // namespace

absl::StatusOr<std::unique_ptr<EstClient>> EstClient::Create(
    EstOptions options) {
  options.host = absl::AsciiStrToLower(options.host);
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  SP_ASSIGN_OR_RETURN(tls.trust_anchors,
                      TrustAnchors::FromPem(options.trust_pem));
  tls.certificate_chain_pem = options.certificate_chain_pem;
  tls.private_key_pem = std::move(options.private_key_pem);
  tls.accept_peer = [host = options.host](const PeerCertificate& peer) {
    return CheckHttpServerName(peer, host);  // RFC 7030 section 3.6
  };
  SP_ASSIGN_OR_RETURN(auto context, TlsContext::Create(std::move(tls)));
  return std::unique_ptr<EstClient>(
      new EstClient(std::move(options), std::move(context)));
}

std::unique_ptr<EstClient> EstClient::At(std::string path_prefix) const {
  EstOptions options;
  options.host = options_.host;
  options.port = options_.port;
  options.path_prefix = std::move(path_prefix);
  options.credentials = Secret::CopyOf(options_.credentials.DangerousBytes());
  options.timeout = options_.timeout;
  return std::unique_ptr<EstClient>(new EstClient(std::move(options), tls_));
}

absl::StatusOr<HttpResponse> EstClient::Ask(const std::string& request) const {
  const std::vector<SocketAddress> addresses =
      LookUp({options_.host, options_.port});
  if (addresses.empty()) {
    return MakeError(absl::StatusCode::kUnavailable, "EST_UNREACHABLE",
                     "the server's name is not known");
  }
  HttpExchangeOptions options;
  options.timeout = options_.timeout;
  options.tls = tls_;
  options.server_name = options_.host;
  options.cut_off_ends_answer = true;
  HttpExchange exchange = ExchangeHttp(addresses.front(), request, options);
  if (!exchange.answer.ok()) return Named(exchange.answer.status());
  return std::move(exchange.answer);
}

EstResult EstClient::Exchange(EstRequest request) const {
  request.host = options_.port == 443
                     ? options_.host
                     : absl::StrCat(options_.host, ":", options_.port);
  request.path_prefix = options_.path_prefix;
  request.credentials = std::string(options_.credentials.DangerousText());
  std::string wire = SerializeEstRequest(request);
  const absl::StatusOr<HttpResponse> answer = Ask(wire);
  Cleanse(wire);
  Cleanse(request.credentials);
  EstResult result;
  if (!answer.ok()) {
    result.status = answer.status();
    return result;
  }
  result.retry_after = answer->retry_after;
  absl::StatusOr<std::vector<std::string>> certificates =
      CertificatesOfAnswer(*answer);
  result.status = certificates.status();
  if (certificates.ok()) result.certificates = *std::move(certificates);
  return result;
}

EstResult EstClient::CaCerts() const { return Exchange({}); }

EstResult EstClient::Enroll(const std::string& csr_der, bool again) const {
  return Exchange({.operation = again ? EstOperation::kSimpleReenroll
                                      : EstOperation::kSimpleEnroll,
                   .csr_der = csr_der});
}

absl::StatusOr<std::vector<std::string>> OrderChain(
    const std::vector<std::string>& answer,
    const std::vector<std::string>& above, const std::string& spki) {
  std::vector<std::string> chain;
  for (const std::string& der : answer) {
    const auto key = KeyOfCertificate(AsBytes(der), KeyPolicy{});
    if (key.ok() && key->spki() == spki) chain.push_back(der);
  }
  if (chain.size() != 1) {
    return MakeError(absl::StatusCode::kInvalidArgument, "EST_MALFORMED",
                     "the answer is not one certificate for our key");
  }
  std::vector<std::string> others = answer;
  others.insert(others.end(), above.begin(), above.end());
  while (chain.size() <= others.size()) {
    const auto next =
        std::find_if(others.begin(), others.end(), [&](const std::string& der) {
          return std::find(chain.begin(), chain.end(), der) == chain.end() &&
                 CheckSignedBy(AsBytes(chain.back()), AsBytes(der)).ok();
        });
    if (next == others.end()) break;
    chain.push_back(*next);
  }
  return chain;
}

}  // namespace sallyport::capf
