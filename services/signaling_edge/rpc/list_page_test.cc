#include "services/signaling_edge/rpc/list_page.h"

#include "gtest/gtest.h"
#include "sallyport/signaling_edge/v1/event.pb.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

v1::Refusal Refused(const std::string& reason, v1::RefusalKind kind,
                    uint32_t status) {
  v1::Refusal out;
  out.set_reason(reason);
  out.set_kind(kind);
  out.set_sip_status(status);
  return out;
}

TEST(PageTest, FilterComesBeforeThePage) {
  v1::ListRefusalsRequest request;
  request.set_page_size(1);
  request.set_filter("reason = \"B\" AND sip_status >= 400");
  const std::vector<v1::Refusal> items = {
      Refused("A", v1::REFUSAL_KIND_CALL, 404),
      Refused("B", v1::REFUSAL_KIND_CALL, 0),
      Refused("B", v1::REFUSAL_KIND_CALL, 488)};
  v1::ListRefusalsResponse response;
  ASSERT_TRUE(
      FillPage(request, items, *response.mutable_refusals(), response).ok());
  ASSERT_EQ(response.refusals_size(), 1);
  EXPECT_EQ(response.refusals(0).sip_status(), 488u);
  EXPECT_EQ(response.next_page_token(), "");
  request.set_filter("reason = B");
  EXPECT_EQ(ReasonOf(FillPage(request, items, *response.mutable_refusals(),
                              response)),
            "FILTER_INVALID");
}

TEST(PageTest, CutsAndContinues) {
  v1::ListRefusalsRequest request;
  request.set_page_size(2);
  std::vector<std::string> seen;
  for (int pages = 0; pages < 10; ++pages) {
    std::vector<v1::Refusal> items;
    for (const char* reason : {"A", "B", "C", "D", "E"}) {
      items.push_back(Refused(reason, v1::REFUSAL_KIND_CALL, 0));
    }
    v1::ListRefusalsResponse response;
    ASSERT_TRUE(
        FillPage(request, items, *response.mutable_refusals(), response).ok());
    for (const auto& each : response.refusals()) seen.push_back(each.reason());
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"A", "B", "C", "D", "E"}));
}

TEST(PageTest, RefusesWhatIsNotAPage) {
  EXPECT_EQ(ReasonOf(PageOf(-1, "", 1).status()), "PAGE_INVALID");
  EXPECT_EQ(ReasonOf(PageOf(0, "x", 1).status()), "PAGE_INVALID");
  EXPECT_EQ(PageOf(0, "999", 1)->begin, 1u);
  EXPECT_EQ(PageOf(5000, "", 5000)->end, 1000u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
