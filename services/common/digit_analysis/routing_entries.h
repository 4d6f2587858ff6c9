// What digit analysis works on, of a plan_snapshot.h: partitions, patterns,
// transformations, route lists and dialling restrictions.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTING_ENTRIES_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTING_ENTRIES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport {

// What happens to a call that a pattern wins.
enum class PatternAction : uint8_t {
  kRoute,  // to where the pattern says
  kBlock,  // released: it counts as a match, so nothing else takes the call
};

// What a call costs. Without a dialling restriction that allows more, only the
// first two may be dialled (UM-12).
enum class TollClass : uint8_t {
  kInternal,
  kEmergency,
  kLocal,
  kNational,
  kInternational,
  kPremium,
};

// Which dialled digits are taken off before the masks (protocols.md 11.3).
enum class DiscardDigits : uint8_t {
  kNone,                 // "NoDigits": none is taken off
  kPreDot,               // up to the pattern's '.'
  kPreDotTrailingPound,  // and a '#' at the end
  kTrailingPound,
  // The rest needs '@' in the pattern.
  kPreAt,  // all before what '@' matched
  kPreAtTrailingPound,
  k11dTo10d,
  k11d10dTo7d,
  kIntlTollBypass,
  k1010Dialing,
  kIntlAccessIntlDirectDial,
  kPreDot1010Dialing,
  kPreDot11dTo10d,
  k1010DialingTrailingPound,
  k11d10dTo7dTrailingPound,
  k11dTo10dTrailingPound,
  kIntlTollBypassTrailingPound,
  kIntlAccessIntlDirectDialTrailingPound,
  kPreAt1010Dialing,
  kPreAt1010DialingTrailingPound,
  kPreAt11d10dTo7d,
  kPreAt11d10dTo7dTrailingPound,
  kPreAt11dTo10d,
  kPreAt11dTo10dTrailingPound,
  kPreAtIntlTollBypass,
  kPreAtIntlTollBypassTrailingPound,
  kPreAtIntlAccessIntlDirectDial,
  kPreAtIntlAccessIntlDirectDialTrailingPound,
  kPreDot1010DialingTrailingPound,
  kPreDot11d10dTo7d,
  kPreDot11d10dTo7dTrailingPound,
  kPreDot11dTo10dTrailingPound,
  kPreDotIntlTollBypass,
  kPreDotIntlTollBypassTrailingPound,
  kPreDotIntlAccessIntlDirectDial,
  kPreDotIntlAccessIntlDirectDialTrailingPound,
};
inline constexpr DiscardDigits kLastDiscardDigits =
    DiscardDigits::kPreDotIntlAccessIntlDirectDialTrailingPound;

// The digit changes of a pattern, in the order in which they are applied:
// called side discard, mask, prefix; calling side external mask, mask, prefix.
struct Transformation {
  DiscardDigits discard = DiscardDigits::kNone;
  std::string called_mask;  // right-aligned; X keeps a digit; empty = none
  std::string called_prefix;
  std::string calling_mask;
  std::string calling_prefix;
  // The line's external phone number mask comes before `calling_mask`.
  bool use_external_mask = false;
  bool restrict_presentation = false;  // the called party is not told

  bool operator==(const Transformation&) const = default;
};

struct PartitionEntry {
  std::string name;  // tenants/{tenant}/partitions/{partition}
  bool disabled = false;

  bool operator==(const PartitionEntry&) const = default;
};

struct CallingSearchSpaceEntry {
  std::string name;  // tenants/{tenant}/callingSearchSpaces/{css}
  // In order; the order breaks ties only. The null partition comes last,
  // unwritten, and is always reachable.
  std::vector<std::string> partitions;

  bool operator==(const CallingSearchSpaceEntry&) const = default;
};

