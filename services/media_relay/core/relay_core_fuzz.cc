// Bytes become a list of inputs to one relay core: time, client packets, peer
// packets, media packets, ICE checks, DTLS handshakes, commands and failures of
// sockets. Invariants: every
// action names a socket that is open, what is sent lies in lent memory, the
// deadline is never in the past after a turn, and nothing outgrows its bound.

#include "services/media_relay/core/relay_core.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/check.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

class Run {
 public:
  explicit Run(absl::Span<const uint8_t> input)
      : input_(input), client_(now_.wall, random_) {
    RelayCoreOptions options;
    // Behind NAT.
    options.turn.ipv4 = RelayInterface{*IpAddress::Parse("10.0.0.1"),
                                       *IpAddress::Parse("10.0.0.9")};
    options.turn.ipv6 = RelayInterface{*IpAddress::Parse("fd00::1"),
                                       *IpAddress::Parse("fd00::1")};
    options.turn.bandwidth.per_subject = 20'000;
    options.turn.allocation_quota.all = 4;
    options.turn.authenticator.unauthenticated_replies_per_second = 0;
    // The table is filled with zeros for every run.
    options.turn.authenticator.limited_sources = 64;
    options.sessions.interfaces.external_v4 = options.turn.ipv4;
    options.sessions.max_sessions = 3;
    options.ports.first = 50000;
    options.ports.last = 50031;
    options.policy.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
    interfaces_ = options.sessions.interfaces;
    interfaces_.external_v6 = options.turn.ipv6;
    policy_ = options.policy;
    core_.emplace(options, Library(), random_);
    SocketActions sockets;
    core_->OnKeys(TestKeys(now_.wall), now_, sockets);
    Perform(std::move(sockets));
  }

  void All() {
    while (!input_.empty()) {
      Step();
      SocketActions sockets;
      core_->OnDeadline(now_, sockets);
      Perform(std::move(sockets));
      SP_CHECK(core_->deadline() > now_.mono);
      SP_CHECK(core_->turn().allocations().size() <= 4);
      SP_CHECK(core_->sessions().size() <= 3);
      SP_CHECK(open_.size() <= 4 + 3 * 4);
      SP_CHECK(core_->ports_out() <= 32);
      core_->sessions().TakeNotices();
      // No leg with DTLS has keys of a far side without its fingerprint, but
      // that it keeps its keys while it begins anew with one not known yet (RFC
      // 8842).
      for (const SessionView& view : core_->sessions().List("", now_)) {
        for (const LegView& leg : view.legs) {
          if (leg.dtls.has_value() && leg.suite.has_value() &&
              !leg.dtls->remote_fingerprint.has_value()) {
            SP_CHECK(restarted_);
            SP_CHECK(leg.dtls->state != DtlsEndpoint::State::kEstablished);
          }
          SP_CHECK(!leg.ice.has_value() || !leg.ice->selected.has_value() ||
                   leg.ice->state != IceLite::State::kConsentLost);
        }
      }
    }
  }

 private:
  uint8_t Byte() {
    if (input_.empty()) return 0;
    const uint8_t byte = input_.front();
    input_.remove_prefix(1);
    return byte;
  }
  std::string Bytes() {
    const size_t asked = Byte();
    const size_t size = std::min(asked, input_.size());
    const std::string bytes = ToString(input_.first(size));
    input_.remove_prefix(size);
    return bytes;
  }
  Endpoint Address() {
    const uint8_t byte = Byte();
    return {IpAddress::V4({10, 0, 0, static_cast<uint8_t>(byte & 3)}),
            static_cast<uint16_t>(20000 + (byte >> 2 & 3))};
  }
  SocketId AnySocket() {
    if (open_.empty()) return kFirstCoreSocket;
    auto it = open_.begin();
    std::advance(it, Byte() % open_.size());
    return *it;
  }

