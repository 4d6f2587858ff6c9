#include "services/common/digit_analysis/resolver.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/route_candidates.h"
#include "services/common/digit_analysis/transform.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

using Outcome = Resolution::Outcome;
using Side = TransformStep::Side;
using Kind = TransformStep::Kind;

void Refuse(std::string_view reason, std::string detail, Resolution& out) {
  out.outcome = Outcome::kRefused;
  out.reason = std::string(reason);
  out.detail = std::move(detail);
}

// Whether a new call may come from or go to the peer; refuses it otherwise.
bool TakesCalls(const PeerEntry& peer, Resolution& out) {
  switch (peer.status) {
    case PeerStatus::kEnabled:
      return true;
    case PeerStatus::kDisabled:
      Refuse("PEER_DISABLED", absl::StrCat(peer.name, " is disabled"), out);
      return false;
    case PeerStatus::kNoNewCalls:
      Refuse("PEER_NO_NEW_CALLS",
             absl::StrCat(peer.name, " takes no new calls"), out);
      return false;
  }
  return false;
}

bool LooksLikeAddress(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// Changes a number step by step and keeps the record. Thread-compatible.
class Changer {
 public:
  Changer(Side side, std::string number, std::vector<TransformStep>* steps)
      : side_(side), number_(std::move(number)), steps_(steps) {}

  void Change(Kind kind, std::string_view rule, std::string after) {
    if (steps_ != nullptr) {
      steps_->push_back({side_, kind, std::string(rule), number_, after});
    }
    number_ = std::move(after);
  }
  void MaskAndPrefix(const std::string& mask, const std::string& prefix) {
    if (!mask.empty()) Change(Kind::kMask, mask, ApplyMask(mask, number_));
    if (!prefix.empty()) Change(Kind::kPrefix, prefix, prefix + number_);
  }

  const std::string& number() const { return number_; }

 private:
  Side side_;
  std::string number_;
  std::vector<TransformStep>* steps_;
};

}  // namespace

Resolver::Resolver(std::shared_ptr<const PlanSnapshot> snapshot)
    : index_(std::move(snapshot)) {}

absl::StatusOr<std::shared_ptr<const Resolver>> Resolver::Create(
    std::shared_ptr<const PlanSnapshot> snapshot) {
  std::shared_ptr<Resolver> resolver(new Resolver(std::move(snapshot)));
  SP_RETURN_IF_ERROR(resolver->Compile());
  return std::shared_ptr<const Resolver>(std::move(resolver));
}

uint32_t Resolver::SpaceOf(std::string_view tenant,
                           std::string_view partition) {
  const std::string key(partition.empty() ? tenant : partition);
  return spaces_.try_emplace(key, static_cast<uint32_t>(spaces_.size()))
      .first->second;
}

absl::Status Resolver::Compile() {
  absl::flat_hash_map<std::string_view, bool> disabled;
  for (const PartitionEntry& partition : snapshot().partitions) {
    disabled.try_emplace(partition.name, partition.disabled);
  }
  std::vector<RouteTable::Row> rows;
  // Patterns come before users: where a user has the number of a pattern, an
  // emergency number say, the pattern wins the tie.
  for (const RoutePatternEntry& entry : snapshot().route_patterns) {
    const auto it = disabled.find(entry.partition);
    if (entry.disabled || (it != disabled.end() && it->second)) continue;
    absl::StatusOr<DialPattern> pattern = DialPattern::Parse(entry.pattern);
    if (!pattern.ok()) {
      return MakeError(
          pattern.status().code(), ReasonOf(pattern.status()),
          StdView(absl::StrCat(entry.name, ": ", pattern.status().message())));
    }
    rows.push_back(
        {SpaceOf(TenantOf(entry.name), entry.partition), *std::move(pattern)});
    targets_.push_back({&entry, nullptr});
  }
  for (const UserEntry& user : snapshot().users) {
    for (const std::string& text : PatternsOfUser(user)) {
      SP_ASSIGN_OR_RETURN(DialPattern pattern, DialPattern::Parse(text));
      rows.push_back({SpaceOf(TenantOf(user.name), ""), std::move(pattern)});
      targets_.push_back({nullptr, &user});
    }
  }
  table_ = RouteTable(std::move(rows));
  return absl::OkStatus();
}

