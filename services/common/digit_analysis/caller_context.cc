#include "services/common/digit_analysis/caller_context.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"

namespace sallyport {
namespace {

// Whether the pattern of a line is this number, without parsing either.
bool HasNumber(const LineEntry& line, std::string_view number) {
  std::string_view own = line.directory_number;
  if (own.substr(0, 2) == "\\+") own.remove_prefix(1);
  return own == number;
}

void Refuse(CallerContext& out, std::string_view reason, std::string detail) {
  out.refused = reason;
  out.refused_detail = std::move(detail);
}

void TakePlan(const PlanIndex& index, std::string_view dial_plan,
              CallerContext& out) {
  const DialPlanEntry* plan = index.DialPlan(dial_plan);
  // As PlanIndex::ModeOf: a fault never opens a leg.
  out.mode = plan == nullptr ? SecurityMode::kSecured : plan->security_mode;
  if (plan == nullptr) return;
  if (out.restriction.empty()) out.restriction = plan->dialling_restriction;
  if (plan->interdigit_timeout > absl::ZeroDuration()) {
    out.interdigit_timeout = plan->interdigit_timeout;
  }
}

void TakeLine(const LineEntry* line, CallerContext& out) {
  if (line == nullptr) return;
  out.line = line;
  out.external_mask = line->external_phone_number_mask;
  if (!line->calling_search_space.empty()) {
    out.search_spaces.push_back(line->calling_search_space);
  }
}

void TakeDevice(std::string_view search_space, CallerContext& out) {
  if (search_space.empty() ||
      std::find(out.search_spaces.begin(), out.search_spaces.end(),
                search_space) != out.search_spaces.end()) {
    return;
  }
  out.search_spaces.push_back(search_space);
}

void TakeUser(const UserEntry& user, const LineEntry* line,
              const PlanIndex& index, CallerContext& out) {
  out.user = &user;
  if (user.disabled) {
    Refuse(out, "USER_DISABLED", absl::StrCat(user.name, " is disabled"));
    return;
  }
  TakeLine(line, out);
  TakeDevice(user.calling_search_space, out);
  out.restriction = user.dialling_restriction;
  TakePlan(index, user.dial_plan, out);
}

}  // namespace

CallerIndex::CallerIndex(const PlanIndex& index) : index_(index) {
  const PlanSnapshot& plan = index.snapshot();
  const auto add = [this](std::string_view user, const LineEntry* line) {
    auto& lines = lines_[user];
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) {
      lines.push_back(line);
    }
  };
  for (const PhoneEntry& phone : plan.phones) {
    if (phone.owner_user.empty()) continue;
    phones_[phone.owner_user].push_back(&phone);
    for (const std::string& name : phone.lines) {
      if (const auto* line = index.Find<LineEntry>(name)) {
        add(phone.owner_user, line);
      }
    }
  }
  for (const LineEntry& line : plan.lines) {
    for (const std::string& user : line.users) add(user, &line);
  }
}

const absl::InlinedVector<const LineEntry*, 2>& CallerIndex::LinesOf(
    const UserEntry& user) const {
  static const auto& none = *new absl::InlinedVector<const LineEntry*, 2>;
  const auto it = lines_.find(user.name);
  return it == lines_.end() ? none : it->second;
}

const LineEntry* CallerIndex::LineOf(const UserEntry& user,
                                     std::string_view calling) const {
  const auto& lines = LinesOf(user);
  for (const LineEntry* line : lines) {
    if (HasNumber(*line, calling)) return line;
  }
  return lines.empty() ? nullptr : lines[0];
}

const absl::InlinedVector<const PhoneEntry*, 1>& CallerIndex::PhonesOf(
    const UserEntry& user) const {
  static const auto& none = *new absl::InlinedVector<const PhoneEntry*, 1>;
  const auto it = phones_.find(user.name);
  return it == phones_.end() ? none : it->second;
}

const UserEntry* CallerIndex::UserOf(const LineEntry& line) const {
  for (const std::string& name : line.users) {
    if (const UserEntry* user = index_.User(name)) return user;
  }
  return nullptr;
}

CallerContext ContextOf(const RouteQuery& query, const PlanIndex& index,
                        const CallerIndex& callers) {
  CallerContext out;
  if (query.caller.empty()) {
    TakeDevice(query.search_space, out);
    return out;
  }
  const bool in_tenant = TenantOf(query.caller) == query.tenant;
  const UserEntry* user = in_tenant ? index.User(query.caller) : nullptr;
  if (user != nullptr) {
    TakeUser(*user, callers.LineOf(*user, query.calling), index, out);
    return out;
  }
  if (const PeerEntry* peer = in_tenant ? index.Peer(query.caller) : nullptr) {
    out.peer = peer;
    if (peer->status == PeerStatus::kDisabled) {
      Refuse(out, "PEER_DISABLED", absl::StrCat(peer->name, " is disabled"));
    } else if (peer->status == PeerStatus::kNoNewCalls) {
      Refuse(out, "PEER_NO_NEW_CALLS",
             absl::StrCat(peer->name, " takes no new calls"));
    }
    TakeDevice(query.referred_outside ? peer->outside_refer_search_space
               : query.rerouted       ? peer->rerouting_search_space
                                      : peer->calling_search_space,
               out);
    TakePlan(index, peer->dial_plan, out);
    return out;
  }
  if (const PhoneEntry* phone =
          in_tenant ? index.Phone(query.caller) : nullptr) {
    if (phone->disabled) {
      Refuse(out, "PHONE_DISABLED", absl::StrCat(phone->name, " is disabled"));
      return out;
    }
    const LineEntry* line = nullptr;
    for (const std::string& name : phone->lines) {
      const auto* candidate = index.Find<LineEntry>(name);
      if (candidate == nullptr) continue;
      if (line == nullptr || HasNumber(*candidate, query.calling)) {
        line = candidate;
      }
    }
    if (const UserEntry* owner = index.User(phone->owner_user)) {
      TakeUser(*owner, line, index, out);
      return out;
    }
    TakeLine(line, out);
    TakeDevice(phone->calling_search_space, out);
    TakePlan(index, phone->dial_plan, out);
    return out;
  }
  if (const auto* line =
          in_tenant ? index.Find<LineEntry>(query.caller) : nullptr) {
    if (const UserEntry* owner = callers.UserOf(*line)) {
      TakeUser(*owner, line, index, out);
    } else {
      TakeLine(line, out);
    }
    return out;
  }
  Refuse(out, "CALLER_UNKNOWN",
         "no user, line, phone or peer of the tenant has that name");
  return out;
}

}  // namespace sallyport
