// Text within XML.

#ifndef SALLYPORT_SERVICES_COMMON_BYTES_XML_TEXT_H_
#define SALLYPORT_SERVICES_COMMON_BYTES_XML_TEXT_H_

#include <string>
#include <string_view>

namespace sallyport {

// `text` as content or attribute value of XML 1.0. White space other than a
// blank becomes a character reference, as attribute values lose it otherwise;
// what XML cannot hold is left out.
std::string XmlText(std::string_view text);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_BYTES_XML_TEXT_H_
