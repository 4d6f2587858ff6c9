#include "services/common/net/own_listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/net/unique_fd.h"

namespace sallyport {
namespace {

// A socket on a port of 127.0.0.1, `port` or a free one.
UniqueFd Bound(int type, uint16_t& port) {
  UniqueFd fd(socket(AF_INET, type, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  EXPECT_EQ(
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  socklen_t size = sizeof(address);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

bool Has(bool udp, uint16_t port) {
  const std::vector<OwnListener> all = OwnListeners();
  return std::any_of(all.begin(), all.end(), [&](const OwnListener& one) {
    return one.udp == udp && one.ip == "127.0.0.1" && one.first_port <= port &&
           one.last_port >= port;
  });
}

// AVE-25: what is listened on, and nothing else.
TEST(OwnListenersTest, SocketsThatListenAndNoOthers) {
  uint16_t tcp_port = 0;
  const UniqueFd tcp = Bound(SOCK_STREAM, tcp_port);
  EXPECT_FALSE(Has(false, tcp_port));  // bound alone
  ASSERT_EQ(listen(tcp.get(), 1), 0);
  EXPECT_TRUE(Has(false, tcp_port));
  EXPECT_FALSE(Has(true, tcp_port));

  uint16_t udp_port = 0;
  UniqueFd udp = Bound(SOCK_DGRAM, udp_port);
  EXPECT_TRUE(Has(true, udp_port));
  // Connected to one far side it hears nobody else.
  sockaddr_in far = {};
  far.sin_family = AF_INET;
  far.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  far.sin_port = htons(9);
  ASSERT_EQ(connect(udp.get(), reinterpret_cast<sockaddr*>(&far), sizeof(far)),
            0);
  EXPECT_FALSE(Has(true, udp_port));
  udp.reset();
  EXPECT_FALSE(Has(true, udp_port));
}

}  // namespace
}  // namespace sallyport
