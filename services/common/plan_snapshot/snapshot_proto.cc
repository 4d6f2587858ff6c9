#include "services/common/plan_snapshot/snapshot_proto.h"

#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

std::string HostName(const std::string& text) {
  std::string out = absl::AsciiStrToLower(text);
  if (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

// A certificate's sip: URI and its dNSName are one identity (RFC 5922 section
// 7.1), so a subject written either way is one name, and unique as such.
std::string SubjectName(const std::string& text) {
  std::string out = HostName(text);
  if (out.rfind("sip:", 0) == 0) out.erase(0, 4);
  return out;
}

SecurityMode ModeOf(type::SecurityMode mode) {
  switch (mode) {
    case type::SECURITY_MODE_SIP_SECURED:
      return SecurityMode::kSipSecured;
    case type::SECURITY_MODE_UNSECURED:
    case type::SECURITY_MODE_UNSPECIFIED:
      return SecurityMode::kUnsecured;
    default:
      // A mode that a later version knows must not open a leg here.
      return SecurityMode::kSecured;
  }
}

SipTransport TransportOf(type::Transport transport) {
  switch (transport) {
    case type::TRANSPORT_UDP:
      return SipTransport::kUdp;
    case type::TRANSPORT_TCP:
      return SipTransport::kTcp;
    case type::TRANSPORT_TLS:
      return SipTransport::kTls;
    default:
      return SipTransport::kUnset;
  }
}

PeerKind KindOf(pb::PeerKind kind) {
  switch (kind) {
    case pb::PEER_KIND_IP_PBX:
      return PeerKind::kIpPbx;
    case pb::PEER_KIND_SIP_TRUNK:
      return PeerKind::kSipTrunk;
    case pb::PEER_KIND_VOICEMAIL_SERVER:
      return PeerKind::kVoicemail;
    default:
      return PeerKind::kIpGateway;
  }
}

PeerStatus StatusOf(pb::PeerStatus status) {
  switch (status) {
    case pb::PEER_STATUS_UNSPECIFIED:
    case pb::PEER_STATUS_ENABLED:
      return PeerStatus::kEnabled;
    case pb::PEER_STATUS_NO_NEW_CALLS:
      return PeerStatus::kNoNewCalls;
    default:
      return PeerStatus::kDisabled;
  }
}

DiscardDigits DiscardOf(pb::DiscardDigits discard) {
  switch (discard) {
    case pb::DISCARD_DIGITS_PRE_DOT:
      return DiscardDigits::kPreDot;
    case pb::DISCARD_DIGITS_PRE_DOT_TRAILING_HASH:
      return DiscardDigits::kPreDotTrailingPound;
    case pb::DISCARD_DIGITS_TRAILING_HASH:
      return DiscardDigits::kTrailingPound;
    default:
      return DiscardDigits::kNone;
  }
}

TollClass TollClassOf(pb::TollClass toll_class) {
  switch (toll_class) {
    case pb::TOLL_CLASS_UNSPECIFIED:
    case pb::TOLL_CLASS_INTERNAL:
      return TollClass::kInternal;
    case pb::TOLL_CLASS_EMERGENCY:
      return TollClass::kEmergency;
    case pb::TOLL_CLASS_LOCAL:
      return TollClass::kLocal;
    case pb::TOLL_CLASS_NATIONAL:
      return TollClass::kNational;
    case pb::TOLL_CLASS_INTERNATIONAL:
      return TollClass::kInternational;
    default:
      return TollClass::kPremium;
  }
}

UriType UriTypeOf(pb::UriType type) {
  switch (type) {
    case pb::URI_TYPE_E164:
      return UriType::kE164;
    case pb::URI_TYPE_SIP_NAME:
      return UriType::kSipName;
    default:
      return UriType::kTelExtn;
  }
}

TenantEntry Entry(const pb::Tenant& in) {
  TenantEntry out;
  out.name = in.name();
  for (const std::string& domain : in.domains()) {
    out.domains.push_back(HostName(domain));
  }
  out.default_dial_plan = in.default_dial_plan();
  out.rtm_profile = in.compatibility_profile() == pb::COMPATIBILITY_PROFILE_RTM;
  return out;
}

DialPlanEntry Entry(const pb::DialPlan& in) {
  DialPlanEntry out;
  out.name = in.name();
  out.security_mode = ModeOf(in.security_mode());
  out.uri_type = UriTypeOf(in.uri_type());
  out.extension_digits =
      static_cast<uint32_t>(in.number_of_digits_in_extension());
  out.calling_search_space = in.calling_search_space();
  out.edges.assign(in.associated_edges().begin(), in.associated_edges().end());
  return out;
}

PeerEntry Entry(const pb::Peer& in) {
  PeerEntry out;
  out.name = in.name();
  out.dial_plan = in.dial_plan();
  out.kind = KindOf(in.kind());
  out.fqdn = HostName(in.fqdn());
  out.address = absl::AsciiStrToLower(in.address());
  out.port = in.port();
  out.transport = TransportOf(in.transport());
  for (const std::string& subject : in.x509_subject_names()) {
    out.x509_subjects.push_back(SubjectName(subject));
  }
  out.incoming_port = in.incoming_port();
  out.source_addresses.assign(in.source_addresses().begin(),
                              in.source_addresses().end());
  out.digest_user = in.digest_user();
  out.status = StatusOf(in.status());
  out.outcalls_allowed = in.outcalls_allowed();
  out.calling_search_space = in.calling_search_space();
  out.max_calls = in.max_calls();
  return out;
}

UserEntry Entry(const pb::User& in) {
  UserEntry out;
  out.name = in.name();
  out.username = in.username();
  out.domain = HostName(in.domain());
  out.realm = in.realm();
  out.dial_plan = in.dial_plan();
  out.calling_search_space = in.calling_search_space();
  out.phone_numbers.assign(in.phone_numbers().begin(),
                           in.phone_numbers().end());
  if (in.digest_algorithm() == type::DIGEST_ALGORITHM_MD5) {
    out.digest_algorithm = DigestAlgorithm::kMd5;
    out.ha1_md5 = in.ha1();
  } else {
    out.ha1_sha256 = in.ha1();
  }
  out.disabled = in.disabled();
  out.allow_without_certificate = in.allow_without_certificate();
  out.max_contacts = in.max_contacts();
  return out;
}

PhoneEntry Entry(const pb::Phone& in) {
  PhoneEntry out;
  out.name = in.name();
  out.device_name = in.device_name();
  out.dial_plan = in.dial_plan();
  out.calling_search_space = in.calling_search_space();
  out.owner_user = in.owner_user();
  out.disabled = in.disabled();
  return out;
}

CallingSearchSpaceEntry Entry(const pb::CallingSearchSpace& in) {
  CallingSearchSpaceEntry out;
  out.name = in.name();
  out.partitions.assign(in.partitions().begin(), in.partitions().end());
  return out;
}

RoutePatternEntry Entry(const pb::RoutePattern& in) {
  RoutePatternEntry out;
  out.name = in.name();
  out.partition = in.partition();
  out.pattern = in.pattern();
  out.peer = in.peer();
  if (in.has_block()) {
    out.action = PatternAction::kBlock;
    out.block_cause = in.block().cause();
  }
  out.toll_class = TollClassOf(in.toll_class());
  out.urgent_priority = in.urgent_priority();
  out.disabled = in.disabled();
  out.transformation.discard = DiscardOf(in.called_party().discard_digits());
  out.transformation.called_mask = in.called_party().transform_mask();
  out.transformation.called_prefix = in.called_party().prefix_digits();
  out.transformation.calling_mask = in.calling_party().transform_mask();
  out.transformation.calling_prefix = in.calling_party().prefix_digits();
  return out;
}

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
    case pb::Resource::kUser:
      return Entry(resource.user());
    case pb::Resource::kPhone:
      return Entry(resource.phone());
    case pb::Resource::kPartition:
      return PartitionEntry{resource.partition().name(),
                            resource.partition().disabled()};
    case pb::Resource::kCallingSearchSpace:
      return Entry(resource.calling_search_space());
    case pb::Resource::kRoutePattern:
      return Entry(resource.route_pattern());
    default:
      return std::nullopt;
  }
}

const std::string& NameOf(const pb::Resource& resource) {
  return StringField(resource, 1);
}

const std::string& EtagOf(const pb::Resource& resource) {
  return StringField(resource, 4);
}

}  // namespace sallyport
