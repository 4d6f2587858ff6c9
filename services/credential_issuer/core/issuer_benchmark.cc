#include "services/credential_issuer/core/issuer.h"

#include <memory>
#include <string>
#include <utility>

#include "benchmark/benchmark.h"
#include "services/common/random/system_random.h"
#include "services/credential_issuer/core/issuer_state.h"
#include "services/credential_issuer/core/key_ring.h"
#include "services/credential_issuer/core/mras_message.h"
#include "services/credential_issuer/core/relay_directory.h"
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

void BM_SelectRelays(benchmark::State& state) {
  SystemRandom random;
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  RelayDirectory directory({}, false);
  for (int64_t i = 0; i < state.range(0); ++i) {
    RelayReport report;
    report.relay = "relay-" + std::to_string(i);
    report.load = 0.5;
    report.version = 1;
    report.time = now;
    report.addresses.push_back(
        {report.relay, ClientNetwork::kInternet,
         *ParseTurnUri("turn:" + report.relay + ".test?transport=udp")});
    directory.OnReport(std::move(report));
  }
  const RelayQuery query = {ClientNetwork::kInternet, "paris", 1};
  for (auto _ : state) {
    benchmark::DoNotOptimize(directory.Select(query, now, random));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_SelectRelays)->Arg(4)->Arg(100)->Arg(1000);

void BM_Mras(benchmark::State& state) {
  const std::string body =
      "<request requestID=\"1\" from=\"sip:alice@demo.test\" version=\"1.0\""
      " to=\"sip:mras@demo.test\""
      " xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\">"
      "<credentialsRequest credentialsRequestID=\"1\"><identity>"
      "sip:alice@demo.test</identity><location>internet</location>"
      "<duration>480</duration></credentialsRequest></request>";
  IssuedCredential credential;
  credential.username = std::string(120, 'a');
  credential.password = Secret::CopyOf(std::string(43, 'b'));
  credential.lifetime = absl::Hours(8);
  for (auto _ : state) {
    const auto parsed = ParseMrasRequest(body);
    MrasCredentials one;
    one.id = parsed->request.credentials[0].id;
    one.credential = &credential;
    one.relays.push_back(
        {ClientNetwork::kInternet, "relay.test", false, 3478, 443});
    benchmark::DoNotOptimize(WriteMrasResponse(parsed->request, MrasReason::kOk,
                                               "sallyport", {one}));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Mras);

}  // namespace
}  // namespace sallyport::credential_issuer
