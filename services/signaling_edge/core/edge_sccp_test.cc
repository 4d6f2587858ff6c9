// Voicemail ports against the whole core: they register, are called, call,
// hold, transfer and light lamps (CUC-40 to CUC-52, protocols.md section 14).
#include <gmock/gmock.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/signaling_edge/core/edge_fixture.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sccp_message.h"
#include "services/signaling_edge/core/sccp_session.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Le(uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> 8 * i));
  return out;
}
uint32_t U32(std::string_view text, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(text[offset + i]);
  }
  return value;
}
std::string Padded(std::string text, size_t size) {
  text.resize(size);
  return text;
}

constexpr uint32_t kRegisterAck = 0x81;
constexpr uint32_t kStartTone = 0x82;
constexpr uint32_t kStopTone = 0x83;
constexpr uint32_t kSetRinger = 0x85;
constexpr uint32_t kStartMedia = 0x8A;
constexpr uint32_t kStopMedia = 0x8B;
constexpr uint32_t kCallInfo = 0x8F;
constexpr uint32_t kCapabilitiesReq = 0x9B;
constexpr uint32_t kReject = 0x9D;
constexpr uint32_t kReset = 0x9F;
constexpr uint32_t kKeepAliveAck = 0x100;
constexpr uint32_t kOpen = 0x105;
constexpr uint32_t kClose = 0x106;
constexpr uint32_t kCallState = 0x111;
constexpr uint32_t kUnregisterAck = 0x118;
constexpr uint32_t kMwiResponse = 0x158;

struct Frame {
  uint32_t id = 0;
  std::string body;
  uint32_t at(size_t offset) const { return U32(body, offset); }
};

class EdgeSccpTest : public EdgeCoreTest {
 protected:
  EdgeSccpTest() {
    auto plan = TestPlan();
    plan->version = 2;
    plan->tenants[0].cluster_security_mode = ClusterSecurityMode::kMixed;
    plan->peers.push_back(
        {.name = "tenants/t/peers/um",
         .dial_plan = "tenants/t/dialPlans/secured",
         .kind = PeerKind::kVoicemail,
         .fqdn = "um.d.test",
         .address = "203.0.113.6",
         .port = 5061,
         .transport = sallyport::SipTransport::kTls,
         .incoming_port = 5061,
         .outcalls_allowed = true,
         .trunk_security_profile = "tenants/t/trunkSecurityProfiles/um",
         .message_waiting_allowed = true});
    TrunkSecurityProfileEntry profile;
    profile.name = "tenants/t/trunkSecurityProfiles/um";
    profile.accept_unsolicited_notification = true;
    profile.accept_replaces = true;
    plan->trunk_security_profiles = {profile};
    const auto line = [&](std::string name, std::string number) {
      LineEntry entry;
      entry.name = "tenants/t/lines/" + name;
      entry.directory_number = std::move(number);
      plan->lines.push_back(std::move(entry));
    };
    line("vm1", "6001");
    line("vm2", "6002");
    VoicemailPortGroupEntry group;
    group.name = "tenants/t/voicemailPortGroups/um";
    group.peer = "tenants/t/peers/um";
    group.integration = VoicemailIntegration::kSccp;
    group.device_security_mode = DeviceSecurityMode::kEncrypted;
    group.ports = {{"UM-VI1", "tenants/t/lines/vm1", true, true, true},
                   {"UM-VI2", "tenants/t/lines/vm2", true, false, false}};
    plan->voicemail_port_groups = {group};
    LineGroupEntry lines;
    lines.name = "tenants/t/lineGroups/um";
    lines.lines = {"tenants/t/lines/vm1", "tenants/t/lines/vm2"};
    plan->line_groups = {lines};
    HuntListEntry list;
    list.name = "tenants/t/huntLists/um";
    list.line_groups = {lines.name};
    plan->hunt_lists = {list};
    HuntPilotEntry pilot;
    pilot.name = "tenants/t/huntPilots/um";
    pilot.pattern = "6000";
    pilot.hunt_list = list.name;
    plan->hunt_pilots = {pilot};
    plan->message_waiting_numbers = {
        {.name = "tenants/t/messageWaitingNumbers/on", .number = "5000"},
        {.name = "tenants/t/messageWaitingNumbers/off",
         .number = "5001",
         .lights = false}};
    ResolveDefaults(*plan);
    plan_ = plan;
    edge_.Load(plan);
  }

  void Tell(ConnectionId id, uint32_t message, const std::string& body = "") {
    edge_.ReceiveOctets(id, Le(static_cast<uint32_t>(body.size()) + 4) +
                                Le(11) + Le(message) + body);
  }

