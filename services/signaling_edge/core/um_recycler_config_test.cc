#include "services/signaling_edge/core/um_recycler_config.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

std::string Result(std::string_view file) {
  const auto out = ParseStartSecured(file);
  if (!out.ok()) return ReasonOf(out.status());
  if (!out->has_value()) return "none";
  return **out ? "1" : "0";
}

// UM-103, UM-104: 0 and 1, wherever the setting stands.
TEST(UmRecyclerConfigTest, Um103StartSecured) {
  EXPECT_EQ(Result("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                   "<UMRecyclerConfig><RecycleInterval>7</RecycleInterval>\n"
                   "<StartSecured> 1\n</StartSecured></UMRecyclerConfig>"),
            "1");
  EXPECT_EQ(Result("<configuration><appSettings>"
                   "<add key=\"Other\" value=\"1\"/>"
                   "<add value=\"0\" key=\"StartSecured\"/>"
                   "</appSettings></configuration>"),
            "0");
  EXPECT_EQ(Result("<UMRecycler StartSecured='1'/>"), "1");
  EXPECT_EQ(Result("<UMRecycler><a>1</a></UMRecycler>"), "none");
}

TEST(UmRecyclerConfigTest, Um103OnlyZeroAndOne) {
  for (const char* value : {"2", "", "true", "01", "-1", "1 1", "yes"}) {
    EXPECT_EQ(Result(std::string("<a><StartSecured>") + value +
                     "</StartSecured></a>"),
              "START_SECURED_INVALID")
        << value;
  }
  EXPECT_EQ(Result("<a><add key='StartSecured'/></a>"),
            "START_SECURED_INVALID");
  EXPECT_EQ(Result("<a><StartSecured>1</StartSecured>"
                   "<StartSecured>1</StartSecured></a>"),
            "START_SECURED_INVALID");
  EXPECT_EQ(Result("<a><StartSecured><b>1</b></StartSecured></a>"), "1");
}

// No document type, and so no entity, is looked at.
TEST(UmRecyclerConfigTest, HostileFiles) {
  EXPECT_EQ(Result("<!DOCTYPE a [<!ENTITY x '1'>]><a>"
                   "<StartSecured>&x;</StartSecured></a>"),
            "UM_RECYCLER_CONFIG_INVALID");
  EXPECT_EQ(Result("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"),
            "UM_RECYCLER_CONFIG_INVALID");
  EXPECT_EQ(Result("<a><StartSecured>1</a>"), "UM_RECYCLER_CONFIG_INVALID");
  EXPECT_EQ(Result(""), "UM_RECYCLER_CONFIG_INVALID");
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "<a>";
  EXPECT_EQ(Result(deep), "UM_RECYCLER_CONFIG_INVALID");
  EXPECT_EQ(Result(std::string(kMaxUmRecyclerConfig + 1, ' ')),
            "UM_RECYCLER_CONFIG_INVALID");
}

}  // namespace
}  // namespace sallyport::signaling_edge
