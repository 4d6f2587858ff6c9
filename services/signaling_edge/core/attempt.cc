#include "services/signaling_edge/core/attempt.h"

#include <algorithm>
#include <cstddef>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"

namespace sallyport::signaling_edge {
namespace {

int RankOf(int code) {
  if (code >= 600) return 0;
  if (code == 486) return 1;  // somebody is there
  if (code >= 400 && code < 500) return code == 480 || code == 408 ? 3 : 2;
  return code < 400 ? 4 : 5;
}

}  // namespace

SipTarget TargetOf(std::string_view uri_text) {
  SipTarget target;
  const auto uri = ParseSipUri(uri_text);
  if (!uri.ok()) return target;
  target.user = uri->DecodedUser();
  for (const char c : uri->host) target.host.push_back(ToLower(c));
  return target;
}

SipTarget CallerOf(const SipMessage& invite, const Party& caller) {
  const auto from = ParseNameAddr(invite.Value(HeaderId::kFrom));
  if (!from.ok()) return {};
  SipTarget target = TargetOf(from->uri);
  target.display_name = from->DisplayName();
  if (!IsAnonymous(from->uri)) return target;
  const bool trusted = caller.kind == Party::Kind::kPeer;
  for (const std::string_view item :
       invite.Items(trusted ? HeaderId::kPAssertedIdentity
                            : HeaderId::kPPreferredIdentity)) {
    const auto identity = ParseNameAddr(item);
    if (!identity.ok()) continue;
    SipTarget named = TargetOf(identity->uri);
    if (!named.user.empty()) return named;
  }
  return target;
}

const LineEntry* LineOfCaller(const Attempt& attempt, std::string_view number) {
  if (attempt.caller.kind != Party::Kind::kUser) return nullptr;
  const UserEntry* user = attempt.plan->index().User(attempt.caller.resource);
  if (user == nullptr) return nullptr;
  return attempt.plan->Of(attempt.caller.tenant)
      .callers()
      .LineOf(*user, number);
}

bool AsksForPrivacy(const SipMessage& invite) {
  bool asks = false;
  for (const std::string_view value : invite.All(HeaderId::kPrivacy)) {
    for (std::string_view rest = value; !rest.empty();) {
      const size_t end = std::min(rest.find_first_of(";,"), rest.size());
      const std::string_view one = TrimLws(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (EqualsIgnoreCase(one, "none")) return false;
      asks |= EqualsIgnoreCase(one, "id") || EqualsIgnoreCase(one, "user");
    }
  }
  return asks;
}

size_t BreadthOf(const SipMessage& invite) {
  constexpr uint32_t kDefault = 60;
  return std::min(
      ParseDeltaSeconds(invite.Value(HeaderId::kMaxBreadth)).value_or(kDefault),
      kDefault);
}

bool IsBetterFailure(int code, int than) { return RankOf(code) < RankOf(than); }

RingOutcome OutcomeOf(int code, std::string_view reason) {
  if (reason == "NO_ANSWER" && code != 404) return RingOutcome::kNoAnswer;
  switch (code) {
    case 486:
    case 600:
    case 603:
      return RingOutcome::kBusy;
    case 408:
    case 480:
    case 487:
      return RingOutcome::kNoAnswer;
    default:
      return RingOutcome::kNotAvailable;
  }
}

}  // namespace sallyport::signaling_edge
