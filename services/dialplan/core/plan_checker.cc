#include "services/dialplan/core/plan_checker.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/number.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/transform.h"
#include "services/common/status/error_reason.h"
#include "services/dialplan/core/host_text.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;
// Referrers told in an error; the rest is counted.
constexpr size_t kNamedReferrers = 5;

template <typename... Pieces>
std::string At(const char* field, size_t i, Pieces... rest) {
  return absl::StrCat(field, "[", i, "]", rest...);
}

bool IsWord(std::string_view text, std::string_view extra) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           extra.find(c) != std::string_view::npos;
  });
}

// Gathers the faults of one write. Thread-compatible.
class Checker {
 public:
  Checker(const Plan& plan, const PlanRecord* before)
      : plan_(plan), before_(before) {}

  PlanFaults Run(const PlanRecord& record) {
    CheckReferences(record);
    CheckKeys(record.name());
    std::visit([this](const auto& entry) { Check(entry); }, record.entry);
    return std::move(faults_);
  }

 private:
  void Add(std::string field, std::string_view reason,
           std::string description) {
    faults_.push_back(
        {std::move(field), std::string(reason), std::move(description)});
  }
  // A fault that a parser of digit_analysis found.
  void AddStatus(std::string field, const absl::Status& status) {
    if (status.ok()) return;
    Add(std::move(field), ReasonOf(status), std::string(status.message()));
  }

  void CheckReferences(const PlanRecord& record) {
    const std::string_view tenant = TenantOf(record.name());
    if (tenant != record.name() && plan_.Get<TenantEntry>(tenant) == nullptr) {
      Add("parent", "REFERENCE_NOT_FOUND",
          absl::StrCat(AbslView(tenant), " does not exist"));
    }
    for (const Reference& reference : record.references) {
      const std::string prefix =
          absl::StrCat(AbslView(tenant), "/", reference.collection, "/");
      if (reference.target.compare(0, prefix.size(), prefix) != 0) {
        Add(reference.field, "REFERENCE_WRONG_KIND",
            absl::StrCat("must be the name of one of ", prefix, "*"));
      } else if (plan_.Find(reference.target) == nullptr) {
        Add(reference.field, "REFERENCE_NOT_FOUND",
            absl::StrCat(reference.target, " does not exist"));
      }
    }
  }

  void CheckKeys(const std::string& name) {
    std::set<std::string_view> own;
    for (const UniqueKey& key : plan_.KeysOf(name)) {
      if (!own.insert(key.key).second) {
        Add(key.field, "DUPLICATE_VALUE", "it is given twice");
      }
      for (const std::string& holder : plan_.HoldersOf(key.key)) {
        if (holder == name) continue;
        // Another tenant's names are nobody's business here.
        const bool same = TenantOf(holder) == TenantOf(name);
        Add(key.field, ReasonOfKey(key.key),
            absl::StrCat(DescriptionOfKey(key.key), " by ",
                         same ? holder : std::string("another tenant")));
      }
    }
  }

  static std::string_view ReasonOfKey(const std::string& key) {
    if (key.rfind("subject/", 0) == 0) return "PEER_SUBJECT_NOT_UNIQUE";
    if (key.rfind("source/", 0) == 0) return "PEER_ADDRESS_NOT_UNIQUE";
    if (key.rfind("domain/", 0) == 0) return "DOMAIN_NOT_UNIQUE";
    if (key.rfind("device/", 0) == 0) return "DEVICE_NAME_NOT_UNIQUE";
    if (key.rfind("pattern/", 0) == 0) return "PATTERN_NOT_UNIQUE";
    if (key.rfind("number/", 0) == 0) return "NUMBER_NOT_UNIQUE";
    return "USERNAME_NOT_UNIQUE";
  }

  static const char* DescriptionOfKey(const std::string& key) {
    if (key.rfind("subject/", 0) == 0) {
      return "the pair of subject name and incoming port is held";
    }
    if (key.rfind("source/", 0) == 0) {
      return "the pair of address and incoming port is held";
    }
    if (key.rfind("pattern/", 0) == 0) {
      return "the same pattern in the same partition is held";
    }
    return "it is held";
  }

