#include "services/signaling_edge/config.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/caller_identity.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/signaling_edge/cluster_config.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/source_prefix.h"
#include "services/signaling_edge/io/loop_set.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::signaling_edge::config::v1;

constexpr size_t kMaxPassword = 4096;
constexpr size_t kMaxLoops = 256;
constexpr uint32_t kLeastMtu = 576;  // RFC 791
// More is for who knows that the machine is the edge's.
constexpr size_t kDefaultLoops = 4;
constexpr size_t kMaxTrustFile = size_t{16} << 20;

uint32_t DefaultPort(pb::ListenerProtocol protocol) {
  switch (protocol) {
    case pb::LISTENER_PROTOCOL_SIP_TLS:
      return 5061;
    case pb::LISTENER_PROTOCOL_SCCP_TCP:
      return 2000;
    case pb::LISTENER_PROTOCOL_SCCP_TLS:
      return 2443;
    default:
      return 5060;
  }
}

bool IsTls(pb::ListenerProtocol protocol) {
  return protocol == pb::LISTENER_PROTOCOL_SIP_TLS ||
         protocol == pb::LISTENER_PROTOCOL_SCCP_TLS;
}

bool IsSccp(pb::ListenerProtocol protocol) {
  return protocol == pb::LISTENER_PROTOCOL_SCCP_TCP ||
         protocol == pb::LISTENER_PROTOCOL_SCCP_TLS;
}

std::string BindAddress(const pb::ListenerConfig& listener) {
  return listener.address().empty() ? "0.0.0.0" : listener.address();
}

uint16_t BindPort(const pb::ListenerConfig& listener) {
  if (listener.port() != 0) return static_cast<uint16_t>(listener.port());
  return listener.ephemeral_port()
             ? uint16_t{0}
             : static_cast<uint16_t>(DefaultPort(listener.protocol()));
}

void CheckPort(const std::string& field, uint32_t port, ConfigFaults* faults) {
  if (port > 65535) faults->Add(field, "must be at most 65535");
}

void CheckListener(const std::string& path, const pb::ListenerConfig& listener,
                   ConfigFaults* faults) {
  if (listener.protocol() == pb::LISTENER_PROTOCOL_UNSPECIFIED) {
    faults->Add(path + ".protocol", "is required");
  }
  CheckPort(path + ".port", listener.port(), faults);
  CheckPort(path + ".advertised_port", listener.advertised_port(), faults);
  CheckPort(path + ".logical_port", listener.logical_port(), faults);
  if (listener.ephemeral_port() && listener.port() != 0) {
    faults->Add(path + ".ephemeral_port", "contradicts a port that is set");
  }
  const auto address = SocketAddress::FromIp(BindAddress(listener), 0);
  if (!address.ok()) {
    faults->Add(path + ".address", "must be an IPv4 or IPv6 address");
  } else if (address->is_unspecified() &&
             listener.advertised_address().empty()) {
    faults->Add(path + ".advertised_address",
                "is required when the listener binds to all addresses");
  }
  if (listener.advertised_address().find_first_of(" \t\r\n;,<>\"/") !=
      std::string::npos) {
    faults->Add(path + ".advertised_address",
                "must be an address or a host name");
  }
}

void CheckListeners(const pb::SignalingEdgeConfig& config,
                    ConfigFaults* faults) {
  if (config.listeners().empty()) faults->Add("listeners", "is required");
  std::set<std::pair<bool, std::string>> bound;
  for (int i = 0; i < config.listeners_size(); ++i) {
    const pb::ListenerConfig& listener = config.listeners(i);
    const std::string path = absl::StrCat("listeners[", i, "]");
    CheckListener(path, listener, faults);
    if (BindPort(listener) == 0 || listener.port() > 65535) continue;
    const bool udp = listener.protocol() == pb::LISTENER_PROTOCOL_SIP_UDP;
    if (!bound
             .emplace(udp, absl::StrCat(BindAddress(listener), "|",
                                        BindPort(listener)))
             .second) {
      faults->Add(path, "has the address and port of another listener");
    }
  }
  for (int i = 0; i < config.listeners_size(); ++i) {
    const pb::ListenerConfig& listener = config.listeners(i);
    const bool udp = listener.protocol() == pb::LISTENER_PROTOCOL_SIP_UDP;
    const std::string path = absl::StrCat("listeners[", i, "].without_tcp");
    if (listener.without_tcp() && !udp) {
      faults->Add(path, "goes with SIP over UDP");
    }
    if (listener.without_tcp() || !udp) continue;
    const bool beside =
        std::any_of(config.listeners().begin(), config.listeners().end(),
                    [&](const pb::ListenerConfig& one) {
                      return one.protocol() == pb::LISTENER_PROTOCOL_SIP_TCP &&
                             BindAddress(one) == BindAddress(listener) &&
                             BindPort(one) == BindPort(listener);
                    });
    if (!beside) {
      faults->Add(path,
                  "must be true, or SIP over TCP be listened for at the same "
                  "address and port (RFC 3261 section 18.2.1)");
    }
  }
}

