#include "services/common/plan_snapshot/snapshot_proto.h"

#include <optional>
#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/common/plan_snapshot/member_entry.h"
#include "services/common/plan_snapshot/routing_entry.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// All resources have their name at number 1 and their etag at number 4.
const std::string& StringField(const pb::Resource& resource, int number) {
  static const std::string& empty = *new std::string;
  thread_local std::string scratch;  // unused for fields of this kind
  const google::protobuf::Reflection* reflection = resource.GetReflection();
  const google::protobuf::FieldDescriptor* set =
      reflection->GetOneofFieldDescriptor(
          resource, resource.GetDescriptor()->oneof_decl(0));
  if (set == nullptr) return empty;
  const google::protobuf::Message& inner =
      reflection->GetMessage(resource, set);
  return inner.GetReflection()->GetStringReference(
      inner, inner.GetDescriptor()->FindFieldByNumber(number), &scratch);
}

}  // namespace

std::optional<PlanEntry> EntryOf(const pb::Resource& resource) {
  switch (resource.kind_case()) {
    case pb::Resource::kTenant:
      return Entry(resource.tenant());
    case pb::Resource::kDialPlan:
      return Entry(resource.dial_plan());
    case pb::Resource::kPeer:
      return Entry(resource.peer());
    case pb::Resource::kTrunkSecurityProfile:
      return Entry(resource.trunk_security_profile());
    case pb::Resource::kPhoneSecurityProfile:
      return Entry(resource.phone_security_profile());
    case pb::Resource::kPhone:
      return Entry(resource.phone());
    case pb::Resource::kLine:
      return Entry(resource.line());
    case pb::Resource::kUser:
      return Entry(resource.user());
    case pb::Resource::kServerGroup:
      return Entry(resource.server_group());
    case pb::Resource::kPartition:
      return Entry(resource.partition());
    case pb::Resource::kCallingSearchSpace:
      return Entry(resource.calling_search_space());
    case pb::Resource::kRoutePattern:
      return Entry(resource.route_pattern());
    case pb::Resource::kTranslationPattern:
      return Entry(resource.translation_pattern());
    case pb::Resource::kCalledPartyTransformation:
      return Entry(resource.called_party_transformation());
    case pb::Resource::kCallingPartyTransformation:
      return Entry(resource.calling_party_transformation());
    case pb::Resource::kRouteList:
      return Entry(resource.route_list());
    case pb::Resource::kLineGroup:
      return Entry(resource.line_group());
    case pb::Resource::kHuntList:
      return Entry(resource.hunt_list());
    case pb::Resource::kHuntPilot:
      return Entry(resource.hunt_pilot());
    case pb::Resource::kVoicemailPilot:
      return Entry(resource.voicemail_pilot());
    case pb::Resource::kVoicemailProfile:
      return Entry(resource.voicemail_profile());
    case pb::Resource::kVoicemailPortGroup:
      return Entry(resource.voicemail_port_group());
    case pb::Resource::kMessageWaitingNumber:
      return Entry(resource.message_waiting_number());
    case pb::Resource::kDiallingRestriction:
      return Entry(resource.dialling_restriction());
    case pb::Resource::kSipProfile:
      return Entry(resource.sip_profile());
    case pb::Resource::kSipCertificate:
      return Entry(resource.sip_certificate());
    case pb::Resource::kPhoneSystem:
      return Entry(resource.phone_system());
    case pb::Resource::kTlsContext:
      return Entry(resource.tls_context());
    case pb::Resource::KIND_NOT_SET:
      break;  // a kind of a later version, or none
  }
  return std::nullopt;
}

const std::string& NameOf(const pb::Resource& resource) {
  return StringField(resource, 1);
}

const std::string& EtagOf(const pb::Resource& resource) {
  return StringField(resource, 4);
}

}  // namespace sallyport
