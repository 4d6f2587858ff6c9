// What a certificate costs beyond its signature: build, lint, sign, verify,
// assemble, without store and audit. The goal is a share of the bare rate.

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_lint.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/system_random.h"

namespace sallyport::capf {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1795255200);

// An authority by a key of this many RSA bits; zero: P-256.
struct Bench {
  explicit Bench(int rsa_bits) {
    FileSignerOptions options;
    options.key_file = NewTestFolder() + "/ca.key";
    options.create = true;
    options.create_rsa_bits = rsa_bits;
    signer = *FileSigner::Open(options);
    const CertificateSpec spec{.profile = ProfileId::kAuthority,
                               .serial = DrawSerial(1, random),
                               .subject = {.common_name = "CA"},
                               .names = {},
                               .key = signer->public_key(),
                               .not_before = kNow - absl::Hours(1),
                               .not_after = kNow + absl::Hours(24 * 3650)};
    issuer = *ReadIssuer(AsBytes(Sign(*BuildTbs(spec, std::nullopt))));
  }

  std::string Sign(const std::string& tbs) {
    const PublicKey& key = signer->public_key();
    const SignatureAlgorithm algorithm = SignatureAlgorithmFor(key.kind());
    const std::string signature = *signer->Sign(AsBytes(tbs));
    if (!VerifySignature(AsBytes(tbs), algorithm, AsBytes(signature), key)) {
      std::abort();
    }
    return *AssembleCertificate(AsBytes(tbs), algorithm, AsBytes(signature));
  }

  SystemRandom random;
  std::unique_ptr<FileSigner> signer;
  std::optional<Issuer> issuer;
};

void BM_BareSignature(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const std::string tbs(500, 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(bench.signer->Sign(AsBytes(tbs)));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_BareSignature)->Arg(0)->Arg(2048);

void BM_IssueLsc(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const PublicKey key = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kRsa).get())), KeyPolicy{});
  for (auto _ : state) {
    const CertificateSpec spec{.profile = ProfileId::kLsc,
                               .serial = DrawSerial(1, bench.random),
                               .subject = {.common_name = "SEP001122334455"},
                               .names = {},
                               .key = key,
                               .not_before = kNow - absl::Hours(1),
                               .not_after = kNow + absl::Hours(24 * 365)};
    const std::string tbs = *BuildTbs(spec, bench.issuer);
    if (!LintCertificate(AsBytes(tbs), {spec, bench.issuer, kNow}).empty()) {
      state.SkipWithError("lint");
      break;
    }
    benchmark::DoNotOptimize(bench.Sign(tbs));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_IssueLsc)->Arg(0)->Arg(2048);

}  // namespace
}  // namespace sallyport::capf
