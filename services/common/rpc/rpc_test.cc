// A server and its callers over real mutual TLS on loopback: what
// server_builder, access_processor, server_interceptor, tls_files and
// client_channel do together. The service is CredentialIssuerService with
// made-up handlers.

#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpc/grpc.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/client_callback.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/log/log.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/metrics_table.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/rpc/testing/raw_health.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;
namespace config = ::sallyport::common::config::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTrustDomain[] = "t.test";
constexpr char kService[] =
    "/sallyport.credential_issuer.v1.CredentialIssuerService/";

std::string Method(const std::string& name) { return kService + name; }

std::vector<MethodRule> Rules() {
  std::vector<MethodRule> rules;
  for (const char* name :
       {"RevokeCredential", "RevokeUser", "GetKey", "ListKeys", "RotateKey",
        "RevokeKey", "ReportKeysVersion", "GetStatus", "ListAuditRecords",
        "IssueMrasCredentials"}) {
    rules.push_back({Method(name), {"signaling_edge"}, OperatorRole::kAdmin});
  }
  rules.push_back({Method("IssueTurnCredential"), {"signaling_edge"}});
  rules.push_back({Method("ListRevocations"), {}, OperatorRole::kViewer});
  rules.push_back({Method("WatchVerificationKeys"), {"media_relay"}});
  return rules;
}

class OneStepStream final
    : public grpc::ServerWriteReactor<pb::WatchVerificationKeysResponse> {
 public:
  OneStepStream() {
    step_.set_version(7);
    StartWrite(&step_);
  }
  void OnWriteDone(bool /*ok*/) override { Finish(grpc::Status::OK); }
  void OnDone() override { delete this; }

 private:
  pb::WatchVerificationKeysResponse step_;
};

// Never finishes by itself; ends when cancelled.
class HangingCall final : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }
};

class FakeIssuer final : public pb::CredentialIssuerService::CallbackService {
 public:
  explicit FakeIssuer(const AccessPolicy& policy) : policy_(policy) {}

