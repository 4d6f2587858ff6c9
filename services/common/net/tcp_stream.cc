#include "services/common/net/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/common/net/destruction_watch.h"
#include "services/common/net/errno_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr size_t kReadSize = 16 * 1024;
// Sent octets are dropped from the buffer once they are this many.
constexpr size_t kCompactSize = 64 * 1024;

absl::Status ConnectError(int error) {
  const absl::Status status = ErrnoStatus(error, "connect");
  return MakeError(status.code(), "CONNECT_FAILED", StdView(status.message()));
}

}  // namespace

TcpStream::TcpStream(EventLoop& loop, UniqueFd fd, const SocketAddress& peer,
                     const Options& options, StreamHandler& handler)
    : loop_(loop),
      fd_(std::move(fd)),
      peer_(peer),
      options_(options),
      handler_(handler),
      timer_(loop.AddTimer([this](MonoTime) {
        Fail(MakeError(absl::StatusCode::kDeadlineExceeded, "CONNECT_TIMEOUT",
                       "connect: timed out"));
      })) {
  // SIP and CAPF messages are whole when written; delay serves nothing.
  const int one = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

absl::StatusOr<std::unique_ptr<TcpStream>> TcpStream::Connect(
    EventLoop& loop, const SocketAddress& peer, const Options& options,
    StreamHandler& handler) {
  const int family = peer.is_v6() ? AF_INET6 : AF_INET;
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  sockaddr_storage name;
  if (options.bind_address.has_value()) {
    const int one = 1;
    if (options.share_bind_address &&
        (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) !=
             0 ||
         setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) !=
             0)) {
      return ErrnoStatus(errno, "SO_REUSEPORT");
    }
    if (options.bind_address->port() == 0) {
      // Ports are free by far side then, not once for all; where the kernel
      // knows nothing of that there are merely fewer.
      (void)setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                       sizeof(one));
    }
    const socklen_t size = options.bind_address->ToSockaddr(name);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) {
      return ErrnoStatus(errno, "bind");
    }
  }
  const socklen_t size = peer.ToSockaddr(name);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    return ConnectError(errno);
  }
  std::unique_ptr<TcpStream> stream(
      new TcpStream(loop, std::move(fd), peer, options, handler));
  SP_RETURN_IF_ERROR(stream->Register());
  loop.SetTimer(stream->timer_, loop.RefreshNow() + options.connect_timeout);
  return stream;
}

absl::StatusOr<std::unique_ptr<TcpStream>> TcpStream::Accept(
    EventLoop& loop, UniqueFd fd, const SocketAddress& peer,
    const Options& options, StreamHandler& handler) {
  std::unique_ptr<TcpStream> stream(
      new TcpStream(loop, std::move(fd), peer, options, handler));
  stream->state_ = State::kAccepted;
  stream->ReadLocalAddress();
  SP_RETURN_IF_ERROR(stream->Register());
  return stream;
}

TcpStream::~TcpStream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  Release();
}

absl::Status TcpStream::Register() {
  // Writable at once for an accepted connection, and so OnOpen follows.
  interest_ = kWritable;
  return loop_.Add(
      fd_.get(), interest_, [this](IoEvents ready) { OnReady(ready); },
      options_.rank);
}

void TcpStream::ReadLocalAddress() {
  sockaddr_storage name;
  socklen_t size = sizeof(name);
  if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return;
  }
  const auto local =
      SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size);
  if (local) local_ = *local;
}

void TcpStream::Release() {
  if (!fd_.valid()) return;
  loop_.Remove(fd_.get());
  loop_.RemoveTimer(timer_);
  fd_.reset();
  state_ = State::kClosed;
  out_.clear();
  out_sent_ = 0;
}

UniqueFd TcpStream::Detach() {
  loop_.CheckOnLoopThread();
  if (!fd_.valid()) return UniqueFd();
  UniqueFd fd(fd_.release());
  loop_.Remove(fd.get());
  loop_.RemoveTimer(timer_);
  state_ = State::kClosed;
  out_.clear();
  out_sent_ = 0;
  return fd;
}

std::string TcpStream::TakeUnsent() {
  std::string unsent = out_.substr(out_sent_);
  out_.clear();
  out_sent_ = 0;
  return unsent;
}

void TcpStream::Fail(absl::Status reason) {
  if (state_ == State::kClosed) return;
  Release();
  handler_.OnClosed(std::move(reason));
}

absl::Status TcpStream::Write(ByteSpan data) {
  return WriteBefore(data, /*more=*/false);
}

absl::Status TcpStream::FinishWith(ByteSpan data) {
  const absl::Status status = WriteBefore(data, /*more=*/true);
  Finish();
  return status;
}

