// UTF-8 (RFC 3629), as far as one must know whether a text is it.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_UTF8_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_UTF8_H_

#include <cstddef>
#include <string_view>

namespace sallyport {

// Length of the UTF-8 sequence that starts `text`, which is not empty; 0 when
// it is not one: truncated, overlong, a surrogate or above U+10FFFF (RFC 3629
// section 4).
size_t Utf8Length(std::string_view text);

// Where the first octet is that is not UTF-8; npos if all is.
size_t FindNotUtf8(std::string_view text);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_UTF8_H_
