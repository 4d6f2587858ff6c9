// What one core costs: parsing, transactions, calls and writing, no socket.
#include "services/signaling_edge/core/edge_core.h"

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "benchmark/benchmark.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/random/fake_random.h"
#include "services/signaling_edge/core/leg_messages.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_status.h"
#include "services/signaling_edge/core/sip_writer.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kSdp[] =
    "v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n"
    "t=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\na=ptime:20\r\n";

class Bench {
 public:
  Bench() {
    EdgeOptions options;
    options.listeners = {{SipTransport::kUdp, "203.0.113.1", 5060, 5060}};
    options.requests_per_second_per_source = 0;
    options.max_calls = 1'000'000;
    options.max_transactions = 10'000'000;
    options.history_entries = 1000;
    core_ = std::make_unique<EdgeCore>(options, random_);
    auto plan = std::make_shared<PlanSnapshot>();
    plan->version = 1;
    plan->tenants.resize(1);
    plan->tenants[0].name = "tenants/t";
    plan->tenants[0].domains = {"d.test"};
    plan->dial_plans.resize(1);
    plan->dial_plans[0].name = "tenants/t/dialPlans/clear";
    plan->peers.resize(2);
    for (size_t i = 0; i < 2; ++i) {
      PeerEntry& peer = plan->peers[i];
      peer.name = Cat("tenants/t/peers/p", i);
      peer.dial_plan = "tenants/t/dialPlans/clear";
      peer.address = Cat("192.0.2.1", i);
      peer.port = peer.incoming_port = 5060;
      peer.transport = sallyport::SipTransport::kUdp;
      peer.outcalls_allowed = true;
    }
    plan->route_patterns.resize(1);
    plan->route_patterns[0].name = "tenants/t/routePatterns/9";
    plan->route_patterns[0].pattern = "9.!";
    plan->route_patterns[0].peer = "tenants/t/peers/p1";
    ResolveDefaults(*plan);
    Do(core_->OnSnapshot(*Resolver::Create(std::move(plan)), now_));
  }

  void Receive(const SocketAddress& from, std::string_view wire) {
    Do(core_->OnDatagram(0, from, wire, now_));
  }

  std::string Request(std::string_view method, uint64_t n, int cseq,
                      std::string_view to_tag, std::string_view body) const {
    SipMessage m = SipMessage::Request(method, "sip:95551234@203.0.113.1");
    m.Add(HeaderId::kVia,
          Cat("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK", n, "-", method, cseq));
    m.SetUint(HeaderId::kMaxForwards, 70);
    m.Add(HeaderId::kFrom, "<sip:1000@192.0.2.10>;tag=f");
    m.Add(HeaderId::kTo, Cat("<sip:95551234@203.0.113.1>",
                             to_tag.empty() ? "" : ";tag=", to_tag));
    m.Add(HeaderId::kCallId, Cat(n, "@192.0.2.10"));
    m.Add(HeaderId::kCseq, Cat(cseq, " ", method));
    m.Add(HeaderId::kContact, "<sip:1000@192.0.2.10>");
    AddSdp(m, body);
    return WriteSipMessage(m);
  }

  SipMessage Take(const SocketAddress& to, SipMethod method, int code) {
    while (!sent_.empty()) {
      auto [address, wire] = std::move(sent_.front());
      sent_.pop_front();
      if (!(address == to)) continue;
      auto message = ParseSipMessage(wire, ParsePolicy());
      if (!message.ok()) continue;
      if (code != 0 ? message->status_code() == code
                    : message->is_request() && message->method() == method) {
        return *std::move(message);
      }
    }
    return SipMessage();
  }

  void Answer(const SipMessage& request, int code, std::string_view body) {
    SipMessage r = MakeResponse(request, code, ReasonPhrase(code), "t");
    if (request.method() == SipMethod::kInvite) {
      r.Add(HeaderId::kContact, "<sip:far@192.0.2.11>");
    }
    AddSdp(r, body);
    Receive(callee_, WriteSipMessage(r));
  }

  void Do(EdgeActions actions) {
    for (EdgeAction& action : actions) {
      if (auto* datagram = std::get_if<SendDatagram>(&action)) {
        sent_.emplace_back(datagram->to, std::move(datagram->bytes));
      } else if (auto* create = std::get_if<CreateMediaSession>(&action)) {
        RelaySession session;
        session.name = "tenants/t/sessions/s";
        for (auto& leg : session.legs) {
          leg.local = {"203.0.113.1", 50000, 50001};
        }
        Do(core_->OnMediaReply(create->request, session, now_));
      } else if (auto* update = std::get_if<UpdateMediaSession>(&action)) {
        Do(core_->OnMediaReply(update->request, RelaySession(), now_));
      }
    }
  }

  void Advance(absl::Duration d) {
    now_ += d;
    while (core_->deadline() <= now_) Do(core_->OnDeadline(now_));
    sent_.clear();
  }

  const SocketAddress caller_ = *SocketAddress::Parse("192.0.2.10:5060");
  const SocketAddress callee_ = *SocketAddress::Parse("192.0.2.11:5060");

 private:
  FakeRandom random_;
  std::unique_ptr<EdgeCore> core_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  std::deque<std::pair<SocketAddress, std::string>> sent_;
};

void BM_Options(benchmark::State& state) {
  Bench bench;
  uint64_t n = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::string wire = bench.Request("OPTIONS", ++n, 1, "", "");
    if (n % 1000 == 0) bench.Advance(absl::Seconds(40));
    state.ResumeTiming();
    bench.Receive(bench.caller_, wire);
  }
}
BENCHMARK(BM_Options);

// INVITE to the 200 of BYE, both legs; the far ends' own work is included.
void BM_CallBothLegs(benchmark::State& state) {
  Bench bench;
  uint64_t n = 0;
  for (auto _ : state) {
    ++n;
    bench.Receive(bench.caller_, bench.Request("INVITE", n, 1, "", kSdp));
    const SipMessage invite = bench.Take(bench.callee_, SipMethod::kInvite, 0);
    bench.Answer(invite, 180, "");
    bench.Answer(invite, 200, kSdp);
    const SipMessage ok = bench.Take(bench.caller_, SipMethod::kOther, 200);
    const auto to = ParseNameAddr(ok.Value(HeaderId::kTo));
    const std::string tag(to.ok() ? to->tag() : "");
    if (tag.empty()) {
      state.SkipWithError("the call was not answered");
      break;
    }
    bench.Receive(bench.caller_, bench.Request("ACK", n, 1, tag, ""));
    bench.Receive(bench.caller_, bench.Request("BYE", n, 2, tag, ""));
    bench.Answer(bench.Take(bench.callee_, SipMethod::kBye, 0), 200, "");
    if (n % 200 == 0) {
      state.PauseTiming();
      bench.Advance(absl::Seconds(70));
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_CallBothLegs);

}  // namespace
}  // namespace sallyport::signaling_edge

BENCHMARK_MAIN();