  std::optional<Frame> Next(ConnectionId id) {
    std::string& octets = edge_.sccp[id];
    if (octets.size() < 12) return std::nullopt;
    const uint32_t length = U32(octets, 0);
    Frame frame{U32(octets, 8), octets.substr(12, length - 4)};
    octets.erase(0, 8 + length);
    return frame;
  }
  // The next of that id; what comes before is of no interest.
  Frame Take(ConnectionId id, uint32_t message) {
    while (auto frame = Next(id)) {
      if (frame->id == message) return *frame;
    }
    ADD_FAILURE() << "no message " << std::hex << message;
    return Frame{message, std::string(512, '\0')};
  }
  bool Comes(ConnectionId id, uint32_t message) {
    while (auto frame = Next(id)) {
      if (frame->id == message) return true;
    }
    return false;
  }
  void ExpectState(ConnectionId id, uint32_t state) {
    EXPECT_EQ(Take(id, kCallState).at(0), state);
  }

  std::string RegisterBody(const std::string& name, uint32_t type = 80) {
    return Padded(name, 16) + Le(0) + Le(1) + Le(0) + Le(type) + Le(1) + Le(0) +
           std::string("\x0B\0\0\0", 4);
  }

  ConnectionId Registered(const std::string& name, std::string certificate = "",
                          std::string_view ip = "203.0.113.6") {
    const ConnectionId id =
        edge_.ConnectSccp(certificate.empty() ? name : certificate, ip);
    Tell(id, 0x0001, RegisterBody(name));
    const Frame ack = Take(id, kRegisterAck);
    EXPECT_EQ(ack.at(0), 30u);
    Take(id, kCapabilitiesReq);
    Tell(id, 0x0010, Le(1) + Le(4) + Le(40) + std::string(8, '\0'));
    return id;
  }

  // Acknowledges the open channel of `open`.
  void Opened(ConnectionId id, const Frame& open, uint32_t port = 16384) {
    Tell(id, 0x0022,
         Le(0) + std::string("\xCB\0\x71\6", 4) + Le(port) + Le(open.at(4)) +
             Le(open.at(24)));
  }

  std::shared_ptr<PlanSnapshot> plan_;
};

TEST_F(EdgeSccpTest, RegistersAndAsksForItsConfiguration) {
  const ConnectionId id = Registered("UM-VI1");
  ASSERT_EQ(edge_.core().registrar().size(), 1u);
  const Binding* binding = edge_.core().registrar().All()[0];
  EXPECT_EQ(binding->user, "tenants/t/lines/vm1");
  EXPECT_EQ(binding->flow.connection, id);
  Tell(id, 0x000E);
  EXPECT_TRUE(Comes(id, 0x97));
  Tell(id, 0x000B, Le(1));
  EXPECT_EQ(Take(id, 0x92).body.substr(4, 5), std::string("6001\0", 5));
  for (const uint32_t request : {0x0C, 0x0D, 0x0F, 0x25, 0x28}) {
    Tell(id, request);
    EXPECT_TRUE(Next(id).has_value()) << request;
  }
  Tell(id, 0x0000);
  EXPECT_TRUE(Comes(id, kKeepAliveAck));
  // Out of service, and in again.
  Tell(id, 0x0027);
  EXPECT_EQ(Take(id, kUnregisterAck).at(0), 0u);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  Tell(id, 0x0001, RegisterBody("UM-VI1"));
  Tell(id, 0x0010, Le(0));
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
}

// CUC-12, CUC-41, CUC-56: over mutual TLS alone, and by the names that both
// sides have.
TEST_F(EdgeSccpTest, WhoMayNotRegister) {
  struct Row {
    std::string certificate;
    std::string device;
    std::string reason;
  };
  const Row rows[] = {
      // A certificate of one port is good for no other.
      {"UM-VI1", "UM-VI2", "PEER_IDENTITY_MISMATCH"},
      {"UM-VI1", "UM-VI3", "PEER_IDENTITY_MISMATCH"},
      {"um.d.test", "UM-VI3", "PEER_IDENTITY_MISMATCH"},
      // In clear, where the port is encrypted.
      {"", "UM-VI1", "SECURITY_MODE_TLS_REQUIRED"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(Cat(row.certificate, " as ", row.device));
    const ConnectionId id = edge_.ConnectSccp(row.certificate);
    Tell(id, 0x0001, RegisterBody(row.device));
    EXPECT_TRUE(Comes(id, kReject));
    EXPECT_THAT(edge_.Refusals(), HasSubstr(row.reason));
    EXPECT_EQ(edge_.core().connections().Find(id), nullptr);
    EXPECT_EQ(edge_.core().registrar().size(), 0u);
    edge_.events.clear();
  }
  // The server's own certificate is good for each of its ports.
  Registered("UM-VI2", "um.d.test");
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  // One that is nobody's gets no connection at all.
  const ConnectionId nobody = edge_.ConnectSccp("other.d.test");
  EXPECT_EQ(edge_.core().connections().Find(nobody), nullptr);
  EXPECT_THAT(edge_.Refusals(), HasSubstr("PEER_IDENTITY_MISMATCH"));
  // A phone is no port.
  const ConnectionId phone = edge_.ConnectSccp("UM-VI1");
  Tell(phone, 0x0001, RegisterBody("UM-VI1", 7));
  EXPECT_TRUE(Comes(phone, kReject));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("SCCP_DEVICE_TYPE"));
}

