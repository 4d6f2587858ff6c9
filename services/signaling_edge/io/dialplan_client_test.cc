// The client against a dialplan of its own, in this process.

#include "services/signaling_edge/io/dialplan_client.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/plan_snapshot/plan_checksum.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/common/rpc/callback_queue.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// Sends what it is told to, and remembers what it is asked.
class FakeDialplan final : public pb::DialplanService::Service {
 public:
  grpc::Status WatchSnapshot(
      grpc::ServerContext* context, const pb::WatchSnapshotRequest* request,
      grpc::ServerWriter<pb::WatchSnapshotResponse>* writer) override {
    {
      absl::MutexLock lock(&mutex_);
      asked_.push_back(*request);
    }
    size_t sent = 0;
    while (!context->IsCancelled()) {
      pb::WatchSnapshotResponse next;
      {
        absl::MutexLock lock(&mutex_);
        auto more = [&] { return script_.size() > sent || ending_; };
        mutex_.AwaitWithTimeout(absl::Condition(&more), absl::Milliseconds(50));
        if (ending_) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "end");
        if (script_.size() <= sent) continue;
        next = script_[sent++];
      }
      writer->Write(next);
    }
    return grpc::Status::OK;
  }

  grpc::Status ReportSnapshotVersion(
      grpc::ServerContext* /*context*/,
      const pb::ReportSnapshotVersionRequest* request,
      pb::ReportSnapshotVersionResponse* /*response*/) override {
    absl::MutexLock lock(&mutex_);
    reported_.push_back(*request);
    return grpc::Status::OK;
  }

  void Send(pb::WatchSnapshotResponse message) {
    absl::MutexLock lock(&mutex_);
    script_.push_back(std::move(message));
  }
  void End(bool ending) {
    absl::MutexLock lock(&mutex_);
    ending_ = ending;
    if (ending) script_.clear();
  }
  std::vector<pb::WatchSnapshotRequest> asked() {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }
  std::vector<pb::ReportSnapshotVersionRequest> reported() {
    absl::MutexLock lock(&mutex_);
    return reported_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<pb::WatchSnapshotResponse> script_;
  std::vector<pb::WatchSnapshotRequest> asked_;
  std::vector<pb::ReportSnapshotVersionRequest> reported_;
  bool ending_ = false;
};

pb::Resource Peer(const std::string& id) {
  pb::Resource out;
  out.mutable_peer()->set_name(absl::StrCat("tenants/default/peers/", id));
  out.mutable_peer()->set_etag(absl::StrCat("e-", id));
  out.mutable_peer()->set_fqdn(absl::StrCat(id, ".example.test"));
  return out;
}

pb::WatchSnapshotResponse Full(int64_t version,
                               const std::vector<pb::Resource>& resources) {
  pb::WatchSnapshotResponse out;
  PlanChecksum sum;
  for (const pb::Resource& r : resources) {
    *out.mutable_full()->add_resources() = r;
    sum.Add(NameOf(r), EtagOf(r));
  }
  out.mutable_full()->set_last(true);
  out.set_version(version);
  out.set_checksum(sum.Hex());
  return out;
}

class DialplanClientTest : public testing::Test {
 protected:
  void SetUp() override {
    PinCallbackQueue();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&dialplan_);
    server_ = builder.BuildAndStart();
    cache_ = absl::StrCat(
        testing::TempDir(), "/",
        testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override {
    server_->Shutdown(absl::ToChronoTime(absl::Now()));
  }

  std::unique_ptr<DialplanClient> Client() {
    DialplanClient::Options options;
    options.channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_),
                                          grpc::InsecureChannelCredentials());
    options.consumer = "edge-0";
    options.cache_file = cache_;
    options.max_backoff = absl::Milliseconds(200);
    options.on_plan = [this](PlanUpdate update, bool from_cache) {
      absl::MutexLock lock(&mutex_);
      EXPECT_EQ(update.tenants.size(), 1u);
      plans_.emplace_back(update.tenants[0].plan, from_cache);
    };
    return std::make_unique<DialplanClient>(std::move(options));
  }

  bool WaitForPlans(size_t count) {
    absl::MutexLock lock(&mutex_);
    auto enough = [&] { return plans_.size() >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(10));
  }
  std::pair<std::shared_ptr<const PlanSnapshot>, bool> Plan(size_t index) {
    absl::MutexLock lock(&mutex_);
    return plans_.at(index);
  }
  template <typename Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

  FakeDialplan dialplan_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::string cache_;
  absl::Mutex mutex_;
  std::vector<std::pair<std::shared_ptr<const PlanSnapshot>, bool>> plans_;
};

