#include "services/credential_issuer/core/key_sealer.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::credential_issuer {
namespace {

KeySealer Make(char c) {
  return KeySealer(Secret::CopyOf(std::string(kMasterKeyBytes, c)));
}

TEST(KeySealerTest, OpensWhatItSealed) {
  FakeRandom random;
  const KeySealer sealer = Make('m');
  const Secret secret = Secret::CopyOf(std::string(32, 's'));
  const std::string sealed = sealer.Seal(7, secret, random);
  EXPECT_EQ(sealed.size(), 12u + 32u + 16u);
  EXPECT_EQ(sealed.find(std::string(8, 's')), std::string::npos);
  const auto opened = sealer.Open(7, sealed);
  ASSERT_THAT(opened, IsOk());
  EXPECT_TRUE(*opened == secret);
  EXPECT_NE(sealer.Seal(7, secret, random), sealed);
}

TEST(KeySealerTest, NothingElseOpens) {
  FakeRandom random;
  const KeySealer sealer = Make('m');
  const Secret secret = Secret::CopyOf(std::string(32, 's'));
  const std::string sealed = sealer.Seal(7, secret, random);
  EXPECT_THAT(sealer.Open(8, sealed), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Make('n').Open(7, sealed), HasReason("SEALED_KEY_UNUSABLE"));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string torn = sealed;
    torn[i] = static_cast<char>(torn[i] ^ 1);
    EXPECT_FALSE(sealer.Open(7, torn).ok()) << i;
    EXPECT_FALSE(sealer.Open(7, sealed.substr(0, i)).ok()) << i;
  }
}

TEST(KeySealerTest, SubjectKeyIsAnotherKey) {
  EXPECT_FALSE(Make('m').subject_key() == Make('n').subject_key());
  EXPECT_EQ(Make('m').subject_key().size(), 32u);
}

}  // namespace
}  // namespace sallyport::credential_issuer