// CUC-01: encrypted ports are in service in a mixed cluster only, and who asks
// why is told of the cluster's mode; those that were in service go.
// CUC-41: who is turned away, and who would not have been.
TEST_F(EdgeSccpTest, WhatWasExpectedOfAPort) {
  const auto last = [&]() -> const Refusal& {
    return *edge_.Last(EdgeEvent::Type::kRefused)->refusal;
  };
  // By its certificate, from the server and from elsewhere.
  edge_.ConnectSccp("UM-VI9");
  EXPECT_THAT(last().presented_identities, ElementsAre("CN:um-vi9"));
  EXPECT_THAT(last().expected_identities,
              ElementsAre("UM-VI1", "UM-VI2", "um.d.test"));
  edge_.ConnectSccp("UM-VI9", "198.51.100.66");
  EXPECT_THAT(last().expected_identities, IsEmpty());
  EXPECT_THAT(last().steps,
              ElementsAre("certificate: ok", "chain: ok", "usage: ok",
                          "address: no voicemail server is declared there",
                          "identity: 0 of 1 name matches"));
  // By the name that it registers.
  Tell(edge_.ConnectSccp("UM-VI1"), 0x0001, RegisterBody("UM-VI2"));
  EXPECT_EQ(last().kind, RefusalKind::kRegistration);
  EXPECT_THAT(last().expected_identities,
              ElementsAre("UM-VI1", "UM-VI2", "um.d.test"));
  EXPECT_THAT(last().steps, ElementsAre("source: proven",
                                        "identity: PEER_IDENTITY_MISMATCH"));
}

TEST_F(EdgeSccpTest, EncryptedPortsNeedAMixedCluster) {
  const ConnectionId before = Registered("UM-VI1");
  auto plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 3;
  plan->tenants[0].cluster_security_mode = ClusterSecurityMode::kNonSecure;
  edge_.Load(plan);
  EXPECT_EQ(edge_.core().connections().Find(before), nullptr);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  const ConnectionId id = edge_.ConnectSccp("UM-VI1");
  Tell(id, 0x0001, RegisterBody("UM-VI1"));
  EXPECT_TRUE(Comes(id, kReject));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("CLUSTER_NOT_MIXED"));
  plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 4;
  edge_.Load(plan);
  Registered("UM-VI1");
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
}

// CUC-21: a port that is not enabled is not let in; the others are.
TEST_F(EdgeSccpTest, APortThatIsNotEnabled) {
  auto plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 3;
  plan->voicemail_port_groups[0].ports[0].disabled = true;
  edge_.Load(plan);
  const ConnectionId id = edge_.ConnectSccp("UM-VI1");
  Tell(id, 0x0001, RegisterBody("UM-VI1"));
  EXPECT_TRUE(Comes(id, kReject));
  EXPECT_EQ(edge_.Refusals(), "PORT_DISABLED");
  Registered("UM-VI2");
}

// CUC-16, CUC-39: a phone system takes all of its integrations out of service.
TEST_F(EdgeSccpTest, APhoneSystemThatIsDisabled) {
  auto plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 3;
  plan->phone_systems = {{.name = "tenants/t/phoneSystems/hq"}};
  plan->voicemail_port_groups[0].phone_system = plan->phone_systems[0].name;
  edge_.Load(plan);
  Registered("UM-VI1");
  plan = std::make_shared<PlanSnapshot>(*plan);
  plan->version = 4;
  plan->phone_systems[0].disabled = true;
  edge_.Load(plan);
  const ConnectionId id = edge_.ConnectSccp("UM-VI2");
  Tell(id, 0x0001, RegisterBody("UM-VI2"));
  EXPECT_TRUE(Comes(id, kReject));
  // The port that was in service, and the one that wants to be.
  EXPECT_EQ(edge_.Refusals(), "PHONE_SYSTEM_DISABLED PHONE_SYSTEM_DISABLED");
}

