// What a certificate costs beyond its signature: build, lint, sign, assemble,
// without store and audit. The goal is a share of the bare rate.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/certificate_lint.h"
#include "services/capf/core/csr.h"
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
    options.wrapping = Secret::Take(std::string(64, 'k'));
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

  // As the authority does, which verifies as often as the signer asks for.
  std::string Sign(const std::string& tbs, bool verify_all = false) {
    const PublicKey& key = signer->public_key();
    const SignatureAlgorithm algorithm = SignatureAlgorithmFor(key.kind());
    const std::string signature = *signer->Sign(AsBytes(tbs));
    const uint32_t each = verify_all ? 1 : signer->verify_each();
    if (each != 0 && signatures++ % each == 0 &&
        !VerifySignature(AsBytes(tbs), algorithm, AsBytes(signature), key)) {
      std::abort();
    }
    std::string der =
        *AssembleCertificate(AsBytes(tbs), algorithm, AsBytes(signature));
    if (*TbsOf(AsBytes(der)) != tbs) std::abort();
    return der;
  }

  // Built, linted and signed; empty if the lint objects.
  std::string Issue(const PublicKey& key, bool verify_all) {
    const CertificateSpec spec{.profile = ProfileId::kLsc,
                               .serial = DrawSerial(1, random),
                               .subject = {.common_name = "SEP001122334455"},
                               .names = {},
                               .key = key,
                               .not_before = kNow - absl::Hours(1),
                               .not_after = kNow + absl::Hours(24 * 365)};
    const std::string tbs = *BuildTbs(spec, issuer);
    if (!LintCertificate(AsBytes(tbs), {spec, issuer, kNow}).empty()) return {};
    return Sign(tbs, verify_all);
  }

  SystemRandom random;
  std::unique_ptr<FileSigner> signer;
  std::optional<Issuer> issuer;
  uint32_t signatures = 0;
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

// What the CAPF protocol asks for: a key whose strength was looked at when it
// came. There is no request and so no proof of possession in that protocol.
void BM_IssueLsc(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const PublicKey key = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kRsa).get())), KeyPolicy{});
  for (auto _ : state) {
    if (bench.Issue(key, state.range(1) != 0).empty()) {
      state.SkipWithError("lint");
      break;
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
// The second one verifies every signature of its own.
BENCHMARK(BM_IssueLsc)
    ->Args({0, 0})
    ->Args({0, 1})
    ->Args({2048, 0})
    ->Args({2048, 1});

// From a PKCS #10 request of a P-256 key, whose proof of possession is a
// verification that no authority can leave out.
void BM_IssueFromRequest(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const std::string csr = NewTestCsr(NewTestKey(KeyKind::kEcP256).get(), {});
  for (auto _ : state) {
    const auto request = VerifyCsr(AsBytes(csr), KeyPolicy{});
    if (!request.ok() || bench.Issue(request->key(), false).empty()) {
      state.SkipWithError("request or lint");
      break;
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_IssueFromRequest)->Arg(0);

// That verification alone, with the reading of the request.
void BM_VerifyRequest(benchmark::State& state) {
  const std::string csr = NewTestCsr(NewTestKey(KeyKind::kEcP256).get(), {});
  for (auto _ : state) {
    benchmark::DoNotOptimize(VerifyCsr(AsBytes(csr), KeyPolicy{}));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_VerifyRequest);

// What is neither signature nor verification.
void BM_BuildAndLint(benchmark::State& state) {
  Bench bench(0);
  const PublicKey key = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kEcP256).get())), KeyPolicy{});
  for (auto _ : state) {
    const CertificateSpec spec{.profile = ProfileId::kLsc,
                               .serial = DrawSerial(1, bench.random),
                               .subject = {.common_name = "SEP001122334455"},
                               .names = {},
                               .key = key,
                               .not_before = kNow - absl::Hours(1),
                               .not_after = kNow + absl::Hours(24 * 365)};
    const std::string tbs = *BuildTbs(spec, bench.issuer);
    benchmark::DoNotOptimize(
        LintCertificate(AsBytes(tbs), {spec, bench.issuer, kNow}));
  }
}
BENCHMARK(BM_BuildAndLint);

}  // namespace
}  // namespace sallyport::capf
