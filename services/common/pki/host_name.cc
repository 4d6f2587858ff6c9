#include "services/common/pki/host_name.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "services/common/pki/name_constraints.h"

namespace sallyport {
namespace {

// The 4 or 16 octets of an address; empty if it is none.
std::string AddressOctets(const std::string& host) {
  char octets[16];
  if (inet_pton(AF_INET, host.c_str(), octets) == 1) {
    return std::string(octets, 4);
  }
  if (inet_pton(AF_INET6, host.c_str(), octets) == 1) {
    return std::string(octets, 16);
  }
  return {};
}

bool MatchesDns(const std::string& host, const std::string& presented) {
  if (!IsDnsName(presented)) return false;
  const std::string name = absl::AsciiStrToLower(presented);
  if (name.substr(0, 2) != "*.") return name == host;
  if (std::count(name.begin(), name.end(), '.') < 2) return false;
  const size_t dot = host.find('.');
  return dot != std::string::npos && dot > 0 &&
         host.substr(dot) == name.substr(1);
}

}  // namespace

bool HoldsHostName(const ParsedCertificate& certificate,
                   std::string_view host) {
  if (!certificate.alt_names.has_value() || host.empty()) return false;
  const std::string wanted =
      absl::AsciiStrToLower(absl::string_view(host.data(), host.size()));
  const std::string address = AddressOctets(wanted);
  for (const GeneralName& name : *certificate.alt_names) {
    if (!address.empty()) {
      if (name.type == GeneralName::Type::kIp && name.value == address) {
        return true;
      }
    } else if (name.type == GeneralName::Type::kDns &&
               MatchesDns(wanted, name.value)) {
      return true;
    }
  }
  return false;
}

}  // namespace sallyport
