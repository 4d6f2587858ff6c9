// What the API means by leaving a field out.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_DEFAULTS_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_DEFAULTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {

// "tenants/t" of "tenants/t/peers/p" and of "tenants/t"; empty if `name` is
// not below a tenant.
std::string_view TenantOf(std::string_view name);

// What a peer leaves to others, each of which may be null: what depends on it
// stays unset.
struct PeerSurroundings {
  const TenantEntry* tenant = nullptr;
  // That which the peer, or failing that the tenant, names.
  const DialPlanEntry* plan = nullptr;
  // Those that the peer names.
  const TrunkSecurityProfileEntry* profile = nullptr;
  const SipProfileEntry* sip_profile = nullptr;
  // That in which the peer is selected, as it is in force.
  const TlsContextEntry* context = nullptr;
};

// The dial plan, transport, ports, subject names and settings of a peer.
void ResolvePeerDefaults(const PeerSurroundings& around, PeerEntry& peer);

// The transports, port and times that a profile leaves out.
void ResolveTrunkProfileDefaults(TrunkSecurityProfileEntry& profile);

// The domain, realm, dial plan, search space and restriction of a user. `phone`
// is the one that it owns, or null; `plan` is that which the user, failing that
// the phone, failing that the tenant names.
void ResolveUserDefaults(const TenantEntry* tenant, const PhoneEntry* phone,
                         const DialPlanEntry* plan, UserEntry& user);

// The name of the dial plan of each, empty if there is none.
std::string_view DialPlanOf(const TenantEntry* tenant, const PeerEntry& peer);
std::string_view DialPlanOf(const TenantEntry* tenant, const PhoneEntry& phone);
std::string_view DialPlanOf(const TenantEntry* tenant, const PhoneEntry* phone,
                            const UserEntry& user);

// The patterns, each of one number, that reach a user by digits: its phone
// numbers, and its username if that can be dialled.
std::vector<std::string> PatternsOfUser(const UserEntry& user);

// Fills in all that is unset, everywhere.
void ResolveDefaults(PlanSnapshot& snapshot);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_DEFAULTS_H_
