// Issue 3: after any series of changes, the plan that was compiled tenant by
// tenant answers as one compiled from scratch.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/plan_snapshot/plan_checksum.h"
#include "services/common/plan_snapshot/route_answer.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/common/plan_snapshot/snapshot_state.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

constexpr int kTenants = 4;

// Writes random plans that hold the rules of a region: what only one can have
// is one's, and what belongs to a tenant goes with it.
class Writer {
 public:
  explicit Writer(uint32_t seed) : random_(seed) {}

  int Random(int below) { return static_cast<int>(random_() % below); }
  std::string TenantName() {
    return absl::StrCat("tenants/t", Random(kTenants));
  }

  // A new version: what it changes, and what there is after it.
  pb::WatchSnapshotResponse Change(bool full) {
    pb::WatchSnapshotResponse out;
    out.mutable_delta()->set_base_version(version_);
    std::map<std::string, bool> touched;
    for (int i = version_ == 0 ? 300 : 1 + Random(5); i > 0; --i) {
      const std::string tenant = TenantName();
      if (version_ > 0 && Random(60) == 0) {
        DeleteBelow(tenant, touched);
      } else if (version_ > 0 && Random(5) == 0 && !resources_.empty()) {
        auto it = resources_.begin();
        std::advance(it, Random(static_cast<int>(resources_.size())));
        // A tenant goes with all it has.
        if (it->second.has_tenant()) continue;
        touched[it->first] = true;
        resources_.erase(it);
      } else {
        const bool is_new = resources_.count(tenant) == 0;
        if (is_new) Put(Tenant(tenant), touched);
        // A tenant that was deleted comes back with something in it.
        if (is_new) i += 40;
        Put(Something(tenant), touched);
      }
    }
    out.set_version(++version_);
    PlanChecksum sum;
    for (const auto& [name, resource] : resources_) {
      sum.Add(name, EtagOf(resource));
    }
    out.set_checksum(sum.Hex());
    if (full) {
      for (const auto& [name, resource] : resources_) {
        *out.mutable_full()->add_resources() = resource;
      }
      out.mutable_full()->set_last(true);
      return out;
    }
    for (const auto& [name, unused] : touched) {
      const auto it = resources_.find(name);
      if (it == resources_.end()) {
        out.mutable_delta()->add_deleted(name);
      } else {
        *out.mutable_delta()->add_upserted() = it->second;
      }
    }
    return out;
  }

  pb::ResolveRouteRequest Question() {
    pb::ResolveRouteRequest out;
    const std::string tenant = TenantName();
    out.set_parent(tenant);
    switch (Random(6)) {
      case 0:
        out.set_user(absl::StrCat(tenant, "/users/u", Random(8)));
        break;
      case 1:
        out.set_phone(absl::StrCat(tenant, "/phones/p", Random(8)));
        break;
      case 2:
        out.set_peer(absl::StrCat(tenant, "/peers/g", Random(4)));
        break;
      case 3:
        out.set_line(absl::StrCat(tenant, "/lines/l", Random(8)));
        break;
      case 4:
        out.set_number(absl::StrCat(1000 + Random(18)));
        break;
      default:
        out.set_calling_search_space(
            absl::StrCat(tenant, "/callingSearchSpaces/c", Random(3)));
    }
    switch (Random(4)) {
      case 0:
      case 3:
        out.set_called_number(absl::StrCat(1000 + Random(18)));
        break;
      case 1:
        out.set_called_number(
            absl::StrCat("u", Random(8), "@t", Random(kTenants), ".test"));
        break;
      default:
        out.set_called_number(
            absl::StrCat(Random(10), Random(10), Random(100000)));
    }
    out.set_overlap(Random(4) == 0);
    out.set_explain(Random(3) == 0);
    return out;
  }

 private:
  void Put(pb::Resource resource, std::map<std::string, bool>& touched) {
    const std::string name = NameOf(resource);
    touched[name] = true;
    resources_[name] = std::move(resource);
  }

  void DeleteBelow(const std::string& tenant,
                   std::map<std::string, bool>& touched) {
    std::erase_if(resources_, [&](const auto& entry) {
      const bool gone =
          entry.first == tenant || entry.first.rfind(tenant + "/", 0) == 0;
      if (gone) touched[entry.first] = true;
      return gone;
    });
  }

