#include "services/signaling_edge/core/sip_redaction.h"

#include <map>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out.push_back('\r');
    out.push_back(c);
  }
  return out;
}

// "#1", "#2" in the order in which texts come.
class Pseudonyms {
 public:
  Pseudonym Get() {
    return [this](std::string_view text) {
      const auto [it, added] =
          known_.try_emplace(std::string(text), known_.size() + 1);
      return Cat("#", it->second);
    };
  }

 private:
  std::map<std::string, size_t> known_;
};

constexpr std::string_view kInvite =
    "INVITE sip:+15551234@gw.example.test:5061;transport=tls SIP/2.0\n"
    "v: SIP/2.0/TLS "
    "192.0.2.7:5061;branch=z9hG4bKa1;rport=4;received=192.0.2.9\n"
    "Max-Forwards: 69\n"
    "From: \"Alice Example\" <sip:alice@example.test>;tag=f1\n"
    "To: Bob <sip:+15551234@gw.example.test>\n"
    "Call-ID: abc@192.0.2.7\n"
    "CSeq: 1 INVITE\n"
    "Contact: <sip:alice@192.0.2.7:5061;transport=tls;x-line=SEP0011>\n"
    "P-Asserted-Identity: <tel:+15557777>, <sip:alice@[2001:db8::1]:5060>\n"
    "Refer-To: <sip:bob@example.test?Replaces=secret%40192.0.2.7>\n"
    "Proxy-Authorization: Digest username=\"alice\",\n"
    " response=\"00112233445566778899aabbccddeeff\"\n"
    "Reason: SIP;cause=200;text=\"call of alice\"\n"
    "X-Badge: employee 4711\n"
    "Content-Type: application/sdp\n"
    "Content-Length: 9\n"
    "\n"
    "v=0\n"
    "o=alice 77 1 IN IP4 192.0.2.7\n"
    "s=Alice's phone\n"
    "c=IN IP4 192.0.2.7\n"
    "t=0 0\n"
    "m=audio 4000 RTP/SAVP 0 101\n"
    "a=rtpmap:0 PCMU/8000\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\n"
    "a=candidate:1 1 UDP 1 192.0.2.7 4000 typ host\n"
    "a=ice-pwd:asd88fgpdd777uzjYhagZg\n"
    "a=fingerprint:sha-256 AA:BB:CC\n"
    "a=rtcp:4001 IN IP4 192.0.2.7\n"
    "a=sendrecv\n";

TEST(SipRedactionTest, KeysAndCredentialsAreNotEvenKept) {
  const std::string kept = WithoutSecrets(Crlf(kInvite));
  EXPECT_THAT(kept, Not(HasSubstr("WVNf")));
  EXPECT_THAT(kept, HasSubstr("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
                              "inline:[removed]|2^20\r\n"));
  EXPECT_THAT(kept, Not(HasSubstr("asd88fgpdd777uzjYhagZg")));
  EXPECT_THAT(kept, Not(HasSubstr("00112233445566778899aabbccddeeff")));
  EXPECT_THAT(kept, HasSubstr("Proxy-Authorization: [removed]\r\nReason:"));
  // And nothing else is touched.
  EXPECT_THAT(kept, HasSubstr("sip:alice@192.0.2.7:5061;transport=tls"));
}

TEST(SipRedactionTest, EveryInlineKeyOfALineGoes) {
  EXPECT_EQ(WithoutSecrets("a=crypto:1 S inline:AAAA|1:4;inline:BBBB|2:4\r\n"),
            "a=crypto:1 S inline:[removed]|1:4;inline:[removed]|2:4\r\n");
  EXPECT_EQ(WithoutSecrets("k=clear:password\r\n"), "k=[removed]\r\n");
  EXPECT_EQ(WithoutSecrets("authorization :Digest x\r\n"),
            "authorization: [removed]\r\n");
}

TEST(SipRedactionTest, NoNumberNameOrAddressIsShown) {
  Pseudonyms names;
  const std::string shown =
      RedactSip(WithoutSecrets(Crlf(kInvite)), names.Get());
  for (const char* secret :
       {"5551234", "alice", "Alice", "Bob", "bob", "192.0.2", "example.test",
        "5557777", "2001:db8", "SEP0011", "4711", "WVNf", "AA:BB", "asd88",
        "secret", "00112233"}) {
    EXPECT_THAT(shown, Not(HasSubstr(secret))) << shown;
  }
}

TEST(SipRedactionTest, WhatAFaultIsFoundByStays) {
  Pseudonyms names;
  const std::string shown =
      RedactSip(WithoutSecrets(Crlf(kInvite)), names.Get());
  EXPECT_THAT(shown,
              HasSubstr("INVITE sip:#1@#2:5061;transport=tls SIP/2.0\r\n"));
  EXPECT_THAT(shown, HasSubstr("Via: SIP/2.0/TLS #3:5061;branch=z9hG4bKa1;"
                               "rport=4;received=#4\r\n"));
  EXPECT_THAT(shown, HasSubstr("Max-Forwards: 69\r\n"));
  EXPECT_THAT(shown, HasSubstr(";tag=f1\r\n"));
  // The same number is the same pseudonym wherever it stands.
  EXPECT_THAT(shown, HasSubstr("<sip:#1@#2>\r\n"));
  EXPECT_THAT(shown, HasSubstr("CSeq: 1 INVITE\r\n"));
  EXPECT_THAT(shown, HasSubstr("Reason: SIP;cause=200\r\n"));
  EXPECT_THAT(shown, HasSubstr("m=audio 4000 RTP/SAVP 0 101\r\n"));
  EXPECT_THAT(shown, HasSubstr("a=rtpmap:0 PCMU/8000\r\n"));
  EXPECT_THAT(shown, HasSubstr("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
  EXPECT_THAT(shown, HasSubstr("a=fingerprint:sha-256 #"));
  EXPECT_THAT(shown, HasSubstr("a=rtcp:4001 IN IP4 #3\r\n"));
  EXPECT_THAT(shown, HasSubstr("c=IN IP4 #3\r\n"));
  EXPECT_THAT(shown, HasSubstr("a=sendrecv\r\n"));
}

TEST(SipRedactionTest, OtherBodiesAreTheirSize) {
  Pseudonyms names;
  EXPECT_EQ(RedactSip(Crlf("MESSAGE sip:a@b SIP/2.0\nContent-Type: "
                           "text/plain\n\ncall me at 5551234"),
                      names.Get()),
            Crlf("MESSAGE sip:#1@#2 SIP/2.0\nContent-Type: "
                 "text/plain\n\n[18 octets]\n"));
  EXPECT_EQ(RedactSip(Crlf("NOTIFY sip:a@b SIP/2.0\nc: message/sipfrag\n\n"
                           "SIP/2.0 200 OK\nTo: <sip:5551234@x>\n"),
                      names.Get()),
            Crlf("NOTIFY sip:#1@#2 SIP/2.0\nContent-Type: message/sipfrag\n\n"
                 "SIP/2.0 200 OK\n"));
}

TEST(SipRedactionTest, ResponsesKeepTheirStatus) {
  Pseudonyms names;
  EXPECT_EQ(RedactStartLine("SIP/2.0 488 Not Acceptable Here", names.Get()),
            "SIP/2.0 488 Not Acceptable Here");
  EXPECT_EQ(
      RedactStartLine("BYE tel:+1555;phone-context=x SIP/2.0", names.Get()),
      "BYE tel:#1;phone-context=#2 SIP/2.0");
}

}  // namespace
}  // namespace sallyport::signaling_edge
