#include "services/signaling_edge/core/binding_rules.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

class BindingRulesTest : public testing::Test {
 protected:
  // What a REGISTER with this contact makes of bindings_.
  absl::Status Apply(RegisterContact contact, std::string call_id = "c") {
    RegisterRequest request;
    request.user = "tenants/t/users/alice";
    request.contacts = {std::move(contact)};
    request.call_id = std::move(call_id);
    request.cseq = ++cseq_;
    auto next = ApplyRegister(bindings_, request, limits_, now_);
    if (next.ok()) bindings_ = *std::move(next);
    return next.status();
  }

  RegisterLimits limits_{.max_contacts = 2};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  uint32_t cseq_ = 0;
  std::vector<Binding> bindings_;
};

TEST_F(BindingRulesTest, ContactsAreComparedAsUris) {  // RFC 3261 19.1.4
  ASSERT_TRUE(Apply({"sip:a@EXAMPLE.test;transport=tcp", 600}).ok());
  ASSERT_TRUE(Apply({"sip:a@example.test;transport=tcp", 600}).ok());
  EXPECT_EQ(bindings_.size(), 1u);
  ASSERT_TRUE(Apply({"sip:a@example.test", 600}).ok());
  EXPECT_EQ(bindings_.size(), 2u);
  ASSERT_TRUE(Apply({"sip:a@example.test", 0}).ok());
  EXPECT_EQ(bindings_.size(), 1u);
  ASSERT_TRUE(Apply({"sip:gone@example.test", 0}).ok());
}

TEST_F(BindingRulesTest, ABulkContactIsNoOther) {  // RFC 6140 section 5.2
  ASSERT_TRUE(Apply({"sip:192.0.2.1", 600, "<i>"}).ok());
  ASSERT_TRUE(Apply({"sip:192.0.2.1;bnc", 600, "<i>", 0, true}).ok());
  EXPECT_EQ(bindings_.size(), 2u);
  ASSERT_TRUE(Apply({"sip:192.0.2.1;bnc", 0, "<i>", 0, true}).ok());
  ASSERT_EQ(bindings_.size(), 1u);
  EXPECT_FALSE(bindings_[0].bulk);
}

TEST_F(BindingRulesTest, ADeviceThatBeginsToUseFlowsReplacesItself) {
  ASSERT_TRUE(Apply({"sip:a@192.0.2.1", 600, "<i>"}).ok());
  ASSERT_TRUE(Apply({"sip:a@192.0.2.1", 600, "<i>", 1}).ok());
  ASSERT_EQ(bindings_.size(), 1u);
  EXPECT_EQ(bindings_[0].reg_id, 1u);
}

TEST_F(BindingRulesTest, FlowsOfADeviceCountOnceAndAreBounded) {
  for (uint32_t flow = 1; flow <= kMaxFlowsOfInstance; ++flow) {
    ASSERT_TRUE(Apply({"sip:a@192.0.2.1", 600, "<i>", flow}).ok());
  }
  EXPECT_EQ(
      ReasonOf(Apply({"sip:a@192.0.2.1", 600, "<i>", kMaxFlowsOfInstance + 1})),
      "CONTACT_LIMIT");
  ASSERT_TRUE(Apply({"sip:b@192.0.2.1", 600, "<j>", 1}).ok());
  EXPECT_EQ(ReasonOf(Apply({"sip:c@192.0.2.1", 600})), "CONTACT_LIMIT");
  EXPECT_EQ(bindings_.size(), kMaxFlowsOfInstance + 1);
}

TEST_F(BindingRulesTest, OrderHoldsForEachFlowOfOneCall) {
  ASSERT_TRUE(Apply({"sip:a@192.0.2.1", 600, "<i>", 1}).ok());
  cseq_ = 0;
  EXPECT_EQ(ReasonOf(Apply({"sip:a@192.0.2.1", 600, "<i>", 1})),
            "CSEQ_OUT_OF_ORDER");
  cseq_ = 0;
  EXPECT_TRUE(Apply({"sip:a@192.0.2.1", 600, "<i>", 2}).ok());
  cseq_ = 0;
  EXPECT_TRUE(Apply({"sip:a@192.0.2.1", 600, "<i>", 1}, "other").ok());
}

}  // namespace
}  // namespace sallyport::signaling_edge
