#include "services/common/plan_snapshot/proto_values.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"

namespace sallyport {

namespace pb = ::sallyport::dialplan::v1;

std::string HostText(const std::string& text) {
  std::string out = absl::AsciiStrToLower(text);
  if (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

std::string SubjectText(const std::string& text) {
  std::string out = HostText(text);
  if (out.rfind("sip:", 0) == 0) out.erase(0, 4);
  return out;
}

std::vector<std::string> Strings(
    const google::protobuf::RepeatedPtrField<std::string>& in) {
  return {in.begin(), in.end()};
}

std::vector<std::string> SubjectTexts(
    const google::protobuf::RepeatedPtrField<std::string>& in) {
  std::vector<std::string> out;
  for (const std::string& subject : in) out.push_back(SubjectText(subject));
  return out;
}

SipTransport TransportOf(type::v1::Transport transport) {
  switch (transport) {
    case type::v1::TRANSPORT_UDP:
      return SipTransport::kUdp;
    case type::v1::TRANSPORT_TCP:
      return SipTransport::kTcp;
    case type::v1::TRANSPORT_TLS:
      return SipTransport::kTls;
    default:
      return SipTransport::kUnset;
  }
}

TollClass TollClassOf(int toll_class) {
  return EnumOf(toll_class, TollClass::kPremium, TollClass::kPremium);
}

DeviceSecurityMode DeviceModeOf(int mode) {
  return EnumOf(mode, DeviceSecurityMode::kEncrypted,
                DeviceSecurityMode::kEncrypted);
}

CallForward ForwardOf(const pb::CallForward& in) {
  return {in.number(), in.voicemail(), in.calling_search_space()};
}

void SetCalled(const pb::CalledPartyChange& in, Transformation& out) {
  out.discard =
      EnumOf(in.discard_digits(), kLastDiscardDigits, DiscardDigits::kNone);
  out.called_mask = in.transform_mask();
  out.called_prefix = in.prefix_digits();
}

void SetCalling(const pb::CallingPartyChange& in, Transformation& out) {
  out.use_external_mask = in.use_external_phone_number_mask();
  out.calling_mask = in.transform_mask();
  out.calling_prefix = in.prefix_digits();
  out.restrict_presentation = in.restrict_presentation();
}

}  // namespace sallyport
