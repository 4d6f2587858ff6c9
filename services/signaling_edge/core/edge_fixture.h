// The PBX of the edge's tests and its calls; gtest only.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_FIXTURE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_FIXTURE_H_

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {

inline bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// A message of text with further header lines.
inline std::string WithHeaders(std::string text, std::string_view lines) {
  const std::string_view before = "Max-Forwards: 70\n";
  return text.insert(text.find(before) + before.size(), Cat(lines, "\n"));
}

// Calls between pbx (UDP, clear) and bob (UDP, clear), alice (TLS, secured)
// and gw (TLS, RTP). The pbx is known by its address, so its INVITEs need no
// digest.
class EdgeCoreTest : public testing::Test {
 protected:
  EdgeCoreTest() : EdgeCoreTest(EdgeHarness::Options()) {}
  explicit EdgeCoreTest(const EdgeOptions& options) : edge_(options) {}

  static constexpr char kPbx[] = "192.0.2.10:5060";

  std::string PbxInvite(std::string_view number, std::string_view sdp,
                        std::string_view call_id = "pbx1",
                        std::string_view branch = "pbx1") {
    return Cat("INVITE sip:", number,
               "@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK",
               branch,
               "\nMax-Forwards: 70\n"
               "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
               "To: <sip:",
               number, "@203.0.113.1>\nCall-ID: ", call_id,
               "\nCSeq: 1 INVITE\nContact: <sip:5551000@192.0.2.10>",
               sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }

  std::string PbxInDialog(std::string_view method, int cseq,
                          std::string_view to_tag, std::string_view sdp = "",
                          std::string_view branch = "") {
    return Cat(method,
               " sip:edge@203.0.113.1 SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK",
               branch.empty() ? method : branch, cseq,
               "\nMax-Forwards: 70\n"
               "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
               "To: <sip:95551234@203.0.113.1>;tag=",
               to_tag, "\nCall-ID: pbx1\nCSeq: ", cseq, " ", method,
               "\nContact: <sip:5551000@192.0.2.10>",
               sdp.empty() ? "" : "\nContent-Type: application/sdp\n\n", sdp);
  }

  std::string PbxCancel() {
    return "CANCEL sip:95551234@203.0.113.1 SIP/2.0\n"
           "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKpbx1\n"
           "Max-Forwards: 70\n"
           "From: \"PBX User\" <sip:5551000@192.0.2.10>;tag=p1\n"
           "To: <sip:95551234@203.0.113.1>\n"
           "Call-ID: pbx1\nCSeq: 1 CANCEL";
  }

  // pbx calls 95551234: the edge dials gw and sends the INVITE there.
  Sent PbxCallsGateway() {
    edge_.ReceiveUdp(kPbx,
                     PbxInvite("95551234", TestSdp("192.0.2.10", 4000, false)));
    auto trying = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(trying && trying->message.status_code() == 100);
    const ConnectionId gateway = edge_.AcceptDialled("gw.d.test");
    auto invite = edge_.TakeTo(gateway);
    EXPECT_TRUE(invite.has_value());
    return invite.has_value() ? *invite : Sent{};
  }

  // The same, answered and acknowledged. Returns the 200 to pbx.
  Sent Established(Sent& invite) {
    invite = PbxCallsGateway();
    edge_.Answer(invite, 200, "g1", TestSdp("192.0.2.20", 6000, false));
    auto ack = edge_.TakeTo(invite.connection);
    EXPECT_TRUE(ack && ack->message.method() == SipMethod::kAck);
    auto ok = edge_.TakeToUdp(kPbx);
    EXPECT_TRUE(ok && ok->message.status_code() == 200);
    if (!ok) return {};
    edge_.ReceiveUdp(kPbx, PbxInDialog("ACK", 1, Tag(*ok)));
    EXPECT_TRUE(edge_.Idle());
    return *ok;
  }

  static std::string Tag(const Sent& response) {
    const auto to = ParseNameAddr(response.message.Value(HeaderId::kTo));
    return to.ok() ? std::string(to->tag()) : "";
  }

  // Everything of the call is gone but its record.
  void ExpectOver(std::string_view reason, CallDisposition disposition) {
    EXPECT_EQ(edge_.core().calls().live(), 0u);
    const EdgeEvent* end = edge_.Last(EdgeEvent::Type::kCallEnded);
    ASSERT_NE(end, nullptr);
    EXPECT_EQ(end->record->reason, reason);
    EXPECT_EQ(end->record->disposition, disposition);
    edge_.Advance(absl::Minutes(2));
    EXPECT_EQ(edge_.core().transactions(), 0u);
    EXPECT_TRUE(edge_.Idle());
    EXPECT_EQ(edge_.deleted.size(), edge_.created.size());
  }

  EdgeHarness edge_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_FIXTURE_H_
