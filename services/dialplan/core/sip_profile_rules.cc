#include "services/dialplan/core/sip_profile_rules.h"

#include <string>

#include "absl/time/time.h"

namespace sallyport::dialplan {

void CheckSipProfile(const RuleContext& c, const SipProfileEntry& profile) {
  // What was exported can be applied, and changes nothing.
  if (profile.name.ends_with(std::string("/") + kStandardSipProfile) &&
      (profile.settings != SipSettings() ||
       profile.monitoring != OptionsMonitoring())) {
    c.Add("sip_profile.name", "STANDARD_PROFILE_IMMUTABLE",
          "the standard profile has nothing set: make one of another name");
  }
  const SipSettings& set = profile.settings;
  // RFC 4028 section 4: nobody may have to refresh more often.
  if (set.session_expires != absl::ZeroDuration() &&
      (set.session_expires < absl::Seconds(90) ||
       set.session_expires > absl::Hours(24))) {
    c.Add("sip_profile.session_expires", "VALUE_OUT_OF_RANGE",
          "must be 90 s to 24 h, or zero");
  }
  if (set.min_session_expires == absl::ZeroDuration()) return;
  if (set.min_session_expires < absl::Seconds(90) ||
      set.min_session_expires > absl::Hours(1)) {
    c.Add("sip_profile.min_session_expires", "VALUE_OUT_OF_RANGE",
          "must be 90 s to 1 h, or zero");
  } else if (set.session_expires != absl::ZeroDuration() &&
             set.min_session_expires > set.session_expires) {
    c.Add("sip_profile.min_session_expires", "VALUE_CONFLICT",
          "it is longer than session_expires");
  }
}

}  // namespace sallyport::dialplan
