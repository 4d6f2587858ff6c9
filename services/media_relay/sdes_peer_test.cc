// SDES legs against SRTP of other hands: the distribution's libsrtp by way of
// pylibsrtp, and rtpengine, which has its own. Each hears the gateway on the
// other leg and is heard by it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

struct Case {
  const char* peer;
  type::v1::SrtpSuite suite;
};

class SdesPeerTest : public SessionRig,
                     public testing::WithParamInterface<Case> {
 protected:
  // "name=N" of what a peer wrote.
  static int Count(const std::string& result, const std::string& name) {
    int count = -1;
    for (const absl::string_view word : absl::StrSplit(result, ' ')) {
      const std::vector<std::string> parts = absl::StrSplit(word, '=');
      if (parts.size() == 2 && parts[0] == name) {
        EXPECT_TRUE(absl::SimpleAtoi(parts[1], &count)) << result;
      }
    }
    return count;
  }
};

TEST_P(SdesPeerTest, EachHearsTheOther) {
  const std::string peer_name = GetParam().peer;
  if (!PeerProgram::Exists("/usr/bin/python3") ||
      (peer_name == "rtpengine" && !PeerProgram::Exists("rtpengine"))) {
    FAIL() << "there is no " << peer_name;
  }
  RtpGateway gateway;
  v1::Session session;
  v1::Leg& a = *session.mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  a.set_srtp_suite(GetParam().suite);
  v1::Leg& b = *session.mutable_leg_b();
  b.set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  b.mutable_remote_rtp()->set_address("127.0.0.1");
  b.mutable_remote_rtp()->set_port(gateway.port());
  const v1::Session made = Create(session);

  PeerProgram peer({"/usr/bin/python3", "services/media_relay/sdes_peer.py",
                    peer_name,
                    type::v1::SrtpSuite_Name(GetParam().suite).substr(11)});
  peer.WriteLine(
      absl::StrCat(made.leg_a().local_rtp_port(), " ",
                   absl::Base64Escape(made.leg_a().local_key().key_salt())));
  const std::vector<std::string> own = absl::StrSplit(peer.ReadLine(), ' ');
  ASSERT_EQ(own.size(), 2u) << peer_name << " gave no answer";
  uint32_t port = 0;
  std::string key;
  ASSERT_TRUE(absl::SimpleAtoi(own[0], &port));
  ASSERT_TRUE(absl::Base64Unescape(own[1], &key));
  v1::Session changes;
  changes.set_name(made.name());
  changes.mutable_leg_a()->mutable_remote_rtp()->set_address("127.0.0.1");
  changes.mutable_leg_a()->mutable_remote_rtp()->set_port(port);
  changes.mutable_leg_a()->mutable_remote_key()->set_key_salt(key);
  Update(changes);
  gateway.Start(static_cast<uint16_t>(made.leg_b().local_rtp_port()));
  peer.WriteLine("");
  const std::string result = peer.ReadLine();
  gateway.Stop();

  EXPECT_GT(Count(result, "sent"), 80) << result;
  EXPECT_GT(Count(result, "received"), 80) << result;
  EXPECT_EQ(Count(result, "audible"), Count(result, "received")) << result;
  EXPECT_EQ(Count(result, "failed"), 0) << result;
  EXPECT_GT(gateway.audible(), 80u);
  EXPECT_EQ(gateway.audible(), gateway.received());
  const v1::Session last = Delete(made.name());
  EXPECT_EQ(last.leg_a().statistics().authentication_failures(), 0u);
  EXPECT_EQ(last.leg_a().statistics().packets_lost(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Peers, SdesPeerTest,
    testing::Values(
        Case{"pylibsrtp", type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80},
        Case{"pylibsrtp", type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32},
        Case{"pylibsrtp", type::v1::SRTP_SUITE_AEAD_AES_128_GCM},
        Case{"pylibsrtp", type::v1::SRTP_SUITE_AEAD_AES_256_GCM},
        Case{"rtpengine", type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80},
        Case{"rtpengine", type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_32},
        Case{"rtpengine", type::v1::SRTP_SUITE_AEAD_AES_128_GCM},
        Case{"rtpengine", type::v1::SRTP_SUITE_AEAD_AES_256_GCM}),
    [](const testing::TestParamInfo<Case>& info) {
      return absl::StrCat(
          info.param.peer, "_",
          type::v1::SrtpSuite_Name(info.param.suite).substr(11));
    });

}  // namespace
}  // namespace sallyport::media_relay
