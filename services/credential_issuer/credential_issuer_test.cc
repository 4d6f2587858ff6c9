// The real binary as a process, over real mutual TLS: what its callers see,
// and what SIGKILL and SIGTERM do to it.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/stream_watch.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/common/turn_credential/turn_credential.h"

namespace sallyport::credential_issuer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Step = v1::WatchVerificationKeysResponse;

constexpr char kTrustDomain[] = "t.test";

// A relay, as far as keys go: it follows the stream and keeps what it holds.
class Follower {
 public:
  explicit Follower(std::shared_ptr<grpc::Channel> channel)
      : stub_(v1::CredentialIssuerService::NewStub(channel)) {
    StreamWatch<Step>::Options options;
    options.open = [this](grpc::ClientContext* context) {
      v1::WatchVerificationKeysRequest request;
      request.set_consumer("relay-0");
      return stub_->WatchVerificationKeys(context, request);
    };
    options.on_message = [this](const Step& step) {
      absl::MutexLock lock(&mutex_);
      steps_.push_back(step);
      return absl::OkStatus();
    };
    options.on_state = [this](bool connected, const absl::Status& why) {
      absl::MutexLock lock(&mutex_);
      if (!connected) last_end_ = why;
    };
    options.max_backoff = absl::Milliseconds(300);
    watch_ = std::make_unique<StreamWatch<Step>>(std::move(options));
  }

