#include "services/dialplan/core/plan_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {
namespace {

using Verb = PlanEdit::Verb;

PlanEdit Edit(Verb verb, PlanEntry entry) {
  PlanEdit edit;
  edit.verb = verb;
  edit.name = NameOf(entry);
  PlanRecord record = TestRecord(std::move(entry));
  edit.make = [record](const Plan&, const PlanRecord*) { return record; };
  return edit;
}

PlanEdit Deletion(const std::string& name) {
  PlanEdit edit;
  edit.verb = Verb::kDelete;
  edit.name = name;
  return edit;
}

class PlanEditorTest : public testing::Test {
 protected:
  absl::StatusOr<EditAnswer> Apply(const PlanEdit& edit) {
    return editor_.Apply(edit, now_);
  }

  FakeRandom random_;
  PlanEditor editor_{random_, {}};
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(PlanEditorTest, CreateUpdateDelete) {
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer made,
                          Apply(Edit(Verb::kCreate, TestTenant())));
  EXPECT_EQ(made.body, "body of tenants/t");
  EXPECT_EQ(made.etag.size(), 16u);
  EXPECT_EQ(made.create_time, now_);
  EXPECT_EQ(editor_.version(), 1);
  EXPECT_THAT(Apply(Edit(Verb::kCreate, TestTenant())),
              HasReason("RESOURCE_EXISTS"));

  now_ += absl::Seconds(5);
  TenantEntry changed = TestTenant();
  changed.domains.push_back("more.test");
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer updated,
                          Apply(Edit(Verb::kUpdate, changed)));
  EXPECT_NE(updated.etag, made.etag);
  EXPECT_EQ(updated.create_time, made.create_time);
  EXPECT_EQ(updated.update_time, now_);

  ASSERT_EQ(editor_.pending().changes.size(), 2u);
  EXPECT_EQ(editor_.pending().changes[0].before, nullptr);
  EXPECT_EQ(editor_.pending().changes[1].version, 2);
  EXPECT_EQ(editor_.pending().changes[1].after->etag, updated.etag);

  ASSERT_THAT(Apply(Deletion("tenants/t")), IsOk());
  EXPECT_THAT(Apply(Deletion("tenants/t")), HasReason("RESOURCE_NOT_FOUND"));
  PlanEdit lenient = Deletion("tenants/t");
  lenient.allow_missing = true;
  EXPECT_THAT(Apply(lenient), IsOk());
  EXPECT_EQ(editor_.version(), 3);
  editor_.Commit();
  EXPECT_TRUE(editor_.pending().empty());
}

TEST_F(PlanEditorTest, EtagsGuardUpdateAndDelete) {
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer made,
                          Apply(Edit(Verb::kCreate, TestTenant())));
  TenantEntry changed = TestTenant();
  changed.domains.push_back("more.test");
  PlanEdit edit = Edit(Verb::kUpdate, changed);
  edit.etag = "stale";
  EXPECT_THAT(Apply(edit), HasReason("ETAG_MISMATCH"));
  EXPECT_THAT(Apply(edit), StatusIs(absl::StatusCode::kAborted));
  edit.etag = made.etag;
  EXPECT_THAT(Apply(edit), IsOk());
  EXPECT_THAT(Apply(edit), HasReason("ETAG_MISMATCH"));
  PlanEdit remove = Deletion("tenants/t");
  remove.etag = made.etag;
  EXPECT_THAT(Apply(remove), HasReason("ETAG_MISMATCH"));
}

TEST_F(PlanEditorTest, WritingWhatIsThereChangesNothing) {
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer made,
                          Apply(Edit(Verb::kCreate, TestTenant())));
  now_ += absl::Seconds(1);
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer same,
                          Apply(Edit(Verb::kUpdate, TestTenant())));
  EXPECT_EQ(same, made);
  EXPECT_EQ(editor_.version(), 1);
  EXPECT_EQ(editor_.pending().changes.size(), 1u);
}

TEST_F(PlanEditorTest, UpdateOfWhatIsMissing) {
  PlanEdit edit = Edit(Verb::kUpdate, TestTenant());
  EXPECT_THAT(Apply(edit), HasReason("RESOURCE_NOT_FOUND"));
  edit.allow_missing = true;
  EXPECT_THAT(Apply(edit), IsOk());
  EXPECT_EQ(editor_.version(), 1);
}

