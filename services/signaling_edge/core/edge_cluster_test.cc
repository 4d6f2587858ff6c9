// Several edges, each a core, and what lands on the wrong one. The links
// between them are a queue, and frames really are written and read.
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kPbxIp[] = "192.0.2.10";

class EdgeClusterTest : public testing::Test {
 protected:
  EdgeClusterTest() {
    const auto keys = *TokenKeys::Parse(std::string(64, 'a'));
    for (size_t i = 0; i < 3; ++i) {
      EdgeOptions options = EdgeHarness::Options();
      options.node = {EdgeNumber(Cat("edge-", i)), 0};
      options.token_keys = keys;
      options.last_connection = 1000 * (i + 1);
      nodes_.push_back(options.node);
      edges_.push_back(std::make_unique<EdgeHarness>(std::move(options)));
    }
    Tell({true, true, true});
  }

  void Tell(const std::vector<bool>& up) {
    up_ = up;
    std::vector<EdgePresence> all;
    for (size_t i = 0; i < 3; ++i) all.push_back({nodes_[i].edge, 1, up[i]});
    for (size_t i = 0; i < 3; ++i) {
      edges_[i]->Perform(edges_[i]->core().OnEdges(all, edges_[i]->now()));
    }
  }

  // Carries what the edges say to each other until they are quiet.
  void Pump() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t i = 0; i < 3; ++i) {
        std::vector<ClusterMessage> out;
        out.swap(edges_[i]->handed_over);
        for (const ClusterMessage& message : out) {
          moved = true;
          EXPECT_EQ(message.from, nodes_[i]);
          const std::string frame = WriteClusterFrame(message);
          const auto read =
              ReadClusterFrame(AsBytes(frame).subspan(kClusterLengthSize),
                               message.from.edge, message.to.edge);
          ASSERT_TRUE(read.ok()) << read.status();
          for (size_t k = 0; k < 3; ++k) {
            if (!up_[k] || nodes_[k].edge != message.to.edge) continue;
            edges_[k]->Perform(
                edges_[k]->core().OnClusterMessage(*read, edges_[k]->now()));
          }
        }
      }
    }
  }

  static std::string Invite(std::string_view number, std::string_view branch) {
    return Cat("INVITE sip:", number,
               "@203.0.113.1 SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.10:5060;branch="
               "z9hG4bK",
               branch,
               "\nMax-Forwards: 70\nFrom: <sip:5551000@192.0.2.10>;tag=p1\n"
               "To: <sip:",
               number,
               "@203.0.113.1>\nCall-ID: c1\nCSeq: 1 INVITE\n"
               "Contact: <sip:5551000@192.0.2.10;transport=tcp>\n"
               "Content-Type: application/sdp\n\n",
               TestSdp(kPbxIp, 4000, false));
  }

  static std::string InDialog(std::string_view method, int cseq,
                              std::string_view uri, std::string_view tag) {
    return Cat(method, " ", uri,
               " SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK",
               method, cseq,
               "\nMax-Forwards: 70\nFrom: <sip:5551000@192.0.2.10>;tag=p1\n"
               "To: <sip:95551234@203.0.113.1>;tag=",
               tag, "\nCall-ID: c1\nCSeq: ", cseq, " ", method,
               "\nContact: <sip:5551000@192.0.2.10;transport=tcp>");
  }

  static std::string TagOf(const Sent& response) {
    return std::string(
        ParseNameAddr(response.message.Value(HeaderId::kTo))->tag());
  }
  static std::string ContactOf(const Sent& message) {
    return std::string(
        ParseNameAddr(message.message.Value(HeaderId::kContact))->uri);
  }

  EdgeHarness& edge(size_t i) { return *edges_[i]; }

  // The PBX calls the gateway by edge 0; the dialog is confirmed there.
  void Call() {
    first_ = edge(0).ConnectTcp(kPbxIp);
    edge(0).Receive(first_, Invite("95551234", "i1"));
    ASSERT_EQ(edge(0).TakeTo(first_)->message.status_code(), 100);
    gateway_ = edge(0).AcceptDialled("gw.d.test");
    invite_ = *edge(0).TakeTo(gateway_);
  }
  void Answered() {
    Call();
    edge(0).Answer(invite_, 200, "g1", TestSdp("192.0.2.20", 6000, false));
    ASSERT_EQ(edge(0).TakeTo(gateway_)->message.method(), SipMethod::kAck);
    const auto ok = edge(0).TakeTo(first_);
    ASSERT_EQ(ok->message.status_code(), 200);
    tag_ = TagOf(*ok);
    uri_ = ContactOf(*ok);
  }

  std::vector<NodeId> nodes_;
  std::vector<std::unique_ptr<EdgeHarness>> edges_;
  std::vector<bool> up_;
  ConnectionId first_ = 0;
  ConnectionId gateway_ = 0;
  Sent invite_;
  std::string tag_;
  std::string uri_;
};