  std::string Etag() { return absl::StrCat("e", ++etag_); }

  pb::Resource Tenant(const std::string& name) {
    pb::Resource out;
    pb::Tenant& tenant = *out.mutable_tenant();
    tenant.set_name(name);
    tenant.set_etag(Etag());
    tenant.add_domains(name.substr(8) + ".test");
    if (Random(2) == 0) tenant.add_domains(name.substr(8) + ".example");
    if (Random(2) == 0) tenant.set_default_dial_plan(name + "/dialPlans/d0");
    return out;
  }

  std::string Below(const std::string& tenant, const char* what, int count) {
    return absl::StrCat(tenant, "/", what, Random(count));
  }
  std::string Partition(const std::string& tenant) {
    return Random(4) == 0 ? "" : Below(tenant, "partitions/a", 3);
  }

  pb::Resource Something(const std::string& tenant) {
    pb::Resource out;
    const std::string id = tenant.substr(8);
    switch (Random(10)) {
      case 0:
        return Tenant(tenant);
      case 1: {
        pb::DialPlan& plan = *out.mutable_dial_plan();
        plan.set_name(Below(tenant, "dialPlans/d", 2));
        plan.set_etag(Etag());
        plan.set_security_mode(static_cast<type::SecurityMode>(1 + Random(3)));
        plan.set_calling_search_space(
            Below(tenant, "callingSearchSpaces/c", 3));
        return out;
      }
      case 2: {
        pb::Peer& peer = *out.mutable_peer();
        const int i = Random(4);
        peer.set_name(absl::StrCat(tenant, "/peers/g", i));
        peer.set_etag(Etag());
        peer.set_dial_plan(Below(tenant, "dialPlans/d", 2));
        peer.set_outcalls_allowed(Random(5) != 0);
        const int number = std::stoi(id.substr(1)) * 10 + i;
        if (Random(2) == 0) {
          peer.set_fqdn(absl::StrCat("G", i, ".", id, ".Test"));
        } else {
          peer.set_address(absl::StrCat("192.0.2.", number));
          if (Random(2) == 0) {
            peer.add_source_addresses(absl::StrCat("198.51.", number, ".0/24"));
          }
        }
        return out;
      }
      case 3: {
        pb::User& user = *out.mutable_user();
        const int i = Random(8);
        user.set_name(absl::StrCat(tenant, "/users/u", i));
        user.set_etag(Etag());
        user.set_username(Random(3) == 0 ? absl::StrCat(1000 + i)
                                         : absl::StrCat("u", i));
        user.set_digest_algorithm(
            static_cast<type::DigestAlgorithm>(1 + Random(2)));
        if (Random(2) == 0) user.set_dial_plan(Below(tenant, "dialPlans/d", 2));
        if (Random(2) == 0) {
          user.add_phone_numbers(absl::StrCat("+1201", 5550100 + i));
        }
        return out;
      }
      case 4: {
        pb::Phone& phone = *out.mutable_phone();
        const int i = Random(8);
        phone.set_name(absl::StrCat(tenant, "/phones/p", i));
        phone.set_etag(Etag());
        phone.set_device_name(absl::StrCat("SEP", id, i));
        phone.set_owner_user(Below(tenant, "users/u", 8));
        phone.set_calling_search_space(
            Below(tenant, "callingSearchSpaces/c", 3));
        phone.add_lines(Below(tenant, "lines/l", 8));
        return out;
      }
      case 5: {
        pb::Line& line = *out.mutable_line();
        const int i = Random(8);
        line.set_name(absl::StrCat(tenant, "/lines/l", i));
        line.set_etag(Etag());
        line.set_directory_number(absl::StrCat(1010 + i));
        line.set_partition(Partition(tenant));
        line.add_users(Below(tenant, "users/u", 8));
        return out;
      }
      case 6: {
        pb::Partition& partition = *out.mutable_partition();
        partition.set_name(Below(tenant, "partitions/a", 3));
        partition.set_etag(Etag());
        partition.set_disabled(Random(5) == 0);
        return out;
      }
      case 7: {
        pb::CallingSearchSpace& space = *out.mutable_calling_search_space();
        space.set_name(Below(tenant, "callingSearchSpaces/c", 3));
        space.set_etag(Etag());
        for (int i = Random(4); i > 0; --i) {
          space.add_partitions(Below(tenant, "partitions/a", 3));
        }
        return out;
      }
      case 8: {
        pb::TranslationPattern& pattern = *out.mutable_translation_pattern();
        pattern.set_name(Below(tenant, "translationPatterns/x", 5));
        pattern.set_etag(Etag());
        pattern.set_pattern(absl::StrCat(Random(10), "XX"));
        pattern.set_partition(Partition(tenant));
        pattern.mutable_called_party()->set_transform_mask(
            absl::StrCat(1000 + Random(20)));
        pattern.set_calling_search_space(
            Below(tenant, "callingSearchSpaces/c", 3));
        return out;
      }
      default: {
        pb::RoutePattern& pattern = *out.mutable_route_pattern();
        pattern.set_name(Below(tenant, "routePatterns/r", 12));
        pattern.set_etag(Etag());
        pattern.set_pattern(
            absl::StrCat(Random(10), ".", Random(2) == 0 ? "!" : "X[1-5]XX"));
        pattern.set_partition(Partition(tenant));
        pattern.set_peer(Below(tenant, "peers/g", 4));
        pattern.set_toll_class(static_cast<pb::TollClass>(1 + Random(2)));
        return out;
      }
    }
  }

