#include "services/capf/io/est_client.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/public_key.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/name_lookup.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::capf {
namespace {

absl::Status Unavailable(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, reason, message);
}

absl::Status Untrusted(std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, "EST_UNTRUSTED",
                   message);
}

// RFC 7030 section 3.6, RFC 6125: the name that was configured, no wildcard.
absl::Status CheckName(const PeerCertificate& peer, const std::string& host) {
  for (const std::string& name :
       peer.leaf.AltNames(SubjectAltName::Type::kDns)) {
    if (absl::AsciiStrToLower(name) == host) return absl::OkStatus();
  }
  return Untrusted("the server's certificate bears another name");
}

// One request and its answer. Loop thread only.
class Exchanging final : public StreamHandler {
 public:
  explicit Exchanging(const std::string& request) : request_(request) {}

  void OnOpen() override {
    opened = true;
    const absl::Status written = stream->Write(AsBytes(request_));
    if (!written.ok()) End(written);
  }
  void OnData(ByteSpan data) override {
    received_.append(AsText(data));
    Read(false);
  }
  void OnEnd() override {
    Read(true);
    if (!done) End(Unavailable("EST_UNREACHABLE", "the connection ended"));
  }
  void OnClosed(absl::Status reason) override {
    if (done) return;
    // A server that does not say goodbye may still have said everything.
    if (opened) Read(true);
    if (!done) End(std::move(reason));
  }

  std::unique_ptr<TlsStream> stream;
  bool opened = false;
  bool done = false;
  absl::Status failure;
  HttpResponse answer;

 private:
  void Read(bool ended) {
    if (done || (received_.empty() && ended)) return;
    absl::StatusOr<std::optional<HttpResponse>> parsed =
        ParseHttpResponse(received_, ended, Clock::Real().Now());
    if (!parsed.ok()) {
      return End(MakeError(parsed.status().code(), "EST_MALFORMED",
                           StdView(parsed.status().message())));
    }
    if (!parsed->has_value()) return;
    answer = **std::move(parsed);
    done = true;
  }
  void End(absl::Status why) {
    failure = std::move(why);
    done = true;
  }

  const std::string& request_;
  std::string received_;
};

// What a handshake that failed means to whoever asked.
absl::Status Named(const absl::Status& failure) {
  const std::string reason = ReasonOf(failure);
  if (reason.rfind("EST_", 0) == 0) return failure;
  if (reason.rfind("PEER_", 0) == 0 || reason.rfind("CERTIFICATE_", 0) == 0) {
    return Untrusted(StdView(failure.message()));
  }
  if (absl::IsPermissionDenied(failure) || absl::IsUnauthenticated(failure)) {
    return Untrusted(StdView(failure.message()));
  }
  return Unavailable("EST_UNREACHABLE", StdView(failure.message()));
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
    return CheckName(peer, host);
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
    return Unavailable("EST_UNREACHABLE", "the server's name is not known");
  }
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop,
                      EventLoop::Create());
  Exchanging exchanging(request);
  TlsStream::Options stream;
  stream.handshake_timeout = options_.timeout;
  stream.server_name = options_.host;
  SP_ASSIGN_OR_RETURN(
      exchanging.stream,
      TlsStream::Connect(*loop, addresses.front(), tls_, stream, exchanging));
  const MonoTime end = Clock::Real().MonoNow() + options_.timeout;
  while (!exchanging.done) {
    const absl::Duration left = end - Clock::Real().MonoNow();
    if (left <= absl::ZeroDuration()) {
      exchanging.stream.reset();
      return Unavailable("EST_TIMEOUT", "the server did not answer in time");
    }
    loop->RunOnce(std::min(left, absl::Milliseconds(100)));
  }
  exchanging.stream.reset();
  if (!exchanging.failure.ok()) return exchanging.failure;
  return std::move(exchanging.answer);
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
    result.status = Named(answer.status());
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
