#include "services/capf/core/csr.h"

#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

std::string ReasonFor(const std::string& der) {
  const auto csr = VerifyCsr(AsBytes(der), KeyPolicy{});
  return csr.ok() ? "OK" : ReasonOf(csr.status());
}

TEST(CsrTest, EveryKindOfKeyProvesItself) {
  for (const KeyKind kind :
       {KeyKind::kRsa, KeyKind::kEcP256, KeyKind::kEcP384, KeyKind::kEcP521}) {
    SCOPED_TRACE(KeyKindName(kind));
    const auto key = NewTestKey(kind);
    const std::string der = NewTestCsr(
        key.get(), {.common_name = "edge.example.test",
                    .alt_names = {"DNS:Edge.Example.test",
                                  "URI:sip:example.test", "IP:1.2.3.4"}});
    const auto csr = VerifyCsr(AsBytes(der), KeyPolicy{});
    ASSERT_TRUE(csr.ok()) << csr.status();
    EXPECT_EQ(csr->key().spki(), TestSpki(key.get()));
    EXPECT_EQ(csr->subject().common_name, "edge.example.test");
    EXPECT_EQ(csr->names().dns_names,
              std::vector<std::string>{"edge.example.test"});
    EXPECT_EQ(csr->names().uris, std::vector<std::string>{"sip:example.test"});
    EXPECT_EQ(csr->names().ip_addresses,
              std::vector<std::string>{"\x01\x02\x03\x04"});
    EXPECT_EQ(csr->sha256().size(), 32u);
  }
}

TEST(CsrTest, WithoutAlternativeNames) {
  const auto key = NewTestKey(KeyKind::kEcP256);
  const std::string der = NewTestCsr(key.get(), {});
  const auto csr = VerifyCsr(AsBytes(der), KeyPolicy{});
  ASSERT_TRUE(csr.ok()) << csr.status();
  EXPECT_TRUE(csr->names().empty());
}

TEST(CsrTest, ProofOfPossessionMustHold) {
  const auto key = NewTestKey(KeyKind::kEcP256);
  EXPECT_EQ(ReasonFor(NewTestCsr(key.get(), {.break_signature = true})),
            "CSR_SIGNATURE");
  EXPECT_EQ(ReasonFor(NewTestCsr(key.get(), {.sha1 = true})), "CSR_SIGNATURE");
  // Somebody else's key in a request that is otherwise sound.
  std::string der = NewTestCsr(key.get(), {});
  const std::string own = TestSpki(key.get());
  const std::string other = TestSpki(NewTestKey(KeyKind::kEcP256).get());
  der.replace(der.find(own), own.size(), other);
  EXPECT_EQ(ReasonFor(der), "CSR_SIGNATURE");
}

TEST(CsrTest, RefusesWeakKeysAndStrangeNames) {
  EXPECT_EQ(ReasonFor(NewTestCsr(NewTestKey(KeyKind::kRsa, 1024).get(), {})),
            "KEY_SIZE");
  const auto key = NewTestKey(KeyKind::kEcP256);
  EXPECT_EQ(ReasonFor(NewTestCsr(key.get(), {.alt_names = {"email:a@b"}})),
            "SAN_INVALID");
  EXPECT_EQ(ReasonFor(NewTestCsr(key.get(), {.common_name = "a\nb"})),
            "SUBJECT_INVALID");
  // The classic: a name with a hidden tail.
  std::string hidden = "DNS:good.test";
  hidden[8] = '\0';
  EXPECT_EQ(ReasonFor(NewTestCsr(key.get(), {.alt_names = {hidden}})),
            "SAN_INVALID");
}

TEST(CsrTest, RefusesWhatIsNotOneRequest) {
  const auto key = NewTestKey(KeyKind::kEcP256);
  const std::string der = NewTestCsr(key.get(), {});
  EXPECT_EQ(ReasonFor(""), "CSR_MALFORMED");
  EXPECT_EQ(ReasonFor(der + "x"), "CSR_MALFORMED");
  for (size_t n = 0; n < der.size(); ++n) {
    EXPECT_EQ(ReasonFor(der.substr(0, n)), "CSR_MALFORMED") << n;
  }
  EXPECT_EQ(ReasonFor(std::string(20000, '\x30')), "CSR_MALFORMED");
}

// Every octet of a request broken in turn: it is signed, so none of them is
// taken, and each refusal has a reason.
TEST(CsrTest, NoOctetCanBeAnother) {
  const auto key = NewTestKey(KeyKind::kEcP256);
  const std::string good =
      NewTestCsr(key.get(), {.alt_names = {"DNS:edge.example.test"}});
  std::string broken = good;
  for (size_t i = 0; i < broken.size(); ++i) {
    for (const char mask : {'\x01', '\x20', '\x80'}) {
      broken[i] = static_cast<char>(broken[i] ^ mask);
      const std::string reason = ReasonFor(broken);
      EXPECT_TRUE(reason.rfind("CSR_", 0) == 0 ||
                  reason.rfind("KEY_", 0) == 0 || reason == "SAN_INVALID" ||
                  reason == "SUBJECT_INVALID")
          << "octet " << i << ": " << reason;
      broken[i] = good[i];
    }
  }
}

TEST(CsrTest, PemHoldsARequestAndNothingElse) {
  EXPECT_FALSE(CsrFromPem("").ok());
  EXPECT_FALSE(CsrFromPem("-----BEGIN CERTIFICATE-----\nAAAA\n"
                          "-----END CERTIFICATE-----\n")
                   .ok());
  const auto der = CsrFromPem(
      "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
      "-----END CERTIFICATE REQUEST-----\n");
  ASSERT_TRUE(der.ok()) << der.status();
  EXPECT_EQ(*der, std::string(3, '\0'));
  EXPECT_FALSE(CsrFromPem(std::string(40000, 'A')).ok());
}

}  // namespace
}  // namespace sallyport::capf
