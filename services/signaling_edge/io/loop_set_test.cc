// Three loops behind one port, with threads and sockets: what the kernel gives
// to any of them is served as if there were one (design.md section 6).
#include "services/signaling_edge/io/loop_set.h"

#include <poll.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/system_random.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sip_parser.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::Each;
using ::testing::Gt;

constexpr size_t kLoops = 3;

// A phone or PBX with one UDP address, that waits for what comes.
class Agent {
 public:
  Agent(std::string_view ip, const SocketAddress& edge)
      : socket_(*UdpSocket::Bind(*SocketAddress::FromIp(ip, 0))), edge_(edge) {}

  // With "\n" for line ends, "HERE" for its own address; a Content-Length of 0
  // is added.
  void Send(std::string_view text) {
    const std::string wire = absl::StrReplaceAll(
        absl::StrCat(std::string(text), "\nContent-Length: 0\n\n"),
        {{"\n", "\r\n"}, {"HERE", socket_.local_address().ToString()}});
    ASSERT_TRUE(
        socket_.SendOne({.payload = AsBytes(wire), .peer = edge_}).ok());
  }

  // The next message that is no provisional response.
  std::optional<SipMessage> Next(absl::Duration wait = absl::Seconds(5)) {
    while (true) {
      pollfd ready = {.fd = socket_.fd(), .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(wait))) !=
          1) {
        return std::nullopt;
      }
      const auto received = socket_.Receive(buffer_);
      for (const ReceivedDatagram& each : *received) {
        auto message = ParseSipMessage(AsText(each.payload), ParsePolicy());
        if (!message.ok()) continue;
        if (message->is_response() && message->status_code() < 200) continue;
        waiting_.push_back(*std::move(message));
      }
      if (waiting_.empty()) continue;
      SipMessage first = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
      return first;
    }
  }

  int NextCode(absl::Duration wait = absl::Seconds(5)) {
    const auto message = Next(wait);
    return message.has_value() && message->is_response()
               ? message->status_code()
               : 0;
  }

  // Answers a request of the edge's.
  void Answer(const SipMessage& request, std::string_view status) {
    std::string text = absl::StrCat("SIP/2.0 ", std::string(status));
    for (const std::string_view via : request.Items(HeaderId::kVia)) {
      absl::StrAppend(&text, "\nVia: ", std::string(via));
    }
    absl::StrAppend(
        &text, "\nFrom: ", std::string(request.Value(HeaderId::kFrom)),
        "\nTo: ", std::string(request.Value(HeaderId::kTo)),
        ";tag=agent\nCall-ID: ", std::string(request.Value(HeaderId::kCallId)),
        "\nCSeq: ", std::string(request.Value(HeaderId::kCseq)));
    Send(text);
  }

 private:
  UdpSocket socket_;
  const SocketAddress edge_;
  UdpReceiveBuffer buffer_{8, 65'535};
  std::vector<SipMessage> waiting_;
};

class LoopSetTest : public testing::Test {
 protected:
  LoopSetTest() {
    options_.loops = kLoops;
    ListenerSpec udp;
    udp.transport = SipTransport::kUdp;
    udp.bind = SocketAddress::LoopbackV4(0);
    udp.logical_port = 5060;
    options_.each.listeners = {udp};
    options_.edge_id = "edge-under-test";
    options_.each.core.token_keys = TokenKeys::Random(random_);
    options_.each.core.requests_per_second_per_source = 100'000;
  }
  ~LoopSetTest() override {
    if (loops_ != nullptr) loops_->Stop();
  }

  void Start() {
    loops_ = *LoopSet::Create(std::move(options_), random_);
    SetPlan(1);
    loops_->Start();
    edge_ = loops_->first().listeners().bound(0);
  }

