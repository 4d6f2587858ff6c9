#include "services/common/pki/signature_memo.h"

#include <utility>

#include "gtest/gtest.h"

namespace sallyport {
namespace {

TEST(SignatureMemoTest, KnowsWhatItWasToldAndNothingElse) {
  SignatureMemo memo;
  const SignatureRules rules;
  const Sha256Digest key = SignatureMemo::KeyOf("child", "key", rules);
  EXPECT_FALSE(memo.Has(key));
  memo.Add(key);
  EXPECT_TRUE(memo.Has(key));
  for (const auto& [child, spki] : {std::pair{"chil", "dkey"},
                                    {"child", "kez"},
                                    {"chjld", "key"},
                                    {"childkey", ""}}) {
    EXPECT_FALSE(memo.Has(SignatureMemo::KeyOf(child, spki, rules)));
  }
  // What laxer rules believe is not believed by stricter ones.
  EXPECT_FALSE(
      memo.Has(SignatureMemo::KeyOf("child", "key", {.allow_sha1 = true})));
  EXPECT_FALSE(
      memo.Has(SignatureMemo::KeyOf("child", "key", {.min_rsa_bits = 4096})));
}

}  // namespace
}  // namespace sallyport
