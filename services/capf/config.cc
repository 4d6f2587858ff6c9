#include "services/capf/config.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/certificate_profile.h"
#include "services/capf/core/est_message.h"
#include "services/capf/core/trust_store.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"
#include "services/common/http/http_url.h"
#include "services/common/sql/store_config.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr uint32_t kCapfPort = 3804;

void CheckLifetime(const std::string& field,
                   const google::protobuf::Duration& lifetime,
                   ProfileId profile, ConfigFaults* faults) {
  CheckDuration(field, lifetime, faults);
  if (FromProto(lifetime) > ProfileFor(profile).max_validity) {
    faults->Add(field, "is longer than the profile allows");
  }
}

void CheckAuthorityId(const std::string& field, const std::string& id,
                      ConfigFaults* faults) {
  if (id.size() > 63 ||
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") !=
          std::string::npos) {
    faults->Add(field, "is no id of an authority");
  }
}

void CheckNode(const std::string& field,
               const config::v1::PhoneNodeConfig& node, ConfigFaults* faults) {
  if (!IsDnsName(node.dns_name())) {
    faults->Add(field + ".dns_name", "is no host name");
  }
  if (!node.ip_address().empty() &&
      !SocketAddress::FromIp(node.ip_address(), 0).ok()) {
    faults->Add(field + ".ip_address", "is no address");
  }
  faults->Require(field + ".certificate_file", node.certificate_file());
  if (node.sip_port() > 65535) {
    faults->Add(field + ".sip_port", "is above 65535");
  }
  if (node.secured_sip_port() > 65535) {
    faults->Add(field + ".secured_sip_port", "is above 65535");
  }
}

void CheckRevocationFetch(const config::v1::RevocationFetchConfig& fetch,
                          ConfigFaults* faults) {
  if (fetch.urls_size() > 64) {
    faults->Add("revocation_fetch.urls", "are more than 64");
  }
  for (const std::string& url : fetch.urls()) {
    const std::optional<HttpUrl> parsed = ParseHttpUrl(url);
    if (!parsed.has_value()) {
      faults->Add("revocation_fetch.urls", "holds what is no http URL");
    } else if (parsed->tls && fetch.ca_file().empty()) {
      faults->Add("revocation_fetch.ca_file", "is required with https URLs");
    }
  }
  CheckDuration("revocation_fetch.refresh_interval", fetch.refresh_interval(),
                faults);
  CheckDuration("revocation_fetch.timeout", fetch.timeout(), faults);
  if (fetch.max_bytes() != 0 &&
      (fetch.max_bytes() < 1024 || fetch.max_bytes() > (32u << 20))) {
    faults->Add("revocation_fetch.max_bytes", "is not 1 KiB to 32 MiB");
  }
}

// Trust lists, and the ports that serve them.
void CheckPhoneFiles(const config::v1::CapfConfig& config,
                     ConfigFaults* faults) {
  if (!config.has_trust_lists()) {
    for (const auto& [field, address] :
         {std::pair("tftp_address", config.tftp_address()),
          std::pair("tvs_address", config.tvs_address()),
          std::pair("phone_http_address", config.phone_http_address())}) {
      if (!address.empty()) faults->Add(field, "needs trust_lists");
    }
    return;
  }
  const config::v1::TrustListConfig& lists = config.trust_lists();
  faults->Require("trust_lists.host", lists.host());
  CheckAuthorityId("trust_lists.certificate_authority",
                   lists.certificate_authority(), faults);
  if (lists.call_managers_size() > 5) {
    faults->Add("trust_lists.call_managers", "are more than 5");
  }
  for (int i = 0; i < lists.call_managers_size(); ++i) {
    CheckNode(absl::StrCat("trust_lists.call_managers[", i, "]"),
              lists.call_managers(i), faults);
  }
  if (!config.tvs_address().empty() &&
      !SocketAddress::Parse(config.tvs_address()).ok()) {
    faults->Add("tvs_address", "is no address with port");
  }
  if (!config.tftp_address().empty() &&
      !SocketAddress::Parse(config.tftp_address()).ok()) {
    faults->Add("tftp_address", "is no address with port");
  }
}

// Keys of ours never lie in clear. What opens them, and keys that are not ours
// and may, must not get into a backup of ours.
void CheckSecretFiles(const config::v1::CapfConfig& config,
                      ConfigFaults* faults) {
  const config::v1::AuthorityConfig& authority = config.authority();
  if (authority.passphrase_file().empty()) {
    faults->Add("authority.passphrase_file",
                "is required, as private keys are kept encrypted only "
                "(PASSPHRASE_MISSING)");
  }
  const auto folder =
      std::filesystem::path(KeyFolder(authority)).lexically_normal();
  for (const auto& [field, file] : {
           std::pair("authority.passphrase_file", authority.passphrase_file()),
           std::pair("authority.pkcs11.pin_file",
                     authority.pkcs11().pin_file()),
           std::pair("authority.est.key_file", authority.est().key_file()),
           std::pair("authority.est.password_file",
                     authority.est().password_file()),
           std::pair("capf.key_file", config.capf().key_file()),
           std::pair("server.tls.key_file", config.server().tls().key_file()),
       }) {
    if (file.empty()) continue;
    std::filesystem::path parent = std::filesystem::path(file).parent_path();
    if (parent.empty()) parent = ".";
    if (parent.lexically_normal() == folder) {
      faults->Add(field, "lies in the folder of capf's own keys");
    }
  }
}

