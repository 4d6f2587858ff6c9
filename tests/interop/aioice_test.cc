// aioice through the real relay, over UDP, TCP and TLS.

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class AioiceTest : public TurnProcessTest {
 protected:
  void ExpectExchange(const std::string& transport, const std::string& port) {
    Start(2);
    const TurnCredential credential = Credential();
    const std::string out = RunCommand(absl::StrCat(
        "/usr/bin/python3 tests/interop/aioice_client.py ", transport, " ",
        process_.port(port), " '", credential.username, "' '",
        std::string(credential.password.DangerousText()), "'"));
    EXPECT_NE(out.find("exchanged 100"), std::string::npos) << out;
  }
};

TEST_F(AioiceTest, OverUdp) { ExpectExchange("udp", "stun_udp"); }
TEST_F(AioiceTest, OverTcp) { ExpectExchange("tcp", "stun_tcp"); }
TEST_F(AioiceTest, OverTls) { ExpectExchange("tls", "turn_tls"); }

}  // namespace
}  // namespace sallyport::media_relay
