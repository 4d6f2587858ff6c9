#include "services/signaling_edge/core/q850_cause.h"

#include <iterator>
#include <string_view>

#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

struct Cause {
  uint32_t number;
  int code;
  std::string_view text;
};

// In ascending order; the last of each class of sixteen is the unspecified one.
constexpr Cause kCauses[] = {
    {1, 404, "Unallocated number"},
    {2, 404, "No route to network"},
    {3, 404, "No route to destination"},
    {16, 480, "Normal call clearing"},
    {17, 486, "User busy"},
    {18, 408, "No user responding"},
    {19, 480, "No answer from the user"},
    {20, 480, "Subscriber absent"},
    {21, 403, "Call rejected"},
    {22, 410, "Number changed"},
    {23, 410, "Redirection to new destination"},
    {26, 404, "Non-selected user clearing"},
    {27, 502, "Destination out of order"},
    {28, 484, "Address incomplete"},
    {29, 501, "Facility rejected"},
    {31, 480, "Normal, unspecified"},
    {34, 503, "No circuit available"},
    {38, 503, "Network out of order"},
    {41, 503, "Temporary failure"},
    {42, 503, "Switching equipment congestion"},
    {47, 503, "Resource unavailable"},
    {55, 403, "Incoming calls barred within CUG"},
    {57, 403, "Bearer capability not authorized"},
    {58, 503, "Bearer capability not available"},
    {63, 503, "Service or option not available"},
    {65, 488, "Bearer capability not implemented"},
    {70, 488, "Only restricted digital available"},
    {79, 501, "Service or option not implemented"},
    {87, 403, "User not member of CUG"},
    {88, 503, "Incompatible destination"},
    {95, 500, "Invalid message"},
    {102, 504, "Recovery on timer expiry"},
    {111, 500, "Protocol error"},
    {127, 500, "Interworking"},
};

const Cause& Find(uint32_t cause) {
  for (const Cause& one : kCauses) {
    if (one.number == cause) return one;
  }
  // Classes 0 and 1, normal events, are one.
  const uint32_t unspecified = cause < 32 ? 31 : cause | 15;
  for (const Cause& one : kCauses) {
    if (one.number == unspecified) return one;
  }
  return kCauses[std::size(kCauses) - 1];
}

}  // namespace

int SipCodeOfCause(uint32_t cause) { return Find(cause).code; }

std::string Q850Reason(uint32_t cause) {
  return Cat("Q.850;cause=", cause, ";text=\"", Find(cause).text, "\"");
}

}  // namespace sallyport::signaling_edge
