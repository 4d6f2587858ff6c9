#include "services/common/bytes/byte_reader.h"

namespace sallyport {

std::optional<uint64_t> ByteReader::ReadUnsigned(size_t width) {
  if (remaining() < width) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value = value << 8 | bytes_[offset_ + i];
  offset_ += width;
  return value;
}

std::optional<uint8_t> ByteReader::ReadU8() {
  const auto value = ReadUnsigned(1);
  if (!value) return std::nullopt;
  return static_cast<uint8_t>(*value);
}

std::optional<uint16_t> ByteReader::ReadU16() {
  const auto value = ReadUnsigned(2);
  if (!value) return std::nullopt;
  return static_cast<uint16_t>(*value);
}

std::optional<uint32_t> ByteReader::ReadU24() {
  const auto value = ReadUnsigned(3);
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<uint32_t> ByteReader::ReadU32() {
  const auto value = ReadUnsigned(4);
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<uint64_t> ByteReader::ReadU64() { return ReadUnsigned(8); }

std::optional<ByteSpan> ByteReader::ReadBytes(size_t size) {
  if (remaining() < size) return std::nullopt;
  const ByteSpan out = bytes_.subspan(offset_, size);
  offset_ += size;
  return out;
}

std::optional<ByteSpan> ByteReader::ReadU8Prefixed() {
  const size_t start = offset_;
  const auto size = ReadU8();
  if (!size) return std::nullopt;
  const auto out = ReadBytes(*size);
  if (!out) offset_ = start;
  return out;
}

std::optional<ByteSpan> ByteReader::ReadU16Prefixed() {
  const size_t start = offset_;
  const auto size = ReadU16();
  if (!size) return std::nullopt;
  const auto out = ReadBytes(*size);
  if (!out) offset_ = start;
  return out;
}

ByteSpan ByteReader::ReadRest() { return *ReadBytes(remaining()); }

std::optional<uint8_t> ByteReader::PeekU8() const {
  if (empty()) return std::nullopt;
  return bytes_[offset_];
}

bool ByteReader::Skip(size_t size) { return ReadBytes(size).has_value(); }

}  // namespace sallyport
