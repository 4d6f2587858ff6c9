#include "services/signaling_edge/core/sip_writer.h"

#include <string>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_parser.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kInvite[] =
    "INVITE sip:b@b.example SIP/2.0\r\n"
    "v: SIP/2.0/TLS p.example;branch=z9hG4bKp\r\n"
    "Via: SIP/2.0/TLS a.example;branch=z9hG4bKa\r\n"
    "Record-Route: <sip:p.example;lr>\r\n"
    "f: \"A\"\r\n <sip:a@a.example>;tag=1\r\n"
    "t: sip:b@b.example\r\n"
    "i: c@a.example\r\n"
    "cseq : 1 INVITE\r\n"
    "l: 4\r\n"
    "X-Own: y\r\n"
    "\r\n"
    "body";

TEST(SipWriterTest, WritesLongNamesAndItsOwnContentLength) {
  auto message = ParseSipMessage(kInvite, {});
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(WriteSipMessage(*message),
            "INVITE sip:b@b.example SIP/2.0\r\n"
            "Via: SIP/2.0/TLS p.example;branch=z9hG4bKp\r\n"
            "Via: SIP/2.0/TLS a.example;branch=z9hG4bKa\r\n"
            "Record-Route: <sip:p.example;lr>\r\n"
            "From: \"A\"   <sip:a@a.example>;tag=1\r\n"
            "To: sip:b@b.example\r\n"
            "Call-ID: c@a.example\r\n"
            "CSeq: 1 INVITE\r\n"
            "X-Own: y\r\n"
            "Content-Length: 4\r\n"
            "\r\n"
            "body");
  message->SetBody("");
  const std::string wire = WriteSipMessage(*message);
  EXPECT_EQ(wire.substr(wire.size() - 23), "\r\nContent-Length: 0\r\n\r\n");
}

TEST(SipWriterTest, KnowsTheSizeBeforehand) {
  auto message = ParseSipMessage(kInvite, {});
  ASSERT_TRUE(message.ok());
  for (const size_t body : {0, 1, 9, 10, 99, 100, 1234, 65535}) {
    message->SetBody(std::string(body, 'x'));
    EXPECT_EQ(WrittenSize(*message), WriteSipMessage(*message).size()) << body;
    const SipMessage response = MakeResponse(*message, 404, "Not Found", "t");
    EXPECT_EQ(WrittenSize(response), WriteSipMessage(response).size());
  }
}

TEST(SipWriterTest, ReadsBackTheSame) {
  const auto message = ParseSipMessage(kInvite, {});
  ASSERT_TRUE(message.ok());
  const std::string wire = WriteSipMessage(*message);
  const auto again = ParseSipMessage(wire, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(WriteSipMessage(*again), wire);
}

TEST(MakeResponseTest, CopiesWhatSection8_2_6Says) {
  const auto request = ParseSipMessage(kInvite, {});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(WriteSipMessage(MakeResponse(*request, 180, "Ringing", "t9")),
            "SIP/2.0 180 Ringing\r\n"
            "Via: SIP/2.0/TLS p.example;branch=z9hG4bKp\r\n"
            "Via: SIP/2.0/TLS a.example;branch=z9hG4bKa\r\n"
            "Record-Route: <sip:p.example;lr>\r\n"
            "From: \"A\"   <sip:a@a.example>;tag=1\r\n"
            "To: sip:b@b.example;tag=t9\r\n"
            "Call-ID: c@a.example\r\n"
            "CSeq: 1 INVITE\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
}

TEST(MakeResponseTest, TagAndRecordRouteOnlyWhereTheyBelong) {
  auto request = ParseSipMessage(kInvite, {});
  ASSERT_TRUE(request.ok());
  request->Add(HeaderId::kTimestamp, "54");
  const SipMessage trying = MakeResponse(*request, 100, "Trying", "");
  EXPECT_EQ(trying.Value(HeaderId::kTo), "sip:b@b.example");
  EXPECT_FALSE(trying.Has(HeaderId::kRecordRoute));
  EXPECT_EQ(trying.Value(HeaderId::kTimestamp), "54");

  const SipMessage busy = MakeResponse(*request, 486, "Busy Here", "t9");
  EXPECT_FALSE(busy.Has(HeaderId::kRecordRoute));

  request->Set(HeaderId::kTo, "<sip:b@b.example>;tag=theirs");
  EXPECT_EQ(MakeResponse(*request, 200, "OK", "t9").Value(HeaderId::kTo),
            "<sip:b@b.example>;tag=theirs");
}

}  // namespace
}  // namespace sallyport::signaling_edge
