#include "services/capf/io/private_key_search.h"

#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/io/file_signer.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Whoever finds nothing must be able to find.
TEST(PrivateKeySearchTest, FindsAKeyHoweverItLies) {
  const Secret wrapping = Secret::CopyOf(std::string_view("wrapping"));
  for (const int bits : {0, 2048}) {
    SP_ASSERT_OK_AND_ASSIGN(const FileSigner::NewKey made,
                            FileSigner::Make(bits, wrapping));
    SP_ASSERT_OK_AND_ASSIGN(const Secret clear, made.signer->DangerousPem());
    const std::string pem(clear.DangerousText());
    std::string base64 = PemBlocks(pem, "PRIVATE KEY").at(0);
    base64 = base64.substr(base64.find('\n'));
    base64.resize(base64.find("-----END"));
    std::string der;
    ASSERT_TRUE(absl::Base64Unescape(base64, &der));

    PrivateKeySearch search;
    EXPECT_THAT(search.Look(made.encrypted_pem), IsEmpty());
    EXPECT_THAT(search.Look("x" + pem),
                Contains(HasSubstr("PEM of PRIVATE KEY")));
    EXPECT_THAT(search.Look("x" + der + "x"), Contains(HasSubstr("PKCS #8")));
    // Of PKCS #8 the octet string is the key as its own RFC has it.
    EXPECT_THAT(search.Look(der.substr(20)), Contains(HasSubstr("RFC ")));
    const std::string number =
        bits == 0 ? der.substr(36, 32) : der.substr(300, 200);
    EXPECT_THAT(search.Look(number), IsEmpty());
    EXPECT_EQ(search.KnowEncrypted("x" + made.encrypted_pem, {}), 0u);
    EXPECT_EQ(search.KnowEncrypted("x" + made.encrypted_pem, {&wrapping}), 1u);
    if (bits != 0) continue;
    for (const std::string& form :
         {number, absl::BytesToHexString(number), "x" + number,
          "-----BEGIN X-----\n" + absl::Base64Escape("ab" + number) +
              "\n-----END X-----"}) {
      EXPECT_THAT(search.Look(form), Contains(HasSubstr("number of a key")));
    }
    EXPECT_THAT(search.Look(made.encrypted_pem), IsEmpty());
  }
}

}  // namespace
}  // namespace sallyport::capf
