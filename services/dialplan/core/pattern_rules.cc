#include "services/dialplan/core/pattern_rules.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/number_rules.h"

namespace sallyport::dialplan {
namespace {

// The pattern, and what it changes.
template <typename Entry>
void CheckMatched(const RuleContext& c, const std::string& kind,
                  const Entry& entry) {
  const std::optional<DialPattern> pattern =
      CheckPattern(c, kind + ".pattern", entry.pattern, entry.numbering_plan);
  CheckCalledChange(c, kind + ".called_party", entry.transformation,
                    pattern.has_value() ? &*pattern : nullptr);
  CheckCallingChange(c, kind + ".calling_party", entry.transformation);
}

void CheckCause(const RuleContext& c, const std::string& kind, uint32_t cause) {
  if (cause > 127) {  // Q.850
    c.Add(kind + ".block.cause", "VALUE_OUT_OF_RANGE", "must be 0 to 127");
  }
}

void CheckSipDomain(const RuleContext& c, const RoutePatternEntry& entry) {
  if (!entry.pattern.empty()) {
    c.Add("route_pattern.sip_domain", "VALUE_CONFLICT",
          "it routes digits by its pattern or addresses by their host");
  }
  const std::string host =
      entry.sip_domain.substr(entry.sip_domain[0] == '.' ? 1 : 0);
  if (!IsHostName(host)) {
    c.Add("route_pattern.sip_domain", "HOST_NAME_INVALID",
          "must be a host name, or '.' and a host name");
  }
  CheckCallingChange(c, "route_pattern.calling_party", entry.transformation);
  Transformation called;
  called.discard = entry.transformation.discard;
  called.called_mask = entry.transformation.called_mask;
  called.called_prefix = entry.transformation.called_prefix;
  if (called != Transformation()) {
    c.Add("route_pattern.called_party", "VALUE_CONFLICT",
          "an address has no digits to change");
  }
}

}  // namespace

void CheckSearchSpace(const RuleContext& c,
                      const CallingSearchSpaceEntry& css) {
  CheckDistinct(c, "calling_search_space.partitions", css.partitions);
}

void CheckRoutePattern(const RuleContext& c, const RoutePatternEntry& entry) {
  if (entry.sip_domain.empty()) {
    CheckMatched(c, "route_pattern", entry);
  } else {
    CheckSipDomain(c, entry);
  }
  CheckCause(c, "route_pattern", entry.block_cause);
  if (entry.action != PatternAction::kRoute) return;
  if (entry.peer.empty() && entry.route_list.empty()) {
    c.Add("route_pattern.peer", "DESTINATION_REQUIRED",
          "a pattern goes to a peer or a route list, or is blocked");
    return;
  }
  const RoutePatternEntry* old = c.Before<RoutePatternEntry>();
  if (!entry.peer.empty() && (old == nullptr || old->peer != entry.peer)) {
    CheckChosenPeer(c, "route_pattern.peer", entry.peer);
  }
  const RouteListEntry* list = c.plan.Get<RouteListEntry>(entry.route_list);
  if (list != nullptr && list->disabled &&
      (old == nullptr || old->route_list != entry.route_list)) {
    c.Add("route_pattern.route_list", "ROUTE_LIST_DISABLED",
          absl::StrCat(entry.route_list, " is disabled"));
  }
}

void CheckTranslation(const RuleContext& c,
                      const TranslationPatternEntry& entry) {
  CheckMatched(c, "translation_pattern", entry);
  CheckCause(c, "translation_pattern", entry.block_cause);
  const bool blocks = entry.action == PatternAction::kBlock;
  const std::string field = "translation_pattern.calling_search_space";
  if (entry.calling_search_space.empty()) {
    if (!blocks && !entry.use_originator_search_space) {
      c.Add(field, "VALUE_REQUIRED",
            "say where the new number is looked up, or use the caller's");
    }
  } else if (entry.use_originator_search_space) {
    c.Add(field, "VALUE_CONFLICT",
          "the new number is looked up there or as the caller would");
  }
}

void CheckCalledTransformation(const RuleContext& c,
                               const CalledPartyTransformationEntry& entry) {
  const std::optional<DialPattern> pattern =
      CheckPattern(c, "called_party_transformation.pattern", entry.pattern,
                   entry.numbering_plan);
  CheckCalledChange(c, "called_party_transformation.change",
                    entry.transformation,
                    pattern.has_value() ? &*pattern : nullptr);
}

void CheckCallingTransformation(const RuleContext& c,
                                const CallingPartyTransformationEntry& entry) {
  CheckPattern(c, "calling_party_transformation.pattern", entry.pattern,
               entry.numbering_plan);
  CheckCallingChange(c, "calling_party_transformation.change",
                     entry.transformation);
}

}  // namespace sallyport::dialplan
