#include "services/capf/core/tvs_message.h"

#include <cstddef>
#include <cstdint>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed =
      sallyport::capf::ParseTvsRequest(sallyport::ByteSpan(data, size));
  if (!parsed.ok() || !parsed->has_value()) return 0;
  SP_CHECK((*parsed)->consumed <= size);
  SP_CHECK(!(*parsed)->request.certificate.empty());
  return 0;
}
