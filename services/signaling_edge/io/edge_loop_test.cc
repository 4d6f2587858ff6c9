#include "services/signaling_edge/io/edge_loop.h"

#include <openssl/base.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/rank.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/fake_random.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kTenant[] = "tenants/t";

// A UAC over TCP or TLS that remembers what it hears.
struct Client final : StreamHandler {
  void OnOpen() override { open = true; }
  void OnData(ByteSpan data) override {
    heard += ToString(data);
    ++reads;
  }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status why) override { closed = std::move(why); }
  bool over() const { return ended || closed.has_value(); }

  bool open = false, ended = false;
  std::string heard;
  int reads = 0;
  std::optional<absl::Status> closed;
  std::unique_ptr<ByteStream> stream;
};

void AddRevoked(const TestCertificate& certificate,
                capf::v1::WatchTrustBundleResponse& message) {
  bssl::UniquePtr<CRYPTO_BUFFER> buffer(CRYPTO_BUFFER_new(
      AsBytes(certificate.der).data(), certificate.der.size(), nullptr));
  bssl::UniquePtr<X509> x509(X509_parse_from_buffer(buffer.get()));
  uint8_t* issuer = nullptr;
  const int size = i2d_X509_NAME(X509_get_issuer_name(x509.get()), &issuer);
  const bssl::UniquePtr<uint8_t> owned(issuer);
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(x509.get());
  auto& revoked = *message.add_revoked();
  revoked.set_issuer(issuer, static_cast<size_t>(size));
  revoked.set_serial(ASN1_STRING_get0_data(serial),
                     static_cast<size_t>(ASN1_STRING_length(serial)));
}

std::string Options(const std::string& transport, const std::string& branch) {
  return "OPTIONS sip:edge.test SIP/2.0\r\n"
         "Via: SIP/2.0/" +
         transport + " 127.0.0.1:9;rport;branch=z9hG4bK" + branch +
         "\r\n"
         "Max-Forwards: 70\r\nFrom: <sip:a@edge.test>;tag=1\r\n"
         "To: <sip:edge.test>\r\nCall-ID: " +
         branch + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
}

