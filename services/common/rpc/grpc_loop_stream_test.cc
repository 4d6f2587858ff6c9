// Streams that GrpcLoopClient keeps open, from gRPC's own server over real
// mutual TLS on loopback.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace config = ::sallyport::common::config::v1;
namespace pb = ::sallyport::credential_issuer::v1;

constexpr char kTrustDomain[] = "t.test";
constexpr char kIdentity[] = "spiffe://t.test/credential_issuer";
constexpr char kService[] =
    "/sallyport.credential_issuer.v1.CredentialIssuerService/";

void Use(const PemFiles& files, config::TlsFiles& tls) {
  tls.set_certificate_file(files.certificate_file);
  tls.set_key_file(files.key_file);
  tls.set_ca_file(files.ca_file);
}

// Says its versions from 1 on, each with so many octets, and ends or stays.
class Counting final
    : public grpc::ServerWriteReactor<pb::WatchVerificationKeysResponse> {
 public:
  Counting(int count, size_t octets, bool stays, std::atomic<int>& cancelled)
      : count_(count), stays_(stays), cancelled_(cancelled) {
    step_.set_realm(std::string(octets, 'x'));
    Next();
  }
  void OnWriteDone(bool ok) override { ok ? Next() : End(); }
  void OnCancel() override {
    ++cancelled_;
    if (idle_) End();
  }
  void OnDone() override { delete this; }

 private:
  void Next() {
    if (said_ < count_) {
      step_.set_version(++said_);
      return StartWrite(&step_);
    }
    idle_ = true;
    if (!stays_) End();
  }
  void End() {
    if (!ended_.exchange(true)) Finish(grpc::Status::OK);
  }

  const int count_;
  const bool stays_;
  std::atomic<int>& cancelled_;
  int said_ = 0;
  std::atomic<bool> idle_ = false;
  std::atomic<bool> ended_ = false;
  pb::WatchVerificationKeysResponse step_;
};

class Counter final : public pb::CredentialIssuerService::CallbackService {
 public:
  grpc::ServerWriteReactor<pb::WatchVerificationKeysResponse>*
  WatchVerificationKeys(
      grpc::CallbackServerContext* /*context*/,
      const pb::WatchVerificationKeysRequest* request) override {
    absl::MutexLock lock(&mutex);
    asked.push_back(request->known_version());
    return new Counting(count, octets, stays, cancelled);
  }

  absl::Mutex mutex;
  std::vector<int64_t> asked;  // versions known at each attempt
  int count = 3;
  size_t octets = 10;
  bool stays = true;
  std::atomic<int> cancelled = 0;
};

class GrpcLoopStreamTest : public testing::Test {
 protected:
  GrpcLoopStreamTest() {
    Use(pki_.IssueSpiffe(kTrustDomain, "credential_issuer"),
        *config_.mutable_tls());
    Use(pki_.IssueSpiffe(kTrustDomain, "signaling_edge"), client_tls_);
    config_.set_trust_domain(kTrustDomain);
    config_.set_listen_address("127.0.0.1:0");
    std::vector<MethodRule> rules = {
        {absl::StrCat(kService, "WatchVerificationKeys"), {"signaling_edge"}}};
    for (const char* name :
         {"RevokeCredential", "RevokeUser", "ListKeys", "RotateKey",
          "RevokeKey", "GetKey", "ReportKeysVersion", "GetStatus",
          "ListAuditRecords", "IssueMrasCredentials", "IssueTurnCredential",
          "ListRevocations"}) {
      rules.push_back({absl::StrCat(kService, name), {"dialplan"}});
    }
    policy_.emplace(*AccessPolicy::Create(config_, rules));
  }
  ~GrpcLoopStreamTest() override { client_ = nullptr; }

  void StartServer() {
    GrpcServerOptions options;
    options.policy = &*policy_;
    options.services = {&counter_};
    auto server = GrpcServer::Start(config_, options);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    config_.set_listen_address(absl::StrCat("127.0.0.1:", server_->port()));
  }
  void StopServer() {
    server_->Shutdown(absl::ZeroDuration());
    server_ = nullptr;
  }
  void Watch(const std::string& identity = kIdentity) {
    GrpcLoopClient::Options options;
    options.servers = {{config_.listen_address(), identity}};
    options.tls = client_tls_;
    options.first_backoff = absl::Milliseconds(20);
    options.max_backoff = absl::Milliseconds(50);
    auto client = GrpcLoopClient::Start(std::move(options));
    ASSERT_THAT(client, IsOk());
    client_ = *std::move(client);
    GrpcLoopClient::Stream stream;
    stream.path = absl::StrCat(kService, "WatchVerificationKeys");
    stream.request = [this] {
      pb::WatchVerificationKeysRequest request;
      request.set_consumer("relay");
      absl::MutexLock lock(&mutex_);
      if (!heard_.empty()) request.set_known_version(heard_.back());
      return request.SerializeAsString();
    };
    stream.on_message = [this](std::string_view message) {
      pb::WatchVerificationKeysResponse step;
      EXPECT_TRUE(step.ParseFromString(std::string(message)));
      absl::MutexLock lock(&mutex_);
      octets_ += message.size();
      heard_.push_back(step.version());
      return verdict_;
    };
    stream.on_state = [this](bool connected, const absl::Status& why) {
      absl::MutexLock lock(&mutex_);
      states_.push_back(connected);
      if (!connected) why_ = why;
    };
    stream.first_backoff = absl::Milliseconds(10);
    stream.max_backoff = absl::Milliseconds(50);
    client_->Watch(0, std::move(stream));
  }