  // Waits for a step that `wanted` accepts, from the step `from` on.
  template <typename Wanted>
  std::optional<Step> WaitFor(Wanted wanted, size_t from = 0) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    size_t i = from;
    while (absl::Now() < give_up) {
      {
        absl::MutexLock lock(&mutex_);
        for (; i < steps_.size(); ++i) {
          if (wanted(steps_[i])) return steps_[i];
        }
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return std::nullopt;
  }

  size_t count() {
    absl::MutexLock lock(&mutex_);
    return steps_.size();
  }
  absl::Status last_end() {
    absl::MutexLock lock(&mutex_);
    return last_end_;
  }

 private:
  const std::unique_ptr<v1::CredentialIssuerService::Stub> stub_;
  absl::Mutex mutex_;
  std::vector<Step> steps_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_end_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<StreamWatch<Step>> watch_;
};

class CredentialIssuerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new MtlsPki("issuer"); }

  CredentialIssuerTest()
      : process_("services/credential_issuer/credential_issuer",
                 absl::StrCat(testing::TempDir(), "/",
                              testing::UnitTest::GetInstance()
                                  ->current_test_info()
                                  ->name())) {}

  void SetUp() override {
    std::filesystem::remove_all(process_.folder() + "/state");
    WriteConfig();
    process_.Start();
  }

  void WriteConfig(const std::string& master_key = "issuer.master",
                   const std::string& more = "") {
    const std::string roles =
        ",\"instance_id\":\"issuer-0\",\"drain_timeout\":\"10s\","
        "\"role_bindings\":["
        "{\"identity\":\"spiffe://t.test/operator/root\",\"role\":"
        "\"ROLE_ADMIN\",\"tenants\":[\"*\"]},"
        "{\"identity\":\"spiffe://t.test/operator/ann\",\"role\":"
        "\"ROLE_OPERATOR\",\"tenants\":[\"a\"]}]";
    if (server_.empty()) {
      server_ = process_.ServerJson(
          pki_->IssueSpiffe(kTrustDomain, "credential_issuer"), kTrustDomain,
          roles);
    }
    process_.WriteConfig(absl::StrCat(
        "{\"server\":", server_, ",\"store\":{\"sqlite_file\":\"",
        process_.folder(), "/state/issuer.db\"},\"master_key_file\":\"",
        process_.folder(), "/", master_key, "\",\"audit_file\":\"",
        process_.folder(), "/audit\",\"watch_heartbeat_interval\":\"0.2s\",",
        more,
        "\"max_issues_per_subject_minute\":5,"
        "\"relays\":[{\"relay\":\"static-0\",\"internet_uris\":"
        "[\"turn:relay.test:3478\"]}]}"));
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& path) {
    const PemFiles files = pki_->IssueSpiffe(kTrustDomain, path);
    common::config::v1::TlsFiles tls;
    tls.set_certificate_file(files.certificate_file);
    tls.set_key_file(files.key_file);
    tls.set_ca_file(files.ca_file);
    auto provider = WatchTlsFiles(tls, absl::Seconds(10));
    EXPECT_THAT(provider, IsOk());
    ClientChannelOptions options;
    options.target = process_.grpc_target();
    options.expected_identity = "spiffe://t.test/credential_issuer";
    options.max_backoff = absl::Milliseconds(300);
    return MakeClientChannel(*std::move(provider), options);
  }
  std::unique_ptr<v1::CredentialIssuerService::Stub> Stub(
      const std::string& path) {
    return v1::CredentialIssuerService::NewStub(Channel(path));
  }

  // One unary call: Call(*stub, &Stub::GetKey, request).
  template <typename Request, typename Response>
  static absl::StatusOr<Response> Call(
      v1::CredentialIssuerService::Stub& stub,
      grpc::Status (v1::CredentialIssuerService::Stub::*method)(
          grpc::ClientContext*, const Request&, Response*),
      const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    Response response;
    SP_RETURN_IF_ERROR(FromGrpc((stub.*method)(&context, request, &response)));
    return response;
  }

  using Api = v1::CredentialIssuerService::Stub;

  static absl::StatusOr<v1::TurnCredential> Issue(
      Api& stub, const std::string& subject,
      const std::string& parent = "tenants/a",
      absl::Duration lifetime = absl::ZeroDuration()) {
    v1::IssueTurnCredentialRequest request;
    request.set_parent(parent);
    request.set_subject(subject);
    *request.mutable_lifetime() = ToProto(lifetime);
    request.set_request_id("call-7");
    return Call(stub, &Api::IssueTurnCredential, request);
  }

  static absl::StatusOr<v1::Key> Rotate(Api& stub, const std::string& id) {
    v1::RotateKeyRequest request;
    request.set_request_id(id);
    return Call(stub, &Api::RotateKey, request);
  }

  // What a relay finds out about `credential` with the keys of `step`.
  static absl::StatusOr<VerifiedTurnCredential> Verify(
      const v1::TurnCredential& credential, const Step& step) {
    const auto id = KeyIdOfTurnUsername(credential.username());
    if (!id) return absl::InvalidArgumentError("no user name of ours");
    for (const v1::VerificationKey& key : step.keys()) {
      if (key.key_id() != *id) continue;
      return VerifyTurnUsername(credential.username(),
                                Secret::CopyOf(key.secret()), absl::Now());
    }
    return absl::NotFoundError("the key is not in the stream");
  }

  std::string ReadFile(const std::string& name) const {
    std::ifstream in(process_.folder() + "/" + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  static MtlsPki* pki_;
  ServiceProcess process_;
  std::string server_;  // of the configuration
};

MtlsPki* CredentialIssuerTest::pki_ = nullptr;

TEST_F(CredentialIssuerTest, ARelayVerifiesWhatTheEdgeWasGiven) {
  const auto edge = Stub("signaling_edge");
  Follower relay(Channel("media_relay"));
  const auto credential =
      Issue(*edge, "alice@demo.test", "tenants/a", absl::Hours(100));
  ASSERT_THAT(credential, IsOk());
  EXPECT_EQ(credential->realm(), "sallyport");
  EXPECT_EQ(credential->credential_id().size(), 24u);
  // AVE-18: clamped to 8 hours.
  EXPECT_LE(FromProto(credential->expire_time()), absl::Now() + absl::Hours(8));
  EXPECT_GT(FromProto(credential->expire_time()),
            absl::Now() + absl::Hours(8) - absl::Minutes(1));
  ASSERT_EQ(credential->relays_size(), 1);
  EXPECT_EQ(credential->relays(0).host(), "relay.test");
  EXPECT_EQ(credential->relays(0).port(), 3478u);

  const auto full = relay.WaitFor([](const Step& s) { return s.full(); });
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->realm(), "sallyport");
  const auto verified = Verify(*credential, *full);
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->claims.tenant, "a");
  EXPECT_EQ(verified->claims.key_id, credential->key_id());
  EXPECT_EQ(verified->credential_id, credential->credential_id());
  EXPECT_EQ(verified->password.DangerousText(), credential->password());
  EXPECT_THAT(verified->claims.subject, Not(HasSubstr("alice")));
}

