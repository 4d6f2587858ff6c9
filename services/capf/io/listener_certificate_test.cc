#include "services/capf/io/listener_certificate.h"

#include "gtest/gtest.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/public_key.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/pki/parsed_certificate.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

TEST(ListenerCertificateTest, KeptUntilItNoLongerDoes) {
  TestCapf capf(NewTestFolder());
  ListenerCertificateOptions options;
  options.folder = capf.folder;
  options.wrapping = &capf.wrapping;
  options.tenant = "a";
  options.names.dns_names = {"capf.example.test"};
  options.names.ip_addresses = {"\x7f\x01\x01\x01"};
  const auto load = [&] {
    auto loaded = LoadOrIssueListenerCertificate(options, *capf.authority,
                                                 capf.clock.Now());
    EXPECT_THAT(loaded, IsOk());
    return loaded->chain_pem;
  };
  const std::string first = load();
  const auto chain = CertificatesFromPem(first);
  ASSERT_TRUE(chain.ok());
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_EQ((*chain)[1], capf.authority->issuer().certificate_der);
  EXPECT_EQ(load(), first);
  capf.clock.Advance(absl::Hours(24 * 365 * 2 / 3) - absl::Hours(48));
  EXPECT_EQ(load(), first);
  capf.clock.Advance(absl::Hours(72));  // past two thirds of its life
  const std::string renewed = load();
  EXPECT_NE(renewed, first);
  options.names.dns_names = {"other.example.test"};
  const std::string renamed = load();
  EXPECT_NE(renamed, renewed);
  // The key is the same throughout.
  const auto key_of = [](const std::string& pem) {
    return KeyOfCertificate(AsBytes(CertificatesFromPem(pem).value()[0]),
                            KeyPolicy{})
        ->spki();
  };
  EXPECT_EQ(key_of(first), key_of(renamed));
}

// Phones from release 14SU2 on look for an authority on the CAPF port. Who has
// that key still certifies nobody.
TEST(ListenerCertificateTest, AnAuthorityForPhonesAndForNobodyElse) {
  TestCapf capf(NewTestFolder());
  ListenerCertificateOptions options;
  options.folder = capf.folder;
  options.wrapping = &capf.wrapping;
  options.tenant = "a";
  options.names.dns_names = {"capf.example.test"};
  const auto load = [&] {
    const auto loaded = LoadOrIssueListenerCertificate(options, *capf.authority,
                                                       capf.clock.Now());
    EXPECT_THAT(loaded, IsOk());
    return CertificatesFromPem(loaded->chain_pem).value()[0];
  };
  const std::string plain = load();
  EXPECT_FALSE(ParseCertificate(AsBytes(plain))->is_ca);
  options.as_authority = true;
  const std::string shown = load();
  EXPECT_EQ(load(), shown);
  const auto parsed = ParseWholeCertificate(AsBytes(shown));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_TRUE((*parsed)->is_ca);
  EXPECT_EQ((*parsed)->path_length, 0u);
  // digitalSignature and keyCertSign, bits 0 and 5.
  EXPECT_EQ((*parsed)->key_usage, 1 << 0 | 1 << 5);

  // Pathological: the port's key signs an LSC.
  const auto port_key =
      FileSigner::Open({.key_file = capf.folder + "/capf_listener.key",
                        .wrapping = capf.wrapping.Clone()});
  ASSERT_THAT(port_key, IsOk());
  const std::optional<Issuer> port = ReadIssuer(AsBytes(shown)).value();
  const CertificateSpec lsc{
      .profile = ProfileId::kLsc,
      .serial = DrawSerial(1, capf.random),
      .subject = {.common_name = "SEP001122334455"},
      .names = {},
      .key = *PublicKey::FromSpki(
          AsBytes(TestSpki(NewTestKey(KeyKind::kEcP256).get())), KeyPolicy{}),
      .not_before = capf.clock.Now(),
      .not_after = capf.clock.Now() + absl::Hours(24)};
  const std::string tbs = BuildTbs(lsc, port).value();
  const std::string forged =
      AssembleCertificate(AsBytes(tbs), SignatureAlgorithm::kEcdsaSha256,
                          AsBytes((*port_key)->Sign(AsBytes(tbs)).value()))
          .value();
  ASSERT_THAT(CheckSignedBy(AsBytes(forged), AsBytes(shown)), IsOk());
  const auto verifier =
      PathVerifier::Create({capf.authority->issuer().certificate_der});
  ASSERT_THAT(verifier, IsOk());
  PathQuery query;
  query.now = capf.clock.Now() + absl::Minutes(1);
  query.leaf = ParseWholeCertificate(AsBytes(forged)).value();
  query.others = {*parsed};
  EXPECT_EQ(ReasonOf((*verifier)->Verify(query, PathRules()).status),
            "PATH_LENGTH_EXCEEDED");
  query.leaf = *parsed;
  query.others = {};
  EXPECT_THAT((*verifier)->Verify(query, PathRules()).status, IsOk());

  options.as_authority = false;
  EXPECT_FALSE(ParseCertificate(AsBytes(load()))->is_ca);
}

}  // namespace
}  // namespace sallyport::capf