TEST_F(DialplanClientTest, HandsOnWhatComesAndReportsIt) {
  dialplan_.Send(Full(7, {Peer("a"), Peer("b")}));
  auto client = Client();
  ASSERT_TRUE(WaitForPlans(1));
  EXPECT_EQ(Plan(0).first->version, 7);
  EXPECT_EQ(Plan(0).first->peers.size(), 2u);
  EXPECT_FALSE(Plan(0).second);
  EXPECT_TRUE(Eventually([&] { return client->status().connected; }));
  EXPECT_EQ(client->status().version, 7);

  client->ReportActive(7, Plan(0).first->checksum);
  ASSERT_TRUE(Eventually([&] { return !dialplan_.reported().empty(); }));
  EXPECT_EQ(dialplan_.reported()[0].active_version(), 7);
  EXPECT_EQ(dialplan_.reported()[0].consumer(), "edge-0");
  EXPECT_FALSE(dialplan_.reported()[0].from_cache());
}

// design.md section 5: a consumer that starts while its source is down uses its
// last snapshot from disk and says so.
TEST_F(DialplanClientTest, StartsFromDiskWhileDialplanIsDown) {
  dialplan_.Send(Full(3, {Peer("a")}));
  {
    auto client = Client();
    ASSERT_TRUE(WaitForPlans(1));
  }
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  auto client = Client();
  ASSERT_TRUE(WaitForPlans(2));
  EXPECT_EQ(Plan(1).first->version, 3);
  EXPECT_EQ(Plan(1).first->peers, Plan(0).first->peers);
  EXPECT_TRUE(Plan(1).second);
  EXPECT_TRUE(client->status().from_cache);
  EXPECT_FALSE(client->status().connected);
}

TEST_F(DialplanClientTest, ComesBackWithTheVersionItHolds) {
  dialplan_.Send(Full(3, {Peer("a")}));
  auto client = Client();
  ASSERT_TRUE(WaitForPlans(1));
  dialplan_.End(true);
  ASSERT_TRUE(Eventually([&] { return !client->status().connected; }));
  dialplan_.End(false);
  dialplan_.Send(Full(4, {Peer("a"), Peer("c")}));
  ASSERT_TRUE(WaitForPlans(2));
  EXPECT_EQ(Plan(1).first->version, 4);
  EXPECT_EQ(dialplan_.asked().back().known_version(), 3);
  EXPECT_EQ(dialplan_.asked().back().known_checksum(), Plan(0).first->checksum);
}

TEST_F(DialplanClientTest, APlanThatIsNotWhatItSaysIsNotUsed) {
  pb::WatchSnapshotResponse bad = Full(5, {Peer("a")});
  bad.set_checksum(std::string(64, '0'));
  dialplan_.Send(bad);
  auto client = Client();
  ASSERT_TRUE(Eventually([&] { return dialplan_.asked().size() >= 2; }));
  EXPECT_EQ(client->status().version, 0);
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(plans_.empty());
}

TEST_F(DialplanClientTest, ABrokenFileIsNotUsed) {
  FILE* f = fopen(cache_.c_str(), "w");
  ASSERT_NE(f, nullptr);
  fputs("not a plan", f);
  fclose(f);
  dialplan_.Send(Full(1, {Peer("a")}));
  auto client = Client();
  ASSERT_TRUE(WaitForPlans(1));
  EXPECT_FALSE(Plan(0).second);
  EXPECT_EQ(dialplan_.asked()[0].known_version(), 0);
}

}  // namespace
}  // namespace sallyport::signaling_edge
