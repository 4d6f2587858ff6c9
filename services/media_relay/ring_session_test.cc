// A session whose media goes past the kernel's sockets (AF_XDP): the real relay
// behind a device of its own, with ffmpeg on the other side of it.

#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"
#include "services/media_relay/ffmpeg_sdes.h"
#include "services/media_relay/io/veth_rig.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

constexpr char kNear[] = "10.77.0.1";
constexpr char kFar[] = "10.77.0.2";
constexpr uint16_t kFarPort = 40000;

// Datagrams that sockets of this network namespace have got.
uint64_t ReceivedBySockets() {
  std::ifstream in("/proc/thread-self/net/snmp");
  std::string names;
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("Udp: InDatagrams", 0) != 0) continue;
    std::getline(in, line);
    const std::vector<std::string> values = absl::StrSplit(line, ' ');
    uint64_t count = 0;
    EXPECT_TRUE(absl::SimpleAtoi(values.at(1), &count));
    return count;
  }
  ADD_FAILURE() << "the kernel does not count";
  return 0;
}

// One test alone: gRPC's threads stay in the namespace that they began in.
class RingSessionTest : public SessionRig {
 protected:
  void SetUp() override {
    auto veth = VethRig::Create();
    if (!veth.ok()) GTEST_SKIP() << "not possible here: " << veth.status();
    veth_ = *std::move(veth);
    SessionRig::SetUp();
  }
  std::string Network() const override {
    return ",\"external\":{\"addresses\":[\"10.77.0.1\"]},\"loops\":1"
           ",\"peer_policy\":{\"allowed_prefixes\":[\"10.77.0.0/24\"]}"
           ",\"fast_path\":\"af_xdp\"";
  }

  std::unique_ptr<VethRig> veth_;
};

TEST_F(RingSessionTest, FfmpegHearsFfmpeg) {
  if (!PeerProgram::Exists("ffmpeg")) FAIL() << "there is no ffmpeg";
  process_.WaitForLog("\"fast_path\":\"af_xdp\"");
  const std::string suite = "AES_CM_128_HMAC_SHA1_80";
  const std::string key(30, 'f');
  v1::Session session;
  v1::Leg& a = *session.mutable_leg_a();
  a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  a.set_srtp_suite(type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80);
  a.mutable_remote_key()->set_key_salt(key);
  a.set_latching(true);
  v1::Leg& b = *session.mutable_leg_b();
  b = a;
  b.clear_latching();
  b.mutable_remote_rtp()->set_address(kFar);
  b.mutable_remote_rtp()->set_port(kFarPort);
  const v1::Session made = Create(session);
  const std::string file = process_.folder() + "/heard.raw";
  std::unique_ptr<PeerProgram> listener;
  std::unique_ptr<PeerProgram> speaker;
  veth_->InFar([&] {
    listener = SdesListener(suite, made.leg_b().local_key().key_salt(), kFar,
                            kFarPort, file);
    speaker = SdesSpeaker(suite, key, kNear, made.leg_a().local_rtp_port());
  });
  EXPECT_EQ(listener->Wait(absl::Seconds(15)), 0);
  speaker->Kill();
  EXPECT_GT(LoudestHeard(file), 1000);
  const v1::Session last = Delete(made.name());
  const v1::LegStatistics& of_a = last.leg_a().statistics();
  EXPECT_GT(of_a.packets_received(), 40u);
  EXPECT_EQ(of_a.authentication_failures(), 0u);
  EXPECT_EQ(of_a.packets_lost(), 0u);
  EXPECT_EQ(last.leg_b().statistics().packets_sent(), of_a.packets_received());
  // The program notes when datagrams come.
  EXPECT_GT(FromProto(of_a.added_delay_p50()), absl::ZeroDuration());
  EXPECT_LT(FromProto(of_a.added_delay_p50()), absl::Milliseconds(5));
  EXPECT_EQ(ReceivedBySockets(), 0u);
}

}  // namespace
}  // namespace sallyport::media_relay
