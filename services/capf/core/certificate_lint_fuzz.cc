// Any bytes lint without a fault of ours, and only the right ones pass.

#include "services/capf/core/certificate_lint.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "services/capf/core/test_keys.h"
#include "services/common/random/fake_random.h"

namespace sallyport::capf {
namespace {

struct Context {
  absl::Time now = absl::FromUnixSeconds(1795255200);
  std::optional<Issuer> issuer = NewTestAuthority(KeyKind::kEcP256, now).issuer;
  FakeRandom random{9};
  CertificateSpec spec{
      .profile = ProfileId::kSipServer,
      .serial = DrawSerial(1, random),
      .subject = {},
      .names = {},
      .key = *PublicKey::FromSpki(
          AsBytes(TestSpki(NewTestKey(KeyKind::kEcP256).get())), KeyPolicy{}),
      .not_before = now - absl::Hours(1),
      .not_after = now + absl::Hours(24 * 30)};
  std::string tbs;

  Context() {
    spec.subject.common_name = "edge";
    spec.names.dns_names = {"edge.example.test"};
    spec.names.uris = {"sip:example.test"};
    spec.crl_url = "http://crl.example.test/default-1.crl";
    tbs = *BuildTbs(spec, issuer);
  }
};

}  // namespace
}  // namespace sallyport::capf

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::AsBytes;
  using sallyport::capf::Context;
  using sallyport::capf::LintCertificate;
  using sallyport::capf::LintSlowly;
  static const Context* const context = new Context;
  const auto lint = [](sallyport::ByteSpan tbs) {
    const sallyport::capf::LintContext meant = {context->spec, context->issuer,
                                                context->now};
    auto findings = LintCertificate(tbs, meant);
    // The quick reader takes nothing that the parser does not.
    if (findings.empty() && !LintSlowly(tbs, meant).empty()) std::abort();
    return findings;
  };
  if (lint({data, size}).empty()) std::abort();  // nobody guesses the serial

  // The input as edits of a good certificate: place, then new octet.
  std::string edited = context->tbs;
  for (size_t i = 0; i + 2 < size; i += 3) {
    const size_t at = (data[i] << 8 | data[i + 1]) % edited.size();
    edited[at] = static_cast<char>(data[i + 2]);
  }
  if (lint(AsBytes(edited)).empty() && edited != context->tbs) std::abort();
  return 0;
}
