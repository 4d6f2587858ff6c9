#include "services/signaling_edge/core/transaction_table.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

using Kind = RequestOutcome::Kind;
using Actions = TransactionActions;

constexpr PeerScope kPeer = 7;
constexpr PeerScope kStranger = 8;

MonoTime At(double seconds) {
  return MonoTime::FromOrigin(absl::Seconds(seconds));
}

struct Parts {
  std::string via = "SIP/2.0/UDP a.example;branch=z9hG4bKx";
  std::string to = "<sip:b@b.example>";
  std::string cseq = "1";
  std::string from_tag = "f";
};

SipMessage Request(const std::string& method, const Parts& parts = {}) {
  const auto message = ParseSipMessage(
      method + " sip:b@b.example SIP/2.0\r\nVia: " + parts.via +
          "\r\nFrom: <sip:a@a.example>;tag=" + parts.from_tag +
          "\r\nTo: " + parts.to + "\r\nCall-ID: c\r\nCSeq: " + parts.cseq +
          " " + method + "\r\n\r\n",
      {});
  EXPECT_TRUE(message.ok()) << message.status();
  return *message;
}

std::shared_ptr<const SipMessage> Shared(SipMessage message) {
  return std::make_shared<const SipMessage>(std::move(message));
}

class TransactionTableTest : public testing::Test {
 protected:
  RequestOutcome In(const SipMessage& request, double seconds = 0) {
    return table_.OnRequest(request, kPeer, false, At(seconds));
  }
  Actions Respond(TransactionId id, const SipMessage& request, int code,
                  double seconds = 0) {
    return table_.Respond(id, MakeResponse(request, code, "x", "t"),
                          At(seconds));
  }

  TransactionTable table_{TransactionTable::Options{}};
};

TEST_F(TransactionTableTest, ARepetitionIsAbsorbed) {
  const SipMessage invite = Request("INVITE");
  const RequestOutcome first = In(invite);
  EXPECT_EQ(first.kind, Kind::kNew);
  EXPECT_NE(first.id, 0u);
  const Actions sent = Respond(first.id, invite, 180);
  ASSERT_EQ(sent.size(), 1u);
  const RequestOutcome second = In(invite);
  EXPECT_EQ(second.kind, Kind::kAbsorbed);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.actions, sent);
}

// Section 17.2.3: branch, sent-by and method, each of them.
TEST_F(TransactionTableTest, MatchesByBranchSentByAndMethod) {
  In(Request("OPTIONS"));
  Parts other;
  other.cseq = "2";  // so that it is not a merged request
  other.via = "SIP/2.0/UDP a.example;branch=z9hG4bKy";
  EXPECT_EQ(In(Request("OPTIONS", other)).kind, Kind::kNew);
  other.cseq = "3";
  other.via = "SIP/2.0/UDP b.example;branch=z9hG4bKx";
  EXPECT_EQ(In(Request("OPTIONS", other)).kind, Kind::kNew);
  other.cseq = "4";
  other.via = "SIP/2.0/UDP a.example:5070;branch=z9hG4bKx";
  EXPECT_EQ(In(Request("OPTIONS", other)).kind, Kind::kNew);
  EXPECT_EQ(In(Request("INFO")).kind, Kind::kNew);
  // The default port and the case of a name make no difference.
  other.cseq = "1";
  other.via = "SIP/2.0/UDP A.Example:5060;branch=z9hG4bKx";
  EXPECT_EQ(In(Request("OPTIONS", other)).kind, Kind::kAbsorbed);
}

