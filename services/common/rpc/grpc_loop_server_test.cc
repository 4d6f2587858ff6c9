// The server over real mutual TLS on loopback: called by the gRPC library, and
// by a peer of our own that does what no library would.

#include "services/common/rpc/grpc_loop_server.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/rpc/testing/raw_grpc_peer.h"
#include "services/common/rpc/testing/raw_health.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;
using ::testing::HasSubstr;

constexpr char kTrustDomain[] = "t.test";

std::string Path(const std::string& name) {
  return "/sallyport.credential_issuer.v1.CredentialIssuerService/" + name;
}

std::vector<MethodRule> Rules() {
  std::vector<MethodRule> rules;
  for (const char* name :
       {"RevokeCredential", "RevokeUser", "ListKeys", "RotateKey", "RevokeKey",
        "ReportKeysVersion", "GetStatus", "ListAuditRecords",
        "IssueMrasCredentials", "WatchVerificationKeys", "ListRevocations"}) {
    rules.push_back({Path(name), {"signaling_edge"}, OperatorRole::kViewer});
  }
  rules.push_back({Path("IssueTurnCredential"), {"signaling_edge"}});
  rules.push_back({Path("GetKey"), {"signaling_edge"}, OperatorRole::kAdmin});
  return rules;
}

class GrpcLoopServerTest : public testing::Test {
 protected:
  GrpcLoopServerTest() {
    own_ = pki_.IssueSpiffe(kTrustDomain, "credential_issuer");
    common::config::v1::ServerConfig config;
    config.set_trust_domain(kTrustDomain);
    auto* binding = config.add_role_bindings();
    binding->set_identity("spiffe://t.test/operator/ann");
    binding->set_role(common::config::v1::ROLE_VIEWER);
    binding->add_tenants("*");
    policy_.emplace(*AccessPolicy::Create(config, Rules()));
    metrics_ =
        *MetricsRegistry::Create(std::vector<absl::Span<const MetricSpec>>{
            kRpcMetrics, kGrpcLoopMetrics});
    options_.listen_address = "127.0.0.1:0";
    options_.tls.set_certificate_file(own_.certificate_file);
    options_.tls.set_key_file(own_.key_file);
    options_.tls.set_ca_file(own_.ca_file);
    options_.tls_refresh = absl::Milliseconds(20);
    options_.policy = &*policy_;
    options_.metrics = metrics_.get();
    options_.health = [this](std::string_view name) -> std::optional<bool> {
      if (!name.empty()) return std::nullopt;
      return ready_.load();
    };
  }
  ~GrpcLoopServerTest() override {
    for (std::thread& thread : later_) thread.join();
  }

  void Start() {
    GrpcLoopServer::Method issue;
    issue.path = Path("IssueTurnCredential");
    issue.handler = [this](const CallerIdentity& caller, std::string request,
                           const GrpcLoopServer::Reply& reply) {
      pb::IssueTurnCredentialRequest in;
      if (!in.ParseFromString(request)) {
        return reply(absl::InvalidArgumentError("it is none"));
      }
      pb::TurnCredential out;
      out.set_username(in.subject() + " by " + caller.ToString());
      if (in.subject() != "later") return reply(out.SerializeAsString());
      later_.emplace_back([reply, out] {
        absl::SleepFor(absl::Milliseconds(20));
        reply(out.SerializeAsString());
      });
    };
    GrpcLoopServer::Method echo;
    echo.path = Path("ListKeys");
    echo.streams = true;
    echo.open = [this](int change) { open_streams_ += change; };
    echo.handler = [](const CallerIdentity&, std::string request,
                      const GrpcLoopServer::Reply& reply) {
      reply(std::move(request));
    };
    auto server = GrpcLoopServer::Start(options_, {issue, echo});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& path) {
    const PemFiles files = pki_.IssueSpiffe(kTrustDomain, path);
    common::config::v1::TlsFiles tls;
    tls.set_certificate_file(files.certificate_file);
    tls.set_key_file(files.key_file);
    tls.set_ca_file(files.ca_file);
    ClientChannelOptions options;
    options.target = absl::StrCat("127.0.0.1:", server_->port());
    options.expected_identity = "spiffe://t.test/credential_issuer";
    options.max_backoff = absl::Milliseconds(100);
    return MakeClientChannel(*WatchTlsFiles(tls, absl::Hours(1)), options);
  }
  absl::Status Issue(const std::shared_ptr<grpc::Channel>& channel,
                     const std::string& subject, std::string* username) {
    pb::IssueTurnCredentialRequest request;
    request.set_subject(subject);
    pb::TurnCredential response;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    const grpc::Status status =
        pb::CredentialIssuerService::NewStub(channel)->IssueTurnCredential(
            &context, request, &response);
    *username = response.username();
    return FromGrpc(status);
  }

