// Process configuration: JSON text to a config proto.

#ifndef SALLYPORT_SERVICES_COMMON_CONFIG_CONFIG_LOADER_H_
#define SALLYPORT_SERVICES_COMMON_CONFIG_CONFIG_LOADER_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace sallyport {

// Largest configuration read, in octets.
inline constexpr size_t kMaxConfigBytes = 4 << 20;

// Reads `json` into `*config` by the proto3 JSON mapping; both lower_snake and
// lowerCamel field names are taken. Nothing is ignored: INVALID_ARGUMENT with
// reason CONFIG_INVALID names, all at once and by path, every unknown field,
// every field given twice under its two names, and every value of the wrong
// JSON type; for text that is not JSON it tells where it breaks. Whether the
// values make sense is the caller's ValidateConfig. Pure.
absl::Status ParseConfig(std::string_view json,
                         google::protobuf::Message* config);

// The same from a file; NOT_FOUND or PERMISSION_DENIED when it cannot be read.
absl::Status LoadConfig(const std::string& path,
                        google::protobuf::Message* config);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CONFIG_CONFIG_LOADER_H_
