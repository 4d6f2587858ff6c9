#include "services/common/config/server_config.h"

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::common::config::v1;

std::string Path(std::string_view parent, std::string_view name) {
  return absl::StrCat(std::string(parent), ".", std::string(name));
}

// Lower-case letters, digits, dot, dash, underscore (SPIFFE-ID section 2.1).
bool IsTrustDomain(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  for (unsigned char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '.' &&
        c != '-' && c != '_') {
      return false;
    }
  }
  return true;
}

void CheckRoleBinding(const std::string& path, const pb::RoleBinding& binding,
                      const std::string& trust_domain, ConfigFaults* faults) {
  const std::string prefix =
      absl::StrCat("spiffe://", trust_domain, "/operator/");
  if (binding.identity().rfind(prefix, 0) != 0 ||
      binding.identity().size() == prefix.size() ||
      binding.identity().find('/', prefix.size()) != std::string::npos) {
    faults->Add(Path(path, "identity"),
                absl::StrCat("must be ", prefix, "<name>"));
  }
  if (binding.role() == pb::ROLE_UNSPECIFIED) {
    faults->Add(Path(path, "role"), "is required");
  } else if (!pb::Role_IsValid(binding.role())) {
    faults->Add(Path(path, "role"), "is not a known role");
  }
  if (binding.tenants().empty()) {
    faults->Add(Path(path, "tenants"), "is required");
  }
  for (int i = 0; i < binding.tenants_size(); ++i) {
    const std::string& tenant = binding.tenants(i);
    if (tenant.empty() || tenant.find('/') != std::string::npos) {
      faults->Add(absl::StrCat(Path(path, "tenants"), "[", i, "]"),
                  "must be a tenant id or \"*\"");
    }
  }
}

}  // namespace

bool IsListenAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = address.substr(0, colon);
  const std::string port(address.substr(colon + 1));
  const bool bracketed = host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find(':') != std::string_view::npos) return false;
  if (port.empty() || port.size() > 5 || port.front() == '+') return false;
  uint32_t value;
  return absl::SimpleAtoi(port, &value) && value <= 65535;
}

void CheckDuration(std::string_view field,
                   const google::protobuf::Duration& duration,
                   ConfigFaults* faults) {
  if (duration.seconds() < 0 || duration.nanos() < 0) {
    faults->Add(field, "must not be negative");
  } else if (duration.nanos() > 999'999'999 ||
             duration.seconds() > 315'576'000'000) {
    faults->Add(field, "is out of range");
  }
}

void CheckServerConfig(std::string_view field, const pb::ServerConfig& config,
                       ConfigFaults* faults) {
  if (!config.listen_address().empty() &&
      !IsListenAddress(config.listen_address())) {
    faults->Add(Path(field, "listen_address"), "must be host:port");
  }
  if (!config.metrics_address().empty() &&
      !IsListenAddress(config.metrics_address())) {
    faults->Add(Path(field, "metrics_address"), "must be host:port");
  }
  const std::string tls = Path(field, "tls");
  faults->Require(Path(tls, "certificate_file"),
                  config.tls().certificate_file());
  faults->Require(Path(tls, "key_file"), config.tls().key_file());
  faults->Require(Path(tls, "ca_file"), config.tls().ca_file());
  if (!IsTrustDomain(config.trust_domain())) {
    faults->Add(Path(field, "trust_domain"),
                config.trust_domain().empty()
                    ? "is required"
                    : "must be of lower-case letters, digits and . - _");
  }
  for (int i = 0; i < config.role_bindings_size(); ++i) {
    CheckRoleBinding(absl::StrCat(Path(field, "role_bindings"), "[", i, "]"),
                     config.role_bindings(i), config.trust_domain(), faults);
  }
  if (!pb::LogLevel_IsValid(config.log_level())) {
    faults->Add(Path(field, "log_level"), "is not a known level");
  }
  CheckDuration(Path(field, "drain_timeout"), config.drain_timeout(), faults);
  CheckDuration(Path(field, "request_timeout"), config.request_timeout(),
                faults);
  CheckDuration(Path(field, "tls_refresh_interval"),
                config.tls_refresh_interval(), faults);
  if (config.has_certificate_renewal()) {
    const std::string renewal = Path(field, "certificate_renewal");
    faults->Require(Path(renewal, "folder"),
                    config.certificate_renewal().folder());
    CheckDuration(Path(renewal, "report_interval"),
                  config.certificate_renewal().report_interval(), faults);
    CheckClientConfig(Path(renewal, "capf"),
                      config.certificate_renewal().capf(),
                      /*required=*/false, faults);
  }
  if (config.max_message_bytes() > (256u << 20)) {
    faults->Add(Path(field, "max_message_bytes"), "must be at most 268435456");
  }
  if (config.log_queue_bytes() > (256u << 20)) {
    faults->Add(Path(field, "log_queue_bytes"), "must be at most 268435456");
  }
}

void CheckClientConfig(std::string_view field, const pb::ClientConfig& config,
                       bool required, ConfigFaults* faults) {
  if (required) faults->Require(Path(field, "target"), config.target());
  if (config.expected_service().find('/') != std::string::npos) {
    faults->Add(Path(field, "expected_service"), "must be one path segment");
  }
  CheckDuration(Path(field, "timeout"), config.timeout(), faults);
  CheckDuration(Path(field, "max_backoff"), config.max_backoff(), faults);
}

}  // namespace sallyport
