#include "services/capf/io/http_get.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/est_message.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/peer_probe.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::capf {
namespace {

absl::Status Unavailable(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, reason, message);
}

absl::StatusOr<std::vector<SocketAddress>> Resolve(const HttpUrl& url) {
  std::vector<SocketAddress> out;
  if (const auto literal = SocketAddress::FromIp(url.host, url.port);
      literal.ok()) {
    out.push_back(*literal);
    return out;
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(url.host.c_str(), nullptr, &hints, &found) != 0) {
    return Unavailable("HTTP_UNREACHABLE", "the server's name is not known");
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const auto address =
        SocketAddress::FromSockaddr(one->ai_addr, one->ai_addrlen);
    if (address.has_value()) out.push_back(address->WithPort(url.port));
  }
  return out;
}

absl::Status Untrusted(std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, "HTTP_UNTRUSTED",
                   message);
}

// RFC 9110 section 4.3.4: the name that was asked for, no wildcard.
absl::StatusOr<std::shared_ptr<const TlsContext>> ClientContext(
    const std::string& ca_file, const std::string& host) {
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> pem,
                      ReadSmallFile(ca_file));
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  SP_ASSIGN_OR_RETURN(tls.trust_anchors,
                      TrustAnchors::FromPem(pem.value_or("")));
  tls.accept_peer = [host](const PeerCertificate& peer) {
    for (const std::string& name :
         peer.leaf.AltNames(SubjectAltName::Type::kDns)) {
      if (absl::AsciiStrToLower(name) == host) return absl::OkStatus();
    }
    return Untrusted("the server's certificate bears another name");
  };
  return TlsContext::Create(std::move(tls));
}

// What a connection that failed means to whoever asked.
absl::Status Named(const absl::Status& failure) {
  const std::string reason = ReasonOf(failure);
  if (reason == "HTTP_UNTRUSTED") return failure;
  if (reason.rfind("PEER_", 0) == 0 || reason.rfind("CERTIFICATE_", 0) == 0 ||
      absl::IsPermissionDenied(failure) || absl::IsUnauthenticated(failure)) {
    return Untrusted(StdView(failure.message()));
  }
  return Unavailable("HTTP_UNREACHABLE", StdView(failure.message()));
}

// One request and its answer. Loop thread only.
class Getting final : public StreamHandler {
 public:
  Getting(std::string request, size_t max_bytes)
      : request_(std::move(request)), max_bytes_(max_bytes) {}

  void OnOpen() override {
    const absl::Status written = stream->Write(AsBytes(request_));
    if (!written.ok()) End(written);
  }
  void OnData(ByteSpan data) override {
    received_.append(AsText(data));
    Read(false);
  }
  void OnEnd() override {
    Read(true);
    if (!done) {
      End(Unavailable("HTTP_UNREACHABLE", "the server hung up"));
    }
  }
  void OnClosed(absl::Status reason) override {
    if (done) return;
    End(Named(reason));
  }

  std::unique_ptr<ByteStream> stream;
  bool done = false;
  absl::Status failure;
  HttpAnswer answer;

 private:
  void Read(bool ended) {
    if (done || (received_.empty() && ended)) return;
    absl::StatusOr<std::optional<HttpAnswer>> parsed =
        ParseHttpAnswer(received_, ended, absl::UnixEpoch(), max_bytes_);
    if (!parsed.ok()) {
      const bool large = absl::IsResourceExhausted(parsed.status());
      return End(MakeError(parsed.status().code(),
                           large ? "HTTP_TOO_LARGE" : "HTTP_MALFORMED",
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

  const std::string request_;
  const size_t max_bytes_;
  std::string received_;
};

}  // namespace

absl::StatusOr<std::string> HttpGet(const HttpUrl& url,
                                    const HttpGetOptions& options) {
  const MonoTime end = Clock::Real().MonoNow() + options.timeout;
  SP_ASSIGN_OR_RETURN(std::vector<SocketAddress> addresses, Resolve(url));
  if (!options.allow_private) {
    std::erase_if(addresses, IsPrivateAddress);
    if (addresses.empty()) {
      return MakeError(absl::StatusCode::kPermissionDenied,
                       "HTTP_ADDRESS_PRIVATE",
                       "the address is loopback or private, which takes "
                       "allow_private_peers");
    }
  }
  if (addresses.empty()) {
    return Unavailable("HTTP_UNREACHABLE", "the name has no address");
  }
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop,
                      EventLoop::Create());
  Getting getting(
      absl::StrCat(
          "GET ", url.path, " HTTP/1.1\r\nHost: ", url.host,
          url.port == (url.tls ? 443 : 80) ? "" : absl::StrCat(":", url.port),
          "\r\nUser-Agent: sallyport-capf\r\n"
          "Accept: */*\r\nConnection: close\r\n\r\n"),
      options.max_bytes);
  if (url.tls) {
    const auto context = ClientContext(options.ca_file, url.host);
    if (!context.ok()) return Untrusted(StdView(context.status().message()));
    TlsStream::Options stream;
    stream.handshake_timeout = options.timeout;
    stream.server_name = url.host;
    SP_ASSIGN_OR_RETURN(getting.stream,
                        TlsStream::Connect(*loop, addresses.front(), *context,
                                           stream, getting));
  } else {
    SP_ASSIGN_OR_RETURN(
        getting.stream,
        TcpStream::Connect(*loop, addresses.front(),
                           {.connect_timeout = options.timeout}, getting));
  }
  while (!getting.done) {
    const absl::Duration left = end - Clock::Real().MonoNow();
    const bool stopped = options.stop != nullptr && *options.stop;
    if (left <= absl::ZeroDuration() || stopped) {
      getting.stream.reset();
      return Unavailable("HTTP_TIMEOUT", "the server did not end in time");
    }
    loop->RunOnce(std::min(left, absl::Milliseconds(100)));
  }
  getting.stream.reset();
  SP_RETURN_IF_ERROR(getting.failure);
  if (getting.answer.status != 200) {
    return Unavailable("HTTP_STATUS", absl::StrCat("the server answered ",
                                                   getting.answer.status));
  }
  return std::move(getting.answer.body);
}

}  // namespace sallyport::capf
