// The real binary as a process, over real mutual TLS and real sockets: what an
// edge, an operator and a TURN client see, with the issuer down.

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_session.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/relay_test_setup.h"

namespace sallyport::media_relay {
namespace {

constexpr const char* kTrustDomain = kTestTrustDomain;

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

// A UDP socket on loopback that waits for answers.
class Peer {
 public:
  Peer() : udp_(UdpSocket::Bind(SocketAddress::LoopbackV4(0)).value()) {}

  int port() const { return udp_.local_address().port(); }
  void Send(const std::string& bytes, int port) {
    OutgoingDatagram out;
    out.payload = AsBytes(bytes);
    out.peer = SocketAddress::LoopbackV4(static_cast<uint16_t>(port));
    ASSERT_TRUE(udp_.SendOne(out).ok());
  }
  // Empty when nothing comes in time.
  std::string Receive(int milliseconds = 3000) {
    pollfd ready = {udp_.fd(), POLLIN, 0};
    if (poll(&ready, 1, milliseconds) != 1) return "";
    std::array<char, 2048> buffer;
    const ssize_t size = recv(udp_.fd(), buffer.data(), buffer.size(), 0);
    return size <= 0 ? ""
                     : std::string(buffer.data(), static_cast<size_t>(size));
  }

 private:
  UdpSocket udp_;
};

std::string Rtp(uint16_t sequence) {
  std::string packet(12, '\0');
  packet[0] = '\x80';
  packet[2] = static_cast<char>(sequence >> 8);
  packet[3] = static_cast<char>(sequence);
  packet[11] = 7;
  return packet + std::string(160, 'v');
}

template <typename Call>
std::string Through(const std::string& bytes, Call call) {
  std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
  buffer.resize(bytes.size() + kPacketTailroom);
  Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
  if (call(packet) != SrtpResult::kOk) return "failed";
  return ToString(packet.bytes());
}

class MediaRelayTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new MtlsPki("relay"); }

  MediaRelayTest()
      : process_("services/media_relay/media_relay",
                 absl::StrCat(testing::TempDir(), "/",
                              testing::UnitTest::GetInstance()
                                  ->current_test_info()
                                  ->name())) {}

  void SetUp() override {
    // The ring as a relay keeps it; the issuer itself is down.
    ASSERT_TRUE(WriteTestRing(process_.folder() + "/keys.cache").ok());
    Start("2");
  }

  void Start(const std::string& loops) {
    const std::string server = process_.ServerJson(
        pki_->IssueSpiffe(kTrustDomain, "media_relay"), kTrustDomain,
        ",\"drain_timeout\":\"5s\",\"role_bindings\":["
        "{\"identity\":\"spiffe://t.test/operator/ann\",\"role\":"
        "\"ROLE_OPERATOR\",\"tenants\":[\"*\"]}]");
    process_.WriteConfig(absl::StrCat(
        "{\"server\":", server,
        ",\"credential_issuer\":{\"target\":\"127.0.0.1:1\"}",
        ",\"external\":{\"addresses\":[\"127.0.0.1\"]}",
        ",\"federated_partners\":[{\"name\":\"old\",\"generation\":"
        "\"PARTNER_GENERATION_OCS_2007\"}]"
        ",\"ephemeral_ports\":true,\"disable_tcp\":true,\"loops\":",
        loops, ",\"peer_policy\":{\"allowed_prefixes\":[\"127.0.0.1/32\"]}",
        ",\"keys_cache_file\":\"", process_.folder(), "/keys.cache\"}"));
    process_.Start();
  }

  std::unique_ptr<RelayStub> Stub(const std::string& who) {
    return ConnectToRelay(*pki_, process_, who);
  }

  template <typename Method, typename Request, typename Response>
  absl::Status Call(RelayStub& stub, Method method, const Request& request,
                    Response* response) {
    return CallRelay(stub, method, request, response);
  }

  using Stubs = RelayStub;

  static MtlsPki* pki_;
  ServiceProcess process_;
};

MtlsPki* MediaRelayTest::pki_ = nullptr;

