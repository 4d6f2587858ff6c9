// What a host name and an address look like.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_HOST_TEXT_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_HOST_TEXT_H_

#include <string_view>

namespace sallyport::dialplan {

// An IPv4 address in dotted form or an IPv6 address without brackets.
bool IsAddress(std::string_view text);

// An address, or an address, '/' and a prefix length that fits it.
bool IsAddressOrPrefix(std::string_view text);

// A host name: 1 to 253 characters, labels of 1 to 63 letters, digits and
// inner hyphens (RFC 1123 section 2.1), the last one not all digits, so that
// no address passes. No wildcard (RFC 5922 section 7.2).
bool IsHostName(std::string_view text);

// What may identify a peer in its certificate: a host name, or "sip:" and a
// host name without user part, port or parameters (RFC 5922 section 7.1).
bool IsSubjectName(std::string_view text);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_HOST_TEXT_H_