  void Check(const TenantEntry& tenant) {
    for (size_t i = 0; i < tenant.domains.size(); ++i) {
      if (!IsHostName(tenant.domains[i])) {
        Add(At("tenant.domains", i), "DOMAIN_INVALID", "must be a host name");
      }
    }
    const std::string prefix = tenant.name + "/";
    // Only what a change can break is looked at again.
    const TenantEntry* old = before_ == nullptr
                                 ? nullptr
                                 : std::get_if<TenantEntry>(&before_->entry);
    if (old == nullptr) return;
    if (old->domains != tenant.domains) {
      for (const UserEntry* user : plan_.Under<UserEntry>(prefix)) {
        if (std::find(tenant.domains.begin(), tenant.domains.end(),
                      user->domain) == tenant.domains.end()) {
          Add("tenant.domains", "DOMAIN_IN_USE",
              absl::StrCat(user->name, " is in ", user->domain));
        }
      }
    }
    if (tenant.rtm_profile && !old->rtm_profile) {
      for (const DialPlanEntry* p : plan_.Under<DialPlanEntry>(prefix)) {
        if (p->security_mode == SecurityMode::kSecured) {
          Add("tenant.compatibility_profile", "SECURITY_MODE_NOT_AVAILABLE",
              absl::StrCat(p->name, " is SECURED, which this profile lacks"));
        }
      }
    }
    if (old->default_dial_plan != tenant.default_dial_plan) {
      CheckMembers("tenant.default_dial_plan", tenant.name);
    }
  }

  void Check(const DialPlanEntry& plan) {
    if (plan.extension_digits < 1 || plan.extension_digits > 20) {
      Add("dial_plan.number_of_digits_in_extension", "VALUE_OUT_OF_RANGE",
          "must be 1 to 20");
    }
    const DialPlanEntry* old =
        before_ == nullptr ? nullptr
                           : std::get_if<DialPlanEntry>(&before_->entry);
    const bool mode_changed =
        old != nullptr && old->security_mode != plan.security_mode;
    if (old != nullptr) {
      if (old->extension_digits != plan.extension_digits) {
        Add("dial_plan.number_of_digits_in_extension", "FIELD_IMMUTABLE",
            "it is fixed when the plan is created");
      }
      if (old->uri_type != plan.uri_type) {
        Add("dial_plan.uri_type", "FIELD_IMMUTABLE",
            "it is fixed when the plan is created");
      }
    }
    const TenantEntry* tenant = plan_.Get<TenantEntry>(TenantOf(plan.name));
    if (tenant != nullptr && tenant->rtm_profile) {
      CheckRtm(plan, mode_changed, old);
    }
    if (mode_changed) {
      CheckMembers("dial_plan.security_mode", std::string(TenantOf(plan.name)));
    }
  }

  void CheckRtm(const DialPlanEntry& plan, bool mode_changed,
                const DialPlanEntry* old) {
    if (plan.security_mode == SecurityMode::kSecured) {
      // UM-83
      Add("dial_plan.security_mode", "SECURITY_MODE_NOT_AVAILABLE",
          "the tenant's compatibility profile has no SRTP");
    }
    if (mode_changed && !old->edges.empty() && !plan.edges.empty()) {
      // UM-88
      Add("dial_plan.security_mode", "EDGES_STILL_ASSOCIATED",
          "remove the associated edges first, then change the mode");
    }
    // UM-87
    for (const DialPlanEntry* other : plan_.Under<DialPlanEntry>(
             std::string(TenantOf(plan.name)) + "/dialPlans/")) {
      if (other->security_mode == plan.security_mode) continue;
      for (size_t i = 0; i < plan.edges.size(); ++i) {
        if (std::find(other->edges.begin(), other->edges.end(),
                      plan.edges[i]) != other->edges.end()) {
          Add(At("dial_plan.associated_edges", i), "EDGE_HAS_OTHER_MODE",
              absl::StrCat("it serves ", other->name,
                           ", which has another security mode"));
        }
      }
    }
  }

