// Input: octets as instructions to a reader over the same octets. Invariants:
// no read leaves the input, a failed read moves nowhere, and what was read
// writes back to the same octets. Also hex round trip.

#include "services/common/bytes/byte_reader.h"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/hex.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const sallyport::ByteSpan input(data, size);
  sallyport::ByteReader reader(input);
  sallyport::ByteBuilder echo;
  for (uint8_t instruction : input) {
    const size_t before = reader.offset();
    bool moved = false;
    switch (instruction % 8) {
      case 0:
        if (auto v = reader.ReadU8()) moved = true, echo.WriteU8(*v);
        break;
      case 1:
        if (auto v = reader.ReadU16()) moved = true, echo.WriteU16(*v);
        break;
      case 2:
        if (auto v = reader.ReadU24()) moved = true, echo.WriteU24(*v);
        break;
      case 3:
        if (auto v = reader.ReadU32()) moved = true, echo.WriteU32(*v);
        break;
      case 4:
        if (auto v = reader.ReadU64()) moved = true, echo.WriteU64(*v);
        break;
      case 5:
        if (auto v = reader.ReadBytes(instruction)) {
          moved = true;
          echo.WriteBytes(*v);
        }
        break;
      case 6:
        if (auto v = reader.ReadU8Prefixed()) {
          moved = true;
          echo.WriteU8(static_cast<uint8_t>(v->size()));
          echo.WriteBytes(*v);
        }
        break;
      default:
        if (auto v = reader.ReadU16Prefixed()) {
          moved = true;
          echo.WriteU16(static_cast<uint16_t>(v->size()));
          echo.WriteBytes(*v);
        }
        break;
    }
    Require(moved || reader.offset() == before);
    Require(reader.offset() + reader.remaining() == size);
  }
  Require(echo.written() == input.subspan(0, reader.offset()));

  const std::string hex = sallyport::HexEncode(input);
  Require(*sallyport::HexDecode(hex) == sallyport::AsText(input));
  const auto decoded = sallyport::HexDecode(sallyport::AsText(input));
  if (decoded.ok()) Require(decoded->size() * 2 == size);
  return 0;
}
