// Bounds-checked reading of wire formats in network byte order.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_BYTE_READER_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_BYTE_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "services/common/bytes/byte_span.h"

namespace sallyport {

// Walks over borrowed octets. Each Read either yields a value and moves on, or
// yields nullopt and moves nowhere. Never allocates. Thread-compatible.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}

  // Octets read so far, and octets left.
  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }
  bool empty() const { return remaining() == 0; }

  // Big-endian unsigned integers.
  std::optional<uint8_t> ReadU8();
  std::optional<uint16_t> ReadU16();
  std::optional<uint32_t> ReadU24();
  std::optional<uint32_t> ReadU32();
  std::optional<uint64_t> ReadU64();

  // Exactly `size` octets, borrowed from the input.
  std::optional<ByteSpan> ReadBytes(size_t size);
  // A length of one or two octets and as many octets as it says. When the
  // octets are short, the length is not consumed either.
  std::optional<ByteSpan> ReadU8Prefixed();
  std::optional<ByteSpan> ReadU16Prefixed();
  // Everything left; may be empty.
  ByteSpan ReadRest();

  // The next octet, without moving.
  std::optional<uint8_t> PeekU8() const;
  // False, and no move, when fewer than `size` octets are left.
  bool Skip(size_t size);

 private:
  // `width` octets as one number; the caller has a `width` of at most 8.
  std::optional<uint64_t> ReadUnsigned(size_t width);

  ByteSpan bytes_;
  size_t offset_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_BYTE_READER_H_
