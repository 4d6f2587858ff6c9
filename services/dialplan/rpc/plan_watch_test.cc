// Streams over real gRPC on loopback, without TLS: who gets what, when, and
// that one who does not read costs the others nothing.

#include "services/dialplan/rpc/plan_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/plan_snapshot/snapshot_state.h"
#include "services/common/rpc/callback_queue.h"
#include "services/common/rpc/dispatch_service.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/rpc/resource_codec.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

using testing::Contains;
using testing::Each;
using testing::Gt;
using testing::Lt;
using testing::Not;

class Service final : public DispatchService {
 public:
  explicit Service(PlanWatch& watch)
      : DispatchService(
            *pb::WatchSnapshotRequest::descriptor()
                 ->file()
                 ->pool()
                 ->FindServiceByName("sallyport.dialplan.v1.DialplanService")) {
    HandleStream("WatchSnapshot", [&watch](grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* octets) {
      pb::WatchSnapshotRequest request;
      grpc::ByteBuffer copy(*octets);
      EXPECT_TRUE(
          grpc::SerializationTraits<pb::WatchSnapshotRequest>::Deserialize(
              &copy, &request)
              .ok());
      return watch.Open(context, request, {"service signaling_edge", true});
    });
  }
};

// A consumer that reads as fast as it can.
class Consumer {
 public:
  Consumer(const std::string& target, const std::string& id,
           SnapshotState state = {}, const std::string& tenant = "")
      : stub_(pb::DialplanService::NewStub(Connect(target, id))),
        state_(std::move(state)) {
    pb::WatchSnapshotRequest request;
    request.set_consumer(id);
    request.set_known_version(state_.version());
    request.set_known_checksum(state_.checksum());
    if (!tenant.empty()) request.add_tenants(tenant);
    reader_ = stub_->WatchSnapshot(&context_, request);
    thread_ = std::thread([this] { Run(); });
  }
  ~Consumer() {
    context_.TryCancel();
    thread_.join();
  }

  // A connection of its own for each.
  static std::shared_ptr<grpc::Channel> Connect(const std::string& target,
                                                const std::string& id) {
    grpc::ChannelArguments arguments;
    arguments.SetString("consumer", id);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  bool WaitFor(int64_t version, absl::Duration timeout = absl::Seconds(20)) {
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return state_.version() >= version || !fault_.ok();
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&there), timeout) &&
           fault_.ok();
  }
  SnapshotState state() {
    absl::MutexLock lock(&mutex_);
    return state_;
  }
  std::vector<int> kinds() {
    absl::MutexLock lock(&mutex_);
    return kinds_;
  }

 private:
  void Run() {
    pb::WatchSnapshotResponse message;
    while (reader_->Read(&message)) {
      absl::MutexLock lock(&mutex_);
      kinds_.push_back(message.payload_case());
      const absl::Status taken = state_.Apply(message).status();
      if (!taken.ok()) {
        fault_ = taken;
        ADD_FAILURE() << taken;
        return;
      }
    }
  }

  grpc::ClientContext context_;
  std::unique_ptr<pb::DialplanService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<pb::WatchSnapshotResponse>> reader_;
  absl::Mutex mutex_;
  SnapshotState state_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> kinds_ ABSL_GUARDED_BY(mutex_);
  absl::Status fault_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

RecordPtr Record(const std::string& name, const std::string& etag,
                 size_t bytes) {
  pb::Resource resource;
  resource.mutable_partition()->set_name(name);
  resource.mutable_partition()->set_description(std::string(bytes, 'x'));
  PlanRecord record = RecordOf(resource, {});
  record.etag = etag;
  return std::make_shared<PlanRecord>(std::move(record));
}

class PlanWatchTest : public testing::Test {
 protected:
  void SetUp() override { PinCallbackQueue(); }

