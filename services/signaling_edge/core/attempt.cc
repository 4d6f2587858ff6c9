#include "services/signaling_edge/core/attempt.h"

#include <algorithm>
#include <cstddef>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

int RankOf(int code) {
  if (code >= 600) return 0;
  if (code == 486) return 1;  // somebody is there
  if (code >= 400 && code < 500) return code == 480 || code == 408 ? 3 : 2;
  return code < 400 ? 4 : 5;
}

}  // namespace

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