// The PROXY header of a client 203.0.113.x:49153.
std::string ProxyV2(char last_octet = 7) {
  std::string out("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
  out += std::string("\xcb\x00\x71", 3) + last_octet;
  out += std::string("\x0a\x00\x00\x01\xc0\x01\x13\xc4", 8);
  return out;
}

// A loop on ephemeral ports of 127.0.0.1: UDP, TCP, TLS. The peer "gw" of
// tenants/t is gw.test, its authority ca_.
class EdgeLoopTest : public testing::Test {
 protected:
  explicit EdgeLoopTest(std::vector<std::string> proxies = {}) {
    EdgeLoop::Options options;
    options.proxies = std::move(proxies);
    for (const SipTransport transport :
         {SipTransport::kUdp, SipTransport::kTcp, SipTransport::kTls}) {
      ListenerSpec spec;
      spec.transport = transport;
      spec.bind = SocketAddress::LoopbackV4(0);
      spec.logical_port = transport == SipTransport::kTls ? 5061 : 5060;
      options.listeners.push_back(spec);
    }
    options.core.handshake_timeout = absl::Milliseconds(300);
    options.core.max_connections_per_source = 3;
    // One at a time, and time between two to see so.
    options.judging = absl::ZeroDuration();
    options.between_judging = absl::Milliseconds(100);
    options.on_event = [this](EdgeLoop&, const EdgeEvent& e) {
      events_.push_back(e);
    };
    edge_ = *EdgeLoop::Create(*loop_, std::move(options), random_);
    edge_->SetPlan(Plan("gw.test"));
    SetTrust(3, {});
  }

  static std::shared_ptr<const Resolver> Plan(const std::string& subject,
                                              const char* trust_store = "") {
    auto plan = std::make_shared<PlanSnapshot>();
    plan->version = 1;
    TenantEntry tenant;
    tenant.name = kTenant;
    tenant.domains = {"edge.test"};
    tenant.default_dial_plan = "tenants/t/dialPlans/d";
    plan->tenants = {tenant};
    DialPlanEntry dial_plan;
    dial_plan.name = tenant.default_dial_plan;
    dial_plan.security_mode = SecurityMode::kSipSecured;
    plan->dial_plans = {dial_plan};
    PeerEntry peer;
    peer.name = "tenants/t/peers/gw";
    peer.dial_plan = dial_plan.name;
    peer.fqdn = "gw.test";
    peer.x509_subjects = {subject};
    peer.incoming_port = 5061;
    peer.trust_store = trust_store;
    plan->peers = {peer};
    ResolveDefaults(*plan);
    return *Resolver::Create(plan);
  }

  // Trusts ca_ for the peers of kTenant and other_ca_ for those of another.
  void SetTrust(int64_t version, const std::vector<TestCertificate>& revoked,
                bool trusts_ca = true, std::function<void()> done = nullptr) {
    capf::v1::WatchTrustBundleResponse message;
    message.set_version(version);
    message.set_full(true);
    const auto add = [&](const std::string& tenant, const TestCa& ca,
                         const char* id = "CallManager-trust") {
      auto& store = *message.add_stores();
      store.set_name(tenant + "/trustStores/" + id);
      store.add_certificates(ca.certificate().der);
    };
    add(kTenant, presence_ca_, "cup-trust");
    add(kTenant, xmpp_ca_, "cup-xmpp-trust");
    if (trusts_ca) add(kTenant, ca_);
    add("tenants/other", other_ca_);
    for (const TestCertificate& each : revoked) AddRevoked(each, message);
    const auto bundle = TrustBundle::Make(message, {});
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    TlsFileSet files;
    const TestCertificate own = ca_.IssueDns("edge.test");
    files.certificate_file = WriteTestFile("edge.pem", own.pem);
    files.key_file = WriteTestFile("edge.key", own.key_pem);
    const auto contexts = MakeTlsContexts(files, *bundle, version);
    ASSERT_TRUE(contexts.ok()) << contexts.status();
    edge_->SetTrust(*bundle, *contexts, std::move(done));
  }

  SocketAddress AddressOf(ListenerId listener) {
    return edge_->listeners().bound(listener);
  }

  std::unique_ptr<Client> ConnectTcp() {
    auto out = std::make_unique<Client>();
    out->stream = *TcpStream::Connect(*loop_, AddressOf(1), {}, *out);
    return out;
  }

  std::unique_ptr<Client> ConnectTls(const TestCertificate* certificate) {
    TlsContextOptions options;
    options.role = TlsRole::kClient;
    options.trust_anchors = *TrustAnchors::FromPem(ca_.pem());
    if (certificate != nullptr) {
      options.certificate_chain_pem = certificate->pem;
      options.private_key_pem = certificate->KeySecret();
    }
    auto out = std::make_unique<Client>();
    out->stream = *TlsStream::Connect(*loop_, AddressOf(2),
                                      *TlsContext::Create(std::move(options)),
                                      {.server_name = "edge.test"}, *out);
    return out;
  }

  void RunUntil(const std::function<bool()>& done) {
    const MonoTime start = loop_->RefreshNow();
    while (!done()) {
      ASSERT_LT(loop_->now() - start, absl::Seconds(5)) << "timed out";
      loop_->RunOnce(absl::Milliseconds(20));
    }
  }

  const EdgeEvent* Last(EdgeEvent::Type type) const {
    for (auto it = events_.rbegin(); it != events_.rend(); ++it) {
      if (it->type == type) return &*it;
    }
    return nullptr;
  }

  // Waits for a refusal and returns its reason.
  std::string Refusal() {
    RunUntil([&] { return Last(EdgeEvent::Type::kRefused) != nullptr; });
    const EdgeEvent* event = Last(EdgeEvent::Type::kRefused);
    return event == nullptr ? "" : event->reason;
  }

  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  FakeRandom random_;
  TestCa ca_{"Peers"}, other_ca_{"Others"}, unknown_ca_{"Unknown"};
  TestCa presence_ca_{"Presence"}, xmpp_ca_{"XMPP"};
  std::vector<EdgeEvent> events_;
  std::unique_ptr<EdgeLoop> edge_;
};

TEST_F(EdgeLoopTest, AnswersOptionsOverUdp) {
  UdpSocket socket = *UdpSocket::Bind(SocketAddress::LoopbackV4(0));
  const std::string request = Options("UDP", "u1");
  ASSERT_TRUE(
      socket.SendOne({.payload = AsBytes(request), .peer = AddressOf(0)}).ok());
  UdpReceiveBuffer buffer;
  std::string heard;
  RunUntil([&] {
    const auto got = socket.Receive(buffer);
    if (got.ok() && !got->empty()) heard = ToString((*got)[0].payload);
    return !heard.empty();
  });
  EXPECT_EQ(heard.rfind("SIP/2.0 200 ", 0), 0u) << heard;
}

// RFC 3261 section 18.3: a stream is cut by Content-Length, wherever TCP cuts.
TEST_F(EdgeLoopTest, TcpInPiecesIsOneMessage) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  const std::string two = Options("TCP", "t1") + Options("TCP", "t2");
  for (const char c : two) {
    ASSERT_TRUE(client->stream->Write(AsBytes(std::string(1, c))).ok());
    loop_->RunOnce(absl::ZeroDuration());
  }
  RunUntil(
      [&] { return client->heard.find("Call-ID: t2") != std::string::npos; });
  EXPECT_NE(client->heard.find("Call-ID: t1"), std::string::npos);
  EXPECT_EQ(edge_->core().stats().requests, 2u);
}