  std::mt19937 random_;
  std::map<std::string, pb::Resource> resources_;
  int64_t version_ = 0;
  int etag_ = 0;
};

template <typename Entry>
std::string NameOrNone(const Entry* entry) {
  return entry == nullptr ? "none" : entry->name;
}

// All that the edge asks an index, of everything that there may be.
std::string IndexText(const PlanIndex& index) {
  std::string out = absl::StrCat(index.version(), " ", index.checksum(), " ",
                                 NameOrNone(index.OnlyTenant()), "\n");
  const auto add = [&out](const auto* entry) {
    absl::StrAppend(&out, NameOrNone(entry), " ");
  };
  for (int t = 0; t < kTenants; ++t) {
    const std::string tenant = absl::StrCat("tenants/t", t);
    add(index.Tenant(tenant));
    for (const char* end : {".TEST", ".example"}) {
      const std::string domain = absl::StrCat("t", t, end);
      add(index.TenantOfDomain(domain));
      absl::StrAppend(&out, std::string(index.RealmOf(domain)), " ");
    }
    for (int i = 0; i < 8; ++i) {
      const std::string domain = absl::StrCat("t", t, ".test");
      add(index.UserAt(absl::StrCat("u", i), domain));
      add(index.UserAt(absl::StrCat(1000 + i), domain));
      add(index.User(absl::StrCat(tenant, "/users/u", i)));
      add(index.Phone(absl::StrCat(tenant, "/phones/p", i)));
      add(index.Find<LineEntry>(absl::StrCat(tenant, "/lines/l", i)));
      add(index.PhoneByDevice(absl::StrCat("SEPt", t, i)));
      add(index.UserOfDevice(absl::StrCat("SEPt", t, i)));
      for (const uint32_t port : {5060u, 5061u}) {
        add(index.PeerBySubject(absl::StrCat("g", i, ".t", t, ".test"), port));
        add(index.PeerByAddress(absl::StrCat("192.0.2.", t * 10 + i), port));
      }
      absl::StrAppend(&out, static_cast<int>(index.ModeOf(
                                absl::StrCat(tenant, "/dialPlans/d", i))));
    }
  }
  index.ForEach<PeerEntry>([&add](const PeerEntry& peer) { add(&peer); });
  for (const PeerEntry* peer : index.peers_with_prefixes()) add(peer);
  return out;
}

