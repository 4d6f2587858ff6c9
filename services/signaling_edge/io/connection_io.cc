#include "services/signaling_edge/io/connection_io.h"

#include <utility>

#include "absl/memory/memory.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

TcpStream::Options TcpOptions(const ConnectionIo::Options& options) {
  TcpStream::Options out;
  out.max_write_buffer = options.max_write_buffer;
  out.connect_timeout = options.handshake_timeout;
  return out;
}

TlsStream::Options TlsOptions(const ConnectionIo::Options& options,
                              std::string server_name) {
  TlsStream::Options out;
  out.tcp = TcpOptions(options);
  out.handshake_timeout = options.handshake_timeout;
  out.server_name = std::move(server_name);
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConnectionIo>> ConnectionIo::Accept(
    EventLoop& loop, UniqueFd fd, const SocketAddress& remote,
    std::shared_ptr<const TlsContext> tls, const Options& options,
    ConnectionId id, Owner& owner) {
  auto out = absl::WrapUnique(new ConnectionIo(id, /*incoming=*/true, owner));
  if (tls == nullptr) {
    SP_ASSIGN_OR_RETURN(out->stream_,
                        TcpStream::Accept(loop, std::move(fd), remote,
                                          TcpOptions(options), *out));
    return out;
  }
  SP_ASSIGN_OR_RETURN(
      auto stream,
      TlsStream::Accept(loop, std::move(fd), remote, std::move(tls),
                        TlsOptions(options, ""), *out));
  out->tls_ = stream.get();
  out->stream_ = std::move(stream);
  return out;
}

absl::StatusOr<std::unique_ptr<ConnectionIo>> ConnectionIo::Connect(
    EventLoop& loop, const SocketAddress& remote,
    std::shared_ptr<const TlsContext> tls, const std::string& server_name,
    const Options& options, ConnectionId id, Owner& owner) {
  auto out = absl::WrapUnique(new ConnectionIo(id, /*incoming=*/false, owner));
  if (tls == nullptr) {
    SP_ASSIGN_OR_RETURN(
        out->stream_,
        TcpStream::Connect(loop, remote, TcpOptions(options), *out));
    return out;
  }
  SP_ASSIGN_OR_RETURN(
      auto stream, TlsStream::Connect(loop, remote, std::move(tls),
                                      TlsOptions(options, server_name), *out));
  out->tls_ = stream.get();
  out->stream_ = std::move(stream);
  return out;
}

}  // namespace sallyport::signaling_edge
