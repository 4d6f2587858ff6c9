#include "services/capf/io/procedure_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/capf/core/test_trust_list.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/io/dialplan_mode.h"
#include "services/capf/io/fips_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;

// The goal names 10 000; with as many it takes five times as long.
constexpr size_t kFleet = 2000;

// A phone by its own rule: the first list of a kind it takes on trust, then
// only what a signer in one of its lists has signed. It asks no TVS.
class TestPhone {
 public:
  // False: it is stranded. `verified` is the same file, read.
  bool Take(TrustListKind kind, const TrustList& verified) {
    const std::string& signer = verified.Signer()->certificate;
    bool trusted = signers_.empty();
    for (const auto& [of, signers] : signers_) {
      trusted = trusted || signers.contains(signer);
    }
    if (!trusted) return false;
    std::set<std::string> now;
    for (const TrustListRecord* one : verified.OfRole(TrustListRole::kSast)) {
      now.insert(one->certificate);
    }
    signers_[kind] = std::move(now);
    return true;
  }

 private:
  std::map<TrustListKind, std::set<std::string>> signers_;
};

// A dial plan that somebody may hold back.
class FakeDialplan final : public DialplanMode {
 public:
  absl::StatusOr<ClusterSecurityMode> Get(const std::string&) override {
    if (!reachable) return absl::UnavailableError("down");
    return mode;
  }
  absl::Status Set(const std::string&, ClusterSecurityMode next,
                   bool validate_only) override {
    if (!reachable) return absl::UnavailableError("down");
    if (!refusal.ok()) return refusal;
    if (!validate_only) mode = next;
    return absl::OkStatus();
  }

  bool reachable = true;
  absl::Status refusal;
  ClusterSecurityMode mode = ClusterSecurityMode::kNonSecure;
};

class ProcedureRunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.default_tenant = "a";
    options_.host = "capf.example.test";
    options_.capf_certificate =
        NewTestIdentity("capf.example.test", 14).certificate;
    Open();
    PhoneCluster cluster;
    cluster.tenant = "a";
    cluster.call_managers = {
        {.node = {
             .dns_name = "cm1.example.test",
             .certificate_der =
                 signers_->Ensure("manager").value().front().certificate_der}}};
    ASSERT_THAT(
        lists_->PublishCluster(cluster, {.actor = "ann"}, false).status(),
        IsOk());
  }

  // A process that starts on the same store, whatever the last one was at.
  void Open() {
    ListSigners::Options signers;
    signers.wrapping = Secret::CopyOf(std::string(64, 'k'));
    signers_.emplace(std::move(signers), *capf_.authority, *capf_.ledger);
    lists_.emplace(options_, *signers_, *capf_.ledger);
    ASSERT_THAT(lists_->Serve([](const std::vector<PublishedList>&) {}),
                IsOk());
    runner_.emplace(ProcedureRunner::Parts{*capf_.ledger, &*lists_, &*signers_,
                                           fips_, nullptr, dialplan_});
  }

  absl::StatusOr<Procedure> Create(const std::string& id, ProcedureKind kind,
                                   bool validate_only = false) {
    return runner_->Create("tenants/a/procedures/" + id, "a", kind, "", "",
                           "ann", validate_only);
  }
  // Takes one step, by a new process each time.
  Procedure Advance(const std::string& id) {
    Open();
    capf_.clock.Advance(absl::Minutes(1));
    const auto done = runner_->Advance("tenants/a/procedures/" + id, 0, "ann");
    EXPECT_THAT(done.status(), IsOk());
    return done.value_or(Procedure());
  }
  // Until it ends or waits.
  Procedure Run(const std::string& id) {
    Procedure procedure;
    do {
      procedure = Advance(id);
    } while (procedure.state == ProcedureState::kReady);
    return procedure;
  }

  // `count` phones with an enrollment and no list yet.
  void AddPhones(size_t count) {
    StoreChange change;
    for (size_t i = 0; i < count; ++i) {
      Enrollment one;
      one.device_name = absl::StrFormat("SEP%012X", i);
      one.name =
          "tenants/a/enrollments/" + absl::AsciiStrToLower(one.device_name);
      change.insert_enrollments.push_back(one);
      phones_[one.device_name];
    }
    change.audit = {{.event = "TEST"}};
    ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
  }

  // Every phone whose number `asks` picks restarts and fetches its lists.
  template <typename Asks>
  void Restart(Asks asks) {
    std::vector<std::pair<PublishedList, TrustList>> lists;
    for (const TrustListKind kind :
         {TrustListKind::kCtl, TrustListKind::kItl}) {
      const auto current = lists_->Current("a", kind);
      ASSERT_THAT(current.status(), IsOk());
      const auto verified = VerifyTrustList(AsBytes(current->front().content));
      ASSERT_THAT(verified.status(), IsOk());
      lists.emplace_back(current->front(), verified->list);
    }
    StoreChange change;
    size_t number = 0;
    for (auto& [device, phone] : phones_) {
      if (!asks(number++)) continue;
      PhoneLists& held = held_[device];
      held.tenant = "a";
      held.device = device;
      for (const auto& [list, verified] : lists) {
        stranded_ += phone.Take(list.kind, verified) ? 0 : 1;
        // As RecordFetch() has it.
        const bool ctl = list.kind == TrustListKind::kCtl;
        std::string& now = ctl ? held.ctl : held.itl;
        std::string& before = ctl ? held.ctl_before : held.itl_before;
        if (now == list.sha1) continue;
        before = now.empty() ? list.sha1 : now;
        now = list.sha1;
      }
      change.put_phone_lists.push_back(held);
    }
    change.audit = {{.event = "TEST"}};
    ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
  }
  void RestartAll() {
    Restart([](size_t) { return true; });
  }

  std::string Signing() {
    return lists_->State("a")->In(ListSignerState::kSigning)->id;
  }

  TestCapf capf_{NewTestFolder()};
  FipsMode fips_;
  TrustListOptions options_;
  std::optional<ListSigners> signers_;
  std::optional<TrustListPublisher> lists_;
  DialplanMode* dialplan_ = nullptr;
  std::optional<ProcedureRunner> runner_;
  std::map<std::string, TestPhone> phones_;
  std::map<std::string, PhoneLists> held_;
  size_t stranded_ = 0;
};

