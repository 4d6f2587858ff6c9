// What one SIP message may be at most. Every cap is checked before the thing
// it caps is stored, so a connection that has proven nothing holds bounded
// memory.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PARSE_POLICY_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PARSE_POLICY_H_

#include <cstdint>

namespace sallyport::signaling_edge {

// Sizes in octets. Immutable.
struct ParsePolicy {
  uint32_t max_start_line = 2048;
  uint32_t max_header_line = 8192;    // one field, its folding included
  uint32_t max_header_bytes = 32768;  // start line and all fields
  uint32_t max_headers = 128;
  uint32_t max_vias = 70;    // elements, comma-separated ones included
  uint32_t max_routes = 32;  // of Route, and of Record-Route, each
  uint32_t max_contacts = 32;
  uint32_t max_body = 65535;

  // RFC 3261 lets a quoted string hold any control character behind a
  // backslash, NUL too. Nobody sends one for a good reason.
  bool accept_escaped_controls = false;

  // The most that one message can be.
  uint32_t max_message() const { return max_header_bytes + max_body; }
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_PARSE_POLICY_H_