void CheckTls(const pb::SignalingEdgeConfig& config, ConfigFaults* faults) {
  if (config.renew_sip_certificates() &&
      (!config.server().has_certificate_renewal() ||
       config.server().certificate_renewal().only_report())) {
    faults->Add("renew_sip_certificates",
                "goes with server.certificate_renewal, without only_report");
  }
  const auto& tls = config.sip_tls();
  if (HasTls(config) || !tls.certificate_file().empty() ||
      !tls.key_file().empty()) {
    faults->Require("sip_tls.certificate_file", tls.certificate_file());
    faults->Require("sip_tls.key_file", tls.key_file());
  }
  const auto& self_signed = config.self_signed_certificate();
  if (!self_signed.file().empty()) {
    if (!HasTls(config)) {
      faults->Add("self_signed_certificate", "goes with a listener for TLS");
    }
    if (config.renew_sip_certificates()) {
      faults->Add("self_signed_certificate",
                  "does not go with renew_sip_certificates");
    }
    if (self_signed.dns_names().empty()) {
      faults->Add("self_signed_certificate.dns_names", "is required");
    }
  } else if (!self_signed.dns_names().empty()) {
    faults->Require("self_signed_certificate.file", self_signed.file());
  }
  for (int i = 0; i < self_signed.dns_names_size(); ++i) {
    const std::string& name = self_signed.dns_names(i);
    if (name.empty() || name.size() > 253 ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") !=
            std::string::npos) {
      faults->Add(absl::StrCat("self_signed_certificate.dns_names[", i, "]"),
                  "must be a host name in lower case");
    }
  }
  std::set<std::string> names;
  std::set<std::string> prefixes;
  for (int i = 0; i < config.server_name_certificates_size(); ++i) {
    const auto& each = config.server_name_certificates(i);
    const std::string path = absl::StrCat("server_name_certificates[", i, "]");
    faults->Require(path + ".server_name", each.server_name());
    faults->Require(path + ".certificate_file", each.certificate_file());
    faults->Require(path + ".key_file", each.key_file());
    if (!names.insert(absl::AsciiStrToLower(each.server_name())).second) {
      faults->Add(path + ".server_name", "is there twice");
    }
  }
  for (int i = 0; i < config.remote_address_certificates_size(); ++i) {
    const auto& each = config.remote_address_certificates(i);
    const std::string path =
        absl::StrCat("remote_address_certificates[", i, "]");
    faults->Require(path + ".certificate_file", each.certificate_file());
    faults->Require(path + ".key_file", each.key_file());
    if (!IsPrefix(each.prefix())) {
      faults->Add(path + ".prefix", "must be an address or a prefix");
    } else if (!prefixes.insert(each.prefix()).second) {
      faults->Add(path + ".prefix", "is there twice");
    }
  }
  for (int i = 0; i < config.static_trust_size(); ++i) {
    const auto& each = config.static_trust(i);
    const std::string path = absl::StrCat("static_trust[", i, "]");
    if (each.trust_store() != kPeerTrustStore &&
        each.trust_store() != kPhoneTrustStore) {
      faults->Add(path + ".trust_store",
                  absl::StrCat("must be ", std::string(kPeerTrustStore), " or ",
                               std::string(kPhoneTrustStore)));
    }
    faults->Require(path + ".ca_file", each.ca_file());
  }
  const std::string& floor = config.minimum_tls_version();
  if (!floor.empty() && floor != "1.2" && floor != "1.3") {
    faults->Add("minimum_tls_version", "must be 1.2 or 1.3");
  }
}

