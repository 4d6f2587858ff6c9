#include "services/common/plan_snapshot/snapshot_state.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/plan_snapshot/plan_checksum.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

pb::Resource Tenant(const std::string& etag) {
  pb::Resource r;
  r.mutable_tenant()->set_name("tenants/t");
  r.mutable_tenant()->set_etag(etag);
  r.mutable_tenant()->add_domains("A.test.");
  r.mutable_tenant()->set_default_dial_plan("tenants/t/dialPlans/d");
  return r;
}

pb::Resource Plan(type::SecurityMode mode, const std::string& etag) {
  pb::Resource r;
  r.mutable_dial_plan()->set_name("tenants/t/dialPlans/d");
  r.mutable_dial_plan()->set_etag(etag);
  r.mutable_dial_plan()->set_security_mode(mode);
  return r;
}

pb::Resource Peer(const std::string& id, const std::string& etag) {
  pb::Resource r;
  r.mutable_peer()->set_name("tenants/t/peers/" + id);
  r.mutable_peer()->set_etag(etag);
  r.mutable_peer()->set_fqdn(id + ".A.test");
  return r;
}

std::string SumOf(std::initializer_list<pb::Resource> resources) {
  PlanChecksum sum;
  for (const pb::Resource& r : resources) sum.Add(NameOf(r), EtagOf(r));
  return sum.Hex();
}

pb::WatchSnapshotResponse Full(int64_t version, bool last,
                               std::initializer_list<pb::Resource> resources,
                               const std::string& checksum) {
  pb::WatchSnapshotResponse m;
  m.set_version(version);
  m.set_checksum(checksum);
  m.mutable_full()->set_last(last);
  for (const pb::Resource& r : resources)
    *m.mutable_full()->add_resources() = r;
  return m;
}

SnapshotState AtVersion3() {
  SnapshotState state;
  const auto got = state.Apply(
      Full(3, true, {Tenant("a"), Plan(type::SECURITY_MODE_SECURED, "b")},
           SumOf({Tenant("a"), Plan(type::SECURITY_MODE_SECURED, "b")})));
  EXPECT_TRUE(got.ok() && *got);
  return state;
}

TEST(SnapshotStateTest, FullInParts) {
  SnapshotState state;
  const std::string sum =
      SumOf({Tenant("a"), Plan(type::SECURITY_MODE_SECURED, "b")});
  SP_ASSERT_OK_AND_ASSIGN(bool first,
                          state.Apply(Full(3, false, {Tenant("a")}, sum)));
  EXPECT_FALSE(first);
  EXPECT_EQ(state.version(), 0);
  SP_ASSERT_OK_AND_ASSIGN(
      bool second,
      state.Apply(
          Full(3, true, {Plan(type::SECURITY_MODE_SECURED, "b")}, sum)));
  EXPECT_TRUE(second);
  EXPECT_EQ(state.version(), 3);
  EXPECT_EQ(state.checksum(), sum);
  const std::shared_ptr<const PlanSnapshot> plan = state.Snapshot();
  ASSERT_EQ(plan->tenants.size(), 1u);
  EXPECT_EQ(plan->tenants[0].domains, std::vector<std::string>{"a.test"});
  ASSERT_EQ(plan->dial_plans.size(), 1u);
  EXPECT_EQ(plan->dial_plans[0].security_mode, SecurityMode::kSecured);
}

