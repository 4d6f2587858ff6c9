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
#include "absl/time/time.h"
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
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/core/stream_opening.h"
#include "services/media_relay/core/turn_tcp.h"
#include "services/media_relay/io/octet_sink.h"
#include "services/media_relay/io/stream_pace.h"

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
  Connection(TurnStreamFront& front, SocketId id, const SocketAddress& peer)
      : front_(front),
        peer_address_(peer),
        path_{id,
              {IpAddress::FromBytes(peer.ip_bytes()), peer.port()},
              ClientTransport::kTcp},
        pace_(front.loop_) {}

  const ClientPath& path() const { return path_; }

  absl::Status Start(UniqueFd fd) {
    TcpStream::Options options;
    options.max_write_buffer = kJoinedBuffer + kTlsSlack;
    SP_ASSIGN_OR_RETURN(tcp_, TcpStream::Accept(front_.loop_, std::move(fd),
                                                peer_address_, options, *this));
    return absl::OkStatus();
  }
  // Goes on with what another loop began, where STUN messages are spoken.
  absl::Status Continue(MovedStream& moved) {
    tls_ = std::move(moved.tls);
    path_.transport = moved.transport;
    framer_.emplace(StreamFraming::kTurn);
    stage_ = tls_ == nullptr ? Stage::kClear : Stage::kTls;
    return Start(std::move(moved.fd));
  }
  std::unique_ptr<MovedStream> Detach() {
    auto moved = std::make_unique<MovedStream>();
    closed_ = true;
    moved->fd = tcp_->Detach();
    moved->peer = peer_address_;
    moved->transport = path_.transport;
    moved->tls = std::move(tls_);
    return moved;
  }

  void Close() {
    closed_ = true;
    if (tcp_ == nullptr) return;
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
  size_t waiting() const { return tcp_->buffered(); }

  void Join(SocketId peer) { joined_ = peer; }
  void Finish() {
    if (tls_ != nullptr) {
      tls_->Close();
      (void)SendCiphertext();
    }
    tcp_->Finish();
  }
  void Resume() {
    if (!pace_.waits()) tcp_->ResumeReading();
  }

  void AnswerLater(BindTicket ticket) { ticket_ = std::move(ticket); }

  void OnOpen() override {
    if (!ticket_.has_value()) return;
    const BindTicket ticket = *std::exchange(ticket_, std::nullopt);
    std::array<uint8_t, kReplySize> reply;
    const PacketAction action =
        front_.core_.OnMovedBind(ticket, path_, absl::MakeSpan(reply),
                                 front_.owner_.ReadNow(), front_.actions_);
    if (action.sends()) front_.Send(action, /*media=*/false);
    front_.owner_.AfterInput();
  }
  void OnData(ByteSpan data) override {
    switch (stage_) {
      case Stage::kOpening:
        OnOpening(data);
        break;
      case Stage::kTls:
        OnRecords(data);
        break;
      case Stage::kClear:
        OnClear(data);
        break;
    }
    if (!closed_) front_.owner_.AfterInput();
  }
  void OnEnd() override {
    if (joined_ != kNoSocket) {
      front_.peers_->FinishOctets(joined_);
    } else {
      // No TURN message is answered to a client that has hung up half.
      Fail(StreamEnd::kClient);
    }
  }
  void OnDrained() override {
    if (joined_ != kNoSocket) front_.peers_->ResumeReading(joined_);
  }
  void OnClosed(absl::Status status) override {
    Fail(status.ok() ? StreamEnd::kClient : StreamEnd::kFailed);
  }

 private:
  enum class Stage : uint8_t { kOpening, kTls, kClear };

  void Fail(StreamEnd why) { front_.End(path_.socket, why); }

  absl::Status SendCiphertext() {
    const std::string ciphertext = tls_->TakeCiphertext();
    return ciphertext.empty() ? absl::OkStatus()
                              : tcp_->Write(AsBytes(ciphertext));
  }

  // What is spoken shows in the first octets, inside TLS anew.
  void OnOpening(ByteSpan data) {
    opening_.append(AsText(data));
    const std::string begin = std::exchange(opening_, std::string());
    switch (ReadStreamOpening(AsBytes(begin))) {
      case StreamOpening::kMore:
        opening_ = begin;
        return;
      case StreamOpening::kTurn:
        framer_.emplace(StreamFraming::kTurn);
        if (stage_ == Stage::kOpening) stage_ = Stage::kClear;
        OnUnits(AsBytes(begin));
        return;
      case StreamOpening::kMsTurn:
        framer_.emplace(StreamFraming::kMsTurn);
        if (stage_ == Stage::kOpening) stage_ = Stage::kClear;
        OnUnits(AsBytes(begin));
        return;
      case StreamOpening::kPseudoTls:
        if (tls_ != nullptr) return Fail(StreamEnd::kMalformed);
        if (!tcp_->Write(WritePseudoTlsServerHello(front_.random_)).ok()) {
          return Fail(StreamEnd::kFailed);
        }
        path_.transport = ClientTransport::kPseudoTls;
        framer_.emplace(StreamFraming::kMsTurn);
        stage_ = Stage::kClear;
        OnUnits(AsBytes(begin).subspan(kPseudoTlsClientHello));
        return;
      case StreamOpening::kTls:
        OnTls(AsBytes(begin));
        return;
      default:
        return Fail(StreamEnd::kMalformed);
    }
  }

  void OnTls(ByteSpan hello) {
    // Never TLS within TLS.
    std::shared_ptr<const TlsContext> context =
        front_.tls_ == nullptr || tls_ != nullptr ? nullptr
                                                  : front_.tls_->current();
    if (context == nullptr) return Fail(StreamEnd::kTls);
    auto session = TlsSession::Create(std::move(context));
    if (!session.ok()) return Fail(StreamEnd::kFailed);
    tls_ = *std::move(session);
    path_.transport = ClientTransport::kTls;
    stage_ = Stage::kTls;
    OnRecords(hello);
  }

  void OnRecords(ByteSpan data) {
    const absl::Status fed = tls_->Feed(data);
    const std::string plaintext = tls_->TakePlaintext();
    const absl::Status sent = SendCiphertext();
    if (!plaintext.empty()) {
      OnClear(AsBytes(plaintext));
      if (closed_) return;
    }
    if (!fed.ok() || !sent.ok()) return Fail(StreamEnd::kTls);
    if (tls_->state() == TlsSession::State::kPeerClosed) OnEnd();
  }

  void OnClear(ByteSpan data) {
    if (joined_ != kNoSocket) {
      OnJoined(data);
    } else if (framer_.has_value()) {
      OnUnits(data);
    } else {
      OnOpening(data);
    }
  }

  void OnJoined(ByteSpan data) {
    if (!front_.peers_->WriteOctets(joined_, data)) {
      return Fail(StreamEnd::kClient);
    }
    if (front_.peers_->Waiting(joined_) > kJoinedHighWater) {
      tcp_->PauseReading();
    }
    const Now now = front_.owner_.ReadNow();
    const absl::Duration wait = front_.core_.ChargeStream(
        joined_, TrafficDirection::kToPeers, data.size(), now);
    if (wait <= absl::ZeroDuration()) return;
    tcp_->PauseReading();
    pace_.Wait(now.mono + wait, [this] {
      if (!closed_ && front_.peers_->Waiting(joined_) <= kJoinedHighWater) {
        tcp_->ResumeReading();
      }
    });
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
            framer_->framing() == StreamFraming::kMsTurn
                ? front_.core_.OnMsTurnUnit(path_, unit.type, unit.bytes,
                                            absl::MakeSpan(reply), now,
                                            front_.actions_, broken)
                : front_.core_.OnStreamUnit(path_, unit.bytes,
                                            absl::MakeSpan(reply), now,
                                            front_.actions_, broken);
        if (IsStreamSocket(action.socket)) {
          front_.Send(action, /*media=*/false);
        } else if (action.sends()) {
          // The connection that it goes over may have to be begun first.
          if (!front_.actions_.empty()) front_.owner_.AfterInput();
          front_.owner_.SendFromPort(action);
          if (unit.buffered) front_.owner_.FlushPorts();
        }
        if (!front_.actions_.empty()) front_.owner_.AfterInput();
      }
      if (broken && !closed_) Fail(StreamEnd::kMalformed);
      if (closed_) break;
      if (joined_ != kNoSocket) {
        if (!data.empty()) OnJoined(data);
        break;
      }
    }
    front_.owner_.FlushPorts();
  }

  TurnStreamFront& front_;
  const SocketAddress peer_address_;
  ClientPath path_;
  StreamPace pace_;
  Stage stage_ = Stage::kOpening;
  bool closed_ = false;
  std::unique_ptr<TcpStream> tcp_;
  std::unique_ptr<TlsSession> tls_;
  std::string opening_;
  std::optional<StreamFramer> framer_;
  SocketId joined_ = kNoSocket;  // the peer's connection
  std::optional<BindTicket> ticket_;
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
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kKernelSendBuffer,
                   sizeof(kKernelSendBuffer));
  auto connection = std::make_unique<Connection>(*this, next_++, peer);
  Connection& added = *connection;
  if (Add(std::move(connection)) && !added.Start(std::move(fd)).ok()) {
    End(added.path().socket, StreamEnd::kFailed);
  }
  owner_.AfterInput();  // it has a deadline
}