TEST_F(CredentialIssuerTest, EachCallerHasItsMethodsAndNoOther) {
  const auto edge = Stub("signaling_edge");
  const auto capf = Stub("capf");
  const auto ann = Stub("operator/ann");
  const auto root = Stub("operator/root");
  EXPECT_THAT(Issue(*capf, "x"), HasReason("CALLER_NOT_ACCEPTED"));
  EXPECT_THAT(Issue(*ann, "x", "tenants/a"), IsOk());
  EXPECT_THAT(Issue(*ann, "x", "tenants/b"), HasReason("TENANT_NOT_ALLOWED"));
  EXPECT_THAT(Issue(*root, "x", "tenants/b"), IsOk());
  EXPECT_THAT(Rotate(*edge, "r"), HasReason("CALLER_NOT_ACCEPTED"));
  EXPECT_THAT(Rotate(*ann, "r"), HasReason("ROLE_TOO_LOW"));
  EXPECT_THAT(Call(*ann, &Api::GetStatus, v1::GetStatusRequest()),
              HasReason("TENANT_NOT_ALLOWED"));
  // Not even an administrator gets secrets.
  grpc::ClientContext context;
  v1::WatchVerificationKeysRequest request;
  request.set_consumer("root");
  const auto stream = root->WatchVerificationKeys(&context, request);
  Step step;
  EXPECT_FALSE(stream->Read(&step));
  EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("CALLER_NOT_ACCEPTED"));
}

TEST_F(CredentialIssuerTest, WrongRequestsNameTheirFields) {
  const auto edge = Stub("signaling_edge");
  const auto bad = Issue(*edge, "", "tenants/a", absl::Hours(-1));
  EXPECT_THAT(bad, AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                         HasReason("REQUEST_INVALID")));
  EXPECT_EQ(FieldViolationsOf(bad.status()).size(), 2u);
  for (const char* parent :
       {"", "tenants/", "a", "tenants/a/users/b", "tenants/A", "tenants/-"}) {
    EXPECT_THAT(Issue(*edge, "x", parent), HasReason("REQUEST_INVALID"))
        << parent;
  }
  const auto root = Stub("operator/root");
  EXPECT_THAT(Rotate(*root, ""), HasReason("REQUEST_INVALID"));
  v1::GetKeyRequest get;
  for (const char* name : {"", "keys/", "keys/x", "keys/01", "keys/-1", "1"}) {
    get.set_name(name);
    EXPECT_THAT(Call(*root, &Api::GetKey, get), HasReason("REQUEST_INVALID"))
        << name;
  }
  get.set_name("keys/4000000000");
  EXPECT_THAT(Call(*root, &Api::GetKey, get), HasReason("KEY_NOT_FOUND"));
}

TEST_F(CredentialIssuerTest, OneSubjectIsLimited) {
  const auto edge = Stub("signaling_edge");
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Issue(*edge, "greedy"), IsOk());
  EXPECT_THAT(Issue(*edge, "greedy"),
              AllOf(StatusIs(absl::StatusCode::kResourceExhausted),
                    HasReason("RATE_LIMITED")));
  EXPECT_THAT(Issue(*edge, "modest"), IsOk());
}

TEST_F(CredentialIssuerTest, PoliciesOfTenantsAreFollowedWhileItRuns) {
  const auto edge = Stub("signaling_edge");
  Follower relay(Channel("media_relay"));
  ASSERT_TRUE(relay.WaitFor([](const Step& s) { return s.full(); }));
  EXPECT_THAT(Issue(*edge, "x", "tenants/b"), IsOk());
  WriteConfig("issuer.master",
              "\"tenant_policies\":[{\"tenant\":\"tenants/b\","
              "\"disabled\":true},{\"tenant\":\"tenants/a\","
              "\"max_lifetime\":\"60s\"}],");
  process_.WaitForLog("\"in_force\":\"tenant_policies\"");
  EXPECT_THAT(Issue(*edge, "x", "tenants/b"), HasReason("TENANT_DISABLED"));
  const auto shorter = Issue(*edge, "x", "tenants/a", absl::Hours(1));
  ASSERT_THAT(shorter, IsOk());
  EXPECT_LE(FromProto(shorter->expire_time()), absl::Now() + absl::Minutes(1));
  // A wrong file changes nothing.
  WriteConfig("issuer.master", "\"tenant_policies\":[{\"tenant\":\"b\"}],");
  process_.WaitForLog("the changed configuration is refused");
  EXPECT_THAT(Issue(*edge, "x", "tenants/b"), HasReason("TENANT_DISABLED"));
  EXPECT_TRUE(relay.last_end().ok()) << relay.last_end();
}