TEST(SnapshotStateTest, PartsOfAnAbandonedVersionAreDropped) {
  SnapshotState state;
  ASSERT_THAT(state.Apply(Full(3, false, {Peer("old", "x")}, "")), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(bool done, state.Apply(Full(4, true, {Tenant("a")},
                                                      SumOf({Tenant("a")}))));
  EXPECT_TRUE(done);
  EXPECT_TRUE(state.Snapshot()->peers.empty());
}

TEST(SnapshotStateTest, DeltaAddsChangesAndDeletes) {
  SnapshotState state = AtVersion3();
  pb::WatchSnapshotResponse m;
  m.set_version(5);
  m.mutable_delta()->set_base_version(3);
  *m.mutable_delta()->add_upserted() = Peer("gw", "c");
  *m.mutable_delta()->add_upserted() = Tenant("a2");
  m.mutable_delta()->add_deleted("tenants/t/dialPlans/d");
  m.set_checksum(SumOf({Peer("gw", "c"), Tenant("a2")}));
  SP_ASSERT_OK_AND_ASSIGN(bool done, state.Apply(m));
  EXPECT_TRUE(done);
  EXPECT_EQ(state.version(), 5);
  const auto plan = state.Snapshot();
  EXPECT_TRUE(plan->dial_plans.empty());
  ASSERT_EQ(plan->peers.size(), 1u);
  EXPECT_EQ(plan->peers[0].fqdn, "gw.a.test");
  // The defaults are resolved (UM-94: without a secured plan, in clear).
  EXPECT_EQ(plan->peers[0].transport, SipTransport::kTcp);
  EXPECT_EQ(plan->peers[0].port, 5060u);
}

TEST(SnapshotStateTest, WhatDoesNotFitChangesNothing) {
  SnapshotState state = AtVersion3();
  pb::WatchSnapshotResponse m;
  m.set_version(5);
  m.mutable_delta()->set_base_version(4);
  EXPECT_THAT(state.Apply(m), HasReason("SNAPSHOT_OUT_OF_STEP"));
  m.mutable_delta()->set_base_version(3);
  *m.mutable_delta()->add_upserted() = Peer("gw", "c");
  m.set_checksum("wrong");
  EXPECT_THAT(state.Apply(m), HasReason("SNAPSHOT_CHECKSUM_MISMATCH"));
  m.clear_payload();
  EXPECT_THAT(state.Apply(m), HasReason("SNAPSHOT_OUT_OF_STEP"));
  m.mutable_heartbeat();
  EXPECT_THAT(state.Apply(m), HasReason("SNAPSHOT_OUT_OF_STEP"));
  m.set_version(3);
  SP_ASSERT_OK_AND_ASSIGN(bool beat, state.Apply(m));
  EXPECT_FALSE(beat);
  EXPECT_EQ(state.version(), 3);
  EXPECT_TRUE(state.Snapshot()->peers.empty());
}

// A name that is both deleted and new is new: it was made again.
TEST(SnapshotStateTest, DeletedAndMadeAgain) {
  SnapshotState state = AtVersion3();
  pb::WatchSnapshotResponse m;
  m.set_version(6);
  m.mutable_delta()->set_base_version(3);
  m.mutable_delta()->add_deleted("tenants/t");
  m.mutable_delta()->add_deleted("tenants/never");
  *m.mutable_delta()->add_upserted() = Tenant("again");
  m.set_checksum(
      SumOf({Tenant("again"), Plan(type::SECURITY_MODE_SECURED, "b")}));
  SP_ASSERT_OK_AND_ASSIGN(bool done, state.Apply(m));
  EXPECT_TRUE(done);
  EXPECT_EQ(state.resources().at("tenants/t")->tenant().etag(), "again");
}

TEST(SnapshotStateTest, SavesAndRestores) {
  const SnapshotState state = AtVersion3();
  SP_ASSERT_OK_AND_ASSIGN(SnapshotState restored,
                          SnapshotState::Restore(state.Save()));
  EXPECT_EQ(restored.version(), 3);
  EXPECT_EQ(restored.checksum(), state.checksum());
  EXPECT_EQ(*restored.Snapshot(), *state.Snapshot());
  SP_ASSERT_OK_AND_ASSIGN(SnapshotState empty,
                          SnapshotState::Restore(SnapshotState().Save()));
  EXPECT_EQ(empty.version(), 0);
}

TEST(SnapshotStateTest, ADamagedCacheIsRefused) {
  const std::string saved = AtVersion3().Save();
  for (size_t i = 0; i < saved.size(); ++i) {
    std::string damaged = saved;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_THAT(SnapshotState::Restore(damaged),
                HasReason("SNAPSHOT_CACHE_CORRUPT"));
  }
  for (size_t n = 0; n < saved.size(); ++n) {
    EXPECT_FALSE(SnapshotState::Restore(saved.substr(0, n)).ok());
  }
}

}  // namespace
}  // namespace sallyport
