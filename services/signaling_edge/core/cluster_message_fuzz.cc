#include "services/signaling_edge/core/cluster_message.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"

// Any octets: no crash; what can be read has one form, which is what is
// written again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  const sallyport::ByteSpan octets(data, size);
  const auto message = edge::ReadClusterFrame(octets, 1, 2);
  if (!message.ok()) {
    SP_CHECK(sallyport::ReasonOf(message.status()) == "CLUSTER_FRAME_INVALID");
    return 0;
  }
  const std::string again = edge::WriteClusterFrame(*message);
  SP_CHECK(again.size() == size + edge::kClusterLengthSize);
  SP_CHECK(again.substr(edge::kClusterLengthSize) == sallyport::AsText(octets));
  return 0;
}
