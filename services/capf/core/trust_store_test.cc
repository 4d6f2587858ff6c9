#include "services/capf/core/trust_store.h"

#include <set>

#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

TEST(TrustStoreTest, NamesOfTheDocuments) {
  for (const char* id :
       {"CallManager-trust", "CAPF-trust", "tomcat-trust", "cup", "cup-trust",
        "cup-xmpp", "cup-xmpp-s2s", "cup-xmpp-trust", "directory-trust"}) {
    EXPECT_NE(FindTrustStoreKind(id), nullptr) << id;
  }
  EXPECT_EQ(FindTrustStoreKind("callmanager-trust"), nullptr);
  // IMP-18: what servers trust of each other is in cup-xmpp-trust too.
  EXPECT_EQ(FindTrustStoreKind("cup-xmpp-s2s-trust"), nullptr);
  EXPECT_EQ(FindTrustStoreKind(""), nullptr);
  std::set<std::string_view> ids;
  for (const TrustStoreKind& kind : TrustStoreKinds()) {
    EXPECT_TRUE(ids.insert(kind.id).second) << kind.id;
  }
}

TEST(TrustStoreTest, ReadsPemChainsAndDer) {
  const absl::Time now = absl::FromUnixSeconds(1795255200);
  const std::string a =
      NewTestAuthority(KeyKind::kEcP256, now).issuer.certificate_der;
  const std::string b =
      NewTestAuthority(KeyKind::kEcP384, now).issuer.certificate_der;
  EXPECT_EQ(ReadCertificates(a).value(), std::vector<std::string>{a});
  const std::string pem = "# two\n" + CertificateToPem(AsBytes(a)) + "and\n" +
                          CertificateToPem(AsBytes(b));
  EXPECT_EQ(ReadCertificates(pem).value(), (std::vector<std::string>{a, b}));
  std::string eleven;
  for (int i = 0; i < 11; ++i) eleven += CertificateToPem(AsBytes(a));
  for (const std::string& bad :
       {std::string(), std::string("x"), a + "x", a.substr(1),
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n"),
        std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                    "-----END PRIVATE KEY-----\n"),
        eleven, std::string(70000, 'x')}) {
    EXPECT_EQ(ReasonOf(ReadCertificates(bad).status()),
              "CERTIFICATE_MALFORMED");
  }
}

}  // namespace
}  // namespace sallyport::capf