  void Step() {
    switch (Byte() % 13) {
      case 0:
        now_.mono += absl::Seconds(Byte());
        now_.wall += absl::Seconds(Byte());
        break;
      case 1:
        Deliver(1, Bytes());
        break;
      case 2: {
        const SocketId socket = AnySocket();
        Deliver(socket, Bytes());
        break;
      }
      case 3: {
        const std::string answer =
            Deliver(1, client_.Bare(StunMethod::kAllocate, [](StunWriter& w) {
              w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
            }));
        client_.TakeChallenge(answer);
        break;
      }
      case 4: {
        // A signed request of any method with any attributes.
        constexpr StunMethod kMethods[] = {
            StunMethod::kAllocate, StunMethod::kRefresh,
            StunMethod::kCreatePermission, StunMethod::kChannelBind};
        const StunMethod method = kMethods[Byte() % 4];
        const uint8_t which = Byte();
        const Endpoint peer = Address();
        const std::string extra = Bytes();
        Deliver(1, client_.Signed(method, [&](StunWriter& w) {
          namespace a = stun_attribute;
          if (which & 1) {
            w.AddUint32(a::kRequestedTransport, 17u << 24);
          }
          if (which & 2) w.AddXorAddress(a::kXorPeerAddress, peer);
          if (which & 4) w.AddUint32(a::kChannelNumber, 0x40000000);
          if (which & 8) w.AddBytes(a::kEvenPort, {0x80});
          if (which & 16) w.AddUint32(a::kLifetime, extra.size());
          if (which & 32) w.AddBytes(0x7FFF, AsBytes(extra));
          if (which & 64) w.AddBytes(a::kXorPeerAddress, AsBytes(extra));
          if (which & 128) {  // both families, if there is but one kind more
            w.AddUint32(a::kAdditionalAddressFamily, 2u << 24);
            w.AddBytes(a::kDontFragment, {});
          }
        }));
        break;
      }
      case 5: {
        SessionSpec spec;
        spec.tenant = "t";
        spec.id = std::string(1, static_cast<char>('a' + Byte() % 4));
        spec.owner = "o";
        spec.lease = absl::Seconds(10 + Byte());
        for (LegSpec& leg : spec.legs) {
          const uint8_t how = Byte();
          if (how & 1) {
            leg.options.srtp = static_cast<SrtpSuite>((how >> 4) % 5);
            leg.options.srtp_suites = {*leg.options.srtp};
            if (leg.options.srtp != SrtpSuite::kAeadAes128Gcm) {
              leg.options.srtp_suites.push_back(SrtpSuite::kAeadAes128Gcm);
            }
          }
          leg.options.rtcp_mux = how & 2;
          leg.initial.latching = (how & 4) != 0;
          if (how & 8) {  // a WebRTC leg
            leg.options.rtcp_mux = true;
            leg.options.ice = how & 16;
            leg.dtls = how & 32;
            if (leg.dtls) leg.options.srtp.reset();
            if (leg.options.ice) leg.initial.latching.reset();
            if (leg.dtls && (how & 64)) {
              leg.initial.remote_setup = static_cast<DtlsSetup>((how >> 2) % 3);
              leg.initial.remote_fingerprint = Far().fingerprint();
            }
          }
          leg.initial.latching_prefixes = {*IpPrefix::Parse("10.0.0.0/8")};
          leg.initial.remote_rtp = Address();
          if (leg.options.srtp.has_value()) {
            leg.initial.remote_key.emplace();
            leg.initial.remote_key->key_salt = Secret::CopyOf(
                std::string(KeySaltSize(*leg.options.srtp), 'k'));
          }
        }
        SocketActions sockets;
        if (core_->sessions().Create(std::move(spec), now_, sockets).ok()) {
          Perform(std::move(sockets));
          core_->sessions().TakeCreated(now_).status().IgnoreError();
        }
        break;
      }
      case 6: {
        SocketActions sockets;
        const std::string id(1, static_cast<char>('a' + Byte() % 4));
        core_->sessions()
            .Delete("t", id, "", "", "DELETED", now_, sockets)
            .status()
            .IgnoreError();
        Perform(std::move(sockets));
        break;
      }
      case 7: {
        SessionUpdate update;
        update.tenant = "t";
        update.id = std::string(1, static_cast<char>('a' + Byte() % 4));
        update.legs[Byte() & 1].emplace();
        for (auto& leg : update.legs) {
          if (!leg.has_value()) continue;
          leg->remote_rtp = Address();
          const uint8_t how = Byte();
          leg->direction = static_cast<MediaDirection>(how % 4);
          if (how & 16) leg->remote_fingerprint = Far().fingerprint();
          if (how & 32) leg->remote_setup = static_cast<DtlsSetup>(how % 3);
          if (how & 64) leg->remote_ufrag = (how & 128) ? "far1" : "far2";
          const uint8_t more = Byte();
          leg->restart_ice = more & 1;
          leg->restart_dtls = more & 2;
          restarted_ = restarted_ || (more & 2) != 0;
          if (more & 4) leg->rtcp_mux = (more & 8) != 0;
          if (more & 16) {
            leg->srtp_suite = SrtpSuite::kAeadAes128Gcm;
            leg->remote_key.emplace();
            leg->remote_key->key_salt =
                Secret::Take(std::string(28, static_cast<char>(more)));
          }
        }
        SocketActions sockets;
        core_->sessions().Update(update, now_, sockets).status().IgnoreError();
        Perform(std::move(sockets));
        break;
      }
      case 10: {
        // An ICE check with the right words.
        const uint8_t which = Byte();
        const auto leg = AnyLeg(which);
        if (!leg.has_value() || !leg->ice.has_value()) break;
        std::array<uint8_t, 512> buffer;
        StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest,
                          static_cast<uint16_t>(StunMethod::kBinding), {7});
        writer.AddText(
            stun_attribute::kUsername,
            leg->ice->local_ufrag + ":" +
                (leg->ice->remote_ufrag.empty() ? "far1"
                                                : leg->ice->remote_ufrag));
        if (which & 16) writer.AddBytes(stun_attribute::kUseCandidate, {});
        if (which & 32) writer.AddUint32(stun_attribute::kPriority, Byte());
        if (which & 64) {
          writer.AddBytes(stun_attribute::kIceControlled, AsBytes("12345678"));
        }
        if (which & 128) writer.AddBytes(0x7F01, AsBytes(Bytes()));
        writer.AddIntegritySha1(leg->ice->local_password.DangerousBytes());
        writer.AddFingerprint();
        const auto socket = by_port_.find(leg->local_rtp.port);
        if (socket != by_port_.end()) {
          Deliver(socket->second, ToString(writer.finished()));
        }
        break;
      }
      case 11: {
        // The far side's next handshake datagrams, some of them damaged.
        const uint8_t which = Byte();
        const auto leg = AnyLeg(which);
        if (!leg.has_value() || !leg->dtls.has_value()) break;
        if (association_ == nullptr || (which & 16)) {
          association_ =
              DtlsAssociation::Create(
                  FarIdentity(),
                  (which & 32) ? DtlsRole::kServer : DtlsRole::kClient,
                  SrtpProfiles::Default(), leg->dtls->local_fingerprint,
                  now_.mono)
                  .value();
        }
        const auto socket = by_port_.find(leg->local_rtp.port);
        if (socket == by_port_.end()) break;
        for (std::string& datagram : association_->TakeDatagrams()) {
          if (which & 64) {
            const size_t at = Byte() % datagram.size();
            datagram[at] = static_cast<char>(datagram[at] ^ Byte());
          }
          Deliver(socket->second, datagram);
        }
        break;
      }
      case 12: {
        const SocketId socket = AnySocket();
        Deliver(socket, std::string("\x16\xfe\xfd", 3) + Bytes());
        break;
      }
      case 8:
        fail_next_ = Byte() % 10;
        break;
      default: {
        SocketActions sockets;
        const uint8_t what = Byte();
        if (what & 2) {
          // The NAT's address is another, and all loops have told theirs.
          interfaces_.external_v4->advertised =
              *IpAddress::Parse((what & 4) ? "10.0.0.2" : "10.0.0.9");
          core_->SetInterfaces(interfaces_, policy_);
        }
        if (what & 8) core_->SetFormerPorts(0, core_->FormerPorts());
        core_->OnKeys((what & 1) ? TestKeys(now_.wall) : nullptr, now_,
                      sockets);
        Perform(std::move(sockets));
        break;
      }
    }
  }

  // One leg of a session that may be there.
  std::optional<LegView> AnyLeg(uint8_t which) {
    auto view = core_->sessions().Get(
        "t", std::string(1, static_cast<char>('a' + which % 4)), now_);
    if (!view.ok()) return std::nullopt;
    return std::move(view->legs[which >> 2 & 1]);
  }
  std::shared_ptr<const DtlsIdentity> FarIdentity() {
    static const auto* const identity = new std::shared_ptr<const DtlsIdentity>(
        DtlsIdentity::Create(absl::UnixEpoch()).value());
    return *identity;
  }
  const DtlsIdentity& Far() { return *FarIdentity(); }

  std::string Deliver(SocketId socket, const std::string& wire) {
    std::vector<uint8_t> buffer(kPacketHeadroom + wire.size() +
                                kPacketTailroom);
    std::memcpy(buffer.data() + kPacketHeadroom, wire.data(), wire.size());
    Packet packet{buffer.data() + kPacketHeadroom, wire.size(), kPacketHeadroom,
                  kPacketTailroom};
    SocketActions sockets;
    const PacketAction action = core_->OnPacket(
        socket, Address(), packet, absl::MakeSpan(reply_), now_, sockets);
    std::string sent;
    if (action.sends()) {
      SP_CHECK(action.socket == 1 || open_.contains(action.socket));
      const uint8_t* begin = action.bytes.data();
      const uint8_t* end = begin + action.bytes.size();
      SP_CHECK(
          (begin >= buffer.data() && end <= buffer.data() + buffer.size()) ||
          (begin >= reply_.data() && end <= reply_.data() + reply_.size()));
      sent = ToString(action.bytes);
    }
    Perform(std::move(sockets));
    return sent.empty() ? last_reply_ : sent;
  }

  void Perform(SocketActions sockets) {
    while (!sockets.empty()) {
      SocketActions next;
      for (const SocketAction& action : sockets) {
        if (const auto* close = std::get_if<CloseSocket>(&action)) {
          SP_CHECK(open_.erase(close->socket) == 1);
          continue;
        }
        if (const auto* datagram = std::get_if<SendDatagram>(&action)) {
          SP_CHECK(open_.contains(datagram->socket));
          SP_CHECK(!datagram->bytes.empty() && datagram->bytes.size() <= 1500);
          if (association_ != nullptr) {
            association_->OnDatagram(AsBytes(datagram->bytes), now_.mono);
          }
          continue;
        }
        const auto& open = std::get<OpenSocket>(action);
        SP_CHECK(open.local.port >= 50000 && open.local.port <= 50031);
        absl::Status status;
        if (fail_next_ > 0) {
          --fail_next_;
          status = absl::Status(absl::StatusCode::kAlreadyExists, "");
        } else {
          SP_CHECK(open_.insert(open.socket).second);
          by_port_[open.local.port] = open.socket;
        }
        const PacketAction answer = core_->OnSocketOpened(
            open.socket, status, absl::MakeSpan(reply_), now_, next);
        if (answer.sends()) last_reply_ = ToString(answer.bytes);
      }
      sockets = std::move(next);
    }
  }

  absl::Span<const uint8_t> input_;
  FakeRandom random_;
  Now now_{MonoTime::FromOrigin(absl::Hours(10)),
           absl::FromUnixSeconds(1'800'000'000)};
  TurnTestClient client_;
  RelayInterfaces interfaces_;
  PeerPolicyOptions policy_;
  std::optional<RelayCore> core_;
  std::set<SocketId> open_;
  std::map<uint16_t, SocketId> by_port_;          // the newest of each port
  std::unique_ptr<DtlsAssociation> association_;  // the far side's
  std::array<uint8_t, kReplySize> reply_;
  std::string last_reply_;
  int fail_next_ = 0;
  bool restarted_ = false;  // DTLS of a leg
};

}  // namespace
}  // namespace sallyport::media_relay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  sallyport::media_relay::Run(absl::MakeConstSpan(data, size)).All();
  return 0;
}
