// SIP methods by name. Names are case-sensitive (RFC 3261 section 7.1).

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_METHOD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_METHOD_H_

#include <cstdint>
#include <string_view>

namespace sallyport::signaling_edge {

enum class SipMethod : uint8_t {
  kOther,  // any token that is none of the following
  kAck,
  kBye,
  kCancel,
  kInfo,
  kInvite,
  kMessage,
  kNotify,
  kOptions,
  kPrack,
  kPublish,
  kRefer,
  kRegister,
  kService,  // [MS-AVEDGEA] section 3.1: the request for relay credentials
  kSubscribe,
  kUpdate,
};

SipMethod MethodFrom(std::string_view name);
std::string_view MethodName(SipMethod method);  // "" for kOther

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_METHOD_H_