// UM-14, RFC 5922. UM-58: the gateway that calls begins the handshake.
TEST_F(EdgeLoopTest, APeerIsKnownByItsCertificate) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  const auto client = ConnectTls(&gw);
  RunUntil([&] { return Last(EdgeEvent::Type::kConnectionOpened) != nullptr; });
  const Connection* connection = edge_->core().connections().All().at(0);
  ASSERT_TRUE(connection->identity.has_value());
  EXPECT_EQ(connection->identity->resource, "tenants/t/peers/gw");
  EXPECT_EQ(connection->identity->matched.name, "gw.test");
  EXPECT_EQ(connection->tls->version, "TLSv1.3");
  EXPECT_EQ(connection->tls->server_name, "edge.test");
  EXPECT_EQ(connection->tls->trust_store, kPeerTrustStore);
  EXPECT_EQ(edge_->Find(connection->id)->trust_version(), 3);
  ASSERT_TRUE(client->stream->Write(AsBytes(Options("TLS", "s1"))).ok());
  RunUntil([&] { return client->heard.find("200 OK") != std::string::npos; });
}

// However many strangers want a handshake, a peer that is known is answered in
// the turn in which it speaks.
TEST_F(EdgeLoopTest, APeerIsServedBeforeStrangers) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  const auto peer = ConnectTls(&gw);
  RunUntil([&] { return Last(EdgeEvent::Type::kConnectionOpened) != nullptr; });
  RunUntil([&] { return peer->open; });
  const ConnectionId known = edge_->core().connections().All().at(0)->id;
  EXPECT_EQ(edge_->Find(known)->rank(), Rank::kFirst);
  // What they say is there before the peer's request is.
  const TestCertificate stranger = unknown_ca_.IssueDns("gw.test");
  std::vector<std::unique_ptr<Client>> strangers;
  for (int i = 0; i < 2; ++i) strangers.push_back(ConnectTls(&stranger));
  RunUntil([&] { return edge_->core().connections().size() == 3; });
  loop_->SetTimeForLast(absl::ZeroDuration());
  ASSERT_TRUE(peer->stream->Write(AsBytes(Options("TLS", "first"))).ok());
  const uint64_t before = edge_->core().stats().requests;
  loop_->RunOnce(absl::Seconds(5));
  EXPECT_EQ(edge_->core().stats().requests, before + 1);
  EXPECT_EQ(Last(EdgeEvent::Type::kRefused), nullptr);
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_UNTRUSTED");
}

