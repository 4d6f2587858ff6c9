// What runs out, hangs or comes unasked, on the real process: the answer in the
// protocol's words, and full recovery.

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/io/veth_rig.h"
#include "services/media_relay/turn_datagram_client.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class TurnFaultsTest : public TurnProcessTest {
 protected:
  Endpoint Relay() {
    return {*IpAddress::Parse("127.0.0.1"),
            static_cast<uint16_t>(process_.port("stun_udp"))};
  }
  // All threads of the relay that run a loop.
  std::vector<int> LoopThreads() {
    const std::string folder = absl::StrCat("/proc/", process_.pid(), "/task");
    std::vector<int> threads;
    DIR* const dir = opendir(folder.c_str());
    while (const dirent* entry = readdir(dir)) {
      std::string name;
      std::ifstream(absl::StrCat(folder, "/", entry->d_name, "/comm")) >> name;
      if (name == "relay_loop") threads.push_back(std::atoi(entry->d_name));
    }
    closedir(dir);
    return threads;
  }
  bool IsLive() {
    return process_.HttpGet("/healthz").find(" 200 ") != std::string::npos;
  }
};

TEST_F(TurnFaultsTest, PortsRunOut508AndComeBack) {
  Start(1,
        ",\"relay_port_min\":52000,\"relay_port_max\":52007,"
        "\"port_quarantine\":\"1s\"");
  std::vector<std::unique_ptr<DatagramClient>> clients;
  int made = 0;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<DatagramClient>(random_));
    const int code = clients.back()->Allocate(Relay());
    if (code == 0) {
      ++made;
    } else {
      EXPECT_EQ(code, 508);
    }
  }
  // Another program of this host may hold one.
  EXPECT_GE(made, 6);
  EXPECT_LE(made, 8);
  for (const auto& client : clients) {
    client->Do(
        StunMethod::kRefresh,
        [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
        Relay());
  }
  absl::SleepFor(absl::Milliseconds(1200));
  int again = 0;
  for (int i = 0; i < made; ++i) {
    DatagramClient client(random_);
    if (client.Allocate(Relay()) == 0) ++again;
  }
  EXPECT_EQ(again, made);
  EXPECT_GE(Metric("sallyport_media_relay_turn_errors_total{code=\"508\"}"), 1);
  // It was warned of, and is again only after there were enough.
  process_.WaitForLog("relay ports run short");
  const std::string log = process_.Log();
  EXPECT_EQ(log.find("relay ports run short"),
            log.rfind("relay ports run short"));
  EXPECT_EQ(Metric("sallyport_media_relay_ports"), 8);
  EXPECT_GE(Metric("sallyport_media_relay_used_ports") +
                Metric("sallyport_media_relay_resting_ports"),
            made);
}

