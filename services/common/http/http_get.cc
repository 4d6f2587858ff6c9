#include "services/common/http/http_get.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/http/http_response.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/name_lookup.h"
#include "services/common/net/private_address.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

constexpr size_t kMaxAuthorities = size_t{1} << 20;

absl::Status Unavailable(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, reason, message);
}

absl::Status Untrusted(std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, "HTTP_UNTRUSTED",
                   message);
}

// RFC 9110 section 4.3.4: the name that was asked for, no wildcard.
absl::StatusOr<std::shared_ptr<const TlsContext>> ClientContext(
    const std::string& ca_file, const std::string& host) {
  SP_ASSIGN_OR_RETURN(const std::string pem,
                      ReadWholeFile(ca_file, kMaxAuthorities));
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  SP_ASSIGN_OR_RETURN(tls.trust_anchors, TrustAnchors::FromPem(pem));
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
  Getting(const std::string& request, size_t max_bytes)
      : request_(request), max_bytes_(max_bytes) {}

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
    if (!done) {
      End(Unavailable("HTTP_UNREACHABLE", "the server hung up"));
    }
  }
  void OnClosed(absl::Status reason) override {
    if (done) return;
    End(Named(reason));
  }

  std::unique_ptr<ByteStream> stream;
  bool opened = false;
  bool done = false;
  absl::Status failure;
  HttpResponse answer;

  void End(absl::Status why) {
    failure = std::move(why);
    done = true;
  }

 private:
  void Read(bool ended) {
    if (done || (received_.empty() && ended)) return;
    absl::StatusOr<std::optional<HttpResponse>> parsed =
        ParseHttpResponse(received_, ended, absl::UnixEpoch(), max_bytes_);
    if (!parsed.ok()) return End(parsed.status());
    if (!parsed->has_value()) return;
    answer = **std::move(parsed);
    done = true;
  }

  const std::string& request_;
  const size_t max_bytes_;
  std::string received_;
};

// How one address was asked.
struct Outcome {
  bool reached = false;
  absl::StatusOr<std::string> body;
};

Outcome Ask(const SocketAddress& address, const HttpUrl& url,
            const HttpGetOptions& options, absl::Duration timeout,
            const std::shared_ptr<const TlsContext>& context,
            const std::string& request) {
  Outcome out;
  const MonoTime end = Clock::Real().MonoNow() + timeout;
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) {
    out.body = loop.status();
    return out;
  }
  Getting getting(request, options.max_bytes);
  const auto connect = [&]() -> absl::Status {
    if (url.tls) {
      TlsStream::Options stream;
      stream.handshake_timeout = timeout;
      stream.server_name = url.host;
      SP_ASSIGN_OR_RETURN(
          getting.stream,
          TlsStream::Connect(**loop, address, context, stream, getting));
    } else {
      SP_ASSIGN_OR_RETURN(
          getting.stream,
          TcpStream::Connect(**loop, address, {.connect_timeout = timeout},
                             getting));
    }
    return absl::OkStatus();
  };
  if (const absl::Status begun = connect(); !begun.ok()) {
    out.body = Named(begun);
    return out;
  }
  while (!getting.done) {
    const absl::Duration left = end - Clock::Real().MonoNow();
    const bool stopped = options.stop != nullptr && *options.stop;
    if (left <= absl::ZeroDuration() || stopped) {
      getting.End(
          Unavailable("HTTP_TIMEOUT", "the server did not end in time"));
      break;
    }
    (*loop)->RunOnce(std::min(left, absl::Milliseconds(100)));
  }
  getting.stream.reset();
  out.reached = getting.opened || ReasonOf(getting.failure) == "HTTP_UNTRUSTED";
  if (!getting.failure.ok()) {
    out.body = getting.failure;
  } else if (getting.answer.status != 200) {
    out.body = Unavailable("HTTP_STATUS", absl::StrCat("the server answered ",
                                                       getting.answer.status));
  } else {
    out.body = std::move(getting.answer.body);
  }
  return out;
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
  std::shared_ptr<const TlsContext> context;
  if (url.tls) {
    auto made = ClientContext(options.ca_file, url.host);
    if (!made.ok()) return Untrusted(StdView(made.status().message()));
    context = *std::move(made);
  }
  std::string request =
      absl::StrCat("GET ", url.path, " HTTP/1.1\r\nHost: ", HostHeader(url),
                   "\r\nUser-Agent: sallyport\r\n"
                   "Accept: */*\r\nConnection: close\r\n");
  for (const auto& [name, value] : options.headers) {
    absl::StrAppend(&request, name, ": ", value, "\r\n");
  }
  request += "\r\n";
  Outcome outcome;
  for (size_t i = 0; i < addresses.size(); ++i) {
    // Each that is left has the same share of what is left.
    const absl::Duration left = end - Clock::Real().MonoNow();
    outcome = Ask(addresses[i], url, options,
                  left / static_cast<int64_t>(addresses.size() - i), context,
                  request);
    const bool stopped = options.stop != nullptr && *options.stop;
    if (outcome.reached || stopped) break;
  }
  return std::move(outcome.body);
}

}  // namespace sallyport