// No key is lost and no client notices.
TEST_F(CredentialIssuerTest, ANewMasterKeyIsBroughtIn) {
  const auto edge = Stub("signaling_edge");
  const auto root = Stub("operator/root");
  const auto before = Issue(*edge, "alice", "tenants/a");
  ASSERT_THAT(before, IsOk());
  v1::RevokeUserRequest revoke;
  revoke.set_parent("tenants/a");
  revoke.set_subject("mallory");
  ASSERT_THAT(Call(*root, &Api::RevokeUser, revoke), IsOk());
  EXPECT_EQ(process_.Terminate(), 0);
  WriteConfig("second.master",
              absl::StrCat("\"accepted_master_key_files\":[\"",
                           process_.folder(), "/issuer.master\"],"));
  process_.Start();
  process_.WaitForLog("keys are sealed under the new master key");
  EXPECT_EQ(process_.Terminate(), 0);

  std::filesystem::remove(process_.folder() + "/issuer.master");
  WriteConfig("second.master");
  process_.Start();
  Follower relay(Channel("media_relay"));
  const auto full = relay.WaitFor([](const Step& s) { return s.full(); });
  ASSERT_TRUE(full.has_value());
  EXPECT_THAT(Verify(*before, *full), IsOk());
  const auto after = Issue(*Stub("signaling_edge"), "alice", "tenants/a");
  ASSERT_THAT(after, IsOk());
  const auto subject = [&](const v1::TurnCredential& credential) {
    return Verify(credential, *full)->claims.subject;
  };
  EXPECT_EQ(subject(*after), subject(*before));
  EXPECT_EQ(full->revocations_size(), 1);
}

TEST_F(CredentialIssuerTest, AChangeReachesTheRelaysAtOnce) {
  const auto root = Stub("operator/root");
  const auto edge = Stub("signaling_edge");
  Follower relay(Channel("media_relay"));
  const auto full = relay.WaitFor([](const Step& s) { return s.full(); });
  ASSERT_TRUE(full.has_value());
  const auto credential = Issue(*edge, "alice");
  ASSERT_THAT(credential, IsOk());

  // A new key: known before it is used, the old one still there.
  absl::Time acknowledged;
  const auto key = Rotate(*root, "req-1");
  acknowledged = absl::Now();
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->state(), v1::KEY_STATE_PENDING);
  const auto rotated = relay.WaitFor(
      [&](const Step& s) { return s.version() == key->version(); });
  ASSERT_TRUE(rotated.has_value());
  EXPECT_LT(absl::Now() - acknowledged, absl::Seconds(1));
  EXPECT_FALSE(rotated->full());
  EXPECT_EQ(rotated->keys_size(), 2);
  EXPECT_THAT(Verify(*credential, *rotated), IsOk());
  EXPECT_THAT(Rotate(*root, "req-1")->key_id(), key->key_id());

  // A revoked user.
  v1::RevokeUserRequest user;
  user.set_parent("tenants/a");
  user.set_subject("alice");
  user.set_reason("left");
  const auto revoked = Call(*root, &Api::RevokeUser, user);
  ASSERT_THAT(revoked, IsOk());
  const auto with_user = relay.WaitFor(
      [](const Step& s) { return !s.full() && s.revocations_size() == 1; });
  ASSERT_TRUE(with_user.has_value());
  EXPECT_EQ(with_user->revocations(0).opaque_subject(),
            Verify(*credential, *rotated)->claims.subject);
  EXPECT_EQ(with_user->revocations(0).name(), revoked->name());

  // A revoked credential, by its user name.
  const auto another = Issue(*edge, "alice");
  ASSERT_THAT(another, IsOk());
  v1::RevokeCredentialRequest one;
  one.set_parent("tenants/a");
  one.set_username(another->username());
  ASSERT_THAT(Call(*root, &Api::RevokeCredential, one), IsOk());
  EXPECT_TRUE(relay
                  .WaitFor([&](const Step& s) {
                    return s.revocations_size() == 1 &&
                           s.revocations(0).credential_id() ==
                               another->credential_id();
                  })
                  .has_value());
  one.set_username("nonsense");
  EXPECT_THAT(Call(*root, &Api::RevokeCredential, one),
              HasReason("USERNAME_INVALID"));
  one.set_credential_id("XYZ");
  EXPECT_THAT(Call(*root, &Api::RevokeCredential, one),
              HasReason("REQUEST_INVALID"));

  // A revoked key: gone from the relays, and another one serves.
  v1::RevokeKeyRequest stolen;
  stolen.set_name(absl::StrCat("keys/", credential->key_id()));
  const auto gone = Call(*root, &Api::RevokeKey, stolen);
  ASSERT_THAT(gone, IsOk());
  EXPECT_EQ(gone->state(), v1::KEY_STATE_REVOKED);
  const auto without = relay.WaitFor([&](const Step& s) {
    return s.removed_key_ids_size() == 1 &&
           s.removed_key_ids(0) == credential->key_id();
  });
  ASSERT_TRUE(without.has_value());
  ASSERT_EQ(without->revocations_size(), 1);
  EXPECT_EQ(without->revocations(0).key_id(), credential->key_id());
  const auto after = Issue(*edge, "bob");
  ASSERT_THAT(after, IsOk());
  EXPECT_NE(after->key_id(), credential->key_id());

  // An idle stream lives.
  EXPECT_TRUE(relay
                  .WaitFor(
                      [](const Step& s) {
                        return !s.full() && s.keys_size() == 0 &&
                               s.revocations_size() == 0;
                      },
                      relay.count())
                  .has_value());
}

