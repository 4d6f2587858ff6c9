#include "services/common/tls/tls_context.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;
using ::testing::NotNull;

TlsContextOptions ServerOptions(const TestCertificate& cert) {
  TlsContextOptions options;
  options.certificate_chain_pem = cert.pem;
  options.private_key_pem = cert.KeySecret();
  return options;
}

TEST(TlsContextTest, KnowsItsOwnCertificate) {
  TestCa ca;
  auto options = ServerOptions(ca.IssueDns("edge.test"));
  options.generation = 9;
  SP_ASSERT_OK_AND_ASSIGN(auto context, TlsContext::Create(std::move(options)));
  ASSERT_THAT(context->certificate(), NotNull());
  EXPECT_EQ(context->certificate()->subject, "CN=edge.test");
  EXPECT_EQ(context->generation(), 9u);
  // The key is BoringSSL's now.
  EXPECT_TRUE(context->options().private_key_pem.empty());
}

TEST(TlsContextTest, RsaKeysWorkToo) {
  TestCa ca;
  EXPECT_THAT(TlsContext::Create(ServerOptions(
                  ca.Issue({.common_name = "rsa", .rsa_key = true}))),
              IsOk());
}

TEST(TlsContextTest, SaysWhatIsMissing) {
  TestCa ca;
  EXPECT_THAT(TlsContext::Create({}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("needs a certificate")));
  auto options = ServerOptions(ca.IssueDns("a"));
  options.client_certificate = ClientCertificateMode::kRequest;
  EXPECT_THAT(
      TlsContext::Create(std::move(options)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("trust anchors")));
  TlsContextOptions client;
  client.role = TlsRole::kClient;
  EXPECT_THAT(
      TlsContext::Create(std::move(client)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("trust anchors")));
}

TEST(TlsContextTest, RefusesAKeyOfAnotherCertificate) {
  TestCa ca;
  auto options = ServerOptions(ca.IssueDns("a"));
  options.private_key_pem = ca.IssueDns("b").KeySecret();
  EXPECT_THAT(TlsContext::Create(std::move(options)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fit")));
}

TEST(TlsContextTest, RefusesBrokenPem) {
  TestCa ca;
  auto options = ServerOptions(ca.IssueDns("a"));
  options.private_key_pem = Secret::CopyOf("junk");
  EXPECT_THAT(TlsContext::Create(std::move(options)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("key")));
  options = ServerOptions(ca.IssueDns("a"));
  options.certificate_chain_pem = "junk";
  EXPECT_THAT(TlsContext::Create(std::move(options)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TlsContextTest, ReadsFiles) {
  TestCa ca;
  const TestCertificate cert = ca.IssueDns("files.test");
  const std::string chain = WriteTestFile("chain.pem", cert.pem + ca.pem());
  const std::string key = WriteTestFile("key.pem", cert.key_pem);
  const std::string trust = WriteTestFile("trust.pem", ca.pem());
  SP_ASSERT_OK_AND_ASSIGN(auto context,
                          TlsContext::CreateFromFiles(chain, key, trust, {}));
  EXPECT_EQ(context->certificate()->subject, "CN=files.test");
  EXPECT_EQ(context->options().trust_anchors->size(), 1u);
  EXPECT_THAT(TlsContext::CreateFromFiles(chain + ".gone", key, trust, {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(".gone")));
}

}  // namespace
}  // namespace sallyport
