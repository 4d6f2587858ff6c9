#include "services/capf/io/key_wrapping.h"

#include <string_view>

#include "gtest/gtest.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

Secret Of(std::string_view text) { return Secret::CopyOf(text); }

// Replicas have nothing in common but the passphrase.
TEST(KeyWrappingTest, ThePassphraseAndNothingElseDecides) {
  SP_ASSERT_OK_AND_ASSIGN(const Secret one,
                          DeriveWrappingKey(Of("open sesame open")));
  SP_ASSERT_OK_AND_ASSIGN(const Secret two,
                          DeriveWrappingKey(Of("open sesame open")));
  SP_ASSERT_OK_AND_ASSIGN(const Secret other,
                          DeriveWrappingKey(Of("open barley open")));
  EXPECT_TRUE(one == two);
  EXPECT_FALSE(one == other);
  // openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt iter:600000
  //   -kdfopt pass:'open sesame open'
  //   -kdfopt salt:'sallyport capf store keys' PBKDF2
  EXPECT_EQ(one.DangerousText(),
            "4e9ca2e7a8583454c6626aed4684ed004283d4817d323ca78d1dfd19400fed5d");
}

TEST(KeyWrappingTest, ShortPassphrasesAreRefused) {
  EXPECT_THAT(CheckPassphrase(Of("")), HasReason("PASSPHRASE_WEAK"));
  EXPECT_THAT(CheckPassphrase(Of("open sesame")), HasReason("PASSPHRASE_WEAK"));
  EXPECT_THAT(CheckPassphrase(Of("open sesames")), IsOk());
}

}  // namespace
}  // namespace sallyport::capf
