#include "services/signaling_edge/core/scanner_signature.h"

#include <string>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

bool Found(std::string_view agent, std::string_view name = "") {
  const auto message = ParseSipMessage(
      Cat("OPTIONS sip:x@d.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa"
          "\r\nMax-Forwards: 70\r\nFrom: ",
          name, "<sip:a@d.test>;tag=1\r\nTo: <sip:a@d.test>\r\nCall-ID: c\r\n",
          "CSeq: 1 OPTIONS\r\n",
          agent.empty() ? std::string() : Cat("User-Agent: ", agent, "\r\n"),
          "Content-Length: 0\r\n\r\n"),
      ParsePolicy());
  EXPECT_TRUE(message.ok()) << message.status();
  return message.ok() && HasScannerSignature(*message);
}

TEST(ScannerSignatureTest, ToolsAreKnownAsTheyAreShipped) {
  for (const char* agent :
       {"friendly-scanner", "Friendly-Scanner/1.0", "sipcli/v1.8", "pplsip",
        "VaxSIPUserAgent/3.5", "siparmyknife", "sipvicious 0.3.3"}) {
    EXPECT_TRUE(Found(agent)) << agent;
  }
  EXPECT_TRUE(Found("", "\"sipvicious\""));
}

TEST(ScannerSignatureTest, PhonesAndOperatorsToolsAreNot) {
  for (const char* agent :
       {"", "baresip v1.0.0", "Linphone/5.1", "sipsak 0.9.8",
        "Cisco-CP8841/12.5", "Asterisk PBX 20"}) {
    EXPECT_FALSE(Found(agent)) << agent;
  }
  EXPECT_FALSE(Found("", "\"Alice\""));
}

}  // namespace
}  // namespace sallyport::signaling_edge