absl::Status TcpStream::WriteBefore(ByteSpan data, bool more) {
  loop_.CheckOnLoopThread();
  if (state_ != State::kOpen || finishing_) {
    return absl::FailedPreconditionError("the stream is not open for writing");
  }
  if (data.size() > options_.max_write_buffer ||
      buffered() > options_.max_write_buffer - data.size()) {
    return absl::ResourceExhaustedError("the write buffer is full");
  }
  // Straight to the kernel: what it takes needs no buffer.
  const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  while (buffered() == 0 && !data.empty() && write_error_.ok()) {
    const ssize_t sent = send(fd_.get(), data.data(), data.size(), flags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) break;
    data.remove_prefix(static_cast<size_t>(sent));
  }
  if (data.empty()) return absl::OkStatus();
  out_.append(AsText(data));
  TryWrite();
  UpdateInterest();
  return absl::OkStatus();
}

void TcpStream::TryWrite() {
  while (buffered() > 0 && write_error_.ok()) {
    const ssize_t sent =
        send(fd_.get(), out_.data() + out_sent_, buffered(), MSG_NOSIGNAL);
    if (sent >= 0) {
      out_sent_ += static_cast<size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    write_error_ = ErrnoStatus(errno, "send");
  }
  if (buffered() == 0) {
    out_ = std::string();  // idle connections hold no buffer
    out_sent_ = 0;
    if (finishing_ && !finished_ && write_error_.ok()) {
      finished_ = true;
      // Fails only if the connection is gone, which reading will find.
      shutdown(fd_.get(), SHUT_WR);
    }
  } else {
    was_blocked_ = true;
    if (out_sent_ >= kCompactSize) {
      out_.erase(0, out_sent_);
      out_sent_ = 0;
    }
  }
}

void TcpStream::Finish() {
  loop_.CheckOnLoopThread();
  if (state_ != State::kOpen || finishing_) return;
  finishing_ = true;
  TryWrite();
  UpdateInterest();
}

void TcpStream::Close() {
  loop_.CheckOnLoopThread();
  Release();
}

void TcpStream::PauseReading() {
  paused_ = true;
  UpdateInterest();
}

void TcpStream::ResumeReading() {
  paused_ = false;
  UpdateInterest();
}

void TcpStream::SetRank(Rank rank) {
  if (fd_.valid()) loop_.SetRank(fd_.get(), rank);
}

void TcpStream::UpdateInterest() {
  if (state_ != State::kOpen) return;
  // After an error, or when both sides have finished, being writable brings us
  // back to the loop, from where the handler may be told.
  IoEvents wanted = {.readable = !paused_ && !peer_finished_,
                     .writable = buffered() > 0 || !write_error_.ok() ||
                                 was_blocked_ || (finished_ && peer_finished_)};
  if (wanted == interest_) return;
  interest_ = wanted;
  const absl::Status status = loop_.Modify(fd_.get(), wanted);
  if (!status.ok() && write_error_.ok()) write_error_ = status;
}

void TcpStream::OnReady(IoEvents ready) {
  if (state_ != State::kOpen) {
    if (!FinishConnect(ready)) return;
    // Data may be there already; the next turn says so.
    return;
  }
  // Even when paused: with nothing to be read a failure ends the stream.
  if ((ready.readable && !paused_) || (ready.failed && !peer_finished_)) {
    if (!Read()) return;
  }
  if (state_ != State::kOpen) return;
  if (ready.writable || ready.failed) {
    if (!Flush()) return;
  }
  if (ready.failed && peer_finished_ && state_ == State::kOpen) {
    // Nothing left to read would tell, and the event would come for ever.
    Fail(absl::UnavailableError("the peer reset the connection"));
    return;
  }
  if (state_ == State::kOpen) UpdateInterest();
}

bool TcpStream::FinishConnect(IoEvents ready) {
  if (state_ == State::kConnecting) {
    if (!ready.writable && !ready.failed) return false;
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
    if (error != 0) {
      Fail(ConnectError(error));
      return false;
    }
    ReadLocalAddress();
    loop_.SetTimer(timer_, MonoTime::InfiniteFuture());
  }
  state_ = State::kOpen;
  UpdateInterest();
  DestructionWatch watch(destroyed_);
  handler_.OnOpen();
  return !watch.destroyed() && state_ == State::kOpen;
}

// Once a turn, whatever there is: the others have theirs before the rest, and
// what all have to send goes out between.
bool TcpStream::Read() {
  std::array<uint8_t, kReadSize> buffer;
  ssize_t size;
  do {
    size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    Fail(ErrnoStatus(errno, "recv"));
    return false;
  }
  DestructionWatch watch(destroyed_);
  if (size == 0) {
    peer_finished_ = true;
    handler_.OnEnd();
  } else {
    handler_.OnData({buffer.data(), static_cast<size_t>(size)});
  }
  return !watch.destroyed();
}

bool TcpStream::Flush() {
  TryWrite();
  if (!write_error_.ok()) {
    Fail(write_error_);
    return false;
  }
  if (buffered() == 0 && was_blocked_) {
    was_blocked_ = false;
    DestructionWatch watch(destroyed_);
    handler_.OnDrained();
    if (watch.destroyed()) return false;
    if (state_ != State::kOpen) return true;
  }
  if (finished_ && peer_finished_) {
    Fail(absl::OkStatus());
    return false;
  }
  return true;
}

}  // namespace sallyport
