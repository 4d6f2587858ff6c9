// Values and names within the URIs that databases are opened by.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_URI_ESCAPE_H_
#define SALLYPORT_SERVICES_COMMON_SQL_URI_ESCAPE_H_

#include <string>
#include <string_view>

namespace sallyport {

// All octets but letters and digits as %HH (RFC 3986 section 2.1). SOCI takes a
// connection string apart at blanks, quoted or not, so more than a URI needs.
std::string UriEscape(std::string_view text);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_URI_ESCAPE_H_
