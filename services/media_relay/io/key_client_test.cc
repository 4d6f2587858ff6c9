#include "services/media_relay/io/key_client.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;
using Step = pb::WatchVerificationKeysResponse;

Step Full(int64_t version, std::vector<uint32_t> ids) {
  Step step;
  step.set_version(version);
  step.set_full(true);
  step.set_realm("sallyport");
  for (const uint32_t id : ids) {
    pb::VerificationKey& key = *step.add_keys();
    key.set_key_id(id);
    key.set_secret(std::string(32, 'k'));
    *key.mutable_not_after_time() = ToProto(absl::Now() + absl::Hours(1));
  }
  return step;
}

// An issuer that sends what the test queues, then waits.
class FakeIssuer final : public pb::CredentialIssuerService::Service {
 public:
  void Queue(Step step) {
    absl::MutexLock lock(&mutex_);
    steps_.push_back(std::move(step));
  }
  void Break() {
    absl::MutexLock lock(&mutex_);
    broken_ = true;
  }
  std::vector<pb::ReportKeysVersionRequest> reports() {
    absl::MutexLock lock(&mutex_);
    return reports_;
  }

  grpc::Status WatchVerificationKeys(
      grpc::ServerContext* context, const pb::WatchVerificationKeysRequest*,
      grpc::ServerWriter<Step>* writer) override {
    {
      absl::MutexLock lock(&mutex_);
      ++opened_;
      ++active_;
    }
    const grpc::Status status = Serve(context, writer);
    absl::MutexLock lock(&mutex_);
    --active_;
    return status;
  }
  // The stream number `count` is open, and no other.
  bool WaitForStream(int count) {
    const auto there = [this, count]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return opened_ >= count && active_ == 1;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
  }
  grpc::Status ReportKeysVersion(grpc::ServerContext*,
                                 const pb::ReportKeysVersionRequest* request,
                                 pb::ReportKeysVersionResponse*) override {
    absl::MutexLock lock(&mutex_);
    reports_.push_back(*request);
    return grpc::Status::OK;
  }

 private:
  grpc::Status Serve(grpc::ServerContext* context,
                     grpc::ServerWriter<Step>* writer) {
    while (!context->IsCancelled()) {
      std::optional<Step> next;
      {
        absl::MutexLock lock(&mutex_);
        if (broken_) {
          broken_ = false;
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken");
        }
        if (!steps_.empty()) {
          next = std::move(steps_.front());
          steps_.pop_front();
        }
      }
      if (next.has_value()) {
        writer->Write(*next);
      } else {
        absl::SleepFor(absl::Milliseconds(5));
      }
    }
    return grpc::Status::OK;
  }

  absl::Mutex mutex_;
  std::deque<Step> steps_ ABSL_GUARDED_BY(mutex_);
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  int opened_ ABSL_GUARDED_BY(mutex_) = 0;
  int active_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<pb::ReportKeysVersionRequest> reports_ ABSL_GUARDED_BY(mutex_);
};

class KeyClientTest : public testing::Test {
 protected:
  KeyClientTest()
      : cache_(testing::TempDir() + "/keys-" +
               testing::UnitTest::GetInstance()->current_test_info()->name()) {
    unlink(cache_.c_str());
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&issuer_);
    server_ = builder.BuildAndStart();
  }
  ~KeyClientTest() override {
    client_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  void Start(int port) {
    KeyClient::Options options;
    options.channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                          grpc::InsecureChannelCredentials());
    options.consumer = "relay-0";
    options.cache_file = cache_;
    options.realm = "sallyport";
    options.max_backoff = absl::Milliseconds(100);
    options.addresses = {{"turn:192.0.2.1:3478?transport=udp", false}};
    options.on_keys = [this](std::shared_ptr<const CredentialKeys> keys) {
      absl::MutexLock lock(&mutex_);
      versions_.push_back(keys->version());
    };
    options.on_limits = [this](std::shared_ptr<const TenantLimits> limits) {
      absl::MutexLock lock(&mutex_);
      limits_.push_back(limits->Of("a"));
    };
    client_ = std::make_unique<KeyClient>(std::move(options));
  }

  bool WaitForVersion(int64_t version) {
    const auto there = [this, version]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !versions_.empty() && versions_.back() == version;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
  }

  const std::string cache_;
  int port_ = 0;
  FakeIssuer issuer_;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  std::vector<int64_t> versions_ ABSL_GUARDED_BY(mutex_);
  std::vector<TenantLimit> limits_ ABSL_GUARDED_BY(mutex_);  // of "a"
  std::unique_ptr<KeyClient> client_;
};

