// Certificates that expire while the connections that they proved live: leaf,
// intermediate and anchor, on a clock that the test moves.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/random/fake_random.h"
#include "services/common/testing/test_certs.h"
#include "services/common/time/fake_clock.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"
#include "services/signaling_edge/core/certificate_kinds.h"
#include "services/signaling_edge/io/edge_loop.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kLife = absl::Minutes(10);

// One end of a TLS connection that remembers what it hears.
struct FarSide final : StreamHandler {
  void OnOpen() override { open = true; }
  void OnData(ByteSpan data) override { heard += ToString(data); }
  void OnEnd() override { over = true; }
  void OnClosed(absl::Status) override { over = true; }

  bool open = false, over = false;
  std::string heard;
  std::unique_ptr<ByteStream> stream;
};

std::string OptionsRequest(const std::string& branch) {
  return "OPTIONS sip:edge.test SIP/2.0\r\n"
         "Via: SIP/2.0/TLS 127.0.0.1:9;rport;branch=z9hG4bK" +
         branch +
         "\r\n"
         "Max-Forwards: 70\r\nFrom: <sip:a@edge.test>;tag=1\r\n"
         "To: <sip:edge.test>\r\nCall-ID: " +
         branch + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
}

// A root, an authority below it, and gw.test, which is peer f; what is told to
// end soon does so at ends_.
class CertificateExpiryTest : public testing::Test {
 protected:
  CertificateExpiryTest() {
    EdgeLoop::Options options;
    ListenerSpec spec;
    spec.transport = SipTransport::kTls;
    spec.bind = SocketAddress::LoopbackV4(0);
    spec.logical_port = 5061;
    options.listeners.push_back(spec);
    // One at a time, and time between two to see so.
    options.judging = absl::ZeroDuration();
    options.between_judging = absl::Milliseconds(100);
    options.on_event = [this](EdgeLoop&, const EdgeEvent& e) {
      if (e.type == EdgeEvent::Type::kRefused) refusals_.push_back(e.reason);
    };
    edge_ = *EdgeLoop::Create(*loop_, std::move(options), random_);
  }

  static TestCa Root(absl::Time ends) {
    return TestCa::Root(
        {.common_name = "Root", .not_after = ends, .is_ca = true});
  }

  void SetPlan(const SocketAddress& gateway = SocketAddress::LoopbackV4(9)) {
    auto plan = PlanOfKinds(true, false, false);
    plan->peers[0].address = "127.0.0.1";
    plan->peers[0].port = gateway.port();
    edge_->SetPlan(*Resolver::Create(std::move(plan)));
  }

  void Trust(const std::vector<TestCertificate>& roots, int64_t version = 1) {
    capf::v1::WatchTrustBundleResponse message;
    message.set_version(version);
    message.set_full(true);
    auto& store = *message.add_stores();
    store.set_name("tenants/t/trustStores/CallManager-trust");
    for (const TestCertificate& root : roots) store.add_certificates(root.der);
    const auto bundle = TrustBundle::Make(message, {});
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    TlsFileSet files;
    const TestCertificate own = own_ca_.IssueDns("edge.test");
    files.certificate_file = WriteTestFile("edge.pem", own.pem);
    files.key_file = WriteTestFile("edge.key", own.key_pem);
    const auto contexts = MakeTlsContexts(files, *bundle, version);
    ASSERT_TRUE(contexts.ok()) << contexts.status();
    edge_->SetTrust(*bundle, *contexts);
  }

  static TlsContextOptions Shows(TestCa& middle, absl::Time ends) {
    const TestCertificate leaf =
        middle.Issue({.dns_names = {"gw.test"}, .not_after = ends});
    TlsContextOptions out;
    out.certificate_chain_pem = leaf.pem + middle.pem();
    out.private_key_pem = leaf.KeySecret();
    return out;
  }

  // gw.test calls, by a certificate of `middle` until `ends`.
  std::unique_ptr<FarSide> Call(TestCa& middle, absl::Time ends) {
    TlsContextOptions options = Shows(middle, ends);
    options.role = TlsRole::kClient;
    options.trust_anchors = *TrustAnchors::FromPem(own_ca_.pem());
    auto out = std::make_unique<FarSide>();
    out->stream = *TlsStream::Connect(*loop_, edge_->listeners().bound(0),
                                      *TlsContext::Create(std::move(options)),
                                      {.server_name = "edge.test"}, *out);
    const size_t before = Open();
    RunUntil([&] { return Open() == before + 1; });
    return out;
  }