  grpc::ServerUnaryReactor* IssueTurnCredential(
      grpc::CallbackServerContext* context,
      const pb::IssueTurnCredentialRequest* request,
      pb::TurnCredential* response) override {
    ++handled;
    const auto caller = policy_.Identify(*context->auth_context());
    response->set_username(
        absl::StrCat(request->subject(), " by ",
                     caller.ok() ? caller->ToString() : "nobody"));
    return Finish(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* ListRevocations(
      grpc::CallbackServerContext* context,
      const pb::ListRevocationsRequest* request,
      pb::ListRevocationsResponse* /*response*/) override {
    ++handled;
    return Finish(context,
                  ToGrpc(policy_
                             .Authorize(*context, Method("ListRevocations"),
                                        TenantOfName(request->parent()))
                             .status()));
  }
  grpc::ServerUnaryReactor* GetKey(grpc::CallbackServerContext* context,
                                   const pb::GetKeyRequest* /*request*/,
                                   pb::Key* /*response*/) override {
    return Finish(context, grpc::Status(grpc::StatusCode::INTERNAL,
                                        "the secret of row 3"));
  }
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* /*context*/,
                                      const pb::GetStatusRequest* /*request*/,
                                      pb::IssuerStatus* /*response*/) override {
    return new HangingCall();
  }
  grpc::ServerWriteReactor<pb::WatchVerificationKeysResponse>*
  WatchVerificationKeys(
      grpc::CallbackServerContext* /*context*/,
      const pb::WatchVerificationKeysRequest* /*request*/) override {
    ++handled;
    return new OneStepStream();
  }

  std::atomic<int> handled = 0;

 private:
  static grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                          const grpc::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

  const AccessPolicy& policy_;
};

void Use(const PemFiles& files, config::TlsFiles* tls) {
  tls->set_certificate_file(files.certificate_file);
  tls->set_key_file(files.key_file);
  tls->set_ca_file(files.ca_file);
}

class RpcTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new MtlsPki("rpc"); }

  void SetUp() override {
    LogOptions log;
    log.writer = [this](std::string_view line) {
      absl::MutexLock lock(&log_mutex_);
      log_lines_.emplace_back(line);
    };
    InitLogging(log);
    config_.set_trust_domain(kTrustDomain);
    config_.set_listen_address("127.0.0.1:0");
    config_.mutable_tls_refresh_interval()->set_seconds(1);
    config_.mutable_request_timeout()->set_nanos(300'000'000);
    Use(pki_->IssueSpiffe(kTrustDomain, "credential_issuer"),
        config_.mutable_tls());
    auto* binding = config_.add_role_bindings();
    binding->set_identity("spiffe://t.test/operator/ann");
    binding->set_role(config::ROLE_VIEWER);
    binding->add_tenants("a");
    Start();
  }

  void TearDown() override {
    server_.reset();
    InitLogging({});
  }

  void Start() {
    auto policy = AccessPolicy::Create(config_, Rules());
    ASSERT_THAT(policy, IsOk());
    policy_ = std::make_unique<AccessPolicy>(*std::move(policy));
    issuer_ = std::make_unique<FakeIssuer>(*policy_);
    const absl::Span<const MetricSpec> table = kRpcMetrics;
    metrics_ = *MetricsRegistry::Create({table});
    GrpcServerOptions options;
    options.policy = policy_.get();
    options.services = {issuer_.get()};
    options.metrics = metrics_.get();
    auto server = GrpcServer::Start(config_, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    ASSERT_GT(server_->port(), 0);
  }

  std::string Target() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }

  std::shared_ptr<grpc::Channel> Channel(
      const PemFiles& files,
      const std::string& expected = "spiffe://t.test/credential_issuer") {
    config::TlsFiles tls;
    Use(files, &tls);
    auto provider = WatchTlsFiles(tls, absl::Seconds(1));
    EXPECT_THAT(provider, IsOk());
    ClientChannelOptions options;
    options.target = Target();
    options.expected_identity = expected;
    options.max_backoff = absl::Milliseconds(300);
    return MakeClientChannel(*std::move(provider), options);
  }
  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& path) {
    return Channel(pki_->IssueSpiffe(kTrustDomain, path));
  }

  static void SetDeadline(grpc::ClientContext& context,
                          absl::Duration timeout = absl::Seconds(5)) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }

  static absl::StatusOr<pb::TurnCredential> Issue(
      std::shared_ptr<grpc::Channel> channel) {
    const auto stub = pb::CredentialIssuerService::NewStub(channel);
    grpc::ClientContext context;
    SetDeadline(context);
    pb::IssueTurnCredentialRequest request;
    request.set_subject("alice");
    pb::TurnCredential response;
    SP_RETURN_IF_ERROR(
        FromGrpc(stub->IssueTurnCredential(&context, request, &response)));
    return response;
  }

  static absl::Status ListRevocations(std::shared_ptr<grpc::Channel> channel,
                                      const std::string& parent) {
    const auto stub = pb::CredentialIssuerService::NewStub(channel);
    grpc::ClientContext context;
    SetDeadline(context);
    pb::ListRevocationsRequest request;
    request.set_parent(parent);
    pb::ListRevocationsResponse response;
    return FromGrpc(stub->ListRevocations(&context, request, &response));
  }

  // Number of steps of the stream, or why it failed.
  static absl::StatusOr<int> Watch(std::shared_ptr<grpc::Channel> channel) {
    const auto stub = pb::CredentialIssuerService::NewStub(channel);
    grpc::ClientContext context;
    SetDeadline(context);
    const auto stream = stub->WatchVerificationKeys(
        &context, pb::WatchVerificationKeysRequest());
    pb::WatchVerificationKeysResponse step;
    int steps = 0;
    while (stream->Read(&step)) ++steps;
    SP_RETURN_IF_ERROR(FromGrpc(stream->Finish()));
    return steps;
  }

  std::string LogText() {
    absl::MutexLock lock(&log_mutex_);
    std::string out;
    for (const std::string& line : log_lines_)
      absl::StrAppend(&out, line, "\n");
    return out;
  }

  static MtlsPki* pki_;

  absl::Mutex log_mutex_;
  std::vector<std::string> log_lines_;
  config::ServerConfig config_;
  std::unique_ptr<AccessPolicy> policy_;
  std::unique_ptr<FakeIssuer> issuer_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<GrpcServer> server_;
};

MtlsPki* RpcTest::pki_ = nullptr;

TEST_F(RpcTest, TheRightCallerIsKnownByName) {
  const auto answer = Issue(ChannelOf("signaling_edge"));
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->username(), "alice by service signaling_edge");
}

