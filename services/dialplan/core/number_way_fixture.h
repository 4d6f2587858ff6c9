// A plan in which numbers can be led in circles, for tests.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_WAY_FIXTURE_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_WAY_FIXTURE_H_

#include <string>

#include "services/dialplan/core/plan_fixture.h"
#include "services/dialplan/core/plan_rules_fixture.h"

namespace sallyport::dialplan {

// Partitions p and q, a search space c that shows p, and a gateway.
class NumberWayTest : public PlanRulesTest {
 protected:
  void SetUp() override {
    PlanRulesTest::SetUp();
    Add(PartitionEntry{"tenants/t/partitions/p"});
    Add(PartitionEntry{"tenants/t/partitions/q"});
    Add(CallingSearchSpaceEntry{"tenants/t/callingSearchSpaces/c",
                                {"tenants/t/partitions/p"}});
    Add(TestPeer("gw", "clear"));
  }

  // In p, and goes on in c.
  static TranslationPatternEntry Translation(const std::string& id,
                                             const std::string& pattern,
                                             const std::string& mask) {
    TranslationPatternEntry out;
    out.name = "tenants/t/translationPatterns/" + id;
    out.pattern = pattern;
    out.partition = "tenants/t/partitions/p";
    out.calling_search_space = "tenants/t/callingSearchSpaces/c";
    out.transformation.called_mask = mask;
    return out;
  }
  // In the null partition.
  static LineEntry Line(const std::string& number) {
    LineEntry out;
    out.name = "tenants/t/lines/" + number;
    out.directory_number = number;
    out.calling_search_space = "tenants/t/callingSearchSpaces/c";
    return out;
  }
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_NUMBER_WAY_FIXTURE_H_