// research/pki.md section 12, goal 3: no phone needs a hand, in three rotations
// of which a fifth of the phones sleep through one.
TEST_F(ProcedureRunnerTest, ThreeRotationsStrandNobody) {
  AddPhones(kFleet);
  RestartAll();
  for (size_t round = 0; round < 3; ++round) {
    const std::string id = absl::StrCat("rotation-", round);
    const std::string before = Signing();
    const std::string files =
        lists_->State("a")->In(ListSignerState::kFiles)->id;
    ASSERT_THAT(Create(id, ProcedureKind::kSignerRotation).status(), IsOk());
    Procedure procedure = Run(id);
    // The new lists are out: it waits for the phones, and names some.
    ASSERT_EQ(procedure.state, ProcedureState::kBlocked);
    EXPECT_THAT(procedure.blocked_reason,
                HasSubstr("PHONES_NOT_READY: 2000 of 2000"));
    EXPECT_FALSE(CanCancel(procedure));
    EXPECT_NE(Signing(), before);
    // Files are signed as before until every phone knows the next signer.
    EXPECT_EQ(lists_->State("a")->In(ListSignerState::kFiles)->id, files);
    Restart([round](size_t i) { return i % 5 != round; });
    procedure = Run(id);
    ASSERT_EQ(procedure.state, ProcedureState::kBlocked);
    EXPECT_THAT(procedure.blocked_reason, HasSubstr("400 of 2000"));
    // They come back a long time later.
    RestartAll();
    procedure = Run(id);
    ASSERT_EQ(procedure.state, ProcedureState::kBlocked);
    RestartAll();
    procedure = Run(id);
    EXPECT_EQ(procedure.state, ProcedureState::kDone)
        << procedure.blocked_reason;
    EXPECT_NE(lists_->State("a")->In(ListSignerState::kFiles)->id, files);
  }
  EXPECT_EQ(stranded_, 0u);
  SP_ASSERT_OK_AND_ASSIGN(const ClusterState state, lists_->State("a"));
  size_t retired = 0;
  for (const ListSigner& signer : state.signers) {
    if (signer.state != ListSignerState::kRetired) continue;
    ++retired;
    EXPECT_EQ(signer.key_pem, "");  // nobody signs with it any more
  }
  EXPECT_EQ(retired, 6u);  // of lists and of files
}