// A connection over TCP has proven nothing by being there.
TEST_F(EdgeLoopTest, AStrangersConnectionComesLast) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  ASSERT_TRUE(client->stream->Write(AsBytes(Options("TCP", "s1"))).ok());
  RunUntil([&] { return client->heard.find("200 OK") != std::string::npos; });
  const ConnectionId id = edge_->core().connections().All().at(0)->id;
  EXPECT_EQ(edge_->Find(id)->rank(), Rank::kLast);
}

// More than is heard at once, cut within a message.
TEST_F(EdgeLoopTest, AllOfWhatCameTogetherIsHeardInItsOrder) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  constexpr int kCount = 90;
  std::string all;
  for (int i = 0; i < kCount; ++i) {
    all += Options("TCP", "m" + std::to_string(100 + i));
  }
  ASSERT_GT(all.size(), 2u * 8192);
  ASSERT_TRUE(client->stream->Write(AsBytes(all)).ok());
  RunUntil(
      [&] { return client->heard.find("Call-ID: m189") != std::string::npos; });
  EXPECT_EQ(edge_->core().stats().requests, uint64_t{kCount});
  size_t at = 0;
  for (int i = 0; i < kCount; ++i) {
    at = client->heard.find("Call-ID: m" + std::to_string(100 + i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

// RFC 3261 section 18.3: where the next message begins is not known.
TEST_F(EdgeLoopTest, AfterAMessageWithoutAnEndNothingIsHeard) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  std::string all = Options("TCP", "bad");
  all.replace(all.find("Content-Length: 0"), 17, "Content-Length: x");
  for (int i = 0; i < 90; ++i) all += Options("TCP", "after");
  ASSERT_GT(all.size(), 2u * 8192);
  ASSERT_TRUE(client->stream->Write(AsBytes(all)).ok());
  RunUntil([&] { return client->over(); });
  EXPECT_EQ(client->heard.find("Call-ID: after"), std::string::npos);
  EXPECT_EQ(edge_->core().connections().size(), 0u);
}

// What is answered in one turn goes as one, in its order.
TEST_F(EdgeLoopTest, AnswersOfOneTurnGoTogether) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  client->reads = 0;
  std::string three;
  for (const char* id : {"g1", "g2", "g3"}) three += Options("TCP", id);
  ASSERT_TRUE(client->stream->Write(AsBytes(three)).ok());
  RunUntil(
      [&] { return client->heard.find("Call-ID: g3") != std::string::npos; });
  EXPECT_LT(client->heard.find("Call-ID: g1"),
            client->heard.find("Call-ID: g2"));
  EXPECT_EQ(client->reads, 1);
}

// IMP-44: a trusted chain, and a name that is not selected.
TEST_F(EdgeLoopTest, AWrongNameIsRefusedAndNothingIsTold) {
  const TestCertificate wrong = ca_.IssueDns("wrong.test");
  const auto client = ConnectTls(&wrong);
  EXPECT_EQ(Refusal(), "PEER_IDENTITY_MISMATCH");
  RunUntil([&] { return client->over(); });
  EXPECT_EQ(client->heard, "");
  const EdgeEvent* event = Last(EdgeEvent::Type::kRefused);
  ASSERT_EQ(event->refusal->presented_identities.size(), 1u);
  EXPECT_EQ(event->refusal->presented_identities[0], "DNS:wrong.test");
  EXPECT_EQ(edge_->core().connections().size(), 0u);
}

// UM-59: before the core hears of the connection. UM-60: and it is told.
TEST_F(EdgeLoopTest, AnUnknownAuthorityIsRefusedInTheHandshake) {
  const TestCertificate stranger = unknown_ca_.IssueDns("gw.test");
  const auto client = ConnectTls(&stranger);
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_UNTRUSTED");
  const EdgeEvent* event = Last(EdgeEvent::Type::kRefused);
  EXPECT_EQ(event->refusal->certificate_subject, "CN=gw.test");
  // CUC-69: who sent the alert, and the issuer that is missing.
  EXPECT_EQ(event->refusal->tls_alert, "unknown_ca");
  EXPECT_TRUE(event->refusal->alert_sent);
  EXPECT_FALSE(event->refusal->certificate_issuer.empty());
  RunUntil([&] { return client->over(); });
  EXPECT_EQ(client->heard, "");
}

// IMP-09, IMP-16: SIP peers of presence are judged by cup-trust. IMP-20: what
// another store holds does not count for them, nor theirs for others.
TEST_F(EdgeLoopTest, APeerIsJudgedByTheStoreThatItNames) {
  const TestCertificate presence = presence_ca_.IssueDns("gw.test");
  {
    const auto client = ConnectTls(&presence);
    EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_UNTRUSTED");
  }
  events_.clear();
  edge_->SetPlan(Plan("gw.test", "cup-trust"));
  const auto client = ConnectTls(&presence);
  RunUntil([&] { return Last(EdgeEvent::Type::kConnectionOpened) != nullptr; });
  ASSERT_EQ(edge_->core().connections().size(), 1u);
  const Connection* connection = edge_->core().connections().All().at(0);
  ASSERT_TRUE(connection->identity.has_value());
  EXPECT_EQ(connection->identity->trust_store, "cup-trust");
  for (TestCa* const ca : {&ca_, &xmpp_ca_}) {
    events_.clear();
    const TestCertificate other = ca->IssueDns("gw.test");
    const auto refused = ConnectTls(&other);
    EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_UNTRUSTED");
  }
}

// The root of one tenant does not vouch for the peer of another.
TEST_F(EdgeLoopTest, AnotherTenantsAuthorityIsNotTrustedHere) {
  const TestCertificate forged = other_ca_.IssueDns("gw.test");
  const auto client = ConnectTls(&forged);
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_EQ(Last(EdgeEvent::Type::kConnectionOpened), nullptr);
}

TEST_F(EdgeLoopTest, AnExpiredCertificateIsRefused) {
  TestCertificateSpec spec;
  spec.common_name = "gw.test";
  spec.dns_names = {"gw.test"};
  spec.not_after = absl::FromUnixSeconds(1'600'000'000);  // 2020
  const TestCertificate old = ca_.Issue(spec);
  const auto client = ConnectTls(&old);
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_EXPIRED");
  EXPECT_EQ(Last(EdgeEvent::Type::kRefused)->refusal->tls_alert,
            "certificate_expired");
}

TEST_F(EdgeLoopTest, ARevokedCertificateIsRefusedInTheHandshake) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  SetTrust(4, {gw});
  const auto client = ConnectTls(&gw);
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_REVOKED");
  EXPECT_EQ(Last(EdgeEvent::Type::kRefused)->refusal->tls_alert,
            "certificate_revoked");
}

TEST_F(EdgeLoopTest, NewTrustEndsWhatItNoLongerTrusts) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  const auto client = ConnectTls(&gw);
  RunUntil([&] { return Last(EdgeEvent::Type::kConnectionOpened) != nullptr; });
  SetTrust(4, {});  // the same again: nothing happens
  EXPECT_EQ(Last(EdgeEvent::Type::kRefused), nullptr);
  EXPECT_EQ(edge_->core().connections().size(), 1u);
  SetTrust(5, {gw});
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_REVOKED");
  EXPECT_EQ(edge_->core().connections().size(), 0u);
  RunUntil([&] { return client->over(); });
}