TEST_F(TransactionTableTest, AckToARefusalIsAbsorbed) {
  const SipMessage invite = Request("INVITE");
  const TransactionId id = In(invite).id;
  Respond(id, invite, 486);
  Parts tagged;
  tagged.to = "<sip:b@b.example>;tag=t";
  const RequestOutcome ack = In(Request("ACK", tagged));
  EXPECT_EQ(ack.kind, Kind::kAbsorbed);
  EXPECT_TRUE(ack.actions.empty());
  EXPECT_EQ(table_.deadline(), At(5));  // timer I
  EXPECT_EQ(table_.OnDeadline(At(5)).id, id);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(TransactionTableTest, AckToATwoHundredGoesToTheDialog) {
  Parts own;
  own.to = "<sip:b@b.example>;tag=t";
  own.via = "SIP/2.0/UDP a.example;branch=z9hG4bKack";
  const SipMessage invite = Request("INVITE");
  Respond(In(invite).id, invite, 200);
  EXPECT_EQ(In(Request("ACK", own)).kind, Kind::kAck);
  EXPECT_EQ(table_.size(), 1u) << "an ACK makes no transaction";
}

TEST_F(TransactionTableTest, CancelFindsItsInvite) {
  const TransactionId invite = In(Request("INVITE")).id;
  const RequestOutcome cancel = In(Request("CANCEL"));
  EXPECT_EQ(cancel.kind, Kind::kNew);
  EXPECT_NE(cancel.id, invite);
  EXPECT_EQ(cancel.cancelled, invite);
  EXPECT_EQ(In(Request("CANCEL")).kind, Kind::kAbsorbed);
}

TEST_F(TransactionTableTest, CancelOfNothingIs481) {
  Parts other;
  other.via = "SIP/2.0/UDP a.example;branch=z9hG4bKother";
  In(Request("INVITE"));
  const RequestOutcome cancel = In(Request("CANCEL", other));
  EXPECT_EQ(cancel.kind, Kind::kNew);
  EXPECT_EQ(cancel.cancelled, 0u);
}

// Hardening: knowing a branch is not enough.
TEST_F(TransactionTableTest, AStrangerMatchesNothing) {
  const SipMessage invite = Request("INVITE");
  const TransactionId id = In(invite).id;
  Respond(id, invite, 486);
  EXPECT_EQ(
      table_.OnRequest(Request("CANCEL"), kStranger, false, At(0)).cancelled,
      0u);
  EXPECT_EQ(table_.OnRequest(Request("ACK"), kStranger, false, At(0)).kind,
            Kind::kAck);
  EXPECT_EQ(table_.deadline(), At(0.5)) << "still repeating the 486";

  SipMessage out = Request("OPTIONS");
  ASSERT_TRUE(table_.Send(Shared(out), kPeer, true, At(0)).ok());
  EXPECT_EQ(
      table_.OnResponse(MakeResponse(out, 200, "OK", "t"), kStranger, At(0)).id,
      0u);
}

// RFC 3261 section 17.2.3, second half; RFC 4475 section 3.2.1 (badbranch).
TEST_F(TransactionTableTest, Rfc2543PeersAreMatchedByTheWholeRequest) {
  for (const char* via :
       {"SIP/2.0/UDP a.example", "SIP/2.0/UDP a.example;branch=z9hG4bK",
        "SIP/2.0/UDP a.example;branch=1"}) {
    TransactionTable table{TransactionTable::Options{}};
    Parts parts;
    parts.via = via;
    const SipMessage invite = Request("INVITE", parts);
    const auto in = [&](const SipMessage& message) {
      return table.OnRequest(message, kPeer, false, At(0));
    };
    const RequestOutcome first = in(invite);
    EXPECT_EQ(first.kind, Kind::kNew) << via;
    EXPECT_EQ(in(invite).kind, Kind::kAbsorbed) << via;
    EXPECT_EQ(in(Request("CANCEL", parts)).cancelled, first.id) << via;
    table.Respond(first.id, MakeResponse(invite, 486, "x", "t"), At(0));
    parts.to = "<sip:b@b.example>;tag=t";
    EXPECT_EQ(in(Request("ACK", parts)).kind, Kind::kAbsorbed) << via;
    parts.to = "<sip:b@b.example>";
    parts.cseq = "2";
    EXPECT_EQ(in(Request("INVITE", parts)).kind, Kind::kNew) << via;
  }
}

TEST_F(TransactionTableTest, MergedRequestsAreKnown) {  // section 8.2.2.2
  const TransactionId first = In(Request("INVITE")).id;
  Parts other_way;
  other_way.via =
      "SIP/2.0/UDP p.example;branch=z9hG4bKp, SIP/2.0/UDP a.example";
  const RequestOutcome merged = In(Request("INVITE", other_way));
  EXPECT_EQ(merged.kind, Kind::kMerged);
  EXPECT_EQ(merged.id, first);
  other_way.to = "<sip:b@b.example>;tag=t";
  EXPECT_EQ(In(Request("INVITE", other_way)).kind, Kind::kNew)
      << "in a dialog there is no forking";
  Parts next;
  next.via = other_way.via;
  next.cseq = "2";
  EXPECT_EQ(In(Request("OPTIONS", next)).kind, Kind::kNew);
}

TEST_F(TransactionTableTest, ClientMatchesByBranchAndMethod) {
  const SipMessage invite = Request("INVITE");
  const auto sent = table_.Send(Shared(invite), kPeer, false, At(0));
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(sent->actions, Actions{SendToPeer{WriteSipMessage(invite)}});
  EXPECT_FALSE(table_.Send(Shared(invite), kPeer, false, At(0)).ok())
      << "the branch is in use";
  const SipMessage cancel = MakeCancel(invite);  // the same branch
  const auto sent_cancel = table_.Send(Shared(cancel), kPeer, false, At(0));
  ASSERT_TRUE(sent_cancel.ok());

  EXPECT_EQ(
      table_.OnResponse(MakeResponse(cancel, 200, "OK", "t"), kPeer, At(0)).id,
      sent_cancel->id);
  const TransactionOutcome answer = table_.OnResponse(
      MakeResponse(invite, 487, "Request Terminated", "t"), kPeer, At(0));
  EXPECT_EQ(answer.id, sent->id);
  ASSERT_EQ(answer.actions.size(), 2u);  // the ACK, and to the user
}

TEST_F(TransactionTableTest, StrayResponsesMatchNothing) {
  const SipMessage options = Request("OPTIONS");
  EXPECT_EQ(
      table_.OnResponse(MakeResponse(options, 200, "OK", "t"), kPeer, At(0)).id,
      0u);
  ASSERT_TRUE(table_.Send(Shared(options), kPeer, true, At(0)).ok());
  Parts other;
  other.via = "SIP/2.0/UDP other.example;branch=z9hG4bKx";
  EXPECT_EQ(
      table_
          .OnResponse(MakeResponse(Request("OPTIONS", other), 200, "OK", "t"),
                      kPeer, At(0))
          .id,
      0u)
      << "sent-by is not ours: section 18.1.2";
}

TEST_F(TransactionTableTest, TimersRunInOrderAndEmptyTheTable) {
  Parts second;
  second.via = "SIP/2.0/UDP a.example;branch=z9hG4bKtwo";
  const auto a = table_.Send(Shared(Request("OPTIONS")), kPeer, false, At(0));
  const auto b =
      table_.Send(Shared(Request("INVITE", second)), kPeer, false, At(0.1));
  ASSERT_TRUE(a.ok() && b.ok());
  int sends = 0;
  int timeouts = 0;
  MonoTime last;
  while (table_.deadline() < MonoTime::InfiniteFuture()) {
    const MonoTime now = table_.deadline();
    EXPECT_GE(now, last);
    last = now;
    for (const TransactionAction& action : table_.OnDeadline(now).actions) {
      sends += std::holds_alternative<SendToPeer>(action);
      timeouts += std::holds_alternative<ReportTimeout>(action);
    }
  }
  EXPECT_EQ(sends, 10 + 6);
  EXPECT_EQ(timeouts, 2);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(TransactionTableTest, TheCapKeepsATenthForOurOwn) {
  TransactionTable::Options options;
  options.max_transactions = 10;
  TransactionTable table(options);
  for (int i = 0; i < 9; ++i) {
    Parts parts;
    parts.via += std::to_string(i);
    parts.cseq = std::to_string(i);
    EXPECT_EQ(
        table.OnRequest(Request("INVITE", parts), kPeer, true, At(0)).kind,
        Kind::kNew);
  }
  Parts more;
  more.via += "more";
  more.cseq = "99";
  EXPECT_EQ(table.OnRequest(Request("INVITE", more), kPeer, true, At(0)).kind,
            Kind::kFull);
  EXPECT_TRUE(
      table.Send(Shared(Request("OPTIONS", more)), kPeer, true, At(0)).ok());
  more.via += "again";
  EXPECT_EQ(
      ReasonOf(table.Send(Shared(Request("OPTIONS", more)), kPeer, true, At(0))
                   .status()),
      "TRANSACTION_LIMIT");
  EXPECT_EQ(table.size(), 10u);
}

TEST_F(TransactionTableTest, TransportErrorIsReportedAndRemoves) {
  const auto sent = table_.Send(Shared(Request("OPTIONS")), kPeer, true, At(0));
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(table_.OnTransportError(sent->id), Actions{ReportTransportError{}});
  EXPECT_FALSE(table_.contains(sent->id));
  EXPECT_EQ(table_.OnTransportError(sent->id), Actions{});
  EXPECT_EQ(Respond(sent->id, Request("OPTIONS"), 200), Actions{});
}

}  // namespace
}  // namespace sallyport::signaling_edge
