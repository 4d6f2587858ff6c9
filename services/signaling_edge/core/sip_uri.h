// A SIP, SIPS or tel URI (RFC 3261 section 19.1, RFC 3966), borrowed from the
// text it was read in. Other schemes are refused here; whether a request with
// one gets 416 is the caller's affair.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_URI_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_URI_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"

namespace sallyport::signaling_edge {

enum class UriScheme : uint8_t { kSip, kSips, kTel };

enum class HostKind : uint8_t { kNone, kName, kIpv4, kIpv6 };

// What a host text is: a name of letters, digits, '-', '_' and dots, four
// octets, or an IPv6 reference in brackets. kNone when it is none of them.
HostKind ClassifyHost(std::string_view host);

// "host" or "host:port" as in a URI and in Via. Nothing when malformed.
struct HostPort {
  std::string_view host;  // an IPv6 address keeps its brackets
  HostKind kind = HostKind::kNone;
  std::optional<uint16_t> port;
};
std::optional<HostPort> ParseHostPort(std::string_view text);

// All views borrow; fill the fields and call ToString() to write one.
// Thread-compatible.
struct SipUri {
  UriScheme scheme = UriScheme::kSip;
  std::string_view user;  // still escaped; of a tel URI the number
  std::optional<std::string_view> password;
  std::string_view host;  // empty for tel; IPv6 in brackets
  HostKind host_kind = HostKind::kNone;
  std::optional<uint16_t> port;
  std::string_view params;   // ";name=value..." or empty
  std::string_view headers;  // "name=value&..." without the '?'

  bool has_user() const { return !user.empty(); }
  bool is_sips() const { return scheme == UriScheme::kSips; }

  // The user part without escapes, e.g. for routing. Empty when there is none.
  std::string DecodedUser() const;

  // The value of a URI parameter, empty when it has none; name in any case.
  std::optional<std::string_view> Param(std::string_view name) const;

  // RFC 3261 section 19.1.1: loose routing.
  bool is_loose_router() const { return Param("lr").has_value(); }

  std::string ToString() const;
  void AppendTo(std::string& out) const;
};

// Reads a whole addr-spec. kInvalidArgument, with no message, when it is
// malformed or its scheme is another.
absl::StatusOr<SipUri> ParseSipUri(
    std::string_view text ABSL_ATTRIBUTE_LIFETIME_BOUND);

// True for "scheme:something" of RFC 2396 without spaces, brackets or control
// characters: what may stand where a URI of another scheme is allowed.
bool IsAbsoluteUri(std::string_view text);

// Whether it asks for TLS all the way (RFC 5630).
bool IsSips(std::string_view uri);

// RFC 3323 section 4.1.1.3: a From that names nobody.
bool IsAnonymous(std::string_view uri);

// sip, sips or tel: what ParseSipUri() reads the inside of.
bool HasSipScheme(std::string_view uri);

// RFC 3261 section 19.1.4, and RFC 3966 section 4 for tel.
bool Equivalent(const SipUri& a, const SipUri& b);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_URI_H_
