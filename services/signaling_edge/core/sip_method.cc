#include "services/signaling_edge/core/sip_method.h"

#include <array>
#include <cstddef>

namespace sallyport::signaling_edge {
namespace {

constexpr std::array<std::string_view, 16> kNames = {
    "",         "ACK",     "BYE",       "CANCEL", "INFO",    "INVITE",
    "MESSAGE",  "NOTIFY",  "OPTIONS",   "PRACK",  "PUBLISH", "REFER",
    "REGISTER", "SERVICE", "SUBSCRIBE", "UPDATE",
};

}  // namespace

SipMethod MethodFrom(std::string_view name) {
  for (size_t i = 1; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<SipMethod>(i);
  }
  return SipMethod::kOther;
}

std::string_view MethodName(SipMethod method) {
  return kNames[static_cast<size_t>(method)];
}

}  // namespace sallyport::signaling_edge
