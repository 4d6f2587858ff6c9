#include "services/media_relay/io/peer_streams.h"

#include <algorithm>
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
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/bandwidth.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_connections.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/stream_framer.h"
#include "services/media_relay/io/octet_sink.h"
#include "services/media_relay/io/stream_pace.h"
#include "services/media_relay/io/turn_stream_front.h"

namespace sallyport::media_relay {
namespace {

constexpr absl::Duration kAwaitAccept = absl::Seconds(2);

}  // namespace

// One connection to a peer. Loop thread only.
class PeerStreams::Peer final : public StreamHandler {
 public:
  Peer(PeerStreams& streams, SocketId id)
      : streams_(streams), id_(id), pace_(streams.loop_) {}

  absl::Status Connect(const ConnectPeer& connect) {
    connecting_ = true;
    if (connect.framed) framer_.emplace(StreamFraming::kRfc4571);
    TcpStream::Options options;
    options.max_write_buffer = kJoinedBuffer;
    options.connect_timeout = kPeerConnectTimeout;
    options.bind_address = connect.local.ToSocketAddress();
    options.share_bind_address = true;
    SP_ASSIGN_OR_RETURN(
        tcp_, TcpStream::Connect(streams_.loop_, connect.peer.ToSocketAddress(),
                                 options, *this));
    if (!connect.framed) tcp_->PauseReading();
    return absl::OkStatus();
  }

  absl::Status Accept(UniqueFd fd, const SocketAddress& from, bool framed) {
    if (framed) framer_.emplace(StreamFraming::kRfc4571);
    TcpStream::Options options;
    options.max_write_buffer = kJoinedBuffer;
    SP_ASSIGN_OR_RETURN(tcp_, TcpStream::Accept(streams_.loop_, std::move(fd),
                                                from, options, *this));
    if (!framed || streams_.core_.IsHeld(id_)) tcp_->PauseReading();
    return absl::OkStatus();
  }

  // Both ends connect at once, over the same two ports: the far side's came
  // first, so that ours cannot be made, and is about to be accepted.
  void Await() {
    pace_.Wait(streams_.owner_.ReadNow().mono + kAwaitAccept, [this] {
      streams_.Report(id_, absl::UnavailableError("no connection"));
    });
  }
  // Nothing has come of it yet?
  bool awaits() const { return connecting_ && tcp_ == nullptr; }

  void Join(SocketId client) {
    client_ = client;
    Resume();
  }
  void Resume() {
    if (ended_) {
      // It had said all; now the client has it.
      streams_.End(id_);
    } else if (!pace_.waits()) {
      tcp_->ResumeReading();
    }
  }
  void Close() {
    pace_.Stop();
    if (tcp_ != nullptr) tcp_->Close();
  }
  bool Write(ByteSpan octets) {
    if (!connecting_ || !framer_.has_value()) return tcp_->Write(octets).ok();
    if (waiting_.size() + octets.size() > kConnectingBuffer) return false;
    waiting_.append(AsText(octets));
    return true;
  }
  size_t waiting() const { return tcp_ == nullptr ? 0 : tcp_->buffered(); }
  void Finish() { tcp_->Finish(); }

  void OnOpen() override {
    if (!connecting_) return;
    connecting_ = false;
    pace_.Stop();
    if (!waiting_.empty()) (void)tcp_->Write(AsBytes(waiting_));
    waiting_ = std::string();
    streams_.Report(id_, absl::OkStatus());
  }
  void OnData(ByteSpan data) override {
    if (framer_.has_value()) return OnUnits(data);
    if (client_ == kNoSocket) return;
    OctetSink& client = streams_.clients_;
    if (!client.WriteOctets(client_, data)) {
      streams_.End(id_);
      return;
    }
    if (client.Waiting(client_) > kJoinedHighWater) tcp_->PauseReading();
    const Now now = streams_.owner_.ReadNow();
    const absl::Duration wait = streams_.core_.ChargeStream(
        id_, TrafficDirection::kToClient, data.size(), now);
    if (wait <= absl::ZeroDuration()) return;
    tcp_->PauseReading();
    pace_.Wait(now.mono + wait, [this] {
      if (streams_.clients_.Waiting(client_) <= kJoinedHighWater) Resume();
    });
  }
  void OnEnd() override {
    if (framer_.has_value()) {
      streams_.End(id_);
    } else if (client_ != kNoSocket) {
      streams_.clients_.FinishOctets(client_);
    }
  }
  void OnDrained() override {
    if (client_ != kNoSocket) {
      OctetSink& client = streams_.clients_;
      client.ResumeReading(client_);
    }
  }
  void OnClosed(absl::Status status) override {
    if (connecting_) {
      streams_.Report(id_, status.ok() ? absl::UnavailableError("") : status);
      return;
    }
    // Both sides had finished in order, but the client may not have it all.
    if (status.ok() && client_ != kNoSocket &&
        streams_.clients_.Waiting(client_) > 0) {
      ended_ = true;
      return;
    }
    streams_.End(id_);
  }

 private:
  // Unit by unit over the client's control connection; what finds no room there
  // is dropped, since it is media.
  void OnUnits(ByteSpan data) {
    std::array<uint8_t, kPacketHeadroom + kMaxStreamUnit> buffer;
    for (;;) {
      StreamUnit unit;
      const StreamFramer::Result result = framer_->Next(data, unit);
      if (result == StreamFramer::Result::kMore) return;
      if (result == StreamFramer::Result::kBroken) return streams_.End(id_);
      std::copy(unit.bytes.begin(), unit.bytes.end(),
                buffer.begin() + kPacketHeadroom);
      Packet packet{buffer.data() + kPacketHeadroom, unit.bytes.size(),
                    kPacketHeadroom, 0};
      const PacketAction action =
          streams_.core_.OnPeerUnit(id_, packet, streams_.owner_.ReadNow());
      if (action.sends()) streams_.clients_.Send(action, /*media=*/true);
    }
  }

