#include "services/signaling_edge/core/registrar.h"

#include <algorithm>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/keyed_counts.h"

namespace sallyport::signaling_edge {

absl::StatusOr<Registrar::Changes> Registrar::OnRegister(
    const RegisterRequest& request, MonoTime now) {
  const std::vector<Binding> have = CopyOf(request.user);
  if (!request.all && request.contacts.empty()) return Changes();
  SP_ASSIGN_OR_RETURN(std::vector<Binding> next,
                      ApplyRegister(have, request, options_.limits, now));
  if (next.size() > have.size()) {
    SP_ASSIGN_OR_RETURN(KeyedPlaces places,
                        TakePlaces(request, next.size() - have.size()));
    places.GiveBack();  // they come now
  }
  return Replace(request.user, std::move(next), now);
}

absl::StatusOr<KeyedPlaces> Registrar::TakePlaces(
    const RegisterRequest& request, size_t more) {
  if (held_ + total_.elsewhere() + more > options_.max_bindings) {
    return MakeError(absl::StatusCode::kResourceExhausted, "REGISTRATION_LIMIT",
                     "no room for more registrations");
  }
  if (request.max_of_tenant == 0 || options_.tenants == nullptr) {
    return KeyedPlaces();
  }
  TenantCounts& tenants = *options_.tenants;
  auto places = KeyedPlaces::Take(tenants.contacts(),
                                  tenants.KeyOf(TenantOf(request.user)), more,
                                  request.max_of_tenant);
  if (!places.has_value()) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     "TENANT_REGISTRATION_LIMIT",
                     "the tenant has as many contacts as it may");
  }
  return *std::move(places);
}

Registrar::Changes Registrar::Replace(std::string_view user,
                                      std::vector<Binding> next, MonoTime now) {
  Changes changes;
  std::vector<uint64_t> ids;
  ids.reserve(next.size());
  absl::flat_hash_set<uint64_t> kept;
  for (const Binding& binding : next) kept.insert(binding.id);
  if (const auto it = by_user_.find(AbslView(user)); it != by_user_.end()) {
    const std::vector<uint64_t> had = it->second;
    for (const uint64_t id : had) {
      if (!kept.contains(id)) Erase(id, Change::Kind::kRemoved, changes);
    }
  }
  for (Binding& binding : next) {
    const auto known = bindings_.find(binding.id);
    const bool is_new = known == bindings_.end();
    if (is_new) {
      binding.id = next_id_++;
    } else {
      const Binding& old = known->second;
      if (old.refreshed == binding.refreshed && old.cseq == binding.cseq &&
          old.call_id == binding.call_id) {
        ids.push_back(binding.id);
        continue;
      }
      Unlink(old);
    }
    const bool was_held = !is_new && !known->second.foreign;
    if (was_held == binding.foreign) CountHeld(binding, !was_held);
    if (binding.is_outbound() && !binding.foreign &&
        binding.flow.connection == 0) {
      binding.silent_until = now + options_.max_silence;
    }
    ids.push_back(binding.id);
    Link(binding);
    changes.push_back(
        {is_new ? Change::Kind::kAdded : Change::Kind::kRefreshed, binding});
    const uint64_t id = binding.id;
    bindings_[id] = std::move(binding);
  }
  if (ids.empty()) {
    by_user_.erase(AbslView(user));
  } else {
    by_user_[std::string(user)] = std::move(ids);
  }
  return changes;
}

void Registrar::CountHeld(const Binding& binding, bool held) {
  total_.Set(held ? ++held_ : --held_);
  if (options_.tenants == nullptr) return;
  KeyedCounts& contacts = options_.tenants->contacts();
  const uint64_t key = options_.tenants->KeyOf(TenantOf(binding.user));
  held ? contacts.Add(key) : contacts.Remove(key);
}

void Registrar::Link(const Binding& binding) {
  if (binding.flow.connection != 0) {
    by_connection_[binding.flow.connection].insert(binding.id);
  } else if (binding.silent_until != MonoTime::InfiniteFuture()) {
    by_source_[{binding.flow.listener, binding.flow.remote}].insert(binding.id);
  }
  deadlines_.Set(binding.id, std::min(binding.expires, binding.silent_until));
}

void Registrar::Unlink(const Binding& binding) {
  deadlines_.Erase(binding.id);
  if (const auto carried = by_connection_.find(binding.flow.connection);
      carried != by_connection_.end()) {
    carried->second.erase(binding.id);
    if (carried->second.empty()) by_connection_.erase(carried);
  }
  if (const auto from =
          by_source_.find({binding.flow.listener, binding.flow.remote});
      from != by_source_.end()) {
    from->second.erase(binding.id);
    if (from->second.empty()) by_source_.erase(from);
  }
}

