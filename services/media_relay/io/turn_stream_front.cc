#include "services/media_relay/io/turn_stream_front.h"

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/core/stream_opening.h"

namespace sallyport::media_relay {
namespace {

// What the kernel may hold for a client that does not read: late media is of
// no use to anyone.
constexpr int kKernelSendBuffer = 128 * 1024;
// TLS makes records of what is written, and handshake messages of its own.
constexpr size_t kTlsSlack = 32 * 1024;

}  // namespace

// One connection of a client. Loop thread only.
class TurnStreamFront::Connection final : public StreamHandler {
 public:
  Connection(TurnStreamFront& front, SocketId id, const Endpoint& client)
      : front_(front),
        path_{id, client, ClientTransport::kTcp},
        stage_(Stage::kOpening) {}

  absl::Status Start(UniqueFd fd, const SocketAddress& peer) {
    TcpStream::Options options;
    options.max_write_buffer = kStreamWriteBuffer + kTlsSlack;
    SP_ASSIGN_OR_RETURN(tcp_, TcpStream::Accept(front_.loop_, std::move(fd),
                                                peer, options, *this));
    return absl::OkStatus();
  }

  void Close() {
    closed_ = true;
    if (tls_ != nullptr) {
      // The client is told, as far as that goes without waiting.
      tls_->Close();
      (void)SendCiphertext();
    }
    tcp_->Close();
  }

  // False when the octets found no room.
  bool Write(ByteSpan bytes, size_t limit) {
    if (closed_ || tcp_->buffered() + bytes.size() > limit) return false;
    if (tls_ == nullptr) return tcp_->Write(bytes).ok();
    return tls_->Write(bytes).ok() && SendCiphertext().ok();
  }

  void OnOpen() override {}
  void OnData(ByteSpan data) override {
    switch (stage_) {
      case Stage::kOpening:
        OnOpening(data);
        break;
      case Stage::kTls:
        OnRecords(data);
        break;
      case Stage::kUnits:
        OnUnits(data);
        break;
    }
    if (!closed_) front_.owner_.AfterInput();
  }
  // No TURN message is answered to a client that has hung up half.
  void OnEnd() override { front_.End(path_.socket, StreamEnd::kClient); }
  void OnClosed(absl::Status) override {
    front_.End(path_.socket, StreamEnd::kFailed);
  }

 private:
  enum class Stage : uint8_t { kOpening, kTls, kUnits };

  void Fail(StreamEnd why) { front_.End(path_.socket, why); }

  absl::Status SendCiphertext() {
    const std::string ciphertext = tls_->TakeCiphertext();
    return ciphertext.empty() ? absl::OkStatus()
                              : tcp_->Write(AsBytes(ciphertext));
  }

  // What is spoken shows in the first octets, inside TLS anew.
  void OnOpening(ByteSpan data) {
    opening_.append(AsText(data));
    const std::string begin = std::move(opening_);
    opening_.clear();
    switch (ReadStreamOpening(AsBytes(begin))) {
      case StreamOpening::kMore:
        opening_ = begin;
        return;
      case StreamOpening::kTurn:
        framer_.emplace(StreamFraming::kTurn);
        stage_ = Stage::kUnits;
        OnUnits(AsBytes(begin));
        return;
      case StreamOpening::kTls: {
        std::shared_ptr<const TlsContext> context =
            front_.tls_ == nullptr || tls_ != nullptr ? nullptr
                                                      : front_.tls_->current();
        if (context == nullptr) return Fail(StreamEnd::kTls);
        auto session = TlsSession::Create(std::move(context));
        if (!session.ok()) return Fail(StreamEnd::kFailed);
        tls_ = *std::move(session);
        path_.transport = ClientTransport::kTls;
        stage_ = Stage::kTls;
        OnRecords(AsBytes(begin));
        return;
      }
      default:
        return Fail(StreamEnd::kMalformed);
    }
  }

  void OnRecords(ByteSpan data) {
    const absl::Status fed = tls_->Feed(data);
    const std::string plaintext = tls_->TakePlaintext();
    const absl::Status sent = SendCiphertext();
    if (!plaintext.empty()) {
      if (framer_.has_value()) {
        OnUnits(AsBytes(plaintext));
      } else {
        OnOpening(AsBytes(plaintext));
        if (framer_.has_value()) stage_ = Stage::kTls;
      }
      if (closed_) return;
    }
    if (!fed.ok() || !sent.ok()) return Fail(StreamEnd::kTls);
    if (tls_->state() == TlsSession::State::kPeerClosed) {
      Fail(StreamEnd::kClient);
    }
  }

