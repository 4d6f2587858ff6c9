#include "services/dialplan/core/pattern_rules.h"

#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/transform.h"

namespace sallyport::dialplan {

void CheckSearchSpace(const RuleContext& c,
                      const CallingSearchSpaceEntry& css) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < css.partitions.size(); ++i) {
    if (!seen.insert(css.partitions[i]).second) {
      c.Add(ItemPath("calling_search_space.partitions", i), "DUPLICATE_VALUE",
            "it is given twice");
    }
  }
}

void CheckRoutePattern(const RuleContext& c, const RoutePatternEntry& entry) {
  const absl::StatusOr<DialPattern> pattern = DialPattern::Parse(entry.pattern);
  if (!pattern.ok()) {
    c.AddStatus("route_pattern.pattern", pattern.status());
  } else if (!pattern->has_dot() &&
             (entry.transformation.discard == DiscardDigits::kPreDot ||
              entry.transformation.discard ==
                  DiscardDigits::kPreDotTrailingPound)) {
    c.Add("route_pattern.called_party.discard_digits", "PATTERN_HAS_NO_DOT",
          "PreDot needs a '.' in the pattern");
  }
  c.AddStatus("route_pattern.called_party.transform_mask",
              CheckMask(entry.transformation.called_mask));
  c.AddStatus("route_pattern.called_party.prefix_digits",
              CheckPrefix(entry.transformation.called_prefix));
  c.AddStatus("route_pattern.calling_party.transform_mask",
              CheckMask(entry.transformation.calling_mask));
  c.AddStatus("route_pattern.calling_party.prefix_digits",
              CheckPrefix(entry.transformation.calling_prefix));
  if (entry.block_cause > 127) {
    c.Add("route_pattern.block.cause", "VALUE_OUT_OF_RANGE",
          "must be 0 to 127");
  }
  if (entry.action != PatternAction::kRoute) return;
  if (entry.peer.empty()) {
    c.Add("route_pattern.peer", "DESTINATION_REQUIRED",
          "a pattern goes to a peer or is blocked");
    return;
  }
  const PeerEntry* peer = c.plan.Get<PeerEntry>(entry.peer);
  if (peer == nullptr) return;  // told as a reference
  // Only where it is chosen: a peer may be disabled afterwards, at once.
  const RoutePatternEntry* old = c.Before<RoutePatternEntry>();
  if (old != nullptr && old->peer == entry.peer) return;
  if (peer->status == PeerStatus::kDisabled) {
    c.Add("route_pattern.peer", "PEER_DISABLED",
          absl::StrCat(entry.peer, " is disabled"));
  }
  if (!peer->outcalls_allowed) {
    c.Add("route_pattern.peer", "OUTCALLS_NOT_ALLOWED",
          absl::StrCat(entry.peer, " may not be called: outcalls_allowed"));
  }
}

}  // namespace sallyport::dialplan
