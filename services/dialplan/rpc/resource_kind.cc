#include "services/dialplan/rpc/resource_kind.h"

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/status/check.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The place of an alternative in PlanEntry.
template <typename Entry, size_t kAt = 0>
constexpr size_t IndexOf() {
  if constexpr (std::is_same_v<std::variant_alternative_t<kAt, PlanEntry>,
                               Entry>) {
    return kAt;
  } else {
    return IndexOf<Entry, kAt + 1>();
  }
}

constexpr ResourceKind kKinds[] = {
    {"tenants", "tenant", "tenants", IndexOf<TenantEntry>()},
    {"dialPlans", "dial_plan", "dial_plans", IndexOf<DialPlanEntry>()},
    {"peers", "peer", "peers", IndexOf<PeerEntry>()},
    {"users", "user", "users", IndexOf<UserEntry>()},
    {"phones", "phone", "phones", IndexOf<PhoneEntry>()},
    {"partitions", "partition", "partitions", IndexOf<PartitionEntry>()},
    {"callingSearchSpaces", "calling_search_space", "calling_search_spaces",
     IndexOf<CallingSearchSpaceEntry>()},
    {"routePatterns", "route_pattern", "route_patterns",
     IndexOf<RoutePatternEntry>()},
    {"trunkSecurityProfiles", "trunk_security_profile",
     "trunk_security_profiles", IndexOf<TrunkSecurityProfileEntry>()},
    {"phoneSecurityProfiles", "phone_security_profile",
     "phone_security_profiles", IndexOf<PhoneSecurityProfileEntry>()},
    {"lines", "line", "lines", IndexOf<LineEntry>()},
    {"serverGroups", "server_group", "server_groups",
     IndexOf<ServerGroupEntry>()},
    {"translationPatterns", "translation_pattern", "translation_patterns",
     IndexOf<TranslationPatternEntry>()},
    {"calledPartyTransformations", "called_party_transformation",
     "called_party_transformations", IndexOf<CalledPartyTransformationEntry>()},
    {"callingPartyTransformations", "calling_party_transformation",
     "calling_party_transformations",
     IndexOf<CallingPartyTransformationEntry>()},
    {"routeLists", "route_list", "route_lists", IndexOf<RouteListEntry>()},
    {"lineGroups", "line_group", "line_groups", IndexOf<LineGroupEntry>()},
    {"huntLists", "hunt_list", "hunt_lists", IndexOf<HuntListEntry>()},
    {"huntPilots", "hunt_pilot", "hunt_pilots", IndexOf<HuntPilotEntry>()},
    {"voicemailPilots", "voicemail_pilot", "voicemail_pilots",
     IndexOf<VoicemailPilotEntry>()},
    {"voicemailProfiles", "voicemail_profile", "voicemail_profiles",
     IndexOf<VoicemailProfileEntry>()},
    {"voicemailPortGroups", "voicemail_port_group", "voicemail_port_groups",
     IndexOf<VoicemailPortGroupEntry>()},
    {"messageWaitingNumbers", "message_waiting_number",
     "message_waiting_numbers", IndexOf<MessageWaitingNumberEntry>()},
    {"diallingRestrictions", "dialling_restriction", "dialling_restrictions",
     IndexOf<DiallingRestrictionEntry>()},
    {"sipProfiles", "sip_profile", "sip_profiles", IndexOf<SipProfileEntry>()},
    {"sipCertificates", "sip_certificate", "sip_certificates",
     IndexOf<SipCertificateEntry>()},
    {"phoneSystems", "phone_system", "phone_systems",
     IndexOf<PhoneSystemEntry>()},
    {"tlsContexts", "tls_context", "tls_contexts", IndexOf<TlsContextEntry>()},
};

}  // namespace

const FieldDescriptor* ResourceKind::field() const {
  return pb::Resource::descriptor()->FindFieldByName(std::string(singular));
}

std::string ResourceKind::TypeName() const {
  return field()->message_type()->name();
}

std::string ResourceKind::TypeNames() const {
  std::string out(collection);
  out[0] = absl::ascii_toupper(static_cast<unsigned char>(out[0]));
  return out;
}

std::string ResourceKind::Prefix(std::string_view parent) const {
  if (parent.empty()) return "tenants/";
  return absl::StrCat(AbslView(parent), "/", AbslView(collection), "/");
}

absl::Span<const ResourceKind> ResourceKinds() { return kKinds; }

const ResourceKind& KindOf(std::string_view singular) {
  for (const ResourceKind& kind : kKinds) {
    if (kind.singular == singular) return kind;
  }
  SP_CHECK(false);
  return kKinds[0];
}

const ResourceKind* FindKind(const pb::Resource& resource) {
  for (const ResourceKind& kind : ResourceKinds()) {
    if (resource.GetReflection()->HasField(resource, kind.field())) {
      return &kind;
    }
  }
  return nullptr;
}

const Message& InnerOf(const pb::Resource& resource) {
  const auto* reflection = resource.GetReflection();
  const FieldDescriptor* set = reflection->GetOneofFieldDescriptor(
      resource, pb::Resource::descriptor()->oneof_decl(0));
  SP_CHECK(set != nullptr);
  return reflection->GetMessage(resource, set);
}

Message& MutableInnerOf(pb::Resource& resource) {
  const auto* reflection = resource.GetReflection();
  const FieldDescriptor* set = reflection->GetOneofFieldDescriptor(
      resource, pb::Resource::descriptor()->oneof_decl(0));
  SP_CHECK(set != nullptr);
  return *reflection->MutableMessage(&resource, set);
}

const FieldDescriptor& FieldOf(const Message& message, std::string_view field) {
  const FieldDescriptor* found =
      message.GetDescriptor()->FindFieldByName(std::string(field));
  SP_CHECK(found != nullptr);
  return *found;
}

std::string GetString(const Message& message, std::string_view field) {
  return message.GetReflection()->GetString(message, &FieldOf(message, field));
}

bool GetBool(const Message& message, std::string_view field) {
  return message.GetReflection()->GetBool(message, &FieldOf(message, field));
}

void SetString(Message& message, std::string_view field, std::string value) {
  message.GetReflection()->SetString(&message, &FieldOf(message, field),
                                     std::move(value));
}

}  // namespace sallyport::dialplan
