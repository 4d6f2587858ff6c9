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

bool Matches(const std::string& filter, const v1::Refusal& item) {
  const auto parsed = ListFilter::Parse(filter, *v1::Refusal::descriptor());
  EXPECT_TRUE(parsed.ok()) << filter << ": " << parsed.status();
  return parsed.ok() && parsed->Matches(item);
}

TEST(ListFilterTest, ComparesFieldsJoinedByAnd) {
  const auto item = Refused("ROUTE_NOT_FOUND", v1::REFUSAL_KIND_CALL, 404);
  EXPECT_TRUE(Matches("", item));
  EXPECT_TRUE(Matches("reason = \"ROUTE_NOT_FOUND\"", item));
  EXPECT_TRUE(Matches("reason=ROUTE_NOT_FOUND AND sip_status = 404", item));
  EXPECT_TRUE(Matches("kind = REFUSAL_KIND_CALL", item));
  EXPECT_FALSE(Matches("kind = REFUSAL_KIND_MEDIA", item));
  EXPECT_FALSE(Matches("reason = ROUTE_NOT_FOUND AND sip_status = 488", item));
}

TEST(ListFilterTest, RefusesWhatItDoesNotUnderstand) {
  for (const char* filter :
       {"nothing = 1", "reason", "remote_address = x", "steps = x",
        "reason = \"a", "reason = \"a\" OR kind = b", " AND "}) {
    EXPECT_EQ(
        ReasonOf(
            ListFilter::Parse(filter, *v1::Refusal::descriptor()).status()),
        "FILTER_INVALID")
        << filter;
  }
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
