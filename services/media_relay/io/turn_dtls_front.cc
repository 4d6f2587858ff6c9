#include "services/media_relay/io/turn_dtls_front.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_record.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/relay_core.h"
#include "services/media_relay/core/rolling_keys.h"
#include "services/media_relay/io/dtls_server_session.h"
#include "services/media_relay/io/turn_stream_front.h"
#include "services/media_relay/io/turn_tls_files.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMostSent = 64;
// A HelloVerifyRequest of ours; no shorter hello is answered.
constexpr size_t kChallengeSize = 44;

}  // namespace

// Loop thread only.
struct TurnDtlsFront::Association {
  ClientPath path;
  SocketId listener = kNoSocket;
  HelloRandom random = {};  // of the hello that began it
  std::unique_ptr<DtlsServerSession> session;
  bool closed = false;
};

TurnDtlsFront::TurnDtlsFront(EventLoop& loop, RelayCore& core,
                             SocketActions& actions,
                             const RollingKeys::Key& secret,
                             const TurnTlsFiles& files,
                             TurnStreamFront::Owner& owner)
    : loop_(loop),
      core_(core),
      actions_(actions),
      files_(files),
      owner_(owner),
      cookies_(secret),
      timer_(loop.AddTimer([this](MonoTime) { OnTimer(); })),
      buried_(std::make_shared<std::vector<std::unique_ptr<Association>>>()) {}

TurnDtlsFront::~TurnDtlsFront() {
  // Clients are told, as far as that goes without waiting.
  for (const auto& [id, association] : associations_) {
    association->session->Close();
  }
  Flush();
  buried_->clear();
  loop_.RemoveTimer(timer_);
}

void TurnDtlsFront::Transmit(SocketId listener, const Endpoint& to,
                             ByteSpan datagram) {
  if (sent_.size() >= kMostSent) Flush();
  sent_.push_back(ToString(datagram));
  owner_.SendFromPort(PacketAction::Send(listener, to, AsBytes(sent_.back())));
}

void TurnDtlsFront::Flush() {
  owner_.FlushPorts();
  sent_.clear();
}

void TurnDtlsFront::Challenge(SocketId listener, const Endpoint& from,
                              ByteSpan datagram) {
  const MonoTime now = owner_.ReadNow().mono;
  if (datagram.size() < kChallengeSize) {
    return Drop(DropReason::kAnswerTooLarge);
  }
  if (!core_.MayAnswer(from.ip, now)) return Drop(DropReason::kRateLimited);
  const std::string challenge = cookies_.Challenge(from, now);
  if (!challenge.empty()) Transmit(listener, from, AsBytes(challenge));
}

TurnDtlsFront::Association* TurnDtlsFront::Begin(SocketId listener,
                                                 const Endpoint& from,
                                                 ByteSpan datagram) {
  const Now now = owner_.ReadNow();
  const std::optional<gnutls_dtls_prestate_st> prestate =
      cookies_.Verify(datagram, from, now.mono);
  if (!prestate.has_value()) {
    Challenge(listener, from, datagram);
    return nullptr;
  }
  // It is there, and has forgotten what stood.
  const auto former = by_path_.find(ClientPath{listener, from});
  if (former != by_path_.end()) {
    End(former->second->path.socket, StreamEnd::kClient);
  }
  const SocketId id = next_++;
  if (!core_.OnStreamOpened(id, from.ip, now)) {
    ++ended_[static_cast<size_t>(StreamEnd::kRefused)];
    return nullptr;
  }
  auto association = std::make_unique<Association>();
  association->path = {id, from, ClientTransport::kDtls};
  association->listener = listener;
  association->random = *ClientHelloRandom(datagram);
  auto session = DtlsServerSession::Create(
      files_.dtls(), *prestate, [this, listener, from](ByteSpan record) {
        Transmit(listener, from, record);
      });
  Association* const begun = association.get();
  associations_[id] = std::move(association);
  by_path_[ClientPath{listener, from}] = begun;
  core_.homes().Keep(listener, from);
  if (!session.ok()) {
    begun->closed = true;
    End(id, StreamEnd::kFailed);
    return nullptr;
  }
  begun->session = *std::move(session);
  return begun;
}