// CCE-25, CCE-31, CCE-32. CCE-28: it is in force when its last step is done.
TEST_F(ProcedureRunnerTest, TheModeIsSetAndReadBack) {
  AddPhones(3);
  RestartAll();
  SP_ASSERT_OK_AND_ASSIGN(
      const Procedure dry,
      Create("mixed", ProcedureKind::kEnableMixedMode, true));
  EXPECT_THAT(dry.steps[0].detail, HasSubstr("cm1.example.test until"));
  EXPECT_THAT(dry.steps[1].detail, HasSubstr("3 phones hold lists"));
  EXPECT_EQ(dry.next(), 0u);
  EXPECT_THAT(runner_->Get("tenants/a/procedures/mixed"),
              HasReason("PROCEDURE_NOT_FOUND"));

  ASSERT_THAT(Create("mixed", ProcedureKind::kEnableMixedMode).status(),
              IsOk());
  EXPECT_THAT(Create("other", ProcedureKind::kSignerRotation),
              HasReason("PROCEDURE_RUNNING"));
  const Procedure done = Run("mixed");
  EXPECT_EQ(done.state, ProcedureState::kDone);
  EXPECT_THAT(done.steps[3].detail, HasSubstr("md5"));
  EXPECT_EQ(lists_->State("a")->cluster.mode, ClusterSecurityMode::kMixed);
  EXPECT_THAT(Create("again", ProcedureKind::kEnableMixedMode),
              HasReason("MODE_ALREADY_SET"));
  EXPECT_THAT(runner_->Advance("tenants/a/procedures/mixed", 0, "ann"),
              HasReason("PROCEDURE_ENDED"));
  RestartAll();
  ASSERT_THAT(Create("off", ProcedureKind::kDisableMixedMode).status(), IsOk());
  EXPECT_EQ(Run("off").state, ProcedureState::kDone);
  RestartAll();
  EXPECT_EQ(stranded_, 0u);
}

// Phones and the dial plan are told the same, and what dialplan would refuse in
// the end is known before a phone sees anything of it.
TEST_F(ProcedureRunnerTest, TheDialPlanGetsTheSameMode) {
  FakeDialplan dialplan;
  dialplan_ = &dialplan;
  Open();
  dialplan.refusal =
      MakeError(absl::StatusCode::kFailedPrecondition,
                "CLUSTER_SECURITY_MODE_IN_USE", "phone SEP1 is secured");
  ASSERT_THAT(Create("mixed", ProcedureKind::kEnableMixedMode).status(),
              IsOk());
  Procedure procedure = Run("mixed");
  EXPECT_EQ(procedure.next(), 1u);
  EXPECT_THAT(procedure.blocked_reason,
              HasSubstr("DIALPLAN_REFUSES: dialplan does not take mixed (1): "
                        "CLUSTER_SECURITY_MODE_IN_USE"));
  EXPECT_EQ(lists_->State("a")->cluster.mode, ClusterSecurityMode::kNonSecure);
  dialplan.refusal = absl::OkStatus();
  dialplan.reachable = false;
  EXPECT_THAT(Run("mixed").blocked_reason, HasSubstr("DIALPLAN_UNREACHABLE"));
  dialplan.reachable = true;
  procedure = Run("mixed");
  EXPECT_EQ(procedure.state, ProcedureState::kDone);
  EXPECT_THAT(procedure.steps.back().detail, HasSubstr("mixed (1)"));
  EXPECT_EQ(dialplan.mode, ClusterSecurityMode::kMixed);
  EXPECT_EQ(lists_->State("a")->cluster.mode, ClusterSecurityMode::kMixed);
  dialplan_ = nullptr;
}