// Issue 2, section 4, point 3: it comes back with nothing lost.
TEST_F(CredentialIssuerTest, WhatWasAcknowledgedSurvivesKill) {
  std::string credential_text;
  v1::TurnCredential credential;
  v1::Key key;
  v1::Revocation revocation;
  {
    const auto edge = Stub("signaling_edge");
    const auto root = Stub("operator/root");
    const auto issued = Issue(*edge, "alice");
    ASSERT_THAT(issued, IsOk());
    credential = *issued;
    v1::RevokeUserRequest user;
    user.set_parent("tenants/a");
    user.set_subject("mallory");
    user.set_reason("it's \"over\"");
    const auto revoked = Call(*root, &Api::RevokeUser, user);
    ASSERT_THAT(revoked, IsOk());
    revocation = *revoked;
    const auto rotated = Rotate(*root, "req-9");
    ASSERT_THAT(rotated, IsOk());
    key = *rotated;
    process_.Kill();  // right after the acknowledgement
  }
  process_.Start();
  const auto root = Stub("operator/root");
  const auto status = Call(*root, &Api::GetStatus, v1::GetStatusRequest());
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->configured_version(), key.version());
  v1::GetKeyRequest get;
  get.set_name(key.name());
  const auto again = Call(*root, &Api::GetKey, get);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->not_after_time().seconds(), key.not_after_time().seconds());
  // The repeated command finds the key that it made.
  EXPECT_EQ(Rotate(*root, "req-9")->key_id(), key.key_id());
  v1::ListRevocationsRequest list;
  list.set_parent("tenants/a");
  const auto revocations = Call(*root, &Api::ListRevocations, list);
  ASSERT_THAT(revocations, IsOk());
  ASSERT_EQ(revocations->revocations_size(), 1);
  EXPECT_EQ(revocations->revocations(0).SerializeAsString(),
            revocation.SerializeAsString());
  // The credential of before is good, and the user of before stays revoked.
  Follower relay(Channel("media_relay"));
  const auto full = relay.WaitFor([](const Step& s) { return s.full(); });
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->version(), key.version());
  EXPECT_THAT(Verify(credential, *full), IsOk());
  ASSERT_EQ(full->revocations_size(), 1);
  const auto mallory = Issue(*Stub("signaling_edge"), "mallory");
  ASSERT_THAT(mallory, IsOk());
  EXPECT_NE(Verify(*mallory, *full)->claims.subject,
            revocation.opaque_subject());
}

