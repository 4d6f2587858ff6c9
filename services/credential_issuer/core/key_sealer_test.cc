#include "services/credential_issuer/core/key_sealer.h"

#include <string>
#include <utility>
#include <vector>

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

TEST(KeySealerTest, AcceptedKeysOpenAndDoNotSeal) {
  FakeRandom random;
  const Secret secret = Secret::CopyOf(std::string(32, 's'));
  const KeySealer before = Make('m');
  std::vector<Secret> accepted;
  accepted.push_back(Secret::CopyOf(std::string(kMasterKeyBytes, 'l')));
  accepted.push_back(Secret::CopyOf(std::string(kMasterKeyBytes, 'm')));
  const KeySealer after(Secret::CopyOf(std::string(kMasterKeyBytes, 'n')),
                        accepted);
  const std::string old = before.Seal(7, secret, random);
  ASSERT_THAT(after.Open(7, old), IsOk());
  EXPECT_TRUE(*after.Open(7, old) == secret);
  EXPECT_FALSE(after.IsCurrent(7, old));
  EXPECT_TRUE(before.IsCurrent(7, old));
  EXPECT_FALSE(before.IsCurrent(8, old));
  const std::string anew = after.Seal(7, secret, random);
  EXPECT_TRUE(after.IsCurrent(7, anew));
  EXPECT_THAT(before.Open(7, anew), HasReason("SEALED_KEY_UNUSABLE"));
}

TEST(KeySealerTest, DerivedSubjectKeyIsOfTheMasterKeyThatSealed) {
  FakeRandom random;
  const Secret secret = Secret::CopyOf(std::string(32, 's'));
  const KeySealer before = Make('m');
  const std::string old = before.Seal(7, secret, random);
  std::vector<Secret> accepted;
  accepted.push_back(Secret::CopyOf(std::string(kMasterKeyBytes, 'm')));
  const KeySealer after(Secret::CopyOf(std::string(kMasterKeyBytes, 'n')),
                        accepted);
  const auto first = before.DerivedSubjectKey(7, old);
  const auto second = after.DerivedSubjectKey(7, old);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->size(), 32u);
  EXPECT_TRUE(*first == *second);
  const auto third = after.DerivedSubjectKey(7, after.Seal(7, secret, random));
  ASSERT_THAT(third, IsOk());
  EXPECT_FALSE(*first == *third);
  EXPECT_THAT(Make('x').DerivedSubjectKey(7, old),
              HasReason("SEALED_KEY_UNUSABLE"));
}

}  // namespace
}  // namespace sallyport::credential_issuer
