// A plan of tenant t, and what is wrong with what a test puts into it.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_RULES_FIXTURE_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_RULES_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/dialplan/core/plan_checker.h"
#include "services/dialplan/core/plan_fixture.h"

namespace sallyport::dialplan {

// Its dial plans are clear, sip and secured; its cluster is MIXED.
class PlanRulesTest : public testing::Test {
 protected:
  void SetUp() override {
    TenantEntry tenant = TestTenant();
    tenant.cluster_security_mode = ClusterSecurityMode::kMixed;
    Add(tenant);
    Add(TestPlan(SecurityMode::kUnsecured, "clear"));
    Add(TestPlan(SecurityMode::kSipSecured, "sip"));
    Add(TestPlan(SecurityMode::kSecured, "secured"));
  }

  // Puts it in and leaves it there; it must be without fault.
  void Add(PlanEntry entry) {
    const std::string name = NameOf(entry);
    EXPECT_THAT(Check(std::move(entry)), testing::IsEmpty()) << name;
  }

  // Puts it in, says "field REASON" of each fault, and takes a faulty one out.
  std::vector<std::string> Check(PlanEntry entry) {
    const std::string name = NameOf(entry);
    const RecordPtr before =
        plan_.Put(std::make_shared<PlanRecord>(TestRecord(std::move(entry))));
    faults_ = CheckWritten(plan_, name, before.get());
    if (!faults_.empty()) plan_.Restore(name, before);
    std::vector<std::string> out;
    for (const PlanFault& fault : faults_) {
      out.push_back(fault.field + " " + fault.reason);
    }
    return out;
  }

  static TrunkSecurityProfileEntry Trunk(const std::string& id,
                                         DeviceSecurityMode mode) {
    TrunkSecurityProfileEntry out;
    out.name = "tenants/t/trunkSecurityProfiles/" + id;
    out.device_security_mode = mode;
    return out;
  }
  static PhoneSecurityProfileEntry PhoneProfile(const std::string& id,
                                                DeviceSecurityMode mode) {
    PhoneSecurityProfileEntry out;
    out.name = "tenants/t/phoneSecurityProfiles/" + id;
    out.device_security_mode = mode;
    return out;
  }
  // Of an unsecured plan, by address alone.
  static PeerEntry ClearPeer(const std::string& id,
                             std::vector<std::string> sources,
                             const std::string& tenant = "t") {
    PeerEntry out = TestPeer(id, "clear", tenant);
    out.source_addresses = std::move(sources);
    return out;
  }

  Plan plan_;
  PlanFaults faults_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_PLAN_RULES_FIXTURE_H_
