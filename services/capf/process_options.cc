#include "services/capf/process_options.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "services/capf/config.h"
#include "services/common/config/proto_time.h"
#include "services/common/http/http_url.h"
#include "services/common/log/log.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {

using ::sallyport::FromProto;

namespace {

constexpr size_t kOwnDescriptors = 256;
constexpr size_t kLeastConnections = 64;

}  // namespace

RegistrationOptions RegistrationOptionsOf(const config::v1::CapfConfig& config,
                                          bool fips) {
  RegistrationOptions out;
  out.allow_weak_keys = config.capf().allow_weak_keys();
  out.refuse_sha1 = fips;
  out.lsc_validity = FromProto(config.lifetimes().lsc());
  if (config.max_failed_attempts() != 0) {
    out.max_failed_attempts = config.max_failed_attempts();
  }
  return out;
}

CapfLoop::Options LoopOptionsOf(const config::v1::CapfListenerConfig& capf) {
  CapfLoop::Options options;
  CapfSessionOptions& session = options.core.session;
  session.answer_timeout = FromProtoOr(capf.idle_timeout(), absl::Seconds(30));
  session.key_generation_timeout = FromProtoOr(capf.key_generation_timeout(),
                                               session.key_generation_timeout);
  if (capf.max_connections() != 0) {
    options.core.max_connections = capf.max_connections();
  }
  // A branch's phones share one address and wait long for their keys.
  options.core.max_connections_per_source =
      std::max<size_t>(64, options.core.max_connections / 4);
  // Phones must not take what operators, the store and the audit need.
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
      files.rlim_cur < options.core.max_connections + kOwnDescriptors) {
    const size_t room =
        std::max<size_t>(files.rlim_cur, kOwnDescriptors + kLeastConnections) -
        kOwnDescriptors;
    LogWarning(
        "fewer phones can be connected than the configuration allows, "
        "by the limit of descriptors",
        {{"configured", options.core.max_connections}, {"room", room}});
    options.core.max_connections = room;
  }
  const uint32_t per_second = capf.connections_per_second_per_source() == 0
                                  ? 10
                                  : capf.connections_per_second_per_source();
  options.core.source_interval = absl::Seconds(1) / per_second;
  options.core.source_burst = std::max<uint32_t>(2 * per_second, 20);
  return options;
}

ServiceCertificates::Options RenewalOptionsOf(
    const config::v1::CapfConfig& config, const std::string& tenant) {
  ServiceCertificates::Options out;
  out.tenant = tenant;
  out.trust_domain = config.server().trust_domain();
  out.service_lifetime = FromProto(config.lifetimes().service());
  out.server_lifetime = FromProto(config.lifetimes().server());
  return out;
}

RevocationListServer::Options ListServerOptionsOf(
    const config::v1::CapfConfig& config) {
  RevocationListServer::Options out;
  out.address = config.crl_http_address();
  const std::optional<HttpUrl> url = ParseHttpUrl(config.crl_url());
  if (url.has_value() && url->path != "/") out.path = url->path;
  out.lifetime = FromProtoOr(config.crl_lifetime(), absl::Hours(24));
  return out;
}

CapfService::Options ServiceOptionsOf(const config::v1::CapfConfig& config) {
  CapfService::Options out;
  out.trust_domain = config.server().trust_domain();
  out.lifetimes = {FromProto(config.lifetimes().server()),
                   FromProto(config.lifetimes().client()),
                   FromProto(config.lifetimes().service()),
                   FromProtoOr(config.crl_lifetime(), absl::Hours(24))};
  for (const auto& tenant : config.tenant_domains()) {
    for (const std::string& domain : tenant.domains()) {
      out.tenant_names.Add(tenant.tenant(), domain);
    }
  }
  out.own_certificate_file = config.server().tls().certificate_file();
  out.hard_revocation_stores = {config.hard_revocation_stores().begin(),
                                config.hard_revocation_stores().end()};
  out.allow_private_peers = config.allow_private_peers();
  const auto address = CapfAddress(config.capf());
  if (address.ok()) out.capf_address = address->IpText();
  return out;
}

absl::StatusOr<std::unique_ptr<DialplanMode>> OpenDialplan(
    const config::v1::CapfConfig& config) {
  if (config.dialplan().target().empty()) return nullptr;
  SP_ASSIGN_OR_RETURN(
      auto channel, ConnectTo(config.server(), config.dialplan(), "dialplan"));
  return NewDialplanMode(
      std::move(channel),
      FromProtoOr(config.dialplan().timeout(), absl::Seconds(2)));
}

}  // namespace sallyport::capf