// The PBX may replace dialogs; it has a call at edge 0 and another at edge 1,
// whose far sides it joins (RFC 5589 section 7).
class ClusterTransferTest : public EdgeClusterTest {
 protected:
  ClusterTransferTest() {
    for (auto& edge : edges_) {
      auto plan = TestPlan();
      TrunkSecurityProfileEntry& profile =
          plan->trunk_security_profiles.emplace_back();
      profile.name = "tenants/t/trunkSecurityProfiles/x";
      profile.accept_replaces = true;
      for (PeerEntry& peer : plan->peers) {
        if (peer.name == "tenants/t/peers/pbx") {
          peer.trunk_security_profile = profile.name;
        }
      }
      edge->Load(std::move(plan));
      edge->Forget();
    }
    Answered();
    edge(0).Receive(first_, InDialog("ACK", 1, uri_, tag_));
    second_ = edge(1).ConnectTcp(kPbxIp);
    edge(1).Receive(second_, OfSecond(Invite("95559999", "i2")));
    EXPECT_EQ(edge(1).TakeTo(second_)->message.status_code(), 100);
    second_gateway_ = edge(1).AcceptDialled("gw.d.test");
    second_invite_ = *edge(1).TakeTo(second_gateway_);
    edge(1).Answer(second_invite_, 200, "g2",
                   TestSdp("192.0.2.20", 6100, false));
    edge(1).TakeTo(second_gateway_);  // ACK
    const auto ok = edge(1).TakeTo(second_);
    second_tag_ = TagOf(*ok);
    second_uri_ = ContactOf(*ok);
    edge(1).Receive(second_,
                    OfSecond(InDialog("ACK", 1, second_uri_, second_tag_)));
  }

  static std::string OfSecond(std::string text) {
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"Call-ID: c1", "Call-ID: c2"},
          {";tag=p1", ";tag=p2"},
          {"z9hG4bK", "z9hG4bKsecond"}}) {
      text.replace(text.find(from), from.size(), to);
    }
    return text;
  }
  void Refer(std::string_view from_tag) {
    edge(0).Receive(
        first_, Cat(InDialog("REFER", ++cseq_, uri_, tag_),
                    "\nRefer-To: <sip:95559999@203.0.113.1?Replaces=c2%3B",
                    "to-tag%3D", second_tag_, "%3Bfrom-tag%3D", from_tag, ">"));
    EXPECT_EQ(edge(0).TakeTo(first_)->message.status_code(), 202);
  }
  // The next request that went there, answered unless it is an INVITE or ACK.
  Sent Next(size_t at, ConnectionId to, SipMethod method) {
    for (int i = 0; i < 6; ++i) {
      Pump();
      const auto got = edge(at).TakeTo(to);
      if (!got.has_value()) break;
      const SipMethod its = got->message.method();
      if (its != SipMethod::kInvite && its != SipMethod::kAck) {
        edge(at).Answer(*got, 200, "");
      }
      if (its == method) return *got;
    }
    ADD_FAILURE() << "no " << MethodName(method) << " at edge " << at;
    return {};
  }

  ConnectionId second_ = 0;
  ConnectionId second_gateway_ = 0;
  Sent second_invite_;
  std::string second_tag_;
  std::string second_uri_;
  int cseq_ = 1;
};