TEST_F(MediaRelayTest, BridgesSrtpAndRtpForAnEdge) {
  auto edge = Stub("signaling_edge");
  Peer phone;
  Peer gateway;
  const std::string phone_key(30, 'p');

  v1::CreateSessionRequest create;
  create.set_parent("tenants/default");
  create.set_request_id("call-1");
  auto& session = *create.mutable_session();
  session.set_owner("edge-0");
  session.set_call("calls/1");
  auto& a = *session.mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  a.mutable_remote_rtp()->set_address("127.0.0.1");
  a.mutable_remote_rtp()->set_port(static_cast<uint32_t>(phone.port()));
  a.mutable_remote_key()->set_key_salt(phone_key);
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  v1::Session made;
  ASSERT_TRUE(Call(*edge, &Stubs::CreateSession, create, &made).ok());
  EXPECT_EQ(made.leg_a().local_key().key_salt().size(), 30u);
  EXPECT_FALSE(made.leg_b().has_local_key());
  EXPECT_GE(made.leg_a().local_rtp_port(), 50000u);
  EXPECT_EQ(made.leg_a().local_rtcp_port(), made.leg_a().local_rtp_port() + 1);
  EXPECT_EQ(made.leg_a().local_address(), "127.0.0.1");
  EXPECT_EQ(made.state(), v1::SESSION_STATE_WAITING);

  // Idempotent.
  v1::Session again;
  ASSERT_TRUE(Call(*edge, &Stubs::CreateSession, create, &again).ok());
  EXPECT_EQ(again.name(), made.name());

  // The answer of the called party arrives.
  v1::UpdateSessionRequest update;
  update.mutable_session()->set_name(made.name());
  update.mutable_session()->set_owner("edge-0");
  auto& remote =
      *update.mutable_session()->mutable_leg_b()->mutable_remote_rtp();
  remote.set_address("127.0.0.1");
  remote.set_port(static_cast<uint32_t>(gateway.port()));
  update.mutable_update_mask()->add_paths("leg_b.remote_rtp");
  v1::Session updated;
  ASSERT_TRUE(Call(*edge, &Stubs::UpdateSession, update, &updated).ok());
  EXPECT_EQ(updated.etag(), "2");

  auto to_relay = SrtpSession::Create(
                      Library(), SrtpSuite::kAesCm128HmacSha1_80,
                      AsBytes(phone_key), {}, SrtpSession::Direction::kProtect)
                      .value();
  auto from_relay =
      SrtpSession::Create(Library(), SrtpSuite::kAesCm128HmacSha1_80,
                          AsBytes(made.leg_a().local_key().key_salt()), {},
                          SrtpSession::Direction::kUnprotect)
          .value();
  const int port_a = static_cast<int>(made.leg_a().local_rtp_port());
  const int port_b = static_cast<int>(made.leg_b().local_rtp_port());
  for (uint16_t i = 0; i < 100; ++i) {
    phone.Send(
        Through(Rtp(i), [&](Packet& p) { return to_relay->ProtectRtp(p); }),
        port_a);
    ASSERT_EQ(gateway.Receive(), Rtp(i)) << i;
    gateway.Send(Rtp(i), port_b);
    ASSERT_EQ(Through(phone.Receive(),
                      [&](Packet& p) { return from_relay->UnprotectRtp(p); }),
              Rtp(i))
        << i;
  }
  // What waits together is authenticated together, each datagram for itself:
  // every tenth has a wrong tag, every seventh comes twice.
  ASSERT_EQ(kill(process_.pid(), SIGSTOP), 0);
  std::vector<std::string> whole;
  uint64_t wrong = 0;
  uint64_t repeated = 0;
  for (uint16_t i = 100; i < 150; ++i) {
    std::string packet =
        Through(Rtp(i), [&](Packet& p) { return to_relay->ProtectRtp(p); });
    if (i % 10 == 5) {
      packet.back() ^= 1;
      ++wrong;
    } else {
      whole.push_back(Rtp(i));
    }
    phone.Send(packet, port_a);
    if (i % 7 != 0 || i % 10 == 5) continue;
    phone.Send(packet, port_a);
    ++repeated;
  }
  ASSERT_EQ(kill(process_.pid(), SIGCONT), 0);
  for (const std::string& packet : whole) ASSERT_EQ(gateway.Receive(), packet);

  // A stranger and a forger get nothing through.
  Peer stranger;
  stranger.Send(Rtp(1000), port_b);
  phone.Send(Rtp(1001), port_a);
  EXPECT_EQ(gateway.Receive(200), "");
  EXPECT_EQ(phone.Receive(50), "");

  v1::DeleteSessionRequest remove;
  remove.set_name(made.name());
  v1::Session final_state;
  ASSERT_TRUE(Call(*edge, &Stubs::DeleteSession, remove, &final_state).ok());
  EXPECT_EQ(final_state.state(), v1::SESSION_STATE_ENDED);
  const v1::LegStatistics& of_a = final_state.leg_a().statistics();
  const v1::LegStatistics& of_b = final_state.leg_b().statistics();
  EXPECT_EQ(of_a.packets_received(), 100u + whole.size());
  EXPECT_EQ(of_a.packets_sent(), 100u);
  EXPECT_EQ(of_a.bytes_received(), 160 * (100u + whole.size()));
  EXPECT_EQ(of_a.packets_lost(), wrong);
  EXPECT_EQ(of_a.authentication_failures(), 1u + wrong);
  EXPECT_EQ(of_a.dropped_packets().at("replayed"), repeated);
  EXPECT_EQ(of_b.packets_received(), 100u);
  EXPECT_EQ(of_b.dropped_packets().at("source_refused"), 1u);
  EXPECT_GT(FromProto(of_a.added_delay_p99()), absl::ZeroDuration());
  EXPECT_FALSE(final_state.leg_a().has_local_key());
  // The ports are closed (AVE-28).
  phone.Send("x", port_a);
  v1::GetSessionRequest get;
  get.set_name(made.name());
  v1::Session gone;
  EXPECT_EQ(ReasonOf(Call(*edge, &Stubs::GetSession, get, &gone)),
            "SESSION_NOT_FOUND");
}

