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
#include "services/common/files/durable_file.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
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
  EXPECT_TRUE(absl::StrContains(process_.Log(),
                                "the advertised addresses have changed"));

  // What cannot be told changes nothing.
  Tell("not an address");
  absl::SleepFor(absl::Milliseconds(2500));
  EXPECT_EQ(Allocated(), "127.6.6.6");
  EXPECT_TRUE(absl::StrContains(process_.Log(), "are not known any more"));
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
