#include "services/signaling_edge/core/shared_registry.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/binding_codec.h"
#include "services/signaling_edge/core/tenant_counts.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kAlice[] = "tenants/t/users/alice";

// What Redis does with it, and time.
struct Store {
  std::map<std::string, std::string> values;
  MonoTime now = MonoTime::FromOrigin(absl::Hours(1));
  bool up = true;

  Moment moment() const {
    return {now, absl::FromUnixSeconds(1'800'000'000) +
                     (now - MonoTime::FromOrigin(absl::Hours(1)))};
  }
};

// One edge; answers of the store wait until Run().
class Edge final : public SharedRegistryPort {
 public:
  // `tenants` of an edge whose loops these are, or of one alone.
  Edge(Store& store, uint64_t number, TenantCounts* tenants = nullptr)
      : store_(store),
        number_(number),
        registrar_({.limits = {.max_contacts = 3}, .tenants = tenants}),
        registry_(std::make_unique<SharedRegistry>(
            registrar_, *this, NodeId{number, 0}, random_)) {
    registry_->OnState(true, store_.now);
  }

  // The outcome, once Run() was called.
  uint64_t Register(std::string contact, uint32_t expires,
                    ConnectionId connection, std::string call_id, uint32_t cseq,
                    size_t most = 0) {
    RegisterRequest request;
    request.user = kAlice;
    if (contact == "*") {
      request.all = true;
    } else if (!contact.empty()) {
      request.contacts = {{contact, expires}};
    }
    request.flow = {
        .transport = connection == 0 ? SipTransport::kUdp : SipTransport::kTls,
        .connection = connection};
    request.call_id = std::move(call_id);
    request.cseq = cseq;
    request.max_contacts = most;
    request.max_of_tenant = most_of_tenant;
    registry_->Register(++last_ticket_, request, store_.now);
    return last_ticket_;
  }
  std::string Now(std::string contact, uint32_t expires,
                  ConnectionId connection, std::string call_id, uint32_t cseq,
                  size_t most = 0) {
    const uint64_t ticket = Register(std::move(contact), expires, connection,
                                     std::move(call_id), cseq, most);
    Run();
    return outcomes[ticket];
  }
  void Close(ConnectionId connection) {
    dead.push_back(connection);
    registry_->OnRemoved(registrar_.OnConnectionClosed(connection), store_.now);
    Run();
  }
  // A call by it was answered 430.
  void Refuse(const Binding& flow) {
    registry_->OnRemoved(registrar_.OnFlowFailed(flow.id), store_.now);
    Run();
  }
  // Contacts, as a call would find them: "F" before those elsewhere.
  std::string Look() {
    registry_->LookUp(1, kAlice, store_.now);
    Run();
    return Text();
  }
  std::string Text() const {
    std::string out;
    std::vector<Binding> all = registrar_.CopyOf(kAlice);
    std::set<std::string> sorted;
    for (const Binding& one : all) {
      sorted.insert((one.foreign ? "F:" : "") + one.contact);
    }
    for (const std::string& one : sorted) {
      out += (out.empty() ? "" : " ") + one;
    }
    return out;
  }
  bool Step() {
    if (asked_.empty()) return false;
    const EdgeAction action = std::move(asked_.front());
    asked_.pop_front();
    RegistryReply reply;
    uint64_t id = 0;
    std::string user;
    if (const auto* fetch = std::get_if<FetchBindings>(&action)) {
      id = fetch->request;
      user = fetch->user;
    } else {
      const auto& put = std::get<StoreBindings>(action);
      id = put.request;
      user = put.user;
      ++writes;
      if (store_.up && store_.values[user] == put.expected) {
        reply.stored = true;
        reply.version = store_.values[user] = EncodeBindings(
            {put.epoch, put.generation, put.bindings}, store_.moment());
        reply.epoch = put.epoch;
        reply.generation = put.generation;
      }
    }
    if (!store_.up) {
      registry_->OnReply(id,
                         MakeError(absl::StatusCode::kUnavailable,
                                   "REGISTRY_UNAVAILABLE", "gone"),
                         store_.now);
      return true;
    }
    if (!reply.stored) {
      reply.version = store_.values[user];
      if (const auto there =
              DecodeBindings(reply.version, user, store_.moment());
          there.ok()) {
        reply.epoch = there->epoch;
        reply.generation = there->generation;
        reply.bindings = there->bindings;
      }
    }
    registry_->OnReply(id, std::move(reply), store_.now);
    return true;
  }
  void Run() {
    while (Step()) {
    }
  }
  SharedRegistry& registry() { return *registry_; }
  Registrar& registrar() { return registrar_; }

  void TellHolder(const NodeId& node, const std::string& /*user*/) override {
    told.push_back(node.edge);
  }

