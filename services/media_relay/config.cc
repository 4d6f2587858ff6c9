#include "services/media_relay/config.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/media_relay/config/v1/media_relay_config.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/config_faults.h"
#include "services/common/config/proto_time.h"
#include "services/common/config/server_config.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/grpc_connection.h"
#include "services/common/rpc/grpc_loop_server.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/stream_admission.h"
#include "services/media_relay/io/address_source.h"
#include "services/media_relay/io/advertised_addresses.h"
#include "services/media_relay/io/key_client.h"
#include "services/media_relay/io/memory_budget.h"
#include "services/media_relay/io/relay_fleet.h"
#include "services/media_relay/io/turn_stream_front.h"

namespace sallyport::media_relay {
namespace {

using Config = config::v1::MediaRelayConfig;

constexpr uint32_t kDefaultStunPort = 3478;
// Of partners' relays (AVE-49).
constexpr PeerPorts kR2Udp = {3478, 3478};
constexpr PeerPorts kR2Tcp = {443, 443};
constexpr PeerPorts kFormerPorts = {50000, 59999};
constexpr uint32_t kDefaultTlsPort = 443;    // AVE-02
constexpr uint32_t kDefaultPortMin = 50000;  // AVE-02
constexpr uint32_t kDefaultPortMax = 59999;
// Less would not carry a call; a limit in kilobytes is most likely meant.
constexpr uint64_t kLeastBytesPerSecond = 1000;
constexpr absl::Duration kLongestNonce = absl::Hours(4);
constexpr uint32_t kHighestMsTurnVersion = 4;
constexpr uint32_t kMaxCpu = 1024;  // of a cpu_set_t
constexpr uint32_t kMaxConnections = 100'000;

uint32_t Or(uint32_t value, uint32_t if_zero) {
  return value == 0 ? if_zero : value;
}

uint32_t PortMin(const Config& config) {
  return Or(config.relay_port_min(), kDefaultPortMin);
}
uint32_t PortMax(const Config& config) {
  return Or(config.relay_port_max(), kDefaultPortMax);
}

void CheckPort(std::string_view field, uint32_t port, ConfigFaults* faults) {
  if (port > 0xFFFF) faults->Add(field, "is not a port");
}

// The name in "env:NAME".
std::optional<std::string> VariableIn(const std::string& address) {
  constexpr std::string_view kScheme = "env:";
  if (address.compare(0, kScheme.size(), kScheme) != 0) return std::nullopt;
  return address.substr(kScheme.size());
}

bool HasVariables(const config::v1::InterfaceConfig& interface) {
  return std::any_of(interface.addresses().begin(), interface.addresses().end(),
                     [](const std::string& address) {
                       return VariableIn(address).has_value();
                     });
}

// What clients are told is not known yet.
bool IsToBeLearnt(const config::v1::InterfaceConfig& interface) {
  return HasVariables(interface) || (!interface.advertised_sources().empty() &&
                                     interface.advertised_addresses().empty());
}

void CheckInterface(std::string_view field,
                    const config::v1::InterfaceConfig& interface,
                    ConfigFaults* faults) {
  int v4 = 0;
  int v6 = 0;
  for (int i = 0; i < interface.advertised_sources_size(); ++i) {
    if (!AddressSource::Parse(interface.advertised_sources(i)).has_value()) {
      faults->Add(absl::StrCat(AbslView(field), ".advertised_sources[", i, "]"),
                  "is none of env:NAME, file:PATH, http://HOST/PATH and "
                  "stun:HOST:PORT");
    }
  }
  for (int i = 0; i < interface.addresses_size(); ++i) {
    const std::string path =
        absl::StrCat(AbslView(field), ".addresses[", i, "]");
    if (const auto variable = VariableIn(interface.addresses(i))) {
      if (variable->empty()) faults->Add(path, "names no variable");
      continue;
    }
    const std::optional<IpAddress> address =
        IpAddress::Parse(interface.addresses(i));
    if (!address.has_value()) {
      faults->Add(path, "is not an IP address");
    } else if (address->IsUnspecified()) {
      faults->Add(path, "must be one address, not all of them");
    } else if ((address->is_v4() ? ++v4 : ++v6) > 1) {
      faults->Add(path, "is the second one of its family");
    }
  }
  if (interface.advertised_addresses_size() == 0) return;
  if (HasVariables(interface)) {
    faults->Add(absl::StrCat(AbslView(field), ".advertised_addresses"),
                "needs addresses that are said here: else advertised_sources");
    return;
  }
  if (interface.advertised_addresses_size() != interface.addresses_size()) {
    faults->Add(absl::StrCat(AbslView(field), ".advertised_addresses"),
                "must be as many as addresses");
    return;
  }
  for (int i = 0; i < interface.advertised_addresses_size(); ++i) {
    const std::optional<IpAddress> own =
        IpAddress::Parse(interface.addresses(i));
    const std::optional<IpAddress> told =
        IpAddress::Parse(interface.advertised_addresses(i));
    if (!told.has_value() ||
        (own.has_value() && own->family() != told->family())) {
      faults->Add(
          absl::StrCat(AbslView(field), ".advertised_addresses[", i, "]"),
          "is not an IP address of the same family");
    }
  }
}

// Whether everybody on the Internet can reach it.
bool IsPublic(const std::string& text) {
  const std::optional<IpAddress> address = IpAddress::Parse(text);
  return address.has_value() &&
         PeerPolicy({}).CheckAddress(*address) == PeerVerdict::kAllowed;
}

// AVE-29 to AVE-32: media goes to addresses that descriptions name, so a
// translation that nobody is told of breaks it.
void CheckTopology(const Config& config, ConfigFaults* faults) {
  const config::v1::TopologyConfig& topology = config.topology();
  const config::v1::InterfaceConfig& external = config.external();
  const auto refuse = [&](std::string_view list, int i, std::string_view why) {
    faults->Add(absl::StrCat(AbslView(list), "[", i, "]"), why);
  };
  if (topology.kind() == config::v1::TOPOLOGY_KIND_SINGLE) {
    const int known = IsToBeLearnt(external) ? 0 : external.addresses_size();
    for (int i = 0; i < known; ++i) {
      const bool translated = i < external.advertised_addresses_size();
      if (translated && !IsPublic(external.advertised_addresses(i))) {
        refuse("external.advertised_addresses", i,
               "ADVERTISED_ADDRESS_NOT_PUBLIC: clients in the Internet cannot "
               "reach it");
      } else if (!translated && !IsPublic(external.addresses(i))) {
        refuse("external.addresses", i,
               "EXTERNAL_ADDRESS_NOT_PUBLIC: behind NAT, say in "
               "advertised_addresses what clients reach");
      }
    }
    if (!topology.virtual_addresses().empty()) {
      faults->Add("topology.virtual_addresses",
                  "VIRTUAL_ADDRESS_WITHOUT_BALANCER: a single relay has none");
    }
    return;
  }
  if (topology.kind() != config::v1::TOPOLOGY_KIND_LOAD_BALANCED) {
    faults->Add("topology.kind", "is required");
    return;
  }
  for (int i = 0; i < external.addresses_size(); ++i) {
    if (!VariableIn(external.addresses(i)).has_value() &&
        !IsPublic(external.addresses(i))) {
      refuse("external.addresses", i,
             "EXTERNAL_ADDRESS_NOT_PUBLIC: behind a balancer each relay has a "
             "public address of its own");
    }
  }
  for (int i = 0; i < external.advertised_addresses_size(); ++i) {
    if (i >= external.addresses_size() ||
        external.advertised_addresses(i) != external.addresses(i)) {
      refuse("external.advertised_addresses", i,
             "EXTERNAL_ADDRESS_TRANSLATED: behind a balancer clients reach "
             "the relay itself");
    }
  }
  if (topology.virtual_addresses().empty()) {
    faults->Add("topology.virtual_addresses", "is required");
  }
  for (int i = 0; i < topology.virtual_addresses_size(); ++i) {
    if (!IsPublic(topology.virtual_addresses(i))) {
      refuse("topology.virtual_addresses", i,
             "VIRTUAL_ADDRESS_NOT_PUBLIC: clients in the Internet cannot "
             "reach it");
    }
  }
}

template <typename Prefixes>
void CheckPrefixes(std::string_view field, const Prefixes& prefixes,
                   ConfigFaults* faults) {
  for (int i = 0; i < prefixes.size(); ++i) {
    if (!IpPrefix::Parse(prefixes.Get(i)).has_value()) {
      faults->Add(absl::StrCat(AbslView(field), "[", i, "]"),
                  "is not a prefix such as \"10.1.0.0/16\"");
    }
  }
}

template <typename Prefixes>
std::vector<IpPrefix> PrefixesFrom(const Prefixes& texts) {
  std::vector<IpPrefix> prefixes;
  for (const std::string& text : texts) {
    const std::optional<IpPrefix> prefix = IpPrefix::Parse(text);
    if (prefix.has_value()) prefixes.push_back(*prefix);
  }
  return prefixes;
}

void Place(const config::v1::InterfaceConfig& interface,
           std::optional<RelayInterface>& v4,
           std::optional<RelayInterface>& v6) {
  for (int i = 0; i < interface.addresses_size(); ++i) {
    const IpAddress local = *IpAddress::Parse(interface.addresses(i));
    const IpAddress advertised =
        interface.advertised_addresses_size() > i
            ? *IpAddress::Parse(interface.advertised_addresses(i))
            : local;
    (local.is_v4() ? v4 : v6) = RelayInterface{local, advertised};
  }
}

RelayInterfaces InterfacesFrom(const Config& config) {
  RelayInterfaces interfaces;
  Place(config.external(), interfaces.external_v4, interfaces.external_v6);
  if (config.has_internal()) {
    Place(config.internal(), interfaces.internal_v4, interfaces.internal_v6);
  }
  return interfaces;
}

std::vector<RelayInterface> AllOf(const RelayInterfaces& interfaces) {
  std::vector<RelayInterface> all;
  for (const std::optional<RelayInterface>& one :
       {interfaces.external_v4, interfaces.external_v6, interfaces.internal_v4,
        interfaces.internal_v6}) {
    if (one.has_value()) all.push_back(*one);
  }
  return all;
}

// Of each interface; empty with disable_tcp.
std::vector<StreamListener> StreamListenersFrom(
    const Config& config, const RelayInterfaces& interfaces) {
  std::vector<StreamListener> listeners;
  if (config.disable_tcp()) return listeners;
  const auto port = [&](uint32_t configured, uint32_t usual) {
    return static_cast<uint16_t>(configured == 0 && config.ephemeral_ports()
                                     ? 0
                                     : Or(configured, usual));
  };
  for (const RelayInterface& interface : AllOf(interfaces)) {
    listeners.push_back(
        {{interface.local, port(config.stun_tcp_port(), kDefaultStunPort)},
         /*tls=*/false});
    if (config.has_turn_tls() || config.turn_tls_port() != 0) {
      listeners.push_back(
          {{interface.local, port(config.turn_tls_port(), kDefaultTlsPort)},
           config.has_turn_tls()});
    }
    if (config.turn_tls_second_port() != 0) {
      listeners.push_back(
          {{interface.local,
            static_cast<uint16_t>(config.turn_tls_second_port())},
           config.has_turn_tls()});
    }
  }
  return listeners;
}

// With less it could not start.
constexpr uint64_t kLeastMemory = 16 << 20;

// The port of "host:port", 0 when there is none.
uint16_t PortOf(std::string_view address, uint16_t if_empty) {
  if (address.empty()) return if_empty;
  const size_t colon = address.rfind(':');
  int port = 0;
  for (const char c : address.substr(colon + 1)) port = port * 10 + (c - '0');
  return static_cast<uint16_t>(port);
}

void CheckSessionListener(const config::v1::SessionListener& listener,
                          ConfigFaults* faults) {
  const auto refuse = [&](std::string_view field, std::string_view why) {
    faults->Add(absl::StrCat("session_listener.", AbslView(field)), why);
  };
  if (listener.listen_address().empty()) {
    if (!listener.advertised_target().empty()) {
      refuse("advertised_target", "needs listen_address");
    }
  } else if (!SocketAddress::Parse(listener.listen_address()).ok()) {
    refuse("listen_address", "must be ip:port");
  }
  if (const std::string& target = listener.advertised_target();
      !target.empty() && (!IsListenAddress(target) || PortOf(target, 0) == 0)) {
    refuse("advertised_target", "must be host:port");
  }
  CheckDuration("session_listener.busy_poll", listener.busy_poll(), faults);
  if (FromProto(listener.busy_poll()) > absl::Seconds(1)) {
    refuse("busy_poll", "must be at most 1 s");
  }
  if (listener.cpu() >= kMaxCpu) refuse("cpu", "must be less than 1024");
  if (listener.max_connections() > kMaxConnections) {
    refuse("max_connections", "must be at most 100000");
  }
}

}  // namespace

void ValidateConfig(const Config& config, ConfigFaults* faults) {
  CheckClientConfig("credential_issuer", config.credential_issuer(),
                    /*required=*/false, faults);
  if (config.external().addresses().empty()) {
    faults->Add("external.addresses", "is required");
  }
  CheckInterface("external", config.external(), faults);
  CheckInterface("internal", config.internal(), faults);
  if (config.has_internal()) {
    // AVE-30: address translation is not for the internal edge.
    if (!config.internal().advertised_addresses().empty() ||
        !config.internal().advertised_sources().empty()) {
      faults->Add("internal.advertised_addresses",
                  "INTERNAL_ADDRESS_TRANSLATED: the internal interface cannot "
                  "be");
    }
    for (const std::string& address : config.internal().addresses()) {
      const auto& outside = config.external().addresses();
      if (std::find(outside.begin(), outside.end(), address) != outside.end()) {
        faults->Add("internal.addresses", "is also an external address");
      }
    }
  }
  if (!config.external().advertised_addresses().empty() &&
      !config.external().advertised_sources().empty()) {
    faults->Add("external.advertised_sources",
                "has nothing to tell beside advertised_addresses");
  }
  CheckDuration("advertised_refresh", config.advertised_refresh(), faults);
  if (FromProtoOr(config.advertised_refresh(), absl::Minutes(1)) <
      absl::Seconds(1)) {
    faults->Add("advertised_refresh", "is shorter than a second");
  }
  if (config.has_topology()) CheckTopology(config, faults);
  for (int i = 0; i < config.federated_partners_size(); ++i) {
    const std::string field = absl::StrCat("federated_partners[", i, "]");
    faults->Require(field + ".name", config.federated_partners(i).name());
    if (config.federated_partners(i).generation() ==
        config::v1::PARTNER_GENERATION_UNSPECIFIED) {
      faults->Add(field + ".generation", "is required");
    }
    const auto& prefixes = config.federated_partners(i).prefixes();
    CheckPrefixes(field + ".prefixes", prefixes, faults);
    const std::vector<IpPrefix> own = PrefixesFrom(prefixes);
    for (int other = 0; other < i; ++other) {
      for (const IpPrefix& theirs :
           PrefixesFrom(config.federated_partners(other).prefixes())) {
        if (std::any_of(own.begin(), own.end(), [&](const IpPrefix& prefix) {
              return prefix.Contains(theirs.base()) ||
                     theirs.Contains(prefix.base());
            })) {
          faults->Add(field + ".prefixes",
                      absl::StrCat("overlap with those of federated_partners[",
                                   other, "]"));
        }
      }
    }
  }
  CheckPort("stun_udp_port", config.stun_udp_port(), faults);
  CheckPort("stun_tcp_port", config.stun_tcp_port(), faults);
  CheckPort("turn_tls_port", config.turn_tls_port(), faults);
  CheckPort("turn_tls_second_port", config.turn_tls_second_port(), faults);
  CheckPort("relay_port_min", config.relay_port_min(), faults);
  CheckPort("relay_port_max", config.relay_port_max(), faults);
  if (PortMin(config) < 1024) {
    faults->Add("relay_port_min", "is below 1024");
  }
  if (PortMin(config) + 1 > PortMax(config)) {
    faults->Add("relay_port_max", "leaves no two ports");
  }
  const auto outside = [&](std::string_view field, uint32_t port) {
    if (port >= PortMin(config) && port <= PortMax(config)) {
      faults->Add(field, "is inside the range of relay ports");
    }
  };
  outside("stun_udp_port", Or(config.stun_udp_port(), kDefaultStunPort));
  outside("stun_tcp_port", Or(config.stun_tcp_port(), kDefaultStunPort));
  outside("turn_tls_port", Or(config.turn_tls_port(), kDefaultTlsPort));
  outside("turn_tls_second_port", config.turn_tls_second_port());
  const uint32_t tcp = Or(config.stun_tcp_port(), kDefaultStunPort);
  const uint32_t tls = Or(config.turn_tls_port(), kDefaultTlsPort);
  if (tls == tcp) faults->Add("turn_tls_port", "is also stun_tcp_port");
  if (config.turn_tls_second_port() == tls ||
      config.turn_tls_second_port() == tcp) {
    faults->Add("turn_tls_second_port", "is another listener's already");
  }
  CheckSessionListener(config.session_listener(), faults);
  outside("session_listener.listen_address",
          PortOf(config.session_listener().listen_address(), 0));
  int alternates[2] = {};
  for (int i = 0; i < config.alternate_servers_size(); ++i) {
    const auto alternate = SocketAddress::Parse(config.alternate_servers(i));
    const std::string field = absl::StrCat("alternate_servers[", i, "]");
    if (!alternate.ok() || alternate->port() == 0) {
      faults->Add(field, "is not an address with a port");
    } else if (++alternates[alternate->is_v6() ? 1 : 0] > 1) {
      faults->Add(field, "is the second one of its family");
    }
  }
  if (config.realm().size() > 64) {
    faults->Add("realm", "is longer than 64 characters");
  }
  CheckPrefixes("peer_policy.allowed_prefixes",
                config.peer_policy().allowed_prefixes(), faults);
  CheckPrefixes("peer_policy.denied_prefixes",
                config.peer_policy().denied_prefixes(), faults);
  if (config.loops() > 256) faults->Add("loops", "is more than 256");
  CheckDuration("port_quarantine", config.port_quarantine(), faults);
  CheckDuration("session_lease", config.session_lease(), faults);
  CheckDuration("media_timeout", config.media_timeout(), faults);
  CheckDuration("allocation_lifetime", config.allocation_lifetime(), faults);
  CheckDuration("max_allocation_lifetime", config.max_allocation_lifetime(),
                faults);
  CheckDuration("nonce_lifetime", config.nonce_lifetime(), faults);
  const absl::Duration lease =
      FromProtoOr(config.session_lease(), absl::Minutes(5));
  if (lease < absl::Seconds(10) || lease > absl::Hours(1)) {
    faults->Add("session_lease", "is not 10 s to 1 hour");
  }
  if (FromProto(config.nonce_lifetime()) > kLongestNonce) {
    faults->Add("nonce_lifetime", "is longer than 4 hours");
  }
  if (config.ms_turn_version() == 1 ||
      config.ms_turn_version() > kHighestMsTurnVersion) {
    faults->Add("ms_turn_version", "is not 2, 3 or 4");
  }
  if (config.has_turn_tls()) {
    if (config.turn_tls().certificate_file().empty()) {
      faults->Add("turn_tls.certificate_file", "is required");
    }
    if (config.turn_tls().key_file().empty()) {
      faults->Add("turn_tls.key_file", "is required");
    }
    if (!config.turn_tls().ca_file().empty()) {
      faults->Add("turn_tls.ca_file",
                  "must be empty: TURN clients have no certificate");
    }
  } else {
    if (config.turn_tls_second_port() != 0) {
      faults->Add("turn_tls_second_port", "needs turn_tls");
    }
    if (config.turn_dtls()) faults->Add("turn_dtls", "needs turn_tls");
  }
  // Never accepted in silence: what this version does not do.
  if (config.send_software()) {
    faults->Add("send_software", "is not offered by this version");
  }
  if (!FastPathTierFrom(config.fast_path()).has_value()) {
    faults->Add("fast_path",
                "is none of \"sockets\", \"tc\", \"xdp\" and \"af_xdp\"");
  }
  if (!RelaySocketsFrom(config.relay_sockets()).has_value()) {
    faults->Add("relay_sockets",
                "is none of \"frames\", \"raw\" and \"per_port\"");
  }
  const config::v1::MediaRelayLimits& limits = config.limits();
  const auto check_rate = [&](const char* name, uint64_t rate) {
    if (rate != 0 && rate < kLeastBytesPerSecond) {
      faults->Add(absl::StrCat("limits.", name),
                  absl::StrCat("is under ", kLeastBytesPerSecond));
    }
  };
  check_rate("max_allocation_bytes_per_second",
             limits.max_allocation_bytes_per_second());
  check_rate("max_subject_bytes_per_second",
             limits.max_subject_bytes_per_second());
  check_rate("max_tenant_bytes_per_second",
             limits.max_tenant_bytes_per_second());
  check_rate("max_bytes_per_second", limits.max_bytes_per_second());
  if (limits.max_memory_bytes() != 0 &&
      limits.max_memory_bytes() < kLeastMemory) {
    faults->Add("limits.max_memory_bytes",
                absl::StrCat("is under ", kLeastMemory));
  }
}

size_t MemoryLimitOf(const Config& config) {
  if (config.limits().max_memory_bytes() != 0) {
    return config.limits().max_memory_bytes();
  }
  return CgroupMemoryLimit() / 100 * 85;
}

size_t MaxPromptBytesOf(const Config& config) {
  return config.limits().max_prompt_bytes() == 0
             ? size_t{256} << 20
             : config.limits().max_prompt_bytes();
}

GrpcLoopServerOptions SessionListenerOptionsFrom(const Config& config) {
  const config::v1::SessionListener& listener = config.session_listener();
  const common::config::v1::ServerConfig& server = config.server();
  GrpcLoopServerOptions options;
  options.listen_address = listener.listen_address();
  options.tls = server.tls();
  options.tls_refresh =
      FromProtoOr(server.tls_refresh_interval(), options.tls_refresh);
  options.busy_poll = FromProtoOr(listener.busy_poll(), absl::ZeroDuration());
  if (listener.has_cpu()) options.cpu = static_cast<int>(listener.cpu());
  if (listener.max_connections() != 0) {
    options.max_connections = listener.max_connections();
  }
  // As the gRPC server has them.
  GrpcConnection::Options& connection = options.connection;
  connection.max_request = server.max_message_bytes() == 0
                               ? size_t{4} << 20
                               : server.max_message_bytes();
  connection.max_held = 2 * connection.max_request;
  if (server.max_concurrent_streams() != 0) {
    connection.max_streams = server.max_concurrent_streams();
  }
  connection.longest_call =
      FromProtoOr(server.request_timeout(), connection.longest_call);
  return options;
}

std::string SessionTargetOf(const Config& config, int port) {
  const std::string& told = config.session_listener().advertised_target();
  return told.empty() ? absl::StrCat(":", port) : told;
}

std::string RealmOf(const Config& config) {
  return config.realm().empty() ? "sallyport" : config.realm();
}

absl::Status ExpandAddresses(Config* config) {
  ConfigFaults faults;
  const auto expand = [&](std::string_view field,
                          config::v1::InterfaceConfig* interface) {
    config::v1::InterfaceConfig expanded;
    for (int i = 0; i < interface->addresses_size(); ++i) {
      const auto variable = VariableIn(interface->addresses(i));
      if (!variable.has_value()) {
        expanded.add_addresses(interface->addresses(i));
        continue;
      }
      const char* const value = std::getenv(variable->c_str());
      const auto addresses = ParseAddressList(value == nullptr ? "" : value);
      if (!addresses.ok()) {
        faults.Add(absl::StrCat(AbslView(field), ".addresses[", i, "]"),
                   "the environment has no IP address under that name");
        continue;
      }
      for (const IpAddress& address : *addresses) {
        expanded.add_addresses(address.ToString());
      }
    }
    interface->mutable_addresses()->Swap(expanded.mutable_addresses());
  };
  expand("external", config->mutable_external());
  if (config->has_internal()) expand("internal", config->mutable_internal());
  return faults.ToStatus();
}

std::optional<AdvertisedAddresses::Options> AdvertisedOptionsFrom(
    const Config& config) {
  const config::v1::InterfaceConfig& external = config.external();
  if (external.advertised_sources().empty()) return std::nullopt;
  AdvertisedAddresses::Options options;
  for (const std::string& text : external.advertised_sources()) {
    options.sources.push_back(*AddressSource::Parse(text));
  }
  for (const std::string& text : external.addresses()) {
    options.local.push_back(*IpAddress::Parse(text));
  }
  PeerPolicyOptions allowed;
  allowed.allowed = PrefixesFrom(config.peer_policy().allowed_prefixes());
  options.accepts = [policy = PeerPolicy(allowed)](const IpAddress& address) {
    return policy.CheckAddress(address) == PeerVerdict::kAllowed;
  };
  options.refresh = FromProtoOr(config.advertised_refresh(), absl::Minutes(1));
  return options;
}

void AdvertiseInstead(const std::vector<std::string>& addresses,
                      Config* config) {
  if (addresses.empty()) return;
  config->mutable_external()->clear_advertised_sources();
  config->mutable_external()->clear_advertised_addresses();
  for (const std::string& address : addresses) {
    config->mutable_external()->add_advertised_addresses(address);
  }
}

void SetAdvertised(const AdvertisedAddresses::Learnt& learnt, Config* config) {
  std::vector<std::string> addresses;
  for (const IpAddress& address : learnt) {
    addresses.push_back(address.ToString());
  }
  AdvertiseInstead(addresses, config);
}

RelayFleetOptions FleetOptionsFrom(const Config& config, size_t processors) {
  RelayFleetOptions options;
  const RelayInterfaces interfaces = InterfacesFrom(config);
  const config::v1::MediaRelayLimits& limits = config.limits();

  TurnServerOptions& turn = options.core.turn;
  // Clients inside and outside alike get external addresses (AVE-43).
  turn.ipv4 = interfaces.external_v4;
  turn.ipv6 = interfaces.external_v6;
  for (const std::string& text : config.alternate_servers()) {
    const auto alternate = SocketAddress::Parse(text);
    if (!alternate.ok()) continue;
    (alternate->is_v6() ? turn.alternate_v6 : turn.alternate_v4) = Endpoint{
        IpAddress::FromBytes(alternate->ip_bytes()), alternate->port()};
  }
  turn.default_lifetime =
      FromProtoOr(config.allocation_lifetime(), absl::Minutes(10));
  turn.max_lifetime =
      FromProtoOr(config.max_allocation_lifetime(), absl::Hours(1));
  turn.allocation_quota.all = Or(limits.max_allocations(), 5000);
  turn.allocation_quota.per_subject =
      Or(limits.max_allocations_per_subject(), 10);
  turn.allocation_quota.per_tenant =
      Or(limits.max_allocations_per_tenant(),
         static_cast<uint32_t>(turn.allocation_quota.all));
  turn.bandwidth.per_allocation = limits.max_allocation_bytes_per_second();
  turn.bandwidth.per_subject = limits.max_subject_bytes_per_second();
  turn.bandwidth.per_tenant = limits.max_tenant_bytes_per_second();
  options.max_bytes_per_second = limits.max_bytes_per_second();
  turn.allocation_limits.max_permissions = Or(limits.max_permissions(), 32);
  turn.allocation_limits.max_channels = Or(limits.max_channels(), 32);
  turn.authenticator.realm = RealmOf(config);
  turn.authenticator.nonce_lifetime =
      FromProtoOr(config.nonce_lifetime(), absl::Minutes(10));
  turn.authenticator.answer_wrong_integrity = config.answer_wrong_integrity();
  turn.authenticator.ms_turn_version =
      Or(config.ms_turn_version(), kHighestMsTurnVersion);
  turn.authenticator.unauthenticated_replies_per_second =
      Or(limits.unauthenticated_replies_per_second(), 50);

  SessionTableOptions& sessions = options.core.sessions;
  sessions.interfaces = interfaces;
  sessions.max_sessions = Or(limits.max_sessions(), 5000);
  sessions.max_playbacks =
      Or(limits.max_playbacks(), static_cast<uint32_t>(sessions.max_sessions));
  sessions.media_timeout =
      FromProtoOr(config.media_timeout(), absl::Seconds(20));

  PortPoolOptions& ports = options.core.ports;
  ports.first = static_cast<uint16_t>(PortMin(config));
  ports.last = static_cast<uint16_t>(PortMax(config));
  ports.quarantine = FromProtoOr(config.port_quarantine(), absl::Seconds(60));

  PeerPolicyOptions& policy = options.core.policy;
  policy.allowed = PrefixesFrom(config.peer_policy().allowed_prefixes());
  policy.denied = PrefixesFrom(config.peer_policy().denied_prefixes());
  policy.deny_public = config.peer_policy().deny_public();
  for (const config::v1::FederatedPartnerConfig& partner :
       config.federated_partners()) {
    PartnerWay way;
    way.prefixes = PrefixesFrom(partner.prefixes());
    if (way.prefixes.empty()) continue;
    // AVE-49, AVE-50.
    if (partner.generation() == config::v1::PARTNER_GENERATION_OCS_2007) {
      way.udp = way.tcp = kFormerPorts;
      way.tcp_comes_in = true;
    } else {
      way.udp = kR2Udp;
      way.tcp = kR2Tcp;
    }
    policy.partners.push_back(std::move(way));
  }

  const uint16_t stun =
      config.stun_udp_port() == 0 && config.ephemeral_ports()
          ? 0
          : static_cast<uint16_t>(Or(config.stun_udp_port(), kDefaultStunPort));
  for (const RelayInterface& interface : AllOf(interfaces)) {
    options.listeners.push_back({interface.local, stun});
    for (const IpAddress& own : {interface.local, interface.advertised}) {
      for (const uint16_t port :
           {stun, PortOf(config.server().listen_address(), 7003),
            PortOf(config.server().metrics_address(), 9464),
            PortOf(config.session_listener().listen_address(), 0)}) {
        if (port != 0) policy.denied_endpoints.push_back({own, port});
      }
    }
  }
  options.stream_listeners = StreamListenersFrom(config, interfaces);
  for (const StreamListener& listener : options.stream_listeners) {
    for (const RelayInterface& interface : AllOf(interfaces)) {
      for (const IpAddress& own : {interface.local, interface.advertised}) {
        if (listener.local.port != 0) {
          policy.denied_endpoints.push_back({own, listener.local.port});
        }
      }
    }
  }
  options.connections =
      ConnectionLimits(Or(limits.max_connections(), 10'000),
                       Or(limits.max_connections_per_source(), 100));
  options.loops =
      config.loops() == 0 ? std::max<size_t>(1, processors) : config.loops();
  options.pin = config.loops() == 0;
  options.sockets =
      RelaySocketsFrom(config.relay_sockets()).value_or(RelaySockets::kBest);
  options.fast_path =
      FastPathTierFrom(config.fast_path()).value_or(FastPathTier::kBest);
  return options;
}

std::vector<KeyClient::Options::Address> TurnUris(
    const Config& config, const std::vector<Endpoint>& listeners,
    const std::vector<StreamListener>& streams) {
  const RelayInterfaces interfaces = InterfacesFrom(config);
  std::vector<KeyClient::Options::Address> uris;
  const auto add = [&](const Endpoint& listener, std::string_view scheme,
                       std::string_view transport) {
    IpAddress told = listener.ip;
    bool internal = false;
    for (const RelayInterface& interface : AllOf(interfaces)) {
      if (interface.local == listener.ip) told = interface.advertised;
    }
    for (const std::optional<RelayInterface>& inside :
         {interfaces.internal_v4, interfaces.internal_v6}) {
      internal |= inside.has_value() && inside->local == listener.ip;
    }
    uris.push_back({absl::StrCat(AbslView(scheme), ":",
                                 Endpoint{told, listener.port}.ToString(),
                                 "?transport=", AbslView(transport)),
                    internal});
  };
  for (const Endpoint& listener : listeners) add(listener, "turn", "udp");
  for (const StreamListener& listener : streams) {
    add(listener.local, listener.tls ? "turns" : "turn", "tcp");
  }
  // The same port takes both.
  if (config.turn_dtls()) {
    for (const Endpoint& listener : listeners) add(listener, "turns", "udp");
  }
  return uris;
}

}  // namespace sallyport::media_relay
