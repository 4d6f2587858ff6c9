// What consumers of the real process see, and what SIGKILL and SIGTERM do to
// it.

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/plan_snapshot/snapshot_state.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

TEST_F(DialplanTest, StreamsFullThenDeltas) {
  MakeDemo();
  Edge edge(ChannelOf("signaling_edge"));
  const int64_t version = Version();
  auto plan = edge.WaitFor(version);
  EXPECT_EQ(plan->peers.size(), 1u);
  EXPECT_EQ(plan->users.size(), 1u);
  EXPECT_EQ(plan->route_patterns.size(), 1u);
  EXPECT_EQ(plan->dial_plans[1].security_mode, SecurityMode::kSecured);
  EXPECT_THAT(edge.kinds(), ElementsAre(pb::WatchSnapshotResponse::kFull));

  std::vector<absl::Duration> delays;
  for (int i = 0; i < 20; ++i) {
    pb::UpdatePeerRequest update;
    update.mutable_peer()->set_name("tenants/t/peers/gw");
    update.mutable_peer()->set_max_calls(static_cast<uint32_t>(i + 1));
    pb::Peer peer;
    ASSERT_THAT(Call(&Stub::UpdatePeer, update, &peer), IsOk());
    const absl::Time acknowledged = absl::Now();
    plan = edge.WaitFor(version + i + 1);
    delays.push_back(absl::Now() - acknowledged);
    EXPECT_EQ(plan->peers[0].max_calls, static_cast<uint32_t>(i + 1));
  }
  EXPECT_LT(*std::max_element(delays.begin(), delays.end()), absl::Seconds(1));
  EXPECT_THAT(edge.kinds(), Contains(pb::WatchSnapshotResponse::kDelta));

  pb::DeleteRoutePatternRequest remove;
  remove.set_name("tenants/t/routePatterns/out");
  google::protobuf::Empty empty;
  ASSERT_THAT(Call(&Stub::DeleteRoutePattern, remove, &empty), IsOk());
  plan = edge.WaitFor(version + 21);
  EXPECT_TRUE(plan->route_patterns.empty());
}

TEST_F(DialplanTest, ResumesWithADelta) {
  MakeDemo();
  const int64_t version = Version();
  SnapshotState held;
  {
    Edge edge(ChannelOf("signaling_edge"));
    edge.WaitFor(version);
    held = edge.state();
  }
  MakeTenant("u");
  MakeTenant("v");
  {
    SP_ASSERT_OK_AND_ASSIGN(SnapshotState restored,
                            SnapshotState::Restore(held.Save()));
    Edge edge(ChannelOf("signaling_edge"), std::move(restored));
    EXPECT_EQ(edge.WaitFor(version + 2)->tenants.size(), 3u);
    EXPECT_THAT(edge.kinds(), ElementsAre(pb::WatchSnapshotResponse::kDelta));
  }
  process_.Kill();
  Start();
  {
    Edge edge(ChannelOf("signaling_edge"), held);
    EXPECT_EQ(edge.WaitFor(version + 2)->tenants.size(), 3u);
    EXPECT_THAT(edge.kinds(), ElementsAre(pb::WatchSnapshotResponse::kDelta));
  }
  // A version that never was, and one with another checksum: everything.
  for (const bool future : {true, false}) {
    const auto stub = StubOf("signaling_edge");
    pb::WatchSnapshotRequest request;
    request.set_consumer("edge-1");
    request.set_known_version(future ? 1000 : version + 2);
    request.set_known_checksum(std::string(64, '1'));
    grpc::ClientContext context;
    const auto stream = stub->WatchSnapshot(&context, request);
    pb::WatchSnapshotResponse first;
    ASSERT_TRUE(stream->Read(&first));
    EXPECT_TRUE(first.has_full());
    context.TryCancel();
  }
}