  // The peers of a tenant, after a change of what they inherit; what is wrong
  // with them is blamed on `field`, as nothing was before.
  void CheckMembers(const std::string& field, const std::string& tenant) {
    for (const PeerEntry* peer : plan_.Under<PeerEntry>(tenant + "/peers/")) {
      Checker inner(plan_, nullptr);
      inner.Check(*peer);
      inner.CheckKeys(peer->name);
      for (const PlanFault& fault : inner.faults_) {
        Add(field, fault.reason,
            absl::StrCat(peer->name, ": ", fault.description));
      }
    }
  }

  void Check(const PeerEntry& configured) {
    const PeerEntry peer = plan_.Effective(configured);
    if (peer.fqdn.empty() && peer.address.empty()) {
      Add("peer.fqdn", "PEER_HAS_NO_ADDRESS", "give an FQDN or an address");
    }
    if (!peer.fqdn.empty() && !IsHostName(peer.fqdn)) {
      Add("peer.fqdn",
          IsAddress(peer.fqdn) ? "PEER_FQDN_REQUIRED" : "HOST_NAME_INVALID",
          IsAddress(peer.fqdn) ? "an address is no FQDN"
                               : "must be a host name");
    }
    if (!peer.address.empty() && !IsAddress(peer.address)) {
      Add("peer.address", "ADDRESS_INVALID",
          "must be an IPv4 or IPv6 address, without brackets or port");
    }
    if (peer.port > 65535) {
      Add("peer.port", "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
    }
    if (peer.incoming_port > 65535) {
      Add("peer.incoming_port", "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
    }
    for (size_t i = 0; i < peer.x509_subjects.size(); ++i) {
      if (!IsSubjectName(peer.x509_subjects[i])) {
        Add(At("peer.x509_subject_names", i), "SUBJECT_NAME_INVALID",
            "must be a host name or sip: and a host name, without wildcard");
      }
    }
    for (size_t i = 0; i < peer.source_addresses.size(); ++i) {
      if (!IsAddressOrPrefix(peer.source_addresses[i])) {
        Add(At("peer.source_addresses", i), "ADDRESS_INVALID",
            "must be an address or a prefix");
      }
    }
    const DialPlanEntry* plan = plan_.Get<DialPlanEntry>(peer.dial_plan);
    if (plan == nullptr) {
      if (configured.dial_plan.empty()) {
        Add("peer.dial_plan", "DIAL_PLAN_REQUIRED",
            "it names none, and neither does its tenant");
      }
      return;  // a plan that does not exist was told as a reference
    }
    if (plan->security_mode == SecurityMode::kUnsecured) {
      CheckInClear(peer);
    } else {
      CheckSecured(peer);
    }
  }

  void CheckInClear(const PeerEntry& peer) {
    if (peer.transport == SipTransport::kTls) {
      Add("peer.transport", "PEER_TRANSPORT_NOT_CLEAR",
          "its dial plan is UNSECURED: choose UDP or TCP");
    }
    if (peer.incoming_port == kSipTlsPort) {
      Add("peer.incoming_port", "PEER_INCOMING_PORT_IS_TLS",
          "5061 takes TLS only, and its dial plan is UNSECURED");
    }
  }

  void CheckSecured(const PeerEntry& peer) {
    // UM-66: by FQDN, and on 5061.
    if (peer.fqdn.empty()) {
      Add("peer.fqdn", "PEER_FQDN_REQUIRED",
          "a peer of a secured dial plan is known by its FQDN");
    }
    if (peer.port != kSipTlsPort) {
      Add("peer.port", "PEER_PORT_NOT_5061",
          "a peer of a secured dial plan listens on 5061");
    }
    if (peer.transport != SipTransport::kTls) {
      Add("peer.transport", "PEER_TRANSPORT_NOT_TLS",
          "a peer of a secured dial plan is reached over TLS");
    }
    if (peer.incoming_port == kSipPort) {
      Add("peer.incoming_port", "PEER_INCOMING_PORT_IS_CLEAR",
          "5060 is in clear, and its dial plan is secured");
    }
  }

  void Check(const UserEntry& user) {
    if (user.username.size() > 64 || !IsWord(user.username, "._~!*+-#")) {
      Add("user.username", "USERNAME_INVALID",
          "must be 1 to 64 letters, digits and . _ ~ ! * + - #");
    }
    const TenantEntry* tenant = plan_.Get<TenantEntry>(TenantOf(user.name));
    if (tenant != nullptr) {
      if (std::find(tenant->domains.begin(), tenant->domains.end(),
                    user.domain) == tenant->domains.end()) {
        Add("user.domain", "DOMAIN_UNKNOWN",
            user.domain.empty() ? "the tenant has no domain"
                                : "it is not one of the tenant's domains");
      }
      if (plan_.Effective(user).dial_plan.empty()) {
        Add("user.dial_plan", "DIAL_PLAN_REQUIRED",
            "neither the user nor its phone nor its tenant names one");
      }
    }
    for (size_t i = 0; i < user.phone_numbers.size(); ++i) {
      const absl::StatusOr<Number> number =
          Number::Parse(user.phone_numbers[i]);
      if (!number.ok()) {
        AddStatus(At("user.phone_numbers", i), number.status());
      } else if (number->text() != user.phone_numbers[i]) {
        Add(At("user.phone_numbers", i), "NUMBER_INVALID",
            "write it without separators");
      }
    }
    if (user.max_contacts > 100) {
      Add("user.max_contacts", "VALUE_OUT_OF_RANGE", "must be 0 to 100");
    }
    CheckCredentials(user);
  }

  // A hash holds the name, the realm and the algorithm that it was made with.
  void CheckCredentials(const UserEntry& user) {
    const UserEntry* old =
        before_ == nullptr ? nullptr : std::get_if<UserEntry>(&before_->entry);
    if (old == nullptr || (old->ha1_md5.empty() && old->ha1_sha256.empty())) {
      return;
    }
    const bool same_hashes =
        old->ha1_md5 == user.ha1_md5 && old->ha1_sha256 == user.ha1_sha256;
    if (!same_hashes) return;
    const UserEntry was = plan_.Effective(*old);
    const UserEntry is = plan_.Effective(user);
    if (was.username != is.username || was.realm != is.realm) {
      Add("user.password", "PASSWORD_REQUIRED",
          "write it again: its hash holds the username and the realm");
    }
    const std::string& hash = user.digest_algorithm == DigestAlgorithm::kMd5
                                  ? user.ha1_md5
                                  : user.ha1_sha256;
    if (hash.empty()) {
      Add("user.password", "PASSWORD_REQUIRED",
          "write it again: there is no hash under this algorithm");
    }
  }

  void Check(const PhoneEntry& phone) {
    if (phone.device_name.size() > 128 || !IsWord(phone.device_name, ".-_")) {
      Add("phone.device_name", "DEVICE_NAME_INVALID",
          "must be 1 to 128 letters, digits and . - _");
    }
    const TenantEntry* tenant = plan_.Get<TenantEntry>(TenantOf(phone.name));
    if (tenant != nullptr && DialPlanOf(tenant, phone).empty()) {
      Add("phone.dial_plan", "DIAL_PLAN_REQUIRED",
          "it names none, and neither does its tenant");
    }
  }

  // Kinds that have no rules of their own.
  template <typename Entry>
  void Check(const Entry&) {}

  void Check(const CallingSearchSpaceEntry& css) {
    std::set<std::string_view> seen;
    for (size_t i = 0; i < css.partitions.size(); ++i) {
      if (!seen.insert(css.partitions[i]).second) {
        Add(At("calling_search_space.partitions", i), "DUPLICATE_VALUE",
            "it is given twice");
      }
    }
  }

  void Check(const RoutePatternEntry& entry) {
    const absl::StatusOr<DialPattern> pattern =
        DialPattern::Parse(entry.pattern);
    if (!pattern.ok()) {
      AddStatus("route_pattern.pattern", pattern.status());
    } else if (!pattern->has_dot() &&
               (entry.transformation.discard == DiscardDigits::kPreDot ||
                entry.transformation.discard ==
                    DiscardDigits::kPreDotTrailingPound)) {
      Add("route_pattern.called_party.discard_digits", "PATTERN_HAS_NO_DOT",
          "PreDot needs a '.' in the pattern");
    }
    AddStatus("route_pattern.called_party.transform_mask",
              CheckMask(entry.transformation.called_mask));
    AddStatus("route_pattern.called_party.prefix_digits",
              CheckPrefix(entry.transformation.called_prefix));
    AddStatus("route_pattern.calling_party.transform_mask",
              CheckMask(entry.transformation.calling_mask));
    AddStatus("route_pattern.calling_party.prefix_digits",
              CheckPrefix(entry.transformation.calling_prefix));
    if (entry.block_cause > 127) {
      Add("route_pattern.block.cause", "VALUE_OUT_OF_RANGE",
          "must be 0 to 127");
    }
    if (entry.action != PatternAction::kRoute) return;
    if (entry.peer.empty()) {
      Add("route_pattern.peer", "DESTINATION_REQUIRED",
          "a pattern goes to a peer or is blocked");
      return;
    }
    const PeerEntry* peer = plan_.Get<PeerEntry>(entry.peer);
    if (peer == nullptr) return;  // told as a reference
    // Only where it is chosen: a peer may be disabled afterwards, at once.
    const RoutePatternEntry* old =
        before_ == nullptr ? nullptr
                           : std::get_if<RoutePatternEntry>(&before_->entry);
    if (old != nullptr && old->peer == entry.peer) return;
    if (peer->status == PeerStatus::kDisabled) {
      Add("route_pattern.peer", "PEER_DISABLED",
          absl::StrCat(entry.peer, " is disabled"));
    }
    if (!peer->outcalls_allowed) {
      Add("route_pattern.peer", "OUTCALLS_NOT_ALLOWED",
          absl::StrCat(entry.peer, " may not be called: outcalls_allowed"));
    }
  }

  const Plan& plan_;
  const PlanRecord* before_;
  PlanFaults faults_;
};

}  // namespace

PlanFaults CheckWritten(const Plan& plan, const std::string& name,
                        const PlanRecord* before) {
  const RecordPtr record = plan.Find(name);
  if (record == nullptr) return {};
  return Checker(plan, before).Run(*record);
}

absl::Status CheckRemovable(const Plan& plan, const std::string& name) {
  std::vector<std::string> users(plan.ReferrersOf(name).begin(),
                                 plan.ReferrersOf(name).end());
  if (TenantOf(name) == name) {
    const std::string prefix = name + "/";
    for (auto it = plan.records().lower_bound(prefix);
         it != plan.records().end() &&
         it->first.compare(0, prefix.size(), prefix) == 0;
         ++it) {
      users.push_back(it->first);
    }
    // It may refer to what belongs to it.
    users.erase(std::remove(users.begin(), users.end(), name), users.end());
    std::sort(users.begin(), users.end());
    users.erase(std::unique(users.begin(), users.end()), users.end());
  }
  if (users.empty()) return absl::OkStatus();
  std::string message = absl::StrCat(name, " is used by ");
  for (size_t i = 0; i < users.size() && i < kNamedReferrers; ++i) {
    absl::StrAppend(&message, i == 0 ? "" : ", ", users[i]);
  }
  if (users.size() > kNamedReferrers) {
    absl::StrAppend(&message, " and ", users.size() - kNamedReferrers, " more");
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "RESOURCE_IN_USE",
                   message);
}

}  // namespace sallyport::dialplan