TEST_F(EdgeSccpTest, BadInputEndsItsConnectionOnly) {
  const ConnectionId good = Registered("UM-VI1");
  for (const std::string& octets :
       {std::string(16, '\xFF'), Le(3) + Le(0) + Le(0),
        // Before it has registered.
        Le(12) + Le(0) + Le(6) + Le(1) + Le(0),
        // A name that none can be.
        Le(4 + 36) + Le(0) + Le(1) + Padded("a\r\nb", 16) +
            std::string(20, '\0')}) {
    const ConnectionId bad = edge_.ConnectSccp("UM-VI2");
    ASSERT_NE(edge_.core().connections().Find(bad), nullptr);
    edge_.ReceiveOctets(bad, octets);
    EXPECT_EQ(edge_.core().connections().Find(bad), nullptr);
  }
  EXPECT_NE(edge_.core().connections().Find(good), nullptr);
  EXPECT_THAT(edge_.Refusals(), HasSubstr("SCCP_MALFORMED"));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("SCCP_NOT_REGISTERED"));
}

TEST_F(EdgeSccpTest, SilenceEndsTheRegistration) {
  const ConnectionId id = Registered("UM-VI1");
  for (int i = 0; i < 4; ++i) {
    edge_.Advance(absl::Seconds(60));
    Tell(id, 0x0000);
  }
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  edge_.Advance(absl::Seconds(91));
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  EXPECT_EQ(edge_.core().connections().Find(id), nullptr);
  EXPECT_THAT(edge_.Refusals(), HasSubstr("KEEPALIVE_LOST"));
}

TEST_F(EdgeSccpTest, APortThatComesBackTakesItsPlace) {
  const ConnectionId old = Registered("UM-VI1");
  const ConnectionId now = Registered("UM-VI1");
  EXPECT_EQ(edge_.core().connections().Find(old), nullptr);
  ASSERT_EQ(edge_.core().registrar().size(), 1u);
  EXPECT_EQ(edge_.core().registrar().All()[0]->flow.connection, now);
}

// The pbx (clear) calls the pilot: the port answers with SRTP keys.
TEST_F(EdgeSccpTest, IsCalledThroughItsPilot) {
  const ConnectionId id = Registered("UM-VI1");
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4000, false)));
  ExpectState(id, 4);
  const Frame info = Take(id, kCallInfo);
  EXPECT_EQ(info.body.substr(40, 8), std::string("5551000\0", 8));
  EXPECT_EQ(info.at(136), 1u) << "inbound";
  EXPECT_EQ(info.at(376), 3u) << "encrypted";
  EXPECT_EQ(Take(id, kSetRinger).at(0), 2u);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 180);

  Tell(id, 0x0006, Le(1) + Le(0));
  const Frame open = Take(id, kOpen);
  EXPECT_EQ(open.at(28), 2u);
  EXPECT_EQ(open.body.substr(36, 16), std::string(16, 'b'))
      << "the relay's key for that leg";
  Opened(id, open);
  ExpectState(id, 5);
  const Frame start = Take(id, kStartMedia);
  EXPECT_EQ(start.body.substr(8, 4), std::string("\xCB\0\x71\1", 4));
  EXPECT_EQ(start.at(44), 2u);
  ASSERT_EQ(edge_.updated.size(), 1u);
  const RelayLeg& leg = edge_.updated[0].legs[IndexOf(LegSide::kB)];
  EXPECT_EQ(leg.remote->ip, "203.0.113.6");
  EXPECT_EQ(leg.remote->rtp_port, 16384);
  EXPECT_EQ(leg.remote_key,
            start.body.substr(52, 16) + start.body.substr(68, 14));
  EXPECT_NE(leg.remote_key, std::string(30, 'b'));
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_EQ(ok->message.status_code(), 200);
  EXPECT_THAT(std::string(ok->message.body()), HasSubstr("RTP/AVP"));
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));

  // A second caller finds the line busy, and nobody else registered.
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4002, false),
                                   "pbx2", "pbx2"));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 480);
  EXPECT_FALSE(Comes(id, kCallState));

  edge_.ReceiveUdp(kPbx, PbxInDialog("BYE", 2, Tag(*ok)));
  EXPECT_TRUE(Comes(id, kStopMedia));
  EXPECT_TRUE(Comes(id, kClose));
  ExpectState(id, 2);
  edge_.Forget();
  edge_.Advance(absl::Seconds(60));
  EXPECT_EQ(edge_.core().transactions(), 0u);
  EXPECT_EQ(edge_.core().calls().live(), 0u);
}

