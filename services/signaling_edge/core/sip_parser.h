// Octets to SipMessage: RFC 3261 section 7, and nothing that its grammar does
// not allow, as a message that two parsers read differently is an attack.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_PARSER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_PARSER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "services/signaling_edge/core/parse_policy.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Reads one message: a datagram, or what SipFramer cut from a stream. Copies
// it once; folding is undone in that copy. Octets after Content-Length are
// dropped (section 18.3).
//
// Checked here: structure, caps, control characters, singletons, presence and
// form of Via, From, To, Call-ID and CSeq, form of Max-Forwards, Contact,
// Route, Record-Route and Expires, the Request-URI when it is sip, sips or
// tel, CSeq against the method. Not checked: credentials, bodies, whether
// extensions are understood, and every other field's inside.
//
// Fails with kInvalidArgument and a reason that sip_status knows:
// SIP_START_LINE_MALFORMED, SIP_VERSION_UNSUPPORTED, SIP_URI_MALFORMED,
// SIP_HEADER_MALFORMED, SIP_HEADER_DUPLICATE, SIP_HEADER_MISSING,
// SIP_CONTENT_LENGTH_INVALID, SIP_MESSAGE_TOO_LARGE. The error's text names the
// field, if one is to blame, and its line ("Contact, line 7"), and nothing of
// what it holds.
absl::StatusOr<SipMessage> ParseSipMessage(std::string_view datagram,
                                           const ParsePolicy& policy);

// After a failure: the request as far as it is needed for a refusal, if what
// a response must copy (Via, From, To, Call-ID, CSeq) is there, and what it is
// matched by is whole; From and To are copied as they stand. NotFound when it
// is a response, an ACK, or too broken; then the only answer is none.
absl::StatusOr<SipMessage> SalvageRequest(std::string_view datagram,
                                          const ParsePolicy& policy);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_PARSER_H_