void TurnDtlsFront::OnDatagram(SocketId listener, const Endpoint& from,
                               ByteSpan datagram) {
  if (ClassifyDtls(datagram) == DtlsDatagram::kBroken) {
    return Drop(DropReason::kUnexpectedDtls);
  }
  const auto it = by_path_.find(ClientPath{listener, from});
  Association* association = it == by_path_.end() ? nullptr : it->second;
  const std::optional<HelloRandom> random = ClientHelloRandom(datagram);
  if (random.has_value() &&
      (association == nullptr || association->random != *random)) {
    association = Begin(listener, from, datagram);
    if (association == nullptr) return;
  }
  if (association == nullptr) return Drop(DropReason::kUnexpectedDtls);
  association->session->Feed(datagram);
  Serve(*association);
}

void TurnDtlsFront::Serve(Association& association) {
  const Now now = owner_.ReadNow();
  const SocketId id = association.path.socket;
  DtlsServerSession& session = *association.session;
  std::array<uint8_t, kReplySize> reply;
  while (!association.closed) {
    const size_t size = session.Read(
        absl::MakeSpan(record_).subspan(kPacketHeadroom, kMaxPacketSize));
    if (size == 0) break;
    Packet packet{record_.data() + kPacketHeadroom, size, kPacketHeadroom,
                  kMaxPacketSize + kPacketTailroom - size};
    const PacketAction action = core_.OnDtlsPacket(
        association.path, packet, absl::MakeSpan(reply), now, actions_);
    if (IsDtlsSocket(action.socket)) {
      Send(action);
    } else if (action.sends()) {
      owner_.SendFromPort(
          action, static_cast<size_t>(action.bytes.data() - record_.data()));
      Flush();  // it lies in the record
    }
    if (!actions_.empty()) owner_.AfterInput();
  }
  if (association.closed) return Flush();
  switch (session.state()) {
    case DtlsServerSession::State::kHandshaking:
      repeats_.Set(id, now.mono + session.until_timer());
      break;
    case DtlsServerSession::State::kEstablished:
      repeats_.Erase(id);
      break;
    case DtlsServerSession::State::kPeerClosed:
      End(id, StreamEnd::kClient);
      break;
    case DtlsServerSession::State::kFailed:
      End(id, StreamEnd::kTls);
      break;
  }
  Flush();
  owner_.AfterInput();  // it has a deadline
  loop_.SetTimer(timer_, repeats_.next());
}

void TurnDtlsFront::OnTimer() {
  const MonoTime now = owner_.ReadNow().mono;
  while (const std::optional<SocketId> due = repeats_.PopExpired(now)) {
    const auto it = associations_.find(*due);
    if (it == associations_.end()) continue;
    it->second->session->OnTimer();
    Serve(*it->second);
  }
  loop_.SetTimer(timer_, repeats_.next());
}

void TurnDtlsFront::Send(const PacketAction& action) {
  const auto it = associations_.find(action.socket);
  if (it == associations_.end()) return;
  if (!it->second->session->Write(action.bytes)) {
    core_.OnSendDropped(DropReason::kTooLarge);
  }
}

bool TurnDtlsFront::Bury(SocketId association, StreamEnd why) {
  const auto it = associations_.find(association);
  if (it == associations_.end()) return false;
  Association& ended = *it->second;
  ++ended_[static_cast<size_t>(why)];
  if (ended.session != nullptr) ended.session->Close();
  ended.closed = true;
  by_path_.erase(ClientPath{ended.listener, ended.path.client});
  core_.homes().Release(ended.listener, ended.path.client);
  repeats_.Erase(association);
  if (buried_->empty()) {
    loop_.Defer([buried = buried_] { buried->clear(); });
  }
  buried_->push_back(std::move(it->second));
  associations_.erase(it);
  return true;
}

void TurnDtlsFront::End(SocketId association, StreamEnd why) {
  if (!Bury(association, why)) return;
  core_.OnStreamClosed(association, owner_.ReadNow(), actions_);
  owner_.AfterInput();
}

void TurnDtlsFront::Close(SocketId association) {
  if (Bury(association, StreamEnd::kCore)) Flush();
}

}  // namespace sallyport::media_relay
