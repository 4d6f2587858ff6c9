// One TCP or TLS connection of SIP: the socket side of a Connection.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CONNECTION_IO_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CONNECTION_IO_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/rank.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"
#include "services/common/tls/tls_stream.h"
#include "services/signaling_edge/core/flow.h"

namespace sallyport::signaling_edge {

// Tells its owner what its stream tells it, with itself. Loop thread only.
class ConnectionIo final : private StreamHandler {
 public:
  // Each call may destroy the connection.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnStreamOpen(ConnectionIo& connection) = 0;
    virtual void OnStreamData(ConnectionIo& connection, ByteSpan data) = 0;
    virtual void OnStreamEnd(ConnectionIo& connection) = 0;
    virtual void OnStreamClosed(ConnectionIo& connection,
                                absl::Status reason) = 0;
  };
  struct Options {
    absl::Duration handshake_timeout = absl::Seconds(5);
    size_t max_write_buffer = size_t{1} << 20;
    // Where one that is dialled comes from; the kernel chooses if unset.
    std::optional<SocketAddress> source;
  };

  // `tls` of the server role, or null for TCP. `loop` and `owner` outlive it.
  static absl::StatusOr<std::unique_ptr<ConnectionIo>> Accept(
      EventLoop& loop, UniqueFd fd, const SocketAddress& remote,
      std::shared_ptr<const TlsContext> tls, const Options& options,
      ConnectionId id, Owner& owner);
  // Of TLS: the server name that is asked for, and what may be used.
  struct Target {
    std::string server_name;
    TlsSettings tls;
  };
  // `tls` of the client role, or null for TCP.
  static absl::StatusOr<std::unique_ptr<ConnectionIo>> Connect(
      EventLoop& loop, const SocketAddress& remote,
      std::shared_ptr<const TlsContext> tls, const Target& target,
      const Options& options, ConnectionId id, Owner& owner);

  ConnectionIo(const ConnectionIo&) = delete;
  ConnectionIo& operator=(const ConnectionIo&) = delete;

  // Goes out with what else is written until Flush(), or at once if that is
  // much: a message by itself costs a system call and wakes the far side.
  absl::Status Write(std::string_view octets);
  absl::Status Flush();
  bool waits_for_flush() const { return !waiting_.empty(); }
  void Finish() {
    (void)Flush();  // a stream that does not take it is over
    stream_->Finish();
  }
  // From now on it is served before those that have proven nothing.
  void ServeFirst() {
    if (rank_ == Rank::kFirst) return;
    rank_ = Rank::kFirst;
    stream_->SetRank(rank_);
  }
  Rank rank() const { return rank_; }

  ConnectionId id() const { return id_; }
  bool incoming() const { return incoming_; }
  bool open() const { return open_; }
  const SocketAddress& local_address() const {
    return stream_->local_address();
  }
  // Null over TCP.
  const TlsSession* tls() const {
    return tls_ == nullptr ? nullptr : &tls_->session();
  }

  // Of the trust bundle that its certificate was last judged by.
  int64_t trust_version() const { return trust_version_; }
  void set_trust_version(int64_t version) { trust_version_ = version; }

 private:
  ConnectionIo(ConnectionId id, bool incoming, size_t max_write_buffer,
               Owner& owner)
      : id_(id),
        incoming_(incoming),
        owner_(owner),
        max_write_buffer_(max_write_buffer),
        rank_(incoming ? Rank::kLast : Rank::kFirst) {}

  void OnOpen() override {
    open_ = true;
    owner_.OnStreamOpen(*this);
  }
  void OnData(ByteSpan data) override { owner_.OnStreamData(*this, data); }
  void OnEnd() override { owner_.OnStreamEnd(*this); }
  void OnClosed(absl::Status reason) override {
    owner_.OnStreamClosed(*this, std::move(reason));
  }

  const ConnectionId id_;
  const bool incoming_;
  Owner& owner_;
  const size_t max_write_buffer_;
  Rank rank_;
  bool open_ = false;
  std::string waiting_;  // for Flush()
  int64_t trust_version_ = 0;
  std::unique_ptr<ByteStream> stream_;
  TlsStream* tls_ = nullptr;  // stream_, if it is one
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CONNECTION_IO_H_