TEST_F(CredentialIssuerTest, ItEndsAsSoonAsItsStreamsHave) {
  Follower relay(Channel("media_relay"));
  ASSERT_TRUE(
      relay.WaitFor([](const Step& s) { return s.full(); }).has_value());
  EXPECT_EQ(process_.Terminate(), 0);
  EXPECT_THAT(process_.Log(), HasSubstr("\"how\":\"idle\""));
  EXPECT_THAT(relay.last_end(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(CredentialIssuerTest, DrainTellsStreamsAndCallers) {
  const auto channel = Channel("media_relay");
  const auto stub = v1::CredentialIssuerService::NewStub(channel);
  grpc::ClientContext context;
  v1::WatchVerificationKeysRequest request;
  request.set_consumer("relay-0");
  const auto stream = stub->WatchVerificationKeys(&context, request);
  Step step;
  ASSERT_TRUE(stream->Read(&step));
  process_.Signal(15);
  while (stream->Read(&step)) {
  }
  EXPECT_THAT(
      FromGrpc(stream->Finish()),
      AllOf(StatusIs(absl::StatusCode::kUnavailable), HasReason("DRAINING")));
}

TEST_F(CredentialIssuerTest, RelaysThatReportAreKnownAndGivenToClients) {
  const auto relay = Stub("media_relay");
  v1::ReportKeysVersionRequest report;
  report.set_consumer("relay-7");
  report.set_active_version(1);
  *report.mutable_active_time() = ToProto(absl::Now());
  report.set_load(0.25);
  report.add_addresses()->set_uri("turn:192.0.2.7:3478?transport=udp");
  auto* inside = report.add_addresses();
  inside->set_uri("turn:10.0.0.7");
  inside->set_internal(true);
  report.add_addresses()->set_uri("nonsense");
  const auto answer = Call(*relay, &Api::ReportKeysVersion, report);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->configured_version(), 1);
  EXPECT_THAT(
      Call(*relay, &Api::ReportKeysVersion, v1::ReportKeysVersionRequest()),
      HasReason("REQUEST_INVALID"));

  const auto status =
      Call(*Stub("operator/root"), &Api::GetStatus, v1::GetStatusRequest());
  ASSERT_THAT(status, IsOk());
  ASSERT_EQ(status->consumers_size(), 1);
  EXPECT_EQ(status->consumers(0).consumer(), "relay-7");
  EXPECT_EQ(status->consumers(0).identity(), "service media_relay");
  EXPECT_EQ(status->consumers(0).active_version(), 1);
  EXPECT_EQ(status->consumers(0).load(), 0.25);
  EXPECT_FALSE(status->consumers(0).connected());
  EXPECT_EQ(status->info().instance(), "issuer-0");
  EXPECT_EQ(status->active_key_id(), 1u);

  v1::IssueTurnCredentialRequest request;
  request.set_parent("tenants/a");
  request.set_subject("alice");
  request.set_network(v1::CLIENT_NETWORK_INTRANET);
  const auto edge = Stub("signaling_edge");
  const auto inner = Call(*edge, &Api::IssueTurnCredential, request);
  ASSERT_THAT(inner, IsOk());
  ASSERT_EQ(inner->relays_size(), 1);
  EXPECT_EQ(inner->relays(0).host(), "10.0.0.7");
  request.set_network(v1::CLIENT_NETWORK_UNSPECIFIED);
  EXPECT_EQ(Call(*edge, &Api::IssueTurnCredential, request)->relays_size(), 3);
}

TEST_F(CredentialIssuerTest, ListsArePaged) {
  const auto root = Stub("operator/root");
  v1::RevokeCredentialRequest one;
  for (int i = 0; i < 5; ++i) {
    one.set_parent(i < 3 ? "tenants/a" : "tenants/b");
    one.set_credential_id(absl::StrCat("00000000000000000000000", i));
    ASSERT_THAT(Call(*root, &Api::RevokeCredential, one), IsOk());
  }
  v1::ListRevocationsRequest list;
  list.set_parent("tenants/a");
  list.set_page_size(2);
  auto page = Call(*root, &Api::ListRevocations, list);
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->revocations_size(), 2);
  EXPECT_EQ(page->revocations(0).credential_id(), "000000000000000000000002");
  list.set_page_token(page->next_page_token());
  page = Call(*root, &Api::ListRevocations, list);
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->revocations_size(), 1);
  EXPECT_EQ(page->next_page_token(), "");
  list.set_page_token("unknown");
  EXPECT_THAT(Call(*root, &Api::ListRevocations, list),
              HasReason("REQUEST_INVALID"));
  v1::ListRevocationsRequest all;
  all.set_parent("tenants/-");
  EXPECT_EQ(Call(*root, &Api::ListRevocations, all)->revocations_size(), 5);
  EXPECT_THAT(Call(*Stub("operator/ann"), &Api::ListRevocations, all),
              HasReason("TENANT_NOT_ALLOWED"));
  const auto keys = Call(*root, &Api::ListKeys, v1::ListKeysRequest());
  ASSERT_THAT(keys, IsOk());
  EXPECT_EQ(keys->keys_size(), 1);
  EXPECT_EQ(keys->keys(0).state(), v1::KEY_STATE_ACTIVE);
}

