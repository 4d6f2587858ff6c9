#include "services/signaling_edge/core/client_transaction.h"

#include <vector>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

using State = ClientTransaction::State;
using Actions = TransactionActions;

MonoTime At(double seconds) {
  return MonoTime::FromOrigin(absl::Seconds(seconds));
}

SipMessage Bye() {
  SipMessage bye = SipMessage::Request(SipMethod::kBye, "sip:b@b.example");
  bye.Add(HeaderId::kVia, "SIP/2.0/UDP edge.example;branch=z9hG4bK1");
  bye.Add(HeaderId::kCseq, "7 BYE");
  return bye;
}

SipMessage Answer(int code) { return MakeResponse(Bye(), code, "x", ""); }

std::vector<double> SendTimes(ClientTransaction& transaction,
                              TransactionActions& last) {
  std::vector<double> sent;
  while (!transaction.terminated()) {
    const MonoTime now = transaction.deadline();
    last = transaction.OnDeadline(now);
    if (last == Actions{SendToPeer{WriteSipMessage(Bye())}}) {
      sent.push_back(absl::ToDoubleSeconds(now.since_origin()));
    }
  }
  return sent;
}

// Timer E: T1 doubled up to T2; timer F: 64*T1.
TEST(ClientTransactionTest, RepeatsUntilTimerF) {
  ClientTransaction udp(TransactionTimers{}, false, WriteSipMessage(Bye()));
  EXPECT_EQ(udp.Start(At(0)), Actions{SendToPeer{WriteSipMessage(Bye())}});
  TransactionActions last;
  EXPECT_EQ(SendTimes(udp, last),
            (std::vector<double>{0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5,
                                 27.5, 31.5}));
  EXPECT_EQ(last, Actions{ReportTimeout{}});
}

TEST(ClientTransactionTest, AfterAProvisionalResponseOnlyEveryT2) {
  ClientTransaction udp(TransactionTimers{}, false, WriteSipMessage(Bye()));
  udp.Start(At(0));
  EXPECT_EQ(udp.OnResponse(Answer(100), At(0.2)), Actions{DeliverResponse{}});
  EXPECT_EQ(udp.state(), State::kProceeding);
  TransactionActions last;
  EXPECT_EQ(SendTimes(udp, last),
            (std::vector<double>{0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5}));
  EXPECT_EQ(last, Actions{ReportTimeout{}});
}

TEST(ClientTransactionTest, TheFinalResponseIsDeliveredOnce) {
  ClientTransaction udp(TransactionTimers{}, false, WriteSipMessage(Bye()));
  udp.Start(At(0));
  EXPECT_EQ(udp.OnResponse(Answer(200), At(1)), Actions{DeliverResponse{}});
  EXPECT_EQ(udp.OnResponse(Answer(200), At(2)), Actions{});
  EXPECT_EQ(udp.OnTransportError(), Actions{});
  EXPECT_EQ(udp.deadline(), At(6));  // timer K: T4
  EXPECT_EQ(udp.OnDeadline(At(6)), Actions{});
  EXPECT_TRUE(udp.terminated());
}

TEST(ClientTransactionTest, OverTlsNothingIsRepeatedOrAwaited) {
  ClientTransaction tls(TransactionTimers{}, true, WriteSipMessage(Bye()));
  tls.Start(At(0));
  EXPECT_EQ(tls.deadline(), At(32));
  EXPECT_EQ(tls.OnResponse(Answer(200), At(1)), Actions{DeliverResponse{}});
  EXPECT_TRUE(tls.terminated());
}

TEST(ClientTransactionTest, TransportErrorEndsIt) {
  ClientTransaction tls(TransactionTimers{}, true, WriteSipMessage(Bye()));
  tls.Start(At(0));
  EXPECT_EQ(tls.OnTransportError(), Actions{ReportTransportError{}});
  EXPECT_TRUE(tls.terminated());
}

}  // namespace
}  // namespace sallyport::signaling_edge
