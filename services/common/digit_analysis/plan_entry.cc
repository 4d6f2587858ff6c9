#include "services/common/digit_analysis/plan_entry.h"

#include <string>
#include <utility>
#include <variant>

namespace sallyport {

const std::string& NameOf(const PlanEntry& entry) {
  return std::visit([](const auto& e) -> const std::string& { return e.name; },
                    entry);
}

void AddTo(PlanSnapshot& snapshot, PlanEntry entry) {
  struct Adder {
    PlanSnapshot& s;
    void operator()(TenantEntry&& e) { s.tenants.push_back(std::move(e)); }
    void operator()(DialPlanEntry&& e) { s.dial_plans.push_back(std::move(e)); }
    void operator()(PeerEntry&& e) { s.peers.push_back(std::move(e)); }
    void operator()(UserEntry&& e) { s.users.push_back(std::move(e)); }
    void operator()(PhoneEntry&& e) { s.phones.push_back(std::move(e)); }
    void operator()(PartitionEntry&& e) {
      s.partitions.push_back(std::move(e));
    }
    void operator()(CallingSearchSpaceEntry&& e) {
      s.calling_search_spaces.push_back(std::move(e));
    }
    void operator()(RoutePatternEntry&& e) {
      s.route_patterns.push_back(std::move(e));
    }
  };
  std::visit(Adder{snapshot}, std::move(entry));
}

}  // namespace sallyport
