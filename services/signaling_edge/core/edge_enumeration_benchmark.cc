// Whether the time of an answer tells if a user exists: 10 000 wrong passwords
// for each, in turns, and Welch's t of the difference. Counters: `t` (below
// 1.96: no difference at p > 0.05) and `difference_ns`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/random/system_random.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kUsers = 20'000;

std::shared_ptr<PlanSnapshot> Plan() {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->version = 1;
  plan->tenants = {{.name = "tenants/t",
                    .domains = {"d.test"},
                    .default_dial_plan = "tenants/t/dialPlans/clear"}};
  plan->dial_plans = {{.name = "tenants/t/dialPlans/clear",
                       .security_mode = SecurityMode::kUnsecured}};
  for (size_t i = 0; i < kUsers; ++i) {
    UserEntry user;
    user.username = Cat("u", 100'000 + 2 * i);
    user.name = Cat("tenants/t/users/", user.username);
    user.domain = user.realm = "d.test";
    user.dial_plan = "tenants/t/dialPlans/clear";
    // Half of the domain's users have MD5, so that unknown ones must, too.
    if (i % 2 == 0) {
      user.digest_algorithm = DigestAlgorithm::kMd5;
      user.ha1_md5 = std::string(32, 'a');
    } else {
      user.ha1_sha256 = std::string(64, 'a');
    }
    plan->users.push_back(std::move(user));
  }
  ResolveDefaults(*plan);
  return plan;
}

std::string Register(uint64_t number, uint64_t user) {
  return Cat(
      "REGISTER sip:d.test SIP/2.0\r\nVia: SIP/2.0/UDP "
      "203.0.113.5:5060;branch=z9hG4bK",
      number, "\r\nMax-Forwards: 70\r\nFrom: <sip:u", user,
      "@d.test>;tag=r\r\nTo: <sip:u", user,
      "@d.test>\r\nCall-ID: c\r\nCSeq: ", number,
      " REGISTER\r\nContact: <sip:a@203.0.113.5>\r\nAuthorization: "
      "Digest username=\"u",
      user, "\", realm=\"d.test\", nonce=\"", std::string(64, '0'),
      "\", uri=\"sip:d.test\", response=\"", std::string(64, '1'),
      "\", cnonce=\"c\", nc=00000001, qop=auth, algorithm=SHA-256\r\n"
      "Content-Length: 0\r\n\r\n");
}

struct Moments {
  double mean = 0;
  double variance = 0;
};
// Without the slowest tenth: interrupts, and growth of tables.
Moments Of(std::vector<double>& samples) {
  std::sort(samples.begin(), samples.end());
  samples.resize(samples.size() * 9 / 10);
  Moments out;
  for (const double one : samples) out.mean += one;
  out.mean /= static_cast<double>(samples.size());
  for (const double one : samples) {
    out.variance += (one - out.mean) * (one - out.mean);
  }
  out.variance /= static_cast<double>(samples.size() - 1);
  return out;
}

void BM_KnownAgainstUnknownUser(benchmark::State& state) {
  SystemRandom random;
  EdgeOptions options;
  options.listeners = {{.transport = SipTransport::kUdp,
                        .host = "203.0.113.1",
                        .port = 5060,
                        .logical_port = 5060}};
  options.requests_per_second_per_source = 1e9;
  EdgeCore core(options, random);
  RegionPlan region;
  const MonoTime now = MonoTime::FromOrigin(absl::Hours(1));
  PlanUpdate update{1, "", /*all=*/true, {{"tenants/t", Plan()}}};
  core.OnSnapshot(*region.Apply(std::move(update)), now);
  const SocketAddress from = *SocketAddress::Parse("203.0.113.5:5060");
  uint64_t number = 0;
  double t = 0;
  double difference = 0;
  for (auto _ : state) {
    std::vector<double> samples[2];
    for (int i = 0; i < 20'000; ++i) {
      // Every second name does not exist; which comes first is a draw.
      const uint64_t draw = random.NextU64();
      const uint64_t user = 100'000 + 2 * ((draw >> 8) % kUsers);
      for (uint64_t turn = 0; turn < 2; ++turn) {
        const uint64_t unknown = (draw + turn) & 1;
        const std::string text = Register(++number, user + unknown);
        const auto begun = std::chrono::steady_clock::now();
        const EdgeActions actions = core.OnDatagram(0, from, text, now);
        const auto ended = std::chrono::steady_clock::now();
        if (i >= 10'000) {  // the first half warms up
          samples[unknown].push_back(
              std::chrono::duration<double, std::nano>(ended - begun).count());
        }
        if (actions.empty()) state.SkipWithError("no answer");
      }
    }
    const Moments known = Of(samples[0]);
    const Moments unknown = Of(samples[1]);
    difference = unknown.mean - known.mean;
    t = difference /
        std::sqrt(known.variance / static_cast<double>(samples[0].size()) +
                  unknown.variance / static_cast<double>(samples[1].size()));
  }
  state.counters["t"] = t;
  state.counters["difference_ns"] = difference;
}
BENCHMARK(BM_KnownAgainstUnknownUser)->Iterations(1);

}  // namespace
}  // namespace sallyport::signaling_edge
