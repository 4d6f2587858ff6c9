// Typed views of header field values (RFC 3261 section 20), borrowed from the
// message they stand in. Each Parse function takes ONE element, as
// SipMessage::Items() or First() gives it, and fails with a bare
// kInvalidArgument.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_HEADERS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_HEADERS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "services/signaling_edge/core/sip_method.h"
#include "services/signaling_edge/core/sip_uri.h"

namespace sallyport::signaling_edge {

enum class SipTransport : uint8_t {
  kOther,
  kUdp,
  kTcp,
  kTls,
  kSctp,
  kWs,
  kWss
};

SipTransport TransportFrom(std::string_view name);       // any case
std::string_view TransportName(SipTransport transport);  // "UDP"; "" for other
// True when the transport retransmits, so that SIP need not.
bool IsReliable(SipTransport transport);

// "z9hG4bK": the start of a branch made by RFC 3261 rules (section 8.1.1.7).
inline constexpr std::string_view kBranchCookie = "z9hG4bK";

// One Via element, RFC 3261 section 20.42. Thread-compatible.
struct Via {
  std::string_view version = "2.0";
  SipTransport transport = SipTransport::kOther;
  std::string_view transport_text;
  std::string_view host;  // of sent-by; IPv6 in brackets
  HostKind host_kind = HostKind::kNone;
  std::optional<uint16_t> port;
  std::string_view params;

  std::string_view branch() const;  // empty when there is none
  std::optional<std::string_view> received() const;
  // RFC 3581: present and without value asks for the source port.
  std::optional<std::string_view> rport() const;
  // The port of sent-by, or the transport's default.
  uint16_t sent_by_port() const;

  // All but the parameters.
  void AppendTo(std::string& text) const;
  std::string ToString() const;
};
// Takes any version, so that a request of another one can be answered; the
// parser lets only 2.0 through.
absl::StatusOr<Via> ParseVia(
    std::string_view item ABSL_ATTRIBUTE_LIFETIME_BOUND);

// name-addr or addr-spec with header parameters: From, To, Contact, Route,
// Record-Route, Refer-To, P-Asserted-Identity, Diversion and so on (RFC 3261
// section 20.10). Without angle brackets, parameters belong to the field and
// the URI holds no ',', ';' or '?'. Thread-compatible.
struct NameAddr {
  std::string_view display_name;  // as sent, quotes and all; may be empty
  std::string_view uri;           // addr-spec; of any scheme
  std::string_view params;

  std::string DisplayName() const;  // without quotes and backslashes
  std::string_view tag() const;     // empty when there is none
  std::optional<std::string_view> Param(std::string_view name) const;

  // With angle brackets always; `display_name` is written as it stands.
  std::string ToString() const;
};
absl::StatusOr<NameAddr> ParseNameAddr(
    std::string_view item ABSL_ATTRIBUTE_LIFETIME_BOUND);

// "*" in a Contact of REGISTER: all bindings (section 10.2.2).
bool IsStar(std::string_view contact_item);

struct Cseq {
  uint32_t number = 0;  // below 2^31
  SipMethod method = SipMethod::kOther;
  std::string_view method_text;

  std::string ToString() const;
};
absl::StatusOr<Cseq> ParseCseq(
    std::string_view value ABSL_ATTRIBUTE_LIFETIME_BOUND);

// RAck of PRACK: RSeq, CSeq number, method (RFC 3262 section 7.2).
struct Rack {
  uint32_t response_number = 0;
  Cseq cseq;
};
absl::StatusOr<Rack> ParseRack(
    std::string_view value ABSL_ATTRIBUTE_LIFETIME_BOUND);

// A challenge or credentials: scheme and its parameters, which are separated
// by commas within the one field (RFC 3261 section 20.7, RFC 7616). Immutable.
struct AuthValue {
  struct Parameter {
    std::string_view name;
    std::string_view value;  // as sent, with its quotes
  };
  std::string_view scheme;
  absl::InlinedVector<Parameter, 12> parameters;

  // The parameter without quotes and backslashes; name in any case.
  std::optional<std::string> Get(std::string_view name) const;
};
// Refuses a parameter that stands twice.
absl::StatusOr<AuthValue> ParseAuthValue(
    std::string_view value ABSL_ATTRIBUTE_LIFETIME_BOUND);

// "value;param=..": Content-Type, Event, Subscription-State, Session-Expires,
// Replaces, Content-Disposition, Reason. `value` has no ';' and no quotes.
struct ValueWithParams {
  std::string_view value;
  std::string_view params;

  std::optional<std::string_view> Param(std::string_view name) const;
};
absl::StatusOr<ValueWithParams> ParseValueWithParams(
    std::string_view item ABSL_ATTRIBUTE_LIFETIME_BOUND);

// Digits only, at most `max_body`; never a number that a larger one wrapped to.
std::optional<uint32_t> ParseContentLength(std::string_view value,
                                           uint32_t max_body);
// 0 to 255 (section 20.22).
std::optional<uint8_t> ParseMaxForwards(std::string_view value);
// Seconds; above 2^32-1 it is 2^32-1 (section 20.19). Expires, Min-Expires.
std::optional<uint32_t> ParseDeltaSeconds(std::string_view value);
// Retry-After, Session-Expires, Min-SE: seconds, then comment or parameters.
std::optional<uint32_t> ParseLeadingSeconds(std::string_view value);

// True when a list field (Supported, Require, Allow...) names the token, in
// any case.
bool ListHasToken(std::string_view value, std::string_view token);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_HEADERS_H_