void CheckTimers(const pb::EdgeTimers& timers, ConfigFaults* faults) {
  CheckDuration("timers.t1", timers.t1(), faults);
  CheckDuration("timers.t2", timers.t2(), faults);
  CheckDuration("timers.handshake_timeout", timers.handshake_timeout(), faults);
  CheckDuration("timers.idle_timeout", timers.idle_timeout(), faults);
  CheckDuration("timers.min_registration", timers.min_registration(), faults);
  CheckDuration("timers.max_registration", timers.max_registration(), faults);
  CheckDuration("timers.ring_timeout", timers.ring_timeout(), faults);
  CheckDuration("timers.nonce_lifetime", timers.nonce_lifetime(), faults);
  CheckDuration("timers.history_retention", timers.history_retention(), faults);
  CheckDuration("timers.media_silence", timers.media_silence(), faults);
  CheckDuration("timers.media_statistics_interval",
                timers.media_statistics_interval(), faults);
  CheckDuration("timers.relay_lost_after", timers.relay_lost_after(), faults);
  CheckDuration("timers.flow_timer", timers.flow_timer(), faults);
  CheckDuration("timers.udp_flow_timer", timers.udp_flow_timer(), faults);
  CheckDuration("timers.long_request_connect_timeout",
                timers.long_request_connect_timeout(), faults);
  CheckDuration("timers.long_requests_by_udp", timers.long_requests_by_udp(),
                faults);
  const absl::Duration told =
      FromProtoOr(timers.media_statistics_interval(), absl::Seconds(10));
  if (told < absl::Seconds(1) || told > absl::Hours(1)) {
    faults->Add("timers.media_statistics_interval", "must be 1 s to 1 hour");
  }
  const EdgeOptions defaults;
  const absl::Duration shortest =
      FromProtoOr(timers.min_registration(), defaults.min_registration);
  const absl::Duration longest =
      FromProtoOr(timers.max_registration(), defaults.max_registration);
  if (shortest > longest) {
    faults->Add("timers.min_registration", "is longer than max_registration");
  }
  if (timers.has_session_expires() &&
      FromProtoOr(timers.session_expires(), absl::Duration()) <
          SessionTimer::Options().minimum) {
    faults->Add("timers.session_expires",
                "is below 90 s, the least that RFC 4028 allows");
  }
}

void CheckLoops(const pb::SignalingEdgeConfig& config, ConfigFaults* faults) {
  if (config.loops() > kMaxLoops) faults->Add("loops", "must be at most 256");
  CheckDuration("busy_poll", config.busy_poll(), faults);
  if (FromProto(config.busy_poll()) > absl::Seconds(1)) {
    faults->Add("busy_poll", "must be at most 1 s");
  }
}

void CheckPathMtu(uint32_t mtu, ConfigFaults* faults) {
  if (mtu != 0 && (mtu < kLeastMtu || mtu > 65535)) {
    faults->Add("path_mtu", "must be 576 to 65535, or zero");
  }
}

void CheckRegistry(const pb::SignalingEdgeConfig& config,
                   ConfigFaults* faults) {
  const pb::RegistryConfig& registry = config.registry();
  if (config.registry_address().empty()) {
    if (config.has_registry()) {
      faults->Add("registry", "is of no use without registry_address");
    }
    return;
  }
  const auto where = ParseHostPort(config.registry_address());
  if (!where.has_value() || where->port.value_or(6379) == 0) {
    faults->Add("registry_address", "must be host:port");
  }
  CheckDuration("registry.request_timeout", registry.request_timeout(), faults);
  if (registry.certificate_file().empty() != registry.key_file().empty()) {
    faults->Add("registry.certificate_file",
                "and registry.key_file go together");
  }
  if (!registry.certificate_file().empty() && registry.ca_file().empty()) {
    faults->Add("registry.ca_file", "is required with a certificate");
  }
  if (!registry.username().empty() && registry.password_file().empty()) {
    faults->Add("registry.password_file", "is required with a username");
  }
}

