#include "services/signaling_edge/io/connection_io.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "services/common/digit_analysis/tls_suites.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

TcpStream::Options TcpOptions(const ConnectionIo::Options& options) {
  TcpStream::Options out;
  out.max_write_buffer = options.max_write_buffer;
  out.connect_timeout = options.handshake_timeout;
  out.bind_address = options.source;
  return out;
}

TlsStream::Options TlsOptions(const ConnectionIo::Options& options,
                              std::string server_name, TlsBounds bounds = {}) {
  TlsStream::Options out;
  out.tcp = TcpOptions(options);
  out.handshake_timeout = options.handshake_timeout;
  out.server_name = std::move(server_name);
  out.bounds = std::move(bounds);
  return out;
}

uint16_t VersionOf(TlsVersion version) {
  switch (version) {
    case TlsVersion::kTls12:
      return TLS1_2_VERSION;
    case TlsVersion::kTls13:
      return TLS1_3_VERSION;
    case TlsVersion::kUnset:
      break;
  }
  return 0;
}

TlsBounds BoundsOf(const TlsSettings& settings) {
  TlsBounds out;
  for (const std::string& name : settings.ciphers) {
    if (const TlsSuite* const suite = FindTlsSuite(name)) {
      out.ciphers.emplace_back(suite->openssl);
    }
  }
  out.minimum_version = VersionOf(settings.minimum_version);
  out.maximum_version = VersionOf(settings.maximum_version);
  return out;
}

// Some four messages: more of them would wait for each other too long.
constexpr size_t kFlushAt = 4096;

}  // namespace

absl::Status ConnectionIo::Write(std::string_view octets) {
  if (!open_) {
    return absl::FailedPreconditionError("the connection is not open");
  }
  if (octets.size() >
      max_write_buffer_ -
          std::min(max_write_buffer_, stream_->buffered() + waiting_.size())) {
    return absl::ResourceExhaustedError("the write buffer is full");
  }
  waiting_ += octets;
  return waiting_.size() >= kFlushAt ? Flush() : absl::OkStatus();
}

absl::Status ConnectionIo::Flush() {
  if (waiting_.empty()) return absl::OkStatus();
  // Idle connections hold no buffer.
  const std::string octets = std::exchange(waiting_, {});
  return stream_->Write(AsBytes(octets));
}

absl::StatusOr<std::unique_ptr<ConnectionIo>> ConnectionIo::Accept(
    EventLoop& loop, UniqueFd fd, const SocketAddress& remote,
    std::shared_ptr<const TlsContext> tls, const Options& options,
    ConnectionId id, Owner& owner) {
  auto out = absl::WrapUnique(
      new ConnectionIo(id, /*incoming=*/true, options.max_write_buffer, owner));
  if (tls == nullptr) {
    TcpStream::Options tcp = TcpOptions(options);
    tcp.rank = out->rank_;
    SP_ASSIGN_OR_RETURN(out->stream_, TcpStream::Accept(loop, std::move(fd),
                                                        remote, tcp, *out));
    return out;
  }
  TlsStream::Options with_tls = TlsOptions(options, "");
  with_tls.tcp.rank = out->rank_;
  SP_ASSIGN_OR_RETURN(auto stream,
                      TlsStream::Accept(loop, std::move(fd), remote,
                                        std::move(tls), with_tls, *out));
  out->tls_ = stream.get();
  out->stream_ = std::move(stream);
  return out;
}

absl::StatusOr<std::unique_ptr<ConnectionIo>> ConnectionIo::Connect(
    EventLoop& loop, const SocketAddress& remote,
    std::shared_ptr<const TlsContext> tls, const Target& target,
    const Options& options, ConnectionId id, Owner& owner) {
  auto out = absl::WrapUnique(new ConnectionIo(
      id, /*incoming=*/false, options.max_write_buffer, owner));
  if (tls == nullptr) {
    SP_ASSIGN_OR_RETURN(
        out->stream_,
        TcpStream::Connect(loop, remote, TcpOptions(options), *out));
    return out;
  }
  SP_ASSIGN_OR_RETURN(
      auto stream,
      TlsStream::Connect(
          loop, remote, std::move(tls),
          TlsOptions(options, target.server_name, BoundsOf(target.tls)), *out));
  out->tls_ = stream.get();
  out->stream_ = std::move(stream);
  return out;
}

}  // namespace sallyport::signaling_edge