// Whoever looks takes what can be taken; two replicas do not take it twice, and
// what waits is told once.
TEST_F(ProcedureRunnerTest, AnAutomaticOneGoesOnByItself) {
  AddPhones(5);
  RestartAll();
  const std::string name = "tenants/a/procedures/rotation";
  SP_ASSERT_OK_AND_ASSIGN(
      Procedure procedure,
      runner_->Create(name, "a", ProcedureKind::kSignerRotation, "", "", "ann",
                      /*validate_only=*/false, /*automatic=*/true));
  EXPECT_TRUE(procedure.automatic);
  runner_->GoOn();
  procedure = runner_->Get(name).value();
  // Until phones have fetched what is out.
  EXPECT_EQ(procedure.state, ProcedureState::kBlocked);
  EXPECT_GE(procedure.next(), 6u);
  const int64_t version = procedure.version;
  for (int i = 0; i < 3; ++i) runner_->GoOn();
  EXPECT_EQ(runner_->Get(name)->version, version);

  // Paused it stays where it is, whatever phones do; resumed it goes on.
  EXPECT_THAT(runner_->SetAutomatic(name, version - 1, false, "ann"),
              HasReason("ETAG_MISMATCH"));
  ASSERT_THAT(runner_->SetAutomatic(name, version, false, "ann"), IsOk());
  RestartAll();
  runner_->GoOn();
  EXPECT_EQ(runner_->Get(name)->next(), procedure.next());
  ASSERT_THAT(runner_->SetAutomatic(name, 0, true, "ann"), IsOk());
  // By a process that knows nothing of it but the store.
  Open();
  capf_.clock.Advance(absl::Minutes(1));
  runner_->GoOn();
  EXPECT_GT(runner_->Get(name)->next(), procedure.next());
  for (int i = 0; i < 5; ++i) {
    capf_.clock.Advance(absl::Minutes(1));
    RestartAll();
    capf_.clock.Advance(absl::Minutes(1));
    runner_->GoOn();
  }
  procedure = runner_->Get(name).value();
  EXPECT_EQ(procedure.state, ProcedureState::kDone) << procedure.blocked_reason;
  EXPECT_EQ(stranded_, 0u);
  EXPECT_THAT(runner_->SetAutomatic(name, 0, true, "ann"),
              HasReason("PROCEDURE_ENDED"));
}

TEST_F(ProcedureRunnerTest, WhatIsGivenUpIsUndone) {
  AddPhones(10);
  RestartAll();
  ASSERT_THAT(Create("mixed", ProcedureKind::kEnableMixedMode).status(),
              IsOk());
  for (int i = 0; i < 3; ++i) Advance("mixed");
  EXPECT_EQ(lists_->State("a")->cluster.mode, ClusterSecurityMode::kMixed);
  RestartAll();
  SP_ASSERT_OK_AND_ASSIGN(const Procedure undone,
                          runner_->Cancel("tenants/a/procedures/mixed", "ann"));
  EXPECT_EQ(undone.state, ProcedureState::kCancelled);
  EXPECT_EQ(lists_->State("a")->cluster.mode, ClusterSecurityMode::kNonSecure);
  EXPECT_THAT(runner_->Cancel("tenants/a/procedures/mixed", "ann"),
              HasReason("PROCEDURE_ENDED"));

  const std::string before = Signing();
  ASSERT_THAT(Create("rotation", ProcedureKind::kSignerRotation).status(),
              IsOk());
  for (int i = 0; i < 4; ++i) Advance("rotation");
  EXPECT_NE(Signing(), before);
  RestartAll();
  ASSERT_THAT(runner_->Cancel("tenants/a/procedures/rotation", "ann").status(),
              IsOk());
  EXPECT_EQ(Signing(), before);
  RestartAll();
  EXPECT_EQ(stranded_, 0u);
  // The next one gets a signer of its own.
  ASSERT_THAT(Create("next", ProcedureKind::kSignerRotation).status(), IsOk());
  Run("next");
  RestartAll();
  Run("next");
  RestartAll();
  EXPECT_EQ(Run("next").state, ProcedureState::kDone);
  EXPECT_EQ(stranded_, 0u);
}

// The simulator is asked before each publication: a phone that would be lost
// stops the procedure, which says which one, and goes on once that is mended.
TEST_F(ProcedureRunnerTest, APhoneThatWouldBeLostStopsIt) {
  AddPhones(1);
  PhoneLists strange;
  strange.tenant = "a";
  strange.device = phones_.begin()->first;
  strange.ctl = strange.ctl_before = std::string(40, 'f');
  StoreChange change;
  change.put_phone_lists = {strange};
  change.audit = {{.event = "TEST"}};
  ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
  ASSERT_THAT(Create("mixed", ProcedureKind::kEnableMixedMode).status(),
              IsOk());
  const Procedure blocked = Run("mixed");
  EXPECT_EQ(blocked.state, ProcedureState::kBlocked);
  EXPECT_THAT(blocked.blocked_reason,
              HasSubstr("PHONES_LOCKED_OUT: 1 of 1 phones would be locked out: "
                        "SEP000000000000 (SIGNER_UNKNOWN)"));
  EXPECT_EQ(lists_->State("a")->cluster.mode, ClusterSecurityMode::kNonSecure);
  // Somebody clears its lists by hand; nobody expects it any more until then.
  StoreChange remove;
  remove.delete_enrollments = {{capf_.Get(strange.device).name, 0}};
  remove.audit = {{.event = "TEST"}};
  ASSERT_THAT(capf_.ledger->Apply(remove), IsOk());
  EXPECT_EQ(Run("mixed").state, ProcedureState::kDone);
}

