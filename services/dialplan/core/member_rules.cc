#include "services/dialplan/core/member_rules.h"

#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/dialplan/core/line_rules.h"
#include "services/dialplan/core/number_rules.h"

namespace sallyport::dialplan {
namespace {

// A hash holds the name, the realm and the algorithm that it was made with.
void CheckCredentials(const RuleContext& c, const UserEntry& user) {
  const UserEntry* old = c.Before<UserEntry>();
  if (old == nullptr || (old->ha1_md5.empty() && old->ha1_sha256.empty())) {
    return;
  }
  const bool same_hashes =
      old->ha1_md5 == user.ha1_md5 && old->ha1_sha256 == user.ha1_sha256;
  if (!same_hashes) return;
  const UserEntry was = c.plan.Effective(*old);
  const UserEntry is = c.plan.Effective(user);
  if (was.username != is.username || was.realm != is.realm) {
    c.Add("user.password", "PASSWORD_REQUIRED",
          "write it again: its hash holds the username and the realm");
  }
  const std::string& hash = user.digest_algorithm == DigestAlgorithm::kMd5
                                ? user.ha1_md5
                                : user.ha1_sha256;
  if (hash.empty()) {
    c.Add("user.password", "PASSWORD_REQUIRED",
          "write it again: there is no hash under this algorithm");
  }
}

// protocols.md section 7.1: how the dial plan's users are addressed.
void CheckNumberLength(const RuleContext& c, const UserEntry& user) {
  const DialPlanEntry* plan =
      c.plan.Get<DialPlanEntry>(c.plan.Effective(user).dial_plan);
  if (plan == nullptr) return;
  for (size_t i = 0; i < user.phone_numbers.size(); ++i) {
    const absl::StatusOr<Number> parsed = Number::Parse(user.phone_numbers[i]);
    if (!parsed.ok()) continue;  // told already
    const std::string& number = parsed->text();
    const bool global = number[0] == '+';
    if (plan->uri_type == UriType::kTelExtn && !global &&
        number.size() != plan->extension_digits) {
      c.Add(ItemPath("user.phone_numbers", i), "NUMBER_WRONG_LENGTH",
            absl::StrCat("an extension of ", plan->name, " has ",
                         plan->extension_digits, " digits"));
    } else if (plan->uri_type == UriType::kE164 && !global) {
      c.Add(ItemPath("user.phone_numbers", i), "NUMBER_NOT_E164",
            absl::StrCat("numbers of ", plan->name,
                         " are E.164: '+' and the country code first"));
    }
  }
}

}  // namespace

void CheckUser(const RuleContext& c, const UserEntry& user) {
  if (user.username.size() > 64 || !IsWord(user.username, "._~!*+-#")) {
    c.Add("user.username", "USERNAME_INVALID",
          "must be 1 to 64 letters, digits and . _ ~ ! * + - #");
  }
  if (c.plan.approved_only() &&
      user.digest_algorithm == DigestAlgorithm::kMd5) {
    c.Add("user.digest_algorithm", "NOT_ALLOWED_IN_FIPS_MODE",
          "MD5 is not approved: take SHA_256");
  }
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(user.name));
  if (tenant != nullptr) {
    if (std::find(tenant->domains.begin(), tenant->domains.end(),
                  user.domain) == tenant->domains.end()) {
      c.Add("user.domain", "DOMAIN_UNKNOWN",
            user.domain.empty() ? "the tenant has no domain"
                                : "it is not one of the tenant's domains");
    }
    if (c.plan.Effective(user).dial_plan.empty()) {
      c.Add("user.dial_plan", "DIAL_PLAN_REQUIRED",
            "neither the user nor its phone nor its tenant names one");
    }
  }
  for (size_t i = 0; i < user.phone_numbers.size(); ++i) {
    CheckNumber(c, ItemPath("user.phone_numbers", i), user.phone_numbers[i]);
  }
  CheckNumberLength(c, user);
  if (user.max_contacts > 100) {
    c.Add("user.max_contacts", "VALUE_OUT_OF_RANGE", "must be 0 to 100");
  }
  CheckCredentials(c, user);
}

void CheckPhone(const RuleContext& c, const PhoneEntry& phone) {
  if (phone.device_name.size() > 128 || !IsWord(phone.device_name, ".-_")) {
    c.Add("phone.device_name", "DEVICE_NAME_INVALID",
          "must be 1 to 128 letters, digits and . - _");
  }
  const TenantEntry* tenant = c.plan.Get<TenantEntry>(TenantOf(phone.name));
  if (tenant != nullptr && DialPlanOf(tenant, phone).empty()) {
    c.Add("phone.dial_plan", "DIAL_PLAN_REQUIRED",
          "it names none, and neither does its tenant");
  }
  CheckPhoneLines(c, phone);
}

}  // namespace sallyport::dialplan