// Without a path or with one that does not end with a slash.
void CheckListUrl(const std::string& field, const std::string& url,
                  ConfigFaults* faults) {
  if (url.empty()) return;
  const std::optional<HttpUrl> parsed = ParseHttpUrl(url);
  if (!parsed.has_value() || parsed->tls || url.back() == '/' ||
      url.find_first_of("?#") != std::string::npos) {
    faults->Add(field, "is not http://host[:port]/path");
  }
}

}  // namespace

std::string KeyFolder(const config::v1::AuthorityConfig& authority) {
  const std::string folder =
      std::filesystem::path(authority.has_pkcs11()
                                ? authority.certificate_file()
                                : authority.key_file())
          .parent_path();
  return folder.empty() ? "." : folder;
}

std::string DeltaUrl(const config::v1::CapfConfig& config) {
  if (!config.crl_delta_url().empty() || config.crl_http_address().empty()) {
    return config.crl_delta_url();
  }
  return config.crl_url();
}

void ValidateConfig(const config::v1::CapfConfig& config,
                    ConfigFaults* faults) {
  CheckStoreConfig("store", config.store(), faults);
  const config::v1::AuthorityConfig& authority = config.authority();
  if (authority.has_pkcs11()) {
    const config::v1::Pkcs11Config& token = authority.pkcs11();
    faults->Require("authority.pkcs11.module_file", token.module_file());
    faults->Require("authority.pkcs11.token_label", token.token_label());
    faults->Require("authority.pkcs11.key_label", token.key_label());
    faults->Require("authority.pkcs11.pin_file", token.pin_file());
    if (token.max_sessions() > 1000) {
      faults->Add("authority.pkcs11.max_sessions", "is above 1000");
    }
    if (!authority.key_file().empty()) {
      faults->Add("authority.key_file", "does not go with pkcs11");
    }
  } else {
    faults->Require("authority.key_file", authority.key_file());
  }
  if (authority.has_root()) {
    faults->Require("authority.root.key_file", authority.root().key_file());
    faults->Require("authority.root.certificate_file",
                    authority.root().certificate_file());
    const SubjectName root{.organization = authority.organization(),
                           .common_name = authority.root().common_name()};
    if (!CheckSubjectName(root).ok()) {
      faults->Add("authority.root.common_name",
                  "is not printable, or over 64 octets");
    }
  }
  if (authority.has_est()) {
    const config::v1::EstConfig& est = authority.est();
    if (!ParseEstUrl(est.url()).has_value()) {
      faults->Add("authority.est.url", "is not https://host[:port]/path");
    }
    faults->Require("authority.est.ca_file", est.ca_file());
    if (est.certificate_file().empty() != est.key_file().empty()) {
      faults->Add("authority.est.key_file", "goes with certificate_file");
    }
    if (est.certificate_file().empty() && est.password_file().empty()) {
      faults->Add("authority.est.password_file",
                  "it or certificate_file is required");
    }
    CheckDuration("authority.est.timeout", est.timeout(), faults);
    CheckDuration("authority.est.retry_interval", est.retry_interval(), faults);
    if (authority.has_root()) {
      faults->Add("authority.root", "does not go with est");
    }
  }
  if (const uint32_t bits = authority.rsa_bits();
      bits != 0 && bits != 2048 && bits != 3072 && bits != 4096) {
    faults->Add("authority.rsa_bits", "is not 2048, 3072 or 4096");
  }
  faults->Require("authority.certificate_file", authority.certificate_file());
  CheckSecretFiles(config, faults);
  const SubjectName subject{.organization = authority.organization(),
                            .common_name = authority.common_name()};
  if (!CheckSubjectName(subject).ok()) {
    faults->Add("authority.common_name",
                "it or organization is not printable, or over 64 octets");
  }
  CheckLifetime("authority.lifetime", authority.lifetime(),
                ProfileId::kAuthority, faults);

  const config::v1::CapfListenerConfig& capf = config.capf();
  if (capf.port() > 65535) faults->Add("capf.port", "is above 65535");
  if (!CapfAddress(capf).ok()) faults->Add("capf.address", "is no address");
  if (capf.certificate_file().empty() != capf.key_file().empty()) {
    faults->Add("capf.key_file", "goes with certificate_file");
  }
  if (capf.certificate_as_authority() && !capf.certificate_file().empty()) {
    faults->Add("capf.certificate_as_authority",
                "does not go with certificate_file");
  }
  CheckAuthorityId("capf.certificate_authority", capf.certificate_authority(),
                   faults);
  if (!capf.certificate_authority().empty() &&
      !capf.certificate_file().empty()) {
    faults->Add("capf.certificate_authority",
                "does not go with certificate_file");
  }
  if (!ListenerNames(capf).ok()) {
    faults->Add("capf.server_names",
                "holds what is not DNS:name or IP:address");
  }
  CheckDuration("capf.idle_timeout", capf.idle_timeout(), faults);
  CheckDuration("capf.key_generation_timeout", capf.key_generation_timeout(),
                faults);

  CheckLifetime("lifetimes.lsc", config.lifetimes().lsc(), ProfileId::kLsc,
                faults);
  CheckLifetime("lifetimes.server", config.lifetimes().server(),
                ProfileId::kSipServer, faults);
  CheckLifetime("lifetimes.client", config.lifetimes().client(),
                ProfileId::kClient, faults);
  CheckLifetime("lifetimes.service", config.lifetimes().service(),
                ProfileId::kService, faults);
  CheckLifetime("lifetimes.ctl_signer", config.lifetimes().ctl_signer(),
                ProfileId::kCtlSigner, faults);
  CheckPhoneFiles(config, faults);
  for (int i = 0; i < config.tenant_domains_size(); ++i) {
    const std::string field = absl::StrCat("tenant_domains[", i, "]");
    const config::v1::TenantDomainsConfig& one = config.tenant_domains(i);
    faults->Require(field + ".tenant", one.tenant());
    if (one.domains().empty()) faults->Add(field + ".domains", "is empty");
    for (const std::string& domain : one.domains()) {
      if (!IsDnsName(domain)) {
        faults->Add(field + ".domains", "holds what is no host name");
      }
    }
  }
  faults->Require("audit_file", config.audit_file());
  CheckDuration("watch_heartbeat_interval", config.watch_heartbeat_interval(),
                faults);
  CheckDuration("crl_lifetime", config.crl_lifetime(), faults);
  CheckListUrl("crl_delta_url", config.crl_delta_url(), faults);
  CheckListUrl("crl_url", config.crl_url(), faults);
  if (const std::string& address = config.crl_http_address();
      !address.empty() && !SocketAddress::Parse(address).ok()) {
    faults->Add("crl_http_address", "is no address with port");
  }
  for (const std::string& store : config.hard_revocation_stores()) {
    if (FindTrustStoreKind(store) == nullptr) {
      faults->Add("hard_revocation_stores", "holds no name of a trust store");
    }
  }
  CheckRevocationFetch(config.revocation_fetch(), faults);
  CheckClientConfig("dialplan", config.dialplan(), /*required=*/false, faults);
  if (config.max_failed_attempts() > 10) {
    faults->Add("max_failed_attempts", "is above 10");
  }
}

