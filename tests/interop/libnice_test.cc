// libnice through the real relay: as an ICE agent of RFC 5245, and in its
// OC2007R2 mode, which is the A/V Edge dialect (AVE-39 to AVE-45).

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class LibniceTest : public TurnProcessTest {
 protected:
  // As the MRAS answer spells them: base64 of the octets. libnice strips
  // quotation marks and zeros off both ends before it makes a key of them, so
  // one credential in fifty is of no use to it; such a one is drawn again.
  void MintForAvEdge(std::string* user, std::string* password) {
    const auto clean = [](const std::string& octets) {
      const auto bad = [](char c) { return c == '"' || c == '\0'; };
      return !bad(octets.front()) && !bad(octets.back());
    };
    std::string raw_user;
    std::string raw_password;
    do {
      const TurnCredential credential = Credential();
      ASSERT_TRUE(absl::WebSafeBase64Unescape(credential.username, &raw_user));
      ASSERT_TRUE(absl::WebSafeBase64Unescape(
          std::string(credential.password.DangerousText()), &raw_password));
    } while (!clean(raw_user) || !clean(raw_password));
    *user = absl::Base64Escape(raw_user);
    *password = absl::Base64Escape(raw_password);
  }

  void ExpectExchange(const std::string& mode, const std::string& transport,
                      int port) {
    std::string user;
    std::string password;
    if (mode == "oc2007r2") {
      MintForAvEdge(&user, &password);
    } else {
      const TurnCredential credential = Credential();
      user = credential.username;
      password = std::string(credential.password.DangerousText());
    }
    const std::string out = RunCommand(
        absl::StrCat("tests/interop/nice_client ", mode, " ", transport, " ",
                     port, " '", user, "' '", password, "'"));
    EXPECT_NE(out.find("exchanged 100, 0 wrong"), std::string::npos)
        << mode << " over " << transport << ": " << out;
    // Told every second.
    double made = 0;
    for (int i = 0; i < 30 && made < 2; ++i) {
      absl::SleepFor(absl::Milliseconds(100));
      made = Metric("sallyport_media_relay_allocations_made_total");
    }
    EXPECT_EQ(made, 2);
  }
};

// AVE-05: an ICE agent of other hands finds its way through the relay.
TEST_F(LibniceTest, Rfc5245OverUdp) {
  Start(2);
  ExpectExchange("rfc5245", "udp", process_.port("stun_udp"));
}

TEST_F(LibniceTest, Rfc5245OverTcp) {
  Start(2);
  ExpectExchange("rfc5245", "tcp", process_.port("stun_tcp"));
}

// AVE-04, AVE-07, AVE-40, AVE-45: two R2 clients on 3478 UDP, and media both
// ways.
TEST_F(LibniceTest, AvEdgeOverUdp) {
  Start(2);
  ExpectExchange("oc2007r2", "udp", process_.port("stun_udp"));
}

// AVE-07: by TCP 443 a client gets TCP ports.
TEST_F(LibniceTest, AvEdgeOverTcp) {
  Start(2);
  ExpectExchange("oc2007r2", "tcp", process_.port("turn_tls"));
}

TEST_F(LibniceTest, AvEdgeOverPseudoTls) {
  Start(2);
  ExpectExchange("oc2007r2", "tls", process_.port("turn_tls"));
}

}  // namespace
}  // namespace sallyport::media_relay