// SIGTERM: who is there stays, who comes is sent elsewhere (300), and a client
// of another hand goes there.
TEST_F(TurnFaultsTest, OnSigtermNewClientsAreSentElsewhere) {
  drain_timeout_ = "30s";
  const auto other = Another("other_relay");
  Configure(*other, 1);
  other->Start();
  Start(2, absl::StrCat(",\"alternate_servers\":[\"127.0.0.1:",
                        other->port("stun_udp"), "\"]"));
  DatagramClient early(random_);
  ASSERT_EQ(early.Allocate(Relay()), 0);
  process_.Signal(SIGTERM);
  int code = 0;
  for (int i = 0; i < 50 && code != 300; ++i) {
    absl::SleepFor(absl::Milliseconds(50));
    code = DatagramClient(random_).Allocate(Relay());
  }
  EXPECT_EQ(code, 300);
  EXPECT_EQ(early.Do(StunMethod::kRefresh, nullptr, Relay()), 0);
  ExpectAllReceived(Uclient(process_.port("stun_udp"), "-y -c"), 50);
  EXPECT_GE(Metric("sallyport_media_relay_turn_errors_total{code=\"300\"}"), 2);
  // The last one gone, so is the process.
  EXPECT_EQ(
      early.Do(
          StunMethod::kRefresh,
          [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
          Relay()),
      0);
  EXPECT_EQ(process_.Terminate(), 0);
}

// Issue 4: spoofed requests leave nothing, and who is no flood gets through.
// `tools/bench media.turn` does it with a million.
TEST_F(TurnFaultsTest, AFloodOfMadeUpSourcesLeavesNothing) {
  constexpr int kFlood = 100'000;
  constexpr int kBatch = 50;
  Start(2);
  const auto resident = [this] {
    std::ifstream statm(absl::StrCat("/proc/", process_.pid(), "/statm"));
    int64_t size = 0;
    int64_t pages = 0;
    statm >> size >> pages;
    return pages * sysconf(_SC_PAGESIZE);
  };
  // What is allocated once for all.
  ASSERT_EQ(DatagramClient(random_).Allocate(Relay()), 0);
  ExpectAllReceived(Uclient(process_.port("stun_udp"), "-y -c"), 50);
  const int64_t before = resident();

  std::atomic<bool> over = false;
  std::atomic<int> sent = 0;
  std::thread flooding([&, to = Relay()] {
    // All of 127.0.0.0/8 is this host's: a datagram from any of it may be sent.
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address;
    const socklen_t size = to.ToSocketAddress().ToSockaddr(address);
    std::string request = DatagramClient(random_).turn_.Bare(
        StunMethod::kAllocate, [](StunWriter& w) {
          w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
        });
    uint32_t source = 0x7F100001;
    while (sent < kFlood && !over) {
      for (int i = 0; i < kBatch; ++i) {
        std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control = {};
        iovec part = {request.data(), request.size()};
        msghdr message = {};
        message.msg_name = &address;
        message.msg_namelen = size;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info = {};
        info.ipi_spec_dst.s_addr = htonl(source++);
        std::memcpy(CMSG_DATA(header), &info, sizeof(info));
        if (sendmsg(fd, &message, 0) > 0) ++sent;
      }
      // As much as a relay without optimisation can read.
      absl::SleepFor(absl::Milliseconds(1));
    }
    close(fd);
  });
  int good = 0;
  int tried = 0;
  while (sent < kFlood && tried < 300) {
    ++tried;
    DatagramClient client(random_, absl::StrCat("subject", tried));
    if (client.Allocate(Relay()) == 0) ++good;
    client.Do(
        StunMethod::kRefresh,
        [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
        Relay());
  }
  // However slow this machine is.
  for (int i = 0; i < 80 && sent < kFlood; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
  }
  over = true;
  flooding.join();
  EXPECT_GT(sent, kFlood / 4);
  EXPECT_EQ(good, tried) << "of " << tried;
  EXPECT_GT(tried, 3);
#ifndef __SANITIZE_ADDRESS__
  EXPECT_LT(resident() - before, 1 << 20) << "after " << sent;
#endif
}

// Its core is where its device or its own kernel puts it, and may change at any
// time: before it has an allocation, and with one.
TEST_F(TurnFaultsTest, AClientMayMoveFromCoreToCore) {
  Start(0);  // one loop to a core
  cpu_set_t all;
  CPU_ZERO(&all);
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  std::vector<int> cores;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &all)) cores.push_back(i);
  }
  const auto move = [&cores](size_t i) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cores[i % std::min<size_t>(2, cores.size())], &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  };
  for (size_t i = 0; i < 8; ++i) {
    DatagramClient client(random_, absl::StrCat("subject", i));
    move(i);
    const auto udp = [](StunWriter& w) {
      w.AddUint32(stun_attribute::kRequestedTransport, 17u << 24);
    };
    client.turn_.TakeChallenge(
        client.Ask(client.turn_.Bare(StunMethod::kAllocate, udp), Relay()));
    move(i + 1);
    // The challenge of the one loop is good on the other.
    EXPECT_EQ(client.Do(StunMethod::kAllocate, udp, Relay()), 0);
    for (size_t again = 0; again < 4; ++again) {
      move(again);
      EXPECT_EQ(client.Do(StunMethod::kRefresh, nullptr, Relay()), 0);
    }
    EXPECT_EQ(
        client.Do(
            StunMethod::kRefresh,
            [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
            Relay()),
        0);
  }
  (void)sched_setaffinity(0, sizeof(all), &all);
}

