// Several real processes over one real PostgreSQL.

#include <atomic>
#include <map>
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
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/postgres_server.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kReplicas = 3;

// Waits until `condition` holds.
template <typename Condition>
bool Soon(Condition condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(15);
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

struct Replica {
  std::unique_ptr<ServiceProcess> process;
  std::unique_ptr<Stub> ann;
};

class ReplicasTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { pki_ = new MtlsPki("dialplan"); }

  void SetUp() override {
    // At once, so that they race for the schema.
    std::vector<std::thread> threads;
    for (int i = 0; i < kReplicas; ++i) {
      threads.emplace_back([this, i] { Make(i); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void Make(int i) {
    const PemFiles tls = [&] {
      absl::MutexLock lock(&mutex_);
      // Files of its own: the others read theirs meanwhile.
      return pki_->Issue(absl::StrCat("dialplan", i),
                         "URI:spiffe://t.test/dialplan");
    }();
    auto process = std::make_unique<ServiceProcess>(
        "services/dialplan/dialplan",
        absl::StrCat(
            testing::TempDir(), "/",
            testing::UnitTest::GetInstance()->current_test_info()->name(), i));
    process->WriteConfig(absl::StrCat(
        "{\"server\":",
        process->ServerJson(
            tls, kTrustDomain,
            absl::StrCat(",\"instance_id\":\"dp", i,
                         "\",\"role_bindings\":[{\"identity\":\"spiffe://"
                         "t.test/operator/ann\",\"role\":\"ROLE_ADMIN\","
                         "\"tenants\":[\"*\"]}]")),
        ",\"store\":{\"postgres\":{\"connection\":\"", server_.connection(),
        "\",\"timeout\":\"2s\"}}}"));
    replicas_[i].process = std::move(process);
    Start(i);
  }

  void Start(int i) {
    replicas_[i].process->Start();
    replicas_[i].ann = pb::DialplanService::NewStub(Channel(i, "operator/ann"));
  }

  std::shared_ptr<grpc::Channel> Channel(int i, const std::string& path) {
    absl::MutexLock lock(&mutex_);
    return ChannelAs(*pki_, path, replicas_[i].process->grpc_target());
  }

  template <typename Request, typename Response>
  absl::Status Call(int i,
                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response) {
    return CallOn(*replicas_[i].ann, method, request, response);
  }

  absl::Status MakeTenant(int i, const std::string& id) {
    pb::CreateTenantRequest request;
    request.set_tenant_id(id);
    request.mutable_tenant()->add_domains(id + ".test");
    pb::Tenant tenant;
    return Call(i, &Stub::CreateTenant, request, &tenant);
  }
  absl::Status MakePlan(int i, const std::string& id) {
    pb::CreateDialPlanRequest request;
    request.set_parent("tenants/t");
    request.set_dial_plan_id(id);
    request.mutable_dial_plan()->set_number_of_digits_in_extension(4);
    pb::DialPlan plan;
    return Call(i, &Stub::CreateDialPlan, request, &plan);
  }
  absl::Status MakePeer(int i, const std::string& id, const std::string& fqdn,
                        const std::string& plan) {
    pb::CreatePeerRequest request;
    request.set_parent("tenants/t");
    request.set_peer_id(id);
    request.mutable_peer()->set_kind(pb::PEER_KIND_IP_GATEWAY);
    request.mutable_peer()->set_fqdn(fqdn);
    request.mutable_peer()->set_dial_plan("tenants/t/dialPlans/" + plan);
    pb::Peer peer;
    return Call(i, &Stub::CreatePeer, request, &peer);
  }
  absl::Status GetTenant(int i, const std::string& id) {
    pb::GetTenantRequest request;
    request.set_name("tenants/" + id);
    pb::Tenant tenant;
    return Call(i, &Stub::GetTenant, request, &tenant);
  }
  pb::DialplanStatus Status(int i) {
    pb::DialplanStatus out;
    EXPECT_THAT(Call(i, &Stub::GetStatus, pb::GetStatusRequest(), &out),
                IsOk());
    return out;
  }
  // Waits until all are at one version with one checksum.
  bool Agree() {
    return Soon([this] {
      std::set<std::string> seen;
      for (int i = 0; i < kReplicas; ++i) {
        const pb::DialplanStatus status = Status(i);
        seen.insert(absl::StrCat(status.configured_version(), " ",
                                 status.configured_checksum()));
      }
      return seen.size() == 1;
    });
  }

  static inline MtlsPki* pki_ = nullptr;
  PostgresServer server_;
  absl::Mutex mutex_;  // of pki_
  Replica replicas_[kReplicas];
};

TEST_F(ReplicasTest, AnyTakesWritesAndAllServeTheSame) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  // A write sees what any replica has acknowledged, at once.
  ASSERT_THAT(MakePlan(1, "d"), IsOk());
  ASSERT_THAT(MakePeer(2, "gw", "gw.t.test", "d"), IsOk());
  EXPECT_THAT(MakeTenant(1, "t"), HasReason("RESOURCE_EXISTS"));
  EXPECT_TRUE(Agree());
  EXPECT_EQ(Status(0).configured_version(), 3);
  for (int i = 0; i < kReplicas; ++i) EXPECT_THAT(GetTenant(i, "t"), IsOk());

  // Several writes as one, all or none on all of them.
  pb::ApplyChangesRequest together;
  together.set_parent("tenants/t");
  together.add_changes()->mutable_create()->mutable_partition()->set_name(
      "tenants/t/partitions/p");
  together.add_changes()->mutable_delete_()->set_name("tenants/t/peers/gw");
  together.add_changes()->mutable_delete_()->set_name("tenants/t/peers/no");
  pb::ApplyChangesResponse answer;
  EXPECT_THAT(Call(2, &Stub::ApplyChanges, together, &answer),
              HasReason("RESOURCE_NOT_FOUND"));
  EXPECT_TRUE(Agree());
  EXPECT_EQ(Status(1).configured_version(), 3);
  together.mutable_changes()->RemoveLast();
  together.set_request_id("together");
  ASSERT_THAT(Call(1, &Stub::ApplyChanges, together, &answer), IsOk());
  EXPECT_EQ(answer.version(), 5);
  EXPECT_TRUE(Agree());
  EXPECT_EQ(Status(0).configured_version(), 5);
  pb::ApplyChangesResponse again;
  ASSERT_THAT(Call(0, &Stub::ApplyChanges, together, &again), IsOk());
  EXPECT_EQ(again.version(), 5);
}

TEST_F(ReplicasTest, RepeatsTokensAndEtagsHoldOnAll) {
  pb::CreateTenantRequest create;
  create.set_tenant_id("t");
  create.set_request_id("once");
  create.mutable_tenant()->add_domains("t.test");
  pb::Tenant first, again;
  ASSERT_THAT(Call(0, &Stub::CreateTenant, create, &first), IsOk());
  ASSERT_THAT(Call(1, &Stub::CreateTenant, create, &again), IsOk());
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  create.mutable_tenant()->add_domains("other.test");
  EXPECT_THAT(Call(2, &Stub::CreateTenant, create, &again),
              HasReason("REQUEST_ID_REUSED"));

  pb::UpdateTenantRequest update;
  *update.mutable_tenant() = first;
  update.mutable_tenant()->set_display_name("From another replica");
  ASSERT_THAT(Call(2, &Stub::UpdateTenant, update, &again), IsOk());
  EXPECT_THAT(Call(1, &Stub::UpdateTenant, update, &again),
              HasReason("ETAG_MISMATCH"));

  for (const char* id : {"u", "v"}) ASSERT_THAT(MakeTenant(0, id), IsOk());
  ASSERT_TRUE(Agree());
  pb::ListTenantsRequest list;
  list.set_page_size(1);
  std::vector<std::string> names;
  for (int i = 0; i < kReplicas; ++i) {
    pb::ListTenantsResponse page;
    ASSERT_THAT(Call(i, &Stub::ListTenants, list, &page), IsOk());
    ASSERT_EQ(page.tenants_size(), 1);
    names.push_back(page.tenants(0).name());
    list.set_page_token(page.next_page_token());
  }
  EXPECT_THAT(names,
              testing::ElementsAre("tenants/t", "tenants/u", "tenants/v"));
}

TEST_F(ReplicasTest, WatchersOfEachSeeEveryChange) {
  std::vector<std::unique_ptr<Edge>> edges;
  for (int i = 0; i < kReplicas; ++i) {
    edges.push_back(std::make_unique<Edge>(Channel(i, "signaling_edge")));
  }
  constexpr int kWrites = 20;
  std::vector<std::thread> threads;
  for (int i = 0; i < kReplicas; ++i) {
    threads.emplace_back([this, i] {
      for (int n = 0; n < kWrites; ++n) {
        EXPECT_THAT(MakeTenant(i, absl::StrCat("t", i, "-", n)), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& edge : edges) edge->WaitFor(kReplicas * kWrites);
  for (const auto& edge : edges) {
    EXPECT_EQ(edge->state().version(), kReplicas * kWrites);
    EXPECT_EQ(edge->state().checksum(), edges[0]->state().checksum());
  }
  // A change is heard of, not only found by looking once a second.
  const absl::Time start = absl::Now();
  ASSERT_THAT(MakeTenant(0, "last"), IsOk());
  for (const auto& edge : edges) edge->WaitFor(kReplicas * kWrites + 1);
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(900));
  // A consumer goes on at another replica with what it lacks.
  Edge moved(Channel(1, "signaling_edge"), edges[0]->state());
  ASSERT_THAT(MakeTenant(2, "later"), IsOk());
  moved.WaitFor(kReplicas * kWrites + 2);
  EXPECT_THAT(moved.kinds(),
              Not(Contains(int{pb::WatchSnapshotResponse::kFull})));
}

// Rules hold over all replicas: of writes that are right alone and wrong
// together, one is refused, whoever took them.
TEST_F(ReplicasTest, ConcurrentWritesCannotBreakARuleTogether) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  for (int round = 0; round < 10; ++round) {
    // Two peers with one name and port.
    std::vector<absl::Status> results(kReplicas);
    std::vector<std::thread> threads;
    ASSERT_THAT(MakePlan(0, absl::StrCat("d", round)), IsOk());
    for (int i = 0; i < kReplicas; ++i) {
      threads.emplace_back([&, i] {
        results[i] = MakePeer(i, absl::StrCat("p", round, "-", i),
                              absl::StrCat("gw", round, ".t.test"),
                              absl::StrCat("d", round));
      });
    }
    for (std::thread& thread : threads) thread.join();
    int won = 0;
    for (const absl::Status& result : results) {
      won += result.ok() ? 1 : 0;
      if (!result.ok()) {
        EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument))
            << result;
      }
    }
    EXPECT_EQ(won, 1);

    // A reference, and the deletion of what it names.
    const std::string plan = absl::StrCat("e", round);
    ASSERT_THAT(MakePlan(0, plan), IsOk());
    absl::Status made, removed;
    std::thread maker([&] {
      made = MakePeer(1, absl::StrCat("q", round),
                      absl::StrCat("q", round, ".t.test"), plan);
    });
    std::thread remover([&] {
      pb::DeleteDialPlanRequest request;
      request.set_name("tenants/t/dialPlans/" + plan);
      google::protobuf::Empty empty;
      removed = Call(2, &Stub::DeleteDialPlan, request, &empty);
    });
    maker.join();
    remover.join();
    EXPECT_NE(made.ok(), removed.ok()) << made << removed;

    // Two updates of one etag.
    pb::GetTenantRequest get;
    get.set_name("tenants/t");
    pb::Tenant tenant;
    ASSERT_TRUE(Agree());
    ASSERT_THAT(Call(0, &Stub::GetTenant, get, &tenant), IsOk());
    std::atomic<int> updated = 0;
    threads.clear();
    for (int i = 0; i < kReplicas; ++i) {
      threads.emplace_back([&, i] {
        pb::UpdateTenantRequest update;
        *update.mutable_tenant() = tenant;
        update.mutable_tenant()->set_display_name(absl::StrCat(round, i));
        pb::Tenant out;
        const absl::Status status = Call(i, &Stub::UpdateTenant, update, &out);
        if (status.ok()) {
          ++updated;
        } else {
          EXPECT_THAT(status, HasReason("ETAG_MISMATCH"));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(updated, 1);
  }
  EXPECT_TRUE(Agree());
}

TEST_F(ReplicasTest, OneThatWasAwayCatchesUp) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  replicas_[2].process->Kill();
  ASSERT_THAT(MakeTenant(1, "u"), IsOk());
  Start(2);
  EXPECT_THAT(GetTenant(2, "u"), IsOk());
  // Suspended, it does not even hear of it.
  replicas_[1].process->Signal(SIGSTOP);
  ASSERT_THAT(MakeTenant(0, "v"), IsOk());
  replicas_[1].process->Signal(SIGCONT);
  EXPECT_TRUE(Agree());
}

TEST_F(ReplicasTest, AuditRecordsOfAllAreOneLog) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  ASSERT_THAT(MakePlan(1, "d"), IsOk());
  ASSERT_THAT(MakePlan(2, "e"), IsOk());
  pb::ListAuditRecordsRequest request;
  request.set_parent("tenants/t");
  for (int i = 0; i < kReplicas; ++i) {
    pb::ListAuditRecordsResponse response;
    ASSERT_THAT(Call(i, &Stub::ListAuditRecords, request, &response), IsOk());
    ASSERT_EQ(response.audit_records_size(), 3);
    EXPECT_EQ(response.audit_records(0).resource(), "tenants/t/dialPlans/e");
  }
}

// GetStatus of any replica shows the consumers of all, whichever each follows,
// and not those of one that is gone.
TEST_F(ReplicasTest, EachShowsTheConsumersOfAll) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  ASSERT_TRUE(Agree());
  std::vector<std::unique_ptr<Edge>> edges;
  for (int i = 0; i < 2; ++i) {
    edges.push_back(std::make_unique<Edge>(
        Channel(i, "signaling_edge"), SnapshotState(),
        std::vector<std::string>(), absl::StrCat("edge-", i)));
    edges.back()->WaitFor(1);
  }
  // As behind a load balancer: the stream is at one, the report goes to
  // another.
  pb::ReportSnapshotVersionRequest report;
  report.set_consumer("edge-0");
  report.set_active_version(1);
  pb::ReportSnapshotVersionResponse reported;
  const auto edge = pb::DialplanService::NewStub(Channel(2, "signaling_edge"));
  ASSERT_THAT(CallOn(*edge, &Stub::ReportSnapshotVersion, report, &reported),
              IsOk());
  for (int i = 0; i < kReplicas; ++i) {
    EXPECT_TRUE(Soon([&] {
      const pb::DialplanStatus status = Status(i);
      return status.consumers_size() == 2 &&
             status.consumers(0).consumer() == "edge-0" &&
             status.consumers(0).connected() &&
             status.consumers(0).replica() == "dp0" &&
             status.consumers(0).sent_version() == 1 &&
             status.consumers(0).active_version() == 1 &&
             status.consumers(1).consumer() == "edge-1" &&
             status.consumers(1).connected() &&
             status.consumers(1).replica() == "dp1";
    })) << i
        << Status(i).DebugString();
  }
  // One row for each replica, however many consumers.
  EXPECT_EQ(server_.Sql("SELECT count(*) FROM replicas"), "3");

  // An orderly end takes the row along.
  edges[1].reset();
  ASSERT_EQ(replicas_[1].process->Terminate(), 0);
  EXPECT_EQ(server_.Sql("SELECT count(*) FROM replicas"), "2");
  EXPECT_TRUE(Soon([&] { return Status(0).consumers_size() == 1; }))
      << Status(0).DebugString();
  // One that is killed goes by time; here, time is made to pass.
  replicas_[0].process->Kill();
  server_.Sql("UPDATE replicas SET beat_time = 0 WHERE instance = 'dp0'");
  EXPECT_TRUE(Soon(
      [&] { return server_.Sql("SELECT count(*) FROM replicas") == "1"; }));
  EXPECT_TRUE(Soon([&] {
    const pb::DialplanStatus status = Status(2);
    return status.consumers_size() == 1 && !status.consumers(0).connected();
  })) << Status(2).DebugString();
}

// Issue 3: one that starts while the store is gone is up, says so, and serves
// as soon as the store comes.
TEST_F(ReplicasTest, OneThatStartsWithoutTheStoreWaitsForIt) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  ASSERT_EQ(replicas_[1].process->Terminate(), 0);
  server_.Kill();
  replicas_[1].process->StartWaiting();
  replicas_[1].ann = pb::DialplanService::NewStub(Channel(1, "operator/ann"));
  EXPECT_THAT(replicas_[1].process->HttpGet("/readyz"),
              AllOf(HasSubstr(" 503 "), HasSubstr("waits for the store")));
  EXPECT_THAT(replicas_[1].process->HttpGet("/healthz"), HasSubstr(" 200 "));
  EXPECT_THAT(GetTenant(1, "t"), AllOf(StatusIs(absl::StatusCode::kUnavailable),
                                       HasReason("STORE_UNAVAILABLE")));
  EXPECT_THAT(MakeTenant(1, "u"), HasReason("STORE_UNAVAILABLE"));
  // Nobody learns of it who may not call.
  const auto stranger =
      pb::DialplanService::NewStub(Channel(1, "operator/nobody"));
  pb::DialplanStatus status;
  EXPECT_THAT(
      CallOn(*stranger, &Stub::GetStatus, pb::GetStatusRequest(), &status),
      StatusIs(absl::StatusCode::kPermissionDenied));
  // A stream begins when there is something to stream.
  Edge edge(Channel(1, "signaling_edge"));
  // The one that was there goes on.
  EXPECT_THAT(GetTenant(0, "t"), IsOk());

  server_.Start();
  replicas_[1].process->WaitUntilReady();
  EXPECT_THAT(replicas_[1].process->HttpGet("/readyz"), HasSubstr(" 200 "));
  EXPECT_THAT(GetTenant(1, "t"), IsOk());
  EXPECT_THAT(MakeTenant(1, "u"), IsOk());
  EXPECT_TRUE(Agree());
  edge.WaitFor(2);

  // SIGTERM while it waits ends it in order.
  ASSERT_EQ(replicas_[1].process->Terminate(), 0);
  server_.Stop();
  replicas_[1].process->StartWaiting();
  EXPECT_EQ(replicas_[1].process->Terminate(), 0);
}

// Stopped and killed while everybody writes: writes fail with UNAVAILABLE and
// resume, reads and streams go on, and what was acknowledged is there.
TEST_F(ReplicasTest, PostgresStopsAndStartsUnderLoad) {
  ASSERT_THAT(MakeTenant(0, "t"), IsOk());
  ASSERT_TRUE(Agree());
  std::vector<std::unique_ptr<Edge>> edges;
  for (int i = 0; i < kReplicas; ++i) {
    edges.push_back(std::make_unique<Edge>(Channel(i, "signaling_edge")));
    edges.back()->WaitFor(1);
  }
  std::atomic<bool> stop = false;
  std::atomic<int> refused = 0;
  std::atomic<int> good = 0;
  std::atomic<int> failed_reads = 0;
  absl::Mutex mutex;
  std::vector<std::string> acknowledged;
  std::vector<std::thread> threads;
  for (int i = 0; i < kReplicas; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; !stop; ++n) {
        const std::string id = absl::StrCat("w", i, "-", n);
        const absl::Status status = MakeTenant(i, id);
        if (status.ok()) {
          ++good;
          absl::MutexLock lock(&mutex);
          acknowledged.push_back(id);
        } else {
          ++refused;
          EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
          EXPECT_THAT(ReasonOf(status),
                      AnyOf("STORE_UNAVAILABLE", "STORE_OUTCOME_UNKNOWN"));
          absl::SleepFor(absl::Milliseconds(10));
        }
      }
    });
    threads.emplace_back([&, i] {
      while (!stop) {
        if (!GetTenant(i, "t").ok()) ++failed_reads;
        absl::SleepFor(absl::Milliseconds(5));
      }
    });
  }
  for (const bool kill : {true, false}) {
    const int before = good;
    EXPECT_TRUE(Soon([&] { return good > before + 20; }));
    const int refused_before = refused;
    if (kill) {
      server_.Kill();
    } else {
      server_.Stop();
    }
    EXPECT_TRUE(Soon([&] { return refused > refused_before + 10; }));
    server_.Start();
  }
  const int before = good;
  EXPECT_TRUE(Soon([&] { return good > before + 20; }));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed_reads, 0);

  EXPECT_TRUE(Agree());
  for (const std::string& id : acknowledged) {
    EXPECT_THAT(GetTenant(0, id), IsOk()) << id;
  }
  const int64_t version = Status(0).configured_version();
  for (const auto& edge : edges) {
    edge->WaitFor(version);
    EXPECT_EQ(edge->state().checksum(), Status(0).configured_checksum());
    // Not once was a stream broken off.
    EXPECT_TRUE(edge->last_end().ok()) << edge->last_end();
  }
}

}  // namespace
}  // namespace sallyport::dialplan