TEST_F(ClusterTransferTest, JoinsCallsOfTwoEdges) {
  Refer("p2");
  // One side hears of the other, and then the other of its answer.
  const Sent first = Next(0, gateway_, SipMethod::kInvite);
  EXPECT_TRUE(first.message.body().find("m=audio") != std::string_view::npos);
  edge(0).Answer(first, 200, "g1", TestSdp("192.0.2.20", 6001, false));
  Next(0, gateway_, SipMethod::kAck);
  const Sent second = Next(1, second_gateway_, SipMethod::kInvite);
  EXPECT_EQ(second.message.Value(HeaderId::kCallId),
            second_invite_.message.Value(HeaderId::kCallId));
  edge(1).Answer(second, 200, "g2", TestSdp("192.0.2.20", 6101, false));
  Next(1, second_gateway_, SipMethod::kAck);
  // Both calls of the one who referred are over, and it is told so.
  Next(0, first_, SipMethod::kBye);
  Next(1, second_, SipMethod::kBye);
  Pump();
  EXPECT_EQ(edge(0).core().calls().live(), 1u);
  EXPECT_EQ(edge(1).core().calls().live(), 0u);
  EXPECT_EQ(edge(0).Refusals(), "");
  // What the far side of the second call says, by the tag that it knows, to
  // the edge that had it, reaches the other far side: by the new Contact, and
  // by the old one.
  int cseq = 0;
  for (const std::string& target : {ContactOf(second), second_uri_}) {
    const ConnectionId by = edge(2).ConnectTls("gw.d.test", "", "192.0.2.20");
    edge(2).Receive(
        by, Cat("INFO ", target,
                " SIP/2.0\nVia: SIP/2.0/TLS 192.0.2.20:5061;branch=z9hG4bKx",
                ++cseq, "\nMax-Forwards: 70\nFrom: ",
                second_invite_.message.Value(HeaderId::kTo),
                ";tag=g2\nTo: ", second_invite_.message.Value(HeaderId::kFrom),
                "\nCall-ID: ", second_invite_.message.Value(HeaderId::kCallId),
                "\nCSeq: ", cseq, " INFO"));
    Next(0, gateway_, SipMethod::kInfo);
    Pump();
    EXPECT_EQ(edge(2).TakeTo(by)->message.status_code(), 200) << target;
  }
}

TEST_F(ClusterTransferTest, AStrangersDialogIsNotGiven) {
  Refer("other");
  Next(0, first_, SipMethod::kNotify);
  Next(0, first_, SipMethod::kNotify);
  EXPECT_EQ(edge(0).Refusals(), "DIALOG_NOT_FOUND");
  EXPECT_EQ(edge(0).core().calls().live(), 1u);
  EXPECT_EQ(edge(1).core().calls().live(), 1u);
}

TEST_F(ClusterTransferTest, AnEdgeThatDoesNotAnswerIsNotWaitedFor) {
  Refer("p2");
  edge(0).handed_over.clear();  // lost on the way
  edge(0).Advance(absl::Seconds(4));
  EXPECT_EQ(edge(0).Refusals(), "CALL_OWNER_UNREACHABLE");
  Next(0, first_, SipMethod::kNotify);
  Next(0, first_, SipMethod::kNotify);  // and the last
  EXPECT_EQ(edge(0).core().calls().live(), 1u);
  // And one that cannot be asked is not.
  Refer("p2");
  ASSERT_FALSE(edge(0).handed_over.empty());
  const ClusterMessage wanted = edge(0).handed_over.back();
  edge(0).handed_over.clear();
  ASSERT_EQ(wanted.kind, ClusterMessage::Kind::kLegWanted);
  edge(0).Perform(edge(0).core().OnHandOverFailed(wanted, edge(0).now()));
  EXPECT_EQ(edge(0).Refusals(),
            "CALL_OWNER_UNREACHABLE CALL_OWNER_UNREACHABLE");
}

// Contact, tag and branch name the owner, to its own kind only.
TEST_F(EdgeClusterTest, WhatGoesOutNamesItsOwnerAndNoAddress) {
  Answered();
  const auto keys = *TokenKeys::Parse(std::string(64, 'a'));
  EXPECT_EQ(*OwnerOfToken(*keys, tag_), nodes_[0]);
  EXPECT_EQ(*OwnerOfToken(*keys, ParseSipUri(uri_)->user), nodes_[0]);
  const auto via = ParseVia(invite_.message.Value(HeaderId::kVia));
  EXPECT_EQ(*OwnerOfToken(*keys, via->branch().substr(7, kTokenSize)),
            nodes_[0]);
}

