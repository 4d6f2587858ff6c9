#include "services/common/rpc/health_message.h"

#include <cstdint>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace sallyport {

std::optional<std::string> ParseHealthRequest(std::string_view octets) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream in(
      reinterpret_cast<const uint8_t*>(octets.data()),
      static_cast<int>(octets.size()));
  std::string name;
  // Field 1, a string; fields of later versions are passed over.
  while (const uint32_t tag = in.ReadTag()) {
    if (tag == ((1 << 3) | WireFormatLite::WIRETYPE_LENGTH_DELIMITED)) {
      uint32_t size = 0;
      if (!in.ReadVarint32(&size) ||
          !in.ReadString(&name, static_cast<int>(size))) {
        return std::nullopt;
      }
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return std::nullopt;
    }
  }
  if (!in.ConsumedEntireMessage()) return std::nullopt;
  return name;
}

std::string HealthResponse(bool serves) {
  // Field 1, an enum: 1 is SERVING, 2 NOT_SERVING.
  return serves ? "\x08\x01" : "\x08\x02";
}

}  // namespace sallyport
