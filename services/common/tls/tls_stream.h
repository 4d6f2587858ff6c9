// A TLS connection over TCP on an event loop.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_TLS_STREAM_H_
#define SALLYPORT_SERVICES_COMMON_TLS_TLS_STREAM_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/rank.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/net/unique_fd.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"

namespace sallyport {

// Joins a TcpStream and a TlsSession. OnOpen means that the handshake is
// complete; session() then tells the peer's certificate, version and cipher,
// and in OnClosed, when the handshake failed, what the peer presented. A TCP
// end without close_notify is an error (UNAVAILABLE, reason TLS_TRUNCATED), as
// what came before may have been cut. Loop thread only.
class TlsStream final : public ByteStream, private StreamHandler {
 public:
  struct Options {
    TcpStream::Options tcp;
    // From the start, the TCP connect included, until OnOpen; else OnClosed
    // with DEADLINE_EXCEEDED.
    absl::Duration handshake_timeout = absl::Seconds(10);
    // Clients: sent as SNI.
    std::string server_name;
    // Clients: what of the context is used.
    TlsBounds bounds;
  };

  // An open connection on its way to another loop. Thread-compatible.
  struct Moved {
    UniqueFd fd;
    SocketAddress peer;
    // With what was read and not yet handed to the owner.
    std::unique_ptr<TlsSession> session;
    std::string unsent;  // octets for TCP
  };

  // Takes a connection from a TcpListener. `context` has the server role.
  // `loop` and `handler` outlive the stream.
  static absl::StatusOr<std::unique_ptr<TlsStream>> Accept(
      EventLoop& loop, UniqueFd fd, const SocketAddress& peer,
      std::shared_ptr<const TlsContext> context, const Options& options,
      StreamHandler& handler);
  // Connects. `context` has the client role.
  static absl::StatusOr<std::unique_ptr<TlsStream>> Connect(
      EventLoop& loop, const SocketAddress& peer,
      std::shared_ptr<const TlsContext> context, const Options& options,
      StreamHandler& handler);

  // Goes on with one that was given away: OnOpen comes again, from `loop`.
  static absl::StatusOr<std::unique_ptr<TlsStream>> Adopt(
      EventLoop& loop, Moved moved, const Options& options,
      StreamHandler& handler);

  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Gives the connection away, within OnOpen at the earliest and before Finish.
  // Nobody is called any more.
  Moved Detach();

  absl::Status Write(ByteSpan data) override;
  void Finish() override;
  // Write, then Finish, in one segment if they fit: each costs the kernel more
  // than its octets. Error: nothing was written, and it is not finished.
  absl::Status FinishWith(ByteSpan data);
  void Close() override;
  void PauseReading() override { tcp_->PauseReading(); }
  void ResumeReading() override { tcp_->ResumeReading(); }
  void SetRank(Rank rank) override { tcp_->SetRank(rank); }
  size_t buffered() const override { return tcp_->buffered(); }
  const SocketAddress& local_address() const override {
    return tcp_->local_address();
  }
  const SocketAddress& peer_address() const override {
    return tcp_->peer_address();
  }

  const TlsSession& session() const { return *session_; }

 private:
  TlsStream(EventLoop& loop, std::unique_ptr<TlsSession> session,
            const Options& options, StreamHandler& handler);

  // Of the TcpStream.
  void OnOpen() override;
  void OnData(ByteSpan data) override;
  void OnEnd() override;
  void OnDrained() override;
  void OnClosed(absl::Status reason) override;

  TcpStream::Options TcpOptions() const;
  // Whether `data` may be written now.
  absl::Status CheckWrite(ByteSpan data) const;
  absl::Status SendCiphertext();
  // Whoever ends the stream in OnOpen() does not break off the handshake.
  void SendLast();
  // Tells the owner what the session has come to, after it was fed.
  void Advance(const absl::Status& fed);
  void Fail(absl::Status reason);  // `this` may be gone afterwards

  EventLoop& loop_;
  std::unique_ptr<TlsSession> session_;
  const Options options_;
  StreamHandler& handler_;
  EventLoop::TimerId timer_;
  std::unique_ptr<TcpStream> tcp_;
  std::string unsent_;       // of a former loop, until TCP is up
  bool connected_ = false;   // TCP is up
  bool open_ = false;        // OnOpen was called
  bool finished_ = false;    // Finish was called
  bool peer_ended_ = false;  // OnEnd was called
  bool closed_ = false;
  bool* destroyed_ = nullptr;  // set while a handler call may destroy us
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_TLS_STREAM_H_
