#include "services/signaling_edge/core/server_transaction.h"

#include "gtest/gtest.h"

namespace sallyport::signaling_edge {
namespace {

using State = ServerTransaction::State;
using Actions = TransactionActions;

MonoTime At(double seconds) {
  return MonoTime::FromOrigin(absl::Seconds(seconds));
}

TEST(ServerTransactionTest, RepeatsItsResponseUntilTimerJ) {
  ServerTransaction udp(TransactionTimers{}, false, At(0));
  EXPECT_EQ(udp.OnRepeatedRequest(), Actions{}) << "Trying is silent";
  EXPECT_EQ(udp.OnUserResponse(100, "100", At(1)), Actions{SendToPeer{"100"}});
  EXPECT_EQ(udp.OnRepeatedRequest(), Actions{SendToPeer{"100"}});
  EXPECT_EQ(udp.OnUserResponse(200, "200", At(2)), Actions{SendToPeer{"200"}});
  EXPECT_EQ(udp.state(), State::kCompleted);
  EXPECT_EQ(udp.OnRepeatedRequest(), Actions{SendToPeer{"200"}});
  EXPECT_EQ(udp.OnUserResponse(500, "500", At(3)), Actions{});
  EXPECT_EQ(udp.deadline(), At(34));
  EXPECT_EQ(udp.OnDeadline(At(33)), Actions{});
  EXPECT_EQ(udp.OnDeadline(At(34)), Actions{});
  EXPECT_TRUE(udp.terminated());
}

TEST(ServerTransactionTest, OverTlsTheFinalResponseEndsIt) {
  ServerTransaction tls(TransactionTimers{}, true, At(0));
  EXPECT_EQ(tls.OnUserResponse(200, "200", At(2)), Actions{SendToPeer{"200"}});
  EXPECT_TRUE(tls.terminated());
  EXPECT_EQ(tls.deadline(), MonoTime::InfiniteFuture());
}

TEST(ServerTransactionTest, OneThatIsNeverAnsweredEndsInSilence) {  // RFC 4320
  ServerTransaction udp(TransactionTimers{}, false, At(0));
  EXPECT_EQ(udp.deadline(), At(32));
  EXPECT_EQ(udp.OnDeadline(At(32)), Actions{ReportTimeout{}});
  EXPECT_TRUE(udp.terminated());
}

TEST(ServerTransactionTest, TransportErrorEndsIt) {
  ServerTransaction udp(TransactionTimers{}, false, At(0));
  EXPECT_EQ(udp.OnTransportError(), Actions{ReportTransportError{}});
  EXPECT_TRUE(udp.terminated());
  EXPECT_EQ(udp.OnTransportError(), Actions{});
}

}  // namespace
}  // namespace sallyport::signaling_edge