TEST_F(DialplanTest, TenantsCanBeChosen) {
  MakeDemo();
  MakeTenant("u");
  Edge edge(ChannelOf("signaling_edge"), {}, {"tenants/u"});
  auto plan = edge.WaitFor(Version());
  EXPECT_EQ(plan->tenants.size(), 1u);
  EXPECT_TRUE(plan->peers.empty());
  // What happens elsewhere moves the version and nothing else.
  MakePlan("t", "more", type::SECURITY_MODE_UNSECURED);
  plan = edge.WaitFor(Version());
  EXPECT_EQ(plan->dial_plans.size(), 0u);
  MakePlan("u", "mine", type::SECURITY_MODE_UNSECURED);
  plan = edge.WaitFor(Version());
  EXPECT_EQ(plan->dial_plans.size(), 1u);
}

// CUC-20, CUC-35, CUC-51, CCE-40: what is saved and what is active differ until
// the edge has taken it, and the status shows both.
// UM-53: what is configured and what is in force differ until an edge has taken
// it over, and the status says so.
TEST_F(DialplanTest, StatusShowsConfiguredAndActive) {
  MakeTenant("t");
  const auto edge_stub = StubOf("signaling_edge");
  pb::ReportSnapshotVersionRequest report;
  report.set_consumer("edge-0");
  report.set_active_version(1);
  report.set_from_cache(true);
  report.set_error("EXAMPLE");
  pb::ReportSnapshotVersionResponse reported;
  ASSERT_THAT(
      Call(&Stub::ReportSnapshotVersion, report, &reported, edge_stub.get()),
      IsOk());
  EXPECT_EQ(reported.configured_version(), 1);
  pb::DialplanStatus status;
  {
    Edge edge(ChannelOf("signaling_edge"));
    edge.WaitFor(1);
    MakeTenant("u");
    edge.WaitFor(2);
    ASSERT_THAT(Call(&Stub::GetStatus, pb::GetStatusRequest(), &status),
                IsOk());
  }
  EXPECT_EQ(status.configured_version(), 2);
  EXPECT_EQ(status.configured_checksum().size(), 64u);
  EXPECT_EQ(status.info().instance(), "dp0");
  EXPECT_EQ(status.info().service(), "dialplan");
  EXPECT_EQ(status.resource_counts().at("tenants"), 2);
  ASSERT_EQ(status.consumers_size(), 1);
  EXPECT_EQ(status.consumers(0).consumer(), "edge-0");
  EXPECT_EQ(status.consumers(0).identity(), "spiffe://t.test/signaling_edge");
  EXPECT_TRUE(status.consumers(0).connected());
  EXPECT_EQ(status.consumers(0).sent_version(), 2);
  EXPECT_EQ(status.consumers(0).active_version(), 1);
  EXPECT_TRUE(status.consumers(0).from_cache());
  EXPECT_EQ(status.consumers(0).error(), "EXAMPLE");
}

TEST_F(DialplanTest, ASlowConsumerHoldsUpNobody) {
  MakeTenant("t");
  const auto stub = StubOf("signaling_edge");
  pb::WatchSnapshotRequest request;
  request.set_consumer("slow");
  grpc::ClientContext context;
  const auto slow = stub->WatchSnapshot(&context, request);
  pb::WatchSnapshotResponse message;
  ASSERT_TRUE(slow->Read(&message));
  SnapshotState state;
  ASSERT_THAT(state.Apply(message), IsOk());
  // From here on it reads nothing, while more is written than the windows of
  // its connection hold.
  Edge fast(ChannelOf("signaling_edge"));
  pb::UpdateTenantRequest update;
  update.mutable_tenant()->set_name("tenants/t");
  pb::Tenant tenant;
  for (int i = 0; i < 300; ++i) {
    update.mutable_tenant()->set_login_banner(
        absl::StrCat(i, " ", std::string(2000, 'x')));
    ASSERT_THAT(Call(&Stub::UpdateTenant, update, &tenant), IsOk());
  }
  const int64_t version = Version();
  EXPECT_EQ(version, 301);
  fast.WaitFor(version);
  // When it reads again it soon has the latest, in fewer messages than there
  // were changes.
  int messages = 0;
  while (state.version() < version) {
    ASSERT_TRUE(slow->Read(&message));
    ASSERT_THAT(state.Apply(message), IsOk());
    ++messages;
  }
  EXPECT_LE(messages, 300);
  EXPECT_EQ(state.version(), version);
  context.TryCancel();
}

