// The small parts of the messages that a call sends on its legs.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LEG_MESSAGES_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LEG_MESSAGES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// The methods that a party may use within a call.
inline constexpr std::string_view kCallMethods =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER";

// Sixteen lower-case hex digits.
std::string HexOf(uint64_t value);

uint32_t CseqNumber(const SipMessage& message);

// Its body is compressed or the like, which nobody here undoes.
bool IsEncoded(const SipMessage& message);

// Whether there is a body, and it is of type application/sdp.
bool HasSdp(const SipMessage& message);

// Whether the body may hold a description in some wrapping, or does not say
// what it is.
bool MayHoldSdp(const SipMessage& message);

// Sets body and Content-Type; nothing when `body` is empty.
void AddSdp(SipMessage& message, std::string_view body);

// INVITE and UPDATE: the methods that carry an offer.
bool IsExchange(SipMethod method);

// Whether a list field, in any of its lines, names the token.
bool NamesToken(const SipMessage& message, HeaderId id, std::string_view token);

// A provisional response that wants a PRACK (RFC 3262 section 4).
bool IsReliableProvisional(const SipMessage& response);
uint32_t RseqOf(const SipMessage& response);  // 0: none
// What its PRACK says to name it.
std::string RackFor(const SipMessage& response);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LEG_MESSAGES_H_
