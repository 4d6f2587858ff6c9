// The lock-out simulator over 100 000 phones in 1000 different states.

#include "services/capf/core/phone_trust.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::capf {
namespace {

void BM_SimulateTrustList(benchmark::State& state) {
  constexpr int kStates = 1000;
  std::vector<std::shared_ptr<const ListTrust>> held;
  for (int i = 0; i < kStates; ++i) {
    ListTrust trust;
    trust.signers = {"sast" + std::to_string(i % 7),
                     "spare" + std::to_string(i)};
    trust.call_managers = {"ccm"};
    trust.file_signers = {"ccm"};
    held.push_back(std::make_shared<const ListTrust>(std::move(trust)));
  }
  std::vector<PhoneTrustState> phones(state.range(0));
  for (size_t i = 0; i < phones.size(); ++i) {
    phones[i].device = "SEP" + std::to_string(i);
    phones[i].speaks_tls = true;
    phones[i].ctl = held[i % kStates];
  }
  ProposedList list;
  list.signer = "sast1";
  list.trust = held[1];
  const ServedCertificates served = {.call_managers = {"ccm"},
                                     .file_signers = {"ccm"},
                                     .tvs = {},
                                     .vouched_for = {}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(SimulateTrustList(phones, list, served, 1000));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SimulateTrustList)->Arg(100000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sallyport::capf
