#include "tools/cli/audit_cmd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// What the header-only library needs of itself to link.
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"

namespace sallyport::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AuditCmdTest, AnUpdateTellsWhatDiffers) {
  dialplan::v1::AuditRecord record;
  auto& before = *record.mutable_before()->mutable_peer();
  before.set_name("tenants/t/peers/gw");
  before.set_fqdn("old.test");
  before.set_port(5061);
  before.set_outcalls_allowed(true);
  auto& after = *record.mutable_after()->mutable_peer();
  after = before;
  after.set_fqdn("new.test");
  after.clear_outcalls_allowed();
  EXPECT_THAT(ChangesOf(record),
              ElementsAre(FieldChange{"fqdn", "old.test", "new.test"},
                          FieldChange{"outcalls_allowed", "yes", ""}));
}

TEST(AuditCmdTest, ACreationTellsWhatIsSetAndADeletionWhatWas) {
  dialplan::v1::AuditRecord record;
  record.mutable_after()->mutable_partition()->set_description("inside");
  EXPECT_THAT(ChangesOf(record),
              ElementsAre(FieldChange{"description", "", "inside"}));
  record.mutable_before()->Swap(record.mutable_after());
  record.clear_after();
  EXPECT_THAT(ChangesOf(record),
              ElementsAre(FieldChange{"description", "inside", ""}));
  EXPECT_THAT(ChangesOf(dialplan::v1::AuditRecord()), IsEmpty());
}

TEST(AuditCmdTest, PartsOfAResourceAreShownToo) {
  dialplan::v1::AuditRecord record;
  record.mutable_before()->mutable_route_pattern();
  record.mutable_after()
      ->mutable_route_pattern()
      ->mutable_called_party()
      ->set_prefix_digits("9");
  const auto changes = ChangesOf(record);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].field, "called_party");
  EXPECT_THAT(changes[0].after, ::testing::HasSubstr("9"));
}

}  // namespace
}  // namespace sallyport::cli
