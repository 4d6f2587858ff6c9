// Offers without V.150.1 modem relay, for trunks that are not to see it (SIP
// V.150 Outbound SDP Offer Filtering of a trunk security profile).
//
// Cisco's Security Guide for Unified Communications Manager ("SIP Trunk
// Security Profile Settings") says what is taken out by which value: by "Remove
// MER V.150" the lines of V.150.1 as its Minimum Essential Requirements (NSA
// SCIP-216) have it, by "Remove Pre-MER V.150" those that do not comply with
// them. It does not list the lines; here they are
//   MER: what ITU-T V.150.1 adds to SDP by draft-jones-v150-registration (the
//     encodings v150fw and v150mr, the transport udpsprt, the attributes
//     sprtmap, sprtparm and vndpar), and the capability sets of RFC 3407 (sqn,
//     cdsc, cpar, cparmin, cparmax) that declare any of it, as gateways do.
//   Before MER: the sets in the form that Cisco had before RFC 3407 (X-sqn,
//     X-cap, X-cpar, X-cparmin, X-cparmax), whatever they declare, and the
//     encoding X-NSE where one of them names it.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_V150_FILTER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_V150_FILTER_H_

#include <string>
#include <string_view>

#include "services/common/digit_analysis/peer_entries.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// Whether `filter` takes anything out of anything.
constexpr bool RemovesV150(V150Filtering filter) {
  return filter == V150Filtering::kRemoveMer ||
         filter == V150Filtering::kRemovePreMer;
}

// `offer` without what `filter` removes: its attributes, and its formats with
// their rtpmap, fmtp and gpmd. An m= line of the transport, or of which no
// format is left, stays with port 0 and its formats and without attributes, so
// that the answer has as many lines (RFC 3264 section 5). A set of RFC 3407
// that declares nothing of V.150.1, such as T.38 alone, stays; so does X-NSE
// that no X-cap declares, which is fax and modem pass-through.
SdpSession WithoutV150(SdpSession offer, V150Filtering filter);

// The same of the text that was read as `offer`: what stays is octet by octet
// what it was, but for m= lines that lose something.
std::string WithoutV150(std::string_view text, const SdpSession& offer,
                        V150Filtering filter);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_V150_FILTER_H_