  void OnUnits(ByteSpan data) {
    std::array<uint8_t, kReplySize> reply;
    const Now now = front_.owner_.ReadNow();
    for (;;) {
      StreamUnit unit;
      const StreamFramer::Result result = framer_->Next(data, unit);
      if (result == StreamFramer::Result::kMore) break;
      bool broken = result == StreamFramer::Result::kBroken;
      if (!broken) {
        const PacketAction action =
            front_.core_.OnStreamUnit(path_, unit.bytes, absl::MakeSpan(reply),
                                      now, front_.actions_, broken);
        if (IsStreamSocket(action.socket)) {
          front_.Send(action, /*media=*/false);
        } else if (action.sends()) {
          front_.owner_.SendFromPort(action);
          if (unit.buffered) front_.owner_.FlushPorts();
        }
        if (!front_.actions_.empty()) front_.owner_.AfterInput();
      }
      if (broken && !closed_) Fail(StreamEnd::kMalformed);
      if (closed_) break;
    }
    front_.owner_.FlushPorts();
  }

  TurnStreamFront& front_;
  ClientPath path_;
  Stage stage_;
  bool closed_ = false;
  std::unique_ptr<TcpStream> tcp_;
  std::unique_ptr<TlsSession> tls_;
  std::string opening_;
  std::optional<StreamFramer> framer_;
};

TurnStreamFront::TurnStreamFront(EventLoop& loop, RelayCore& core,
                                 SocketActions& actions, RandomSource& random,
                                 const TurnTlsFiles* tls, Owner& owner)
    : loop_(loop),
      core_(core),
      actions_(actions),
      random_(random),
      tls_(tls),
      owner_(owner),
      buried_(std::make_shared<std::vector<std::unique_ptr<Connection>>>()) {}

TurnStreamFront::~TurnStreamFront() { buried_->clear(); }

absl::StatusOr<uint16_t> TurnStreamFront::Listen(const Endpoint& local) {
  TcpListener::Options options;
  options.reuse_port = true;
  std::unique_ptr<TcpListener> listener;
  SP_ASSIGN_OR_RETURN(
      listener,
      TcpListener::Listen(loop_, local.ToSocketAddress(), options,
                          [this](UniqueFd fd, const SocketAddress& peer) {
                            OnAccept(std::move(fd), peer);
                          }));
  const uint16_t port = listener->local_address().port();
  listeners_.push_back(std::move(listener));
  return port;
}

void TurnStreamFront::OnAccept(UniqueFd fd, const SocketAddress& peer) {
  const SocketId id = next_++;
  const Endpoint client = {IpAddress::FromBytes(peer.ip_bytes()), peer.port()};
  if (!core_.OnStreamOpened(id, client.ip, owner_.ReadNow())) {
    ++ended_[static_cast<size_t>(StreamEnd::kRefused)];
    return;
  }
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kKernelSendBuffer,
                   sizeof(kKernelSendBuffer));
  auto connection = std::make_unique<Connection>(*this, id, client);
  if (!connection->Start(std::move(fd), peer).ok()) {
    core_.OnStreamClosed(id, owner_.ReadNow(), actions_);
    ++ended_[static_cast<size_t>(StreamEnd::kFailed)];
  } else {
    connections_[id] = std::move(connection);
  }
  owner_.AfterInput();  // it has a deadline
}

bool TurnStreamFront::Bury(SocketId stream, StreamEnd why) {
  const auto it = connections_.find(stream);
  if (it == connections_.end()) return false;
  ++ended_[static_cast<size_t>(why)];
  it->second->Close();
  if (buried_->empty()) {
    loop_.Defer([buried = buried_] { buried->clear(); });
  }
  buried_->push_back(std::move(it->second));
  connections_.erase(it);
  return true;
}

void TurnStreamFront::End(SocketId stream, StreamEnd why) {
  if (!Bury(stream, why)) return;
  core_.OnStreamClosed(stream, owner_.ReadNow(), actions_);
  owner_.AfterInput();
}

void TurnStreamFront::Close(SocketId stream) { Bury(stream, StreamEnd::kCore); }

void TurnStreamFront::Send(const PacketAction& action, bool media) {
  const auto it = connections_.find(action.socket);
  if (it == connections_.end()) return;
  if (it->second->Write(action.bytes,
                        media ? kStreamMediaBuffer : kStreamWriteBuffer)) {
    return;
  }
  core_.OnSendDropped(DropReason::kSlowReader);
  if (!media) End(action.socket, StreamEnd::kSlowReader);
}

}  // namespace sallyport::media_relay
