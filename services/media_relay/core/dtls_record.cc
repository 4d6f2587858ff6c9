#include "services/media_relay/core/dtls_record.h"

#include <cstddef>
#include <cstdint>

#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kHead = 13;
constexpr size_t kMostRecords = 32;
constexpr uint8_t kChangeCipherSpec = 20;
constexpr uint8_t kApplicationData = 23;

}  // namespace

DtlsDatagram ClassifyDtls(ByteSpan datagram) {
  bool sealed = true;
  size_t records = 0;
  while (!datagram.empty()) {
    if (datagram.size() <= kHead || ++records > kMostRecords ||
        datagram[0] < kChangeCipherSpec || datagram[0] > kApplicationData ||
        datagram[1] != 0xFE || (datagram[2] != 0xFD && datagram[2] != 0xFF)) {
      return DtlsDatagram::kBroken;
    }
    const size_t size = static_cast<size_t>(datagram[11]) << 8 | datagram[12];
    if (size == 0 || size > datagram.size() - kHead) {
      return DtlsDatagram::kBroken;
    }
    if (datagram[3] == 0 && datagram[4] == 0) sealed = false;
    datagram.remove_prefix(kHead + size);
  }
  if (records == 0) return DtlsDatagram::kBroken;
  return sealed ? DtlsDatagram::kSealed : DtlsDatagram::kClear;
}

}  // namespace sallyport::media_relay