// Very many connections must not hold the loop up, and none may be heard by
// what is no longer trusted meanwhile.
TEST_F(EdgeLoopTest, NewTrustIsAppliedByAndBy) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(ConnectTls(&gw));
  const auto open = [&] {
    size_t count = 0;
    for (const Connection* each : edge_->core().connections().All()) {
      count += each->state == Connection::State::kOpen ? 1 : 0;
    }
    return count;
  };
  RunUntil([&] { return open() == 3; });
  bool done = false;
  SetTrust(4, {gw}, /*trusts_ca=*/true, [&] { done = true; });
  EXPECT_EQ(open(), 2u);
  EXPECT_FALSE(done);
  const uint64_t before = edge_->core().stats().requests;
  // Those that speak are judged before they are heard.
  for (auto& client : clients) {
    if (!client->over()) {
      EXPECT_TRUE(client->stream->Write(AsBytes(Options("TLS", "j1"))).ok());
    }
  }
  RunUntil([&] { return open() == 0; });
  EXPECT_EQ(edge_->core().stats().requests, before);
  for (const auto& client : clients) EXPECT_EQ(client->heard, "");
  RunUntil([&] { return done; });
}

// A newer trust that comes meanwhile is the one that counts.
TEST_F(EdgeLoopTest, TrustThatChangesWhileItIsAppliedIsAppliedWhole) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(ConnectTls(&gw));
  RunUntil([&] {
    size_t count = 0;
    for (const Connection* each : edge_->core().connections().All()) {
      count += each->state == Connection::State::kOpen ? 1 : 0;
    }
    return count == 3;
  });
  int done = 0;
  SetTrust(4, {}, /*trusts_ca=*/true, [&] { ++done; });
  SetTrust(5, {}, /*trusts_ca=*/true, [&] { ++done; });
  RunUntil([&] { return done == 2; });
  for (const Connection* each : edge_->core().connections().All()) {
    EXPECT_EQ(edge_->Find(each->id)->trust_version(), 5);
  }
  EXPECT_EQ(edge_->core().connections().size(), 3u);
}