Resolution Resolver::Resolve(const RouteQuery& query) const {
  return Run(query, /*explain=*/false);
}

Resolution Resolver::Explain(const RouteQuery& query) const {
  return Run(query, /*explain=*/true);
}

Resolver::Spaces Resolver::Reachable(std::string_view tenant,
                                     std::string_view search_space,
                                     bool explain, Resolution& out) const {
  Spaces spaces;
  const auto add = [&](std::string_view key, std::string_view partition) {
    if (explain) out.partitions.emplace_back(partition);
    const auto it = spaces_.find(AbslView(key));
    if (it != spaces_.end()) spaces.push_back(it->second);
  };
  if (const CallingSearchSpaceEntry* css =
          index_.CallingSearchSpace(search_space)) {
    for (const std::string& partition : css->partitions) {
      add(partition, partition);
    }
  }
  add(tenant, "");
  return spaces;
}

Resolution Resolver::Run(const RouteQuery& query, bool explain) const {
  Resolution out;
  out.called = query.called;
  out.calling = query.calling;
  const TenantEntry* tenant = index_.Tenant(query.tenant);
  if (tenant == nullptr) {
    Refuse("TENANT_UNKNOWN", "there is no such tenant", out);
    return out;
  }
  std::string_view search_space = query.search_space;
  if (!query.caller.empty()) {
    const UserEntry* user = index_.User(query.caller);
    const PeerEntry* peer = index_.Peer(query.caller);
    if ((user == nullptr && peer == nullptr) ||
        TenantOf(query.caller) != query.tenant) {
      Refuse("CALLER_UNKNOWN", "no user or peer of the tenant has that name",
             out);
      return out;
    }
    if (user != nullptr) {
      if (user->disabled) {
        Refuse("USER_DISABLED", absl::StrCat(user->name, " is disabled"), out);
        return out;
      }
      out.caller_mode = index_.ModeOf(user->dial_plan);
      search_space = user->calling_search_space;
    } else {
      if (!TakesCalls(*peer, out)) return out;
      out.caller_mode = index_.ModeOf(peer->dial_plan);
      search_space = peer->calling_search_space;
    }
  }
  if (!query.domain.empty() && !LooksLikeAddress(query.domain) &&
      index_.TenantOfDomain(query.domain) != tenant) {
    Refuse("ROUTE_NOT_FOUND", "the domain is not one of the tenant's", out);
    return out;
  }
  const Spaces spaces = Reachable(query.tenant, search_space, explain, out);

  const absl::StatusOr<Number> number = Number::Parse(query.called);
  std::optional<RouteTable::Match> best;
  if (number.ok()) {
    if (explain && number->text() != query.called) {
      out.steps.push_back({Side::kCalled, Kind::kNormalize, "separators",
                           query.called, number->text()});
    }
    best = table_.Find(spaces, number->text());
  }
  if (!best.has_value()) {
    if (const UserEntry* user = UserByName(query)) {
      RouteToUser(*user, out);
    } else {
      Refuse("ROUTE_NOT_FOUND", "nothing that the caller reaches matches", out);
    }
  } else {
    const DialPattern& pattern = table_.rows()[best->row].pattern;
    const Target& target = targets_[best->row];
    out.pattern = pattern.text();
    out.called = number->text();
    if (target.user != nullptr) {
      RouteToUser(*target.user, out);
    } else {
      RouteByPattern(query, pattern, *target.pattern, number->text(), explain,
                     out);
    }
  }
  if (explain && number.ok()) {
    out.candidates = ExplainCandidates(snapshot(), query.tenant, number->text(),
                                       out.partitions, out.pattern_name);
  }
  return out;
}

