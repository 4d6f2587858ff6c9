#include "services/common/tls/tls_stream.h"

#include <utility>

#include "services/common/net/destruction_watch.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

// What records add to a full write buffer, and handshake messages and alerts:
// these are never refused, as TLS cannot go on without them.
constexpr size_t kWriteSlack = 128 * 1024;

}  // namespace

TlsStream::TlsStream(EventLoop& loop, std::unique_ptr<TlsSession> session,
                     const Options& options, StreamHandler& handler)
    : loop_(loop),
      session_(std::move(session)),
      options_(options),
      handler_(handler),
      timer_(loop.AddTimer([this](MonoTime) {
        Fail(connected_
                 ? MakeError(absl::StatusCode::kDeadlineExceeded,
                             "HANDSHAKE_TIMEOUT", "TLS handshake: timed out")
                 : MakeError(absl::StatusCode::kDeadlineExceeded,
                             "CONNECT_TIMEOUT", "connect: timed out"));
      })) {
  loop.SetTimer(timer_, loop.RefreshNow() + options.handshake_timeout);
}

TlsStream::~TlsStream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  SendLast();
  loop_.RemoveTimer(timer_);
}

TcpStream::Options TlsStream::TcpOptions() const {
  TcpStream::Options tcp = options_.tcp;
  // A record of 16 KiB grows by less than a hundredth.
  tcp.max_write_buffer += tcp.max_write_buffer / 64 + kWriteSlack;
  return tcp;
}

absl::StatusOr<std::unique_ptr<TlsStream>> TlsStream::Accept(
    EventLoop& loop, UniqueFd fd, const SocketAddress& peer,
    std::shared_ptr<const TlsContext> context, const Options& options,
    StreamHandler& handler) {
  SP_CHECK(context->role() == TlsRole::kServer);
  SP_ASSIGN_OR_RETURN(std::unique_ptr<TlsSession> session,
                      TlsSession::Create(std::move(context)));
  std::unique_ptr<TlsStream> stream(
      new TlsStream(loop, std::move(session), options, handler));
  SP_ASSIGN_OR_RETURN(stream->tcp_,
                      TcpStream::Accept(loop, std::move(fd), peer,
                                        stream->TcpOptions(), *stream));
  return stream;
}

absl::StatusOr<std::unique_ptr<TlsStream>> TlsStream::Connect(
    EventLoop& loop, const SocketAddress& peer,
    std::shared_ptr<const TlsContext> context, const Options& options,
    StreamHandler& handler) {
  SP_CHECK(context->role() == TlsRole::kClient);
  SP_ASSIGN_OR_RETURN(std::unique_ptr<TlsSession> session,
                      TlsSession::Create(std::move(context),
                                         options.server_name, options.bounds));
  std::unique_ptr<TlsStream> stream(
      new TlsStream(loop, std::move(session), options, handler));
  SP_ASSIGN_OR_RETURN(
      stream->tcp_,
      TcpStream::Connect(loop, peer, stream->TcpOptions(), *stream));
  return stream;
}

absl::StatusOr<std::unique_ptr<TlsStream>> TlsStream::Adopt(
    EventLoop& loop, Moved moved, const Options& options,
    StreamHandler& handler) {
  std::unique_ptr<TlsStream> stream(
      new TlsStream(loop, std::move(moved.session), options, handler));
  stream->unsent_ = std::move(moved.unsent);
  SP_ASSIGN_OR_RETURN(stream->tcp_,
                      TcpStream::Accept(loop, std::move(moved.fd), moved.peer,
                                        stream->TcpOptions(), *stream));
  return stream;
}

TlsStream::Moved TlsStream::Detach() {
  SP_CHECK(open_ && !finished_);
  Moved moved;
  moved.peer = tcp_->peer_address();
  moved.unsent = tcp_->TakeUnsent();
  moved.fd = tcp_->Detach();
  moved.session = std::move(session_);
  closed_ = true;
  return moved;
}

absl::Status TlsStream::SendCiphertext() {
  const std::string ciphertext = session_->TakeCiphertext();
  if (ciphertext.empty()) return absl::OkStatus();
  return tcp_->Write(AsBytes(ciphertext));
}

