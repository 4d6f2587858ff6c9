// RFC 5118, message by message. The octets are those of the RFC's archive
// (tests/vectors/sip_torture_ipv6) with three of its faults mended first: LF
// becomes CRLF, a missing blank line is added, and a wrong Content-Length is
// dropped, so that the body is the rest as in a datagram.

#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

std::string ReadVector(const std::string& file) {
  std::ifstream in("tests/vectors/sip_torture_ipv6/" + file + ".dat",
                   std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  std::string mended;
  std::string line;
  bool body = false;
  while (std::getline(text, line)) {
    body |= line.empty();
    if (!body && line.rfind("Content-Length:", 0) == 0) continue;
    mended += line + "\r\n";
  }
  if (!body) mended += "\r\n";
  return mended;
}

SipMessage Parsed(const std::string& file) {
  const auto message = ParseSipMessage(ReadVector(file), {});
  EXPECT_TRUE(message.ok()) << file << message.status();
  return message.ok() ? *message : SipMessage();
}

class Rfc5118ValidTest : public testing::TestWithParam<const char*> {};

TEST_P(Rfc5118ValidTest, IsTakenAndWrittenBack) {
  const SipMessage message = Parsed(GetParam());
  const std::string wire = WriteSipMessage(message);
  const auto again = ParseSipMessage(wire, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(WriteSipMessage(*again), wire);
}

INSTANTIATE_TEST_SUITE_P(
    Messages, Rfc5118ValidTest,
    testing::Values("ipv6-good", "port-ambiguous", "port-unambiguous",
                    "via-received-param-with-delim",
                    "via-received-param-no-delim", "ipv6-in-sdp",
                    "mult-ip-in-header", "mult-ip-in-sdp", "ipv4-mapped-ipv6",
                    "ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"));

TEST(Rfc5118Test, Section4_2_AddressWithoutBracketsIsRefused) {
  const auto message = ParseSipMessage(ReadVector("ipv6-bad"), {});
  EXPECT_EQ(ReasonOf(message.status()), "SIP_URI_MALFORMED");
  EXPECT_TRUE(SalvageRequest(ReadVector("ipv6-bad"), {}).ok());
}

TEST(Rfc5118Test, Section4_3_And_4_4_PortIsOutsideTheBrackets) {
  const SipMessage inside = Parsed("port-ambiguous");
  const auto one = ParseSipUri(inside.request_uri());
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->host, "[2001:db8::10:5070]");
  EXPECT_FALSE(one->port.has_value());
  const SipMessage outside = Parsed("port-unambiguous");
  const auto two = ParseSipUri(outside.request_uri());
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->host, "[2001:db8::10]");
  EXPECT_EQ(two->port, 5070);
}

TEST(Rfc5118Test, Section4_5_ReceivedWithAndWithoutBrackets) {
  const SipMessage with = Parsed("via-received-param-with-delim");
  EXPECT_EQ(ParseVia(with.Value(HeaderId::kVia))->received(),
            "[2001:db8::9:255]");
  const SipMessage without = Parsed("via-received-param-no-delim");
  EXPECT_EQ(ParseVia(without.Value(HeaderId::kVia))->received(),
            "2001:db8::9:255");
}

TEST(Rfc5118Test, Section4_7_FamiliesMayMixInVia) {
  const SipMessage message = Parsed("mult-ip-in-header");
  const auto vias = message.Items(HeaderId::kVia);
  ASSERT_EQ(vias.size(), 3u);
  EXPECT_EQ(ParseVia(vias[0])->port, 6050);
  EXPECT_EQ(ParseVia(vias[1])->host_kind, HostKind::kIpv4);
  EXPECT_EQ(ParseVia(vias[2])->host_kind, HostKind::kIpv6);
}

TEST(Rfc5118Test, Section4_10_ThreeColonsAreTolerated) {
  const SipMessage message = Parsed("ipv6-bug-abnf-3-colons");
  EXPECT_EQ(ParseSipUri(message.request_uri())->host_kind, HostKind::kIpv6);
}

}  // namespace
}  // namespace sallyport::signaling_edge