// dNSName or address of the host that was configured (RFC 9525), no wildcards.
absl::Status CheckRegistryName(const PeerCertificate& peer,
                               const std::string& host) {
  for (const std::string& name :
       peer.leaf.AltNames(SubjectAltName::Type::kDns)) {
    if (absl::EqualsIgnoreCase(name, host)) return absl::OkStatus();
  }
  if (const auto literal = SocketAddress::FromIp(host, 0); literal.ok()) {
    for (const std::string& octets :
         peer.leaf.AltNames(SubjectAltName::Type::kIp)) {
      if (AsText(literal->ip_bytes()) == octets) return absl::OkStatus();
    }
  }
  return MakeError(absl::StatusCode::kPermissionDenied,
                   "PEER_IDENTITY_MISMATCH",
                   "the registry's certificate is for another host");
}

absl::StatusOr<HostResolver::Addresses> AddressesOf(const std::string& text) {
  HostResolver::Addresses out;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::string ip(absl::StripAsciiWhitespace(part));
    SP_ASSIGN_OR_RETURN(const SocketAddress address,
                        SocketAddress::FromIp(ip, 0));
    out.push_back(address);
  }
  return out;
}

template <typename T>
void SetIf(uint64_t value, T& out) {
  if (value != 0) out = static_cast<T>(value);
}

}  // namespace

void ValidateConfig(const pb::SignalingEdgeConfig& config,
                    ConfigFaults* faults) {
  CheckClientConfig("dialplan", config.dialplan(), /*required=*/true, faults);
  CheckClientConfig("capf", config.capf(), /*required=*/false, faults);
  CheckClientConfig("credential_issuer", config.credential_issuer(),
                    /*required=*/false, faults);
  std::set<std::string> relays;
  for (int i = 0; i < config.media_relays_size(); ++i) {
    const std::string path = absl::StrCat("media_relays[", i, "]");
    CheckClientConfig(path, config.media_relays(i), /*required=*/true, faults);
    if (!relays.insert(config.media_relays(i).target()).second) {
      faults->Add(path + ".target", "is there twice");
    }
  }
  CheckListeners(config, faults);
  CheckPathMtu(config.path_mtu(), faults);
  CheckTls(config, faults);
  CheckTimers(config.timers(), faults);
  CheckDuration("limits.overload_lag", config.limits().overload_lag(), faults);
  if (config.limits().tracked_sources() > 1 << 24) {
    faults->Add("limits.tracked_sources", "must be at most 16777216");
  }
  const uint32_t message = config.limits().max_message_bytes();
  if (message != 0 && (message < 1024 || message > 1'048'576)) {
    faults->Add("limits.max_message_bytes", "must be 1024 to 1048576");
  }
  for (const auto& [name, address] : config.static_hosts()) {
    if (!AddressesOf(address).ok()) {
      faults->Add(absl::StrCat("static_hosts[\"", name, "\"]"),
                  "must be IP addresses, separated by commas");
    }
  }
  for (int i = 0; i < config.dns_servers_size(); ++i) {
    if (!SocketAddress::Parse(config.dns_servers(i)).ok()) {
      faults->Add(absl::StrCat("dns_servers[", i, "]"),
                  "must be an IP address and a port");
    }
  }
  if (config.server_header().find_first_of("\r\n") != std::string::npos) {
    faults->Add("server_header", "must be one line");
  }
  if (const std::string& host = config.service_route_host();
      !host.empty() && !ParseSipUri("sip:" + host).ok()) {
    faults->Add("service_route_host", "must be a host name or an address");
  }
  for (int i = 0; i < config.proxy_protocol_prefixes_size(); ++i) {
    if (!IsPrefix(config.proxy_protocol_prefixes(i))) {
      faults->Add(absl::StrCat("proxy_protocol_prefixes[", i, "]"),
                  "must be an IP address or a prefix such as 10.0.0.0/8");
    }
  }
  CheckCluster(config, faults);
  CheckLoops(config, faults);
  CheckRegistry(config, faults);
}

