#include "services/common/http/http_exchange.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport {
namespace {

absl::Status Unavailable(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, reason, message);
}

absl::Status Untrusted(std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, "HTTP_UNTRUSTED",
                   message);
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

// Loop thread only.
class Exchanging final : public StreamHandler {
 public:
  Exchanging(const std::string& request, const HttpExchangeOptions& options)
      : request_(request), options_(options) {}

  absl::Status Connect(EventLoop& loop, const SocketAddress& address) {
    if (options_.tls != nullptr) {
      TlsStream::Options stream;
      stream.handshake_timeout = options_.timeout;
      stream.server_name = options_.server_name;
      SP_ASSIGN_OR_RETURN(
          stream_,
          TlsStream::Connect(loop, address, options_.tls, stream, *this));
    } else {
      SP_ASSIGN_OR_RETURN(
          stream_,
          TcpStream::Connect(loop, address,
                             {.connect_timeout = options_.timeout}, *this));
    }
    return absl::OkStatus();
  }

  void OnOpen() override {
    opened_ = true;
    const absl::Status written = stream_->Write(AsBytes(request_));
    if (!written.ok()) End(Named(written));
  }
  void OnData(ByteSpan data) override {
    received_.append(AsText(data));
    Read(false);
  }
  void OnEnd() override {
    Read(true);
    if (!done()) {
      End(Unavailable("HTTP_UNREACHABLE", "the server hung up"));
    }
  }
  void OnClosed(absl::Status reason) override {
    if (opened_ && options_.cut_off_ends_answer) Read(true);
    if (!done()) End(Named(reason));
  }

  bool done() const { return answer_.has_value(); }
  bool opened() const { return opened_; }
  void End(absl::Status why) { answer_ = std::move(why); }
  absl::StatusOr<HttpResponse> TakeAnswer() { return *std::move(answer_); }

 private:
  void Read(bool ended) {
    if (done() || (received_.empty() && ended)) return;
    absl::StatusOr<std::optional<HttpResponse>> parsed = ParseHttpResponse(
        received_, ended, Clock::Real().Now(), options_.max_bytes);
    if (!parsed.ok()) return End(parsed.status());
    if (parsed->has_value()) answer_ = **std::move(parsed);
  }

  const std::string& request_;
  const HttpExchangeOptions& options_;
  std::unique_ptr<ByteStream> stream_;
  bool opened_ = false;
  std::string received_;
  std::optional<absl::StatusOr<HttpResponse>> answer_;
};

}  // namespace

HttpExchange ExchangeHttp(const SocketAddress& address,
                          const std::string& request,
                          const HttpExchangeOptions& options) {
  const MonoTime end = Clock::Real().MonoNow() + options.timeout;
  const absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return {.answer = loop.status()};
  Exchanging exchanging(request, options);
  const absl::Status begun = exchanging.Connect(**loop, address);
  if (!begun.ok()) return {.answer = Named(begun)};
  while (!exchanging.done()) {
    const absl::Duration left = end - Clock::Real().MonoNow();
    const bool stopped = options.stop != nullptr && *options.stop;
    if (left <= absl::ZeroDuration() || stopped) {
      exchanging.End(
          Unavailable("HTTP_TIMEOUT", "the server did not end in time"));
      break;
    }
    (*loop)->RunOnce(std::min(left, absl::Milliseconds(100)));
  }
  HttpExchange out = {.answer = exchanging.TakeAnswer()};
  out.reached =
      exchanging.opened() || ReasonOf(out.answer.status()) == "HTTP_UNTRUSTED";
  return out;
}

absl::Status CheckHttpServerName(const PeerCertificate& peer,
                                 const std::string& host) {
  for (const std::string& name :
       peer.leaf.AltNames(SubjectAltName::Type::kDns)) {
    if (absl::AsciiStrToLower(name) == host) return absl::OkStatus();
  }
  return Untrusted("the server's certificate bears another name");
}

}  // namespace sallyport
