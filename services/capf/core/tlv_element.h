// One element of the phones' signed files: `tag u8 | length u16 | value`.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TLV_ELEMENT_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TLV_ELEMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"

namespace sallyport::capf {

struct TlvElement {
  uint8_t tag = 0;
  ByteSpan value;     // borrowed
  size_t offset = 0;  // of the tag, from where the reader began
};

// The next element; nullopt, and no move, if it is not there in full.
std::optional<TlvElement> ReadTlvElement(ByteReader& reader);

// Text with its final NUL, which must be the only one; without it here.
// nullopt for anything else. The result is borrowed from `value`.
std::optional<std::string_view> ReadTlvText(ByteSpan value);

void WriteTlvElement(uint8_t tag, ByteSpan value, ByteBuilder& out);
// With a NUL after it. `text` must hold none.
void WriteTlvText(uint8_t tag, std::string_view text, ByteBuilder& out);
void WriteTlvU8(uint8_t tag, uint8_t value, ByteBuilder& out);
void WriteTlvU16(uint8_t tag, uint16_t value, ByteBuilder& out);

// kInvalidArgument with `reason`; the message ends with where it is.
absl::Status TlvFault(std::string_view reason, std::string_view what,
                      size_t offset);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TLV_ELEMENT_H_