TEST_F(EdgeSccpTest, HuntsOnWhenTheFirstIsBusyOrGivesUp) {
  const ConnectionId first = Registered("UM-VI1");
  const ConnectionId second = Registered("UM-VI2");
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4000, false)));
  const Frame ring = Take(first, kCallState);
  Tell(first, 0x0007, Le(1) + Le(ring.at(8)));  // on hook: it does not want it
  ExpectState(second, 4);
  edge_.ReceiveUdp(kPbx, PbxCancel());
  ExpectState(second, 2);
  edge_.Forget();
}

TEST_F(EdgeSccpTest, WhatCannotBeCarriedDoesNotRing) {
  const ConnectionId id = Registered("UM-VI1");
  // The port has PCMU alone.
  std::string sdp = TestSdp("192.0.2.10", 4000, false);
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"RTP/AVP 0", "RTP/AVP 8"},
        {"rtpmap:0 PCMU", "rtpmap:8 PCMA"}}) {
    sdp.replace(sdp.find(from), from.size(), to);
  }
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", sdp));
  EXPECT_FALSE(Comes(id, kCallState));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("MEDIA_NOT_SUPPORTED"));
  // What the port cannot do is a refusal of the call that its caller has.
  const auto records = edge_.core().calls().Records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]->reason, "MEDIA_REFUSED");
  EXPECT_EQ(records[0]->legs[1].party.port, "UM-VI1");
  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event->refusal->kind, RefusalKind::kCall);
  EXPECT_EQ(event->refusal->sip_method, "SCCP");
  EXPECT_EQ(event->refusal->call, records[0]->id);
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("source: proven", "media: MEDIA_NOT_SUPPORTED"));
  edge_.Forget();
}

// One that the port began, and that leads nowhere.
TEST_F(EdgeSccpTest, ARefusedCallHasARecordAndALadder) {
  const ConnectionId id = Registered("UM-VI1");
  Tell(id, 0x0004, Padded("1239", 24));
  EXPECT_EQ(Take(id, kStartTone).at(0), 0x21u);
  EXPECT_EQ(Take(id, kStartTone).at(0), 0x25u);
  EXPECT_EQ(Take(id, kCallState).at(0), 14u);
  const auto records = edge_.core().calls().Records();
  ASSERT_EQ(records.size(), 1u);
  const CallRecord& record = *records[0];
  EXPECT_EQ(record.reason, "ROUTE_NOT_FOUND");
  EXPECT_EQ(record.disposition, CallDisposition::kFailed);
  EXPECT_EQ(record.calling, "6001");
  EXPECT_EQ(record.called, "1239");
  EXPECT_TRUE(record.ended.has_value());
  ASSERT_EQ(record.legs.size(), 1u);
  const LegRecord& leg = record.legs[0];
  EXPECT_TRUE(leg.incoming);
  EXPECT_EQ(leg.party.resource, "tenants/t/peers/um");
  EXPECT_EQ(leg.party.port, "UM-VI1");
  EXPECT_EQ(leg.party.identity, "UM-VI1");
  EXPECT_EQ(leg.party.mode, SecurityMode::kSecured);
  EXPECT_EQ(leg.flow.connection, id);
  EXPECT_EQ(leg.sip_status, 404);
  EXPECT_EQ(edge_.core().calls().live(), 0u);

  const EdgeEvent* event = edge_.Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->reason, "ROUTE_NOT_FOUND");
  EXPECT_EQ(event->refusal->call, record.id);
  EXPECT_EQ(event->refusal->peer, "tenants/t/peers/um");
  EXPECT_THAT(event->refusal->steps,
              ElementsAre("sender: PEER_CERTIFICATE",
                          "dial_plan: tenants/t/dialPlans/secured",
                          "loop: none", "route: ROUTE_NOT_FOUND"));
  ASSERT_NE(event->record, nullptr);
  EXPECT_EQ(event->call, record.id);

  // Its user agent speaks SIP to us, and that is what is shown.
  const CallLadder::View ladder = edge_.core().LadderOf(record.id);
  ASSERT_EQ(ladder.messages.size(), 4u);
  EXPECT_THAT(ladder.messages[0].text, HasSubstr("INVITE "));
  EXPECT_THAT(ladder.messages[2].text, HasSubstr("SIP/2.0 404"));
  EXPECT_EQ(ladder.messages[2].reason, "ROUTE_NOT_FOUND");
  EXPECT_THAT(ladder.messages[3].text, HasSubstr("ACK "));
}

