#include "services/signaling_edge/core/sip_header_id.h"

#include <cctype>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

TEST(SipHeaderIdTest, EveryNameFindsItselfInAnyCase) {
  for (size_t i = 1; i < kHeaderIdCount; ++i) {
    const auto id = static_cast<HeaderId>(i);
    std::string name(HeaderName(id));
    ASSERT_FALSE(name.empty()) << i;
    EXPECT_EQ(HeaderIdFrom(name), id) << name;
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(HeaderIdFrom(name), id) << name;
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(HeaderIdFrom(name), id) << name;
  }
}

// Hardening: a compact form is the same field for every filter.
TEST(SipHeaderIdTest, CompactFormsEqualLongForms) {
  const std::pair<const char*, HeaderId> kForms[] = {
      {"a", HeaderId::kAcceptContact},
      {"b", HeaderId::kReferredBy},
      {"c", HeaderId::kContentType},
      {"d", HeaderId::kRequestDisposition},
      {"e", HeaderId::kContentEncoding},
      {"f", HeaderId::kFrom},
      {"i", HeaderId::kCallId},
      {"j", HeaderId::kRejectContact},
      {"k", HeaderId::kSupported},
      {"l", HeaderId::kContentLength},
      {"m", HeaderId::kContact},
      {"o", HeaderId::kEvent},
      {"r", HeaderId::kReferTo},
      {"s", HeaderId::kSubject},
      {"t", HeaderId::kTo},
      {"u", HeaderId::kAllowEvents},
      {"v", HeaderId::kVia},
      {"x", HeaderId::kSessionExpires},
      {"y", HeaderId::kIdentity}};
  for (const auto& [letter, id] : kForms) {
    EXPECT_EQ(HeaderIdFrom(letter), id) << letter;
    const char upper[] = {static_cast<char>(letter[0] - 0x20), 0};
    EXPECT_EQ(HeaderIdFrom(upper), id) << upper;
  }
}

TEST(SipHeaderIdTest, OthersAreOther) {
  for (std::string_view name : {"", "z", "h", "\xff", "X-Unknown", "Vi", "Viaa",
                                "From ", "Content_Length", "CSeq2"}) {
    EXPECT_EQ(HeaderIdFrom(name), HeaderId::kOther) << name;
  }
}

TEST(SipHeaderIdTest, FieldsWithOneOwner) {
  for (HeaderId id :
       {HeaderId::kFrom, HeaderId::kTo, HeaderId::kCallId, HeaderId::kCseq,
        HeaderId::kMaxForwards, HeaderId::kContentLength,
        HeaderId::kContentType, HeaderId::kExpires, HeaderId::kReferTo}) {
    EXPECT_TRUE(IsSingleton(id)) << HeaderName(id);
  }
  for (HeaderId id : {HeaderId::kVia, HeaderId::kRoute, HeaderId::kContact,
                      HeaderId::kAuthorization, HeaderId::kOther}) {
    EXPECT_FALSE(IsSingleton(id)) << HeaderName(id);
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