TEST_F(PlanEditorTest, ValidateOnlyChecksAndStoresNothing) {
  PlanEdit edit = Edit(Verb::kCreate, TestTenant());
  edit.validate_only = true;
  edit.request_key = "k";
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer answer, Apply(edit));
  EXPECT_EQ(answer.etag, "");
  EXPECT_TRUE(editor_.pending().empty());
  EXPECT_EQ(editor_.plan().Find("tenants/t"), nullptr);
  EXPECT_EQ(editor_.version(), 0);
  TenantEntry bad = TestTenant();
  bad.domains = {"not a host"};
  PlanEdit faulty = Edit(Verb::kCreate, bad);
  faulty.validate_only = true;
  EXPECT_THAT(Apply(faulty), HasReason("DOMAIN_INVALID"));

  ASSERT_THAT(Apply(Edit(Verb::kCreate, TestTenant())), IsOk());
  PlanEdit remove = Deletion("tenants/t");
  remove.validate_only = true;
  EXPECT_THAT(Apply(remove), IsOk());
  EXPECT_NE(editor_.plan().Find("tenants/t"), nullptr);
}

TEST_F(PlanEditorTest, AFaultyWriteLeavesThePlanAsItWas) {
  ASSERT_THAT(Apply(Edit(Verb::kCreate, TestTenant())), IsOk());
  ASSERT_THAT(Apply(Edit(Verb::kCreate, TestPlan(SecurityMode::kSecured, "d"))),
              IsOk());
  const RecordPtr before = editor_.plan().Find("tenants/t/dialPlans/d");
  DialPlanEntry changed = TestPlan(SecurityMode::kSecured, "d");
  changed.extension_digits = 7;
  EXPECT_THAT(Apply(Edit(Verb::kUpdate, changed)),
              HasReason("FIELD_IMMUTABLE"));
  EXPECT_EQ(editor_.plan().Find("tenants/t/dialPlans/d"), before);
  EXPECT_EQ(editor_.version(), 2);
}

TEST_F(PlanEditorTest, ARepeatedRequestGetsTheFirstAnswer) {
  PlanEdit edit = Edit(Verb::kCreate, TestTenant());
  edit.request_key = "ann create 1";
  edit.request_hash = "h1";
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer first, Apply(edit));
  now_ += absl::Hours(23);
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer second, Apply(edit));
  EXPECT_EQ(first, second);
  EXPECT_EQ(editor_.version(), 1);
  EXPECT_EQ(editor_.pending().requests.size(), 1u);
  edit.request_hash = "h2";
  EXPECT_THAT(Apply(edit), HasReason("REQUEST_ID_REUSED"));
  edit.request_hash = "h1";
  now_ += absl::Hours(2);  // after 24 hours it is a new request
  EXPECT_THAT(Apply(edit), HasReason("RESOURCE_EXISTS"));
  EXPECT_THAT(editor_.pending().forgotten_requests,
              testing::ElementsAre("ann create 1"));
}

TEST_F(PlanEditorTest, RollbackUndoesEverythingPending) {
  ASSERT_THAT(Apply(Edit(Verb::kCreate, TestTenant())), IsOk());
  editor_.Commit();
  PlanEdit create = Edit(Verb::kCreate, TestPlan(SecurityMode::kSecured, "d"));
  create.request_key = "k";
  ASSERT_THAT(Apply(create), IsOk());
  TenantEntry changed = TestTenant();
  changed.domains.push_back("more.test");
  ASSERT_THAT(Apply(Edit(Verb::kUpdate, changed)), IsOk());
  ASSERT_THAT(Apply(Deletion("tenants/t/dialPlans/d")), IsOk());
  EXPECT_EQ(editor_.version(), 4);
  editor_.Rollback();
  EXPECT_EQ(editor_.version(), 1);
  EXPECT_TRUE(editor_.pending().empty());
  EXPECT_EQ(editor_.plan().Find("tenants/t/dialPlans/d"), nullptr);
  EXPECT_EQ(editor_.plan().Get<TenantEntry>("tenants/t")->domains.size(), 1u);
  // The request was not served, so its repeat is.
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer again, Apply(create));
  EXPECT_EQ(again.body, "body of tenants/t/dialPlans/d");
  EXPECT_EQ(editor_.version(), 2);
}

