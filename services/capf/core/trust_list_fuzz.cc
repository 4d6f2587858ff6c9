#include "services/capf/core/trust_list.h"

#include <cstddef>
#include <cstdint>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/check.h"

// Whatever is read can be written, and reads as the same again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::AsBytes;
  const sallyport::ByteSpan file(data, size);
  const auto parsed = sallyport::capf::ParseTrustList(file);
  if (!parsed.ok()) return 0;
  const auto written = sallyport::capf::WriteTrustList(parsed->list);
  if (!written.ok()) return 0;
  const auto again = sallyport::capf::ParseTrustList(AsBytes(*written));
  SP_CHECK(again.ok());
  SP_CHECK(again->list == parsed->list);
  (void)sallyport::capf::VerifyTrustList(file);
  return 0;
}
