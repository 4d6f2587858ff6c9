// A relay with exactly the capabilities that the chart gives it serves whole,
// by the tier that they are for: clients' allocations, TURN over TCP and TLS,
// and a session.

#include <linux/capability.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/io/veth_rig.h"
#include "services/media_relay/relay_test_setup.h"
#include "services/media_relay/turn_datagram_client.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

constexpr char kNear[] = "10.77.0.1";
constexpr char kFar[] = "10.77.0.2";

struct Case {
  const char* name;
  const char* set;     // of the chart
  const char* forced;  // fast_path
  const char* sockets;
  const char* fast_path;
};

// The chart's list of that name: "BPF", ...
std::vector<std::string> ChartSet(const std::string& name) {
  std::ifstream in(absl::StrCat(
      std::getenv("TEST_SRCDIR"),
      "/sallyport/charts/sallyport/templates/media_relay/media_relay.yaml"));
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  std::smatch list;
  if (!std::regex_search(all, list,
                         std::regex("\"" + name + "\" \\(list([^)]*)\\)"))) {
    ADD_FAILURE() << "the chart has no set " << name;
    return {};
  }
  std::vector<std::string> names;
  const std::string inside = list[1];
  const std::regex word("\"(\\w+)\"");
  for (std::sregex_iterator it(inside.begin(), inside.end(), word), end;
       it != end; ++it) {
    names.push_back((*it)[1]);
  }
  return names;
}

uint64_t MaskOf(const std::vector<std::string>& names) {
  uint64_t mask = 0;
  for (const std::string& name : names) {
    const int number = name == "BPF"         ? CAP_BPF
                       : name == "IPC_LOCK"  ? CAP_IPC_LOCK
                       : name == "NET_ADMIN" ? CAP_NET_ADMIN
                       : name == "NET_RAW"   ? CAP_NET_RAW
                       : name == "PERFMON"   ? CAP_PERFMON
                                             : -1;
    if (number < 0) ADD_FAILURE() << "not known here: " << name;
    mask |= uint64_t{1} << number;
  }
  return mask;
}

// One pair of namespaces for all cases: gRPC's threads stay where they began.
class RelayCapabilitiesTest : public TurnProcessTest,
                              public testing::WithParamInterface<Case> {
 protected:
  static void SetUpTestSuite() {
    auto veth = VethRig::Create();
    if (veth.ok()) {
      veth_ = veth->release();
    } else {
      not_possible_ = new std::string(veth.status().ToString());
    }
    TurnProcessTest::SetUpTestSuite();
  }
  static void TearDownTestSuite() {
    TurnProcessTest::TearDownTestSuite();
    delete veth_;
    veth_ = nullptr;
    delete not_possible_;
    not_possible_ = nullptr;
  }
  void SetUp() override {
    if (veth_ == nullptr) {
      GTEST_SKIP() << "not possible here: " << *not_possible_;
    }
    addresses_ = absl::StrCat("\"", kNear, "\"");
    prefixes_ = "\"10.77.0.0/24\"";
  }

  // As a container runtime starts user 0 with "drop: [ALL], add: `names`" and
  // allowPrivilegeEscalation false, with little memory that may be locked.
  void RunWith(const std::vector<std::string>& names) {
    std::string bounding = "-all";
    for (const std::string& name : names) {
      absl::StrAppend(&bounding, ",+", absl::AsciiStrToLower(name));
    }
    process_.RunUnder({"prlimit", "--memlock=65536:65536", "setpriv",
                       "--bounding-set", bounding, "--inh-caps", "-all",
                       "--ambient-caps", "-all", "--no-new-privs"});
  }
  uint64_t Capabilities(const std::string& field) const {
    std::ifstream status(absl::StrCat("/proc/", process_.pid(), "/status"));
    for (std::string line; std::getline(status, line);) {
      if (line.rfind(field + ":", 0) == 0) {
        return std::stoull(line.substr(field.size() + 1), nullptr, 16);
      }
    }
    ADD_FAILURE() << "no " << field;
    return 0;
  }
  static Endpoint EndpointOf(const UdpSocket& socket) {
    return {IpAddress::FromBytes(socket.local_address().ip_bytes()),
            socket.local_address().port()};
  }
  static std::string Receive(const UdpSocket& socket) {
    pollfd ready = {socket.fd(), POLLIN, 0};
    if (poll(&ready, 1, 2000) != 1) return "";
    std::array<char, 2048> buffer;
    const ssize_t size = recv(socket.fd(), buffer.data(), buffer.size(), 0);
    return std::string(buffer.data(), size < 0 ? 0 : static_cast<size_t>(size));
  }
  static void Send(UdpSocket& socket, const std::string& bytes,
                   const Endpoint& to) {
    OutgoingDatagram out;
    out.payload = AsBytes(bytes);
    out.peer = to.ToSocketAddress();
    ASSERT_TRUE(socket.SendOne(out).ok());
  }

  static VethRig* veth_;
  static std::string* not_possible_;
};

VethRig* RelayCapabilitiesTest::veth_ = nullptr;
std::string* RelayCapabilitiesTest::not_possible_ = nullptr;

