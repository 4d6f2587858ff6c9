#include "services/common/pki/path_verifier.h"

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/testing/test_certs.h"

namespace sallyport {
namespace {

// A leaf, an intermediate and a root, P-256 all, from DER to the verdict: what
// a TLS handshake pays for its peer.
void BM_VerifyChainOfThree(benchmark::State& state) {
  TestCa root("Root");
  TestCa middle = root.IssueCa("Middle");
  const TestCertificate leaf = middle.IssueDns("gw.example.test");
  const auto verifier = *PathVerifier::Create({root.certificate().der});
  for (auto _ : state) {
    PathQuery query;
    query.leaf = *ParseWholeCertificate(AsBytes(leaf.der));
    query.others = {*ParseWholeCertificate(AsBytes(middle.certificate().der)),
                    *ParseWholeCertificate(AsBytes(root.certificate().der))};
    query.now = absl::FromUnixSeconds(1'800'000'000);
    PathRules rules;
    rules.usage.server_auth = true;
    const PathResult result = verifier->Verify(query, rules);
    if (!result.status.ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(result);
  }
}
BENCHMARK(BM_VerifyChainOfThree)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sallyport
