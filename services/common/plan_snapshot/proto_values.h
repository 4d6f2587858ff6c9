// Values inside resources of the dialplan API as those of a plan's entries.

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_PROTO_VALUES_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_PROTO_VALUES_H_

#include <string>
#include <vector>

#include "google/protobuf/repeated_ptr_field.h"
#include "sallyport/dialplan/v1/line.pb.h"
#include "sallyport/dialplan/v1/transformation.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/digit_analysis/line_entries.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/digit_analysis/routing_entries.h"

namespace sallyport {

// An enum of ours that has the API's values in the same order, without its
// "unspecified" at 0, which means `unset`. A value after `last` is of a later
// version and means `unknown`.
template <typename Enum>
Enum EnumOf(int value, Enum last, Enum unknown, Enum unset = Enum{}) {
  if (value == 0) return unset;
  const int ours = value - 1;
  if (ours < 0 || ours > static_cast<int>(last)) return unknown;
  return static_cast<Enum>(ours);
}

// The API's value of an enum of ours: the reverse of EnumOf.
template <typename Proto, typename Enum>
Proto ProtoOf(Enum value) {
  return static_cast<Proto>(static_cast<int>(value) + 1);
}

// The API's transport of any enum that has these three.
template <typename Transport>
type::v1::Transport TransportToProto(Transport transport) {
  switch (transport) {
    case Transport::kUdp:
      return type::v1::TRANSPORT_UDP;
    case Transport::kTcp:
      return type::v1::TRANSPORT_TCP;
    case Transport::kTls:
      return type::v1::TRANSPORT_TLS;
    default:
      return type::v1::TRANSPORT_UNSPECIFIED;
  }
}

// In lower case, without a trailing dot.
std::string HostText(const std::string& text);
// A certificate's sip: URI and its dNSName are one identity (RFC 5922 section
// 7.1), so a subject written either way is one name, and unique as such.
std::string SubjectText(const std::string& text);

std::vector<std::string> Strings(
    const google::protobuf::RepeatedPtrField<std::string>& in);
std::vector<std::string> SubjectTexts(
    const google::protobuf::RepeatedPtrField<std::string>& in);

SipTransport TransportOf(type::v1::Transport transport);
TollClass TollClassOf(int toll_class);
DeviceSecurityMode DeviceModeOf(int mode);
CallForward ForwardOf(const dialplan::v1::CallForward& in);

// Sets one side of a transformation.
void SetCalled(const dialplan::v1::CalledPartyChange& in, Transformation& out);
void SetCalling(const dialplan::v1::CallingPartyChange& in,
                Transformation& out);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_PROTO_VALUES_H_
