#include "services/credential_issuer/core/issuer.h"

#include <memory>
#include <string>

#include "benchmark/benchmark.h"
#include "services/common/random/system_random.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/revocation_list.h"

namespace sallyport::credential_issuer {
namespace {

void BM_Issue(benchmark::State& state) {
  SystemRandom random;
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const Secret subject_key = Secret::Random(random, 32);
  KeyRing ring(KeyRingPolicy(), 1, {});
  auto issuer_state = std::make_shared<IssuerState>(IssuerState{
      1, now, *ring.Rotate(Secret::Random(random, kKeyBytes), "", 1, now),
      RevocationList()});
  const Issuer issuer(IssueLimits(), subject_key, issuer_state);
  const IssueRequest request = {"default", "alice@demo.test", {}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(issuer.Issue(request, now, random));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Issue);

}  // namespace
}  // namespace sallyport::credential_issuer