// Memory is what allocations take, so their number bounds it: of the tenant,
// whose fault it is (486), and of the relay (508).
TEST_F(TurnFaultsTest, AllocationsRunOut486And508AndComeBack) {
  limits_ = ",\"max_allocations\":3,\"max_allocations_per_tenant\":2";
  Start(2);
  DatagramClient first(random_);
  DatagramClient second(random_);
  DatagramClient third(random_);
  ASSERT_EQ(first.Allocate(Relay()), 0);
  ASSERT_EQ(second.Allocate(Relay()), 0);
  EXPECT_EQ(third.Allocate(Relay()), 486);
  DatagramClient fourth(random_, "subject", "tenant2");
  DatagramClient fifth(random_, "subject", "tenant2");
  ASSERT_EQ(fourth.Allocate(Relay()), 0);
  EXPECT_EQ(fifth.Allocate(Relay()), 508);
  EXPECT_EQ(first.Do(StunMethod::kRefresh, nullptr, Relay()), 0);
  EXPECT_EQ(
      first.Do(
          StunMethod::kRefresh,
          [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
          Relay()),
      0);
  EXPECT_EQ(fifth.Allocate(Relay()), 0);
  EXPECT_EQ(third.Allocate(Relay()), 508);
}

// A socket for each port, and no descriptors left.
TEST_F(TurnFaultsTest, DescriptorsRunOut508AndComeBack) {
  Start(1, ",\"relay_sockets\":\"per_port\"");
  DatagramClient first(random_);
  ASSERT_EQ(first.Allocate(Relay()), 0);
  // As many as it has now: nothing can be opened.
  int open = 0;
  DIR* const dir =
      opendir(absl::StrCat("/proc/", process_.pid(), "/fd").c_str());
  while (readdir(dir) != nullptr) ++open;
  closedir(dir);
  rlimit before;
  ASSERT_EQ(prlimit(process_.pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none = {static_cast<rlim_t>(open - 3), before.rlim_max};
  ASSERT_EQ(prlimit(process_.pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  DatagramClient second(random_);
  EXPECT_EQ(second.Allocate(Relay()), 508);
  // What stands goes on, over UDP at least; TCP waits.
  EXPECT_EQ(first.Do(StunMethod::kRefresh, nullptr, Relay()), 0);
  EXPECT_EQ(first.Do(
                StunMethod::kCreatePermission,
                [&](StunWriter& w) {
                  w.AddXorAddress(stun_attribute::kXorPeerAddress,
                                  second.endpoint());
                },
                Relay()),
            0);
  ASSERT_EQ(prlimit(process_.pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_EQ(second.Allocate(Relay()), 0);
  ExpectAllReceived(Uclient(process_.port("stun_tcp"), "-t -y -c"), 50);
  EXPECT_TRUE(IsLive());
}

// Issue 4: with the issuer down the relay verifies alone, until the last key
// that it has expires; then nobody is good any more.
TEST_F(TurnFaultsTest, AloneUntilTheLastKeyExpires) {
  const absl::Time end = absl::Now() + absl::Seconds(6);
  credential_issuer::v1::WatchVerificationKeysResponse ring;
  ring.set_version(5);
  ring.set_full(true);
  ring.set_realm("sallyport");
  auto& key = *ring.add_keys();
  key.set_key_id(7);
  key.set_secret(std::string(TestKey().DangerousText()));
  *key.mutable_not_before_time() = ToProto(end - absl::Hours(8));
  *key.mutable_not_after_time() = ToProto(end);
  ASSERT_TRUE(WriteDurableFile(process_.folder() + "/keys.cache",
                               ring.SerializeAsString())
                  .ok());
  Start(2);
  // As the issuer mints: no longer than its key.
  DatagramClient client(random_, "subject", "default", "127.0.0.3",
                        end - absl::Now());
  ASSERT_EQ(client.Allocate(Relay()), 0);
  EXPECT_EQ(client.Do(StunMethod::kRefresh, nullptr, Relay()), 0);
  ASSERT_LT(absl::Now(), end);
  // A whole second more, as user names count in seconds.
  absl::SleepFor(end + absl::Seconds(1) - absl::Now());
  EXPECT_EQ(client.Do(StunMethod::kRefresh, nullptr, Relay()), 401);
  DatagramClient another(random_);
  EXPECT_EQ(another.Allocate(Relay()), 401);
  for (int i = 0; i < 30 && Metric("sallyport_media_relay_allocations") != 0;
       ++i) {
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(Metric("sallyport_media_relay_allocations"), 0);
}

// A stalled loop is not alive (the chart's livenessProbe asks /healthz); one
// that turns again is.
TEST_F(TurnFaultsTest, AStalledLoopIsSeenByLiveness) {
  Start(2);
  EXPECT_TRUE(IsLive());
  const std::vector<int> loops = LoopThreads();
  ASSERT_EQ(loops.size(), 2u);
  if (ptrace(PTRACE_SEIZE, loops[0], nullptr, nullptr) != 0) {
    GTEST_SKIP() << "not possible here: ptrace";
  }
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, loops[0], nullptr, nullptr), 0);
  int status = 0;
  ASSERT_EQ(waitpid(loops[0], &status, __WALL), loops[0]);
  absl::SleepFor(absl::Seconds(2));
  EXPECT_TRUE(IsLive());  // busy, perhaps
  bool live = true;
  for (int i = 0; i < 50 && live; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    live = IsLive();
  }
  EXPECT_FALSE(live);
  EXPECT_NE(process_.HttpGet("/healthz").find("a relay loop hangs"),
            std::string::npos);
  ASSERT_EQ(ptrace(PTRACE_DETACH, loops[0], nullptr, nullptr), 0);
  for (int i = 0; i < 50 && !live; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    live = IsLive();
  }
  EXPECT_TRUE(live);
  ExpectAllReceived(Uclient(process_.port("stun_udp"), "-y -c"), 50);
}

// Enable Security's sprayrtp: a third party sends RTP, STUN and ChannelData to
// every relay port while allocations are made and used. None of it reaches a
// client or a peer, and none of theirs reaches it.
TEST_F(TurnFaultsTest, WhatIsSprayedOverTheRangeReachesNobody) {
  // Other programs of this host may have ports of the range, and answer.
  const auto network = OwnNetwork::Create();
  if (!network.ok()) {
    GTEST_SKIP() << "not possible here: " << network.status();
  }
  Start(2, ",\"relay_port_min\":53000,\"relay_port_max\":53999");
  std::atomic<bool> over = false;
  DatagramClient stranger(random_);
  std::atomic<int> sprayed = 0;
  const int own = process_.port("stun_udp");  // it answers Binding requests
  std::thread spraying([&] {
    std::string rtp(172, 'S');
    rtp.replace(0, 12, std::string("\x80\x00\x00\x01\0\0\0\xA0\0\0\0\x07", 12));
    const std::string binding = stranger.turn_.Bare(StunMethod::kBinding);
    const std::string channel = std::string("\x40\x00\x00\x04SSSS", 8);
    while (!over) {
      for (uint16_t port = 53000; port <= 53999 && !over; ++port) {
        // The host may have given them one of the range.
        if (port == stranger.port() || port == own) continue;
        const Endpoint to = {*IpAddress::Parse("127.0.0.1"), port};
        stranger.Send(rtp, to);
        stranger.Send(binding, to);
        stranger.Send(channel, to);
        sprayed += 3;
        if (port % 50 == 0) absl::SleepFor(absl::Milliseconds(1));
      }
    }
  });
  int wrong = 0;
  int right = 0;
  for (int round = 0; round < 20; ++round) {
    DatagramClient client(random_);
    // The peer's address is not the stranger's.
    auto peer = UdpSocket::Bind(*SocketAddress::FromIp("127.0.0.2", 0)).value();
    const Endpoint at = {IpAddress::FromBytes(peer.local_address().ip_bytes()),
                         peer.local_address().port()};
    ASSERT_EQ(client.Allocate(Relay()), 0);
    ASSERT_EQ(client.Do(
                  StunMethod::kChannelBind,
                  [&](StunWriter& w) {
                    w.AddUint32(stun_attribute::kChannelNumber, 0x4000u << 16);
                    w.AddXorAddress(stun_attribute::kXorPeerAddress, at);
                  },
                  Relay()),
              0);
    for (int i = 0; i < 20; ++i) {
      client.Send(std::string("\x40\x00\x00\x04mine", 8), Relay());
      OutgoingDatagram back;
      back.payload = AsBytes("back");
      back.peer = client.relayed.ToSocketAddress();
      ASSERT_TRUE(peer.SendOne(back).ok());
    }
    for (std::string got; !(got = client.Receive()).empty();) {
      ++(got == std::string("\x40\x00\x00\x04"
                            "back",
                            8)
             ? right
             : wrong);
      if (right % 20 == 0) break;
    }
    std::array<char, 2048> buffer;
    absl::SleepFor(absl::Milliseconds(20));
    for (ssize_t size; (size = recv(peer.fd(), buffer.data(), buffer.size(),
                                    MSG_DONTWAIT)) > 0;) {
      if (std::string(buffer.data(), static_cast<size_t>(size)) != "mine") {
        ++wrong;
      }
    }
    client.Do(
        StunMethod::kRefresh,
        [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
        Relay());
  }
  over = true;
  spraying.join();
  EXPECT_GT(sprayed, 10'000);
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(right, 390);
  EXPECT_EQ(stranger.Receive(), "");  // nothing leaked to it
  // Told every second.
  double dropped = 0;
  for (int i = 0; i < 30 && dropped < 1; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    dropped =
        Metric("sallyport_media_relay_drops_total{reason=\"no_permission\"}");
  }
  EXPECT_GE(dropped, 1);
}

}  // namespace
}  // namespace sallyport::media_relay
