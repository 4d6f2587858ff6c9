// What it costs to judge live connections after a change of trust: each has a
// chain of its own. items_per_second of one core, of which a loop gives this
// four fifths.
#include "services/signaling_edge/io/peer_trust.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/trust_anchors.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

enum class Change { kNothing, kAnchorBecomesAnother, kAnchorGone, kRevoked };

void BM_JudgeAnew(benchmark::State& state) {
  const auto change = static_cast<Change>(state.range(0));
  const auto count = static_cast<int>(state.range(1));
  TestCa root("Root");
  TestCa middle = root.IssueCa("Middle");
  std::vector<PeerCertificate> peers;
  for (int i = 0; i < count; ++i) {
    PeerCertificate& peer = peers.emplace_back();
    const TestCertificate leaf = middle.IssueDns(absl::StrCat("p", i, ".test"));
    peer.chain = {leaf.der, middle.certificate().der};
  }
  capf::v1::WatchTrustBundleResponse contents;
  auto& store = *contents.add_stores();
  store.set_name("tenants/t/trustStores/CallManager-trust");
  store.add_certificates(root.certificate().der);
  const auto judge = [&](const TrustBundle& trust) {
    size_t good = 0;
    ConnectionIdentity who;
    who.resource = "tenants/t/peers/p";
    for (const PeerCertificate& peer : peers) {
      benchmark::DoNotOptimize(trust.MayHaveChanged(peer.chain));
      const bool holds =
          CheckChain(peer, &who, trust, CertificatePurpose::kTlsClient, kNow)
              .ok();
      good += holds ? 1 : 0;
    }
    return good;
  };
  const auto before = TrustBundle::Make(contents, {}).value();
  if (judge(*before) != peers.size()) state.SkipWithError("not trusted");
  const uint64_t signatures = before->any()->signatures_checked();
  switch (change) {
    case Change::kNothing:
      break;
    case Change::kAnchorBecomesAnother:
      store.set_certificates(0, middle.certificate().der);
      break;
    case Change::kAnchorGone:
      store.set_certificates(0, TestCa("Another").certificate().der);
      break;
    case Change::kRevoked: {
      auto& revoked = *contents.add_revoked();
      revoked.set_issuer("another");
      revoked.set_serial("1");
      break;
    }
  }
  for (auto _ : state) {
    state.PauseTiming();  // the thread that reads the lists makes it
    const auto after = TrustBundle::Make(contents, {}, before.get()).value();
    state.ResumeTiming();
    const size_t good = judge(*after);
    if (good != (change == Change::kAnchorGone ? 0 : peers.size())) {
      state.SkipWithError("wrong verdicts");
    }
  }
  if (before->any()->signatures_checked() != signatures) {
    state.SkipWithError("a signature was computed again");
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(BM_JudgeAnew)
    ->ArgsProduct({{0, 1, 2, 3}, {200}})
    ->ArgNames({"change", "connections"})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sallyport::signaling_edge