TEST_F(EdgeClusterTest, RequestsOfADialogMayLandAnywhere) {
  Answered();
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  const ConnectionId third = edge(2).ConnectTcp(kPbxIp);
  edge(1).Receive(second, InDialog("ACK", 1, uri_, tag_));
  Pump();
  edge(2).Receive(third, InDialog("INFO", 2, uri_, tag_));
  Pump();
  const auto info = edge(0).TakeTo(gateway_);
  ASSERT_EQ(info->message.method(), SipMethod::kInfo);
  edge(0).Answer(*info, 200, "g1");
  Pump();
  // The answer goes back by where the request came (RFC 3261 section 18.2.2).
  const auto answered = edge(2).TakeTo(third);
  EXPECT_EQ(answered->message.status_code(), 200);
  edge(1).Receive(second, InDialog("BYE", 3, uri_, tag_));
  Pump();
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 200);
  const auto bye = edge(0).TakeTo(gateway_);
  ASSERT_EQ(bye->message.method(), SipMethod::kBye);
  edge(0).Answer(*bye, 200, "g1");
  EXPECT_EQ(edge(0).core().calls().live(), 0u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(edge(i).Refusals(), "");
  EXPECT_EQ(edge(0).core().stats().taken_over, 3u);
}

// A token in the tag is enough, for those who forget our Contact.
TEST_F(EdgeClusterTest, EitherTokenLeadsToTheOwner) {
  Answered();
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  edge(1).Receive(second, InDialog("INFO", 2, "sip:203.0.113.1", tag_));
  Pump();
  EXPECT_EQ(edge(0).TakeTo(gateway_)->message.method(), SipMethod::kInfo);
}

// Who may speak in a dialog is judged by the owner, by what the other edge has
// verified: a stranger is one everywhere.
TEST_F(EdgeClusterTest, AStrangerWithTheTokenIsStillAStranger) {
  Answered();
  const ConnectionId stranger = edge(1).ConnectTcp("198.51.100.66");
  edge(1).Receive(stranger, InDialog("BYE", 2, uri_, tag_));
  Pump();
  EXPECT_EQ(edge(1).TakeTo(stranger)->message.status_code(), 481);
  EXPECT_EQ(edge(0).core().calls().live(), 1u);
}

// The gateway's certificate was seen by edge 2 alone.
TEST_F(EdgeClusterTest, IdentityTravelsWithTheMessage) {
  Answered();
  const ConnectionId other = edge(2).ConnectTls("gw.d.test", "", "192.0.2.20");
  const ConnectionId wrong = edge(1).ConnectTls("", "", "192.0.2.20");
  edge(0).Receive(first_, InDialog("ACK", 1, uri_, tag_));
  const std::string bye = Cat(
      "BYE ", ContactOf(invite_),
      " SIP/2.0\nVia: SIP/2.0/TLS 192.0.2.20:5061;branch=z9hG4bKb1\n"
      "Max-Forwards: 70\nFrom: ",
      invite_.message.Value(HeaderId::kTo),
      ";tag=g1\nTo: ", invite_.message.Value(HeaderId::kFrom),
      "\nCall-ID: ", invite_.message.Value(HeaderId::kCallId), "\nCSeq: 1 BYE");
  edge(1).Receive(wrong, bye);
  Pump();
  EXPECT_EQ(edge(1).TakeTo(wrong)->message.status_code(), 481);
  edge(2).Receive(other, bye);
  Pump();
  EXPECT_EQ(edge(2).TakeTo(other)->message.status_code(), 200);
  EXPECT_EQ(edge(0).TakeTo(first_)->message.method(), SipMethod::kBye);
}

