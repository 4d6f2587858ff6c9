#include "tools/cli/voicemail_ports.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/status/status_matchers.h"
#include "tools/cli/manifest.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;

class NewPortsTest : public ::testing::Test {
 protected:
  NewPortsTest() {
    group_.set_name("tenants/t/voicemailPortGroups/um1");
    group_.set_peer("tenants/t/peers/um");
    group_.set_integration(pb::VOICEMAIL_INTEGRATION_SCCP);
    group_.set_device_name_prefix("CiscoUM1-VI");
    group_.set_line_group("tenants/t/lineGroups/vm");
    auto& port = *group_.add_ports();
    port.set_device_name("CiscoUM1-VI9");
    port.set_line("tenants/t/lines/old");
    port.set_answers_calls(true);
    lines_.set_name("tenants/t/lineGroups/vm");
    lines_.add_lines("tenants/t/lines/old");
    options_.count = 3;
    options_.first_number = "6098";
    options_.answers = options_.trap = true;
  }

  pb::VoicemailPortGroup group_;
  pb::LineGroup lines_;
  NewPortsOptions options_;
};

// CUC-44: number of ports, their numbers and line group, as one write.
TEST_F(NewPortsTest, LinesLineGroupAndPortGroup) {
  SP_ASSERT_OK_AND_ASSIGN(const std::string text,
                          NewPortsManifest(options_, group_, lines_));
  SP_ASSERT_OK_AND_ASSIGN(const std::vector<ManifestEntry> entries,
                          ParseManifest(text, "t", "ports"));
  ASSERT_EQ(entries.size(), 5u) << text;
  const std::vector<std::string> numbers = {"6098", "6099", "6100"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(entries[i].kind->name, "Line");
    EXPECT_EQ(entries[i].name,
              "tenants/t/lines/ciscoum1-vi" + std::to_string(10 + i));
    EXPECT_NE(text.find(numbers[i]), std::string::npos);
  }
  const auto& lines = dynamic_cast<const pb::LineGroup&>(*entries[3].message);
  ASSERT_EQ(lines.lines_size(), 4);
  EXPECT_EQ(lines.lines(0), "tenants/t/lines/old");
  EXPECT_EQ(lines.lines(3), "tenants/t/lines/ciscoum1-vi12");
  const auto& group =
      dynamic_cast<const pb::VoicemailPortGroup&>(*entries[4].message);
  ASSERT_EQ(group.ports_size(), 4);
  EXPECT_EQ(group.ports(0).device_name(), "CiscoUM1-VI9");
  EXPECT_EQ(group.ports(1).device_name(), "CiscoUM1-VI10");
  EXPECT_TRUE(group.ports(1).answers_calls());
  EXPECT_TRUE(group.ports(3).records_and_plays());
  EXPECT_FALSE(group.ports(3).notifies());
}

TEST_F(NewPortsTest, WhatIsMissingIsAskedFor) {
  group_.clear_device_name_prefix();
  EXPECT_THAT(NewPortsManifest(options_, group_, lines_),
              HasReason("DEVICE_NAME_PREFIX_MISSING"));
  options_.prefix = "UM2-VI";
  EXPECT_TRUE(NewPortsManifest(options_, group_, pb::LineGroup()).ok());
  options_.first_number = "60x1";
  EXPECT_THAT(NewPortsManifest(options_, group_, lines_),
              HasReason("NUMBER_INVALID"));
}

}  // namespace
}  // namespace sallyport::cli
