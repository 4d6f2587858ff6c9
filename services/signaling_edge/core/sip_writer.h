// SipMessage to octets. What leaves is always written from the parsed form,
// never copied from what came in.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_WRITER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_WRITER_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Long names, one field a line, no folding; Content-Length last, counted from
// the body whatever the message says of it.
std::string WriteSipMessage(const SipMessage& message);
void AppendSipMessage(const SipMessage& message, std::string& out);
// How many octets that is.
size_t WrittenSize(const SipMessage& message);

// A response to `request` (RFC 3261 section 8.2.6): Via, From, To, Call-ID and
// CSeq of the request, Record-Route when a dialog may come of it. `to_tag` is
// added unless the request has one already, or it is empty (a 100).
SipMessage MakeResponse(const SipMessage& request, int status_code,
                        std::string_view reason_phrase,
                        std::string_view to_tag);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_WRITER_H_