absl::StatusOr<std::optional<RedisClient::Options>> RegistryOptionsOf(
    const pb::SignalingEdgeConfig& config) {
  if (config.registry_address().empty()) return std::nullopt;
  const pb::RegistryConfig& registry = config.registry();
  const auto where = ParseHostPort(config.registry_address());
  RedisClient::Options out;
  std::string_view host = where->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  out.host = host;
  out.port = where->port.value_or(6379);
  out.username = registry.username();
  out.timeout = FromProtoOr(registry.request_timeout(), out.timeout);
  if (!registry.password_file().empty()) {
    SP_ASSIGN_OR_RETURN(std::string password,
                        ReadWholeFile(registry.password_file(), kMaxPassword));
    out.password = std::string(absl::StripAsciiWhitespace(password));
    if (out.password.empty()) {
      return absl::InvalidArgumentError("registry.password_file is empty");
    }
  }
  if (!registry.ca_file().empty()) {
    TlsContextOptions tls;
    tls.role = TlsRole::kClient;
    tls.accept_peer = [host = out.host](const PeerCertificate& peer) {
      return CheckRegistryName(peer, host);
    };
    SP_ASSIGN_OR_RETURN(out.tls,
                        TlsContext::CreateFromFiles(
                            registry.certificate_file(), registry.key_file(),
                            registry.ca_file(), std::move(tls)));
  }
  return out;
}

size_t LoopsOf(const pb::SignalingEdgeConfig& config) {
  if (!config.has_loops()) return std::min(ProcessorCount(), kDefaultLoops);
  return std::min(
      config.loops() == 0 ? ProcessorCount() : size_t{config.loops()},
      kMaxLoops);
}

EdgeOptions CoreOptionsOf(const pb::SignalingEdgeConfig& config) {
  EdgeOptions out;
  out.server_header = config.server_header();
  out.service_route_host = config.service_route_host();
  if (const uint32_t size = config.limits().max_message_bytes(); size != 0) {
    out.parse.max_header_bytes = std::min(out.parse.max_header_bytes, size);
    out.parse.max_body = size;
  }
  const pb::EdgeTimers& timers = config.timers();
  out.sip.t1 = FromProtoOr(timers.t1(), out.sip.t1);
  out.sip.t2 = FromProtoOr(timers.t2(), out.sip.t2);
  out.handshake_timeout =
      FromProtoOr(timers.handshake_timeout(), out.handshake_timeout);
  out.idle_timeout = FromProtoOr(timers.idle_timeout(), out.idle_timeout);
  out.min_registration =
      FromProtoOr(timers.min_registration(), out.min_registration);
  out.max_registration =
      FromProtoOr(timers.max_registration(), out.max_registration);
  out.ring_timeout = FromProtoOr(timers.ring_timeout(), out.ring_timeout);
  out.session.interval =
      FromProtoOr(timers.session_expires(), out.session.interval);
  out.nonce_lifetime = FromProtoOr(timers.nonce_lifetime(), out.nonce_lifetime);
  out.history_retention =
      FromProtoOr(timers.history_retention(), out.history_retention);
  out.flow_timer = FromProtoOr(timers.flow_timer(), out.flow_timer);
  out.udp_flow_timer = FromProtoOr(timers.udp_flow_timer(), out.udp_flow_timer);
  out.require_sip_domain_usage = config.require_sip_domain_usage();
  out.long_requests.path_mtu = config.path_mtu();
  out.long_requests.udp_for =
      FromProtoOr(timers.long_requests_by_udp(), out.long_requests.udp_for);
  out.long_request_connect_timeout = FromProtoOr(
      timers.long_request_connect_timeout(), out.long_request_connect_timeout);
  out.media_silence = FromProtoOr(timers.media_silence(), out.media_silence);
  const pb::EdgeLimits& limits = config.limits();
  SetIf(limits.max_connections(), out.max_connections);
  SetIf(limits.max_connections_per_source(), out.max_connections_per_source);
  SetIf(limits.max_calls(), out.max_calls);
  SetIf(limits.max_registrations(), out.max_registrations);
  SetIf(limits.max_transactions(), out.max_transactions);
  SetIf(limits.requests_per_second_per_source(),
        out.requests_per_second_per_source);
  SetIf(limits.connections_per_second_per_source(),
        out.connections_per_second_per_source);
  SetIf(limits.history_entries(), out.history_entries);
  SetIf(limits.invites_per_second_per_source(),
        out.invites_per_second_per_source);
  SetIf(limits.registrations_per_second_per_source(),
        out.registrations_per_second_per_source);
  SetIf(limits.invites_per_second_per_tenant(),
        out.invites_per_second_per_tenant);
  SetIf(limits.registrations_per_second_per_tenant(),
        out.registrations_per_second_per_tenant);
  SetIf(limits.max_handshakes(), out.max_handshakes);
  SetIf(limits.wrong_passwords_per_minute_per_user(),
        out.wrong_passwords_per_minute_per_user);
  SetIf(limits.tracked_sources(), out.tracked_sources);
  out.overload.target_lag =
      FromProtoOr(limits.overload_lag(), out.overload.target_lag);
  const pb::CallTraceConfig& trace = config.call_trace();
  SetIf(trace.one_in(), out.ladder.one_in);
  if (trace.disabled()) out.ladder.one_in = 0;
  SetIf(trace.max_bytes(), out.ladder.max_bytes);
  SetIf(trace.max_leg_bytes(), out.ladder.max_leg_bytes);
  return out;
}

