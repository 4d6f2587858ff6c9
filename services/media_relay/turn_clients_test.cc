// Packaged TURN clients through the real binary, over each transport.

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/session_rig.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class TurnClientsTest : public TurnProcessTest {
 protected:
  // So many to a peer and back, through a Connect and its ConnectionBind.
  void CarryStreams(size_t octets);
};

TEST_F(TurnClientsTest, CoturnsClientOverUdpTcpAndTls) {
  Start(2);
  // Channels, and Send.
  ExpectAllReceived(Uclient(process_.port("stun_udp"), "-y -c"), 50);
  ExpectAllReceived(Uclient(process_.port("stun_udp"), "-y -c -s"), 50);
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

// coturn's client and its peer, which answers what it is sent: by channels and
// by Send.
TEST_F(TurnClientsTest, CoturnsPeerAnswers) {
  Start(2, ",\"turn_dtls\":true");
  int port = 0;
  {
    const UdpSocket probe =
        UdpSocket::Bind(*SocketAddress::FromIp("127.0.0.2", 0)).value();
    port = probe.local_address().port();
  }
  PeerProgram peer(
      {"turnutils_peer", "-L", "127.0.0.2", "-p", absl::StrCat(port)});
  const std::string to = absl::StrCat(" -c -e 127.0.0.2 -r ", port);
  const int udp = process_.port("stun_udp");
  ExpectAllReceived(Uclient(udp, to), 50);
  ExpectAllReceived(Uclient(udp, "-S -s" + to), 50);
  ExpectAllReceived(Uclient(process_.port("stun_tcp"), "-t -s" + to), 50);
  ExpectAllReceived(Uclient(process_.port("turn_tls"), "-t -S" + to), 50);
}

// DTLS on the UDP port: coturn's client, and OpenSSL's.
TEST_F(TurnClientsTest, ClientsComeOverDtlsToo) {
  Start(2, ",\"turn_dtls\":true");
  const int udp = process_.port("stun_udp");
  ExpectAllReceived(Uclient(udp, "-S -y -c"), 50);
  ExpectAllReceived(Uclient(udp, "-S -y -c -s"), 50);
  // Beside those without, and with others' relayed addresses as peers.
  ExpectAllReceived(Uclient(udp, "-y -c"), 50);
  const std::string show = absl::StrCat(
      "(sleep 1; echo Q) | timeout 10 openssl s_client -dtls -connect "
      "127.0.0.1:",
      udp, " -CAfile ", pki_->ca_file());
  // A small MTU makes fragments of the ClientHello.
  for (const char* more :
       {"", " -mtu 256", " -cipher ECDHE-ECDSA-AES256-GCM-SHA384"}) {
    const std::string out = RunCommand(absl::StrCat(show, more));
    EXPECT_NE(out.find("Protocol  : DTLSv1.2"), std::string::npos) << out;
    EXPECT_NE(out.find("Verify return code: 0 (ok)"), std::string::npos) << out;
  }
  const std::string old =
      RunCommand(absl::StrCat(show, " -dtls1 -cipher 'ALL:@SECLEVEL=0'"));
  EXPECT_EQ(old.find("Verify return code: 0"), std::string::npos) << old;
  // A changed certificate is served here too.
  const std::string serial =
      absl::StrCat(show, " | openssl x509 -noout -serial");
  const std::string first = RunCommand(serial);
  ASSERT_NE(first.find("serial="), std::string::npos) << first;
  pki_->Issue("turn", "DNS:turn.test,IP:127.0.0.1");
  std::string second = first;
  for (int i = 0; i < 5 && second.substr(second.find("serial=")) ==
                               first.substr(first.find("serial="));
       ++i) {
    second = RunCommand(serial);
  }
  EXPECT_NE(second.substr(second.find("serial=")),
            first.substr(first.find("serial=")));
}

TEST_F(TurnClientsTest, DtlsIsOffUnlessItIsAskedFor) {
  Start(1);
  const std::string out = RunCommand(absl::StrCat(
      "(sleep 1; echo Q) | timeout 2 openssl s_client -dtls -connect "
      "127.0.0.1:",
      process_.port("stun_udp")));
  EXPECT_EQ(out.find("BEGIN CERTIFICATE"), std::string::npos) << out;
}

TEST_F(TurnClientsTest, CoturnsClientAsksForDontFragment) {
  Start(2);
  const int udp = process_.port("stun_udp");
  ExpectAllReceived(Uclient(udp, "-y -c -g -s"), 50);
  ExpectAllReceived(Uclient(udp, "-y -c -g"), 50);
  ExpectAllReceived(Uclient(process_.port("stun_tcp"), "-t -y -c -g -s"), 50);
}

// A datagram socket of a loopback address.
class Datagrams {
 public:
  explicit Datagrams(const char* ip)
      : udp_(UdpSocket::Bind(*SocketAddress::FromIp(ip, 0)).value()) {
    timeval patience = {5, 0};
    setsockopt(udp_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const int flags = fcntl(udp_.fd(), F_GETFL);
    fcntl(udp_.fd(), F_SETFL, flags & ~O_NONBLOCK);
  }
  Endpoint endpoint() const {
    return {IpAddress::FromBytes(udp_.local_address().ip_bytes()),
            udp_.local_address().port()};
  }
  void Send(const std::string& bytes, const Endpoint& to) {
    OutgoingDatagram datagram;
    datagram.payload = AsBytes(bytes);
    datagram.peer = to.ToSocketAddress();
    EXPECT_TRUE(udp_.SendOne(datagram).ok());
  }
  // Empty when nothing comes.
  std::string Receive() {
    std::string bytes(2048, '\0');
    const ssize_t size = recv(udp_.fd(), bytes.data(), bytes.size(), 0);
    bytes.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return bytes;
  }
  std::string Ask(const std::string& bytes, const Endpoint& to) {
    Send(bytes, to);
    return Receive();
  }

 private:
  UdpSocket udp_;
};

// RFC 8656 section 5 with real sockets (coturn's client knows the attribute by
// the number of a draft, so it cannot ask): one client, a peer in each family.
TEST_F(TurnClientsTest, ADualAllocationReachesBothFamilies) {
  addresses_ = "\"127.0.0.1\",\"::1\"";
  Start(2);
  const Endpoint relay = {*IpAddress::Parse("127.0.0.1"),
                          static_cast<uint16_t>(process_.port("stun_udp"))};
  TurnTestClient client(absl::Now(), random_);
  Datagrams socket("127.0.0.1");
  const auto dual = [](StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
    w.AddUint32(stun_attribute::kAdditionalAddressFamily, 2u << 24);
  };
  client.TakeChallenge(
      socket.Ask(client.Bare(StunMethod::kAllocate, dual), relay));
  const std::string made =
      socket.Ask(client.Signed(StunMethod::kAllocate, dual), relay);
  ASSERT_EQ(TurnTestClient::CodeOf(made), 0);
  std::vector<Endpoint> relayed;
  const auto message = ParseStunMessage(AsBytes(made));
  message->ForEach(stun_attribute::kXorRelayedAddress, [&](const auto& v) {
    relayed.push_back(*message->DecodeXorAddress(v));
  });
  ASSERT_EQ(relayed.size(), 2u);
  size_t half = 0;
  for (const char* ip : {"127.0.0.1", "::1"}) {
    Datagrams peer(ip);
    const Endpoint to = peer.endpoint();
    const auto name = [&](StunWriter& w) {
      w.AddXorAddress(stun_attribute::kXorPeerAddress, to);
    };
    ASSERT_EQ(TurnTestClient::CodeOf(socket.Ask(
                  client.Signed(StunMethod::kCreatePermission, name), relay)),
              0);
    socket.Send(client.Bare(
                    StunMethod::kSend,
                    [&](StunWriter& w) {
                      name(w);
                      w.AddBytes(stun_attribute::kDontFragment, {});
                      w.AddText(stun_attribute::kData, "out");
                    },
                    StunClass::kIndication),
                relay);
    EXPECT_EQ(peer.Receive(), "out") << ip;
    peer.Send("back", relayed[half++]);
    const std::string data = socket.Receive();
    const auto indication = ParseStunMessage(AsBytes(data));
    ASSERT_TRUE(indication.ok()) << ip;
    EXPECT_EQ(indication->FindText(stun_attribute::kData), "back");
    EXPECT_EQ(indication->FindXorAddress(stun_attribute::kXorPeerAddress), to);
  }
}

// RFC 6062: each allocation connects to the other's relayed address; with four
// loops most data connections come to another loop than their control one.
TEST_F(TurnClientsTest, CoturnsClientMakesTcpAllocations) {
  Start(4);
  const int tcp = process_.port("stun_tcp");
  ExpectAllReceived(Uclient(tcp, "-T"), 50);
  // So it counts with coturn's own server too: one side sends over a connection
  // that the other does not read.
  const std::string passive = Uclient(tcp, "-T -P");
  EXPECT_NE(passive.find("tot_send_msgs=50, tot_recv_msgs=25"),
            std::string::npos)
      << passive;
  ExpectAllReceived(Uclient(process_.port("turn_tls"), "-T -S"), 50);
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

// One message of the relay; empty at the end.
std::string ReadMessage(const UniqueFd& fd) {
  std::string message(20, '\0');
  if (recv(fd.get(), message.data(), 20, MSG_WAITALL) != 20) return "";
  const size_t length = static_cast<size_t>(
      static_cast<uint8_t>(message[2]) << 8 | static_cast<uint8_t>(message[3]));
  message.resize(20 + length);
  if (length != 0 && recv(fd.get(), message.data() + 20, length, MSG_WAITALL) !=
                         static_cast<ssize_t>(length)) {
    return "";
  }
  return message;
}

std::string Ask(const UniqueFd& fd, const std::string& request) {
  EXPECT_EQ(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  return ReadMessage(fd);
}

// Megabytes both ways at once through a Connect and its ConnectionBind, by ends
// that pause: nothing is lost or reordered, nobody buffers without bound, and
// the peer's end arrives after all that it said.
TEST_F(TurnClientsTest, TcpAllocationsCarryStreamsWhole) {
  Start(3);
  CarryStreams(8 << 20);
}

void TurnClientsTest::CarryStreams(size_t octets) {
  const int tcp = process_.port("stun_tcp");
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage name;
  socklen_t size = SocketAddress::LoopbackV4(0).ToSockaddr(name);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(listener.get(), 4), 0);
  size = sizeof(name);
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size);
  const Endpoint peer = {
      *IpAddress::Parse("127.0.0.1"),
      SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size)
          ->port()};

  TurnTestClient client(absl::Now(), random_);
  const auto allocate = [](StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 6u << 24);
  };
  const UniqueFd control = Connect(tcp);
  client.TakeChallenge(
      Ask(control, client.Bare(StunMethod::kAllocate, allocate)));
  ASSERT_EQ(TurnTestClient::CodeOf(
                Ask(control, client.Signed(StunMethod::kAllocate, allocate))),
            0);
  const std::string connected =
      Ask(control, client.Signed(StunMethod::kConnect, [&](StunWriter& w) {
        w.AddXorAddress(stun_attribute::kXorPeerAddress, peer);
      }));
  ASSERT_EQ(TurnTestClient::CodeOf(connected), 0);
  const uint32_t id = *ParseStunMessage(AsBytes(connected))
                           ->FindUint32(stun_attribute::kConnectionId);
  const UniqueFd echo(accept(listener.get(), nullptr, nullptr));
  const UniqueFd data = Connect(tcp);
  client.TakeChallenge(Ask(data, client.Bare(StunMethod::kAllocate, allocate)));
  const auto bind_to = [id](StunWriter& w) {
    w.AddUint32(stun_attribute::kConnectionId, id);
  };
  ASSERT_EQ(TurnTestClient::CodeOf(
                Ask(data, client.Signed(StunMethod::kConnectionBind, bind_to))),
            0);

  const auto octet = [](size_t i) { return static_cast<char>(i * 31 + i / 7); };
  // The peer says the same back, slowly at first, and then ends.
  std::thread echoing([&] {
    absl::SleepFor(absl::Milliseconds(300));
    std::string chunk(50'000, '\0');
    for (size_t at = 0; at < octets;) {
      const ssize_t got = recv(echo.get(), chunk.data(), chunk.size(), 0);
      if (got <= 0) break;
      for (ssize_t out = 0; out < got;) {
        const ssize_t put = send(echo.get(), chunk.data() + out,
                                 static_cast<size_t>(got - out), MSG_NOSIGNAL);
        if (put <= 0) return;
        out += put;
      }
      at += static_cast<size_t>(got);
    }
    shutdown(echo.get(), SHUT_WR);
  });
  std::thread sending([&] {
    std::string chunk(70'000, '\0');
    for (size_t at = 0; at < octets;) {
      const size_t count = std::min(chunk.size(), octets - at);
      for (size_t i = 0; i < count; ++i) chunk[i] = octet(at + i);
      const ssize_t put = send(data.get(), chunk.data(), count, MSG_NOSIGNAL);
      if (put <= 0) return;
      at += static_cast<size_t>(put);
    }
  });
  absl::SleepFor(absl::Milliseconds(600));
  std::string chunk(60'000, '\0');
  size_t received = 0;
  size_t wrong = 0;
  for (;;) {
    const ssize_t got = recv(data.get(), chunk.data(), chunk.size(), 0);
    if (got <= 0) break;
    for (ssize_t i = 0; i < got; ++i) {
      if (chunk[static_cast<size_t>(i)] !=
          octet(received + static_cast<size_t>(i))) {
        ++wrong;
      }
    }
    received += static_cast<size_t>(got);
  }
  EXPECT_EQ(received, octets);
  EXPECT_EQ(wrong, 0u);
  sending.join();
  echoing.join();

  // The allocation's end ends what it had.
  EXPECT_EQ(
      TurnTestClient::CodeOf(Ask(control, client.Bare(StunMethod::kBinding))),
      0);
}

// What is beyond the bound is dropped, and joined connections wait.
TEST_F(TurnClientsTest, BandwidthIsBoundedOnDatagramsAndConnections) {
  limits_ = ",\"max_allocation_bytes_per_second\":100000";
  Start(2);
  // Two clients of 172 octets every 10 ms, 17 200 octets a second: in peace.
  ExpectAllReceived(Uclient(process_.port("stun_udp"), "-y -c"), 50);
  EXPECT_LE(Metric("sallyport_media_relay_drops_total{reason="
                   "\"allocation_bandwidth\"}"),
            0);
  // 400 of 1000 octets at once: a quarter of a second's worth and little more.
  const Endpoint relay = {*IpAddress::Parse("127.0.0.1"),
                          static_cast<uint16_t>(process_.port("stun_udp"))};
  TurnTestClient client(absl::Now(), random_);
  Datagrams socket("127.0.0.1");
  const auto udp = [](StunWriter& w) {
    w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
  };
  client.TakeChallenge(
      socket.Ask(client.Bare(StunMethod::kAllocate, udp), relay));
  ASSERT_EQ(TurnTestClient::CodeOf(
                socket.Ask(client.Signed(StunMethod::kAllocate, udp), relay)),
            0);
  Datagrams peer("127.0.0.1");
  ASSERT_EQ(TurnTestClient::CodeOf(socket.Ask(
                client.Signed(StunMethod::kChannelBind,
                              [&](StunWriter& w) {
                                w.AddUint32(stun_attribute::kChannelNumber,
                                            0x4000u << 16);
                                w.AddXorAddress(stun_attribute::kXorPeerAddress,
                                                peer.endpoint());
                              }),
                relay)),
            0);
  const std::string frame =
      std::string("\x40\x00\x03\xe8", 4) + std::string(1000, 'c');
  for (int i = 0; i < 400; ++i) socket.Send(frame, relay);
  double dropped = -1;
  for (int i = 0; i < 50 && dropped < 300; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    dropped = Metric(
        "sallyport_media_relay_drops_total{reason=\"allocation_bandwidth\"}");
  }
  EXPECT_GE(dropped, 300);
  EXPECT_LE(dropped, 375);

  // RFC 6062: what comes too fast waits, and all of it arrives.
  const absl::Time begin = absl::Now();
  CarryStreams(250'000);
  EXPECT_GE(absl::Now() - begin, absl::Seconds(2));
  EXPECT_LE(absl::Now() - begin, absl::Seconds(8));
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