TEST_F(RpcTest, AnotherServiceIsRefusedBeforeTheHandler) {
  EXPECT_THAT(Issue(ChannelOf("capf")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason("CALLER_NOT_ACCEPTED")));
  EXPECT_EQ(issuer_->handled, 0);
  EXPECT_THAT(LogText(), HasSubstr("\"caller\":\"service capf\""));
}

TEST_F(RpcTest, StreamsAreGuardedToo) {
  EXPECT_THAT(Watch(ChannelOf("media_relay")), IsOkAndHolds(1));
  EXPECT_THAT(Watch(ChannelOf("signaling_edge")),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason("CALLER_NOT_ACCEPTED")));
  EXPECT_EQ(issuer_->handled, 1);
}

TEST_F(RpcTest, NoClientCertificateNoCall) {
  std::ifstream ca(pki_->ca_file());
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs.assign(std::istreambuf_iterator<char>(ca), {});
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("credential_issuer");
  EXPECT_THAT(Issue(grpc::CreateCustomChannel(
                  Target(), grpc::SslCredentials(ssl), arguments)),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(
      Issue(grpc::CreateChannel(Target(), grpc::InsecureChannelCredentials())),
      StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(issuer_->handled, 0);
}

TEST_F(RpcTest, ACertificateOfAnotherAuthorityIsRefused) {
  MtlsPki other("other");
  PemFiles files = other.IssueSpiffe(kTrustDomain, "signaling_edge");
  files.ca_file = pki_->ca_file();  // the client itself trusts the server
  EXPECT_THAT(Issue(Channel(files)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(issuer_->handled, 0);
}

TEST_F(RpcTest, AGoodChainWithAWrongIdentityIsRefused) {
  const struct {
    const char* base;
    const char* san;
  } kCases[] = {
      {"dns_only", "DNS:signaling_edge"},
      {"other_domain", "URI:spiffe://evil.test/signaling_edge"},
      {"two_uris",
       "URI:spiffe://t.test/signaling_edge,URI:spiffe://t.test/media_relay"},
      {"no_spiffe", "URI:https://t.test/signaling_edge"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(Issue(Channel(pki_->Issue(c.base, c.san))),
                AllOf(StatusIs(absl::StatusCode::kUnauthenticated),
                      HasReason("PEER_IDENTITY_MISMATCH")))
        << c.base;
  }
  EXPECT_EQ(issuer_->handled, 0);
}

TEST_F(RpcTest, AClientRefusesAServerOfAnotherIdentity) {
  const absl::Status status =
      Issue(Channel(pki_->IssueSpiffe(kTrustDomain, "signaling_edge"),
                    "spiffe://t.test/dialplan"))
          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(issuer_->handled, 0);
  EXPECT_THAT(LogText(), HasSubstr("PEER_IDENTITY_MISMATCH"));
}

TEST_F(RpcTest, OperatorsHaveTheirRoleInTheirTenantOnly) {
  const auto ann = ChannelOf("operator/ann");
  EXPECT_THAT(ListRevocations(ann, "tenants/a"), IsOk());
  EXPECT_THAT(ListRevocations(ann, "tenants/b"),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason("TENANT_NOT_ALLOWED")));
  EXPECT_THAT(Issue(ann), HasReason("CALLER_NOT_ACCEPTED"));
  EXPECT_THAT(ListRevocations(ChannelOf("operator/eve"), "tenants/a"),
              HasReason("ROLE_TOO_LOW"));
  // A role that is too low for a method is too low in every tenant.
  const auto stub = pb::CredentialIssuerService::NewStub(ann);
  grpc::ClientContext context;
  SetDeadline(context);
  pb::Key key;
  EXPECT_THAT(FromGrpc(stub->RotateKey(&context, {}, &key)),
              HasReason("ROLE_TOO_LOW"));
}

TEST_F(RpcTest, AMethodInNoListIsRefused) {
  grpc::GenericStub stub(ChannelOf("signaling_edge"));
  grpc::ClientContext context;
  SetDeadline(context);
  grpc::Slice nothing;
  grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  absl::Notification done;
  grpc::Status status;
  stub.UnaryCall(&context, "/some.Service/Method", {}, &request, &response,
                 [&](grpc::Status s) {
                   status = s;
                   done.Notify();
                 });
  done.WaitForNotification();
  EXPECT_THAT(FromGrpc(status),
              AllOf(StatusIs(absl::StatusCode::kPermissionDenied),
                    HasReason("METHOD_NOT_LISTED")));
}

TEST_F(RpcTest, AMethodWithoutHandlerAnswersWithItsName) {
  const auto stub =
      pb::CredentialIssuerService::NewStub(ChannelOf("signaling_edge"));
  grpc::ClientContext context;
  SetDeadline(context);
  pb::Key key;
  EXPECT_THAT(FromGrpc(stub->RotateKey(&context, {}, &key)),
              AllOf(StatusIs(absl::StatusCode::kUnimplemented,
                             HasSubstr("CredentialIssuerService/RotateKey")),
                    HasReason("METHOD_NOT_IMPLEMENTED")));
}

TEST_F(RpcTest, InternalTextStaysInside) {
  const auto stub =
      pb::CredentialIssuerService::NewStub(ChannelOf("signaling_edge"));
  grpc::ClientContext context;
  SetDeadline(context);
  pb::Key key;
  const grpc::Status status = stub->GetKey(&context, {}, &key);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "internal error");
  EXPECT_THAT(status.error_details(), Not(HasSubstr("secret")));
  EXPECT_THAT(FromGrpc(status), HasReason("INTERNAL"));
}

TEST_F(RpcTest, AUnaryCallHasAnEndWhateverItsCallerSays) {
  const auto stub =
      pb::CredentialIssuerService::NewStub(ChannelOf("signaling_edge"));
  grpc::ClientContext context;  // no deadline at all
  pb::IssuerStatus answer;
  const absl::Time start = absl::Now();
  EXPECT_EQ(stub->GetStatus(&context, {}, &answer).error_code(),
            grpc::StatusCode::CANCELLED);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(290));
  EXPECT_LE(absl::Now() - start, absl::Seconds(5));
}

TEST_F(RpcTest, AMessageOverTheLimitIsRefused) {
  server_.reset();
  config_.set_max_message_bytes(1000);
  Start();
  const auto stub =
      pb::CredentialIssuerService::NewStub(ChannelOf("signaling_edge"));
  grpc::ClientContext context;
  SetDeadline(context);
  pb::IssueTurnCredentialRequest request;
  request.set_subject(std::string(2000, 'x'));
  pb::TurnCredential response;
  EXPECT_EQ(
      stub->IssueTurnCredential(&context, request, &response).error_code(),
      grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(issuer_->handled, 0);
}

TEST_F(RpcTest, NewFilesServeNewHandshakesWithoutRestart) {
  // Server: from the first authority to a second one; the client trusts only
  // the second, so it gets through only once the server has reloaded.
  const PemFiles client = pki_->IssueSpiffe(kTrustDomain, "signaling_edge");
  MtlsPki next("next");
  const PemFiles next_server =
      next.IssueSpiffe(kTrustDomain, "credential_issuer");
  const auto old_channel = Channel(client);
  ASSERT_THAT(Issue(old_channel), IsOk());
  PemFiles cautious = client;
  cautious.ca_file = next.ca_file();
  const auto new_channel = Channel(cautious);
  ASSERT_THAT(Issue(new_channel), StatusIs(absl::StatusCode::kUnavailable));

  ASSERT_EQ(std::rename(next_server.key_file.c_str(),
                        config_.tls().key_file().c_str()),
            0);
  ASSERT_EQ(std::rename(next_server.certificate_file.c_str(),
                        config_.tls().certificate_file().c_str()),
            0);
  const absl::Time give_up = absl::Now() + absl::Seconds(15);
  absl::Status status;
  do {
    status = Issue(new_channel).status();
    if (!status.ok()) absl::SleepFor(absl::Milliseconds(100));
  } while (!status.ok() && absl::Now() < give_up);
  EXPECT_THAT(status, IsOk());
  // The connection of before lives on.
  EXPECT_THAT(Issue(old_channel), IsOk());
}

TEST_F(RpcTest, UnusableFilesAreAllNamedAtStart) {
  config_.mutable_tls()->set_key_file("/nonexistent/key.pem");
  config_.mutable_tls()->set_certificate_file(config_.tls().ca_file() + "x");
  config_.mutable_tls()->set_ca_file("/dev/null");
  GrpcServerOptions options;
  options.policy = policy_.get();
  const auto server = GrpcServer::Start(config_, options);
  EXPECT_THAT(server, HasReason("TLS_FILE_UNUSABLE"));
  EXPECT_THAT(FieldViolationsOf(server.status()).size(), 3u);
}

TEST_F(RpcTest, ATakenAddressIsSaid) {
  config_.set_listen_address(Target());
  GrpcServerOptions options;
  options.policy = policy_.get();
  EXPECT_THAT(GrpcServer::Start(config_, options),
              AllOf(StatusIs(absl::StatusCode::kUnavailable),
                    HasReason("ADDRESS_NOT_BOUND")));
}

TEST_F(RpcTest, DrainingFlipsOneHealthNameAndNotTheOther) {
  const auto channel = ChannelOf("capf");
  EXPECT_EQ(CheckHealth(channel, ""), RawHealth::kNotServing);
  server_->SetReady(true);
  server_->SetTakesNewWork(true);
  EXPECT_EQ(CheckHealth(channel, ""), RawHealth::kServing);
  EXPECT_EQ(CheckHealth(channel, kNewWorkHealthName), RawHealth::kServing);
  server_->SetTakesNewWork(false);
  EXPECT_EQ(CheckHealth(channel, ""), RawHealth::kServing);
  EXPECT_EQ(CheckHealth(channel, kNewWorkHealthName), RawHealth::kNotServing);
  EXPECT_EQ(CheckHealth(channel, "no.such.name"), RawHealth::kUnknownName);
}

// Asks the reflection service for the list of services, without its generated
// code, and keeps the octets of the answer.
class ReflectionCall final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit ReflectionCall(std::shared_ptr<grpc::Channel> channel)
      : stub_(std::move(channel)) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
    // ServerReflectionRequest, field 7: list_services.
    grpc::Slice slice(std::string("\x3a\x01*"));
    request_ = grpc::ByteBuffer(&slice, 1);
    stub_.PrepareBidiStreamingCall(
        &context_,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", {},
        this);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    std::vector<grpc::Slice> slices;
    if (!ok || !response_.Dump(&slices).ok()) return;
    for (const grpc::Slice& s : slices) {
      answer_.append(reinterpret_cast<const char*>(s.begin()), s.size());
    }
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();
  }

  absl::StatusOr<std::string> Wait() {
    done_.WaitForNotification();
    SP_RETURN_IF_ERROR(FromGrpc(status_));
    return answer_;
  }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::string answer_;
  grpc::Status status_;
  absl::Notification done_;
};

TEST_F(RpcTest, ReflectionIsForVerifiedCallers) {
  const auto ann = ChannelOf("operator/ann");
  EXPECT_THAT(ReflectionCall(ann).Wait(),
              IsOkAndHolds(HasSubstr(
                  "sallyport.credential_issuer.v1.CredentialIssuerService")));
  const auto stranger =
      Channel(pki_->Issue("stranger", "URI:spiffe://evil.test/capf"));
  EXPECT_THAT(ReflectionCall(stranger).Wait(),
              HasReason("PEER_IDENTITY_MISMATCH"));
}

TEST_F(RpcTest, AnswersAreCountedByMethodAndCode) {
  ASSERT_THAT(Issue(ChannelOf("signaling_edge")), IsOk());
  ASSERT_THAT(ListRevocations(ChannelOf("operator/ann"), "tenants/b"),
              Not(IsOk()));
  const std::string text = metrics_->Text();
  EXPECT_THAT(text, HasSubstr(absl::StrCat(
                        "sallyport_rpc_requests_total{code=\"OK\",method=\"",
                        Method("IssueTurnCredential"), "\"} 1")));
  EXPECT_THAT(text,
              HasSubstr(absl::StrCat("sallyport_rpc_requests_total{code="
                                     "\"PERMISSION_DENIED\",method=\"",
                                     Method("ListRevocations"), "\"} 1")));
}

TEST_F(RpcTest, AServiceWithoutTargetSaysSo) {
  config::ClientConfig client;
  EXPECT_THAT(ConnectTo(config_, client, "dialplan"),
              AllOf(StatusIs(absl::StatusCode::kFailedPrecondition),
                    HasReason("SERVICE_NOT_CONFIGURED")));
  client.set_target(Target());
  const auto channel = ConnectTo(config_, client, "credential_issuer");
  ASSERT_THAT(channel, IsOk());
  // This server calls itself: known, but not accepted.
  EXPECT_THAT(Issue(*channel), HasReason("CALLER_NOT_ACCEPTED"));
}

}  // namespace
}  // namespace sallyport