absl::StatusOr<SocketAddress> CapfAddress(
    const config::v1::CapfListenerConfig& config) {
  const uint32_t port = config.port() == 0 && !config.ephemeral_port()
                            ? kCapfPort
                            : config.port();
  const std::string ip =
      config.address().empty() ? "0.0.0.0" : config.address();
  return SocketAddress::FromIp(ip, static_cast<uint16_t>(port));
}

absl::StatusOr<SubjectAltNames> ListenerNames(
    const config::v1::CapfListenerConfig& config) {
  SubjectAltNames names;
  for (const std::string& name : config.server_names()) {
    if (name.rfind("DNS:", 0) == 0) {
      names.dns_names.push_back(name.substr(4));
    } else if (name.rfind("IP:", 0) == 0) {
      SP_ASSIGN_OR_RETURN(const SocketAddress address,
                          SocketAddress::FromIp(name.substr(3), 0));
      names.ip_addresses.push_back(ToString(address.ip_bytes()));
    } else {
      return MakeError(absl::StatusCode::kInvalidArgument, "SAN_INVALID",
                       "a name begins with DNS: or IP:");
    }
  }
  if (names.empty()) names.dns_names.emplace_back("localhost");
  SP_RETURN_IF_ERROR(CheckNames(ProfileFor(ProfileId::kPhoneServer),
                                {.common_name = "CAPF"}, names));
  return names;
}

std::vector<std::string> ForbiddenSettings(
    const config::v1::CapfConfig& config) {
  std::vector<std::string> out;
  if (config.capf().allow_legacy_tls()) {
    out.emplace_back("capf.allow_legacy_tls is set");
  }
  if (config.capf().allow_weak_keys()) {
    out.emplace_back("capf.allow_weak_keys is set");
  }
  return out;
}

std::vector<std::string> Watchers(const config::v1::CapfConfig& config) {
  if (config.watchers_size() == 0) return {"signaling_edge", "media_relay"};
  return {config.watchers().begin(), config.watchers().end()};
}

}  // namespace sallyport::capf