TEST_F(CredentialIssuerTest, AuditTellsWhatHappenedAndNoSecret) {
  const auto edge = Stub("signaling_edge");
  const auto credential = Issue(*edge, "alice@demo.test");
  ASSERT_THAT(credential, IsOk());
  ASSERT_THAT(Rotate(*Stub("operator/root"), "req-1"), IsOk());
  const std::string audit = ReadFile("audit");
  EXPECT_THAT(audit, HasSubstr("\"event\":\"issue\""));
  EXPECT_THAT(audit, HasSubstr(credential->credential_id()));
  EXPECT_THAT(audit, HasSubstr("\"caller\":\"service signaling_edge\""));
  EXPECT_THAT(audit, HasSubstr("\"request_id\":\"call-7\""));
  EXPECT_THAT(audit, HasSubstr("\"event\":\"rotate_key\""));
  EXPECT_THAT(audit, HasSubstr("\"caller\":\"operator root\""));
  for (const std::string& text : {audit, process_.Log()}) {
    EXPECT_THAT(text, Not(HasSubstr(credential->password())));
    EXPECT_THAT(text, Not(HasSubstr(credential->username())));
    EXPECT_THAT(text, Not(HasSubstr("alice")));
  }
}

// AVE-39: as the edge hands on what a SIP user sent.
TEST_F(CredentialIssuerTest, MrasRequestsAreAnsweredInMrasWords) {
  const auto edge = Stub("signaling_edge");
  v1::IssueMrasCredentialsRequest request;
  request.set_parent("tenants/a");
  request.set_subject("alice@demo.test");
  request.set_signaling_transport(type::v1::TRANSPORT_TLS);
  request.set_body(
      "<request requestID=\"9\" from=\"sip:alice@demo.test\" version=\"1.0\""
      " to=\"sip:mras@demo.test\""
      " xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\">"
      "<credentialsRequest credentialsRequestID=\"c1\">"
      "<identity>sip:alice@demo.test</identity><location>internet</location>"
      "<duration>9999</duration></credentialsRequest></request>");
  const auto answer = Call(*edge, &Api::IssueMrasCredentials, request);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->reason_phrase(), "OK");
  EXPECT_THAT(answer->body(), HasSubstr("requestID=\"9\""));
  EXPECT_THAT(answer->body(), HasSubstr("reasonPhrase=\"OK\""));
  // AVE-18.
  EXPECT_THAT(answer->body(), HasSubstr("<duration>480</duration>"));
  EXPECT_THAT(answer->body(), HasSubstr("<hostName>relay.test</hostName>"));
  EXPECT_THAT(answer->body(), HasSubstr("<udpPort>3478</udpPort>"));
  ASSERT_EQ(answer->credential_ids_size(), 1);
  EXPECT_THAT(ReadFile("audit"), HasSubstr(answer->credential_ids(0)));

  // The octets of the user name are those that the relay knows.
  const auto between = [&](const std::string& a, const std::string& b) {
    const size_t at = answer->body().find(a) + a.size();
    return answer->body().substr(at, answer->body().find(b, at) - at);
  };
  std::string octets;
  ASSERT_TRUE(
      absl::Base64Unescape(between("<username>", "</username>"), &octets));
  Follower relay(Channel("media_relay"));
  const auto full = relay.WaitFor([](const Step& s) { return s.full(); });
  ASSERT_TRUE(full.has_value());
  v1::TurnCredential credential;
  credential.set_username(absl::WebSafeBase64Escape(octets));
  const auto verified = Verify(credential, *full);
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->credential_id, answer->credential_ids(0));
  std::string password;
  ASSERT_TRUE(
      absl::Base64Unescape(between("<password>", "</password>"), &password));
  EXPECT_EQ(password.size(), 32u);
  EXPECT_EQ(absl::WebSafeBase64Escape(password),
            verified->password.DangerousText());

  const auto phrase = [&](const v1::IssueMrasCredentialsRequest& wrong) {
    const auto got = Call(*edge, &Api::IssueMrasCredentials, wrong);
    EXPECT_THAT(got, IsOk());
    EXPECT_EQ(got->body().find("password") != std::string::npos,
              got->reason_phrase() == "OK");
    return got->reason_phrase();
  };
  v1::IssueMrasCredentialsRequest wrong = request;
  wrong.set_signaling_transport(type::v1::TRANSPORT_TCP);
  EXPECT_EQ(phrase(wrong), "Forbidden");  // AVE-09
  wrong = request;
  wrong.set_subject("mallory@demo.test");
  EXPECT_EQ(phrase(wrong), "Forbidden");
  wrong = request;
  wrong.mutable_body()->replace(wrong.body().find("1.0"), 3, "9.0");
  EXPECT_EQ(phrase(wrong), "Version Mismatch");
  wrong = request;
  wrong.mutable_body()->replace(wrong.body().find("9999"), 4, "soon");
  EXPECT_EQ(phrase(wrong), "Request Malformed");
  wrong.set_body(std::string(70'000, ' '));
  EXPECT_EQ(phrase(wrong), "Request Too Large");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(phrase(request).empty(), false);
  EXPECT_EQ(phrase(request), "Server Busy");  // 5 a minute, here
  wrong = request;
  wrong.set_body("<!DOCTYPE x><x/>");
  EXPECT_THAT(Call(*edge, &Api::IssueMrasCredentials, wrong),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument),
                    HasReason("MRAS_BODY_INVALID")));
  wrong = request;
  wrong.set_subject("");
  EXPECT_THAT(Call(*edge, &Api::IssueMrasCredentials, wrong),
              HasReason("REQUEST_INVALID"));
  EXPECT_THAT(Call(*Stub("capf"), &Api::IssueMrasCredentials, request),
              HasReason("CALLER_NOT_ACCEPTED"));
}

