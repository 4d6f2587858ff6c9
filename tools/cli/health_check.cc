#include "tools/cli/health_check.h"

#include "services/common/status/status_macros.h"

namespace sallyport::cli {

std::string HealthRequestBytes(const std::string& name) {
  // string service = 1; names are shorter than 128 octets.
  if (name.empty() || name.size() > 127) return "";
  return std::string("\x0a") + static_cast<char>(name.size()) + name;
}

Health HealthFromBytes(const std::string& bytes) {
  // ServingStatus status = 1.
  if (bytes.size() != 2 || bytes[0] != 0x08) return Health::kUnknown;
  if (bytes[1] == 1) return Health::kServing;
  return bytes[1] == 2 ? Health::kNotServing : Health::kUnknown;
}

absl::StatusOr<Health> CheckHealth(const Endpoint& endpoint,
                                   const std::string& name,
                                   std::string* peer_pem) {
  SP_ASSIGN_OR_RETURN(const std::string answer,
                      CallRaw(endpoint, "/grpc.health.v1.Health/Check",
                              HealthRequestBytes(name), peer_pem));
  return HealthFromBytes(answer);
}

}  // namespace sallyport::cli
