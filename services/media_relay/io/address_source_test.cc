#include "services/media_relay/io/address_source.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/system_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/testing/test_http_server.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

absl::StatusOr<std::vector<IpAddress>> Ask(
    const std::string& source, absl::Duration timeout = absl::Seconds(2)) {
  SystemRandom random;
  return AddressSource::Parse(source)->Ask(Ip("127.0.0.1"), random, timeout);
}

std::string UrlOf(const TestHttpServer& server, const std::string& path) {
  return absl::StrCat("http://127.0.0.1:", server.port(), path);
}

TEST(ParseAddressListTest, CommasAndBlanksAreBetweenThem) {
  const auto both = ParseAddressList(" 192.0.2.1,2001:db8::1\n");
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(*both,
            (std::vector<IpAddress>{Ip("192.0.2.1"), Ip("2001:db8::1")}));
  for (const char* bad : {"", " ,", "192.0.2.1:5", "192.0.2.1 x", "<html>"}) {
    EXPECT_EQ(ReasonOf(ParseAddressList(bad).status()),
              "ADVERTISED_ADDRESS_INVALID")
        << bad;
  }
}

TEST(AddressSourceTest, EnvironmentAndFile) {
  setenv("SALLYPORT_TEST_ADDRESS", "192.0.2.1", 1);
  EXPECT_EQ(*Ask("env:SALLYPORT_TEST_ADDRESS"),
            std::vector<IpAddress>{Ip("192.0.2.1")});
  EXPECT_EQ(ReasonOf(Ask("env:SALLYPORT_TEST_NOT_SET").status()),
            "ADVERTISED_ADDRESS_UNKNOWN");
  const std::string path = testing::TempDir() + "/address";
  EXPECT_EQ(ReasonOf(Ask("file:" + path).status()),
            "ADVERTISED_ADDRESS_UNKNOWN");
  ASSERT_TRUE(WriteDurableFile(path, "2001:db8::7\n").ok());
  EXPECT_EQ(*Ask("file:" + path), std::vector<IpAddress>{Ip("2001:db8::7")});
}

TEST(AddressSourceTest, AMetadataServerIsAskedAsCloudsWantIt) {
  TestHttpServer server(
      "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n198.51.100.7");
  EXPECT_EQ(*Ask(UrlOf(server, "/latest/meta-data/public-ipv4")),
            std::vector<IpAddress>{Ip("198.51.100.7")});
  const std::string& asked = server.Asked();
  EXPECT_EQ(asked.rfind("GET /latest/meta-data/public-ipv4 HTTP/1.1\r\n", 0),
            0u);
  EXPECT_NE(asked.find("\r\nMetadata-Flavor: Google\r\n"), std::string::npos);
}

TEST(AddressSourceTest, WhatAMetadataServerSaysOtherwiseIsNoAddress) {
  for (const char* answer :
       {"HTTP/1.0 404 Not Found\r\n\r\n198.51.100.7", "HTTP/1.0 200 OK\r\n",
        "198.51.100.7", "", "HTTP/1.0"}) {
    TestHttpServer server(answer);
    EXPECT_EQ(ReasonOf(Ask(UrlOf(server, "/")).status()),
              "ADVERTISED_ADDRESS_UNKNOWN")
        << answer;
  }
  TestHttpServer page("HTTP/1.1 200 OK\r\n\r\n<html>sign in</html>");
  EXPECT_EQ(ReasonOf(Ask(UrlOf(page, "/")).status()),
            "ADVERTISED_ADDRESS_INVALID");
  TestHttpServer endless("HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, '1'));
  EXPECT_FALSE(Ask(UrlOf(endless, "/")).ok());
}

TEST(AddressSourceTest, NobodyIsWaitedForLongerThanSaid) {
  // Bound, and nobody reads there.
  const UniqueFd silent(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address;
  const socklen_t size = SocketAddress::LoopbackV4(0).ToSockaddr(address);
  ASSERT_EQ(bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  socklen_t length = sizeof(address);
  getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &length);
  const int port =
      SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&address), length)
          ->port();
  const absl::Time begin = absl::Now();
  for (const std::string& source :
       {absl::StrCat("stun:127.0.0.1:", port), std::string("stun:127.0.0.1:1"),
        std::string("stun:[::1]:3478"), std::string("http://127.0.0.1:1/")}) {
    EXPECT_EQ(ReasonOf(Ask(source, absl::Milliseconds(300)).status()),
              "ADVERTISED_ADDRESS_UNKNOWN")
        << source;
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

}  // namespace
}  // namespace sallyport::media_relay
