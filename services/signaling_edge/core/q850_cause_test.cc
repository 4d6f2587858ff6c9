#include "services/signaling_edge/core/q850_cause.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_fixture.h"

namespace sallyport::signaling_edge {
namespace {

TEST(Q850CauseTest, Rfc3398Section7241) {
  EXPECT_EQ(SipCodeOfCause(1), 404);
  EXPECT_EQ(SipCodeOfCause(17), 486);
  EXPECT_EQ(SipCodeOfCause(18), 408);
  EXPECT_EQ(SipCodeOfCause(21), 403);
  EXPECT_EQ(SipCodeOfCause(22), 410);
  EXPECT_EQ(SipCodeOfCause(28), 484);
  EXPECT_EQ(SipCodeOfCause(34), 503);
  EXPECT_EQ(SipCodeOfCause(65), 488);
  EXPECT_EQ(SipCodeOfCause(102), 504);
}

TEST(Q850CauseTest, EveryCauseIsAFailure) {
  for (uint32_t cause = 1; cause <= kMaxQ850Cause; ++cause) {
    EXPECT_GE(SipCodeOfCause(cause), 400) << cause;
    EXPECT_LT(SipCodeOfCause(cause), 600) << cause;
  }
  // One that has no line is its class's.
  EXPECT_EQ(SipCodeOfCause(7), SipCodeOfCause(31));
  EXPECT_EQ(SipCodeOfCause(44), SipCodeOfCause(47));
  EXPECT_EQ(SipCodeOfCause(100), SipCodeOfCause(111));
}

class EndByCauseTest : public EdgeCoreTest {};

TEST_F(EndByCauseTest, AnAnsweredCallIsTakenDownWithTheCauseOnBothLegs) {
  Sent invite;
  Established(invite);
  edge_.Perform(
      edge_.core().OnEndCall(1, "ENDED_BY_OPERATOR", edge_.now(), 41));
  for (const auto& bye :
       {edge_.TakeToUdp(kPbx), edge_.TakeTo(invite.connection)}) {
    ASSERT_TRUE(bye.has_value());
    EXPECT_EQ(bye->message.method(), SipMethod::kBye);
    EXPECT_EQ(bye->message.Value(HeaderId::kReason),
              "Q.850;cause=41;text=\"Temporary failure\"");
    edge_.Answer(*bye, 200, "");
  }
  ExpectOver("ENDED_BY_OPERATOR", CallDisposition::kAnswered);
}

TEST_F(EndByCauseTest, ARingingCallIsAnsweredByTheCausesCode) {
  const Sent invite = PbxCallsGateway();
  edge_.Answer(invite, 180, "g1");
  EXPECT_TRUE(edge_.TakeToUdp(kPbx).has_value());
  edge_.Perform(
      edge_.core().OnEndCall(1, "ENDED_BY_OPERATOR", edge_.now(), 17));
  const auto busy = edge_.TakeToUdp(kPbx);
  ASSERT_TRUE(busy.has_value());
  EXPECT_EQ(busy->message.status_code(), 486);
  EXPECT_EQ(busy->message.Value(HeaderId::kReason),
            "Q.850;cause=17;text=\"User busy\"");
  const auto cancel = edge_.TakeTo(invite.connection);
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->message.method(), SipMethod::kCancel);
  EXPECT_EQ(cancel->message.Value(HeaderId::kReason),
            "Q.850;cause=17;text=\"User busy\"");
}

}  // namespace
}  // namespace sallyport::signaling_edge
