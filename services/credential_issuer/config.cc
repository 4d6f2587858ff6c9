#include "services/credential_issuer/config.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"
#include "services/common/sql/store_config.h"

namespace sallyport::credential_issuer {
namespace {

using Config = config::v1::CredentialIssuerConfig;

// "a" of "tenants/a"; empty for all else.
std::string TenantOf(const config::v1::TenantPolicyConfig& policy) {
  constexpr std::string_view kPrefix = "tenants/";
  if (policy.tenant().rfind(kPrefix, 0) != 0) return "";
  return policy.tenant().substr(kPrefix.size());
}

void CheckUris(const std::string& field,
               const google::protobuf::RepeatedPtrField<std::string>& uris,
               ConfigFaults* faults) {
  for (int i = 0; i < uris.size(); ++i) {
    const auto uri = ParseTurnUri(uris.Get(i));
    if (uri.ok()) continue;
    faults->Add(
        absl::StrCat(field, "[", i, "]"),
        absl::StrCat("is no TURN URI: ", std::string(uri.status().message())));
  }
}

void AddAddresses(const google::protobuf::RepeatedPtrField<std::string>& uris,
                  ClientNetwork network, StaticRelay* relay) {
  for (const std::string& text : uris) {
    auto uri = ParseTurnUri(text);
    if (!uri.ok()) continue;  // ValidateConfig refused it
    relay->addresses.push_back({relay->relay, network, *std::move(uri)});
  }
}

// As media_relay wants it: less carries no call.
constexpr uint64_t kLeastBytesPerSecond = 1000;

void CheckTenantPolicies(const Config& config, ConfigFaults* faults) {
  std::set<std::string> tenants;
  for (int i = 0; i < config.tenant_policies_size(); ++i) {
    const config::v1::TenantPolicyConfig& policy = config.tenant_policies(i);
    const std::string field = absl::StrCat("tenant_policies[", i, "]");
    if (!IsTenantId(TenantOf(policy))) {
      faults->Add(field + ".tenant", "must be tenants/{tenant}");
    } else if (!tenants.insert(policy.tenant()).second) {
      faults->Add(field + ".tenant", "is given twice");
    }
    for (const auto& [name, rate] :
         {std::pair(".max_allocation_bytes_per_second",
                    policy.max_allocation_bytes_per_second()),
          std::pair(".max_subject_bytes_per_second",
                    policy.max_subject_bytes_per_second()),
          std::pair(".max_tenant_bytes_per_second",
                    policy.max_tenant_bytes_per_second())}) {
      if (rate != 0 && rate < kLeastBytesPerSecond) {
        faults->Add(field + name,
                    absl::StrCat("is under ", kLeastBytesPerSecond));
      }
    }
    CheckDuration(field + ".max_lifetime", policy.max_lifetime(), faults);
    CheckDuration(field + ".default_lifetime", policy.default_lifetime(),
                  faults);
    for (const auto& [name, value] :
         {std::pair(".max_lifetime", FromProto(policy.max_lifetime())),
          std::pair(".default_lifetime",
                    FromProto(policy.default_lifetime()))}) {
      if (value > absl::ZeroDuration() && value < absl::Seconds(1)) {
        faults->Add(field + name, "must be at least one second");
      }
    }
  }
}

}  // namespace

void ValidateConfig(const Config& config, ConfigFaults* faults) {
  CheckStoreConfig("store", config.store(), faults);
  faults->Require("master_key_file", config.master_key_file());
  for (int i = 0; i < config.accepted_master_key_files_size(); ++i) {
    const std::string& file = config.accepted_master_key_files(i);
    const std::string field =
        absl::StrCat("accepted_master_key_files[", i, "]");
    faults->Require(field, file);
    if (file == config.master_key_file()) {
      faults->Add(field, "is master_key_file itself");
    }
  }
  if (config.realm().size() > 127) {
    faults->Add("realm", "must have at most 127 characters");
  }
  CheckDuration("max_lifetime", config.max_lifetime(), faults);
  CheckDuration("default_lifetime", config.default_lifetime(), faults);
  CheckDuration("rotation_interval", config.rotation_interval(), faults);
  CheckDuration("activation_delay", config.activation_delay(), faults);
  CheckDuration("watch_heartbeat_interval", config.watch_heartbeat_interval(),
                faults);
  CheckDuration("acknowledge_timeout", config.acknowledge_timeout(), faults);
  CheckDuration("audit_retention", config.audit_retention(), faults);
  CheckTenantPolicies(config, faults);
  const KeyRingPolicy ring = RingPolicyOf(config);
  // More often, and more keys than KeyRing::kMaxKeys would overlap.
  if (ring.rotation_interval < absl::Hours(1)) {
    faults->Add("rotation_interval", "must be at least one hour");
  }
  if (ring.activation_delay > ring.rotation_interval / 2) {
    faults->Add("activation_delay", "must be at most half rotation_interval");
  }
  if (ring.acknowledge_timeout > ring.rotation_interval / 2) {
    faults->Add("acknowledge_timeout",
                "must be at most half rotation_interval");
  }
  if (LimitsOf(config).default_lifetime < absl::Seconds(1)) {
    faults->Add("default_lifetime", "must be at least one second");
  }
  std::set<std::string> names;
  for (int i = 0; i < config.relays_size(); ++i) {
    const config::v1::RelayConfig& relay = config.relays(i);
    const std::string field = absl::StrCat("relays[", i, "]");
    faults->Require(field + ".relay", relay.relay());
    if (!names.insert(relay.relay()).second) {
      faults->Add(field + ".relay", "is given twice");
    }
    if (relay.internet_uris().empty() && relay.intranet_uris().empty()) {
      faults->Add(field, "has no address");
    }
    CheckUris(field + ".internet_uris", relay.internet_uris(), faults);
    CheckUris(field + ".intranet_uris", relay.intranet_uris(), faults);
  }
  for (int i = 0; i < config.issue_callers_size(); ++i) {
    if (config.issue_callers(i).empty() ||
        config.issue_callers(i).find('/') != std::string::npos) {
      faults->Add(absl::StrCat("issue_callers[", i, "]"),
                  "must be the last part of a service's identity");
    }
  }
}

IssueLimits LimitsOf(const Config& config) {
  IssueLimits out;
  out.max_lifetime =
      std::min(kMaxCredentialLifetime,
               FromProtoOr(config.max_lifetime(), kMaxCredentialLifetime));
  out.default_lifetime =
      FromProtoOr(config.default_lifetime(), out.default_lifetime);
  if (config.max_issues_per_second() != 0) {
    out.per_tenant_second = config.max_issues_per_second();
  }
  if (config.max_issues_per_subject_minute() != 0) {
    out.per_subject_minute = config.max_issues_per_subject_minute();
  }
  if (config.max_issues_per_caller_second() != 0) {
    out.per_caller_second = config.max_issues_per_caller_second();
  }
  for (const config::v1::TenantPolicyConfig& policy :
       config.tenant_policies()) {
    TenantPolicy& own = out.tenants[TenantOf(policy)];
    own.disabled = policy.disabled();
    own.max_lifetime = FromProto(policy.max_lifetime());
    own.default_lifetime = FromProto(policy.default_lifetime());
    own.per_second = policy.max_issues_per_second();
  }
  return out;
}

v1::TenantMediaLimitsList MediaLimitsOf(const Config& config) {
  v1::TenantMediaLimitsList out;
  for (const config::v1::TenantPolicyConfig& policy :
       config.tenant_policies()) {
    v1::TenantMediaLimits limits;
    limits.set_max_allocation_bytes_per_second(
        policy.max_allocation_bytes_per_second());
    limits.set_max_subject_bytes_per_second(
        policy.max_subject_bytes_per_second());
    limits.set_max_tenant_bytes_per_second(
        policy.max_tenant_bytes_per_second());
    limits.set_max_allocations(policy.max_allocations());
    limits.set_max_allocations_per_subject(
        policy.max_allocations_per_subject());
    if (limits.ByteSizeLong() == 0) continue;
    limits.set_tenant(policy.tenant());
    *out.add_tenants() = std::move(limits);
  }
  return out;
}

std::vector<std::string> LimitFields() {
  return {"max_lifetime",
          "default_lifetime",
          "max_issues_per_second",
          "max_issues_per_subject_minute",
          "max_issues_per_caller_second",
          "tenant_policies"};
}

KeyRingPolicy RingPolicyOf(const Config& config) {
  KeyRingPolicy out;
  out.rotation_interval =
      FromProtoOr(config.rotation_interval(), out.rotation_interval);
  out.activation_delay =
      FromProtoOr(config.activation_delay(), out.activation_delay);
  out.acknowledge_timeout =
      FromProtoOr(config.acknowledge_timeout(), out.acknowledge_timeout);
  return out;
}

std::string RealmOf(const Config& config) {
  return config.realm().empty() ? "sallyport" : config.realm();
}

std::vector<StaticRelay> RelaysOf(const Config& config) {
  std::vector<StaticRelay> out;
  for (const config::v1::RelayConfig& relay : config.relays()) {
    StaticRelay& entry = out.emplace_back();
    entry.relay = relay.relay();
    entry.location = relay.location();
    entry.weight = std::max(1u, relay.weight());
    AddAddresses(relay.internet_uris(), ClientNetwork::kInternet, &entry);
    AddAddresses(relay.intranet_uris(), ClientNetwork::kIntranet, &entry);
  }
  return out;
}

absl::Duration AuditRetentionOf(const Config& config) {
  return FromProtoOr(config.audit_retention(), absl::Hours(24 * 30));
}

absl::Duration HeartbeatOf(const Config& config) {
  return FromProtoOr(config.watch_heartbeat_interval(), absl::Seconds(15));
}

}  // namespace sallyport::credential_issuer
