// A server of HTTP that says one thing to one client.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_TEST_HTTP_SERVER_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_TEST_HTTP_SERVER_H_

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/check.h"

namespace sallyport {

// On 127.0.0.1. Whoever comes is read once and told `answer`; with `holds` the
// connection stays open until the client goes. Somebody has to come.
// Thread-compatible.
class TestHttpServer {
 public:
  explicit TestHttpServer(std::string answer, bool holds = false)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address;
    const socklen_t size = SocketAddress::LoopbackV4(0).ToSockaddr(address);
    SP_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                  size) == 0);
    SP_CHECK(listen(listener_.get(), 1) == 0);
    socklen_t length = sizeof(address);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                &length);
    port_ = SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&address),
                                        length)
                ->port();
    thread_ = std::thread([this, answer = std::move(answer), holds] {
      const UniqueFd one(accept(listener_.get(), nullptr, nullptr));
      std::array<char, 2048> buffer;
      const ssize_t got = recv(one.get(), buffer.data(), buffer.size(), 0);
      if (got > 0) asked_.assign(buffer.data(), static_cast<size_t>(got));
      (void)send(one.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      if (holds) (void)recv(one.get(), buffer.data(), buffer.size(), 0);
    });
  }
  ~TestHttpServer() { Join(); }

  uint16_t port() const { return port_; }
  // What it was asked, once it has answered.
  const std::string& Asked() {
    Join();
    return asked_;
  }

 private:
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  UniqueFd listener_;
  uint16_t port_ = 0;
  std::string asked_;
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_TEST_HTTP_SERVER_H_