TEST(IncrementalPlanTest, AnswersAsOneCompiledFromScratch) {
  size_t routed = 0;
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    Writer writer(seed);
    SnapshotState state;
    RegionPlan region;
    std::vector<std::pair<std::shared_ptr<const Resolver>, std::string>> old;
    for (int step = 0; step < 80; ++step) {
      SCOPED_TRACE(step);
      // Now and then everything comes anew, and several versions are taken
      // over at once.
      ASSERT_THAT(state.Apply(writer.Change(step == 0 || step % 30 == 29)),
                  IsOk());
      if (writer.Random(5) == 0) continue;
      SP_ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Resolver> shared,
                              region.Apply(state.TakeUpdate()));
      SP_ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Resolver> scratch,
                              Resolver::Create(state.Snapshot()));
      const std::string text = IndexText(scratch->index());
      ASSERT_EQ(IndexText(shared->index()), text);
      for (int i = 0; i < 60; ++i) {
        const pb::ResolveRouteRequest question = writer.Question();
        const auto a = AnswerRoute(question, *shared);
        const auto b = AnswerRoute(question, *scratch);
        ASSERT_EQ(a.status(), b.status()) << question.ShortDebugString();
        if (!a.ok()) continue;
        ASSERT_EQ(a->ShortDebugString(), b->ShortDebugString())
            << question.ShortDebugString();
        if (a->decision() == pb::ROUTE_DECISION_ROUTED) ++routed;
      }
      old.emplace_back(shared, text);
    }
    // What came later has changed nothing of what came before.
    for (const auto& [plan, text] : old) {
      ASSERT_EQ(IndexText(plan->index()), text);
    }
  }
  EXPECT_GT(routed, 500u);
}

// What did not change is the same object, and only that.
TEST(IncrementalPlanTest, SharesWhatDidNotChange) {
  Writer writer(5);
  SnapshotState state;
  RegionPlan region;
  std::shared_ptr<const Resolver> before;
  for (int step = 0; step < 60; ++step) {
    const pb::WatchSnapshotResponse change = writer.Change(false);
    if (step == 0) {
      // The state begins with a full one.
      pb::WatchSnapshotResponse full = change;
      *full.mutable_full()->mutable_resources() = change.delta().upserted();
      full.mutable_full()->set_last(true);
      ASSERT_THAT(state.Apply(full), IsOk());
    } else {
      ASSERT_THAT(state.Apply(change), IsOk());
    }
    SP_ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Resolver> after,
                            region.Apply(state.TakeUpdate()));
    for (int t = 0; t < kTenants && before != nullptr; ++t) {
      const std::string tenant = absl::StrCat("tenants/t", t);
      bool touched = false;
      for (const std::string& name : change.delta().deleted()) {
        touched |= name.rfind(tenant, 0) == 0;
      }
      for (const pb::Resource& resource : change.delta().upserted()) {
        touched |= NameOf(resource).rfind(tenant, 0) == 0;
      }
      const PlanIndex* part = after->index().PartOf(tenant);
      if (touched && part != nullptr) {
        EXPECT_NE(part, before->index().PartOf(tenant));
      } else if (!touched) {
        EXPECT_EQ(part, before->index().PartOf(tenant));
      }
    }
    before = after;
  }
}

// A version that cannot be compiled leaves the plan as it was; the next one
// brings what it brought too.
TEST(IncrementalPlanTest, WhatCannotBeCompiledComesWithTheNext) {
  const auto tenant = [](const std::string& name, const std::string& pattern) {
    auto plan = std::make_shared<PlanSnapshot>();
    TenantEntry entry;
    entry.name = name;
    entry.domains = {name.substr(8) + ".test"};
    plan->tenants = {entry};
    RoutePatternEntry route;
    route.name = name + "/routePatterns/r";
    route.pattern = pattern;
    plan->route_patterns = {route};
    return PlanUpdate::Tenant{name, plan};
  };
  RegionPlan region;
  ASSERT_THAT(
      region.Apply(
          {1, "", true, {tenant("tenants/a", "1"), tenant("tenants/b", "2")}}),
      IsOk());
  EXPECT_FALSE(
      region
          .Apply({2,
                  "",
                  true,
                  {tenant("tenants/b", "3"), tenant("tenants/c", "[")}})
          .ok());
  SP_ASSERT_OK_AND_ASSIGN(
      const auto plan,
      region.Apply({3, "", false, {tenant("tenants/c", "4")}}));
  EXPECT_EQ(plan->index().version(), 3);
  EXPECT_EQ(plan->index().Tenant("tenants/a"), nullptr);
  const auto* b =
      plan->index().Find<RoutePatternEntry>("tenants/b/routePatterns/r");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->pattern, "3");
  EXPECT_NE(plan->index().TenantOfDomain("c.test"), nullptr);
  EXPECT_EQ(plan->index().TenantOfDomain("a.test"), nullptr);
}

}  // namespace
}  // namespace sallyport