TEST_F(DialplanTest, SigkillLosesNothingAcknowledged) {
  MakeTenant("t");
  absl::Mutex mutex;
  std::set<std::string> acknowledged;
  std::atomic<int> next = 0;
  for (int round = 0; round < 8; ++round) {
    std::atomic<bool> stop = false;
    std::vector<std::thread> writers;
    for (int w = 0; w < 8; ++w) {
      writers.emplace_back([&, channel = ChannelOf("operator/ann")] {
        const auto stub = pb::DialplanService::NewStub(channel);
        while (!stop) {
          pb::CreatePartitionRequest request;
          request.set_parent("tenants/t");
          request.set_partition_id(absl::StrCat("p", next++));
          request.mutable_partition()->set_description("whole");
          pb::Partition partition;
          grpc::ClientContext context;
          context.set_deadline(
              absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
          if (stub->CreatePartition(&context, request, &partition).ok()) {
            absl::MutexLock lock(&mutex);
            acknowledged.insert(partition.name());
          }
        }
      });
    }
    size_t before = 0;
    {
      absl::MutexLock lock(&mutex);
      before = acknowledged.size();
    }
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    for (;;) {
      {
        absl::MutexLock lock(&mutex);
        if (acknowledged.size() > before + 20 + static_cast<size_t>(round) * 7)
          break;
      }
      ASSERT_LT(absl::Now(), give_up);
      absl::SleepFor(absl::Milliseconds(1));
    }
    process_.Kill();
    stop = true;
    for (std::thread& writer : writers) writer.join();
    Start();

    std::set<std::string> stored;
    pb::ListPartitionsRequest list;
    list.set_parent("tenants/t");
    list.set_page_size(1000);
    do {
      pb::ListPartitionsResponse page;
      ASSERT_THAT(Call(&Stub::ListPartitions, list, &page), IsOk());
      for (const pb::Partition& partition : page.partitions()) {
        stored.insert(partition.name());
        EXPECT_EQ(partition.description(), "whole");
        EXPECT_FALSE(partition.etag().empty());
      }
      list.set_page_token(page.next_page_token());
    } while (!list.page_token().empty());
    absl::MutexLock lock(&mutex);
    for (const std::string& name : acknowledged) {
      EXPECT_TRUE(stored.contains(name)) << name << " was acknowledged";
    }
    // Each write is one version: none is half there.
    EXPECT_EQ(Version(), static_cast<int64_t>(stored.size()) + 1);
  }
  EXPECT_GT(acknowledged.size(), 160u);
}

TEST_F(DialplanTest, SigtermEndsStreams) {
  MakeTenant("t");
  Edge edge(ChannelOf("signaling_edge"));
  edge.WaitFor(1);
  EXPECT_EQ(process_.Terminate(), 0);
  const absl::Time give_up = absl::Now() + absl::Seconds(5);
  while (edge.last_end().ok() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_THAT(edge.last_end(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DialplanTest, IdleStreamsBeat) {
  process_.Kill();
  WriteConfig(",\"watch_heartbeat_interval\":\"0.1s\"");
  Start();
  MakeTenant("t");
  Edge edge(ChannelOf("signaling_edge"));
  edge.WaitFor(1);
  const absl::Time give_up = absl::Now() + absl::Seconds(5);
  while (absl::Now() < give_up && edge.kinds().size() < 4) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_THAT(edge.kinds(), Contains(pb::WatchSnapshotResponse::kHeartbeat));
}

}  // namespace
}  // namespace sallyport::dialplan
