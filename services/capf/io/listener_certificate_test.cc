#include "services/capf/io/listener_certificate.h"

#include "gtest/gtest.h"
#include "services/capf/io/test_capf.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

TEST(ListenerCertificateTest, KeptUntilItNoLongerDoes) {
  TestCapf capf(NewTestFolder());
  ListenerCertificateOptions options;
  options.folder = capf.folder;
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

}  // namespace
}  // namespace sallyport::capf
