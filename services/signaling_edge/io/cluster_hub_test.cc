#include "services/signaling_edge/io/cluster_hub.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kEdge[] = "spiffe://d.test/signaling_edge";

// What one hub has told, from its thread.
struct Heard {
  absl::Mutex mutex;
  std::vector<ClusterMessage> messages;
  std::vector<EdgePresence> edges;
  std::vector<std::string> reasons;
};

class ClusterHubTest : public testing::Test {
 protected:
  // Of the certificate of a service, by its SPIFFE id.
  ClusterHub::Tls Contexts(const std::string& id) {
    TestCertificateSpec spec;
    spec.common_name = "edge";
    spec.uris = {id};
    const TestCertificate own = ca_.Issue(spec);
    const auto make = [&](TlsRole role) {
      TlsContextOptions options;
      options.role = role;
      options.certificate_chain_pem = own.pem;
      options.private_key_pem = own.KeySecret();
      options.trust_anchors = *TrustAnchors::FromPem(ca_.pem());
      options.client_certificate = ClientCertificateMode::kRequire;
      options.only_tls13 = true;
      options.accept_peer = [](const PeerCertificate& peer) {
        for (const std::string& uri :
             peer.leaf.AltNames(SubjectAltName::Type::kUri)) {
          if (uri == kEdge) return absl::OkStatus();
        }
        return MakeError(absl::StatusCode::kPermissionDenied,
                         "PEER_IDENTITY_MISMATCH", "no edge of ours");
      };
      return *TlsContext::Create(std::move(options));
    };
    return {make(TlsRole::kServer), make(TlsRole::kClient)};
  }

  std::unique_ptr<ClusterHub> Hub(const std::string& edge_id, Heard& heard,
                                  std::vector<std::string> peers,
                                  char key = 'a', std::string id = kEdge,
                                  bool clear = false,
                                  absl::Notification* wait = nullptr) {
    ClusterHub::Options options;
    options.self.edge_id = edge_id;
    options.self.loops = 2;
    options.self.keys = *TokenKeys::Parse(std::string(64, key));
    options.listen = SocketAddress::LoopbackV4(listen_);
    options.peers = std::move(peers);
    options.refresh = absl::Milliseconds(200);
    options.link.max_queue = max_queue_;
    options.link.ping = absl::Milliseconds(200);
    options.link.dead = absl::Milliseconds(900);
    options.make_tls = [tls = clear ? ClusterHub::Tls() : Contexts(id)] {
      return absl::StatusOr<ClusterHub::Tls>(tls);
    };
    options.on_message = [&heard, wait](ClusterMessage message) {
      if (wait != nullptr) wait->WaitForNotification();
      absl::MutexLock lock(&heard.mutex);
      heard.messages.push_back(std::move(message));
    };
    options.on_edges = [&heard](const std::vector<EdgePresence>& edges) {
      absl::MutexLock lock(&heard.mutex);
      heard.edges = edges;
    };
    options.on_link = [&heard](const std::string&, bool up,
                               const std::string& reason) {
      absl::MutexLock lock(&heard.mutex);
      if (!up) heard.reasons.push_back(reason);
    };
    auto hub = ClusterHub::Create(std::move(options), random_);
    EXPECT_TRUE(hub.ok()) << hub.status();
    return *std::move(hub);
  }

  static std::string AddressOf(const ClusterHub& hub) {
    return "127.0.0.1:" + std::to_string(hub.port());
  }

  template <typename Done>
  static bool WaitFor(Heard& heard, Done done) {
    const auto condition = [&]() { return done(heard); };
    absl::MutexLock lock(&heard.mutex);
    return heard.mutex.AwaitWithTimeout(absl::Condition(&condition),
                                        absl::Seconds(5));
  }
  static bool Sees(const Heard& heard, const std::string& edge_id) {
    for (const EdgePresence& each : heard.edges) {
      if (each.edge == EdgeNumber(edge_id)) return each.up && each.loops == 2;
    }
    return false;
  }

  static ClusterMessage Message(const std::string& from, const std::string& to,
                                const std::string& text) {
    ClusterMessage out;
    out.from = {EdgeNumber(from), 0};
    out.to = {EdgeNumber(to), 1};
    out.flow = {out.from, 5, SipTransport::kTcp, 5060,
                *SocketAddress::Parse("192.0.2.1:5060")};
    out.text = text;
    return out;
  }

  // For one that others are told of before it is there.
  uint16_t FreePort() {
    Heard nobody;
    return Hub("probe", nobody, {})->port();
  }
  static std::string Local(uint16_t port) {
    return "127.0.0.1:" + std::to_string(port);
  }

  uint16_t listen_ = 0;
  size_t max_queue_ = size_t{8} << 20;
  SystemRandom random_;
  TestCa ca_{"Services"};
};