void Registrar::Erase(uint64_t id, Change::Kind kind, Changes& changes) {
  const auto it = bindings_.find(id);
  if (it == bindings_.end()) return;
  Binding binding = std::move(it->second);
  bindings_.erase(it);
  Unlink(binding);
  if (!binding.foreign) CountHeld(binding, false);
  if (const auto user = by_user_.find(binding.user); user != by_user_.end()) {
    std::erase(user->second, id);
    if (user->second.empty()) by_user_.erase(user);
  }
  changes.push_back({kind, std::move(binding)});
}

Registrar::Changes Registrar::OnConnectionClosed(ConnectionId connection) {
  Changes changes;
  const auto it = by_connection_.find(connection);
  if (it == by_connection_.end()) return changes;
  const std::vector<uint64_t> ids(it->second.begin(), it->second.end());
  for (const uint64_t id : ids) Erase(id, Change::Kind::kFlowLost, changes);
  by_connection_.erase(connection);
  return changes;
}

Registrar::Changes Registrar::Remove(uint64_t id) {
  Changes changes;
  Erase(id, Change::Kind::kRemoved, changes);
  return changes;
}

Registrar::Changes Registrar::RemoveUser(std::string_view user) {
  Changes changes;
  const auto it = by_user_.find(AbslView(user));
  if (it == by_user_.end()) return changes;
  const std::vector<uint64_t> ids = it->second;
  for (const uint64_t id : ids) Erase(id, Change::Kind::kRemoved, changes);
  return changes;
}

Registrar::Changes Registrar::OnDeadline(MonoTime now) {
  Changes changes;
  while (const auto id = deadlines_.PopExpired(now)) {
    const Binding* binding = Find(*id);
    if (binding == nullptr) continue;
    Erase(*id,
          binding->expires <= now ? Change::Kind::kExpired
                                  : Change::Kind::kFlowLost,
          changes);
  }
  return changes;
}

void Registrar::OnKeepAlive(ListenerId listener, const SocketAddress& remote,
                            MonoTime now) {
  const auto it = by_source_.find({listener, remote});
  if (it == by_source_.end()) return;
  for (const uint64_t id : it->second) {
    Binding& binding = bindings_.find(id)->second;
    binding.silent_until = now + options_.max_silence;
    deadlines_.Set(id, std::min(binding.expires, binding.silent_until));
  }
}

Registrar::Changes Registrar::OnFlowFailed(uint64_t id) {
  Changes changes;
  Erase(id, Change::Kind::kFlowLost, changes);
  return changes;
}

bool Registrar::CarriesOutbound(ConnectionId connection) const {
  const auto it = by_connection_.find(connection);
  if (it == by_connection_.end()) return false;
  return std::any_of(it->second.begin(), it->second.end(),
                     [this](uint64_t id) { return Find(id)->is_outbound(); });
}

std::vector<std::vector<const Binding*>> Registrar::ContactsOf(
    std::string_view user) const {
  std::vector<std::vector<const Binding*>> out;
  for (const Binding* binding : Of(user)) {
    const auto same = std::find_if(
        out.begin(), out.end(), [&](const std::vector<const Binding*>& flows) {
          return binding->is_outbound() && flows[0]->is_outbound() &&
                 flows[0]->instance == binding->instance;
        });
    if (same == out.end()) {
      out.push_back({binding});
    } else {
      same->push_back(binding);
    }
  }
  return out;
}

std::vector<const Binding*> Registrar::Of(std::string_view user) const {
  std::vector<const Binding*> out;
  const auto it = by_user_.find(AbslView(user));
  if (it == by_user_.end()) return out;
  for (const uint64_t id : it->second) out.push_back(Find(id));
  std::stable_sort(out.begin(), out.end(),
                   [](const Binding* a, const Binding* b) {
                     return a->refreshed > b->refreshed;
                   });
  return out;
}

std::vector<Binding> Registrar::CopyOf(std::string_view user) const {
  std::vector<Binding> out;
  const auto it = by_user_.find(AbslView(user));
  if (it == by_user_.end()) return out;
  for (const uint64_t id : it->second) out.push_back(*Find(id));
  return out;
}

std::vector<const Binding*> Registrar::All() const {
  std::vector<const Binding*> out;
  out.reserve(bindings_.size());
  for (const auto& [id, binding] : bindings_) {
    if (!binding.foreign) out.push_back(&binding);
  }
  std::sort(out.begin(), out.end(),
            [](const Binding* a, const Binding* b) { return a->id < b->id; });
  return out;
}

const Binding* Registrar::Find(uint64_t id) const {
  const auto it = bindings_.find(id);
  return it == bindings_.end() ? nullptr : &it->second;
}

}  // namespace sallyport::signaling_edge