void TlsStream::SendLast() {
  if (!closed_ && tcp_ != nullptr) (void)SendCiphertext();
}

void TlsStream::Fail(absl::Status reason) {
  if (closed_) return;
  Close();
  handler_.OnClosed(std::move(reason));
}

void TlsStream::OnOpen() {
  connected_ = true;
  if (session_->state() == TlsSession::State::kHandshaking) {
    // A client's first message.
    if (absl::Status status = SendCiphertext(); !status.ok()) Fail(status);
    return;
  }
  // The handshake was another loop's.
  absl::Status sent;
  if (!unsent_.empty()) sent = tcp_->Write(AsBytes(std::exchange(unsent_, "")));
  if (!sent.ok()) return Fail(sent);
  Advance(session_->error());
}

void TlsStream::OnData(ByteSpan data) { Advance(session_->Feed(data)); }

void TlsStream::Advance(const absl::Status& fed) {
  const bool opens =
      !open_ && (session_->state() == TlsSession::State::kOpen ||
                 session_->state() == TlsSession::State::kPeerClosed);

  DestructionWatch watch(destroyed_);
  if (opens) {
    open_ = true;
    loop_.SetTimer(timer_, MonoTime::InfiniteFuture());
    // What is written at once goes out with our last word of the handshake.
    handler_.OnOpen();
    // If it was given away, what came goes with it.
    if (watch.destroyed() || closed_) return;
  }
  // Also an alert that says what displeased us.
  const absl::Status sent = SendCiphertext();
  if (const std::string plaintext = session_->TakePlaintext();
      !plaintext.empty()) {
    handler_.OnData(AsBytes(plaintext));
    if (watch.destroyed() || closed_) return;
  }
  if (!fed.ok() || !sent.ok()) {
    Fail(fed.ok() ? sent : fed);
    return;
  }
  if (session_->state() == TlsSession::State::kPeerClosed && !peer_ended_) {
    peer_ended_ = true;
    handler_.OnEnd();
  }
}

void TlsStream::OnEnd() {
  if (peer_ended_) return;  // close_notify came first, as it should
  Fail(MakeError(absl::StatusCode::kUnavailable, "TLS_TRUNCATED",
                 open_ ? "the peer ended without close_notify"
                       : "the peer ended during the TLS handshake"));
}

void TlsStream::OnDrained() {
  if (open_) handler_.OnDrained();
}

void TlsStream::OnClosed(absl::Status reason) { Fail(std::move(reason)); }

absl::Status TlsStream::CheckWrite(ByteSpan data) const {
  if (!open_ || finished_ || closed_) {
    return absl::FailedPreconditionError("the stream is not open for writing");
  }
  // Before encryption, which cannot be taken back.
  const size_t limit = options_.tcp.max_write_buffer;
  if (data.size() > limit || tcp_->buffered() > limit - data.size()) {
    return absl::ResourceExhaustedError("the write buffer is full");
  }
  return absl::OkStatus();
}

absl::Status TlsStream::Write(ByteSpan data) {
  SP_RETURN_IF_ERROR(CheckWrite(data));
  SP_RETURN_IF_ERROR(session_->Write(data));
  return SendCiphertext();
}

absl::Status TlsStream::FinishWith(ByteSpan data) {
  SP_RETURN_IF_ERROR(CheckWrite(data));
  SP_RETURN_IF_ERROR(session_->Write(data));
  Finish();
  return absl::OkStatus();
}

void TlsStream::Finish() {
  if (!open_ || finished_ || closed_) return;
  finished_ = true;
  session_->Close();
  const std::string ciphertext = session_->TakeCiphertext();
  // If it fails the connection is gone, which TCP will say.
  (void)tcp_->FinishWith(AsBytes(ciphertext));
}

void TlsStream::Close() {
  SendLast();
  closed_ = true;
  loop_.SetTimer(timer_, MonoTime::InfiniteFuture());
  if (tcp_ != nullptr) tcp_->Close();
}

}  // namespace sallyport