  uint32_t most_of_tenant = 0;               // as the plan says
  std::map<uint64_t, std::string> outcomes;  // "" is OK
  std::vector<uint64_t> told;                // edges that have lost a contact
  std::vector<ConnectionId> dead;
  size_t looked_up = 0;
  size_t writes = 0;

 private:
  void Perform(EdgeAction action) override {
    asked_.push_back(std::move(action));
  }
  bool IsAlive(const Flow& flow) const override {
    return std::find(dead.begin(), dead.end(), flow.connection) == dead.end();
  }
  RemoteFlow ExportFlow(const Flow& flow) const override {
    return {.node = {number_, 0},
            .connection = flow.connection,
            .transport = flow.transport,
            .logical_port = 5061,
            .remote = *SocketAddress::FromIp("192.0.2.1", 4000)};
  }
  std::optional<Flow> FormerFlow(const RemoteFlow& flow) const override {
    if (flow.transport != SipTransport::kUdp) return std::nullopt;
    return Flow{.transport = flow.transport, .remote = flow.remote};
  }
  void OnRegistered(uint64_t ticket, const absl::Status& status,
                    MonoTime) override {
    EXPECT_FALSE(outcomes.contains(ticket));
    outcomes[ticket] = status.ok() ? "" : ReasonOf(status);
  }
  void OnLookedUp(uint64_t, MonoTime) override { ++looked_up; }
  void OnSharedChanges(const Registrar::Changes&, MonoTime) override {}

  Store& store_;
  const uint64_t number_;
  FakeRandom random_{number_};
  Registrar registrar_;
  std::unique_ptr<SharedRegistry> registry_;
  std::deque<EdgeAction> asked_;
  uint64_t last_ticket_ = 0;
};

class SharedRegistryTest : public testing::Test {
 protected:
  Store store_;
  Edge a_{store_, 1};
  Edge b_{store_, 2};
};

TEST_F(SharedRegistryTest, WhatOneEdgeAcknowledgesTheOtherFinds) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  EXPECT_EQ(a_.writes, 1u);  // nothing was asked first
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  EXPECT_EQ(b_.looked_up, 1u);
  EXPECT_EQ(b_.Now("sip:b@2", 600, 1, "c2", 1), "");
  EXPECT_EQ(a_.Look(), "F:sip:b@2 sip:a@1");
  EXPECT_EQ(a_.registrar().All().size(), 1u);  // of its own
  // A question is answered with all of them (RFC 3261 section 10.3 step 8).
  EXPECT_EQ(a_.Now("", 0, 1, "c3", 1), "");
  EXPECT_EQ(a_.Text(), "F:sip:b@2 sip:a@1");
  // A refresh costs one exchange.
  a_.writes = 0;
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 2), "");
  EXPECT_EQ(a_.writes, 1u);
}

TEST_F(SharedRegistryTest, OrderHoldsAcrossEdges) {  // section 10.3 step 7
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 5), "");
  EXPECT_EQ(b_.Now("sip:a@1", 600, 1, "c1", 5), "CSEQ_OUT_OF_ORDER");
  EXPECT_EQ(b_.Now("*", 0, 1, "c1", 4), "CSEQ_OUT_OF_ORDER");
  EXPECT_EQ(b_.Now("sip:a@1", 600, 1, "c1", 6), "");
  EXPECT_EQ(b_.Text(), "sip:a@1");
  EXPECT_EQ(a_.Look(), "F:sip:a@1");  // it moved
  // And so the end of the connection that it had is no end of it.
  a_.Close(1);
  EXPECT_EQ(b_.Look(), "sip:a@1");
  EXPECT_EQ(b_.Now("*", 0, 1, "c1", 7), "");
  EXPECT_EQ(a_.Look(), "");
}

TEST_F(SharedRegistryTest, ContactLimitsHoldAcrossEdges) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1, 2), "");
  EXPECT_EQ(b_.Now("sip:b@2", 600, 1, "c2", 1, 2), "");
  EXPECT_EQ(a_.Now("sip:c@3", 600, 1, "c3", 1, 2), "CONTACT_LIMIT");
  // What this edge believes full may have become free at the other.
  EXPECT_EQ(b_.Now("sip:b@2", 0, 1, "c2", 2, 2), "");
  EXPECT_EQ(a_.Now("sip:c@3", 600, 1, "c3", 2, 2), "");
}

// Two loops of one edge.
class SharedRegistryOfTenantsTest : public testing::Test {
 protected:
  SharedRegistryOfTenantsTest() { a_.most_of_tenant = b_.most_of_tenant = 2; }
  uint32_t Count() {
    return tenants_.contacts().Of(tenants_.KeyOf("tenants/t"));
  }

  FakeRandom random_;
  TenantCounts tenants_{random_};
  Store store_;
  Edge a_{store_, 1, &tenants_};
  Edge b_{store_, 2, &tenants_};
};

