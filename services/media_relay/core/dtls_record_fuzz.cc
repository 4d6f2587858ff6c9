// Whatever comes is told, and what is whole stays so in two.

#include "services/media_relay/core/dtls_record.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "services/common/bytes/byte_span.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::ByteSpan;
  using sallyport::media_relay::ClassifyDtls;
  using sallyport::media_relay::DtlsDatagram;
  const ByteSpan datagram(data, size);
  const DtlsDatagram one = ClassifyDtls(datagram);
  if (one == DtlsDatagram::kBroken) return 0;
  if (size < 14 || data[0] < 20 || data[0] > 23) std::abort();
  const std::string cut(reinterpret_cast<const char*>(data), size - 1);
  if (ClassifyDtls(sallyport::AsBytes(cut)) != DtlsDatagram::kBroken) {
    std::abort();
  }
  return 0;
}
