// A trust list of a cluster of 100 nodes: composed, written, signed by an
// RSA-2048 key, and, as it is before it goes out, read back by the parser that
// had no part in it.

#include "services/capf/core/trust_list_plan.h"

#include <benchmark/benchmark.h>
#include <openssl/digest.h>
#include <openssl/evp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "services/capf/core/test_trust_list.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

std::string Sign(EVP_PKEY* key, const EVP_MD* digest, const std::string& text) {
  bssl::ScopedEVP_MD_CTX context;
  std::string signature(static_cast<size_t>(EVP_PKEY_size(key)), '\0');
  size_t size = signature.size();
  if (!EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) ||
      !EVP_DigestSign(context.get(),
                      reinterpret_cast<uint8_t*>(signature.data()), &size,
                      AsBytes(text).data(), text.size())) {
    return {};
  }
  return signature;
}

// The arguments: nodes, whether by SHA-512, and whether it is read back.
void BM_PublishCtl(benchmark::State& state) {
  const TestIdentity one = NewTestIdentity("SAST-1", 11);
  const TestIdentity two = NewTestIdentity("SAST-2", 12);
  std::vector<TestIdentity> managers;
  for (int i = 0; i < 8; ++i) {
    managers.push_back(NewTestIdentity("cm" + std::to_string(i), 100 + i));
  }
  ClusterTrust cluster;
  cluster.mode = ClusterSecurityMode::kMixed;
  cluster.signers = {one.certificate, two.certificate};
  for (int i = 0; i < state.range(0); ++i) {
    cluster.call_managers.push_back(
        {.dns_name = "cm" + std::to_string(i) + ".example.test",
         .ip_address = std::string("\xc0\x00\x02", 3) + static_cast<char>(i),
         .certificate_der = managers[static_cast<size_t>(i) % 8].certificate});
  }
  cluster.tftp = {cluster.call_managers[0]};
  cluster.capf = {cluster.call_managers[0]};
  const bool sha512 = state.range(1) != 0;
  const SignedFileDigest digest =
      sha512 ? SignedFileDigest::kSha512 : SignedFileDigest::kSha1;
  size_t size = 0;
  for (auto _ : state) {
    TrustList list =
        *ComposeTrustList(TrustListKind::kCtl, cluster, digest, 256, kNow);
    const std::string text = *WriteTrustList(list);
    list.header.signature =
        Sign(one.key.get(), sha512 ? EVP_sha512() : EVP_sha1(), text);
    const std::string file = *WriteTrustList(list);
    if (state.range(2) != 0 && !VerifyTrustList(AsBytes(file)).ok()) {
      state.SkipWithError("the list does not verify");
      return;
    }
    size = file.size();
  }
  state.counters["bytes"] = static_cast<double>(size);
}
BENCHMARK(BM_PublishCtl)
    ->Args({100, 0, 0})
    ->Args({100, 1, 0})
    ->Args({100, 1, 1})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sallyport::capf