TEST_F(KeyClientTest, FollowsFullAndPartialSteps) {
  issuer_.Queue(Full(1, {1}));
  Step part = Full(2, {2});
  part.set_full(false);
  part.add_removed_key_ids(1);
  issuer_.Queue(part);
  issuer_.Queue(Step());  // a sign of life
  Start(port_);
  ASSERT_TRUE(WaitForVersion(2));
  const KeyClient::Status status = client_->status();
  EXPECT_EQ(status.key_ids, std::vector<uint32_t>{2});
  EXPECT_TRUE(status.connected);
  EXPECT_FALSE(status.from_cache);
  const absl::Time give_up = absl::Now() + absl::Seconds(5);
  while (issuer_.reports().size() < 2 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  ASSERT_GE(issuer_.reports().size(), 2u);
  EXPECT_EQ(issuer_.reports()[1].active_version(), 2);
  EXPECT_EQ(issuer_.reports()[1].addresses(0).uri(),
            "turn:192.0.2.1:3478?transport=udp");
}

// AVE-36: what clients are told follows the advertised address.
TEST_F(KeyClientTest, ChangedAddressesAreReportedAtOnce) {
  issuer_.Queue(Full(1, {1}));
  Start(port_);
  ASSERT_TRUE(WaitForVersion(1));
  // Its first report is out.
  const absl::Time soon = absl::Now() + absl::Seconds(10);
  while (issuer_.reports().empty() && absl::Now() < soon) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  const absl::Time begin = absl::Now();
  client_->SetAddresses({{"turn:198.51.100.9:3478?transport=udp", false},
                         {"turn:10.0.0.1:3478?transport=udp", true}});
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  const auto last = [this] {
    const auto reports = issuer_.reports();
    return reports.empty() ? pb::ReportKeysVersionRequest() : reports.back();
  };
  while (last().addresses_size() != 2 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  ASSERT_EQ(last().addresses_size(), 2);
  EXPECT_EQ(last().addresses(0).uri(), "turn:198.51.100.9:3478?transport=udp");
  EXPECT_TRUE(last().addresses(1).internal());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
}

// The limits of tenants come with the keys and without, stay while nothing is
// said of them, and are on disk.
TEST_F(KeyClientTest, FollowsTheLimitsOfTenants) {
  const auto limit = [](Step& step, uint64_t rate) {
    auto& list = *step.mutable_tenant_limits();
    if (rate == 0) return;
    auto& one = *list.add_tenants();
    one.set_tenant("tenants/a");
    one.set_max_tenant_bytes_per_second(rate);
    one.set_max_allocations(3);
  };
  Step whole = Full(1, {1});
  limit(whole, 5000);
  issuer_.Queue(whole);
  Step part;
  part.set_version(2);
  issuer_.Queue([&] {
    Step keys = Full(2, {2});
    keys.set_full(false);
    return keys;
  }());
  limit(part, 7000);
  issuer_.Queue(part);
  Step last;
  last.set_version(3);
  limit(last, 0);
  issuer_.Queue(last);
  Start(port_);
  ASSERT_TRUE(WaitForVersion(3));
  {
    absl::MutexLock lock(&mutex_);
    ASSERT_EQ(limits_.size(), 3u);
    EXPECT_EQ(limits_[0].tenant_bytes_per_second, 5000u);
    EXPECT_EQ(limits_[0].max_allocations, 3u);
    EXPECT_EQ(limits_[1].tenant_bytes_per_second, 7000u);
    EXPECT_EQ(limits_[2].tenant_bytes_per_second, 0u);
    limits_.clear();
  }
  Step again = Full(4, {2});
  limit(again, 9000);
  issuer_.Queue(again);
  ASSERT_TRUE(WaitForVersion(4));
  client_.reset();  // what it was to write is on disk
  Start(1);         // nobody is there
  absl::MutexLock lock(&mutex_);
  ASSERT_EQ(limits_.size(), 2u);
  EXPECT_EQ(limits_[1].tenant_bytes_per_second, 9000u);
}

TEST_F(KeyClientTest, KeepsVerifyingFromDiskWhileTheIssuerIsDown) {
  issuer_.Queue(Full(7, {3}));
  Start(port_);
  ASSERT_TRUE(WaitForVersion(7));
  const absl::Time give_up = absl::Now() + absl::Seconds(5);
  struct stat info = {};
  while (stat(cache_.c_str(), &info) != 0 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  client_.reset();
  server_->Shutdown(std::chrono::system_clock::now());
  {
    absl::MutexLock lock(&mutex_);
    versions_.clear();
  }
  Start(port_);
  ASSERT_TRUE(WaitForVersion(7));
  const KeyClient::Status status = client_->status();
  EXPECT_TRUE(status.from_cache);
  EXPECT_FALSE(status.connected);
  EXPECT_EQ(status.key_ids, std::vector<uint32_t>{3});
}

TEST_F(KeyClientTest, ReconnectsAndTakesWhatIsNew) {
  issuer_.Queue(Full(1, {1}));
  Start(port_);
  ASSERT_TRUE(WaitForVersion(1));
  issuer_.Break();
  issuer_.Queue(Full(2, {1, 2}));
  ASSERT_TRUE(WaitForVersion(2));
}

TEST_F(KeyClientTest, BadStepsChangeNothingAndAskAgain) {
  issuer_.Queue(Full(1, {1}));
  Start(port_);
  ASSERT_TRUE(WaitForVersion(1));
  Step bad = Full(2, {2});
  bad.mutable_keys(0)->set_secret("short");
  issuer_.Queue(bad);
  ASSERT_TRUE(issuer_.WaitForStream(2));
  issuer_.Queue(Full(3, {3}));
  ASSERT_TRUE(WaitForVersion(3));
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(versions_, (std::vector<int64_t>{1, 3}));
}

TEST_F(KeyClientTest, BrokenCacheIsIgnored) {
  ASSERT_TRUE(WriteDurableFile(cache_, "not a ring").ok());
  issuer_.Queue(Full(4, {1}));
  Start(port_);
  ASSERT_TRUE(WaitForVersion(4));
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(versions_, std::vector<int64_t>{4});
}

TEST(MergeKeysTest, PartBeforeTheWholeIsOutOfStep) {
  Step whole;
  Step part = Full(2, {2});
  part.set_full(false);
  EXPECT_EQ(ReasonOf(MergeKeys(part, whole)), "KEYS_OUT_OF_STEP");
}

TEST(KeysFromProtoTest, RevocationsOfAllKinds) {
  Step whole = Full(1, {1, 2});
  whole.add_revocations()->set_credential_id("00ff");
  pb::Revocation& subject = *whole.add_revocations();
  subject.set_name("tenants/t/revocations/r");
  subject.set_opaque_subject("s");
  whole.add_revocations()->set_key_id(2);
  const auto keys = KeysFromProto(whole);
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ((*keys)->key_ids(), (std::vector<uint32_t>{1, 2}));
}

}  // namespace
}  // namespace sallyport::media_relay