// The port calls the pbx: late offer, the answer goes with the ACK.
TEST_F(EdgeSccpTest, Calls) {
  const ConnectionId id = Registered("UM-VI1");
  Tell(id, 0x0006, Le(1) + Le(0));
  ExpectState(id, 1);
  EXPECT_EQ(Take(id, kStartTone).at(0), 0x21u);
  for (const uint32_t key : {8, 5, 5})
    Tell(id, 0x0003, Le(key) + Le(1) + Le(0));
  EXPECT_TRUE(Comes(id, kStopTone));
  // "8.!" could always become longer: the interdigit timer decides.
  EXPECT_TRUE(edge_.Idle());
  edge_.Advance(absl::Milliseconds(15100));
  ExpectState(id, 12);
  auto invite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(invite.has_value());
  EXPECT_THAT(std::string(invite->message.request_uri()), HasSubstr("sip:55@"));
  EXPECT_THAT(std::string(invite->message.Value(HeaderId::kFrom)),
              HasSubstr("sip:6001@"));
  EXPECT_TRUE(invite->message.body().empty());
  edge_.Answer(*invite, 180, "g1", "", "<sip:pbx@192.0.2.10>");
  ExpectState(id, 3);
  edge_.Answer(*invite, 200, "g1", TestSdp("192.0.2.10", 4000, false),
               "<sip:pbx@192.0.2.10>");
  const Frame open = Take(id, kOpen);
  EXPECT_EQ(open.at(28), 2u);
  EXPECT_TRUE(edge_.Idle()) << "the ACK waits for the port's address";
  Opened(id, open);
  EXPECT_TRUE(Comes(id, kStartMedia));
  auto ack = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->message.method(), SipMethod::kAck);
  EXPECT_THAT(std::string(ack->message.body()), HasSubstr("RTP/AVP 0"));

  // Keys become INFO.
  Tell(id, 0x0003, Le(5) + Le(1) + Le(0));
  auto info = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(info.has_value());
  EXPECT_THAT(std::string(info->message.body()), HasSubstr("Signal=5"));
  edge_.Answer(*info, 200, "");

  Tell(id, 0x0007, Le(1) + Le(0));
  ExpectState(id, 2);
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye.has_value());
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "");
  edge_.Advance(absl::Seconds(60));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
  EXPECT_EQ(edge_.core().transactions(), 0u);
}

TEST_F(EdgeSccpTest, ACallThatFailsHasATone) {
  const ConnectionId id = Registered("UM-VI1");
  const std::pair<int, std::pair<uint32_t, uint32_t>> rows[] = {
      {486, {6, 0x23}}, {404, {14, 0x25}}, {503, {7, 0x25}}};
  for (const auto& [code, state_and_tone] : rows) {
    Tell(id, 0x0004, Padded("855", 24));
    auto invite = edge_.TakeToUdp(kPbx);
    ASSERT_TRUE(invite.has_value());
    edge_.Answer(*invite, code, "g1");
    edge_.Forget();
    EXPECT_EQ(Take(id, kStartTone).at(0), 0x21u);
    EXPECT_EQ(Take(id, kStartTone).at(0), state_and_tone.second) << code;
    EXPECT_EQ(Take(id, kCallState).at(0), state_and_tone.first);
    Tell(id, 0x0007, Le(1) + Le(0));
    ExpectState(id, 2);
  }
}

TEST_F(EdgeSccpTest, HangsUpBeforeItIsAnswered) {
  const ConnectionId id = Registered("UM-VI1");
  Tell(id, 0x0004, Padded("855", 24));
  auto invite = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(invite.has_value());
  edge_.Answer(*invite, 180, "g1", "", "<sip:pbx@192.0.2.10>");
  Tell(id, 0x0007, Le(1) + Le(0));
  auto cancel = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  edge_.Answer(*cancel, 200, "g1");
  edge_.Answer(*invite, 487, "g1");
  edge_.Forget();
  edge_.Advance(absl::Seconds(60));
  EXPECT_EQ(edge_.core().calls().live(), 0u);
  EXPECT_EQ(edge_.core().transactions(), 0u);
}

// Its connection goes: so do its calls.
TEST_F(EdgeSccpTest, ItsCallsEndWithItsConnection) {
  const ConnectionId id = Registered("UM-VI1");
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4000, false)));
  Tell(id, 0x0006, Le(1) + Le(0));
  Opened(id, Take(id, kOpen));
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 100);
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.status_code(), 180);
  auto ok = edge_.TakeToUdp(kPbx);
  ASSERT_EQ(ok->message.status_code(), 200);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  edge_.Close(id);
  auto bye = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(bye.has_value());
  EXPECT_EQ(bye->message.method(), SipMethod::kBye);
  edge_.Answer(*bye, 200, "");
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
}