TEST_F(EdgeLoopTest, AnAuthorityThatIsGoneTakesItsConnectionsAlong) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  const auto client = ConnectTls(&gw);
  RunUntil([&] { return Last(EdgeEvent::Type::kConnectionOpened) != nullptr; });
  SetTrust(4, {}, /*trusts_ca=*/false);
  EXPECT_EQ(Refusal(), "PEER_CERTIFICATE_UNTRUSTED");
  RunUntil([&] { return client->over(); });
}

TEST_F(EdgeLoopTest, ANewPlanJudgesConnectionsAnew) {
  const TestCertificate gw = ca_.IssueDns("gw.test");
  const auto client = ConnectTls(&gw);
  RunUntil([&] { return Last(EdgeEvent::Type::kConnectionOpened) != nullptr; });
  edge_->SetPlan(Plan("other.test"));
  EXPECT_EQ(Refusal(), "PEER_IDENTITY_MISMATCH");
  RunUntil([&] { return client->over(); });
}

TEST_F(EdgeLoopTest, AHandshakeThatDoesNotEndIsGivenUp) {
  auto silent = std::make_unique<Client>();
  silent->stream = *TcpStream::Connect(*loop_, AddressOf(2), {}, *silent);
  EXPECT_EQ(Refusal(), "HANDSHAKE_TIMEOUT");
  RunUntil([&] { return silent->over(); });
}

TEST_F(EdgeLoopTest, ConnectionsOfOneSourceAreBounded) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(ConnectTcp());
  RunUntil([&] { return clients[3]->over(); });
  EXPECT_EQ(edge_->core().connections().size(), 3u);
  clients[0]->stream->Close();
  RunUntil([&] { return edge_->core().connections().size() == 2; });
}