bool TurnStreamFront::Add(std::unique_ptr<Connection> connection) {
  const ClientPath& path = connection->path();
  if (!core_.OnStreamOpened(path.socket, path.client.ip, owner_.ReadNow())) {
    ++ended_[static_cast<size_t>(StreamEnd::kRefused)];
    return false;
  }
  const SocketId id = path.socket;
  connections_[id] = std::move(connection);
  return true;
}

std::unique_ptr<MovedStream> TurnStreamFront::Detach(SocketId stream) {
  const auto it = connections_.find(stream);
  if (it == connections_.end()) return nullptr;
  std::unique_ptr<MovedStream> moved = it->second->Detach();
  std::optional<BindTicket> ticket = core_.TakeTicket(stream);
  Bury(stream, StreamEnd::kClient);
  core_.OnStreamClosed(stream, owner_.ReadNow(), actions_);
  if (!ticket.has_value()) return nullptr;
  moved->ticket = *std::move(ticket);
  return moved;
}

void TurnStreamFront::Adopt(std::unique_ptr<MovedStream> moved) {
  auto connection = std::make_unique<Connection>(*this, next_++, moved->peer);
  Connection& added = *connection;
  if (!Add(std::move(connection))) return;
  if (!added.Continue(*moved).ok()) {
    End(added.path().socket, StreamEnd::kFailed);
    return;
  }
  // Writable once the loop has seen it: then the Bind is answered.
  added.AnswerLater(std::move(moved->ticket));
}

void TurnStreamFront::Join(SocketId stream, SocketId peer) {
  const auto it = connections_.find(stream);
  if (it != connections_.end()) it->second->Join(peer);
}

bool TurnStreamFront::WriteOctets(SocketId socket, ByteSpan octets) {
  const auto it = connections_.find(socket);
  return it != connections_.end() && it->second->Write(octets, kJoinedBuffer);
}

size_t TurnStreamFront::Waiting(SocketId socket) const {
  const auto it = connections_.find(socket);
  return it == connections_.end() ? 0 : it->second->waiting();
}

void TurnStreamFront::FinishOctets(SocketId socket) {
  const auto it = connections_.find(socket);
  if (it != connections_.end()) it->second->Finish();
}

void TurnStreamFront::ResumeReading(SocketId socket) {
  const auto it = connections_.find(socket);
  if (it != connections_.end()) it->second->Resume();
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
