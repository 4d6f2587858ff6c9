#include "services/dialplan/core/plan.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/entry_pattern.h"
#include "services/dialplan/core/source_prefix.h"

namespace sallyport::dialplan {
namespace {

constexpr char kSource[] = "source/";

bool BeginsWith(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

}  // namespace

RecordPtr Plan::Find(std::string_view name) const {
  const auto it = records_.find(name);
  return it == records_.end() ? nullptr : it->second;
}

RecordPtr Plan::Put(RecordPtr record) {
  RecordPtr& place = records_[record->name()];
  RecordPtr before = std::exchange(place, record);
  if (before != nullptr) Unindex(*before);
  if (before == nullptr) ++CountIn(*record);
  Index(*record);
  ReindexMembers(record->entry);
  return before;
}

RecordPtr Plan::Remove(std::string_view name) {
  const auto it = records_.find(name);
  if (it == records_.end()) return nullptr;
  RecordPtr before = std::move(it->second);
  records_.erase(it);
  --CountIn(*before);
  Unindex(*before);
  ReindexMembers(before->entry);
  return before;
}

void Plan::Restore(const std::string& name, RecordPtr before) {
  if (before != nullptr) {
    Put(std::move(before));
  } else {
    Remove(name);
  }
}

void Plan::Index(const PlanRecord& record) {
  for (const Reference& reference : record.references) {
    referrers_[reference.target].insert(record.name());
  }
  if (const auto place = WildcardPlace(record.entry)) {
    wildcards_[*place].insert(&record);
  } else if (const auto exact = ExactPlace(record.entry)) {
    exacts_[*exact].insert(&record);
  }
  const auto pattern = PatternOf(record.entry);
  if (pattern.has_value() && !pattern->is_number) {
    auto read = ParsePatterns(pattern->text, pattern->numbering_plan);
    if (read.ok()) patterns_[&record] = *std::move(read);
  }
  IndexKeys(record);
}

void Plan::Unindex(const PlanRecord& record) {
  for (const Reference& reference : record.references) {
    const auto it = referrers_.find(reference.target);
    if (it == referrers_.end()) continue;
    it->second.erase(record.name());
    if (it->second.empty()) referrers_.erase(it);
  }
  const auto take_out = [&record](ByPlace& places, const std::string& place) {
    const auto it = places.find(place);
    if (it == places.end()) return;
    it->second.erase(&record);
    if (it->second.empty()) places.erase(it);
  };
  if (const auto place = WildcardPlace(record.entry)) {
    take_out(wildcards_, *place);
  } else if (const auto exact = ExactPlace(record.entry)) {
    take_out(exacts_, *exact);
  }
  patterns_.erase(&record);
  UnindexKeys(record.name());
}

void Plan::IndexKeys(const PlanRecord& record) {
  const auto* peer = std::get_if<PeerEntry>(&record.entry);
  PeerEntry effective;
  if (peer != nullptr) effective = Effective(*peer);
  std::vector<UniqueKey> keys =
      UniqueKeysOf(record.entry, peer == nullptr ? nullptr : &effective);
  for (const UniqueKey& key : keys) holders_[key.key].insert(record.name());
  if (!keys.empty()) keys_[record.name()] = std::move(keys);
}

void Plan::UnindexKeys(const std::string& name) {
  const auto it = keys_.find(name);
  if (it == keys_.end()) return;
  for (const UniqueKey& key : it->second) {
    const auto holders = holders_.find(key.key);
    if (holders == holders_.end()) continue;
    holders->second.erase(name);
    if (holders->second.empty()) holders_.erase(holders);
  }
  keys_.erase(it);
}

void Plan::ReindexMembers(const PlanEntry& changed) {
  if (!std::holds_alternative<TenantEntry>(changed) &&
      !std::holds_alternative<DialPlanEntry>(changed) &&
      !std::holds_alternative<TrunkSecurityProfileEntry>(changed)) {
    return;
  }
  const std::string prefix = std::string(TenantOf(NameOf(changed))) + "/peers/";
  for (const PeerEntry* peer : Under<PeerEntry>(prefix)) {
    UnindexKeys(peer->name);
    IndexKeys(*records_.find(peer->name)->second);
  }
}

const std::set<std::string>& Plan::ReferrersOf(std::string_view name) const {
  static const std::set<std::string>& none = *new std::set<std::string>;
  const auto it = referrers_.find(name);
  return it == referrers_.end() ? none : it->second;
}

const std::vector<UniqueKey>& Plan::KeysOf(std::string_view name) const {
  static const std::vector<UniqueKey>& none = *new std::vector<UniqueKey>;
  const auto it = keys_.find(name);
  return it == keys_.end() ? none : it->second;
}

const std::set<std::string>& Plan::HoldersOf(std::string_view key) const {
  static const std::set<std::string>& none = *new std::set<std::string>;
  const auto it = holders_.find(key);
  return it == holders_.end() ? none : it->second;
}

const std::vector<DialPattern>& Plan::PatternsOf(
    const PlanRecord& record) const {
  static const std::vector<DialPattern>& none = *new std::vector<DialPattern>;
  const auto it = patterns_.find(&record);
  return it == patterns_.end() ? none : it->second;
}

const std::set<const PlanRecord*>& Plan::WildcardsAt(
    const std::string& place) const {
  static const std::set<const PlanRecord*>& none =
      *new std::set<const PlanRecord*>;
  const auto it = wildcards_.find(place);
  return it == wildcards_.end() ? none : it->second;
}

bool Plan::HasWildcardsUnder(const std::string& place) const {
  const auto it = wildcards_.lower_bound(place);
  return it != wildcards_.end() && BeginsWith(it->first, place);
}

bool Plan::HasHoldersUnder(const std::string& key_prefix) const {
  const auto it = holders_.lower_bound(key_prefix);
  return it != holders_.end() && BeginsWith(it->first, key_prefix);
}

void Plan::ForEachUnder(
    const ByPlace& places, const std::string& place,
    absl::FunctionRef<bool(const PlanRecord& record)> visit) {
  for (auto it = places.lower_bound(place);
       it != places.end() && BeginsWith(it->first, place); ++it) {
    for (const PlanRecord* record : it->second) {
      if (!visit(*record)) return;
    }
  }
}

void Plan::ForEachWildcardUnder(
    const std::string& place,
    absl::FunctionRef<bool(const PlanRecord& record)> visit) const {
  ForEachUnder(wildcards_, place, visit);
}

void Plan::ForEachExactUnder(
    const std::string& place,
    absl::FunctionRef<bool(const PlanRecord& record)> visit) const {
  ForEachUnder(exacts_, place, visit);
}

void Plan::ForEachHolderUnder(
    const std::string& key_prefix,
    absl::FunctionRef<bool(const std::string& name)> visit) const {
  for (auto it = holders_.lower_bound(key_prefix);
       it != holders_.end() && BeginsWith(it->first, key_prefix); ++it) {
    for (const std::string& name : it->second) {
      if (!visit(name)) return;
    }
  }
}

std::set<std::string> Plan::OverlappingSources(std::string_view name,
                                               const UniqueKey& key) const {
  std::set<std::string> out;
  if (key.key.rfind(kSource, 0) != 0) return out;
  const auto prefix = SourcePrefix::FromKey(key.key);
  if (!prefix.has_value()) return out;
  const std::string port =
      key.key.substr(0, key.key.size() - SourcePrefix::kKeySize);
  const auto add = [&](const std::set<std::string>& holders) {
    for (const std::string& holder : holders) {
      if (holder != name) out.insert(holder);
    }
  };
  for (auto it = holders_.lower_bound(port + prefix->First());
       it != holders_.end() && it->first <= port + prefix->Last(); ++it) {
    if (it->first != key.key) add(it->second);
  }
  for (int length = 0; length < prefix->length(); ++length) {
    const auto it = holders_.find(port + prefix->Widened(length).Key());
    if (it != holders_.end()) add(it->second);
  }
  return out;
}

size_t& Plan::CountIn(const PlanRecord& record) {
  return counts_[std::string(TenantOf(record.name()))][record.entry.index()];
}

size_t Plan::CountOf(std::string_view tenant, size_t kind) const {
  const auto it = counts_.find(tenant);
  return it == counts_.end() ? 0 : it->second[kind];
}

PeerEntry Plan::Effective(const PeerEntry& peer) const {
  PeerEntry out = peer;
  const TenantEntry* tenant = Get<TenantEntry>(TenantOf(peer.name));
  ResolvePeerDefaults(
      {.tenant = tenant,
       .plan = Get<DialPlanEntry>(DialPlanOf(tenant, peer)),
       .profile = Get<TrunkSecurityProfileEntry>(peer.trunk_security_profile),
       .sip_profile = Get<SipProfileEntry>(peer.sip_profile),
       .context = ContextOf(peer.name)},
      out);
  return out;
}

UserEntry Plan::Effective(const UserEntry& user) const {
  UserEntry out = user;
  const TenantEntry* tenant = Get<TenantEntry>(TenantOf(user.name));
  const PhoneEntry* phone = PhoneOf(user);
  ResolveUserDefaults(tenant, phone,
                      Get<DialPlanEntry>(DialPlanOf(tenant, phone, user)), out);
  return out;
}

const TlsContextEntry* Plan::ContextOf(const std::string& peer) const {
  for (const std::string& name : ReferrersOf(peer)) {
    const auto* context = Get<TlsContextEntry>(name);
    if (context != nullptr &&
        std::find(context->active.peers.begin(), context->active.peers.end(),
                  peer) != context->active.peers.end()) {
      return context;
    }
  }
  return nullptr;
}

const PhoneEntry* Plan::PhoneOf(const UserEntry& user) const {
  for (const std::string& name : ReferrersOf(user.name)) {
    const PhoneEntry* phone = Get<PhoneEntry>(name);
    if (phone != nullptr && phone->owner_user == user.name) return phone;
  }
  return nullptr;
}

}  // namespace sallyport::dialplan
