// Writing wire formats in network byte order, into lent or owned memory.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_BYTE_WRITER_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_BYTE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {

// Writes into a buffer lent by the caller; for packet paths, so it never
// allocates. A write that does not fit writes nothing and makes ok() false for
// good, so a caller checks once, at the end. Thread-compatible.
class ByteWriter {
 public:
  explicit ByteWriter(absl::Span<uint8_t> buffer) : buffer_(buffer) {}

  void WriteU8(uint8_t value) { WriteUnsigned(value, 1); }
  void WriteU16(uint16_t value) { WriteUnsigned(value, 2); }
  void WriteU24(uint32_t value) { WriteUnsigned(value, 3); }
  void WriteU32(uint32_t value) { WriteUnsigned(value, 4); }
  void WriteU64(uint64_t value) { WriteUnsigned(value, 8); }
  void WriteBytes(ByteSpan bytes);
  void WriteText(std::string_view text) { WriteBytes(AsBytes(text)); }
  void WriteZeros(size_t count);

  // Overwrites two octets written before, for lengths known only afterwards.
  // `offset` + 2 must not exceed size(), else ok() turns false.
  void PatchU16(size_t offset, uint16_t value);

  bool ok() const { return ok_; }
  size_t size() const { return size_; }
  // What was written; only whole writes.
  ByteSpan written() const { return ByteSpan(buffer_.data(), size_); }

 private:
  void WriteUnsigned(uint64_t value, size_t width);
  // Room for `count` more octets, or nullptr and ok() is false.
  uint8_t* Claim(size_t count);

  absl::Span<uint8_t> buffer_;
  size_t size_ = 0;
  bool ok_ = true;
};

// The same into a string that grows; for messages that are not per packet.
// Thread-compatible.
class ByteBuilder {
 public:
  void WriteU8(uint8_t value) { WriteUnsigned(value, 1); }
  void WriteU16(uint16_t value) { WriteUnsigned(value, 2); }
  void WriteU24(uint32_t value) { WriteUnsigned(value, 3); }
  void WriteU32(uint32_t value) { WriteUnsigned(value, 4); }
  void WriteU64(uint64_t value) { WriteUnsigned(value, 8); }
  void WriteBytes(ByteSpan bytes) { out_.append(AsText(bytes)); }
  void WriteText(std::string_view text) { out_.append(text); }
  void WriteZeros(size_t count) { out_.append(count, '\0'); }
  // `offset` + 2 must not exceed size(); checked.
  void PatchU16(size_t offset, uint16_t value);

  size_t size() const { return out_.size(); }
  ByteSpan written() const { return AsBytes(out_); }
  // Hands the octets over and starts anew.
  std::string Take();

 private:
  void WriteUnsigned(uint64_t value, size_t width);

  std::string out_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_BYTE_WRITER_H_