TEST_P(RelayCapabilitiesTest, ServesWholeWithTheChartsSet) {
  const std::vector<std::string> names = ChartSet(GetParam().set);
  RunWith(names);
  std::string extra;
  if (GetParam().forced[0] != '\0') {
    extra = absl::StrCat(",\"fast_path\":\"", GetParam().forced, "\"");
  }
  Start(2, extra);
  EXPECT_EQ(Capabilities("CapEff"), MaskOf(names));
  EXPECT_EQ(Capabilities("CapBnd"), MaskOf(names));
  process_.WaitForLog("service ready");
  const std::string log = process_.Log();
  EXPECT_NE(log.find(absl::StrCat("\"relay_sockets\":\"", GetParam().sockets)),
            std::string::npos)
      << log;
  EXPECT_NE(
      log.find(absl::StrCat("\"fast_path\":\"", GetParam().fast_path, "\"")),
      std::string::npos)
      << log;

  // Allocations with a channel, data both ways, most of it by the fast path.
  const Endpoint relay = {*IpAddress::Parse(kNear),
                          static_cast<uint16_t>(process_.port("stun_udp"))};
  for (int i = 0; i < 3; ++i) {
    std::unique_ptr<DatagramClient> client;
    std::unique_ptr<UdpSocket> peer;
    veth_->InFar([&] {
      client = std::make_unique<DatagramClient>(
          random_, absl::StrCat("subject", i), "default", kFar);
      peer = std::make_unique<UdpSocket>(
          UdpSocket::Bind(*SocketAddress::FromIp(kFar, 0)).value());
    });
    ASSERT_EQ(client->Allocate(relay), 0);
    EXPECT_EQ(client->relayed.ip, relay.ip);
    ASSERT_EQ(client->Do(
                  StunMethod::kChannelBind,
                  [&](StunWriter& w) {
                    w.AddUint32(stun_attribute::kChannelNumber, 0x4000u << 16);
                    w.AddXorAddress(stun_attribute::kXorPeerAddress,
                                    EndpointOf(*peer));
                  },
                  relay),
              0);
    for (int n = 0; n < 50; ++n) {
      const std::string bytes = absl::StrCat("data", 1000 + n);
      const std::string frame = std::string("\x40\x00\x00\x08", 4) + bytes;
      client->Send(frame, relay);
      ASSERT_EQ(Receive(*peer), bytes) << n;
      Send(*peer, bytes, client->relayed);
      ASSERT_EQ(client->Receive(), frame) << n;
    }
    // Its port is closed with it.
    EXPECT_EQ(
        client->Do(
            StunMethod::kRefresh,
            [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
            relay),
        0);
  }

  // Another hand's clients, over connections, which no tier is concerned with.
  if (GetParam().forced[0] == '\0') {
    veth_->InFar([&] {
      ExpectAllReceived(
          Uclient(process_.port("turn_tls"), "-t -S -y -c", 172, 10, 10, kNear),
          20);
    });
  }

  // A session in clear on both sides.
  UdpSocket side[2] = {
      UdpSocket::Bind(*SocketAddress::FromIp(kNear, 0)).value(),
      UdpSocket::Bind(*SocketAddress::FromIp(kNear, 0)).value()};
  veth_->InFar([&] {
    for (UdpSocket& socket : side) {
      socket = UdpSocket::Bind(*SocketAddress::FromIp(kFar, 0)).value();
    }
  });
  v1::CreateSessionRequest request;
  request.set_parent("tenants/default");
  request.mutable_session()->set_owner("edge-0");
  v1::Leg* const legs[2] = {request.mutable_session()->mutable_leg_a(),
                            request.mutable_session()->mutable_leg_b()};
  for (int i = 0; i < 2; ++i) {
    legs[i]->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
    legs[i]->mutable_remote_rtp()->set_address(kFar);
    legs[i]->mutable_remote_rtp()->set_port(EndpointOf(side[i]).port);
  }
  v1::Session made;
  const auto edge = ConnectToRelay(*pki_, process_);
  const absl::Status status =
      CallRelay(*edge, &RelayStub::CreateSession, request, &made);
  ASSERT_TRUE(status.ok()) << status;
  const uint32_t ports[2] = {made.leg_a().local_rtp_port(),
                             made.leg_b().local_rtp_port()};
  for (uint8_t n = 1; n <= 50; ++n) {
    std::string rtp(172, '\x55');
    rtp.replace(0, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\7", 12));
    rtp[3] = static_cast<char>(n);
    rtp[6] = static_cast<char>(n);
    for (const int from : {0, 1}) {
      rtp[11] = static_cast<char>(7 + from);
      Send(side[from], rtp,
           {*IpAddress::Parse(kNear), static_cast<uint16_t>(ports[from])});
      ASSERT_EQ(Receive(side[1 - from]).size(), rtp.size()) << int{n};
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Chart, RelayCapabilitiesTest,
    testing::Values(Case{"None", "none", "", "per_port", "sockets"},
                    Case{"Sockets", "sockets", "", "frames", "sockets"},
                    Case{"Kernel", "kernel", "", "frames", "tc"},
                    Case{"KernelXdp", "kernel", "xdp", "frames", "xdp"},
                    Case{"KernelAfXdp", "kernel", "af_xdp", "frames",
                         "af_xdp"}),
    [](const testing::TestParamInfo<Case>& info) {
      return std::string(info.param.name);
    });

}  // namespace
}  // namespace sallyport::media_relay
