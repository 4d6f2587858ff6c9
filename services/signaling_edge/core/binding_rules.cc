#include "services/signaling_edge/core/binding_rules.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/sip_uri.h"

namespace sallyport::signaling_edge {
namespace {

// Contacts are compared as URIs (RFC 3261 section 10.3), and as text when
// either is not a SIP URI.
bool SameUri(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto first = ParseSipUri(a);
  const auto second = ParseSipUri(b);
  return first.ok() && second.ok() && Equivalent(*first, *second);
}

bool Matches(const Binding& binding, std::string_view uri,
             std::string_view instance, uint32_t reg_id, bool bulk) {
  if (binding.bulk != bulk) return false;
  const bool same_instance = !instance.empty() && instance == binding.instance;
  if (binding.reg_id != 0) {
    // RFC 5626 section 6: by instance and reg-id, whatever the URI.
    return same_instance && binding.reg_id == reg_id;
  }
  // One device that comes back with another address, or begins to use flows,
  // replaces itself.
  return same_instance || SameUri(binding.contact, uri);
}

Binding* Find(std::vector<Binding>& bindings, const RegisterContact& contact) {
  const auto it =
      std::find_if(bindings.begin(), bindings.end(), [&](const Binding& one) {
        return Matches(one, contact.uri, contact.instance, contact.reg_id,
                       contact.bulk);
      });
  return it == bindings.end() ? nullptr : &*it;
}

// Flows of one instance count as one.
size_t ContactsOf(const std::vector<Binding>& bindings, size_t* most_flows) {
  size_t contacts = 0;
  for (size_t i = 0; i < bindings.size(); ++i) {
    size_t flows = 1;
    bool first = true;
    if (bindings[i].reg_id != 0) {
      for (size_t j = 0; j < bindings.size(); ++j) {
        if (j == i || bindings[j].reg_id == 0 ||
            bindings[j].instance != bindings[i].instance) {
          continue;
        }
        ++flows;
        first &= j > i;
      }
    }
    if (first) ++contacts;
    *most_flows = std::max(*most_flows, flows);
  }
  return contacts;
}

absl::StatusOr<absl::Duration> ExpiresOf(const RegisterContact& contact,
                                         const RegisterLimits& limits) {
  if (!contact.expires.has_value()) return limits.default_expires;
  const absl::Duration asked = absl::Seconds(*contact.expires);
  if (asked == absl::ZeroDuration()) return asked;
  if (asked < limits.min_expires) {
    return MakeError(absl::StatusCode::kInvalidArgument, "EXPIRES_TOO_BRIEF",
                     "the registration would be too short");
  }
  return std::min(asked, limits.max_expires);
}

}  // namespace

bool SameContact(const Binding& a, const Binding& b) {
  return a.reg_id == b.reg_id &&
         Matches(a, b.contact, b.instance, b.reg_id, b.bulk);
}

absl::StatusOr<std::vector<Binding>> ApplyRegister(
    const std::vector<Binding>& have, const RegisterRequest& request,
    const RegisterLimits& limits, MonoTime now) {
  const auto out_of_order = [&request](const Binding& binding) {
    return binding.call_id == request.call_id && binding.cseq >= request.cseq;
  };
  const auto too_late = [] {
    return MakeError(absl::StatusCode::kFailedPrecondition, "CSEQ_OUT_OF_ORDER",
                     "an older REGISTER came late");
  };
  std::vector<Binding> next = have;
  if (request.all) {
    if (std::any_of(next.begin(), next.end(), out_of_order)) return too_late();
    next.clear();
    return next;
  }
  // Against what was there before: the same contact may stand twice.
  for (const RegisterContact& contact : request.contacts) {
    SP_RETURN_IF_ERROR(ExpiresOf(contact, limits).status());
    const Binding* existing = Find(next, contact);
    if (existing != nullptr && out_of_order(*existing)) return too_late();
  }
  size_t most_flows = 0;
  const size_t before = ContactsOf(next, &most_flows);
  for (const RegisterContact& contact : request.contacts) {
    const absl::Duration expires = *ExpiresOf(contact, limits);
    Binding* binding = Find(next, contact);
    if (expires == absl::ZeroDuration()) {
      if (binding != nullptr) next.erase(next.begin() + (binding - &next[0]));
      continue;
    }
    if (binding == nullptr) {
      binding = &next.emplace_back();
      binding->user = request.user;
      binding->registered = now;
    }
    binding->contact = contact.uri;
    binding->instance = contact.instance;
    binding->reg_id = contact.reg_id;
    binding->bulk = contact.bulk;
    binding->path = request.path;
    binding->flow = request.flow;
    binding->owner.reset();
    binding->foreign = false;
    binding->call_id = request.call_id;
    binding->cseq = request.cseq;
    binding->user_agent = request.user_agent;
    binding->authentication = request.authentication;
    binding->phone = request.phone;
    binding->refreshed = now;
    binding->expires = now + expires;
    binding->silent_until = MonoTime::InfiniteFuture();
  }
  most_flows = 0;
  const size_t after = ContactsOf(next, &most_flows);
  const size_t most =
      request.max_contacts != 0 ? request.max_contacts : limits.max_contacts;
  if ((after > before && after > most) || most_flows > kMaxFlowsOfInstance) {
    return MakeError(absl::StatusCode::kPermissionDenied, "CONTACT_LIMIT",
                     "the user has as many contacts as it may");
  }
  return next;
}

}  // namespace sallyport::signaling_edge
