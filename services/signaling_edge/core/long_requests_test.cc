#include "services/signaling_edge/core/long_requests.h"

#include <string>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

const MonoTime kStart = MonoTime::FromOrigin(absl::Hours(1));

SocketAddress Address(int port) {
  return *SocketAddress::FromIp("192.0.2.10", static_cast<uint16_t>(port));
}

// An INVITE of exactly so many octets.
SipMessage OfSize(size_t octets) {
  SipMessage out = SipMessage::Request(SipMethod::kInvite, "sip:1@192.0.2.10");
  out.SetBody(std::string(octets, 'x'));
  out.SetBody(std::string(2 * octets - WrittenSize(out), 'x'));
  return out;
}

// RFC 3261 section 18.1.1: "within 200 bytes of the path MTU, or if it is
// larger than 1300 bytes and the path MTU is unknown".
TEST(LongRequestsTest, IsLongAsTheSectionSays) {
  const LongRequests unknown({});
  EXPECT_FALSE(unknown.IsLong(OfSize(1300)));
  EXPECT_TRUE(unknown.IsLong(OfSize(1301)));
  const LongRequests known({.path_mtu = 1500});
  EXPECT_FALSE(known.IsLong(OfSize(1300)));
  EXPECT_TRUE(known.IsLong(OfSize(1301)));
  const LongRequests jumbo({.path_mtu = 9000});
  EXPECT_FALSE(jumbo.IsLong(OfSize(8800)));
  EXPECT_TRUE(jumbo.IsLong(OfSize(8801)));
  EXPECT_EQ(LongRequests({.path_mtu = 100}).limit(), 0u);
}

// RFC 3263 section 4.1: what the URI says.
TEST(LongRequestsTest, TheNextHopsUriMaySayTcp) {
  const LongRequests long_requests({});
  const auto wants = [&](std::string_view uri, std::string_view route) {
    SipMessage bye = SipMessage::Request(SipMethod::kBye, uri);
    if (!route.empty()) bye.Add(HeaderId::kRoute, route);
    return long_requests.WantsStream(bye);
  };
  EXPECT_FALSE(wants("sip:1@192.0.2.10", ""));
  EXPECT_FALSE(wants("sip:1@192.0.2.10;transport=udp", ""));
  EXPECT_TRUE(wants("sip:1@192.0.2.10;transport=TCP", ""));
  EXPECT_TRUE(wants("sip:1@192.0.2.10", "<sip:p.test;transport=tcp;lr>"));
  EXPECT_TRUE(wants("sip:1@192.0.2.10",
                    "<sip:p.test;transport=tcp;lr>, <sip:q.test;lr>"));
  // The first hop counts, and nothing that only looks like it.
  EXPECT_FALSE(wants("sip:1@192.0.2.10;transport=tcp", "<sip:p.test;lr>"));
  EXPECT_FALSE(wants("sip:1;transport=tcp@192.0.2.10", ""));
  EXPECT_FALSE(wants("tel:1;transport=tcpx", ""));
  EXPECT_FALSE(wants("sip:1@192.0.2.10", "not an address <"));
}

TEST(LongRequestsTest, WhoTakesNoConnectionIsRememberedForAWhile) {
  LongRequests long_requests({.udp_for = absl::Minutes(10)});
  EXPECT_FALSE(long_requests.IsRefused(Address(5060), kStart));
  long_requests.NoteRefused(Address(5060), kStart);
  EXPECT_TRUE(long_requests.IsRefused(Address(5060), kStart));
  EXPECT_FALSE(long_requests.IsRefused(Address(5061), kStart));
  const MonoTime end = kStart + absl::Minutes(10);
  EXPECT_TRUE(
      long_requests.IsRefused(Address(5060), end - absl::Milliseconds(1)));
  EXPECT_FALSE(long_requests.IsRefused(Address(5060), end));
}

TEST(LongRequestsTest, WhatIsRememberedIsBounded) {
  LongRequests long_requests(
      {.udp_for = absl::Minutes(10), .max_remembered = 2});
  long_requests.NoteRefused(Address(1), kStart);
  long_requests.NoteRefused(Address(2), kStart + absl::Minutes(1));
  long_requests.NoteRefused(Address(3), kStart + absl::Minutes(2));
  EXPECT_FALSE(long_requests.IsRefused(Address(3), kStart + absl::Minutes(2)));
  // Those that are there are renewed.
  long_requests.NoteRefused(Address(2), kStart + absl::Minutes(9));
  // What is over makes room.
  const MonoTime later = kStart + absl::Minutes(10);
  long_requests.NoteRefused(Address(3), later);
  EXPECT_TRUE(long_requests.IsRefused(Address(3), later));
  EXPECT_TRUE(long_requests.IsRefused(Address(2), later));
  EXPECT_FALSE(long_requests.IsRefused(Address(1), later));
}

TEST(LongRequestsTest, OneConnectionStandsForAnAddress) {
  LongRequests long_requests({});
  EXPECT_EQ(long_requests.ConnectionTo(Address(1)), 0u);
  long_requests.NoteConnection(Address(1), 7);
  EXPECT_EQ(long_requests.ConnectionTo(Address(1)), 7u);
  long_requests.NoteConnection(Address(1), 8);
  long_requests.ForgetConnection(Address(1), 7);  // the former one
  EXPECT_EQ(long_requests.ConnectionTo(Address(1)), 8u);
  long_requests.ForgetConnection(Address(1), 8);
  EXPECT_EQ(long_requests.ConnectionTo(Address(1)), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
