#include "services/signaling_edge/core/invite_server_transaction.h"

#include <vector>

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

using State = InviteServerTransaction::State;
using Actions = TransactionActions;

MonoTime At(double seconds) {
  return MonoTime::FromOrigin(absl::Seconds(seconds));
}

class InviteServerTransactionTest : public testing::Test {
 protected:
  InviteServerTransaction udp_{TransactionTimers{}, false};
  InviteServerTransaction tls_{TransactionTimers{}, true};
};

TEST_F(InviteServerTransactionTest, RepeatsTheLastProvisionalResponse) {
  EXPECT_EQ(udp_.OnRepeatedInvite(), Actions{});
  EXPECT_EQ(udp_.OnUserResponse(100, "100", At(0)), Actions{SendToPeer{"100"}});
  EXPECT_EQ(udp_.OnUserResponse(180, "180", At(1)), Actions{SendToPeer{"180"}});
  EXPECT_EQ(udp_.OnRepeatedInvite(), Actions{SendToPeer{"180"}});
  EXPECT_EQ(udp_.state(), State::kProceeding);
  EXPECT_EQ(udp_.deadline(), MonoTime::InfiniteFuture());
}

// RFC 6026 section 7.1: Accepted, timer L.
TEST_F(InviteServerTransactionTest, TwoHundredAbsorbsTheInviteUntilTimerL) {
  EXPECT_EQ(udp_.OnUserResponse(200, "200", At(0)), Actions{SendToPeer{"200"}});
  EXPECT_EQ(udp_.state(), State::kAccepted);
  EXPECT_EQ(udp_.OnRepeatedInvite(), Actions{})
      << "the user repeats a 2xx, not the transaction";
  EXPECT_EQ(udp_.OnUserResponse(200, "200 again", At(1)),
            Actions{SendToPeer{"200 again"}});
  EXPECT_EQ(udp_.OnUserResponse(486, "486", At(1)), Actions{});
  EXPECT_EQ(udp_.OnAck(At(2)), Actions{DeliverAck{}});
  EXPECT_EQ(udp_.deadline(), At(32));
  EXPECT_EQ(udp_.OnDeadline(At(32)), Actions{});
  EXPECT_TRUE(udp_.terminated());
}

// Timer G: T1, 2*T1, 4*T1 ... T2; timer H: 64*T1.
TEST_F(InviteServerTransactionTest, RefusalIsRepeatedUntilTimerH) {
  EXPECT_EQ(udp_.OnUserResponse(486, "486", At(0)), Actions{SendToPeer{"486"}});
  std::vector<double> sent;
  TransactionActions last;
  while (!udp_.terminated()) {
    const MonoTime now = udp_.deadline();
    last = udp_.OnDeadline(now);
    if (last == Actions{SendToPeer{"486"}}) {
      sent.push_back(absl::ToDoubleSeconds(now.since_origin()));
    }
  }
  EXPECT_EQ(sent, (std::vector<double>{0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5,
                                       23.5, 27.5, 31.5}));
  EXPECT_EQ(last, Actions{ReportTimeout{}});
  EXPECT_EQ(udp_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(InviteServerTransactionTest, AckEndsTheRepetitionsAndTimerIAbsorbs) {
  udp_.OnUserResponse(486, "486", At(0));
  EXPECT_EQ(udp_.OnRepeatedInvite(), Actions{SendToPeer{"486"}});
  EXPECT_EQ(udp_.OnAck(At(1)), Actions{});
  EXPECT_EQ(udp_.state(), State::kConfirmed);
  EXPECT_EQ(udp_.OnAck(At(2)), Actions{});
  EXPECT_EQ(udp_.OnRepeatedInvite(), Actions{});
  EXPECT_EQ(udp_.deadline(), At(6));  // T4
  EXPECT_EQ(udp_.OnDeadline(At(6)), Actions{});
  EXPECT_TRUE(udp_.terminated());
}

TEST_F(InviteServerTransactionTest, OverTlsNothingIsRepeated) {
  tls_.OnUserResponse(486, "486", At(0));
  EXPECT_EQ(tls_.deadline(), At(32)) << "timer H alone";
  EXPECT_EQ(tls_.OnAck(At(1)), Actions{});
  EXPECT_TRUE(tls_.terminated()) << "timer I is zero";
}

TEST_F(InviteServerTransactionTest, ASecondFinalResponseIsDropped) {
  udp_.OnUserResponse(486, "486", At(0));
  EXPECT_EQ(udp_.OnUserResponse(200, "200", At(1)), Actions{});
  EXPECT_EQ(udp_.OnUserResponse(180, "180", At(1)), Actions{});
  EXPECT_EQ(udp_.OnRepeatedInvite(), Actions{SendToPeer{"486"}});
}

TEST_F(InviteServerTransactionTest, ATransportErrorDoesNotEndIt) {  // RFC 6026
  udp_.OnUserResponse(200, "200", At(0));
  EXPECT_EQ(udp_.OnTransportError(), Actions{ReportTransportError{}});
  EXPECT_EQ(udp_.state(), State::kAccepted);
}

TEST_F(InviteServerTransactionTest, AnAckBeforeAnyAnswerIsIgnored) {
  EXPECT_EQ(udp_.OnAck(At(0)), Actions{});
  EXPECT_EQ(udp_.state(), State::kProceeding);
}

}  // namespace
}  // namespace sallyport::signaling_edge