std::vector<ListenerSpec> ListenersOf(const pb::SignalingEdgeConfig& config) {
  std::vector<ListenerSpec> out;
  for (const pb::ListenerConfig& listener : config.listeners()) {
    ListenerSpec spec;
    spec.transport = IsTls(listener.protocol()) ? SipTransport::kTls
                     : listener.protocol() == pb::LISTENER_PROTOCOL_SIP_UDP
                         ? SipTransport::kUdp
                         : SipTransport::kTcp;
    spec.sccp = IsSccp(listener.protocol());
    const auto bind =
        SocketAddress::FromIp(BindAddress(listener), BindPort(listener));
    if (bind.ok()) spec.bind = *bind;  // it is: the configuration is valid
    spec.advertised_host = listener.advertised_address();
    spec.advertised_port = static_cast<uint16_t>(listener.advertised_port());
    spec.logical_port = listener.logical_port() != 0 ? listener.logical_port()
                        : listener.port() != 0
                            ? listener.port()
                            : DefaultPort(listener.protocol());
    out.push_back(std::move(spec));
  }
  return out;
}

HostResolver::Options HostsOf(const pb::SignalingEdgeConfig& config) {
  HostResolver::Options out;
  out.dns.emplace();
  // Two tries are over before the query is.
  out.dns->try_timeout = absl::Milliseconds(300);
  out.dns->tries = 2;
  for (const std::string& server : config.dns_servers()) {
    if (auto address = SocketAddress::Parse(server); address.ok()) {
      out.dns->servers.push_back(*address);
    }
  }
  for (const auto& [name, address] : config.static_hosts()) {
    if (auto addresses = AddressesOf(address); addresses.ok()) {
      out.static_hosts[absl::AsciiStrToLower(name)] = *std::move(addresses);
    }
  }
  return out;
}

TlsFileSet TlsFilesOf(const pb::SignalingEdgeConfig& config) {
  TlsFileSet out;
  out.certificate_file = config.sip_tls().certificate_file();
  out.key_file = config.sip_tls().key_file();
  for (const auto& each : config.server_name_certificates()) {
    out.by_server_name.push_back({absl::AsciiStrToLower(each.server_name()),
                                  each.certificate_file(), each.key_file()});
  }
  for (const auto& each : config.remote_address_certificates()) {
    out.by_remote.push_back(
        {each.prefix(), each.certificate_file(), each.key_file()});
  }
  out.only_tls13 = config.minimum_tls_version() == "1.3";
  out.require_client_certificate = config.require_client_certificate();
  out.self_signed_file = config.self_signed_certificate().file();
  out.self_signed_names.assign(
      config.self_signed_certificate().dns_names().begin(),
      config.self_signed_certificate().dns_names().end());
  return out;
}