TEST_F(MediaRelayTest, OperatorsLookButSeeNoKeysAndMakeNoSessions) {
  auto edge = Stub("signaling_edge");
  auto ann = Stub("operator/ann");
  auto capf = Stub("capf");
  v1::CreateSessionRequest create;
  create.set_parent("tenants/default");
  create.mutable_session()->set_owner("edge-0");
  create.mutable_session()->mutable_leg_a()->set_protocol(
      type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  create.mutable_session()->mutable_leg_b()->set_protocol(
      type::v1::MEDIA_PROTOCOL_RTP);
  v1::Session made;
  EXPECT_EQ(Call(*ann, &Stubs::CreateSession, create, &made).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Call(*capf, &Stubs::CreateSession, create, &made).code(),
            absl::StatusCode::kPermissionDenied);
  for (int i = 0; i < 5; ++i) {
    create.set_session_id(absl::StrCat("s", i));
    ASSERT_TRUE(Call(*edge, &Stubs::CreateSession, create, &made).ok());
  }
  v1::GetSessionRequest get;
  get.set_name(made.name());
  v1::Session seen;
  ASSERT_TRUE(Call(*ann, &Stubs::GetSession, get, &seen).ok());
  EXPECT_FALSE(seen.leg_a().has_local_key());
  ASSERT_TRUE(Call(*edge, &Stubs::GetSession, get, &seen).ok());
  EXPECT_TRUE(seen.leg_a().has_local_key());

  // Pages, over two loops, in order.
  std::vector<std::string> names;
  v1::ListSessionsRequest list;
  list.set_parent("tenants/-");
  list.set_page_size(2);
  for (int page = 0; page < 10; ++page) {
    v1::ListSessionsResponse answer;
    ASSERT_TRUE(Call(*ann, &Stubs::ListSessions, list, &answer).ok());
    for (const v1::Session& session : answer.sessions()) {
      names.push_back(session.name());
      EXPECT_FALSE(session.leg_a().has_local_key());
    }
    if (answer.next_page_token().empty()) break;
    list.set_page_token(answer.next_page_token());
  }
  ASSERT_EQ(names.size(), 5u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(names[static_cast<size_t>(i)],
              absl::StrCat("tenants/default/sessions/s", i));
  }

  v1::RenewSessionsRequest renew;
  renew.set_owner("edge-0");
  v1::RenewSessionsResponse renewed;
  ASSERT_TRUE(Call(*edge, &Stubs::RenewSessions, renew, &renewed).ok());
  EXPECT_EQ(renewed.renewed_count(), 5u);

  v1::RelayStatus status;
  ASSERT_TRUE(
      Call(*ann, &Stubs::GetStatus, v1::GetStatusRequest(), &status).ok());
  EXPECT_EQ(status.load().session_count(), 5u);
  EXPECT_EQ(status.load().ports_used(), 20u);
  EXPECT_EQ(status.load().ports_total(), 10000u);
  EXPECT_EQ(status.relay_port_min(), 50000u);
  EXPECT_EQ(status.relay_port_max(), 59999u);
  ASSERT_EQ(status.federated_partners_size(), 1);
  EXPECT_EQ(status.federated_partners(0).name(), "old");
  EXPECT_TRUE(status.federated_partners(0).uses_relay_ports());
  ASSERT_EQ(status.key_ids_size(), 1);
  EXPECT_EQ(status.key_ids(0), 7u);
  EXPECT_TRUE(status.info().sources(0).from_cache());
  EXPECT_THAT(status.info().certificate().subject_alt_names(),
              testing::Contains("URI:spiffe://t.test/media_relay"));

  // Load is streamed, to edges and operators alone.
  {
    grpc::ClientContext watching;
    v1::WatchLoadRequest ask;
    *ask.mutable_interval() = ToProto(absl::Milliseconds(100));
    auto loads = edge->WatchLoad(&watching, ask);
    for (int i = 0; i < 3; ++i) {
      v1::WatchLoadResponse load;
      ASSERT_TRUE(loads->Read(&load)) << i;
      EXPECT_EQ(load.load().session_count(), 5u);
      EXPECT_EQ(load.load().session_capacity(), 5000u);
      EXPECT_FALSE(load.load().draining());
    }
    watching.TryCancel();
    EXPECT_EQ(loads->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  const auto refused = [](v1::MediaRelayService::Stub& stub,
                          absl::Duration interval) {
    grpc::ClientContext watching;
    v1::WatchLoadRequest ask;
    *ask.mutable_interval() = ToProto(interval);
    auto loads = stub.WatchLoad(&watching, ask);
    v1::WatchLoadResponse load;
    EXPECT_FALSE(loads->Read(&load));
    return std::string(ReasonOf(FromGrpc(loads->Finish())));
  };
  EXPECT_EQ(refused(*edge, absl::Milliseconds(99)), "INTERVAL_INVALID");
  EXPECT_EQ(refused(*edge, absl::Seconds(61)), "INTERVAL_INVALID");
  EXPECT_EQ(refused(*capf, absl::Seconds(1)), "CALLER_NOT_ACCEPTED");
}

// AVE-23: where the ports must be ours alone, it does not start beside another
// program that has one.
TEST_F(MediaRelayTest, DoesNotStartOnPortsOfOthersIfToldSo) {
  const auto taken = UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  ASSERT_TRUE(taken.ok());
  const int port = taken->local_address().port();
  const std::string file = process_.folder() + "/exclusive.json";
  const std::string log = process_.folder() + "/exclusive.log";
  std::ofstream(file) << absl::StrCat(
      "{\"server\":",
      process_.ServerJson(pki_->IssueSpiffe(kTrustDomain, "media_relay"),
                          kTrustDomain, ""),
      ",\"external\":{\"addresses\":[\"127.0.0.1\"]},\"relay_port_min\":",
      port - 1, ",\"relay_port_max\":", port,
      ",\"ephemeral_ports\":true,\"require_exclusive_ports\":true}");
  const int status = std::system(
      absl::StrCat("timeout 20 services/media_relay/media_relay --config=",
                   file, " 2>", log)
          .c_str());
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  std::ifstream in(log);
  const std::string said(std::istreambuf_iterator<char>(in), {});
  EXPECT_NE(said.find("RELAY_PORTS_NOT_EXCLUSIVE"), std::string::npos) << said;
}

TEST_F(MediaRelayTest, WrongRequestsNameEveryField) {
  auto edge = Stub("signaling_edge");
  v1::CreateSessionRequest create;
  create.set_parent("tenants/default");
  create.mutable_session()->mutable_leg_a()->set_protocol(
      type::v1::MEDIA_PROTOCOL_DTLS_SRTP);
  create.mutable_session()->mutable_leg_b()->set_protocol(
      type::v1::MEDIA_PROTOCOL_RTP);
  create.mutable_session()->mutable_leg_b()->mutable_remote_rtp()->set_address(
      "example.test");
  v1::Session made;
  const absl::Status status = Call(*edge, &Stubs::CreateSession, create, &made);
  EXPECT_EQ(ReasonOf(status), "SESSION_INVALID");
  std::vector<std::string> fields;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    fields.push_back(violation.field);
  }
  EXPECT_EQ(fields,
            (std::vector<std::string>{"session.owner", "session.leg_a.rtcp_mux",
                                      "session.leg_b.remote_rtp.address",
                                      "session.leg_b.remote_rtp.port"}));
}

TEST_F(MediaRelayTest, TurnWorksFromTheCachedKeysAndDrains) {
  auto ann = Stub("operator/ann");
  SystemRandom random;
  TurnTestClient client(absl::Now(), random);
  const int stun = process_.port("stun_udp");
  ASSERT_GT(stun, 0);
  Peer user;
  Peer peer;
  const auto udp = [](StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
  };
  user.Send(client.Bare(StunMethod::kAllocate, udp), stun);
  client.TakeChallenge(user.Receive());
  user.Send(client.Signed(StunMethod::kAllocate, udp), stun);
  const std::string answer = user.Receive();
  ASSERT_EQ(TurnTestClient::CodeOf(answer), 0);
  const Endpoint relayed =
      *ParseStunMessage(AsBytes(answer))
           ->FindXorAddress(stun_attribute::kXorRelayedAddress);

  const Endpoint to{*IpAddress::Parse("127.0.0.1"),
                    static_cast<uint16_t>(peer.port())};
  user.Send(
      client.Signed(StunMethod::kChannelBind,
                    [&](StunWriter& w) {
                      w.AddUint32(stun_attribute::kChannelNumber, 0x40010000);
                      w.AddXorAddress(stun_attribute::kXorPeerAddress, to);
                    }),
      stun);
  ASSERT_EQ(TurnTestClient::CodeOf(user.Receive()), 0);
  user.Send(std::string("\x40\x01\x00\x02hi", 6), stun);
  EXPECT_EQ(peer.Receive(), "hi");
  peer.Send("back", relayed.port);
  EXPECT_EQ(user.Receive(), std::string("\x40\x01\x00\x04"
                                        "back",
                                        8));

  v1::ListAllocationsRequest list;
  list.set_parent("tenants/default");
  v1::ListAllocationsResponse allocations;
  ASSERT_TRUE(Call(*ann, &Stubs::ListAllocations, list, &allocations).ok());
  ASSERT_EQ(allocations.allocations_size(), 1);
  const v1::Allocation& shown = allocations.allocations(0);
  EXPECT_EQ(shown.key_id(), 7u);
  EXPECT_EQ(shown.packets_to_peers(), 1u);
  EXPECT_EQ(shown.packets_to_client(), 1u);
  EXPECT_EQ(shown.relayed_address().port(), relayed.port);

  // SIGTERM: live ones go on, new ones get 508, who watches is told.
  grpc::ClientContext watching;
  v1::WatchLoadRequest ask;
  *ask.mutable_interval() = ToProto(absl::Minutes(1));
  auto loads = ann->WatchLoad(&watching, ask);
  v1::WatchLoadResponse load;
  ASSERT_TRUE(loads->Read(&load));
  EXPECT_FALSE(load.load().draining());
  process_.Signal(SIGTERM);
  ASSERT_TRUE(loads->Read(&load));
  EXPECT_TRUE(load.load().draining());
  EXPECT_EQ(load.load().allocation_count(), 1u);
  process_.WaitForLog("draining");
  absl::SleepFor(absl::Milliseconds(200));
  user.Send(std::string("\x40\x01\x00\x02go", 6), stun);
  EXPECT_EQ(peer.Receive(), "go");
  Peer late;
  TurnTestClient second(absl::Now(), random, absl::Hours(1), "late");
  late.Send(second.Bare(StunMethod::kAllocate, udp), stun);
  second.TakeChallenge(late.Receive());
  late.Send(second.Signed(StunMethod::kAllocate, udp), stun);
  EXPECT_EQ(TurnTestClient::CodeOf(late.Receive()), 508);
  // The last allocation ends, and the process with it, before its timeout.
  user.Send(client.Signed(StunMethod::kRefresh,
                          [](StunWriter& w) {
                            w.AddUint32(stun_attribute::kLifetime, 0);
                          }),
            stun);
  EXPECT_EQ(process_.Terminate(), 0);
}

// Thousands of mutated messages to every listener, under whatever sanitizer
// the build has: no crash, no answer, and the service goes on.
TEST_F(MediaRelayTest, MalformedInputCostsNothing) {
  auto edge = Stub("signaling_edge");
  auto ann = Stub("operator/ann");
  Peer noisy;
  Peer phone;
  Peer gateway;
  SystemRandom random;
  const int stun = process_.port("stun_udp");
  const auto mutate = [&](std::string bytes) {
    const size_t changes = 1 + random.Uniform(4);
    for (size_t i = 0; i < changes && !bytes.empty(); ++i) {
      bytes[random.Uniform(bytes.size())] =
          static_cast<char>(random.Uniform(256));
    }
    if (random.Uniform(4) == 0) bytes.resize(random.Uniform(bytes.size() + 9));
    return bytes;
  };

  // The client port: noise, and mutants of good requests.
  TurnTestClient client(absl::Now(), random);
  const auto udp = [](StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
  };
  noisy.Send(client.Bare(StunMethod::kAllocate, udp), stun);
  client.TakeChallenge(noisy.Receive());
  const std::vector<std::string> good = {
      client.Bare(StunMethod::kBinding),
      client.Signed(StunMethod::kAllocate, udp),
      client.Signed(StunMethod::kRefresh),
      client.Signed(StunMethod::kChannelBind, udp),
      std::string("\x40\x01\x00\x02hi", 6)};
  for (int i = 0; i < 4000; ++i) {
    const std::string& original = good[static_cast<size_t>(i) % good.size()];
    const std::string bad = mutate(original);
    if (bad != original) noisy.Send(bad, stun);
    if (i % 50 == 0) absl::SleepFor(absl::Milliseconds(1));
  }

  // Every media port, from the right source and from others.
  const std::string key(30, 'p');
  v1::CreateSessionRequest create;
  create.set_parent("tenants/default");
  create.mutable_session()->set_owner("edge-0");
  auto& a = *create.mutable_session()->mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  a.mutable_remote_rtp()->set_address("127.0.0.1");
  a.mutable_remote_rtp()->set_port(static_cast<uint32_t>(phone.port()));
  a.mutable_remote_rtcp()->set_address("127.0.0.1");
  a.mutable_remote_rtcp()->set_port(static_cast<uint32_t>(phone.port()));
  a.mutable_remote_key()->set_key_salt(key);
  auto& b = *create.mutable_session()->mutable_leg_b();
  b.set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  b.mutable_remote_rtp()->set_address("127.0.0.1");
  b.mutable_remote_rtp()->set_port(static_cast<uint32_t>(gateway.port()));
  v1::Session made;
  ASSERT_TRUE(Call(*edge, &Stubs::CreateSession, create, &made).ok());
  auto protect =
      SrtpSession::Create(Library(), SrtpSuite::kAesCm128HmacSha1_80,
                          AsBytes(key), {}, SrtpSession::Direction::kProtect)
          .value();
  const auto srtp = [&](uint16_t sequence) {
    return Through(Rtp(sequence),
                   [&](Packet& p) { return protect->ProtectRtp(p); });
  };
  const std::string sample = srtp(0);
  for (int i = 0; i < 4000; ++i) {
    std::string bad = mutate(sample);
    if (bad == sample) continue;
    Peer& from = i % 2 == 0 ? phone : noisy;
    from.Send(bad,
              static_cast<int>(i % 4 < 2 ? made.leg_a().local_rtp_port()
                                         : made.leg_a().local_rtcp_port()));
    noisy.Send(mutate(Rtp(1)), static_cast<int>(made.leg_b().local_rtp_port()));
    if (i % 50 == 0) absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(gateway.Receive(200), "");
  // The call goes on.
  phone.Send(srtp(1), static_cast<int>(made.leg_a().local_rtp_port()));
  EXPECT_EQ(gateway.Receive(), Rtp(1));
  v1::RelayStatus status;
  ASSERT_TRUE(
      Call(*ann, &Stubs::GetStatus, v1::GetStatusRequest(), &status).ok());
  EXPECT_EQ(status.load().allocation_count(), 0u);
  EXPECT_EQ(status.load().session_count(), 1u);
  EXPECT_GT(status.dropped_packets().at("auth_failed"), 100u);
  Peer user;
  user.Send(client.Bare(StunMethod::kBinding), stun);
  EXPECT_EQ(TurnTestClient::CodeOf(user.Receive()), 0);
}

}  // namespace
}  // namespace sallyport::media_relay
