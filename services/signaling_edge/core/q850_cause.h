// Causes of the telephone network (ITU-T Q.850) and what they are in SIP.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_Q850_CAUSE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_Q850_CAUSE_H_

#include <cstdint>
#include <string>

namespace sallyport::signaling_edge {

inline constexpr uint32_t kMaxQ850Cause = 127;

// The final response to an INVITE that ends by `cause`, 1 to 127 (RFC 3398
// section 7.2.4.1); a cause that has no line there counts as the unspecified
// one of its class.
int SipCodeOfCause(uint32_t cause);

// The value of a Reason field (RFC 3326): `Q.850;cause=17;text="User busy"`.
std::string Q850Reason(uint32_t cause);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_Q850_CAUSE_H_