TEST_F(EdgeSccpTest, HoldsAndResumes) {
  const ConnectionId id = Registered("UM-VI1");
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4000, false)));
  Tell(id, 0x0006, Le(1) + Le(0));
  Opened(id, Take(id, kOpen));
  const Frame first = Take(id, kStartMedia);
  edge_.TakeToUdp(kPbx);
  edge_.TakeToUdp(kPbx);
  auto ok = edge_.TakeToUdp(kPbx);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));

  Tell(id, 0x0026, Le(3) + Le(1) + Le(0));
  EXPECT_TRUE(Comes(id, kStopMedia));
  ExpectState(id, 8);
  auto hold = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(hold.has_value());
  EXPECT_EQ(hold->message.method(), SipMethod::kInvite);
  EXPECT_THAT(std::string(hold->message.body()), HasSubstr("a=sendonly"));
  edge_.Answer(*hold, 200, "",
               TestSdp("192.0.2.10", 4000, false, "a=recvonly\r\n"),
               "<sip:pbx@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  EXPECT_FALSE(Comes(id, kStartMedia));

  Tell(id, 0x0026, Le(10) + Le(1) + Le(0));
  auto resume = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(resume.has_value());
  edge_.Answer(*resume, 200, "", TestSdp("192.0.2.10", 4000, false),
               "<sip:pbx@192.0.2.10>");
  EXPECT_EQ(edge_.TakeToUdp(kPbx)->message.method(), SipMethod::kAck);
  const Frame again = Take(id, kStartMedia);
  EXPECT_NE(again.body.substr(52, 30), first.body.substr(52, 30))
      << "no key twice";
  EXPECT_EQ(edge_.updated.back().legs[IndexOf(LegSide::kB)].remote_key,
            again.body.substr(52, 16) + again.body.substr(68, 14));
}

// CUC-48 and message 0x004C.
TEST_F(EdgeSccpTest, LightsLamps) {
  const ConnectionId alice = edge_.ConnectTls("", "SEP1");
  ASSERT_TRUE(edge_.Register(alice, "alice"));
  const ConnectionId id = Registered("UM-VI1");
  const auto lamp = [&]() -> std::string {
    auto notify = edge_.TakeTo(alice);
    if (!notify.has_value()) return "none";
    edge_.Answer(*notify, 200, "x");
    return std::string(notify->message.body());
  };
  const auto notification = [](std::string target, bool on) {
    return Padded(std::move(target), 25) + Padded("5000", 25) + Le(on ? 1 : 0) +
           Le(on ? 2 : 0) + Le(1) + std::string(24, '\0') +
           std::string(2, '\0');
  };
  Tell(id, 0x004C, notification("1001", true));
  EXPECT_THAT(lamp(), HasSubstr("Messages-Waiting: yes"));
  EXPECT_EQ(U32(Take(id, kMwiResponse).body + "\0\0\0", 25), 0u);
  Tell(id, 0x004C, notification("1001", false));
  EXPECT_THAT(lamp(), HasSubstr("Messages-Waiting: no"));
  Tell(id, 0x004C, notification("9999999", true));
  EXPECT_EQ(Take(id, kMwiResponse).body.size(), 32u);

  // By a call on behalf of the mailbox.
  Tell(id, 0x0024, Padded("1001", 24));
  for (const uint32_t key : {5, 0, 0, 0}) Tell(id, 0x0003, Le(key));
  EXPECT_THAT(lamp(), HasSubstr("Messages-Waiting: yes"));
  EXPECT_TRUE(edge_.core().calls().live() == 0);

  // A port that sets no lamps does not.
  const ConnectionId other = Registered("UM-VI2");
  Tell(other, 0x004C, notification("1001", false));
  EXPECT_TRUE(Comes(other, kMwiResponse));
  EXPECT_EQ(lamp(), "none");
}

TEST_F(EdgeSccpTest, TransfersBlindly) {
  const ConnectionId id = Registered("UM-VI1");
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4000, false)));
  Tell(id, 0x0006, Le(1) + Le(0));
  Opened(id, Take(id, kOpen));
  edge_.TakeToUdp(kPbx);
  edge_.TakeToUdp(kPbx);
  auto ok = edge_.TakeToUdp(kPbx);
  edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
  edge_.sccp[id].clear();

  Tell(id, 0x0026, Le(4) + Le(1) + Le(0));
  ExpectState(id, 8);
  auto hold = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(hold.has_value());
  edge_.Answer(*hold, 200, "",
               TestSdp("192.0.2.10", 4000, false, "a=recvonly\r\n"),
               "<sip:pbx@192.0.2.10>");
  edge_.TakeToUdp(kPbx);
  Tell(id, 0x0004, Padded("1001", 24));
  ExpectState(id, 1);
  ExpectState(id, 12);
  Tell(id, 0x0026, Le(4) + Le(1) + Le(0));
  // Nobody is registered for 1001: the port has its caller back.
  EXPECT_FALSE(edge_.Refusals().empty());
  EXPECT_EQ(edge_.core().calls().live(), 1u);
  edge_.Forget();
}