  void Start(int count, PlanWatch::Options options = {}) {
    Plan plan;
    for (int i = 0; i < count; ++i) {
      plan.Put(Record(Name(i), absl::StrCat("first", i), 100));
    }
    version_ = count == 0 ? 0 : 1;
    board_.Start(plan, version_, absl::Now(), {});
    watch_ = std::make_unique<PlanWatch>(board_, consumers_, options);
    service_ = std::make_unique<Service>(*watch_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    target_ = absl::StrCat("127.0.0.1:", port);
  }

  void TearDown() override {
    if (server_ == nullptr) return;
    watch_->Drain();
    server_->Shutdown(absl::ToChronoTime(absl::Now()));
    server_->Wait();
  }

  static std::string Name(int i) {
    return absl::StrCat("tenants/t", i % 10, "/partitions/p", i);
  }
  // One change: null deletes.
  void Change(int i, bool remove = false, size_t bytes = 100) {
    ++version_;
    board_.Publish(
        {{version_, Name(i), nullptr,
          remove ? nullptr
                 : Record(Name(i), absl::StrCat("v", version_), bytes)}},
        absl::Now());
    watch_->Wake();
  }
  // What the board holds and what a consumer has are the same.
  void ExpectInStep(Consumer& consumer) {
    ASSERT_TRUE(consumer.WaitFor(version_));
    const SnapshotState state = consumer.state();
    EXPECT_EQ(state.checksum(), board_.head().checksum);
    EXPECT_EQ(state.resources().size(), board_.records().size());
  }

  PlanBoard board_{2000};
  ConsumerTable consumers_;
  std::unique_ptr<PlanWatch> watch_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
  int64_t version_ = 0;
};

TEST_F(PlanWatchTest, AFullSnapshotComesInParts) {
  PlanWatch::Options options;
  options.part_bytes = 10'000;
  Start(1000, options);
  Consumer consumer(target_, "edge");
  ExpectInStep(consumer);
  EXPECT_THAT(consumer.kinds(), Each(pb::WatchSnapshotResponse::kFull));
  EXPECT_THAT(consumer.kinds().size(), Gt(10u));
  Change(3);
  Change(4, /*remove=*/true);
  ExpectInStep(consumer);
  EXPECT_EQ(consumer.kinds().back(), pb::WatchSnapshotResponse::kDelta);
}

TEST_F(PlanWatchTest, AnEmptyPlanIsSentOnce) {
  Start(0);
  Consumer consumer(target_, "edge");
  Change(1);
  ExpectInStep(consumer);
  EXPECT_THAT(consumer.kinds().size(), Lt(4u));
}

TEST_F(PlanWatchTest, SeveralParts_ChangesMeanwhileFollowAsADelta) {
  PlanWatch::Options options;
  options.part_bytes = 2'000;
  Start(3000, options);
  std::vector<std::unique_ptr<Consumer>> consumers;
  for (int i = 0; i < 5; ++i) {
    consumers.push_back(
        std::make_unique<Consumer>(target_, absl::StrCat("edge", i)));
    for (int j = 0; j < 50; ++j) Change(i * 50 + j, j % 7 == 0);
  }
  for (const auto& consumer : consumers) ExpectInStep(*consumer);
}

TEST_F(PlanWatchTest, ResumesWhereItWas) {
  Start(100);
  SnapshotState held;
  {
    Consumer consumer(target_, "edge");
    ExpectInStep(consumer);
    held = consumer.state();
  }
  Change(1);
  Change(2, /*remove=*/true);
  {
    Consumer consumer(target_, "edge", held);
    ExpectInStep(consumer);
    EXPECT_THAT(consumer.kinds(),
                Not(Contains(pb::WatchSnapshotResponse::kFull)));
    held = consumer.state();
  }
  // Nothing has changed: it is told nothing, until something does.
  {
    Consumer consumer(target_, "edge", held);
    Change(5);
    ExpectInStep(consumer);
    EXPECT_THAT(consumer.kinds(),
                Not(Contains(pb::WatchSnapshotResponse::kFull)));
  }
  // More has changed than is remembered.
  for (int i = 0; i < 2100; ++i) Change(i % 100);
  Consumer consumer(target_, "edge", held);
  ExpectInStep(consumer);
  EXPECT_THAT(consumer.kinds(), Contains(pb::WatchSnapshotResponse::kFull));
}

TEST_F(PlanWatchTest, ADeltaTooLargeForAMessageIsSentWhole) {
  Start(200);
  SnapshotState held;
  {
    Consumer consumer(target_, "edge");
    ExpectInStep(consumer);
    held = consumer.state();
  }
  for (int i = 0; i < 100; ++i) Change(i, false, 100'000);
  Consumer consumer(target_, "edge", held);
  ExpectInStep(consumer);
  EXPECT_THAT(consumer.kinds(), Contains(pb::WatchSnapshotResponse::kFull));
}

TEST_F(PlanWatchTest, ATenantsConsumerGetsThatTenant) {
  Start(100);
  Consumer consumer(target_, "edge", {}, "tenants/t3");
  ASSERT_TRUE(consumer.WaitFor(1));
  EXPECT_EQ(consumer.state().resources().size(), 10u);
  Change(4);
  Change(13);
  ASSERT_TRUE(consumer.WaitFor(version_));
  EXPECT_EQ(consumer.state().checksum(),
            board_.view({"tenants/t3"}).head.checksum);
}

// Capability 5: one consumer that does not read, 49 that do.
TEST_F(PlanWatchTest, OneThatDoesNotReadHoldsUpNone) {
  Start(2000);
  std::vector<std::unique_ptr<Consumer>> readers;
  for (int i = 0; i < 49; ++i) {
    readers.push_back(
        std::make_unique<Consumer>(target_, absl::StrCat("edge", i)));
  }
  auto stub = pb::DialplanService::NewStub(Consumer::Connect(target_, "stuck"));
  grpc::ClientContext context;
  pb::WatchSnapshotRequest request;
  request.set_consumer("stuck");
  const auto stuck = stub->WatchSnapshot(&context, request);
  pb::WatchSnapshotResponse message;
  ASSERT_TRUE(stuck->Read(&message));
  SnapshotState stuck_state;
  ASSERT_THAT(stuck_state.Apply(message), IsOk());
  for (const auto& reader : readers) ASSERT_TRUE(reader->WaitFor(1));

  const auto until_all_have_it = [&]() -> absl::Duration {
    const absl::Time published = absl::Now();
    for (const auto& reader : readers) {
      if (!reader->WaitFor(version_, absl::Seconds(5))) {
        return absl::InfiniteDuration();
      }
    }
    return absl::Now() - published;
  };
  // Far more than the windows of one connection hold, and more changes than
  // are remembered. One that holds up the others does so with each change, a
  // busy machine with some.
  absl::Duration worst;
  for (int i = 0; i < 3000; ++i) {
    Change(i % 2000, false, 2'000);
    if (i % 300 != 0) continue;
    absl::Duration took = until_all_have_it();
    for (int again = 0; took > absl::Seconds(1) && again < 2; ++again) {
      Change(i % 2000, false, 2'000);
      took = std::min(took, until_all_have_it());
    }
    worst = std::max(worst, took);
  }
  EXPECT_LT(worst, absl::Seconds(1));
  for (const auto& reader : readers) {
    ExpectInStep(*reader);
    // One full snapshot at the start and never again.
    const std::vector<int> kinds = reader->kinds();
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(),
                         pb::WatchSnapshotResponse::kFull),
              1);
  }
  // When it reads again it gets to the latest, in few messages.
  int messages = 0;
  while (stuck_state.version() < version_) {
    ASSERT_TRUE(stuck->Read(&message));
    ASSERT_THAT(stuck_state.Apply(message), IsOk());
    ++messages;
  }
  EXPECT_LT(messages, 200);
  context.TryCancel();
}

TEST_F(PlanWatchTest, OneThatTakesTooLongIsCutOff) {
  PlanWatch::Options options;
  options.longest_write = absl::Milliseconds(300);
  options.heartbeat = absl::Milliseconds(50);
  Start(10, options);
  auto stub = pb::DialplanService::NewStub(Consumer::Connect(target_, "stuck"));
  grpc::ClientContext context;
  pb::WatchSnapshotRequest request;
  request.set_consumer("stuck");
  const auto stuck = stub->WatchSnapshot(&context, request);
  pb::WatchSnapshotResponse message;
  ASSERT_TRUE(stuck->Read(&message));
  const absl::Time give_up = absl::Now() + absl::Seconds(15);
  for (int i = 0; watch_->open_streams() > 0 && absl::Now() < give_up; ++i) {
    Change(i % 10, false, 200'000);
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(watch_->open_streams(), 0u);
  while (stuck->Read(&message)) {
  }
  EXPECT_EQ(stuck->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace sallyport::dialplan