  // False after 10 seconds.
  bool Wait(const std::function<bool()>& condition) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    for (;;) {
      {
        absl::MutexLock lock(&mutex_);
        if (condition()) return true;
      }
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(2));
    }
  }
  std::vector<int64_t> Asked() {
    absl::MutexLock lock(&counter_.mutex);
    return counter_.asked;
  }

  MtlsPki pki_;
  config::TlsFiles client_tls_;
  config::ServerConfig config_;
  std::optional<AccessPolicy> policy_;
  Counter counter_;
  absl::Mutex mutex_;
  std::vector<int64_t> heard_;
  size_t octets_ = 0;
  std::vector<bool> states_;
  absl::Status why_;
  absl::Status verdict_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<GrpcLoopClient> client_;
};

TEST_F(GrpcLoopStreamTest, MessagesComeInOrderAndTheStreamStaysOpen) {
  StartServer();
  Watch();
  ASSERT_TRUE(Wait([&] { return heard_.size() == 3; }));
  absl::SleepFor(absl::Milliseconds(50));
  absl::MutexLock lock(&mutex_);
  EXPECT_THAT(heard_, ElementsAre(1, 2, 3));
  EXPECT_THAT(states_, ElementsAre(true));
  EXPECT_THAT(Asked(), ElementsAre(0));
}

// RFC 9113 section 5.2: what was read is given back to the windows, of the
// stream and of the connection.
TEST_F(GrpcLoopStreamTest, MoreThanTheWindowsComes) {
  counter_.count = 50;
  counter_.octets = 1'000'000;
  StartServer();
  Watch();
  ASSERT_TRUE(Wait([&] { return heard_.size() == 50; }));
  absl::MutexLock lock(&mutex_);
  EXPECT_GT(octets_, 50'000'000u);
  EXPECT_THAT(Asked(), ElementsAre(0));
}

TEST_F(GrpcLoopStreamTest, AStreamThatEndsIsOpenedAgainByWhatIsKnownThen) {
  counter_.stays = false;
  StartServer();
  Watch();
  ASSERT_TRUE(Wait([&] { return states_.size() >= 4; }));
  const std::vector<int64_t> asked = Asked();
  EXPECT_EQ(asked[0], 0);
  EXPECT_EQ(asked[1], 3);
  absl::MutexLock lock(&mutex_);
  EXPECT_THAT(std::vector<bool>(states_.begin(), states_.begin() + 4),
              ElementsAre(true, false, true, false));
  EXPECT_THAT(why_, IsOk());
}

TEST_F(GrpcLoopStreamTest, AMessageThatIsRefusedEndsTheAttempt) {
  verdict_ = absl::InvalidArgumentError("not so");
  StartServer();
  Watch();
  ASSERT_TRUE(Wait([&] { return states_.size() >= 4; }));
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_EQ(why_, verdict_);
    EXPECT_EQ(heard_[0], 1);
    EXPECT_EQ(heard_[1], 1);  // nothing after what was refused
    verdict_ = absl::OkStatus();
  }
  EXPECT_TRUE(Wait([&] { return heard_.back() == 3; }));
  EXPECT_TRUE(Wait([&] { return counter_.cancelled >= 2; }));
}

TEST_F(GrpcLoopStreamTest, AServerThatComesBackIsHeardAgain) {
  StartServer();
  Watch();
  ASSERT_TRUE(Wait([&] { return heard_.size() == 3; }));
  StopServer();
  ASSERT_TRUE(Wait([&] { return states_.size() >= 2; }));
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(states_[1]);
    EXPECT_TRUE(absl::IsUnavailable(why_)) << why_;
  }
  StartServer();
  ASSERT_TRUE(Wait([&] { return heard_.size() == 6; }));
  EXPECT_EQ(Asked().back(), 3);
}

TEST_F(GrpcLoopStreamTest, OnlyWhoItShouldBeIsHeardAndOnlyWhoMayHears) {
  StartServer();
  Watch("spiffe://t.test/dialplan");
  ASSERT_TRUE(Wait([&] { return states_.size() >= 2; }));
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(states_[0] || states_[1]);
    EXPECT_THAT(std::string(why_.message()),
                HasSubstr("PEER_IDENTITY_MISMATCH"));
    states_.clear();
  }
  client_ = nullptr;
  Use(pki_.IssueSpiffe(kTrustDomain, "capf"), client_tls_);
  Watch();
  ASSERT_TRUE(Wait([&] { return !states_.empty(); }));
  absl::MutexLock lock(&mutex_);
  EXPECT_FALSE(states_[0]);
  EXPECT_TRUE(absl::IsPermissionDenied(why_)) << why_;
  EXPECT_TRUE(heard_.empty());
}

TEST_F(GrpcLoopStreamTest, NothingIsCalledAfterTheEnd) {
  counter_.count = 1'000'000;
  StartServer();
  Watch();
  ASSERT_TRUE(Wait([&] { return heard_.size() > 100; }));
  client_ = nullptr;
  size_t heard = 0;
  {
    absl::MutexLock lock(&mutex_);
    heard = heard_.size();
    EXPECT_THAT(states_, ElementsAre(true));
  }
  ASSERT_TRUE(Wait([&] { return counter_.cancelled == 1; }));
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(heard_.size(), heard);
}

}  // namespace
}  // namespace sallyport
