#include "services/signaling_edge/core/registrar.h"

#include <algorithm>

#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/sip_uri.h"

namespace sallyport::signaling_edge {
namespace {

// Contacts are compared as URIs (RFC 3261 section 10.3), and as text when
// either is not a SIP URI.
bool SameContact(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto first = ParseSipUri(a);
  const auto second = ParseSipUri(b);
  return first.ok() && second.ok() && Equivalent(*first, *second);
}

}  // namespace

Binding* Registrar::FindContact(std::string_view user, const Contact& contact) {
  const auto it = by_user_.find(AbslView(user));
  if (it == by_user_.end()) return nullptr;
  for (const uint64_t id : it->second) {
    Binding& binding = bindings_.find(id)->second;
    // One device that comes back with another address replaces itself.
    if (!contact.instance.empty() && contact.instance == binding.instance) {
      return &binding;
    }
    if (SameContact(binding.contact, contact.uri)) return &binding;
  }
  return nullptr;
}

absl::StatusOr<absl::Duration> Registrar::ExpiresOf(
    const Contact& contact) const {
  if (!contact.expires.has_value()) return options_.default_expires;
  const absl::Duration asked = absl::Seconds(*contact.expires);
  if (asked == absl::ZeroDuration()) return asked;
  if (asked < options_.min_expires) {
    return MakeError(absl::StatusCode::kInvalidArgument, "EXPIRES_TOO_BRIEF",
                     "the registration would be too short");
  }
  return std::min(asked, options_.max_expires);
}

absl::StatusOr<Registrar::Changes> Registrar::OnRegister(const Request& request,
                                                         MonoTime now) {
  const auto out_of_order = [&request](const Binding& binding) {
    return binding.call_id == request.call_id && binding.cseq >= request.cseq;
  };
  const auto too_late = [] {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CSEQ_OUT_OF_ORDER",
                     "an older REGISTER came late");
  };
  Changes changes;
  if (request.all) {
    const auto it = by_user_.find(request.user);
    if (it == by_user_.end()) return changes;
    const std::vector<uint64_t> ids = it->second;
    for (const uint64_t id : ids) {
      if (out_of_order(bindings_.find(id)->second)) return too_late();
    }
    for (const uint64_t id : ids) Erase(id, Change::Kind::kRemoved, changes);
    return changes;
  }

  // Decide on everything, then do it.
  std::vector<Planned> plan;
  size_t added = 0;
  size_t removed = 0;
  for (const Contact& contact : request.contacts) {
    SP_ASSIGN_OR_RETURN(const absl::Duration expires, ExpiresOf(contact));
    Binding* existing = FindContact(request.user, contact);
    if (existing != nullptr && out_of_order(*existing)) return too_late();
    const bool removes = expires == absl::ZeroDuration();
    if (existing == nullptr && !removes) ++added;
    if (existing != nullptr && removes) ++removed;
    plan.push_back({&contact, existing, expires});
  }
  const auto it = by_user_.find(request.user);
  const size_t have = it == by_user_.end() ? 0 : it->second.size();
  const size_t most =
      request.max_contacts != 0 ? request.max_contacts : options_.max_contacts;
  if (added > 0 && have + added > most + removed) {
    return MakeError(absl::StatusCode::kPermissionDenied, "CONTACT_LIMIT",
                     "the user has as many contacts as it may");
  }
  if (added > 0 && bindings_.size() + added > options_.max_bindings) {
    return MakeError(absl::StatusCode::kResourceExhausted, "REGISTRATION_LIMIT",
                     "no room for more registrations");
  }
  for (const Planned& step : plan) {
    if (step.expires == absl::ZeroDuration()) {
      // The same contact may stand twice in a request: look again.
      if (Binding* found = FindContact(request.user, *step.contact)) {
        Erase(found->id, Change::Kind::kRemoved, changes);
      }
      continue;
    }
    Binding* binding = FindContact(request.user, *step.contact);
    const bool is_new = binding == nullptr;
    if (is_new) {
      const uint64_t id = next_id_++;
      binding = &bindings_[id];
      binding->id = id;
      binding->user = request.user;
      binding->registered = now;
      by_user_[request.user].push_back(id);
    } else if (binding->flow.connection != 0) {
      const auto carried = by_connection_.find(binding->flow.connection);
      carried->second.erase(binding->id);
      if (carried->second.empty()) by_connection_.erase(carried);
    }
    binding->contact = step.contact->uri;
    binding->instance = step.contact->instance;
    binding->flow = request.flow;
    binding->call_id = request.call_id;
    binding->cseq = request.cseq;
    binding->user_agent = request.user_agent;
    binding->authentication = request.authentication;
    binding->phone = request.phone;
    binding->refreshed = now;
    binding->expires = now + step.expires;
    if (request.flow.connection != 0) {
      by_connection_[request.flow.connection].insert(binding->id);
    }
    deadlines_.Set(binding->id, binding->expires);
    changes.push_back(
        {is_new ? Change::Kind::kAdded : Change::Kind::kRefreshed, *binding});
  }
  return changes;
}

void Registrar::Erase(uint64_t id, Change::Kind kind, Changes& changes) {
  const auto it = bindings_.find(id);
  if (it == bindings_.end()) return;
  Binding binding = std::move(it->second);
  bindings_.erase(it);
  deadlines_.Erase(id);
  if (const auto user = by_user_.find(binding.user); user != by_user_.end()) {
    std::erase(user->second, id);
    if (user->second.empty()) by_user_.erase(user);
  }
  if (const auto carried = by_connection_.find(binding.flow.connection);
      carried != by_connection_.end()) {
    carried->second.erase(id);
    if (carried->second.empty()) by_connection_.erase(carried);
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
    Erase(*id, Change::Kind::kExpired, changes);
  }
  return changes;
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

std::vector<const Binding*> Registrar::All() const {
  std::vector<const Binding*> out;
  out.reserve(bindings_.size());
  for (const auto& [id, binding] : bindings_) out.push_back(&binding);
  std::sort(out.begin(), out.end(),
            [](const Binding* a, const Binding* b) { return a->id < b->id; });
  return out;
}

const Binding* Registrar::Find(uint64_t id) const {
  const auto it = bindings_.find(id);
  return it == bindings_.end() ? nullptr : &it->second;
}

}  // namespace sallyport::signaling_edge