TEST_F(EdgeLoopTest, GarbageEndsTheConnection) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  ASSERT_TRUE(
      client->stream->Write(AsBytes(std::string(200'000, '\x01'))).ok());
  RunUntil([&] { return client->over(); });
  EXPECT_EQ(Last(EdgeEvent::Type::kRefused)->refusal->kind,
            RefusalKind::kMalformed);
}

// A header from one who is no balancer would be a lie about the source.
TEST_F(EdgeLoopTest, AProxyHeaderOfAStrangerIsRefused) {
  const auto client = ConnectTcp();
  RunUntil([&] { return client->open; });
  ASSERT_TRUE(client->stream->Write(AsBytes(ProxyV2())).ok());
  EXPECT_EQ(Refusal(), "PROXY_HEADER_NOT_ALLOWED");
  RunUntil([&] { return client->over(); });
  EXPECT_EQ(client->heard, "");
  EXPECT_EQ(edge_->core().connections().size(), 0u);
}

// 127.0.0.1 is a balancer.
class ProxiedEdgeLoopTest : public EdgeLoopTest {
 protected:
  ProxiedEdgeLoopTest() : EdgeLoopTest({"127.0.0.0/8"}) {}

  std::unique_ptr<Client> Send(const std::string& octets) {
    auto client = ConnectTcp();
    RunUntil([&] { return client->open; });
    EXPECT_TRUE(client->stream->Write(AsBytes(octets)).ok());
    return client;
  }
};

TEST_F(ProxiedEdgeLoopTest, TheClientOfTheHeaderIsTheClient) {
  const auto client = Send(ProxyV2() + Options("TCP", "p1"));
  RunUntil([&] { return client->heard.find("200 OK") != std::string::npos; });
  EXPECT_NE(client->heard.find("received=203.0.113.7"), std::string::npos);
  EXPECT_NE(client->heard.find("rport=49153"), std::string::npos);
  EXPECT_EQ(edge_->core().connections().All().at(0)->remote.ToString(),
            "203.0.113.7:49153");
  // In pieces, each a segment of its own.
  const auto slow = ConnectTcp();
  RunUntil([&] { return slow->open; });
  for (const char c : ProxyV2() + Options("TCP", "p2")) {
    ASSERT_TRUE(slow->stream->Write(AsBytes(std::string(1, c))).ok());
    loop_->RunOnce(absl::ZeroDuration());
  }
  RunUntil([&] { return slow->heard.find("200 OK") != std::string::npos; });
}

// Limits count the real client: three connections of one source, not more,
// and another source is not hindered.
TEST_F(ProxiedEdgeLoopTest, LimitsAreThoseOfTheClient) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Send(ProxyV2()));
  RunUntil([&] { return clients[3]->over(); });
  const auto other = Send(ProxyV2(/*last_octet=*/8) + Options("TCP", "p3"));
  RunUntil([&] { return other->heard.find("200 OK") != std::string::npos; });
  EXPECT_EQ(edge_->core().connections().size(), 4u);
}

TEST_F(ProxiedEdgeLoopTest, WithoutAHeaderNothingIsServed) {
  const auto sip = Send(Options("TCP", "p4"));
  EXPECT_EQ(Refusal(), "PROXY_HEADER_MISSING");
  RunUntil([&] { return sip->over(); });
  EXPECT_EQ(sip->heard, "");
  events_.clear();
  const auto cut = Send(ProxyV2().substr(0, 20));
  cut->stream->Finish();
  EXPECT_EQ(Refusal(), "PROXY_HEADER_MISSING");
  events_.clear();
  std::string wrong = ProxyV2();
  wrong[13] = 0x12;
  const auto udp = Send(wrong);
  EXPECT_EQ(Refusal(), "PROXY_HEADER_INVALID");
  events_.clear();
  const auto slow = Send(ProxyV2().substr(0, 20));
  EXPECT_EQ(Refusal(), "PROXY_HEADER_TIMEOUT");
  RunUntil([&] { return slow->over(); });
  const TestCertificate gw = ca_.IssueDns("gw.test");
  events_.clear();
  const auto tls = ConnectTls(&gw);  // its ClientHello is no header
  EXPECT_EQ(Refusal(), "PROXY_HEADER_MISSING");
  EXPECT_EQ(edge_->core().connections().size(), 0u);
}

TEST_F(ProxiedEdgeLoopTest, ABalancersOwnCheckIsItsOwn) {
  std::string local = ProxyV2().substr(0, 16);
  local[12] = 0x20;
  local[13] = local[14] = local[15] = 0;
  const auto client = Send(local + Options("TCP", "p5"));
  RunUntil([&] { return client->heard.find("200 OK") != std::string::npos; });
  EXPECT_TRUE(edge_->core().connections().All().at(0)->remote.is_loopback());
}

TEST_F(EdgeLoopTest, TasksOfOtherThreadsRunOnTheLoopAndAreBounded) {
  int ran = 0, refused = 0;
  for (int i = 0; i < 2000; ++i) {
    if (!edge_->Post([&](EdgeLoop&) { ++ran; }).ok()) ++refused;
  }
  EXPECT_GT(refused, 0);
  RunUntil([&] { return ran + refused == 2000; });
}

}  // namespace
}  // namespace sallyport::signaling_edge