  size_t Open() const {
    size_t count = 0;
    for (const Connection* each : edge_->core().connections().All()) {
      count += each->identity.has_value() ? 1 : 0;
    }
    return count;
  }

  void RunUntil(const std::function<bool()>& done) {
    const absl::Time start = absl::Now();
    while (!done()) {
      ASSERT_LT(absl::Now() - start, absl::Seconds(10)) << "timed out";
      loop_->RunOnce(absl::Milliseconds(5));
    }
  }

  // What is due at the clock's time is done when this returns.
  void RunDue() {
    for (int i = 0; i < 3; ++i) loop_->RunOnce(absl::ZeroDuration());
  }

  bool IsAnswered(FarSide& far, const std::string& branch) {
    EXPECT_TRUE(far.stream->Write(AsBytes(OptionsRequest(branch))).ok());
    RunUntil([&] {
      return far.over || far.heard.find(branch) != std::string::npos;
    });
    return !far.over;
  }

  FakeClock clock_{absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()))};
  const absl::Time later_ = clock_.Now() + absl::Hours(24 * 365);
  const absl::Time ends_ = clock_.Now() + kLife;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create(clock_);
  FakeRandom random_;
  TestCa own_ca_{"Ours"};
  std::vector<std::string> refusals_;
  std::unique_ptr<EdgeLoop> edge_;
};

// Whichever of the path ends first ends the connection, once its notAfter has
// passed (RFC 5280 section 4.1.2.5) and not a moment before; as a change of
// trust would.
TEST_F(CertificateExpiryTest, EachOfThePathEndsItAtItsNotAfter) {
  SetPlan();
  for (const int first_to_end : {0, 1, 2}) {
    // Dates are of whole seconds.
    const absl::Time start =
        absl::FromUnixSeconds(absl::ToUnixSeconds(clock_.Now()));
    const auto ends = [&](int at) {
      return start + (at == first_to_end ? kLife : kLife * 1000);
    };
    TestCa root = Root(ends(2));
    TestCa middle = root.IssueCa(
        {.common_name = "Middle", .not_after = ends(1), .is_ca = true});
    Trust({root.certificate()}, first_to_end + 1);
    const auto far = Call(middle, ends(0));
    clock_.Advance(ends(first_to_end) - clock_.Now());
    EXPECT_TRUE(IsAnswered(*far, "valid")) << first_to_end;
    EXPECT_TRUE(refusals_.empty()) << first_to_end;
    clock_.Advance(absl::Milliseconds(2));
    RunDue();
    EXPECT_EQ(refusals_, std::vector<std::string>{"PEER_CERTIFICATE_EXPIRED"})
        << first_to_end;
    EXPECT_EQ(edge_->core().connections().size(), 0u);
    RunUntil([&] { return far->over; });
    refusals_.clear();
  }
}

// Many of one authority do not hold the loop up, and none of them is heard
// after its time.
TEST_F(CertificateExpiryTest, ManyOfOneAuthorityEndByAndBy) {
  SetPlan();
  TestCa root = Root(later_);
  TestCa middle = root.IssueCa(
      {.common_name = "Middle", .not_after = ends_, .is_ca = true});
  TestCa lasting = root.IssueCa("Lasting");
  Trust({root.certificate()});
  std::vector<std::unique_ptr<FarSide>> expiring;
  for (int i = 0; i < 4; ++i) expiring.push_back(Call(middle, later_));
  const auto stays = Call(lasting, later_);
  clock_.Advance(kLife + absl::Milliseconds(2));
  RunDue();
  EXPECT_EQ(Open(), 4u);
  const uint64_t before = edge_->core().stats().requests;
  EXPECT_TRUE(IsAnswered(*stays, "stays"));
  for (const auto& far : expiring) {
    if (!far->over) {
      EXPECT_TRUE(far->stream->Write(AsBytes(OptionsRequest("late"))).ok());
    }
  }
  RunUntil([&] { return Open() == 1; });
  EXPECT_EQ(edge_->core().stats().requests, before + 1);
  EXPECT_EQ(refusals_, std::vector<std::string>(4, "PEER_CERTIFICATE_EXPIRED"));
  for (const auto& far : expiring) EXPECT_EQ(far->heard, "");
  // Those that say nothing, turn by turn.
  TestCa next = root.IssueCa({.common_name = "Next",
                              .not_after = clock_.Now() + kLife,
                              .is_ca = true});
  for (auto& far : expiring) far = Call(next, later_);
  clock_.Advance(kLife + absl::Seconds(1));
  for (size_t left = 4; left > 0; --left) {
    RunDue();
    EXPECT_EQ(Open(), left);
    clock_.Advance(absl::Milliseconds(100));
  }
  EXPECT_TRUE(IsAnswered(*stays, "still"));
}