  // The tests' plan, with the PBX here, and no relay: media goes end to end.
  void SetPlan(int64_t version) {
    const std::shared_ptr<PlanSnapshot> plan = TestPlan();
    plan->version = version;
    for (DialPlanEntry& each : plan->dial_plans) {
      each.media_mode = MediaMode::kPassThrough;
    }
    for (PeerEntry& peer : plan->peers) {
      if (peer.name.ends_with("/pbx")) peer.address = "127.0.0.2";
    }
    plan->users[1].phone_numbers = {"1002"};  // bob
    ResolveDefaults(*plan);
    const std::shared_ptr<const Resolver> resolver = *Resolver::Create(plan);
    loops_->PostAll([resolver](EdgeLoop& loop) { loop.SetPlan(resolver); });
  }

  // What each loop says.
  template <typename T>
  std::vector<T> Ask(std::function<T(EdgeLoop&)> look) {
    absl::Notification told;
    std::vector<T> out;
    loops_->Gather<T>(std::move(look), [&](auto said) {
      if (said.ok()) out = *std::move(said);
      told.Notify();
    });
    told.WaitForNotification();
    EXPECT_EQ(out.size(), kLoops);
    return out;
  }
  size_t Sum(std::function<size_t(EdgeLoop&)> look) {
    size_t sum = 0;
    for (const size_t each : Ask<size_t>(std::move(look))) sum += each;
    return sum;
  }

  // Bob's REGISTER; the code that it ends with.
  int Register(Agent& phone, int& cseq, int expires) {
    const auto text = [&] {
      ++cseq;
      return absl::StrCat(
          "REGISTER sip:d.test SIP/2.0\n"
          "Via: SIP/2.0/UDP HERE;rport;branch=z9hG4bKr",
          cseq, reinterpret_cast<uintptr_t>(&phone),
          "\nMax-Forwards: 70\nFrom: <sip:bob@d.test>;tag=r\n"
          "To: <sip:bob@d.test>\nCall-ID: reg",
          reinterpret_cast<uintptr_t>(&phone), "\nCSeq: ", cseq,
          " REGISTER\nContact: <sip:bob@HERE>;+sip.instance="
          "\"<urn:uuid:b>\"\nExpires: ",
          expires);
    };
    phone.Send(text());
    const auto challenge = phone.Next();
    if (!challenge.has_value() || challenge->status_code() != 401) return 0;
    phone.Send(EdgeHarness::WithDigest(text(), Sent{.message = *challenge},
                                       "bob", "REGISTER", "sip:d.test"));
    return phone.NextCode();
  }

  static std::string Invite(int number) {
    return absl::StrCat(
        "INVITE sip:1002@d.test SIP/2.0\n"
        "Via: SIP/2.0/UDP HERE;rport;branch=z9hG4bKi",
        number,
        "\nMax-Forwards: 70\nFrom: <sip:5551000@127.0.0.2>;tag=p\n"
        "To: <sip:1002@d.test>\nCall-ID: call",
        number, "\nCSeq: 1 INVITE\nContact: <sip:5551000@HERE>");
  }

  SystemRandom random_;
  LoopSet::Options options_;
  std::unique_ptr<LoopSet> loops_;
  SocketAddress edge_;
};

std::string Options(int number) {
  return absl::StrCat(
      "OPTIONS sip:d.test SIP/2.0\n"
      "Via: SIP/2.0/UDP HERE;rport;branch=z9hG4bKo",
      number,
      "\nMax-Forwards: 70\nFrom: <sip:a@d.test>;tag=1\n"
      "To: <sip:d.test>\nCall-ID: o",
      number, "\nCSeq: 1 OPTIONS");
}

TEST_F(LoopSetTest, TheKernelSharesOutWhatComes) {
  Start();
  for (int i = 0; i < 48; ++i) {
    Agent agent("127.0.0.1", edge_);
    agent.Send(Options(i));
    ASSERT_EQ(agent.NextCode(), 200) << i;
  }
  const auto requests = Ask<uint64_t>(
      [](EdgeLoop& loop) { return loop.core().stats().requests; });
  EXPECT_THAT(requests, Each(Gt(0u)));
  EXPECT_EQ(requests[0] + requests[1] + requests[2], 48u);
}