const UserEntry* Resolver::UserByName(const RouteQuery& query) const {
  if (!query.domain.empty() && !LooksLikeAddress(query.domain)) {
    return index_.UserAt(query.called, query.domain);
  }
  const TenantEntry* tenant = index_.Tenant(query.tenant);
  for (const std::string& domain : tenant->domains) {
    const UserEntry* user = index_.UserAt(query.called, domain);
    if (user != nullptr) return user;
  }
  return nullptr;
}

void Resolver::RouteToUser(const UserEntry& user, Resolution& out) const {
  out.pattern_name = user.name;
  out.destination_mode = index_.ModeOf(user.dial_plan);
  if (user.disabled) {
    Refuse("USER_DISABLED", absl::StrCat(user.name, " is disabled"), out);
    return;
  }
  out.outcome = Outcome::kUser;
  out.user = &user;
}

void Resolver::RouteByPattern(const RouteQuery& query,
                              const DialPattern& pattern,
                              const RoutePatternEntry& entry,
                              std::string_view number, bool explain,
                              Resolution& out) const {
  out.pattern_name = entry.name;
  out.toll_class = entry.toll_class;
  if (entry.action == PatternAction::kBlock) {
    constexpr uint32_t kCallRejected = 21;  // Q.850
    out.block_cause =
        entry.block_cause != 0 ? entry.block_cause : kCallRejected;
    Refuse("PATTERN_BLOCKED", "the closest pattern blocks the call", out);
    return;
  }
  // UM-12: nothing that costs, unless a restriction allows it.
  if (entry.toll_class != TollClass::kInternal &&
      entry.toll_class != TollClass::kEmergency) {
    Refuse("DIALLING_RESTRICTED",
           "no dialling restriction allows calls of this toll class", out);
    return;
  }
  std::vector<TransformStep>* steps = explain ? &out.steps : nullptr;
  const Transformation& change = entry.transformation;
  Changer called(Side::kCalled, std::string(number), steps);
  if (change.discard != DiscardDigits::kNone) {
    called.Change(Kind::kDiscard, DiscardDigitsName(change.discard),
                  ApplyDiscard(change.discard, pattern, number));
  }
  called.MaskAndPrefix(change.called_mask, change.called_prefix);
  out.called = called.number();
  // A caller's name is left as it is: masks are for digits.
  if (const absl::StatusOr<Number> from = Number::Parse(query.calling);
      from.ok()) {
    Changer calling(Side::kCalling, query.calling, steps);
    if (from->text() != query.calling &&
        !(change.calling_mask.empty() && change.calling_prefix.empty())) {
      calling.Change(Kind::kNormalize, "separators", from->text());
    }
    calling.MaskAndPrefix(change.calling_mask, change.calling_prefix);
    out.calling = calling.number();
  }
  const PeerEntry* peer = index_.Peer(entry.peer);
  if (peer == nullptr) {
    Refuse("ROUTE_NOT_FOUND", "the pattern's peer does not exist", out);
    return;
  }
  out.destination_mode = index_.ModeOf(peer->dial_plan);
  if (!TakesCalls(*peer, out)) return;
  if (!peer->outcalls_allowed) {
    Refuse("OUTCALLS_NOT_ALLOWED",
           absl::StrCat(peer->name, " may not be called"), out);
    return;
  }
  if (peer->name == query.caller) {
    Refuse("ROUTE_LOOP", "the call would go back to the peer it came from",
           out);
    return;
  }
  if (!Number::Parse(out.called).ok()) {
    Refuse("NUMBER_INVALID",
           "the called number is empty or too long after its changes", out);
    return;
  }
  out.outcome = Outcome::kPeer;
  out.peer = peer;
}

}  // namespace sallyport
