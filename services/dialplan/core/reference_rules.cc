#include "services/dialplan/core/reference_rules.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/dialplan/core/unique_keys.h"
#include "services/dialplan/core/voicemail_rules.h"

namespace sallyport::dialplan {
namespace {

// Referrers told in an error; the rest is counted.
constexpr size_t kNamedReferrers = 5;

// A line and the users that register for it may have one number.
bool MayShare(const Plan& plan, const std::string& one,
              const std::string& other) {
  const auto is_user_of = [&plan](const std::string& line,
                                  const std::string& user) {
    const LineEntry* entry = plan.Get<LineEntry>(line);
    return entry != nullptr &&
           std::find(entry->users.begin(), entry->users.end(), user) !=
               entry->users.end();
  };
  return is_user_of(one, other) || is_user_of(other, one);
}

}  // namespace

void CheckReferences(const RuleContext& c, const PlanRecord& record) {
  const std::string_view tenant = TenantOf(record.name());
  if (tenant != record.name() && c.plan.Get<TenantEntry>(tenant) == nullptr) {
    c.Add("parent", "REFERENCE_NOT_FOUND",
          absl::StrCat(AbslView(tenant), " does not exist"));
  }
  for (const Reference& reference : record.references) {
    const std::string prefix =
        absl::StrCat(AbslView(tenant), "/", reference.collection, "/");
    if (reference.target.compare(0, prefix.size(), prefix) != 0) {
      c.Add(reference.field, "REFERENCE_WRONG_KIND",
            absl::StrCat("must be the name of one of ", prefix, "*"));
    } else if (reference.target.compare(prefix.size(), std::string::npos,
                                        kStandardSipProfile) == 0 &&
               reference.collection == "sipProfiles") {
      continue;  // it is there without being written
    } else if (c.plan.Find(reference.target) == nullptr) {
      c.Add(reference.field, "REFERENCE_NOT_FOUND",
            absl::StrCat(reference.target, " does not exist"));
    }
  }
}

void CheckKeys(const RuleContext& c, const std::string& name) {
  std::set<std::string_view> own;
  for (const UniqueKey& key : c.plan.KeysOf(name)) {
    if (!own.insert(key.key).second) {
      c.Add(key.field, "DUPLICATE_VALUE", "it is given twice");
    }
    for (const std::string& holder : c.plan.HoldersOf(key.key)) {
      if (holder == name || MayShare(c.plan, holder, name)) continue;
      // Another tenant's names are nobody's business here.
      const bool same = TenantOf(holder) == TenantOf(name);
      c.Add(key.field, ReasonOfKey(key.key),
            absl::StrCat(AbslView(DescriptionOfKey(key.key)), " by ",
                         same ? holder : std::string("another tenant")));
      // One tells what is wrong; a batch may write thousands of the same.
      break;
    }
  }
}

absl::Status CheckRemovable(const Plan& plan, const PlanRecord& record) {
  const std::string& name = record.name();
  std::vector<std::string> users(plan.ReferrersOf(name).begin(),
                                 plan.ReferrersOf(name).end());
  // A port group names a lamp number by its digits (CUC-47).
  if (const auto* lamp =
          std::get_if<MessageWaitingNumberEntry>(&record.entry)) {
    for (std::string& group : PortGroupsOf(plan, *lamp)) {
      users.push_back(std::move(group));
    }
  }
  if (TenantOf(name) == name) {
    const std::string prefix = name + "/";
    for (auto it = plan.records().lower_bound(prefix);
         it != plan.records().end() &&
         it->first.compare(0, prefix.size(), prefix) == 0;
         ++it) {
      users.push_back(it->first);
    }
    // It may refer to what belongs to it.
    users.erase(std::remove(users.begin(), users.end(), name), users.end());
    std::sort(users.begin(), users.end());
    users.erase(std::unique(users.begin(), users.end()), users.end());
  }
  if (users.empty()) return absl::OkStatus();
  std::string message = absl::StrCat(name, " is used by ");
  for (size_t i = 0; i < users.size() && i < kNamedReferrers; ++i) {
    absl::StrAppend(&message, i == 0 ? "" : ", ", users[i]);
  }
  if (users.size() > kNamedReferrers) {
    absl::StrAppend(&message, " and ", users.size() - kNamedReferrers, " more");
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "RESOURCE_IN_USE",
                   message);
}

}  // namespace sallyport::dialplan