TEST_F(PlanEditorTest, LimitsCountWhatIsThere) {
  PlanEditor::Options options;
  options.limits.tenants = 2;
  PlanEditor editor(random_, options);
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("a")), now_), IsOk());
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("b")), now_), IsOk());
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("c")), now_),
              HasReason("LIMIT_REACHED"));
  EXPECT_THAT(editor.Apply(Deletion("tenants/a"), now_), IsOk());
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("c")), now_), IsOk());
  editor.Rollback();
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("c")), now_), IsOk());
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("d")), now_), IsOk());
  EXPECT_THAT(editor.Apply(Edit(Verb::kCreate, TestTenant("e")), now_),
              HasReason("LIMIT_REACHED"));
}

TEST_F(PlanEditorTest, LoadedStateIsTheStart) {
  PlanRecord tenant = TestRecord(TestTenant());
  tenant.etag = "e";
  editor_.Load(std::make_shared<PlanRecord>(tenant));
  RememberedRequest request;
  request.key = "k";
  request.hash = "h";
  request.answer.body = "first";
  request.expire_time = now_ + absl::Hours(1);
  editor_.Load(request);
  editor_.LoadVersion(41);
  PlanEdit edit = Edit(Verb::kCreate, TestTenant());
  EXPECT_THAT(Apply(edit), HasReason("RESOURCE_EXISTS"));
  edit.request_key = "k";
  edit.request_hash = "h";
  SP_ASSERT_OK_AND_ASSIGN(EditAnswer answer, Apply(edit));
  EXPECT_EQ(answer.body, "first");
  ASSERT_THAT(Apply(Deletion("tenants/t")), IsOk());
  EXPECT_EQ(editor_.version(), 42);
  editor_.Rollback();
  EXPECT_EQ(editor_.version(), 41);
}

// Everything that a plan says of itself, to compare two of them.
std::vector<std::string> Facts(const Plan& plan) {
  std::vector<std::string> out;
  for (const auto& [name, record] : plan.records()) {
    out.push_back(name + " " + record->etag);
    for (const std::string& referrer : plan.ReferrersOf(name)) {
      out.push_back(name + " <- " + referrer);
    }
    for (const UniqueKey& key : plan.KeysOf(name)) {
      out.push_back(name + " " + key.field + " " + key.key);
      for (const std::string& holder : plan.HoldersOf(key.key)) {
        out.push_back(key.key + " held by " + holder);
      }
    }
  }
  return out;
}

// Random writes, commits and rollbacks: the indexes are always those of a plan
// made anew from the same records, and a rollback leads exactly back.
TEST_F(PlanEditorTest, IndexesFollowRandomWrites) {
  const auto pick = [this](size_t n) {
    return static_cast<size_t>(random_.Uniform(n));
  };
  const auto make = [&]() -> PlanEntry {
    const std::string id(1, static_cast<char>('a' + pick(3)));
    const std::string plan(1, static_cast<char>('p' + pick(2)));
    switch (pick(6)) {
      case 0: {
        TenantEntry tenant = TestTenant();
        if (pick(2) == 0) {
          tenant.default_dial_plan = "tenants/t/dialPlans/" + plan;
        }
        return tenant;
      }
      case 1:
        return TestPlan(static_cast<SecurityMode>(pick(3)), plan);
      case 2: {
        PeerEntry peer = TestPeer(id, plan);
        if (pick(3) == 0) peer.dial_plan.clear();
        if (pick(3) == 0) peer.x509_subjects = {"shared.test"};
        return peer;
      }
      case 3: {
        UserEntry user = TestUser(id, plan);
        user.phone_numbers = {pick(2) == 0 ? "1001" : "1002"};
        return user;
      }
      case 4: {
        PhoneEntry phone;
        phone.name = "tenants/t/phones/" + id;
        phone.device_name = "SEP" + std::to_string(pick(2));
        phone.owner_user = "tenants/t/users/" + id;
        phone.dial_plan = "tenants/t/dialPlans/" + plan;
        return phone;
      }
      default:
        return TestPattern(id, pick(2) == 0 ? "9.!" : "8X", id);
    }
  };
  std::vector<std::string> committed = Facts(editor_.plan());
  size_t applied = 0;
  for (int i = 0; i < 5000; ++i) {
    const PlanEntry entry = make();
    PlanEdit edit =
        pick(4) == 0 ? Deletion(NameOf(entry)) : Edit(Verb::kUpdate, entry);
    edit.allow_missing = true;
    edit.validate_only = pick(5) == 0;
    const std::vector<std::string> before = Facts(editor_.plan());
    const bool ok = Apply(edit).ok();
    applied += ok ? 1 : 0;
    if (!ok || edit.validate_only) {
      ASSERT_EQ(Facts(editor_.plan()), before);
    }
    if (pick(4) == 0) {
      editor_.Commit();
      committed = Facts(editor_.plan());
    } else if (pick(4) == 0) {
      editor_.Rollback();
      ASSERT_EQ(Facts(editor_.plan()), committed);
    }
    Plan fresh;
    for (const auto& [name, record] : editor_.plan().records()) {
      fresh.Put(record);
    }
    ASSERT_EQ(Facts(editor_.plan()), Facts(fresh)) << edit.name;
  }
  EXPECT_GT(applied, 1000u);
}

