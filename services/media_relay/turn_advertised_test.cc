// What clients are told of a relay's address is learnt and followed, through
// the real process: from the environment, a file, a STUN server (AVE-36).

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "services/common/files/durable_file.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/relay_test_setup.h"
#include "services/media_relay/turn_datagram_client.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class TurnAdvertisedTest : public TurnProcessTest {
 protected:
  TurnAdvertisedTest() {
    setenv("SALLYPORT_TEST_LOCAL", "127.0.0.1", 1);
    addresses_ = "\"env:SALLYPORT_TEST_LOCAL\"";
    prefixes_ = "\"127.0.0.0/8\"";
    file_ = process_.folder() + "/node_address";
  }
  void Tell(const std::string& address) {
    ASSERT_TRUE(WriteDurableFile(file_, address + "\n").ok());
  }
  void Follow(const std::string& sources) {
    external_ = absl::StrCat(",\"advertised_sources\":[", sources, "]");
  }
  Endpoint Relay() {
    return {*IpAddress::Parse("127.0.0.1"),
            static_cast<uint16_t>(process_.port("stun_udp"))};
  }
  // The address of an allocation made now.
  std::string Allocated() {
    DatagramClient client(random_);
    EXPECT_EQ(client.Allocate(Relay()), 0);
    return client.relayed.ip.ToString();
  }

  std::string file_;
};

TEST_F(TurnAdvertisedTest, AFileIsFollowedWithoutARestart) {
  Tell("127.5.5.5");
  Follow(absl::StrCat("\"env:SALLYPORT_TEST_NOT_SET\",\"file:", file_, "\""));
  Start(2, ",\"advertised_refresh\":\"1s\"");
  DatagramClient early(random_);
  ASSERT_EQ(early.Allocate(Relay()), 0);
  EXPECT_EQ(early.relayed.ip.ToString(), "127.5.5.5");

  Tell("127.6.6.6");
  std::string told;
  for (int i = 0; i < 50 && told != "127.6.6.6"; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    told = Allocated();
  }
  EXPECT_EQ(told, "127.6.6.6");
  // What stood goes on.
  EXPECT_EQ(early.Do(StunMethod::kRefresh, nullptr, Relay()), 0);
  process_.WaitForLog("the advertised addresses have changed");

  // What cannot be told changes nothing.
  Tell("not an address");
  absl::SleepFor(absl::Milliseconds(2500));
  EXPECT_EQ(Allocated(), "127.6.6.6");
  process_.WaitForLog("are not known any more");
  // Operators and the issuer are told the same.
  const auto ann = ConnectToRelay(*pki_, process_, "operator/ann");
  v1::RelayStatus status;
  ASSERT_TRUE(
      CallRelay(*ann, &RelayStub::GetStatus, v1::GetStatusRequest(), &status)
          .ok());
  EXPECT_EQ(status.listeners(0).address().address(), "127.0.0.1");
  EXPECT_EQ(status.listeners(0).advertised_address(), "127.6.6.6");
}

// Over what the configuration says.
TEST_F(TurnAdvertisedTest, AFlagMaySayIt) {
  addresses_ = "\"127.0.0.1\"";
  Tell("127.5.5.5");
  Follow(absl::StrCat("\"file:", file_, "\""));
  process_.RunUnder(
      {"sh", "-c", "exec \"$@\" --advertised_addresses=127.7.7.7", "sh"});
  Start(1);
  EXPECT_EQ(Allocated(), "127.7.7.7");
  EXPECT_TRUE(absl::StrContains(
      RunCommand(absl::StrCat("services/media_relay/media_relay --check_config"
                              " --advertised_addresses=nonsense --config=",
                              process_.folder(), "/config.json")),
      "external.advertised_addresses"));
}

TEST_F(TurnAdvertisedTest, AStunServerIsAsked) {
  // Another relay is one.
  Start(1);
  const auto asking = Another("asking_relay");
  addresses_ = "\"127.0.0.9\"";
  Follow(absl::StrCat("\"stun:127.0.0.1:", process_.port("stun_udp"), "\""));
  Configure(*asking, 1);
  asking->Start();
  const Endpoint relay = {*IpAddress::Parse("127.0.0.9"),
                          static_cast<uint16_t>(asking->port("stun_udp"))};
  DatagramClient client(random_);
  ASSERT_EQ(client.Allocate(relay), 0);
  // As the server saw it.
  EXPECT_EQ(client.relayed.ip.ToString(), "127.0.0.9");
}

