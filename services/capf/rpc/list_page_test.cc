#include "services/capf/rpc/list_page.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/certificate.pb.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

namespace pb = ::sallyport::capf::v1;

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Got {
  std::vector<std::string> names;
  std::string token;
};

// A list of `count` certificates named c00000 and so on, every `step`th of
// which is revoked.
class List {
 public:
  explicit List(int count, int step = 3) : step_(step) {
    for (int i = 0; i < count; ++i) {
      const std::string digits = std::to_string(i);
      rows_.push_back("c" + std::string(5 - digits.size(), '0') + digits);
    }
  }

  absl::StatusOr<Got> Ask(int32_t size, const std::string& token,
                          const std::string& filter) {
    SP_ASSIGN_OR_RETURN(const Page page, ReadPage("tenants/t", size, token));
    google::protobuf::RepeatedPtrField<pb::Certificate> items;
    Got got;
    const auto key = [](const std::string& row) { return row; };
    const auto all = ReadSorted(rows_, key);
    SP_RETURN_IF_ERROR(FillPage<pb::Certificate>(
        page, filter,
        [&](const Page& part) {
          ++reads_;
          return all(part);
        },
        key,
        [&](const std::string& row) {
          ++converted_;
          pb::Certificate out;
          out.set_name(row);
          if (std::stoi(row.substr(1)) % step_ == 0) {
            out.set_state(pb::CERTIFICATE_STATE_REVOKED);
          }
          return absl::StatusOr<pb::Certificate>(out);
        },
        &items, &got.token));
    for (const pb::Certificate& item : items) got.names.push_back(item.name());
    return got;
  }

  int reads_ = 0;
  size_t converted_ = 0;

 private:
  int step_;
  std::vector<std::string> rows_;
};

constexpr char kRevoked[] = "state = CERTIFICATE_STATE_REVOKED";

TEST(ListPageTest, PagesCoverTheListOnceAndEnd) {
  List list(5);
  SP_ASSERT_OK_AND_ASSIGN(const Got first, list.Ask(2, "", ""));
  EXPECT_THAT(first.names, ElementsAre("c00000", "c00001"));
  SP_ASSERT_OK_AND_ASSIGN(const Got second, list.Ask(2, first.token, ""));
  EXPECT_THAT(second.names, ElementsAre("c00002", "c00003"));
  SP_ASSERT_OK_AND_ASSIGN(const Got third, list.Ask(2, second.token, ""));
  EXPECT_THAT(third.names, ElementsAre("c00004"));
  EXPECT_THAT(third.token, IsEmpty());
  EXPECT_EQ(list.reads_, 3);
}

TEST(ListPageTest, PageThatEndsWithTheListHasNoToken) {
  List list(4);
  SP_ASSERT_OK_AND_ASSIGN(const Got all, list.Ask(4, "", ""));
  EXPECT_THAT(all.names, SizeIs(4));
  EXPECT_THAT(all.token, IsEmpty());
}

TEST(ListPageTest, FilterFillsThePageFromAsManyRowsAsItTakes) {
  List list(10);
  SP_ASSERT_OK_AND_ASSIGN(const Got first, list.Ask(3, "", kRevoked));
  EXPECT_THAT(first.names, ElementsAre("c00000", "c00003", "c00006"));
  SP_ASSERT_OK_AND_ASSIGN(const Got rest, list.Ask(3, first.token, kRevoked));
  EXPECT_THAT(rest.names, ElementsAre("c00009"));
  EXPECT_THAT(rest.token, IsEmpty());
}

TEST(ListPageTest, FilterThatFindsLittleStopsLookingAndGoesOnByToken) {
  List list(50000, /*step=*/45000);
  std::vector<std::string> found;
  std::string token;
  int pages = 0;
  do {
    const size_t before = list.converted_;
    SP_ASSERT_OK_AND_ASSIGN(const Got got, list.Ask(50, token, kRevoked));
    EXPECT_LE(list.converted_ - before, kMaxRowsLookedAt);
    found.insert(found.end(), got.names.begin(), got.names.end());
    token = got.token;
  } while (!token.empty() && ++pages < 10);
  EXPECT_THAT(found, ElementsAre("c00000", "c45000"));
  EXPECT_EQ(pages, 2);
}

TEST(ListPageTest, BadFilterPageAndTenantAreRefused) {
  List list(3);
  EXPECT_THAT(list.Ask(2, "", "colour = 3"), HasReason("FILTER_INVALID"));
  EXPECT_THAT(list.Ask(-1, "", ""), HasReason("PAGE_INVALID"));
  EXPECT_THAT(list.Ask(2, "zz", ""), HasReason("PAGE_INVALID"));
  EXPECT_THAT(ReadPage("tenant/t", 0, ""), HasReason("NAME_INVALID"));
  EXPECT_EQ(list.reads_, 0);
}

TEST(ListPageTest, AllTenantsAreAPageOfNoTenant) {
  SP_ASSERT_OK_AND_ASSIGN(const Page page, ReadPage("tenants/-", 5000, ""));
  EXPECT_THAT(page.tenant, IsEmpty());
  EXPECT_EQ(page.limit, 1000u);
}

}  // namespace
}  // namespace sallyport::capf