  PeerStreams& streams_;
  const SocketId id_;
  StreamPace pace_;
  std::optional<StreamFramer> framer_;
  std::string waiting_;  // of a framed one that is not up yet
  std::unique_ptr<TcpStream> tcp_;
  SocketId client_ = kNoSocket;
  bool connecting_ = false;
  bool ended_ = false;
};

PeerStreams::PeerStreams(EventLoop& loop, RelayCore& core,
                         SocketActions& actions, TurnStreamFront& clients,
                         TurnStreamFront::Owner& owner)
    : loop_(loop),
      core_(core),
      actions_(actions),
      clients_(clients),
      owner_(owner),
      buried_(std::make_shared<std::vector<std::unique_ptr<Peer>>>()) {}

PeerStreams::~PeerStreams() { buried_->clear(); }

absl::Status PeerStreams::Open(const OpenTcp& open) {
  TcpListener::Options options;
  options.exclusive = true;
  options.backlog = 16;
  std::unique_ptr<TcpListener> listener;
  SP_ASSIGN_OR_RETURN(
      listener,
      TcpListener::Listen(
          loop_, open.local.ToSocketAddress(), options,
          [this, id = open.socket](UniqueFd fd, const SocketAddress& from) {
            OnAccept(id, std::move(fd), from);
          }));
  listeners_[open.socket] = std::move(listener);
  return absl::OkStatus();
}

void PeerStreams::OnAccept(SocketId listener, UniqueFd fd,
                           const SocketAddress& from) {
  std::array<uint8_t, kReplySize> reply;
  PacketAction indication;
  bool framed = false;
  const SocketId id = core_.OnPeerAccepted(
      listener, {IpAddress::FromBytes(from.ip_bytes()), from.port()},
      absl::MakeSpan(reply), owner_.ReadNow(), indication, framed);
  const auto present = peers_.find(id);
  if (id != kNoSocket && present != peers_.end()) {
    Peer& peer = *present->second;
    if (peer.awaits()) {
      if (peer.Accept(std::move(fd), from, framed).ok()) {
        peer.OnOpen();
      } else {
        Report(id, absl::UnavailableError("no connection"));
      }
    }
  } else if (id != kNoSocket) {
    auto peer = std::make_unique<Peer>(*this, id);
    if (peer->Accept(std::move(fd), from, framed).ok()) {
      peers_[id] = std::move(peer);
      if (indication.sends()) clients_.Send(indication, /*media=*/false);
    } else {
      core_.OnPeerClosed(id, actions_);
    }
  }
  owner_.AfterInput();
}

void PeerStreams::Connect(const ConnectPeer& connect) {
  auto peer = std::make_unique<Peer>(*this, connect.socket);
  const absl::Status status = peer->Connect(connect);
  if (!status.ok() && !connect.framed) {
    Report(connect.socket, status);
    return;
  }
  if (!status.ok()) peer->Await();
  peers_[connect.socket] = std::move(peer);
}

void PeerStreams::Report(SocketId peer, const absl::Status& status) {
  std::array<uint8_t, kReplySize> reply;
  const PacketAction answer = core_.OnPeerConnected(
      peer, status, absl::MakeSpan(reply), owner_.ReadNow(), actions_);
  if (answer.sends()) clients_.Send(answer, /*media=*/false);
  owner_.AfterInput();
}

void PeerStreams::Read(SocketId peer) {
  const auto it = peers_.find(peer);
  if (it != peers_.end()) it->second->Resume();
}

void PeerStreams::Join(SocketId peer, SocketId client) {
  const auto it = peers_.find(peer);
  if (it != peers_.end()) it->second->Join(client);
}

void PeerStreams::Bury(SocketId peer) {
  const auto it = peers_.find(peer);
  if (it == peers_.end()) return;
  it->second->Close();
  if (buried_->empty()) {
    loop_.Defer([buried = buried_] { buried->clear(); });
  }
  buried_->push_back(std::move(it->second));
  peers_.erase(it);
}

void PeerStreams::End(SocketId peer) {
  if (!peers_.contains(peer)) return;
  Bury(peer);
  core_.OnPeerClosed(peer, actions_);
  owner_.AfterInput();
}

void PeerStreams::Close(SocketId socket) {
  if (const auto it = listeners_.find(socket); it != listeners_.end()) {
    // It may be the one that is calling.
    auto listener =
        std::make_shared<std::unique_ptr<TcpListener>>(std::move(it->second));
    loop_.Defer([listener] { listener->reset(); });
    listeners_.erase(it);
    return;
  }
  Bury(socket);
}

bool PeerStreams::WriteOctets(SocketId socket, ByteSpan octets) {
  const auto it = peers_.find(socket);
  return it != peers_.end() && it->second->Write(octets);
}

size_t PeerStreams::Waiting(SocketId socket) const {
  const auto it = peers_.find(socket);
  return it == peers_.end() ? 0 : it->second->waiting();
}

void PeerStreams::FinishOctets(SocketId socket) {
  const auto it = peers_.find(socket);
  if (it != peers_.end()) it->second->Finish();
}

void PeerStreams::ResumeReading(SocketId socket) {
  const auto it = peers_.find(socket);
  if (it != peers_.end()) it->second->Resume();
}

}  // namespace sallyport::media_relay