PlanEdit Upsert(PlanEntry entry) {
  PlanEdit edit = Edit(Verb::kUpdate, std::move(entry));
  edit.allow_missing = true;
  return edit;
}

TenantEntry TenantWithDefault() {
  TenantEntry out = TestTenant();
  out.default_dial_plan = "tenants/t/dialPlans/d";
  return out;
}

// What refers to each other can be written at once, in any order.
TEST_F(PlanEditorTest, ABatchIsCheckedAsAWhole) {
  PlanBatch batch;
  batch.edits = {Upsert(TestPattern("out", "9.!", "gw")),
                 Upsert(TestPeer("gw", "d")),
                 Upsert(TestPlan(SecurityMode::kSipSecured, "d")),
                 Upsert(TenantWithDefault())};
  batch.validate_only = true;
  SP_ASSERT_OK_AND_ASSIGN(BatchAnswer answer, editor_.Apply(batch, now_));
  EXPECT_THAT(answer.faults, testing::IsEmpty());
  EXPECT_EQ(answer.created, 4u);
  EXPECT_TRUE(editor_.plan().records().empty());
  EXPECT_TRUE(editor_.pending().empty());

  batch.validate_only = false;
  SP_ASSERT_OK_AND_ASSIGN(answer, editor_.Apply(batch, now_));
  EXPECT_EQ(answer.created, 4u);
  EXPECT_EQ(editor_.version(), 4);
  ASSERT_EQ(editor_.pending().changes.size(), 4u);
  // The tenant is there before what belongs to it.
  EXPECT_EQ(editor_.pending().changes[0].name, "tenants/t");
  EXPECT_EQ(editor_.pending().changes[3].version, 4);

  SP_ASSERT_OK_AND_ASSIGN(answer, editor_.Apply(batch, now_));
  EXPECT_EQ(answer.unchanged, 4u);
  EXPECT_EQ(editor_.version(), 4);

  // And so can what refers to each other be deleted.
  PlanBatch removal;
  for (const PlanEdit& edit : batch.edits) {
    removal.edits.push_back(Deletion(edit.name));
  }
  SP_ASSERT_OK_AND_ASSIGN(answer, editor_.Apply(removal, now_));
  EXPECT_EQ(answer.deleted, 4u);
  EXPECT_TRUE(editor_.plan().records().empty());
}

TEST_F(PlanEditorTest, ABatchWithFaultsNamesAllAndChangesNothing) {
  ASSERT_THAT(Apply(Edit(Verb::kCreate, TestTenant())), IsOk());
  ASSERT_THAT(
      Apply(Edit(Verb::kCreate, TestPlan(SecurityMode::kSipSecured, "d"))),
      IsOk());
  ASSERT_THAT(Apply(Edit(Verb::kCreate, TestPeer("gw", "d"))), IsOk());
  editor_.Commit();
  const auto before = editor_.plan().records();

  PlanBatch batch;
  PartitionEntry partition;
  partition.name = "tenants/t/partitions/p";
  PeerEntry literal = TestPeer("one", "none");
  literal.fqdn = "192.0.2.1";
  PlanEdit stale = Edit(Verb::kUpdate, TestTenant());
  stale.etag = "stale";
  batch.edits = {Upsert(partition),
                 Upsert(literal),
                 Edit(Verb::kCreate, TestPeer("gw", "d")),
                 Deletion("tenants/t/dialPlans/d"),
                 stale,
                 Deletion("tenants/t/peers/none"),
                 Upsert(partition)};
  SP_ASSERT_OK_AND_ASSIGN(const BatchAnswer answer, editor_.Apply(batch, now_));
  std::vector<std::pair<size_t, std::string>> found;
  for (const BatchFault& fault : answer.faults) {
    found.emplace_back(fault.edit, fault.fault.reason);
  }
  EXPECT_THAT(found, testing::IsSupersetOf({std::pair<size_t, std::string>(
                                                1, "REFERENCE_NOT_FOUND"),
                                            {2, "RESOURCE_EXISTS"},
                                            {3, "RESOURCE_IN_USE"},
                                            {4, "ETAG_MISMATCH"},
                                            {5, "RESOURCE_NOT_FOUND"},
                                            {6, "CHANGE_REPEATED"}}));
  EXPECT_TRUE(std::is_sorted(
      found.begin(), found.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; }));
  EXPECT_EQ(editor_.plan().records(), before);
  EXPECT_TRUE(editor_.pending().empty());
  EXPECT_EQ(editor_.version(), 3);
}

