// A relay at the bound of its memory says so in the words of each protocol,
// goes on with what it has, and takes new work when enough is given back.

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/relay_test_setup.h"
#include "services/media_relay/turn_datagram_client.h"
#include "services/media_relay/turn_process.h"

namespace sallyport::media_relay {
namespace {

class TurnMemoryTest : public TurnProcessTest {
 protected:
  void SetUp() override {
    // A socket for each client.
    rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8000);
    setrlimit(RLIMIT_NOFILE, &files);
    // So many ports are nobody else's on this host, nor another run's.
    address_ =
        absl::StrCat("127.77.", getpid() / 250 % 250, ".", 1 + getpid() % 250);
    addresses_ = absl::StrCat("\"", address_, "\"");
  }
  Endpoint Relay() {
    return {*IpAddress::Parse(address_),
            static_cast<uint16_t>(process_.port("stun_udp"))};
  }
  // Metrics are told once a second at most.
  double InUse() {
    absl::SleepFor(absl::Milliseconds(1500));
    return Metric("sallyport_media_relay_memory_bytes");
  }
  std::unique_ptr<RelayStub> Edge() { return ConnectToRelay(*pki_, process_); }
  static absl::Status CreateSession(RelayStub& edge, const std::string& id,
                                    v1::Session* made) {
    v1::CreateSessionRequest request;
    request.set_parent("tenants/default");
    request.set_session_id(id);
    request.mutable_session()->set_owner("edge-0");
    for (v1::Leg* leg : {request.mutable_session()->mutable_leg_a(),
                         request.mutable_session()->mutable_leg_b()}) {
      leg->set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
    }
    return CallRelay(edge, &RelayStub::CreateSession, request, made);
  }
  static absl::Status DeleteSession(RelayStub& edge, const std::string& id) {
    v1::DeleteSessionRequest request;
    request.set_name(absl::StrCat("tenants/default/sessions/", id));
    v1::Session ended;
    return CallRelay(edge, &RelayStub::DeleteSession, request, &ended);
  }
  // Whether the relay closes a connection before anything is said on it.
  bool ClosesConnections() {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Endpoint relay = Relay();
    relay.port = static_cast<uint16_t>(process_.port("stun_tcp"));
    sockaddr_storage address;
    const socklen_t size = relay.ToSocketAddress().ToSockaddr(address);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) !=
        0) {
      return true;
    }
    pollfd ready = {fd.get(), POLLIN, 0};
    return poll(&ready, 1, 1000) == 1;
  }

  std::string address_;
};

TEST_F(TurnMemoryTest, AtTheBound508AndThenFullRecovery) {
  const std::string wide =
      ",\"max_allocations\":9000,\"max_allocations_per_tenant\":9000,"
      "\"unauthenticated_replies_per_second\":100000,\"max_sessions\":9000";
  limits_ = wide;
  const std::string ports =
      ",\"relay_port_min\":50000,\"relay_port_max\":59999,"
      "\"port_quarantine\":\"1s\",\"relay_sockets\":\"per_port\"";
  Start(1, ports);
  // What it takes to be there, calls made and served included.
  {
    DatagramClient client(random_);
    ASSERT_EQ(client.Allocate(Relay()), 0);
    v1::Session made;
    ASSERT_TRUE(CreateSession(*Edge(), "warm", &made).ok());
  }
  const double idle = InUse();
  ASSERT_GT(idle, 4 << 20);
  process_.Kill();
  limits_ = absl::StrCat(
      wide, ",\"max_memory_bytes\":",
      std::max<int64_t>(16 << 20, static_cast<int64_t>(idle) + (3 << 20)));
  Start(1, ports);
  const auto edge = Edge();
  v1::Session first_session;
  ASSERT_TRUE(CreateSession(*edge, "first", &first_session).ok());
  std::vector<std::unique_ptr<DatagramClient>> clients;
  // What was counted at its most turns out to be less, so not the first refusal
  // is the last.
  int refusals = 0;
  for (int i = 0; i < 6000 && refusals < 4; ++i) {
    auto client = std::make_unique<DatagramClient>(
        random_, absl::StrCat("subject", i / 50));
    const int code = client->Allocate(Relay());
    if (code == 0) {
      clients.push_back(std::move(client));
      refusals = 0;
      continue;
    }
    ASSERT_EQ(code, 508);
    ++refusals;
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(refusals, 4);
  ASSERT_GT(clients.size(), 100u);
  v1::Session made;
  const absl::Status refused = CreateSession(*edge, "second", &made);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(ReasonOf(refused), "MEMORY_EXHAUSTED");
  // At the bound: what stands goes on.
  EXPECT_EQ(clients[0]->Do(StunMethod::kRefresh, nullptr, Relay()), 0);
  v1::Session again;
  EXPECT_TRUE(CreateSession(*edge, "first", &again).ok());
  EXPECT_EQ(again.name(), first_session.name());
  // A connection is closed before it says anything.
  EXPECT_TRUE(ClosesConnections());
  // Told once a second.
  absl::SleepFor(absl::Milliseconds(1200));
  EXPECT_GE(Metric("sallyport_media_relay_turn_errors_total{code=\"508\"}"), 1);
  EXPECT_EQ(process_.HttpGet("/healthz").find(" 200 ") != std::string::npos,
            true);
  // They let go of it all.
  for (const auto& client : clients) {
    EXPECT_EQ(
        client->Do(
            StunMethod::kRefresh,
            [](StunWriter& w) { w.AddUint32(stun_attribute::kLifetime, 0); },
            Relay()),
        0);
  }
  // And all is well again.
  absl::SleepFor(absl::Milliseconds(1200));
  EXPECT_FALSE(ClosesConnections());
  for (int i = 0; i < 10; ++i) {
    const absl::Status status =
        CreateSession(*edge, absl::StrCat("again", i), &made);
    ASSERT_TRUE(status.ok()) << i << status;
    EXPECT_TRUE(DeleteSession(*edge, absl::StrCat("again", i)).ok());
  }
  // As many as before, but for what tables grew by and the parts of heaps that
  // threads of gRPC have taken meanwhile. Quicker than it is measured, each
  // counts at its most for a moment.
  size_t back = 0;
  for (int code = 0; back < clients.size() && code == 0; ++back) {
    code = 508;
    for (int times = 0; times < 5 && code == 508; ++times) {
      if (times > 0) absl::SleepFor(absl::Milliseconds(100));
      code = clients[back]->Allocate(Relay());
    }
    ASSERT_TRUE(code == 0 || code == 508) << code;
  }
  EXPECT_GT(back, clients.size() * 4 / 5)
      << "of " << clients.size() << ", in use " << InUse() << ", idle " << idle;
}

}  // namespace
}  // namespace sallyport::media_relay