// Issue 4, faults: what cannot be audited is not issued.
TEST_F(CredentialIssuerTest, WithoutAuditNothingIsIssued) {
  process_.Terminate();
  std::string config = ReadFile("config.json");
  const std::string audit = absl::StrCat(process_.folder(), "/audit\"");
  config.replace(config.find(audit), audit.size(), "/dev/full\"");
  process_.WriteConfig(config);
  process_.Start();
  const auto edge = Stub("signaling_edge");
  const auto refused = Issue(*edge, "alice");
  EXPECT_THAT(refused, AllOf(StatusIs(absl::StatusCode::kUnavailable),
                             HasReason("AUDIT_UNAVAILABLE")));
  const auto root = Stub("operator/root");
  // Commands are durable in the store, and are not held up.
  EXPECT_THAT(Rotate(*root, "r"), IsOk());
  const auto status = Call(*root, &Api::GetStatus, v1::GetStatusRequest());
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->issued_count(), 0u);
  EXPECT_TRUE(status->store().available());
  EXPECT_TRUE(status->clock_settled());
  EXPECT_EQ(status->keys_size(), 2);
  EXPECT_THAT(status->info().certificate().subject_alt_names(),
              testing::Contains("URI:spiffe://t.test/credential_issuer"));
  EXPECT_THAT(Call(*root, &Api::ListAuditRecords,
                   [] {
                     v1::ListAuditRecordsRequest list;
                     list.set_parent("tenants/-");
                     return list;
                   }()),
              HasReason("AUDIT_NOT_LISTED"));
}

}  // namespace
}  // namespace sallyport::credential_issuer
