#include "services/common/plan_snapshot/routing_entry.h"

#include "services/common/config/proto_time.h"
#include "services/common/plan_snapshot/proto_values.h"

namespace sallyport {

namespace pb = ::sallyport::dialplan::v1;

namespace {

// What the patterns have in common.
template <typename Proto, typename Entry>
void SetPattern(const Proto& in, Entry& out) {
  out.name = in.name();
  out.partition = in.partition();
  out.pattern = in.pattern();
}

template <typename Proto>
Transformation TransformationOf(const Proto& in) {
  Transformation out;
  SetCalled(in.called_party(), out);
  SetCalling(in.calling_party(), out);
  return out;
}

HuntAction ActionOf(int action) {
  return EnumOf(action, HuntAction::kStop,
                HuntAction::kNextMemberThenNextGroup);
}

}  // namespace

PartitionEntry Entry(const pb::Partition& in) {
  return {in.name(), in.disabled()};
}

CallingSearchSpaceEntry Entry(const pb::CallingSearchSpace& in) {
  return {in.name(), Strings(in.partitions())};
}

RoutePatternEntry Entry(const pb::RoutePattern& in) {
  RoutePatternEntry out;
  SetPattern(in, out);
  out.peer = in.peer();
  out.route_list = in.route_list();
  if (in.has_block()) {
    out.action = PatternAction::kBlock;
    out.block_cause = in.block().cause();
  }
  out.toll_class = TollClassOf(in.toll_class());
  out.urgent_priority = in.urgent_priority();
  out.disabled = in.disabled();
  out.transformation = TransformationOf(in);
  out.sip_domain = HostText(in.sip_domain());
  out.numbering_plan = in.numbering_plan();
  return out;
}

TranslationPatternEntry Entry(const pb::TranslationPattern& in) {
  TranslationPatternEntry out;
  SetPattern(in, out);
  if (in.has_block()) {
    out.action = PatternAction::kBlock;
    out.block_cause = in.block().cause();
  }
  out.calling_search_space = in.calling_search_space();
  out.use_originator_search_space = in.use_originator_calling_search_space();
  out.urgent_priority = in.has_urgent_priority() ? in.urgent_priority() : true;
  out.disabled = in.disabled();
  out.transformation = TransformationOf(in);
  out.numbering_plan = in.numbering_plan();
  return out;
}

CalledPartyTransformationEntry Entry(const pb::CalledPartyTransformation& in) {
  CalledPartyTransformationEntry out;
  SetPattern(in, out);
  SetCalled(in.change(), out.transformation);
  out.numbering_plan = in.numbering_plan();
  return out;
}

CallingPartyTransformationEntry Entry(
    const pb::CallingPartyTransformation& in) {
  CallingPartyTransformationEntry out;
  SetPattern(in, out);
  SetCalling(in.change(), out.transformation);
  out.numbering_plan = in.numbering_plan();
  return out;
}

RouteListEntry Entry(const pb::RouteList& in) {
  RouteListEntry out;
  out.name = in.name();
  for (const pb::RouteListMember& member : in.members()) {
    out.members.push_back({member.peer(), member.has_called_party(),
                           member.has_calling_party(),
                           TransformationOf(member)});
  }
  out.distribution = EnumOf(in.distribution(), RouteDistribution::kCircular,
                            RouteDistribution::kTopDown);
  out.stop_on_busy = in.stop_on_busy();
  out.stop_on_unallocated_number = in.stop_on_unallocated_number();
  out.disabled = in.disabled();
  return out;
}

DiallingRestrictionEntry Entry(const pb::DiallingRestriction& in) {
  DiallingRestrictionEntry out;
  out.name = in.name();
  for (const int toll_class : in.allowed_toll_classes()) {
    // A class of a later version is not one that this may allow.
    if (toll_class > pb::TOLL_CLASS_PREMIUM) continue;
    out.allowed.push_back(TollClassOf(toll_class));
  }
  for (const pb::DiallingRule& rule : in.rules()) {
    out.rules.push_back({rule.group(), rule.number_mask(), rule.allow()});
  }
  for (const pb::TollLimit& limit : in.toll_limits()) {
    TollLimit& entry = out.toll_limits.emplace_back();
    for (const int toll_class : limit.toll_classes()) {
      if (toll_class > pb::TOLL_CLASS_PREMIUM) continue;
      entry.toll_classes.push_back(TollClassOf(toll_class));
    }
    entry.calls_per_caller = limit.calls_per_caller();
    entry.calls_per_tenant = limit.calls_per_tenant();
    entry.calls_per_minute_per_caller = limit.calls_per_minute_per_caller();
    entry.calls_per_minute_per_tenant = limit.calls_per_minute_per_tenant();
  }
  return out;
}

LineGroupEntry Entry(const pb::LineGroup& in) {
  LineGroupEntry out;
  out.name = in.name();
  out.lines = Strings(in.lines());
  out.algorithm =
      EnumOf(in.algorithm(), HuntAlgorithm::kBroadcast,
             HuntAlgorithm::kLongestIdle, HuntAlgorithm::kLongestIdle);
  out.ring_no_answer_reversion = FromProto(in.ring_no_answer_reversion());
  out.on_no_answer = ActionOf(in.on_no_answer());
  out.on_busy = ActionOf(in.on_busy());
  out.on_not_available = ActionOf(in.on_not_available());
  return out;
}

HuntListEntry Entry(const pb::HuntList& in) {
  return {in.name(), Strings(in.line_groups()), in.disabled(),
          in.for_voicemail()};
}

HuntPilotEntry Entry(const pb::HuntPilot& in) {
  HuntPilotEntry out;
  SetPattern(in, out);
  out.hunt_list = in.hunt_list();
  out.forward_busy = ForwardOf(in.forward_busy());
  out.forward_no_answer = ForwardOf(in.forward_no_answer());
  out.maximum_hunt_time = FromProto(in.maximum_hunt_time());
  out.urgent_priority = in.urgent_priority();
  out.transformation = TransformationOf(in);
  if (in.has_queue()) {
    out.queue =
        CallQueueEntry{in.queue().max_callers(),
                       FromProto(in.queue().max_wait()), in.queue().prompt()};
  }
  return out;
}

VoicemailPilotEntry Entry(const pb::VoicemailPilot& in) {
  return {in.name(), in.number(), in.calling_search_space(), in.is_default()};
}

VoicemailProfileEntry Entry(const pb::VoicemailProfile& in) {
  return {in.name(), in.voicemail_pilot(), in.mailbox_mask(), in.is_default(),
          in.use_last_redirecting_number()};
}

VoicemailPortGroupEntry Entry(const pb::VoicemailPortGroup& in) {
  VoicemailPortGroupEntry out;
  out.name = in.name();
  out.peer = in.peer();
  out.integration = EnumOf(in.integration(), VoicemailIntegration::kSccp,
                           VoicemailIntegration::kSip);
  for (const pb::VoicemailPort& port : in.ports()) {
    out.ports.push_back({port.device_name(), port.line(), port.answers_calls(),
                         port.notifies(), port.sends_message_waiting(),
                         port.records_and_plays(), port.disabled()});
  }
  out.device_security_mode = DeviceModeOf(in.device_security_mode());
  out.message_waiting_on_number = in.message_waiting_on_number();
  out.message_waiting_off_number = in.message_waiting_off_number();
  out.line_group = in.line_group();
  out.device_name_prefix = in.device_name_prefix();
  out.secure_rtp = in.secure_rtp();
  out.sip_certificate_subject = in.sip_certificate_subject();
  for (const pb::VoicemailServer& server : in.servers()) {
    out.servers.push_back({server.host(),
                           server.role() == pb::VOICEMAIL_SERVER_ROLE_TFTP,
                           server.port()});
  }
  out.sip_certificate = in.sip_certificate();
  out.phone_system = in.phone_system();
  return out;
}

SipCertificateEntry Entry(const pb::SipCertificate& in) {
  return {in.name(), SubjectText(in.subject_name())};
}

PhoneSystemEntry Entry(const pb::PhoneSystem& in) {
  return {in.name(), in.disabled()};
}

MessageWaitingNumberEntry Entry(const pb::MessageWaitingNumber& in) {
  return {in.name(), in.number(), in.partition(), in.calling_search_space(),
          in.indicator() == pb::MESSAGE_WAITING_INDICATOR_ON};
}

}  // namespace sallyport
