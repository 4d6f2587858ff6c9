// A process in FIPS mode, which no context leaves; alone in its binary, as
// nothing takes it back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {
namespace {

using ::testing::HasSubstr;

// IMP-70: whatever a context was made for, it speaks TLS 1.2 by AES-GCM.
TEST(ApprovedTlsTest, NoContextEscapes) {
  RequireApprovedTls();
  TestCa ca("Test CA");
  const TestCertificate certificate = ca.Issue({.common_name = "server"});
  TlsContextOptions server;
  server.certificate_chain_pem = certificate.pem;
  server.private_key_pem = certificate.KeySecret();
  server.client_certificate = ClientCertificateMode::kNone;
  server.only_tls13 = true;
  TlsContextOptions client;
  client.role = TlsRole::kClient;
  client.trust_anchors = *TrustAnchors::FromPem(ca.pem());
  client.only_tls13 = true;
  SP_ASSERT_OK_AND_ASSIGN(const auto server_context,
                          TlsContext::Create(std::move(server)));
  SP_ASSERT_OK_AND_ASSIGN(const auto client_context,
                          TlsContext::Create(std::move(client)));
  SP_ASSERT_OK_AND_ASSIGN(const auto a, TlsSession::Create(server_context));
  SP_ASSERT_OK_AND_ASSIGN(const auto b, TlsSession::Create(client_context));
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(a->Feed(AsBytes(b->TakeCiphertext())), IsOk());
    EXPECT_THAT(b->Feed(AsBytes(a->TakeCiphertext())), IsOk());
  }
  EXPECT_EQ(a->state(), TlsSession::State::kOpen);
  EXPECT_EQ(a->version(), "TLSv1.2");
  EXPECT_THAT(std::string(a->cipher()), HasSubstr("GCM"));

  TlsContextOptions legacy;
  legacy.certificate_chain_pem = certificate.pem;
  legacy.private_key_pem = certificate.KeySecret();
  legacy.client_certificate = ClientCertificateMode::kNone;
  legacy.legacy_phones = true;
  EXPECT_THAT(TlsContext::Create(std::move(legacy)).status(),
              HasReason("NOT_ALLOWED_IN_FIPS_MODE"));
}

}  // namespace
}  // namespace sallyport