  MtlsPki pki_;
  PemFiles own_;
  std::optional<const AccessPolicy> policy_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::atomic<bool> ready_ = true;
  std::atomic<int> open_streams_ = 0;
  GrpcLoopServerOptions options_;
  std::vector<std::thread> later_;
  std::unique_ptr<GrpcLoopServer> server_;
};

TEST_F(GrpcLoopServerTest, TheLibraryIsAnsweredAndKnownByItsCertificate) {
  Start();
  const auto channel = ChannelAs("signaling_edge");
  std::string username;
  ASSERT_THAT(Issue(channel, "bob", &username), IsOk());
  EXPECT_EQ(username, "bob by service signaling_edge");
  // From another thread.
  ASSERT_THAT(Issue(channel, "later", &username), IsOk());
  EXPECT_EQ(username, "later by service signaling_edge");
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(Issue(channel, absl::StrCat("u", i), &username), IsOk());
  }
  EXPECT_THAT(metrics_->Text(), HasSubstr("sallyport_rpc_loop_connections 1"));
  EXPECT_THAT(metrics_->Text(),
              HasSubstr(absl::StrCat(
                  "sallyport_rpc_requests_total{code=\"OK\",method=\"",
                  Path("IssueTurnCredential"), "\"} 202")));
}

TEST_F(GrpcLoopServerTest, TheSamePolicyRefuses) {
  Start();
  std::string username;
  EXPECT_EQ(ReasonOf(Issue(ChannelAs("operator/ann"), "x", &username)),
            "CALLER_NOT_ACCEPTED");
  EXPECT_EQ(ReasonOf(Issue(ChannelAs("media_relay"), "x", &username)),
            "CALLER_NOT_ACCEPTED");
  // Known to the policy, and served elsewhere; or not for that role.
  grpc::ClientContext context;
  pb::IssuerStatus status;
  EXPECT_EQ(ReasonOf(FromGrpc(
                pb::CredentialIssuerService::NewStub(ChannelAs("operator/ann"))
                    ->GetStatus(&context, {}, &status))),
            "METHOD_NOT_IMPLEMENTED");
  grpc::ClientContext other;
  pb::Key key;
  EXPECT_EQ(ReasonOf(FromGrpc(
                pb::CredentialIssuerService::NewStub(ChannelAs("operator/ann"))
                    ->GetKey(&other, {}, &key))),
            "ROLE_TOO_LOW");
  RawGrpcPeer stranger(server_->port(), pki_.Issue("s", "URI:spiffe://else/x"));
  const int32_t call = stranger.caller.Start(Path("ListKeys"));
  ASSERT_TRUE(stranger.RunUntil([&] { return !stranger.statuses.empty(); }));
  EXPECT_EQ(ReasonOf(stranger.statuses[call]), "PEER_IDENTITY_MISMATCH");
}

TEST_F(GrpcLoopServerTest, HealthIsForEveryVerifiedPeer) {
  Start();
  const auto channel = ChannelAs("capf");
  EXPECT_EQ(CheckHealth(channel, ""), RawHealth::kServing);
  EXPECT_EQ(CheckHealth(channel, "nobody"), RawHealth::kUnknownName);
  ready_ = false;
  EXPECT_EQ(CheckHealth(channel, ""), RawHealth::kNotServing);
}

TEST_F(GrpcLoopServerTest, OnlyH2WithACertificateOfOurs) {
  Start();
  const PemFiles edge = pki_.IssueSpiffe(kTrustDomain, "signaling_edge");
  for (const std::vector<std::string>& alpn :
       {std::vector<std::string>{"http/1.1"}, std::vector<std::string>{}}) {
    RawGrpcPeer peer(server_->port(), edge, alpn);
    EXPECT_TRUE(peer.RunUntil([&] { return peer.ended; }));
  }
  MtlsPki others("others");
  PemFiles foreign = others.IssueSpiffe(kTrustDomain, "signaling_edge");
  foreign.ca_file = own_.ca_file;
  RawGrpcPeer untrusted(server_->port(), foreign);
  EXPECT_TRUE(untrusted.RunUntil([&] { return untrusted.ended; }));
  PemFiles none;
  none.ca_file = own_.ca_file;
  RawGrpcPeer anonymous(server_->port(), none);
  EXPECT_TRUE(anonymous.RunUntil([&] { return anonymous.ended; }));
  std::string username;
  EXPECT_THAT(Issue(ChannelAs("signaling_edge"), "x", &username), IsOk());
}

