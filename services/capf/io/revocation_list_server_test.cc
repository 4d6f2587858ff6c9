#include "services/capf/io/revocation_list_server.h"

#include <optional>

#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

TEST(RevocationListServerTest, FileNamesAreReadAsTheyAreWritten) {
  EXPECT_EQ(ParseListFileName("default-1.crl"),
            (ListRequest{"default", 1, false}));
  EXPECT_EQ(ParseListFileName("default-12-delta.crl"),
            (ListRequest{"default", 12, true}));
  // An authority's name may hold dashes, and look like the rest.
  for (const char* id : {"a-b", "a-1", "a-1-delta", "delta"}) {
    for (const bool delta : {false, true}) {
      EXPECT_EQ(ParseListFileName(ListFileName(id, 7, delta)),
                (ListRequest{id, 7, delta}));
    }
  }
  for (const char* name :
       {"", ".crl", "-1.crl", "default.crl", "default-.crl", "default-0.crl",
        "default-01.crl", "default-+1.crl", "default--1.crl", "default-1.pem",
        "default-1.crl/", "default-99999999999999999999.crl",
        "default- 1.crl"}) {
    const auto read = ParseListFileName(name);
    // Whatever is read is written so, so nothing has two names.
    EXPECT_TRUE(!read.has_value() ||
                (read->authority == "default-" && read->generation == 1))
        << name;
  }
}

// RFC 9110 section 13.1.2: compared weakly.
TEST(RevocationListServerTest, EntityTags) {
  EXPECT_TRUE(HoldsEntityTag("\"a\"", "\"a\""));
  EXPECT_TRUE(HoldsEntityTag("\"b\", W/\"a\"", "\"a\""));
  EXPECT_TRUE(HoldsEntityTag(" * ", "\"a\""));
  EXPECT_FALSE(HoldsEntityTag("", "\"a\""));
  EXPECT_FALSE(HoldsEntityTag("a", "\"a\""));
  EXPECT_FALSE(HoldsEntityTag("\"ab\",\"\"", "\"a\""));
}

}  // namespace
}  // namespace sallyport::capf