bool HasTls(const pb::SignalingEdgeConfig& config) {
  return std::any_of(config.listeners().begin(), config.listeners().end(),
                     [](const pb::ListenerConfig& listener) {
                       return IsTls(listener.protocol());
                     });
}

absl::StatusOr<StaticTrustStores> StaticTrustOf(
    const pb::SignalingEdgeConfig& config) {
  StaticTrustStores out;
  for (const auto& each : config.static_trust()) {
    SP_ASSIGN_OR_RETURN(const std::string pem,
                        ReadWholeFile(each.ca_file(), kMaxTrustFile));
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> certificates,
                        CertificatesFromPem(pem));
    std::vector<std::string>& store = out[each.trust_store()];
    store.insert(store.end(), certificates.begin(), certificates.end());
  }
  return out;
}

MediaClient::Options MediaOptionsOf(const pb::SignalingEdgeConfig& config,
                                    const std::string& instance) {
  MediaClient::Options out;
  out.owner = absl::StrCat("signaling_edge/", instance);
  for (const auto& relay : config.media_relays()) {
    out.relays.push_back(relay.target());
    out.deadline = FromProtoOr(relay.timeout(), out.deadline);
  }
  const pb::EdgeTimers& timers = config.timers();
  out.statistics_interval =
      FromProtoOr(timers.media_statistics_interval(), out.statistics_interval);
  out.lost_after = FromProtoOr(timers.relay_lost_after(), out.lost_after);
  return out;
}

absl::StatusOr<std::unique_ptr<GrpcLoopClient>> MediaCallsOf(
    const pb::SignalingEdgeConfig& config) {
  GrpcLoopClient::Options out;
  out.tls = config.server().tls();
  out.tls_refresh =
      FromProtoOr(config.server().tls_refresh_interval(), out.tls_refresh);
  for (const auto& relay : config.media_relays()) {
    const std::string& expected = relay.expected_service();
    out.servers.push_back(
        {relay.target(),
         ServiceSpiffeId(config.server().trust_domain(),
                         expected.empty() ? "media_relay" : expected)});
    out.max_backoff = FromProtoOr(relay.max_backoff(), out.max_backoff);
  }
  return GrpcLoopClient::Start(std::move(out));
}

absl::StatusOr<std::unique_ptr<CredentialClient>> CredentialClientOf(
    const pb::SignalingEdgeConfig& config) {
  const auto& client = config.credential_issuer();
  if (client.target().empty()) return nullptr;
  CredentialClient::Options options;
  SP_ASSIGN_OR_RETURN(options.channel,
                      ConnectTo(config.server(), client, "credential_issuer"));
  options.deadline = FromProtoOr(client.timeout(), options.deadline);
  return std::make_unique<CredentialClient>(options);
}

absl::StatusOr<ConfigFeed::Options> FeedOptionsOf(
    const pb::SignalingEdgeConfig& config, const std::string& instance) {
  ConfigFeed::Options out;
  SP_ASSIGN_OR_RETURN(
      out.dialplan.channel,
      ConnectTo(config.server(), config.dialplan(), "dialplan"));
  out.dialplan.consumer = instance;
  out.dialplan.cache_file = config.snapshot_cache_file();
  out.dialplan.max_backoff =
      FromProtoOr(config.dialplan().max_backoff(), out.dialplan.max_backoff);
  if (!config.capf().target().empty()) {
    SP_ASSIGN_OR_RETURN(out.trust.channel,
                        ConnectTo(config.server(), config.capf(), "capf"));
  }
  out.trust.consumer = instance;
  out.trust.cache_file = config.trust_cache_file();
  out.trust.max_backoff =
      FromProtoOr(config.capf().max_backoff(), out.trust.max_backoff);
  SP_ASSIGN_OR_RETURN(out.trust.fixed, StaticTrustOf(config));
  out.tls = TlsFilesOf(config);
  out.has_tls = !out.tls.certificate_file.empty();
  out.refresh_interval =
      FromProtoOr(config.server().tls_refresh_interval(), out.refresh_interval);
  out.instance = instance;
  out.um_recycler_config_file = config.um_recycler_config_file();
  return out;
}

}  // namespace sallyport::signaling_edge
