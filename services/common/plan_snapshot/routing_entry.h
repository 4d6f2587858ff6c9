// What routes a call, as entries of a plan.

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_ROUTING_ENTRY_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_ROUTING_ENTRY_H_

#include "sallyport/dialplan/v1/called_party_transformation.pb.h"
#include "sallyport/dialplan/v1/calling_party_transformation.pb.h"
#include "sallyport/dialplan/v1/calling_search_space.pb.h"
#include "sallyport/dialplan/v1/dialling_restriction.pb.h"
#include "sallyport/dialplan/v1/hunt_list.pb.h"
#include "sallyport/dialplan/v1/hunt_pilot.pb.h"
#include "sallyport/dialplan/v1/line_group.pb.h"
#include "sallyport/dialplan/v1/message_waiting_number.pb.h"
#include "sallyport/dialplan/v1/partition.pb.h"
#include "sallyport/dialplan/v1/phone_system.pb.h"
#include "sallyport/dialplan/v1/route_list.pb.h"
#include "sallyport/dialplan/v1/route_pattern.pb.h"
#include "sallyport/dialplan/v1/sip_certificate.pb.h"
#include "sallyport/dialplan/v1/translation_pattern.pb.h"
#include "sallyport/dialplan/v1/voicemail_pilot.pb.h"
#include "sallyport/dialplan/v1/voicemail_port_group.pb.h"
#include "sallyport/dialplan/v1/voicemail_profile.pb.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// As snapshot_proto.h says of EntryOf(). Pure.
PartitionEntry Entry(const dialplan::v1::Partition& in);
CallingSearchSpaceEntry Entry(const dialplan::v1::CallingSearchSpace& in);
RoutePatternEntry Entry(const dialplan::v1::RoutePattern& in);
TranslationPatternEntry Entry(const dialplan::v1::TranslationPattern& in);
CalledPartyTransformationEntry Entry(
    const dialplan::v1::CalledPartyTransformation& in);
CallingPartyTransformationEntry Entry(
    const dialplan::v1::CallingPartyTransformation& in);
RouteListEntry Entry(const dialplan::v1::RouteList& in);
DiallingRestrictionEntry Entry(const dialplan::v1::DiallingRestriction& in);
LineGroupEntry Entry(const dialplan::v1::LineGroup& in);
HuntListEntry Entry(const dialplan::v1::HuntList& in);
HuntPilotEntry Entry(const dialplan::v1::HuntPilot& in);
VoicemailPilotEntry Entry(const dialplan::v1::VoicemailPilot& in);
VoicemailProfileEntry Entry(const dialplan::v1::VoicemailProfile& in);
VoicemailPortGroupEntry Entry(const dialplan::v1::VoicemailPortGroup& in);
MessageWaitingNumberEntry Entry(const dialplan::v1::MessageWaitingNumber& in);
SipCertificateEntry Entry(const dialplan::v1::SipCertificate& in);
PhoneSystemEntry Entry(const dialplan::v1::PhoneSystem& in);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_ROUTING_ENTRY_H_