// Two clients of one relay behind NAT know each other by its address outside,
// where nothing comes back from: it goes from port to port inside.
TEST_F(TurnAdvertisedTest, ClientsOfOneRelayBehindNatReachEachOther) {
  Tell("127.5.5.5");
  Follow(absl::StrCat("\"file:", file_, "\""));
  for (const char* sockets : {"", "per_port"}) {
    Start(2, absl::StrCat(",\"relay_sockets\":\"", sockets, "\""));
    EXPECT_EQ(Allocated(), "127.5.5.5");
    const auto expect = [&](const char* port, const char* flags) {
      ExpectAllReceived(Uclient(process_.port(port), flags, 172, 10, 5), 20);
    };
    expect("stun_udp", "-y -c");
    if (sockets[0] == '\0') expect("stun_tcp", "-T -y");
    process_.Kill();
  }
}

// Who has a port from before a change of the address is known by the former
// one, and is found there by clients of all ages and on all loops.
TEST_F(TurnAdvertisedTest, OlderPortsAreFoundByTheAddressTheyHad) {
  for (const char* sockets : {"", "per_port"}) {
    Tell("127.5.5.5");
    Follow(absl::StrCat("\"file:", file_, "\""));
    Start(2, absl::StrCat(",\"advertised_refresh\":\"1s\""
                          ",\"fast_path\":\"sockets\",\"relay_sockets\":\"",
                          sockets, "\""));
    std::vector<std::unique_ptr<DatagramClient>> clients;
    const auto allocate = [&](const std::string& address) {
      clients.push_back(std::make_unique<DatagramClient>(random_));
      ASSERT_EQ(clients.back()->Allocate(Relay()), 0);
      ASSERT_EQ(clients.back()->relayed.ip.ToString(), address);
    };
    // Enough that the kernel gives each loop some.
    for (int i = 0; i < 8; ++i) allocate("127.5.5.5");
    Tell("127.6.6.6");
    std::string told;
    for (int i = 0; i < 50 && told != "127.6.6.6"; ++i) {
      absl::SleepFor(absl::Milliseconds(100));
      told = Allocated();
    }
    for (int i = 0; i < 4; ++i) allocate("127.6.6.6");
    for (size_t i = 1; i < clients.size(); ++i) {
      DatagramClient& one = *clients[i - 1];
      DatagramClient& other = *clients[i];
      ASSERT_EQ(one.Bind(0x4001, other.relayed, Relay()), 0);
      ASSERT_EQ(other.Bind(0x4000, one.relayed, Relay()), 0);
      one.Send(std::string("\x40\x01\x00\x05media", 9), Relay());
      EXPECT_EQ(other.Receive(), std::string("\x40\x00\x00\x05media", 9))
          << sockets << i;
      other.Send(std::string("\x40\x00\x00\x05media", 9), Relay());
      EXPECT_EQ(one.Receive(), std::string("\x40\x01\x00\x05media", 9))
          << sockets << i;
    }
    process_.Kill();
  }
}

// AVE-43: who comes by the inside is challenged alike, and gets a port outside.
TEST_F(TurnAdvertisedTest, ClientsInsideGetPortsOutside) {
  Start(2, ",\"internal\":{\"addresses\":[\"127.0.0.8\"]}");
  const auto ann = ConnectToRelay(*pki_, process_, "operator/ann");
  v1::RelayStatus status;
  ASSERT_TRUE(
      CallRelay(*ann, &RelayStub::GetStatus, v1::GetStatusRequest(), &status)
          .ok());
  Endpoint inside;
  for (const v1::RelayListener& listener : status.listeners()) {
    if (listener.protocol() == "stun_udp" &&
        listener.address().address() == "127.0.0.8") {
      inside = {*IpAddress::Parse("127.0.0.8"),
                static_cast<uint16_t>(listener.address().port())};
    }
  }
  ASSERT_NE(inside.port, 0);
  DatagramClient client(random_);
  ASSERT_EQ(client.Allocate(inside), 0);
  EXPECT_EQ(client.relayed.ip.ToString(), "127.0.0.1");
  EXPECT_GE(client.relayed.port, 50000);
  // One outside and one inside hear each other.
  DatagramClient outside(random_);
  ASSERT_EQ(outside.Allocate(Relay()), 0);
  ASSERT_EQ(client.Bind(0x4000, outside.relayed, inside), 0);
  ASSERT_EQ(outside.Bind(0x4000, client.relayed, Relay()), 0);
  const std::string frame("\x40\x00\x00\x05media", 9);
  client.Send(frame, inside);
  EXPECT_EQ(outside.Receive(), frame);
  outside.Send(frame, Relay());
  EXPECT_EQ(client.Receive(), frame);
}

// No relay whose clients would be told what they cannot reach.
TEST_F(TurnAdvertisedTest, DoesNotStartWithoutAnAddressThatIsReached) {
  Tell("10.1.2.3");
  Follow(absl::StrCat("\"file:", file_, "\""));
  const std::string out = StartRefused();
  EXPECT_TRUE(absl::StrContains(out, "ADVERTISED_ADDRESS_UNKNOWN")) << out;
  EXPECT_TRUE(absl::StrContains(out, "not public")) << out;
}

}  // namespace
}  // namespace sallyport::media_relay