TEST_F(LoopSetTest, ASourcesRateIsThatOfAllLoops) {
  // Four seconds' worth may come at once.
  options_.each.core.requests_per_second_per_source = 5;
  Start();
  int answered = 0;
  for (int i = 0; i < 90; ++i) {
    Agent agent("127.0.0.9", edge_);
    agent.Send(Options(i));
    // Who is over the limit hears nothing.
    if (agent.NextCode(absl::Milliseconds(i < 15 ? 2000 : 10)) == 200) {
      ++answered;
    }
  }
  EXPECT_GE(answered, 15);
  // 20, and what grows again meanwhile: not 60.
  EXPECT_LE(answered, 40);
  EXPECT_GE(Sum([](EdgeLoop& loop) -> size_t {
              return loop.core().stats().rate_limited;
            }),
            50u);
}

// A registration at any loop is found from any loop, also while plans change;
// and it is one, wherever its phone speaks next.
TEST_F(LoopSetTest, APhoneIsCalledFromEveryLoop) {
  Start();
  int cseq = 0;
  int number = 0;
  for (int round = 0; round < 6; ++round) {
    // Another address, and so perhaps another loop.
    Agent phone("127.0.0.1", edge_);
    ASSERT_EQ(Register(phone, cseq, 600), 200) << round;
    for (int i = 0; i < 8; ++i) {
      if (i % 3 == 0) SetPlan(2 + number);
      Agent pbx("127.0.0.2", edge_);
      pbx.Send(Invite(++number));
      const auto invite = phone.Next();
      ASSERT_TRUE(invite.has_value()) << "round " << round << " call " << i;
      ASSERT_EQ(invite->method_text(), "INVITE");
      phone.Answer(*invite, "486 Busy Here");
      const auto ack = phone.Next();
      ASSERT_TRUE(ack.has_value());
      EXPECT_EQ(ack->method_text(), "ACK");
      EXPECT_EQ(pbx.NextCode(), 486);
    }
    // The phone that moved is one phone, and one loop's.
    size_t held = 0;
    for (int wait = 0; wait < 100; ++wait) {
      held = Sum([](EdgeLoop& loop) -> size_t {
        return loop.core().registrar().held();
      });
      if (held == 1) break;
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_EQ(held, 1u);
  }
  const auto calls =
      Ask<uint64_t>([](EdgeLoop& loop) { return loop.core().stats().calls; });
  EXPECT_THAT(calls, Each(Gt(0u)));
  EXPECT_EQ(calls[0] + calls[1] + calls[2], 48u);
}

TEST_F(LoopSetTest, ARegistrationThatIsTakenBackIsGoneEverywhere) {
  Start();
  int cseq = 0;
  Agent phone("127.0.0.1", edge_);
  ASSERT_EQ(Register(phone, cseq, 600), 200);
  ASSERT_EQ(Register(phone, cseq, 0), 200);
  for (int i = 0; i < 12; ++i) {
    Agent pbx("127.0.0.2", edge_);
    pbx.Send(Invite(1000 + i));
    EXPECT_EQ(pbx.NextCode(), 480) << i;
  }
}

TEST_F(LoopSetTest, AllLoopsDrain) {
  Start();
  loops_->PostAll(
      [](EdgeLoop& loop) { loop.Do(loop.core().OnDrain(loop.now())); });
  EXPECT_EQ(Sum([](EdgeLoop& loop) -> size_t {
              return loop.core().draining() ? 1 : 0;
            }),
            kLoops);
  for (int i = 0; i < 12; ++i) {
    Agent pbx("127.0.0.2", edge_);
    pbx.Send(Invite(2000 + i));
    EXPECT_EQ(pbx.NextCode(), 503) << i;
  }
}

}  // namespace
}  // namespace sallyport::signaling_edge
