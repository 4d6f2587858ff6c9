// A TCP connection on an event loop.

#ifndef SALLYPORT_SERVICES_COMMON_NET_TCP_STREAM_H_
#define SALLYPORT_SERVICES_COMMON_NET_TCP_STREAM_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/rank.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {

// Nonblocking both ways. OnOpen comes from the loop for accepted connections
// too. Loop thread only.
class TcpStream final : public ByteStream {
 public:
  struct Options {
    size_t max_write_buffer = size_t{1} << 20;  // octets
    absl::Duration connect_timeout = absl::Seconds(10);
    // Where an outgoing connection comes from; the kernel chooses if unset.
    std::optional<SocketAddress> bind_address;
    // Several connections, and an `exclusive` TcpListener, share bind_address.
    bool share_bind_address = false;
    Rank rank = Rank::kFirst;
  };

  // Begins to connect to `peer`. A failure, reason CONNECT_FAILED, or the
  // timeout (DEADLINE_EXCEEDED, CONNECT_TIMEOUT) comes by OnClosed, and here
  // only what fails at once.
  // `loop` and `handler` outlive the stream.
  static absl::StatusOr<std::unique_ptr<TcpStream>> Connect(
      EventLoop& loop, const SocketAddress& peer, const Options& options,
      StreamHandler& handler);
  // Takes a connection from a TcpListener.
  static absl::StatusOr<std::unique_ptr<TcpStream>> Accept(
      EventLoop& loop, UniqueFd fd, const SocketAddress& peer,
      const Options& options, StreamHandler& handler);

  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  // Gives the connection away, with what has not been read yet; what waited to
  // go out is lost, and nobody is called any more.
  UniqueFd Detach();
  // What waits to go out, which then waits no longer; before Detach().
  std::string TakeUnsent();

  absl::Status Write(ByteSpan data) override;
  void Finish() override;
  // Write, then Finish: the FIN goes out with the last octets.
  absl::Status FinishWith(ByteSpan data);
  void Close() override;
  void PauseReading() override;
  void ResumeReading() override;
  void SetRank(Rank rank) override;
  size_t buffered() const override { return out_.size() - out_sent_; }
  const SocketAddress& local_address() const override { return local_; }
  const SocketAddress& peer_address() const override { return peer_; }

 private:
  enum class State { kConnecting, kAccepted, kOpen, kClosed };

  TcpStream(EventLoop& loop, UniqueFd fd, const SocketAddress& peer,
            const Options& options, StreamHandler& handler);

  absl::Status Register();
  void OnReady(IoEvents ready);
  bool FinishConnect(IoEvents ready);  // true if open and alive afterwards
  bool Read();                         // true if alive afterwards
  bool Flush();                        // true if alive afterwards
  // Write; `more` follows at once, so the kernel waits for it.
  absl::Status WriteBefore(ByteSpan data, bool more);
  // Writes what the kernel takes; an error is remembered for the loop.
  void TryWrite();
  void UpdateInterest();
  void Fail(absl::Status reason);  // OnClosed; `this` may be gone afterwards
  void Release();                  // lets go of the descriptor and timer
  void ReadLocalAddress();

  EventLoop& loop_;
  UniqueFd fd_;
  const SocketAddress peer_;
  SocketAddress local_;
  const Options options_;
  StreamHandler& handler_;
  EventLoop::TimerId timer_;
  State state_ = State::kConnecting;
  std::string out_;
  size_t out_sent_ = 0;  // of out_; the rest waits
  absl::Status write_error_;
  bool paused_ = false;
  bool finishing_ = false;  // Finish was called
  bool finished_ = false;   // our FIN is out
  bool peer_finished_ = false;
  bool was_blocked_ = false;   // owes an OnDrained
  bool* destroyed_ = nullptr;  // set while a handler call may destroy us
  IoEvents interest_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_TCP_STREAM_H_