TEST_F(EdgeClusterTest, ResponsesFindTheRequestByTheirVia) {
  Call();
  const ConnectionId other = edge(2).ConnectTls("gw.d.test", "", "192.0.2.20");
  edge(2).Receive(
      other,
      Cat("SIP/2.0 486 Busy Here\nVia: ", invite_.message.Value(HeaderId::kVia),
          "\nFrom: ", invite_.message.Value(HeaderId::kFrom),
          "\nTo: ", invite_.message.Value(HeaderId::kTo),
          ";tag=g1\nCall-ID: ", invite_.message.Value(HeaderId::kCallId),
          "\nCSeq: ", invite_.message.Value(HeaderId::kCseq)));
  Pump();
  EXPECT_EQ(edge(0).TakeTo(gateway_)->message.method(), SipMethod::kAck);
  const auto busy = edge(0).TakeTo(first_);
  EXPECT_EQ(busy->message.status_code(), 486);
  // Its ACK by the third edge ends the transaction's repetitions.
  const ConnectionId third = edge(1).ConnectTcp(kPbxIp);
  std::string ack =
      InDialog("ACK", 1, "sip:95551234@203.0.113.1", TagOf(*busy));
  ack.replace(ack.find("z9hG4bKACK1"), 11, "z9hG4bKi1");
  edge(1).Receive(third, ack);
  Pump();
  EXPECT_EQ(edge(0).Refusals(), "");
}

// A CANCEL has no token of ours: all are asked (RFC 3261 section 9.1).
TEST_F(EdgeClusterTest, ACancelFindsItsInvite) {
  Call();
  edge(0).Answer(invite_, 180, "g1");
  ASSERT_EQ(edge(0).TakeTo(first_)->message.status_code(), 180);
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  const std::string cancel =
      "CANCEL sip:95551234@203.0.113.1 SIP/2.0\n"
      "Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bKi1\nMax-Forwards: 70\n"
      "From: <sip:5551000@192.0.2.10>;tag=p1\nTo: <sip:95551234@203.0.113.1>\n"
      "Call-ID: c1\nCSeq: 1 CANCEL";
  edge(1).Receive(second, cancel);
  Pump();
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 200);
  EXPECT_EQ(edge(0).TakeTo(first_)->message.status_code(), 487);
  EXPECT_EQ(edge(0).TakeTo(gateway_)->message.method(), SipMethod::kCancel);
  // Of nobody's INVITE: 481, from where it came.
  std::string nobody = cancel;
  nobody.replace(nobody.find("z9hG4bKi1"), 9, "z9hG4bKi2");
  edge(2).Receive(edge(2).ConnectTcp(kPbxIp), nobody);
  Pump();
  edge(1).Receive(second, nobody);
  Pump();
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 481);
  // One that does not answer at all is not waited for.
  edge(1).Receive(second, nobody);
  edge(1).handed_over.clear();
  edge(1).Advance(absl::Seconds(2));
  EXPECT_TRUE(edge(1).Idle());
}

TEST_F(EdgeClusterTest, ALostEdgeTakesItsCallsAlongAndNoOther) {
  Answered();
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  Tell({false, true, true});
  edge(1).Receive(second, InDialog("INFO", 2, uri_, tag_));
  const auto wait = edge(1).TakeTo(second);
  EXPECT_EQ(wait->message.status_code(), 503);  // it may come back
  EXPECT_EQ(wait->message.Value(HeaderId::kRetryAfter), "2");
  edge(1).Advance(absl::Seconds(11));
  edge(1).Receive(second, InDialog("BYE", 3, uri_, tag_));
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 481);
  EXPECT_EQ(edge(1).Refusals(), "CALL_OWNER_UNREACHABLE CALL_OWNER_GONE");
  edge(1).Receive(second, InDialog("ACK", 3, uri_, tag_));
  EXPECT_TRUE(edge(1).Idle());
  // New calls by the others go on.
  edge(1).Receive(second, Invite("95551234", "n1"));
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 100);
}

// What was handed over is never handed on: an owner that does not know the
// dialog says so.
TEST_F(EdgeClusterTest, NothingGoesInCircles) {
  Answered();
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  std::string unknown = InDialog("BYE", 2, uri_, tag_);
  unknown.replace(unknown.find("Call-ID: c1"), 11, "Call-ID: c9");
  edge(1).Receive(second, unknown);
  Pump();
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 481);
  EXPECT_EQ(edge(0).core().stats().handed_over, 0u);
}

