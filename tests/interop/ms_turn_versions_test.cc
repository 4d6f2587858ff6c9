// Clients of each MS-Version through the real relay, by a client that was
// written from the tables of MS-TURN alone.

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class MsTurnVersionsTest : public TurnProcessTest {
 protected:
  // As the MRAS answer spells it: base64 of the octets.
  static std::string Spelled(const std::string& web_safe) {
    std::string raw;
    EXPECT_TRUE(absl::WebSafeBase64Unescape(web_safe, &raw));
    return absl::Base64Escape(raw);
  }

  void ExpectAllHeld(const std::string& transport, const std::string& port) {
    addresses_ = "\"127.0.0.1\",\"::1\"";
    Start(2);
    const TurnCredential credential = Credential();
    const std::string out = RunCommand(absl::StrCat(
        "/usr/bin/python3 tests/interop/ms_turn_client.py ", transport, " ",
        process_.port(port), " '", Spelled(credential.username), "' '",
        Spelled(std::string(credential.password.DangerousText())), "'"));
    EXPECT_NE(out.find("all held"), std::string::npos) << out;
  }
};

// AVE-11, AVE-13, AVE-40.
TEST_F(MsTurnVersionsTest, OverUdp) { ExpectAllHeld("udp", "stun_udp"); }
// AVE-07.
TEST_F(MsTurnVersionsTest, OverTcp) { ExpectAllHeld("tcp", "stun_tcp"); }

}  // namespace
}  // namespace sallyport::media_relay
