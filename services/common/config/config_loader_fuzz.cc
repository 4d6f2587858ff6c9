// Input: the text of a configuration file. Invariants: no crash, an error has
// its reason, and what was taken is taken again from its own JSON, unchanged.

#include "services/common/config/config_loader.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "google/protobuf/util/json_util.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/status/error_reason.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::common::config::v1::ServerConfig config;
  const absl::Status status = sallyport::ParseConfig(
      std::string_view(reinterpret_cast<const char*>(data), size), &config);
  if (!status.ok()) {
    if (sallyport::ReasonOf(status) != "CONFIG_INVALID") std::abort();
    return 0;
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(config, &json).ok()) {
    return 0;  // a duration out of the range that JSON allows
  }
  sallyport::common::config::v1::ServerConfig again;
  if (!sallyport::ParseConfig(json, &again).ok()) std::abort();
  if (again.SerializeAsString() != config.SerializeAsString()) std::abort();
  return 0;
}
