// Chromium as a TURN client: two peers of one page that reach each other
// through relayed addresses alone (iceTransportPolicy: relay).

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/relay_test_setup.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class TurnChromiumTest : public TurnProcessTest {
 protected:
  // Audio for six seconds, from each peer to the other. `scheme` and
  // `transport` as in a TURN URI, `protocol` as Chromium calls it.
  void Call(const std::string& scheme, const std::string& transport,
            const std::string& port, const std::string& protocol) {
    if (std::system("command -v chromium >/dev/null") != 0) {
      FAIL() << "there is no chromium";
    }
    Start(2);
    const TurnCredential credential = Credential();
    const std::string turn = absl::StrCat(
        "{\"urls\": [\"", scheme, ":127.0.0.1:", process_.port(port),
        "?transport=", transport, "\"], \"username\": \"", credential.username,
        "\", \"credential\": \"",
        std::string(credential.password.DangerousText()),
        "\", \"seconds\": 6}");
    const std::string out =
        RunCommand(absl::StrCat("echo '", turn, "' | timeout 90 python3 ",
                                "services/media_relay/chromium_relay.py"));
    const std::vector<std::string> lines = absl::StrSplit(out, '\n');
    ASSERT_GE(lines.size(), 3u) << out;
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(JsonField(lines[i], "state"), "connected") << out;
      EXPECT_EQ(JsonField(lines[i], "candidate"), "relay to relay") << out;
      EXPECT_EQ(JsonField(lines[i], "protocol"), protocol) << out;
      int received = 0;
      int lost = -1;
      ASSERT_TRUE(absl::SimpleAtoi(JsonField(lines[i], "received"), &received));
      ASSERT_TRUE(absl::SimpleAtoi(JsonField(lines[i], "lost"), &lost));
      EXPECT_GT(received, 100) << out;  // 50 a second
      EXPECT_EQ(lost, 0) << out;
    }
    // Both allocations are given back when the peers close.
    EXPECT_GE(Metric("sallyport_media_relay_allocations_made_total"), 2);
    EXPECT_EQ(process_.Terminate(), 0);
  }
};

TEST_F(TurnChromiumTest, OverUdp) { Call("turn", "udp", "stun_udp", "udp"); }

TEST_F(TurnChromiumTest, OverTcp) { Call("turn", "tcp", "stun_tcp", "tcp"); }

TEST_F(TurnChromiumTest, OverTls) { Call("turns", "tcp", "turn_tls", "tls"); }

}  // namespace
}  // namespace sallyport::media_relay
