// Those who call and are called, and what they share, as entries of a plan.

#ifndef SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_MEMBER_ENTRY_H_
#define SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_MEMBER_ENTRY_H_

#include "sallyport/dialplan/v1/dial_plan.pb.h"
#include "sallyport/dialplan/v1/line.pb.h"
#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/phone.pb.h"
#include "sallyport/dialplan/v1/phone_security_profile.pb.h"
#include "sallyport/dialplan/v1/server_group.pb.h"
#include "sallyport/dialplan/v1/sip_profile.pb.h"
#include "sallyport/dialplan/v1/tenant.pb.h"
#include "sallyport/dialplan/v1/tls_context.pb.h"
#include "sallyport/dialplan/v1/trunk_security_profile.pb.h"
#include "sallyport/dialplan/v1/user.pb.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// As snapshot_proto.h says of EntryOf(). Pure.
TenantEntry Entry(const dialplan::v1::Tenant& in);
DialPlanEntry Entry(const dialplan::v1::DialPlan& in);
PeerEntry Entry(const dialplan::v1::Peer& in);
TrunkSecurityProfileEntry Entry(const dialplan::v1::TrunkSecurityProfile& in);
SipProfileEntry Entry(const dialplan::v1::SipProfile& in);
TlsContextEntry Entry(const dialplan::v1::TlsContext& in);
ServerGroupEntry Entry(const dialplan::v1::ServerGroup& in);
UserEntry Entry(const dialplan::v1::User& in);
PhoneEntry Entry(const dialplan::v1::Phone& in);
PhoneSecurityProfileEntry Entry(const dialplan::v1::PhoneSecurityProfile& in);
LineEntry Entry(const dialplan::v1::Line& in);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PLAN_SNAPSHOT_MEMBER_ENTRY_H_