// IMP-69, IMP-70, IMP-72: what is forbidden and in use is named first.
TEST_F(ProcedureRunnerTest, FipsModeWaitsForWhatItForbids) {
  AddPhones(2);
  RestartAll();
  bool restarted = false;
  fips_.restart = [&restarted] { restarted = true; };
  fips_.forbidden_settings = {"capf.allow_legacy_tls"};
  ASSERT_THAT(Create("fips", ProcedureKind::kEnableFipsMode).status(), IsOk());
  Procedure procedure = Run("fips");
  EXPECT_TRUE(procedure.steps[0].done);
  EXPECT_THAT(procedure.steps[0].detail, HasSubstr("not validated"));
  EXPECT_THAT(procedure.blocked_reason,
              HasSubstr("NOT_ALLOWED_IN_FIPS_MODE: capf.allow_legacy_tls; 2 "
                        "phones whose model verifies SHA-1 only: "
                        "SEP000000000000, SEP000000000001"));
  EXPECT_FALSE(restarted);
  fips_.forbidden_settings.clear();
  SP_ASSERT_OK_AND_ASSIGN(const ClusterState state, lists_->State("a"));
  PhoneCluster cluster = state.cluster;
  cluster.sha512 = true;
  ASSERT_THAT(lists_->PublishCluster(cluster, {.actor = "ann"}, false).status(),
              IsOk());
  procedure = Run("fips");
  EXPECT_TRUE(restarted);
  EXPECT_THAT(procedure.blocked_reason, HasSubstr("RESTART_REQUIRED"));
  EXPECT_FALSE(CanCancel(procedure));
  EXPECT_NE(*capf_.store->FipsMode(), 0);
  fips_.on = true;
  fips_.self_tests_passed = true;
  // IMP-69: then keys are made anew, each by its own procedure, which waits for
  // phones and leaves none behind.
  capf_.clock.Advance(absl::Minutes(1));
  procedure = Run("fips");
  ASSERT_EQ(procedure.next(), 4u);
  EXPECT_THAT(procedure.blocked_reason,
              HasSubstr("KEYS_OF_BEFORE: 3 keys, next tenants/a signer "
                        "files-1: tenants/a/procedures/fips-files-1 has taken "
                        "6 of 9 steps; PHONES_NOT_READY"));
  EXPECT_THAT(Create("other", ProcedureKind::kSignerRotation),
              HasReason("PROCEDURE_RUNNING"));
  for (int turn = 0; procedure.state != ProcedureState::kDone; ++turn) {
    ASSERT_LT(turn, 40) << procedure.blocked_reason;
    Open();
    runner_->GoOn();
    RestartAll();
    procedure = Run("fips");
  }
  EXPECT_EQ(stranded_, 0u);
  SP_ASSERT_OK_AND_ASSIGN(const auto left, KeysOfBefore(*capf_.store));
  EXPECT_TRUE(left.empty());
  EXPECT_THAT(Create("again", ProcedureKind::kEnableFipsMode),
              HasReason("MODE_ALREADY_SET"));
}

TEST_F(ProcedureRunnerTest, ARepeatIsTheSameProcedure) {
  const auto create = [this](const std::string& id) {
    return runner_->Create("tenants/a/procedures/" + id, "a",
                           ProcedureKind::kSignerRotation, "", "a/r1", "ann",
                           false);
  };
  SP_ASSERT_OK_AND_ASSIGN(const Procedure first, create("one"));
  SP_ASSERT_OK_AND_ASSIGN(const Procedure again, create("one"));
  EXPECT_EQ(again, first);
  EXPECT_THAT(create("two"), HasReason("REQUEST_ID_REUSED"));
  EXPECT_THAT(runner_->Advance(first.name, first.version + 1, "ann"),
              HasReason("ETAG_MISMATCH"));
}

}  // namespace
}  // namespace sallyport::capf
