#include "services/signaling_edge/core/invite_client_transaction.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

using State = InviteClientTransaction::State;
using Actions = TransactionActions;

MonoTime At(double seconds) {
  return MonoTime::FromOrigin(absl::Seconds(seconds));
}

SipMessage Invite() {
  SipMessage invite =
      SipMessage::Request(SipMethod::kInvite, "sip:b@b.example");
  invite.Add(HeaderId::kVia,
             "SIP/2.0/UDP edge.example;branch=z9hG4bK1, SIP/2.0/UDP x");
  invite.Add(HeaderId::kRoute, "<sip:p.example;lr>");
  invite.Add(HeaderId::kFrom, "<sip:a@a.example>;tag=1");
  invite.Add(HeaderId::kTo, "<sip:b@b.example>");
  invite.Add(HeaderId::kCallId, "c");
  invite.Add(HeaderId::kCseq, "7 INVITE");
  invite.Add(HeaderId::kContact, "<sip:edge.example>");
  invite.SetBody("v=0");
  return invite;
}

SipMessage Answer(int code) {
  return MakeResponse(Invite(), code, "x", "theirs");
}

constexpr char kAck[] =
    "ACK sip:b@b.example SIP/2.0\r\n"
    "Via: SIP/2.0/UDP edge.example;branch=z9hG4bK1\r\n"
    "Route: <sip:p.example;lr>\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:a@a.example>;tag=1\r\n"
    "To: <sip:b@b.example>;tag=theirs\r\n"
    "Call-ID: c\r\n"
    "CSeq: 7 ACK\r\n"
    "Content-Length: 0\r\n\r\n";

class InviteClientTransactionTest : public testing::Test {
 protected:
  InviteClientTransaction udp_{TransactionTimers{}, false,
                               std::make_shared<SipMessage>(Invite())};
  InviteClientTransaction tls_{TransactionTimers{}, true,
                               std::make_shared<SipMessage>(Invite())};
};

// Timer A: T1, then twice the last, without bound; timer B: 64*T1.
TEST_F(InviteClientTransactionTest, RepeatsUntilTimerB) {
  const Actions send{SendToPeer{WriteSipMessage(Invite())}};
  EXPECT_EQ(udp_.Start(At(0)), send);
  std::vector<double> sent;
  TransactionActions last;
  while (!udp_.terminated()) {
    const MonoTime now = udp_.deadline();
    last = udp_.OnDeadline(now);
    if (last == send) {
      sent.push_back(absl::ToDoubleSeconds(now.since_origin()));
    }
  }
  EXPECT_EQ(sent, (std::vector<double>{0.5, 1.5, 3.5, 7.5, 15.5, 31.5}));
  EXPECT_EQ(last, Actions{ReportTimeout{}});
}

TEST_F(InviteClientTransactionTest, OverTlsOnlyTimerB) {
  tls_.Start(At(0));
  EXPECT_EQ(tls_.deadline(), At(32));
  EXPECT_EQ(tls_.OnDeadline(At(32)), Actions{ReportTimeout{}});
}

TEST_F(InviteClientTransactionTest, AProvisionalResponseStopsAllTimers) {
  udp_.Start(At(0));
  EXPECT_EQ(udp_.OnResponse(Answer(180), At(0.2)), Actions{DeliverResponse{}});
  EXPECT_EQ(udp_.OnResponse(Answer(183), At(9)), Actions{DeliverResponse{}});
  EXPECT_EQ(udp_.state(), State::kProceeding);
  EXPECT_EQ(udp_.deadline(), MonoTime::InfiniteFuture());
}

// RFC 6026 section 7.2: each 2xx goes to the dialog, until timer M.
TEST_F(InviteClientTransactionTest, EveryTwoHundredIsDelivered) {
  udp_.Start(At(0));
  EXPECT_EQ(udp_.OnResponse(Answer(200), At(1)), Actions{DeliverResponse{}});
  EXPECT_EQ(udp_.state(), State::kAccepted);
  EXPECT_EQ(udp_.OnResponse(Answer(200), At(2)), Actions{DeliverResponse{}});
  EXPECT_EQ(udp_.OnResponse(Answer(180), At(2)), Actions{});
  EXPECT_EQ(udp_.OnResponse(Answer(486), At(2)), Actions{});
  EXPECT_EQ(udp_.OnTransportError(), Actions{});
  EXPECT_EQ(udp_.deadline(), At(33));
  EXPECT_EQ(udp_.OnDeadline(At(33)), Actions{});
  EXPECT_TRUE(udp_.terminated());
}

TEST_F(InviteClientTransactionTest, ARefusalIsAcknowledgedEachTime) {
  udp_.Start(At(0));
  EXPECT_EQ(udp_.OnResponse(Answer(486), At(1)),
            (Actions{SendToPeer{kAck}, DeliverResponse{}}));
  EXPECT_EQ(udp_.OnResponse(Answer(486), At(2)), Actions{SendToPeer{kAck}});
  EXPECT_EQ(udp_.OnResponse(Answer(180), At(2)), Actions{});
  EXPECT_EQ(udp_.deadline(), At(33));  // timer D: at least 32 s
  EXPECT_EQ(udp_.OnDeadline(At(33)), Actions{});
  EXPECT_TRUE(udp_.terminated());
}

TEST_F(InviteClientTransactionTest, OverTlsARefusalEndsIt) {
  tls_.Start(At(0));
  EXPECT_EQ(tls_.OnResponse(Answer(503), At(1)).size(), 2u);
  EXPECT_TRUE(tls_.terminated());
}

TEST_F(InviteClientTransactionTest, TransportErrorEndsIt) {
  tls_.Start(At(0));
  EXPECT_EQ(tls_.OnTransportError(), Actions{ReportTransportError{}});
  EXPECT_TRUE(tls_.terminated());
}

TEST(MakeCancelTest, RepeatsTheRequestOfSection9_1) {
  EXPECT_EQ(WriteSipMessage(MakeCancel(Invite())),
            "CANCEL sip:b@b.example SIP/2.0\r\n"
            "Via: SIP/2.0/UDP edge.example;branch=z9hG4bK1\r\n"
            "Route: <sip:p.example;lr>\r\n"
            "Max-Forwards: 70\r\n"
            "From: <sip:a@a.example>;tag=1\r\n"
            "To: <sip:b@b.example>\r\n"
            "Call-ID: c\r\n"
            "CSeq: 7 CANCEL\r\n"
            "Content-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace sallyport::signaling_edge
