#include "services/common/net/socket_address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "absl/hash/hash_testing.h"
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

SocketAddress Must(const char* text) {
  auto out = SocketAddress::Parse(text);
  EXPECT_THAT(out, IsOk()) << text;
  return *out;
}

TEST(SocketAddressTest, ParsesAndFormats) {
  for (const char* text :
       {"192.0.2.1:5060", "0.0.0.0:0", "255.255.255.255:65535",
        "[2001:db8::1]:3478", "[::]:0", "[::1]:1", "[::ffff:192.0.2.1]:9"}) {
    EXPECT_EQ(Must(text).ToString(), text);
  }
  EXPECT_EQ(Must("[2001:0DB8:0::0001]:80").ToString(), "[2001:db8::1]:80");
  EXPECT_EQ(Must("192.0.2.1:5060").IpText(), "192.0.2.1");
}

TEST(SocketAddressTest, RefusesWhatIsNotAnAddress) {
  for (const char* bad : {"",
                          ":",
                          "192.0.2.1",
                          "192.0.2.1:",
                          "192.0.2.1:65536",
                          "192.0.2.1:-1",
                          "192.0.2.1: 1",
                          "192.0.2.1:+1",
                          "192.0.2.1:000080",
                          "192.0.2:1",
                          "192.0.2.256:1",
                          "example.test:5060",
                          "::1:5060",
                          "[::1]",
                          "[::1]5060",
                          "[192.0.2.1]:5060",
                          "[::1%lo]:5060",
                          "[:1",
                          "]:1",
                          "[1111:2222:3333:4444:5555:6666:7777:8888:9999]:1"}) {
    EXPECT_THAT(SocketAddress::Parse(bad),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
  EXPECT_THAT(SocketAddress::Parse(std::string("1.2.3.4\0:1", 10)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// RFC 4291 section 2.5.5.2: a policy that looked at the spelling alone could
// be passed by the other one.
TEST(SocketAddressTest, CanonicalUnmapsIpv4) {
  const SocketAddress mapped = Must("[::ffff:127.0.0.1]:53");
  EXPECT_TRUE(mapped.is_v6());
  EXPECT_EQ(mapped.Canonical(), Must("127.0.0.1:53"));
  EXPECT_NE(mapped, Must("127.0.0.1:53"));
  EXPECT_TRUE(mapped.is_loopback());
  EXPECT_TRUE(Must("[::ffff:0.0.0.0]:1").is_unspecified());
  EXPECT_TRUE(Must("[::ffff:224.0.0.1]:1").is_multicast());
  EXPECT_EQ(Must("[::1]:1").Canonical(), Must("[::1]:1"));
  EXPECT_EQ(Must("[::127.0.0.1]:1").Canonical(), Must("[::127.0.0.1]:1"));
}

TEST(SocketAddressTest, Kinds) {
  EXPECT_TRUE(Must("127.9.9.9:1").is_loopback());
  EXPECT_TRUE(Must("[::1]:1").is_loopback());
  EXPECT_FALSE(Must("[::2]:1").is_loopback());
  EXPECT_FALSE(Must("128.0.0.1:1").is_loopback());
  EXPECT_TRUE(Must("239.255.255.255:1").is_multicast());
  EXPECT_FALSE(Must("240.0.0.0:1").is_multicast());
  EXPECT_TRUE(Must("[ff02::1]:1").is_multicast());
  EXPECT_TRUE(SocketAddress::AnyV4(1).is_unspecified());
  EXPECT_TRUE(SocketAddress::AnyV6(1).is_unspecified());
  EXPECT_FALSE(SocketAddress::LoopbackV4(1).is_unspecified());
}

TEST(SocketAddressTest, RoundTripsThroughSockaddr) {
  for (const char* text : {"192.0.2.1:5060", "[2001:db8::1]:3478"}) {
    sockaddr_storage storage;
    const auto size = Must(text).ToSockaddr(storage);
    const auto* plain = reinterpret_cast<const sockaddr*>(&storage);
    EXPECT_EQ(SocketAddress::FromSockaddr(plain, size), Must(text));
    EXPECT_EQ(SocketAddress::FromSockaddr(plain, size - 1), std::nullopt);
  }
  sockaddr_storage unix_domain = {};
  unix_domain.ss_family = AF_UNIX;
  EXPECT_EQ(
      SocketAddress::FromSockaddr(
          reinterpret_cast<const sockaddr*>(&unix_domain), sizeof(unix_domain)),
      std::nullopt);
}

TEST(SocketAddressTest, RoundTripsThroughBytes) {
  for (const char* text : {"192.0.2.1:5060", "[2001:db8::1]:3478"}) {
    const SocketAddress a = Must(text);
    EXPECT_EQ(SocketAddress::FromBytes(a.ip_bytes(), a.port()), a);
  }
  EXPECT_EQ(SocketAddress::FromBytes(AsBytes("12345"), 1), std::nullopt);
  EXPECT_EQ(SocketAddress::FromBytes({}, 1), std::nullopt);
}

TEST(SocketAddressTest, OrdersAndHashes) {
  EXPECT_LT(Must("10.0.0.1:2"), Must("10.0.0.2:1"));
  EXPECT_LT(Must("10.0.0.1:1"), Must("10.0.0.1:2"));
  EXPECT_EQ(Must("10.0.0.1:1").WithPort(2), Must("10.0.0.1:2"));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {SocketAddress(), Must("10.0.0.1:1"), Must("10.0.0.1:2"), Must("[::]:0"),
       Must("[a00:1::]:1")}));
}

}  // namespace
}  // namespace sallyport
