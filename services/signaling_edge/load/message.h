// As much of SIP as a load needs: far less than a parser, and so far faster
// than what it loads.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_MESSAGE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::signaling_edge {

// The size of the message that `octets` begin with, by its Content-Length; 0
// if it has not all come.
size_t WholeMessage(std::string_view octets);

// The status code of a response, 0 of a request.
int CodeOf(std::string_view message);

// The value of the first field "Name: " in this spelling; empty if none.
std::string_view Field(std::string_view message, std::string_view name);
// All lines of it, as they are, with their line ends.
std::string Lines(std::string_view message, std::string_view name);

// What stands between `before` and the first octet of `end` after it; empty.
std::string_view Between(std::string_view text, std::string_view before,
                         std::string_view end);

// The eight decimal digits before the first '@' after the start of `uri`, by
// which a load knows its own calls; UINT32_MAX if there are none.
uint32_t NumberIn(std::string_view uri);
std::string Digits(uint32_t number);  // eight

// A response with what RFC 3261 section 8.2.6.2 copies; `more` are lines.
std::string ResponseTo(std::string_view request, std::string_view start,
                       std::string_view to_tag, std::string_view more,
                       std::string_view body);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_MESSAGE_H_