// Two holders can exchange what only one may hold.
TEST_F(PlanEditorTest, ABatchMayExchangeUniqueKeys) {
  PlanBatch batch;
  batch.edits = {Upsert(TestTenant()),
                 Upsert(TestPlan(SecurityMode::kSipSecured, "d")),
                 Upsert(TestPeer("a", "d")), Upsert(TestPeer("b", "d"))};
  ASSERT_THAT(editor_.Apply(batch, now_), IsOk());
  PeerEntry a = TestPeer("a", "d"), b = TestPeer("b", "d");
  std::swap(a.fqdn, b.fqdn);
  EXPECT_FALSE(Apply(Edit(Verb::kUpdate, a)).ok());
  PlanBatch swap;
  swap.edits = {Upsert(a), Upsert(b)};
  SP_ASSERT_OK_AND_ASSIGN(const BatchAnswer answer, editor_.Apply(swap, now_));
  EXPECT_THAT(answer.faults, testing::IsEmpty());
  EXPECT_EQ(answer.updated, 2u);
}

TEST_F(PlanEditorTest, ARepeatedBatchGetsTheFirstAnswer) {
  PlanBatch batch;
  batch.edits = {Upsert(TestTenant("t")), Upsert(TestTenant("u"))};
  batch.request_key = "k";
  batch.request_hash = "h";
  SP_ASSERT_OK_AND_ASSIGN(const BatchAnswer first, editor_.Apply(batch, now_));
  EXPECT_EQ(first.created, 2u);
  SP_ASSERT_OK_AND_ASSIGN(const BatchAnswer second,
                          editor_.Apply(batch, now_ + absl::Hours(1)));
  EXPECT_EQ(second, first);
  batch.request_hash = "other";
  EXPECT_THAT(editor_.Apply(batch, now_), HasReason("REQUEST_ID_REUSED"));
  // What the store refused is forgotten.
  editor_.Rollback();
  EXPECT_TRUE(editor_.plan().records().empty());
  SP_ASSERT_OK_AND_ASSIGN(const BatchAnswer again, editor_.Apply(batch, now_));
  EXPECT_EQ(again.created, 2u);
}

TEST_F(PlanEditorTest, TellsWhatIsBeyondLimitsThatWereLowered) {
  PlanEditor::Options options;
  options.limits.tenants = 1;
  PlanEditor editor(random_, options);
  for (const char* id : {"a", "b"}) {
    editor.Load(std::make_shared<PlanRecord>(TestRecord(TestTenant(id))));
  }
  EXPECT_THAT(editor.OverLimits(),
              testing::ElementsAre("2 tenants, of which 1 are allowed"));
}

TEST_F(PlanEditorTest, ABatchKeepsTheLimits) {
  PlanEditor::Options options;
  options.limits.tenants = 2;
  PlanEditor editor(random_, options);
  PlanBatch batch;
  batch.edits = {Upsert(TestTenant("a")), Upsert(TestTenant("b")),
                 Upsert(TestTenant("c"))};
  SP_ASSERT_OK_AND_ASSIGN(BatchAnswer answer, editor.Apply(batch, now_));
  ASSERT_EQ(answer.faults.size(), 1u);
  EXPECT_EQ(answer.faults[0].fault.reason, "LIMIT_REACHED");
  batch.edits.pop_back();
  SP_ASSERT_OK_AND_ASSIGN(answer, editor.Apply(batch, now_));
  EXPECT_THAT(answer.faults, testing::IsEmpty());
}

}  // namespace
}  // namespace sallyport::dialplan