TEST_F(SharedRegistryOfTenantsTest, WhatIsOnItsWayToTheStoreCounts) {
  const uint64_t one = a_.Register("sip:a@1", 600, 1, "c1", 1);
  const uint64_t two = b_.Register("sip:b@2", 600, 1, "c2", 1);
  EXPECT_EQ(Count(), 2u);
  const uint64_t three = a_.Register("sip:a@3", 600, 2, "c3", 1);
  EXPECT_EQ(Count(), 2u);
  a_.Run();
  EXPECT_EQ(a_.outcomes.at(three), "TENANT_REGISTRATION_LIMIT");
  EXPECT_EQ(a_.outcomes.at(one), "");
  EXPECT_EQ(Count(), 2u);
  b_.Run();  // which had to read what `a_` had stored, and try again
  EXPECT_EQ(b_.outcomes.at(two), "");
  EXPECT_EQ(Count(), 2u);
  EXPECT_EQ(b_.Now("sip:b@2", 600, 1, "c2", 2), "");
  EXPECT_EQ(Count(), 2u);
  EXPECT_EQ(b_.Now("sip:b@4", 600, 1, "c4", 1), "TENANT_REGISTRATION_LIMIT");
  a_.Close(1);
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(b_.Now("sip:b@4", 600, 1, "c4", 2), "");
}

TEST_F(SharedRegistryOfTenantsTest, WhatDoesNotComeGivesItsPlaceBack) {
  store_.up = false;
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "REGISTRY_UNAVAILABLE");
  EXPECT_EQ(Count(), 0u);
  store_.up = true;
  // Its connection ends while the store is asked.
  const uint64_t one = a_.Register("sip:a@1", 600, 1, "c1", 2);
  EXPECT_EQ(Count(), 1u);
  a_.dead.push_back(1);
  a_.Run();
  EXPECT_EQ(a_.outcomes.at(one), "");
  EXPECT_EQ(Count(), 0u);
  // A contact that comes to another loop is that one's, and none more.
  a_.most_of_tenant = b_.most_of_tenant = 1;
  EXPECT_EQ(a_.Now("sip:a@1", 600, 2, "c1", 3), "");
  EXPECT_EQ(b_.Now("sip:a@1", 600, 2, "c1", 4), "");
  EXPECT_EQ(b_.Now("sip:b@1", 600, 2, "c2", 1), "TENANT_REGISTRATION_LIMIT");
  a_.Look();
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(b_.Now("*", 0, 2, "c1", 5), "");
  EXPECT_EQ(Count(), 0u);
}

TEST_F(SharedRegistryTest, BothAtOnceAreBothKept) {
  const uint64_t one = a_.Register("sip:a@1", 600, 1, "c1", 1);
  const uint64_t two = b_.Register("sip:b@2", 600, 1, "c2", 1);
  a_.Run();
  b_.Run();
  EXPECT_EQ(a_.outcomes.at(one), "");
  EXPECT_EQ(b_.outcomes.at(two), "");
  EXPECT_EQ(a_.Look(), "F:sip:b@2 sip:a@1");
}

// RFC 5626 section 5.3: whoever was told that a flow has failed.
TEST_F(SharedRegistryTest, AFlowThatWasRefusedToAnotherEdgeIsGoneForAll) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  EXPECT_EQ(a_.Now("sip:a@2", 600, 2, "c2", 1), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1 F:sip:a@2");
  const std::vector<Binding> found = b_.registrar().CopyOf(kAlice);
  ASSERT_EQ(found.size(), 2u);
  const Binding& one = found[found[0].contact == "sip:a@1" ? 0 : 1];
  b_.Refuse(one);
  EXPECT_EQ(b_.told, std::vector<uint64_t>{1});
  EXPECT_EQ(b_.Look(), "F:sip:a@2");
  EXPECT_EQ(a_.Look(), "sip:a@2");
}

// The same when its own edge has written meanwhile: what is there counts.
TEST_F(SharedRegistryTest, AFlowThatWasRefusedMayHaveCompanyByThen) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  EXPECT_EQ(a_.Now("sip:a@2", 600, 2, "c2", 1), "");
  const std::vector<Binding> found = b_.registrar().CopyOf(kAlice);
  ASSERT_EQ(found.size(), 1u);
  b_.Refuse(found[0]);
  EXPECT_EQ(b_.Look(), "F:sip:a@2");
  EXPECT_EQ(a_.Look(), "sip:a@2");
}

