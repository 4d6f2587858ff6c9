#include "services/signaling_edge/core/dialog_token.h"

#include <set>

#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

std::shared_ptr<const TokenKeys> Keys(std::string_view text) {
  auto keys = TokenKeys::Parse(text);
  EXPECT_TRUE(keys.ok()) << keys.status();
  return *keys;
}

const std::string kOld(64, 'a');
const std::string kNew(64, 'b');

TEST(DialogTokenTest, NamesItsOwnerToItsOwnKind) {
  FakeRandom random;
  const auto keys = Keys(kOld);
  const NodeId owner = {EdgeNumber("edge-0"), 3};
  const std::string token = MintToken(*keys, owner, random);
  EXPECT_EQ(token.size(), kTokenSize);
  EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), std::string::npos);
  ASSERT_TRUE(OwnerOfToken(*keys, token).has_value());
  EXPECT_EQ(*OwnerOfToken(*keys, token), owner);
  EXPECT_FALSE(OwnerOfToken(*Keys(kNew), token).has_value());
}

// Nothing of the owner is to be read, and two of one owner have nothing in
// common.
TEST(DialogTokenTest, HidesItsOwner) {
  FakeRandom random;
  const auto keys = Keys(kOld);
  std::set<std::string> middles;
  for (int i = 0; i < 64; ++i) {
    middles.insert(
        MintToken(*keys, {EdgeNumber("edge-0"), 0}, random).substr(16, 24));
  }
  EXPECT_EQ(middles.size(), 64u);
}

TEST(DialogTokenTest, AnyChangeMakesItNothing) {
  FakeRandom random;
  const auto keys = Keys(kOld);
  const std::string token = MintToken(*keys, {7, 0}, random);
  for (size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == '0' ? '1' : '0';
    EXPECT_FALSE(OwnerOfToken(*keys, other).has_value()) << i;
  }
  EXPECT_FALSE(OwnerOfToken(*keys, "").has_value());
  EXPECT_FALSE(OwnerOfToken(*keys, token + "0").has_value());
  EXPECT_FALSE(OwnerOfToken(*keys, std::string(kTokenSize, 'x')).has_value());
}

// First the new key verifies everywhere, then it signs.
TEST(DialogTokenTest, KeysRotateWithoutLosingADialog) {
  FakeRandom random;
  const auto before = Keys(kOld);
  const auto both = Keys(kOld + "\n" + kNew + "\n");
  const auto after = Keys(kNew + "\n" + kOld);
  for (const auto& signer : {before, both, after}) {
    const std::string token = MintToken(*signer, {9, 1}, random);
    EXPECT_EQ(OwnerOfToken(*both, token)->edge, 9u);
    EXPECT_EQ(OwnerOfToken(*after, token)->edge, 9u);
  }
}

TEST(DialogTokenTest, KeyFiles) {
  EXPECT_EQ(Keys(std::string(32, '\x01'))->all().size(), 1u);
  for (const std::string& bad :
       {std::string(), std::string("\n\n"), std::string(31, 'a'),
        std::string(64, 'g'), kOld + kOld, kOld + "\n" + kNew + "\n" + kOld}) {
    const auto keys = TokenKeys::Parse(bad);
    ASSERT_FALSE(keys.ok());
    EXPECT_EQ(ReasonOf(keys.status()), "TOKEN_KEY_INVALID");
  }
}

TEST(DialogTokenTest, EdgesHaveNumbers) {
  EXPECT_NE(EdgeNumber("edge-0"), EdgeNumber("edge-1"));
  EXPECT_NE(EdgeNumber(""), 0u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
