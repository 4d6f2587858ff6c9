// Octets as hexadecimal text.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_HEX_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_HEX_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport {

// Two lower-case digits an octet, no separators.
std::string HexEncode(ByteSpan bytes);

// The reverse; either case. INVALID_ARGUMENT for an odd number of digits or
// for anything that is not a digit (white space and separators included).
absl::StatusOr<std::string> HexDecode(std::string_view hex);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_HEX_H_