TEST_F(SharedRegistryTest, AnEndedConnectionIsToldToAll) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  a_.Close(1);
  EXPECT_EQ(b_.Look(), "");
  // It may end while its REGISTER is on its way.
  const uint64_t ticket = a_.Register("sip:a@2", 600, 2, "c2", 1);
  a_.dead.push_back(2);
  a_.Run();
  EXPECT_EQ(a_.outcomes.at(ticket), "");
  EXPECT_EQ(a_.Text(), "");
  EXPECT_EQ(b_.Look(), "");
}

TEST_F(SharedRegistryTest, WithoutTheStoreNothingIsAcknowledged) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  store_.up = false;
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 2), "REGISTRY_UNAVAILABLE");
  a_.registry().OnState(false, store_.now);
  EXPECT_EQ(a_.Now("sip:x@1", 600, 1, "c1", 3), "REGISTRY_UNAVAILABLE");
  // Calls go by what is known.
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  EXPECT_EQ(b_.looked_up, 2u);
  // What ends meanwhile is made up for.
  a_.Close(1);
  store_.up = true;
  a_.registry().OnState(true, store_.now);
  a_.Run();
  EXPECT_EQ(b_.Look(), "");
  EXPECT_EQ(a_.Now("sip:a@1", 600, 3, "c1", 4), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
}

TEST_F(SharedRegistryTest, AStoreThatForgotIsToldAgain) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  EXPECT_EQ(b_.Now("sip:b@2", 600, 1, "c2", 1), "");
  const std::string older = store_.values[kAlice];
  EXPECT_EQ(a_.Now("sip:c@3", 600, 1, "c3", 1), "");
  for (const std::string& left : {std::string(), older}) {
    store_.values[kAlice] = left;
    for (Edge* edge : {&a_, &b_}) {
      edge->registry().OnState(false, store_.now);
      edge->registry().OnState(true, store_.now);
      edge->Run();
    }
    EXPECT_EQ(a_.Look(), "F:sip:b@2 sip:a@1 sip:c@3");
    EXPECT_EQ(b_.Look(), "F:sip:a@1 F:sip:c@3 sip:b@2");
  }
  // A call may be the first to notice.
  store_.values.clear();
  EXPECT_EQ(a_.Look(), "sip:a@1 sip:c@3");
  EXPECT_EQ(b_.Look(), "F:sip:a@1 F:sip:c@3 sip:b@2");
  EXPECT_EQ(a_.Look(), "F:sip:b@2 sip:a@1 sip:c@3");
  // Something that is none of ours is overwritten.
  store_.values[kAlice] = "nonsense";
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 2), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1 F:sip:c@3 sip:b@2");
}

TEST_F(SharedRegistryTest, WhoseContactIsTakenAwayIsToldAndPutsNothingBack) {
  ASSERT_EQ(a_.Now("sip:p@192.0.2.1", 600, 7, "c1", 1), "");
  ASSERT_EQ(b_.Look(), "F:sip:p@192.0.2.1");
  ASSERT_EQ(b_.Now("*", 0, 8, "c2", 1), "");
  ASSERT_EQ(b_.told, std::vector<uint64_t>{1});
  a_.registry().Refresh(kAlice);
  a_.Run();
  EXPECT_EQ(a_.Text(), "");
  // Not even to a store that has lost all.
  store_.values.clear();
  a_.registry().OnState(false, store_.now);
  a_.registry().OnState(true, store_.now);
  a_.Run();
  EXPECT_EQ(b_.Look(), "");
}

TEST_F(SharedRegistryTest, AFormerLifeOfAnEdgeIsCleanedUp) {
  EXPECT_EQ(a_.Now("sip:a@1", 600, 1, "c1", 1), "");
  Edge again(store_, 1);  // killed, and started anew
  EXPECT_EQ(again.Look(), "");
  EXPECT_EQ(again.Now("sip:a@1", 600, 77, "c9", 1), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  EXPECT_EQ(b_.registrar().CopyOf(kAlice)[0].owner->connection, 77u);
  // Who is reached by UDP still is.
  EXPECT_EQ(again.Now("sip:u@1", 600, 0, "c8", 1), "");
  Edge third(store_, 1);
  EXPECT_EQ(third.Look(), "sip:u@1");
}

TEST_F(SharedRegistryTest, ContactsExpireEverywhere) {
  EXPECT_EQ(a_.Now("sip:a@1", 60, 1, "c1", 1), "");
  EXPECT_EQ(b_.Look(), "F:sip:a@1");
  store_.now += absl::Seconds(61);
  b_.registry().OnRemoved(b_.registrar().OnDeadline(store_.now), store_.now);
  a_.registry().OnRemoved(a_.registrar().OnDeadline(store_.now), store_.now);
  EXPECT_EQ(b_.Text(), "");
  EXPECT_EQ(b_.Look(), "");
  EXPECT_EQ(a_.Now("sip:a@1", 60, 1, "c1", 2), "");
}

}  // namespace
}  // namespace sallyport::signaling_edge
