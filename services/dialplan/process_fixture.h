// The real process, over real mutual TLS, and an edge that follows its stream.

#ifndef SALLYPORT_SERVICES_DIALPLAN_PROCESS_FIXTURE_H_
#define SALLYPORT_SERVICES_DIALPLAN_PROCESS_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/plan_snapshot/snapshot_state.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/stream_watch.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"

namespace sallyport::dialplan {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;
using Stub = pb::DialplanService::Stub;

inline constexpr char kTrustDomain[] = "t.test";

// An edge, as far as the plan goes: it follows the stream and puts it together.
class Edge {
 public:
  Edge(std::shared_ptr<grpc::Channel> channel, SnapshotState state = {},
       std::vector<std::string> tenants = {},
       const std::string& consumer = "edge-0")
      : stub_(pb::DialplanService::NewStub(channel)),
        state_(std::move(state)),
        tenants_(std::move(tenants)) {
    StreamWatch<pb::WatchSnapshotResponse>::Options options;
    options.open = [this, consumer](grpc::ClientContext* context) {
      pb::WatchSnapshotRequest request;
      request.set_consumer(consumer);
      {
        absl::MutexLock lock(&mutex_);
        request.set_known_version(state_.version());
        request.set_known_checksum(state_.checksum());
      }
      for (const std::string& tenant : tenants_) request.add_tenants(tenant);
      return stub_->WatchSnapshot(context, request);
    };
    options.on_message = [this](const pb::WatchSnapshotResponse& message) {
      absl::MutexLock lock(&mutex_);
      kinds_.push_back(message.payload_case());
      return state_.Apply(message).status();
    };
    options.on_state = [this](bool connected, const absl::Status& why) {
      absl::MutexLock lock(&mutex_);
      if (!connected) last_end_ = why;
    };
    options.max_backoff = absl::Milliseconds(200);
    watch_ = std::make_unique<StreamWatch<pb::WatchSnapshotResponse>>(
        std::move(options));
  }

  // Waits until the version is at least this; the plan then.
  std::shared_ptr<const PlanSnapshot> WaitFor(int64_t version) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (absl::Now() < give_up) {
      {
        absl::MutexLock lock(&mutex_);
        if (state_.version() >= version) return state_.Snapshot();
      }
      absl::SleepFor(absl::Milliseconds(2));
    }
    ADD_FAILURE() << "version " << version << " never came";
    return std::make_shared<PlanSnapshot>();
  }

  SnapshotState state() {
    absl::MutexLock lock(&mutex_);
    return state_;
  }
  std::vector<int> kinds() {
    absl::MutexLock lock(&mutex_);
    return kinds_;
  }
  absl::Status last_end() {
    absl::MutexLock lock(&mutex_);
    return last_end_;
  }

 private:
  const std::unique_ptr<Stub> stub_;
  absl::Mutex mutex_;
  SnapshotState state_ ABSL_GUARDED_BY(mutex_);
  const std::vector<std::string> tenants_;
  std::vector<int> kinds_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_end_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<StreamWatch<pb::WatchSnapshotResponse>> watch_;
};

// To a dialplan, as `path` of the trust domain.
inline std::shared_ptr<grpc::Channel> ChannelAs(MtlsPki& pki,
                                                const std::string& path,
                                                const std::string& target) {
  const PemFiles files = pki.IssueSpiffe(kTrustDomain, path);
  common::config::v1::TlsFiles tls;
  tls.set_certificate_file(files.certificate_file);
  tls.set_key_file(files.key_file);
  tls.set_ca_file(files.ca_file);
  auto provider = WatchTlsFiles(tls, absl::Seconds(60));
  EXPECT_THAT(provider, IsOk());
  ClientChannelOptions options;
  options.target = target;
  options.expected_identity = "spiffe://t.test/dialplan";
  options.max_backoff = absl::Milliseconds(200);
  return MakeClientChannel(*std::move(provider), options);
}

// Calls one method: CallOn(*stub, &Stub::GetPeer, request, &response).
template <typename Request, typename Response>
absl::Status CallOn(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
  return FromGrpc((stub.*method)(&context, request, response));
}

class DialplanTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new MtlsPki("dialplan"); }

  DialplanTest()
      : process_("services/dialplan/dialplan",
                 absl::StrCat(testing::TempDir(), "/",
                              testing::UnitTest::GetInstance()
                                  ->current_test_info()
                                  ->name())) {}

  void SetUp() override {
    WriteConfig("");
    Start();
  }

  void WriteConfig(const std::string& extra) {
    const auto binding = [](const char* who, const char* role,
                            const char* tenants) {
      return absl::StrCat("{\"identity\":\"spiffe://t.test/operator/", who,
                          "\",\"role\":\"", role, "\",\"tenants\":[\"", tenants,
                          "\"]}");
    };
    process_.WriteConfig(absl::StrCat(
        "{\"server\":",
        process_.ServerJson(
            pki_->IssueSpiffe(kTrustDomain, "dialplan"), kTrustDomain,
            absl::StrCat(",\"instance_id\":\"dp0\",\"drain_timeout\":\"5s\","
                         "\"role_bindings\":[",
                         binding("ann", "ROLE_ADMIN", "*"), ",",
                         binding("oscar", "ROLE_OPERATOR", "t"), ",",
                         binding("vera", "ROLE_VIEWER", "u"), "]")),
        ",\"store\":{\"sqlite_file\":\"", process_.folder(), "/plan.db\"}",
        extra, "}"));
  }

  void Start() {
    process_.Start();
    ann_ = StubOf("operator/ann");
  }

  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& path) {
    return ChannelAs(*pki_, path, process_.grpc_target());
  }
  std::unique_ptr<Stub> StubOf(const std::string& path) {
    return pb::DialplanService::NewStub(ChannelOf(path));
  }

  // Calls one method: Call(&Stub::GetPeer, request, &response).
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response,
                    Stub* stub = nullptr) {
    return CallOn(stub != nullptr ? *stub : *ann_, method, request, response);
  }

  pb::Tenant MakeTenant(const std::string& id) {
    pb::CreateTenantRequest request;
    request.set_tenant_id(id);
    request.mutable_tenant()->add_domains(id + ".test");
    pb::Tenant out;
    EXPECT_THAT(Call(&Stub::CreateTenant, request, &out), IsOk());
    return out;
  }
  pb::DialPlan MakePlan(const std::string& tenant, const std::string& id,
                        type::SecurityMode mode) {
    pb::CreateDialPlanRequest request;
    request.set_parent("tenants/" + tenant);
    request.set_dial_plan_id(id);
    request.mutable_dial_plan()->set_security_mode(mode);
    request.mutable_dial_plan()->set_number_of_digits_in_extension(4);
    pb::DialPlan out;
    EXPECT_THAT(Call(&Stub::CreateDialPlan, request, &out), IsOk());
    return out;
  }
  static pb::CreatePeerRequest PeerRequest(const std::string& tenant,
                                           const std::string& id,
                                           const std::string& plan) {
    pb::CreatePeerRequest request;
    request.set_parent("tenants/" + tenant);
    request.set_peer_id(id);
    pb::Peer& peer = *request.mutable_peer();
    peer.set_kind(pb::PEER_KIND_IP_GATEWAY);
    peer.set_fqdn(id + "." + tenant + ".test");
    peer.set_dial_plan("tenants/" + tenant + "/dialPlans/" + plan);
    peer.set_outcalls_allowed(true);
    return request;
  }
  static pb::CreateUserRequest UserRequest(const std::string& id) {
    pb::CreateUserRequest request;
    request.set_parent("tenants/t");
    request.set_user_id(id);
    request.mutable_user()->set_username(id);
    request.mutable_user()->set_dial_plan("tenants/t/dialPlans/secured");
    return request;
  }

  // Tenant t with both dial plans, a gateway, and 9.! to it.
  void MakeDemo() {
    MakeTenant("t");
    MakePlan("t", "secured", type::SECURITY_MODE_SECURED);
    MakePlan("t", "gateway", type::SECURITY_MODE_SIP_SECURED);
    pb::Peer peer;
    ASSERT_THAT(
        Call(&Stub::CreatePeer, PeerRequest("t", "gw", "gateway"), &peer),
        IsOk());
    pb::CreateUserRequest user = UserRequest("1001");
    user.mutable_user()->set_password("correct horse");
    user.mutable_user()->set_digest_algorithm(type::DIGEST_ALGORITHM_MD5);
    pb::User made;
    ASSERT_THAT(Call(&Stub::CreateUser, user, &made), IsOk());
    pb::CreateRoutePatternRequest pattern;
    pattern.set_parent("tenants/t");
    pattern.set_route_pattern_id("out");
    pattern.mutable_route_pattern()->set_pattern("9.!");
    pattern.mutable_route_pattern()->set_peer("tenants/t/peers/gw");
    pattern.mutable_route_pattern()->mutable_called_party()->set_discard_digits(
        pb::DISCARD_DIGITS_PRE_DOT);
    pb::RoutePattern routed;
    ASSERT_THAT(Call(&Stub::CreateRoutePattern, pattern, &routed), IsOk());
  }

  int64_t Version() {
    pb::DialplanStatus status;
    EXPECT_THAT(Call(&Stub::GetStatus, pb::GetStatusRequest(), &status),
                IsOk());
    return status.configured_version();
  }

  static inline MtlsPki* pki_ = nullptr;
  ServiceProcess process_;
  std::unique_ptr<Stub> ann_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_PROCESS_FIXTURE_H_