// IMP-45, IMP-46: TLS unless set otherwise.
TEST_F(ClusterHubTest, EdgesFindEachOtherAndTheirMessagesComeInOrder) {
  Heard a, b;
  const uint16_t port = FreePort();
  auto first = Hub("edge-a", a, {Local(port)});
  listen_ = port;
  auto second = Hub("edge-b", b, {AddressOf(*first)});
  first->Start();
  second->Start();
  ASSERT_TRUE(WaitFor(b, [](Heard& h) { return Sees(h, "edge-a"); }));
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(
        second->Send(Message("edge-b", "edge-a", "m" + std::to_string(i))));
  }
  ASSERT_TRUE(WaitFor(a, [](Heard& h) { return h.messages.size() == 500; }));
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(a.messages[i].text, "m" + std::to_string(i));
  }
  EXPECT_EQ(a.messages[0].from.edge, EdgeNumber("edge-b"));
  EXPECT_EQ(a.messages[0].to.loop, 1u);
  // One that is gone is told of, and found again.
  first.reset();
  ASSERT_TRUE(WaitFor(b, [](Heard& h) { return h.edges.empty(); }));
}

// An answer to what is sent by a link comes by the other: with one alone, who
// is called at another edge would be heard by nobody.
TEST_F(ClusterHubTest, WhoCannotReachUsIsNotThere) {
  Heard a, b;
  auto first = Hub("edge-a", a, {});
  auto second = Hub("edge-b", b, {AddressOf(*first)});
  first->Start();
  second->Start();
  absl::SleepFor(absl::Milliseconds(600));
  absl::MutexLock lock(&b.mutex);
  EXPECT_TRUE(b.edges.empty());
}

// A headless name has all edges, this one too.
TEST_F(ClusterHubTest, ItDoesNotTalkToItself) {
  Heard a;
  auto probe = Hub("edge-a", a, {});
  const std::string address = AddressOf(*probe);
  probe.reset();
  Heard b;
  auto hub = Hub("edge-a", b, {});
  auto other = Hub("edge-a", a, {AddressOf(*hub)});
  hub->Start();
  other->Start();
  absl::SleepFor(absl::Milliseconds(600));
  absl::MutexLock lock(&a.mutex);
  EXPECT_TRUE(a.edges.empty());
  EXPECT_TRUE(a.reasons.empty());
}

TEST_F(ClusterHubTest, WithoutTheKeyNobodyIsBelieved) {
  Heard a, b;
  auto first = Hub("edge-a", a, {}, 'a');
  auto second = Hub("edge-b", b, {AddressOf(*first)}, 'b');
  first->Start();
  second->Start();
  ASSERT_TRUE(WaitFor(a, [](Heard& h) {
    return !h.reasons.empty() && h.reasons[0] == "CLUSTER_PEER_REFUSED";
  }));
  EXPECT_TRUE(b.edges.empty());
  EXPECT_TRUE(a.messages.empty());
}

// Another service of ours has a good certificate, and no business here.
TEST_F(ClusterHubTest, OnlyTheServiceOfTheEdgeIsAnEdge) {
  Heard a, b;
  auto first = Hub("edge-a", a, {});
  auto second =
      Hub("edge-b", b, {AddressOf(*first)}, 'a', "spiffe://d.test/media_relay");
  first->Start();
  second->Start();
  ASSERT_TRUE(WaitFor(a, [](Heard& h) {
    return !h.reasons.empty() && h.reasons[0] == "PEER_IDENTITY_MISMATCH";
  }));
  EXPECT_TRUE(b.edges.empty());
}

// The intra-cluster protocol may be TCP; the key is still asked for.
// IMP-45, IMP-47.
TEST_F(ClusterHubTest, InClearBySettingAlone) {
  Heard a, b, c;
  const uint16_t port = FreePort();
  auto first = Hub("edge-a", a, {Local(port)}, 'a', kEdge, /*clear=*/true);
  listen_ = port;
  auto second =
      Hub("edge-b", b, {AddressOf(*first)}, 'a', kEdge, /*clear=*/true);
  listen_ = 0;
  auto third =
      Hub("edge-c", c, {AddressOf(*first)}, 'b', kEdge, /*clear=*/true);
  first->Start();
  second->Start();
  third->Start();
  ASSERT_TRUE(WaitFor(b, [](Heard& h) { return Sees(h, "edge-a"); }));
  ASSERT_TRUE(WaitFor(a, [](Heard& h) { return !h.reasons.empty(); }));
  EXPECT_TRUE(c.edges.empty());
}

// An edge that reads no more, until the link is given up: what was in it is
// lost as on UDP, and counted.
TEST_F(ClusterHubTest, WhatALinkLosesIsCounted) {
  constexpr int kMessages = 1000;
  Heard a, b;
  absl::Notification read_on;
  max_queue_ = size_t{256} << 20;
  const uint16_t port = FreePort();
  auto first = Hub("edge-a", a, {Local(port)});
  listen_ = port;
  auto second = Hub("edge-b", b, {AddressOf(*first)}, 'a', kEdge,
                    /*clear=*/false, &read_on);
  first->Start();
  second->Start();
  ASSERT_TRUE(WaitFor(a, [](Heard& h) { return Sees(h, "edge-b"); }));
  EXPECT_EQ(first->dropped(), 0u);
  const std::string text(30'000, 'x');
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(first->Send(Message("edge-a", "edge-b", text)));
  }
  ASSERT_TRUE(WaitFor(a, [](Heard& h) { return !h.reasons.empty(); }));
  // All but what the kernels hold.
  EXPECT_GT(first->dropped(), kMessages / 4);
  EXPECT_LT(first->dropped(), kMessages);
  read_on.Notify();
}

}  // namespace
}  // namespace sallyport::signaling_edge
