#include "services/capf/io/est_client.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/capf/io/test_est_server.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::SizeIs;

class EstClientTest : public testing::Test {
 protected:
  std::unique_ptr<EstClient> Client(bool with_certificate = true,
                                    const std::string& host = "localhost",
                                    const std::string& trust = "ca.pem") {
    EstOptions options;
    options.host = host;
    options.port = static_cast<uint16_t>(server.port());
    options.trust_pem = server.Read(trust);
    if (with_certificate) {
      options.certificate_chain_pem = server.Read("client.pem");
      options.private_key_pem = Secret::Take(server.Read("client.key"));
    }
    options.credentials = Secret::CopyOf(std::string_view(credentials));
    options.timeout = absl::Seconds(2);
    auto client = EstClient::Create(std::move(options));
    EXPECT_THAT(client, IsOk());
    return *std::move(client);
  }

  TestEstServer server{NewTestFolder() + "/est"};
  std::string credentials;
  const bssl::UniquePtr<EVP_PKEY> key = NewTestKey(KeyKind::kEcP256);
  const std::string csr = NewTestCsr(key.get(), {.common_name = "CAPF"});
};

TEST_F(EstClientTest, EnrollsByCertificateAndByPassword) {
  EstResult result = Client()->Enroll(csr, false);
  ASSERT_THAT(result.status, IsOk());
  ASSERT_THAT(result.certificates, SizeIs(1));
  const EstResult above = Client(false)->CaCerts();
  ASSERT_THAT(above.status, IsOk());
  SP_ASSERT_OK_AND_ASSIGN(
      const std::vector<std::string> chain,
      OrderChain(result.certificates, above.certificates, TestSpki(key.get())));
  EXPECT_THAT(chain, SizeIs(2));
  EXPECT_EQ(chain[1], above.certificates[0]);

  // Nobody is served without proof.
  EXPECT_THAT(Client(false)->Enroll(csr, false).status,
              HasReason("EST_UNAUTHORIZED"));
  server.SetPassword("capf:secret");
  credentials = "capf:wrong";
  EXPECT_THAT(Client(false)->Enroll(csr, true).status,
              HasReason("EST_UNAUTHORIZED"));
  credentials = "capf:secret";
  EXPECT_THAT(Client(false)->Enroll(csr, true).status, IsOk());
  EXPECT_THAT(server.Read("asked"), testing::HasSubstr("/simplereenroll "));
}

// issue 6: upstream that answers 202, 500, garbage, or never.
TEST_F(EstClientTest, EachFailureHasAName) {
  const auto client = Client();
  const auto ask = [&](const std::string& mode) {
    server.SetMode(mode);
    return client->Enroll(csr, false);
  };
  const EstResult pending = ask("pending:120");
  EXPECT_THAT(pending.status, HasReason("EST_PENDING"));
  EXPECT_EQ(pending.retry_after, absl::Seconds(120));
  EXPECT_THAT(ask("500").status, HasReason("EST_UNAVAILABLE"));
  EXPECT_THAT(ask("401").status, HasReason("EST_UNAUTHORIZED"));
  EXPECT_THAT(ask("garbage").status, HasReason("EST_MALFORMED"));
  EXPECT_THAT(ask("cut").status, HasReason("EST_MALFORMED"));
  const EstResult other = ask("other_key");
  ASSERT_THAT(other.status, IsOk());
  EXPECT_THAT(OrderChain(other.certificates, {}, TestSpki(key.get())),
              HasReason("EST_MALFORMED"));
  const absl::Time start = absl::Now();
  EXPECT_THAT(ask("never").status, HasReason("EST_TIMEOUT"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(4));
  EXPECT_THAT(ask("ok").status, IsOk());
  server.Stop();
  EXPECT_THAT(ask("ok").status, HasReason("EST_UNREACHABLE"));
}

TEST_F(EstClientTest, OnlyTheServerThatWasMeantIsAsked) {
  EXPECT_THAT(Client(true, "127.0.0.1")->CaCerts().status,
              HasReason("EST_UNTRUSTED"));
  EXPECT_THAT(Client(true, "localhost", "client.pem")->CaCerts().status,
              HasReason("EST_UNTRUSTED"));
  EXPECT_THAT(Client(true, "no-such-host.invalid")->CaCerts().status,
              HasReason("EST_UNREACHABLE"));
}

}  // namespace
}  // namespace sallyport::capf
