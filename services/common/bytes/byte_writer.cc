#include "services/common/bytes/byte_writer.h"

#include <algorithm>
#include <utility>

#include "services/common/status/check.h"

namespace sallyport {

uint8_t* ByteWriter::Claim(size_t count) {
  if (!ok_ || buffer_.size() - size_ < count) {
    ok_ = false;
    return nullptr;
  }
  uint8_t* const start = buffer_.data() + size_;
  size_ += count;
  return start;
}

void ByteWriter::WriteUnsigned(uint64_t value, size_t width) {
  uint8_t* const out = Claim(width);
  if (out == nullptr) return;
  for (size_t i = 0; i < width; ++i) {
    out[i] = static_cast<uint8_t>(value >> (8 * (width - 1 - i)));
  }
}

void ByteWriter::WriteBytes(ByteSpan bytes) {
  uint8_t* const out = Claim(bytes.size());
  if (out != nullptr) std::copy(bytes.begin(), bytes.end(), out);
}

void ByteWriter::WriteZeros(size_t count) {
  uint8_t* const out = Claim(count);
  if (out != nullptr) std::fill_n(out, count, uint8_t{0});
}

void ByteWriter::PatchU16(size_t offset, uint16_t value) {
  if (size_ < 2 || offset > size_ - 2) {
    ok_ = false;
    return;
  }
  buffer_[offset] = static_cast<uint8_t>(value >> 8);
  buffer_[offset + 1] = static_cast<uint8_t>(value);
}

void ByteBuilder::WriteUnsigned(uint64_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) {
    out_.push_back(static_cast<char>(value >> (8 * (width - 1 - i))));
  }
}

void ByteBuilder::PatchU16(size_t offset, uint16_t value) {
  SP_CHECK(out_.size() >= 2 && offset <= out_.size() - 2);
  out_[offset] = static_cast<char>(value >> 8);
  out_[offset + 1] = static_cast<char>(value);
}

std::string ByteBuilder::Take() { return std::exchange(out_, std::string()); }

}  // namespace sallyport