TEST_F(EdgeSccpTest, ANewPlanSendsPortsAway) {
  const ConnectionId id = Registered("UM-VI1");
  auto same = std::make_shared<PlanSnapshot>(*plan_);
  same->version = 3;
  edge_.Load(same);
  EXPECT_EQ(edge_.core().registrar().size(), 1u);
  auto without = std::make_shared<PlanSnapshot>(*plan_);
  without->version = 4;
  without->voicemail_port_groups[0].ports.erase(
      without->voicemail_port_groups[0].ports.begin());
  edge_.Load(without);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  EXPECT_EQ(edge_.core().connections().Find(id), nullptr);
}

TEST_F(EdgeSccpTest, AnOperatorSendsAPortAway) {
  const ConnectionId id = Registered("UM-VI1");
  edge_.Perform(edge_.core().OnRemoveRegistration(
      edge_.core().registrar().All()[0]->id, edge_.now()));
  EXPECT_EQ(Take(id, kReset).at(0), 2u);
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
  Tell(id, 0x0001, RegisterBody("UM-VI1"));
  EXPECT_TRUE(Comes(id, kRegisterAck));
}

// dialplan refuses such a group; were one to come all the same, so does the
// edge. And SCCP has no keys for a plan with DTLS-SRTP.
TEST_F(EdgeSccpTest, NeitherNullCiphersNorDtlsSrtp) {
  auto plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 3;
  plan->voicemail_port_groups[0].device_security_mode =
      DeviceSecurityMode::kAuthenticated;
  edge_.Load(plan);
  Tell(edge_.ConnectSccp("UM-VI1"), 0x0001, RegisterBody("UM-VI1"));
  EXPECT_EQ(edge_.Refusals(), "NULL_CIPHER_NOT_ALLOWED");
  plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 4;
  for (DialPlanEntry& each : plan->dial_plans) {
    each.srtp_keying = SrtpKeying::kDtls;
  }
  edge_.Load(plan);
  Tell(edge_.ConnectSccp("UM-VI1"), 0x0001, RegisterBody("UM-VI1"));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("SECURITY_MODE_SRTP_REQUIRED"));
  EXPECT_EQ(edge_.core().registrar().size(), 0u);
}

TEST_F(EdgeSccpTest, InClearOnlyWhereThePlanSaysSo) {
  auto plan = std::make_shared<PlanSnapshot>(*plan_);
  plan->version = 3;
  plan->peers.back().dial_plan = "tenants/t/dialPlans/clear";
  plan->voicemail_port_groups[0].device_security_mode =
      DeviceSecurityMode::kNonSecure;
  edge_.Load(plan);
  // Not over TLS, and not from elsewhere.
  const ConnectionId tls = edge_.ConnectSccp("UM-VI1");
  Tell(tls, 0x0001, RegisterBody("UM-VI1"));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("SECURITY_MODE_TLS_NOT_ALLOWED"));
  const ConnectionId far = edge_.ConnectSccp("", "198.51.100.66");
  Tell(far, 0x0001, RegisterBody("UM-VI1"));
  EXPECT_THAT(edge_.Refusals(), HasSubstr("PEER_IDENTITY_MISMATCH"));
  EXPECT_THAT(edge_.Last(EdgeEvent::Type::kRefused)->refusal->steps,
              ElementsAre("source: stranger",
                          "address: no voicemail server is declared there",
                          "identity: PEER_IDENTITY_MISMATCH"));
  // There the name is all that counts.
  Tell(edge_.ConnectSccp(""), 0x0001, RegisterBody("UM-VI9"));
  EXPECT_THAT(
      edge_.Last(EdgeEvent::Type::kRefused)->refusal->expected_identities,
      ElementsAre("UM-VI1", "UM-VI2", "um.d.test"));
  const ConnectionId id = edge_.ConnectSccp("");
  Tell(id, 0x0001, RegisterBody("UM-VI1"));
  Tell(id, 0x0010, Le(1) + Le(4) + Le(40) + std::string(8, '\0'));
  ASSERT_EQ(edge_.core().registrar().size(), 1u);
  edge_.ReceiveUdp(kPbx, PbxInvite("6000", TestSdp("192.0.2.10", 4000, false)));
  Tell(id, 0x0006, Le(1) + Le(0));
  const Frame open = Take(id, kOpen);
  EXPECT_EQ(open.body.substr(28, 40), std::string(40, '\0')) << "no key";
  Opened(id, open);
  const Frame start = Take(id, kStartMedia);
  EXPECT_EQ(start.body.substr(44, 40), std::string(40, '\0'));
  edge_.Forget();
}

}  // namespace
}  // namespace sallyport::signaling_edge