TEST_F(EdgeClusterTest, AMirrorEndsWithItsConnection) {
  Answered();
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  edge(1).Receive(second, InDialog("INFO", 2, uri_, tag_));
  Pump();
  EXPECT_EQ(edge(0).core().connections().mirrors(), 1u);
  edge(1).Close(second);
  Pump();
  EXPECT_EQ(edge(0).core().connections().mirrors(), 0u);
  EXPECT_EQ(edge(0).core().calls().live(), 1u);
  EXPECT_EQ(edge(0).core().connections().size(), 2u);
}

// A phone is reached by the edge that has its connection.
TEST_F(EdgeClusterTest, AFlowOfAnotherEdgeIsAsGoodAsOnesOwn) {
  const ConnectionId phone = edge(1).ConnectTls("", "SEP1");
  const Flow held = edge(1).core().connections().Find(phone)->flow();
  const RemoteFlow exported = edge(1).core().Export(held);
  EXPECT_EQ(exported.node, nodes_[1]);
  auto flow = edge(0).core().Import(exported, edge(0).now());
  ASSERT_TRUE(flow.ok());
  EXPECT_EQ(edge(0).core().Export(*flow), exported);
  EXPECT_TRUE(flow->is_tls());
  // Its own comes back as itself.
  EXPECT_EQ(edge(1).core().Import(exported, edge(1).now())->connection, phone);
  // A flow of an edge that is gone is none.
  Tell({true, false, true});
  flow = edge(0).core().Import(exported, edge(0).now());
  EXPECT_EQ(ReasonOf(flow.status()), "CONNECTION_LOST");
  EXPECT_EQ(edge(0).core().connections().mirrors(), 0u);
}

TEST_F(EdgeClusterTest, UdpIsAnsweredByTheEdgeThatHeard) {
  edge(0).ReceiveUdp("192.0.2.10:5060", Invite("95551234", "u1"));
  ASSERT_EQ(edge(0).TakeToUdp("192.0.2.10:5060")->message.status_code(), 100);
  gateway_ = edge(0).AcceptDialled("gw.d.test");
  invite_ = *edge(0).TakeTo(gateway_);
  edge(0).Answer(invite_, 200, "g1", TestSdp("192.0.2.20", 6000, false));
  edge(0).TakeTo(gateway_);
  const auto ok = edge(0).TakeToUdp("192.0.2.10:5060");
  edge(1).ReceiveUdp("192.0.2.10:5060",
                     InDialog("ACK", 1, ContactOf(*ok), TagOf(*ok)));
  Pump();
  edge(2).ReceiveUdp("192.0.2.10:5060",
                     InDialog("BYE", 2, ContactOf(*ok), TagOf(*ok)));
  Pump();
  EXPECT_EQ(edge(2).TakeToUdp("192.0.2.10:5060")->message.status_code(), 200);
  EXPECT_EQ(edge(0).TakeTo(gateway_)->message.method(), SipMethod::kBye);
  // Sent again by yet another way: the same answer once more.
  edge(1).ReceiveUdp("192.0.2.10:5060",
                     InDialog("BYE", 2, ContactOf(*ok), TagOf(*ok)));
  Pump();
  EXPECT_EQ(edge(2).TakeToUdp("192.0.2.10:5060")->message.status_code(), 200);
}

TEST_F(EdgeClusterTest, AFullQueueIsSaidSo) {
  Answered();
  const ConnectionId second = edge(1).ConnectTcp(kPbxIp);
  edge(1).Receive(second, InDialog("INFO", 2, uri_, tag_));
  ASSERT_EQ(edge(1).handed_over.size(), 1u);
  const ClusterMessage message = edge(1).handed_over[0];
  edge(1).handed_over.clear();
  edge(1).Perform(edge(1).core().OnHandOverFailed(message, edge(1).now()));
  EXPECT_EQ(edge(1).TakeTo(second)->message.status_code(), 503);
  EXPECT_EQ(edge(1).Refusals(), "CLUSTER_QUEUE_FULL");
  const EdgeEvent* event = edge(1).Last(EdgeEvent::Type::kRefused);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->refusal->sip_status, 503);
  EXPECT_EQ(event->refusal->sip_method, "INFO");
  EXPECT_EQ(edge(1).core().stats().refusals.at("CLUSTER_QUEUE_FULL"), 1u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