struct RoutePatternEntry {
  std::string name;       // tenants/{tenant}/routePatterns/{route_pattern}
  std::string partition;  // empty = the null partition
  std::string pattern;    // dial_pattern.h says what may stand here
  PatternAction action = PatternAction::kRoute;
  std::string peer;          // where to, if the action is kRoute: this,
  std::string route_list;    // or this
  uint32_t block_cause = 0;  // Q.850, 1 to 127, if the action is kBlock
  TollClass toll_class = TollClass::kInternal;
  bool urgent_priority = false;
  bool disabled = false;
  Transformation transformation;
  // Instead of a pattern: SIP URIs with this host, or, after a '.', with any
  // host below it; lower case.
  std::string sip_domain;
  std::string numbering_plan;  // what '@' stands for; empty = "nanp"

  bool operator==(const RoutePatternEntry&) const = default;
};

// Changes the number and looks it up again.
struct TranslationPatternEntry {
  std::string name;  // tenants/{tenant}/translationPatterns/{pattern}
  std::string partition;
  std::string pattern;
  PatternAction action = PatternAction::kRoute;  // on, to the next lookup
  uint32_t block_cause = 0;
  std::string calling_search_space;  // of the next lookup
  bool use_originator_search_space = false;
  bool urgent_priority = true;
  bool disabled = false;
  Transformation transformation;
  std::string numbering_plan;

  bool operator==(const TranslationPatternEntry&) const = default;
};

// Changes the called number of calls that leave to a peer, if it matches. Of
// `transformation` the called side only.
struct CalledPartyTransformationEntry {
  std::string name;  // tenants/{tenant}/calledPartyTransformations/{id}
  std::string partition;
  std::string pattern;
  Transformation transformation;
  std::string numbering_plan;

  bool operator==(const CalledPartyTransformationEntry&) const = default;
};

// The same of the calling number: of `transformation` the calling side only.
struct CallingPartyTransformationEntry {
  std::string name;  // tenants/{tenant}/callingPartyTransformations/{id}
  std::string partition;
  std::string pattern;
  Transformation transformation;
  std::string numbering_plan;

  bool operator==(const CallingPartyTransformationEntry&) const = default;
};

// In which order the members of a route list are tried.
enum class RouteDistribution : uint8_t {
  kTopDown,   // from the first, for every call
  kCircular,  // from the one after the last used
};

struct RouteListMember {
  std::string peer;
  // Whether a side of `transformation` takes the place of the pattern's.
  bool overrides_called = false;
  bool overrides_calling = false;
  Transformation transformation;

  bool operator==(const RouteListMember&) const = default;
};

struct RouteListEntry {
  std::string name;  // tenants/{tenant}/routeLists/{route_list}
  std::vector<RouteListMember> members;
  RouteDistribution distribution = RouteDistribution::kTopDown;
  bool stop_on_busy = false;
  bool stop_on_unallocated_number = false;
  bool disabled = false;

  bool operator==(const RouteListEntry&) const = default;
};

struct DiallingRule {
  std::string group;        // as shown to the operator
  std::string number_mask;  // a pattern of the number as dialled
  bool allow = false;

  bool operator==(const DiallingRule&) const = default;
};

// How many calls of some classes there may be; 0: any number.
struct TollLimit {
  std::vector<TollClass> toll_classes;
  uint32_t calls_per_caller = 0;  // at a time
  uint32_t calls_per_tenant = 0;
  uint32_t calls_per_minute_per_caller = 0;
  uint32_t calls_per_minute_per_tenant = 0;

  bool operator==(const TollLimit&) const = default;
};

// Toll policy (UM-12): the first rule that matches decides, then the classes;
// what neither allows is denied, but for kEmergency.
struct DiallingRestrictionEntry {
  std::string name;  // tenants/{tenant}/diallingRestrictions/{id}
  std::vector<TollClass> allowed;
  std::vector<DiallingRule> rules;
  std::vector<TollLimit> toll_limits = {};

  bool operator==(const DiallingRestrictionEntry&) const = default;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_ROUTING_ENTRIES_H_
