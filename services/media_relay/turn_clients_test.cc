// Packaged TURN clients through the real binary, over each transport.

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class TurnClientsTest : public TurnProcessTest {};

TEST_F(TurnClientsTest, CoturnsClientOverTcpAndTls) {
  Start(2);
  const int tcp = process_.port("stun_tcp");
  const int tls = process_.port("turn_tls");
  ASSERT_GT(tcp, 0);
  ASSERT_GT(tls, 0);
  // Two clients talk to each other through their relayed addresses.
  ExpectAllReceived(Uclient(tcp, "-t -y -c"), 50);
  ExpectAllReceived(Uclient(tcp, "-t -y -c -s"), 50);
  ExpectAllReceived(Uclient(tls, "-t -S -y -c"), 50);
  ExpectAllReceived(Uclient(tls, "-t -S -y -c -s"), 50);
  // Either is taken on either port.
  ExpectAllReceived(Uclient(tls, "-t -y -c"), 50);
  ExpectAllReceived(
      Uclient(tcp, absl::StrCat("-t -S -y -c -E ", pki_->ca_file())), 50);
}

TEST_F(TurnClientsTest, ACertificateThatChangesIsServedAtOnce) {
  Start(1);
  const std::string show = absl::StrCat(
      "openssl s_client -connect 127.0.0.1:", process_.port("turn_tls"),
      " </dev/null | openssl x509 -noout -serial");
  const std::string first = RunCommand(show);
  ASSERT_NE(first.find("serial="), std::string::npos) << first;
  pki_->Issue("turn", "DNS:turn.test,IP:127.0.0.1");
  std::string second = first;
  for (int i = 0; i < 50 && second.substr(second.find("serial=")) ==
                                first.substr(first.find("serial="));
       ++i) {
    absl::SleepFor(absl::Milliseconds(200));
    second = RunCommand(show);
  }
  EXPECT_NE(second.substr(second.find("serial=")),
            first.substr(first.find("serial=")));
  // The floor is TLS 1.2.
  const std::string old = RunCommand(
      absl::StrCat("openssl s_client -tls1_1 -cipher 'ALL:@SECLEVEL=0' "
                   "-connect 127.0.0.1:",
                   process_.port("turn_tls"), " </dev/null"));
  EXPECT_EQ(old.find("Cipher    : ECDHE"), std::string::npos) << old;
  EXPECT_NE(old.find("exit code"), std::string::npos) << old;
}

UniqueFd Connect(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage name;
  const socklen_t size =
      SocketAddress::LoopbackV4(static_cast<uint16_t>(port)).ToSockaddr(name);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
  timeval patience = {5, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

// True when the relay ends the connection within the socket's patience.
bool IsEnded(const UniqueFd& fd) {
  char octet;
  const ssize_t got = recv(fd.get(), &octet, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

TEST_F(TurnClientsTest, GarbageEndsItsConnectionAndNoOther) {
  Start(2, ",\"realm\":\"sallyport\"");
  const int tcp = process_.port("stun_tcp");
  const int tls = process_.port("turn_tls");
  const UniqueFd quiet = Connect(tcp);
  std::string garbage;
  for (int i = 0; i < 300; ++i) {
    garbage.resize(1 + random_.Uniform(600));
    random_.Fill(absl::MakeSpan(reinterpret_cast<uint8_t*>(garbage.data()),
                                garbage.size()));
    // Many begin as what is understood.
    constexpr char kBegin[] = {'\x16', '\x00', '\x02', '\x40', '\x01'};
    if (i % 6 < 5) garbage[0] = kBegin[i % 6];
    const UniqueFd fd = Connect(i % 2 == 0 ? tcp : tls);
    (void)send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  }
  // One that sends what can never become a unit is ended at once.
  for (const char* begin : {"GET / HTTP/1.1\r\n\r\n", "\x80\x80\x80\x80"}) {
    const UniqueFd fd = Connect(tcp);
    ASSERT_GT(send(fd.get(), begin, strlen(begin), MSG_NOSIGNAL), 0);
    EXPECT_TRUE(IsEnded(fd)) << begin;
  }
  ExpectAllReceived(Uclient(tcp, "-t -y -c"), 50);
  // The quiet one has 15 s to prove something; it has not been touched.
  char octet;
  EXPECT_EQ(recv(quiet.get(), &octet, 1, MSG_DONTWAIT), -1);
  EXPECT_GE(Metric("sallyport_media_relay_connections_ended_total{reason="
                   "\"malformed\"}"),
            50);
  EXPECT_EQ(process_.Terminate(), 0);
}

TEST_F(TurnClientsTest, ConnectionsOfOneSourceAreLimited) {
  Start(2, ",\"turn_tls_second_port\":0");
  const int tcp = process_.port("stun_tcp");
  std::vector<UniqueFd> held;
  for (int i = 0; i < 100; ++i) held.push_back(Connect(tcp));
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_TRUE(IsEnded(Connect(tcp)));
  held.resize(90);
  absl::SleepFor(absl::Milliseconds(200));
  ExpectAllReceived(Uclient(tcp, "-t -y -c"), 50);
}

}  // namespace
}  // namespace sallyport::media_relay