TEST_F(GrpcLoopServerTest, AStreamOfMuchIsAnsweredInOrder) {
  Start();
  RawGrpcPeer peer(server_->port(),
                   pki_.IssueSpiffe(kTrustDomain, "operator/ann"));
  const int32_t call = peer.caller.Start(Path("ListKeys"));
  constexpr int kCount = 2000;
  const std::string filler(5000, 'f');
  for (int i = 0; i < kCount; ++i) {
    peer.caller.Send(call, absl::StrCat(i, filler), false);
  }
  ASSERT_TRUE(peer.RunUntil([&] { return peer.answers.size() == kCount; }));
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(peer.answers[static_cast<size_t>(i)], absl::StrCat(i, filler));
  }
  EXPECT_EQ(open_streams_, 1);
  EXPECT_EQ(server_->open_calls(), 1u);
  peer.caller.SendRaw(call, "", true);
  ASSERT_TRUE(peer.RunUntil([&] { return !peer.statuses.empty(); }));
  EXPECT_THAT(peer.statuses[call], IsOk());
  EXPECT_EQ(open_streams_, 0);
}

TEST_F(GrpcLoopServerTest, AFloodEndsItsOwnConnectionAlone) {
  Start();
  RawGrpcPeer peer(server_->port(),
                   pki_.IssueSpiffe(kTrustDomain, "operator/ann"));
  ASSERT_TRUE(peer.RunUntil([&] {
    for (int i = 0; i < 100; ++i) peer.caller.Ping();
    return peer.ended;
  }));
  EXPECT_TRUE(peer.caller.told_to_go());
  EXPECT_EQ(metrics_->Counter(kGrpcLoopConnectionsEndedTotal)
                .Value(ConnectionEnd::kFlood),
            1);
  std::string username;
  EXPECT_THAT(Issue(ChannelAs("signaling_edge"), "x", &username), IsOk());
}

TEST_F(GrpcLoopServerTest, TakesNoMoreConnectionsThanItMay) {
  options_.max_connections = 1;
  Start();
  const PemFiles edge = pki_.IssueSpiffe(kTrustDomain, "operator/ann");
  RawGrpcPeer first(server_->port(), edge);
  first.caller.Ping();
  ASSERT_TRUE(
      first.RunUntil([&] { return first.caller.pings_answered() > 0; }));
  RawGrpcPeer second(server_->port(), edge);
  EXPECT_TRUE(second.RunUntil([&] { return second.ended; }));
  EXPECT_FALSE(first.ended);
}

TEST_F(GrpcLoopServerTest, DrainTellsAndLetsEnd) {
  Start();
  RawGrpcPeer peer(server_->port(),
                   pki_.IssueSpiffe(kTrustDomain, "operator/ann"));
  const int32_t call = peer.caller.Start(Path("ListKeys"));
  peer.caller.Send(call, "a", false);
  ASSERT_TRUE(peer.RunUntil([&] { return peer.answers.size() == 1; }));
  server_->Drain();
  ASSERT_TRUE(peer.RunUntil([&] { return peer.ended; }));
  EXPECT_EQ(ReasonOf(peer.statuses[call]), "DRAINING");
  EXPECT_TRUE(peer.caller.told_to_go());
  EXPECT_EQ(server_->open_calls(), 0u);
  // Nobody listens any more.
  std::string username;
  EXPECT_EQ(Issue(ChannelAs("signaling_edge"), "x", &username).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(GrpcLoopServerTest, ANewCertificateIsShownToNewConnections) {
  Start();
  std::string username;
  ASSERT_THAT(Issue(ChannelAs("signaling_edge"), "x", &username), IsOk());
  // By another identity, which our channels refuse.
  const PemFiles changed = pki_.Issue("changed", "URI:spiffe://t.test/else");
  const auto replace = [](const std::string& from, const std::string& to) {
    std::ifstream in(from);
    std::ostringstream text;
    text << in.rdbuf();
    std::ofstream(to + ".part") << text.str();
    ASSERT_EQ(std::rename((to + ".part").c_str(), to.c_str()), 0);
  };
  replace(changed.key_file, own_.key_file);
  replace(changed.certificate_file, own_.certificate_file);
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    refused = !Issue(ChannelAs("signaling_edge"), "x", &username).ok();
  }
  EXPECT_TRUE(refused);
}

TEST_F(GrpcLoopServerTest, UnusableFilesAndAddressesAreToldAtTheStart) {
  options_.tls.set_key_file(own_.certificate_file);
  EXPECT_FALSE(GrpcLoopServer::Start(options_, {}).ok());
  options_.tls.set_key_file(own_.key_file);
  Start();
  options_.listen_address = absl::StrCat("127.0.0.1:", server_->port());
  EXPECT_EQ(ReasonOf(GrpcLoopServer::Start(options_, {}).status()),
            "ADDRESS_NOT_BOUND");
}

}  // namespace
}  // namespace sallyport
