#include "tools/cli/tls_connection.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::cli {
namespace {

TEST(TlsConnectionTest, SplitsHostAndPort) {
  SP_ASSERT_OK_AND_ASSIGN(auto pair, SplitHostPort("capf.test:3804"));
  EXPECT_EQ(pair.first, "capf.test");
  EXPECT_EQ(pair.second, "3804");
  SP_ASSERT_OK_AND_ASSIGN(pair, SplitHostPort("[::1]:3804"));
  EXPECT_EQ(pair.first, "::1");
  for (const char* const bad :
       {"", "capf.test", ":3804", "capf.test:", "::1:9", "[]:1"}) {
    EXPECT_THAT(SplitHostPort(bad), HasReason("ADDRESS_INVALID")) << bad;
  }
}

TEST(TlsConnectionTest, ComparesNamesExactly) {
  CertificateInfo leaf;
  leaf.common_names = {"other.test"};
  leaf.alt_names = {
      {SubjectAltName::Type::kDns, "Capf.test"},
      {SubjectAltName::Type::kDns, "*.wild.test"},
      {SubjectAltName::Type::kIp, std::string("\x7f\0\0\x01", 4)},
      {SubjectAltName::Type::kUri, "spiffe://t/capf"},
  };
  EXPECT_THAT(CheckServerName(leaf, "capf.TEST"), IsOk());
  EXPECT_THAT(CheckServerName(leaf, "127.0.0.1"), IsOk());
  for (const char* const bad : {"a.wild.test", "other.test", "127.0.0.2", "::1",
                                "spiffe://t/capf", "capf.test."}) {
    EXPECT_THAT(CheckServerName(leaf, bad), HasReason("PEER_IDENTITY_MISMATCH"))
        << bad;
  }
}

TEST(TlsConnectionTest, SaysWhatIsWrongWithTheNetwork) {
  TlsContextOptions options;
  options.role = TlsRole::kClient;
  options.trust_anchors = TrustAnchors::FromDer({}).value();
  SP_ASSERT_OK_AND_ASSIGN(const auto context,
                          TlsContext::Create(std::move(options)));
  // Nobody listens on port 1 of this address.
  EXPECT_THAT(
      TlsConnection::Connect("127.99.99.99", "1", context, absl::Seconds(2)),
      HasReason("CONNECT_FAILED"));
  EXPECT_THAT(TlsConnection::Connect("no-such-host.invalid", "1", context,
                                     absl::Seconds(2)),
              HasReason("NAME_NOT_RESOLVED"));
}

}  // namespace
}  // namespace sallyport::cli