// The path that was found first is not the only one.
TEST_F(CertificateExpiryTest, AnotherPathMayStillHold) {
  SetPlan();
  TestCa root = Root(ends_);
  TestCa middle = root.IssueCa("Middle");
  Trust({root.certificate(), middle.certificate()});
  const auto far = Call(middle, later_);
  clock_.Advance(kLife + absl::Milliseconds(2));
  RunDue();
  EXPECT_TRUE(IsAnswered(*far, "other-path"));
  EXPECT_TRUE(refusals_.empty());
}

// What a new trust says counts, whether it is longer or shorter.
TEST_F(CertificateExpiryTest, TheTrustInForceSaysUntilWhen) {
  SetPlan();
  TestCa root = Root(ends_);
  TestCa middle = root.IssueCa(
      {.common_name = "Middle", .not_after = ends_ + kLife, .is_ca = true});
  Trust({root.certificate()}, 1);
  const auto far = Call(middle, later_);
  Trust({middle.certificate()}, 2);
  clock_.Advance(kLife + absl::Milliseconds(2));
  RunDue();
  EXPECT_TRUE(IsAnswered(*far, "longer"));
  clock_.Advance(kLife);
  RunDue();
  EXPECT_EQ(refusals_, std::vector<std::string>{"PEER_CERTIFICATE_EXPIRED"});
}

// Who sets the clock moves all that goes by it.
TEST_F(CertificateExpiryTest, TheClockThatIsSetCounts) {
  SetPlan();
  TestCa root = Root(later_);
  TestCa middle = root.IssueCa(
      {.common_name = "Middle", .not_after = ends_, .is_ca = true});
  Trust({root.certificate()});
  const auto far = Call(middle, later_);
  clock_.JumpTo(ends_ - absl::Seconds(10));
  clock_.Advance(absl::Seconds(1));
  RunDue();
  EXPECT_TRUE(IsAnswered(*far, "near"));
  clock_.JumpTo(ends_ + absl::Seconds(1));
  clock_.Advance(absl::Seconds(1));
  RunUntil([&] { return !refusals_.empty(); });
  EXPECT_EQ(refusals_, std::vector<std::string>{"PEER_CERTIFICATE_EXPIRED"});
  RunUntil([&] { return far->over; });
}

// Also of a peer that we called.
TEST_F(CertificateExpiryTest, OneThatIsCalledIsHeldToIt) {
  TestCa root = Root(later_);
  TestCa middle = root.IssueCa("Middle");
  // It never answers, so that the check has the connection until it ends.
  const absl::Time soon = clock_.Now() + absl::Seconds(2);
  TlsContextOptions options = Shows(middle, soon);
  options.role = TlsRole::kServer;
  options.client_certificate = ClientCertificateMode::kRequire;
  options.trust_anchors = *TrustAnchors::FromPem(own_ca_.pem());
  const auto context = *TlsContext::Create(std::move(options));
  FarSide far;
  const auto listener =
      *TcpListener::Listen(*loop_, SocketAddress::LoopbackV4(0), {},
                           [&](UniqueFd fd, const SocketAddress& peer) {
                             far.stream = *TlsStream::Accept(
                                 *loop_, std::move(fd), peer, context, {}, far);
                           });
  SetPlan(listener->local_address());
  Trust({root.certificate()});
  std::optional<PeerCheckResult> result;
  edge_->CheckPeer({.peer = "tenants/t/peers/f", .secured = true},
                   [&](absl::StatusOr<PeerCheckResult> r) { result = *r; });
  RunUntil([&] { return far.heard.find("OPTIONS") != std::string::npos; });
  clock_.Advance(absl::Milliseconds(2002));
  RunDue();
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->succeeded);
  EXPECT_EQ(refusals_, std::vector<std::string>{"PEER_CERTIFICATE_EXPIRED"});
  EXPECT_EQ(edge_->core().connections().size(), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
