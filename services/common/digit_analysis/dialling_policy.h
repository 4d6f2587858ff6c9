// What callers may dial: dialling restrictions, compiled (UM-12).

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIALLING_POLICY_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIALLING_POLICY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// "local", "national"...
std::string_view TollClassName(TollClass toll_class);

// Says of a call whether its caller may make it. Denied by default: without a
// restriction only the classes kInternal and kEmergency may be dialled. A
// restriction's rules come first, the first that matches decides; then the
// classes that it allows. A kEmergency call is never denied, by no rule.
// Immutable.
class DiallingPolicy {
 public:
  struct Verdict {
    bool allowed = false;
    std::string detail;  // why, for an operator; see Check()
  };

  // kInvalidArgument, as DialPattern::Parse, for a rule's number mask.
  static absl::StatusOr<DiallingPolicy> Compile(const PlanSnapshot& snapshot);

  // `restriction` may be empty; `number` is what was dialled, or empty if that
  // was no number. `inside`: it stays in the installation, as a call to a
  // line; only a rule can deny it then. `explain`: why it is allowed is said
  // too, not only why it is not.
  Verdict Check(std::string_view restriction, std::string_view number,
                TollClass toll_class, bool inside, bool explain = true) const;
  // nullptr if there is none of that name; lives as long as the snapshot.
  const DiallingRestrictionEntry* Find(std::string_view restriction) const;

 private:
  struct Rule {
    std::vector<DialPattern> patterns;  // any of them
    const DiallingRule* rule;
  };
  struct Restriction {
    uint32_t allowed = 0;  // bit i: the class i
    std::vector<Rule> rules;
    const DiallingRestrictionEntry* entry = nullptr;
  };

  absl::flat_hash_map<std::string_view, Restriction> restrictions_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_DIALLING_POLICY_H_
