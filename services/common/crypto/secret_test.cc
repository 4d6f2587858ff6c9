#include "services/common/crypto/secret.h"

#include <ostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"

namespace sallyport {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

TEST(SecretTest, MovesButDoesNotCopyAndHasNoPrinter) {
  static_assert(!std::is_copy_constructible_v<Secret>);
  static_assert(!std::is_copy_assignable_v<Secret>);
  static_assert(std::is_nothrow_move_constructible_v<Secret>);
  static_assert(!Printable<Secret>);
  static_assert(!std::is_convertible_v<Secret, std::string>);
  Secret a = Secret::CopyOf("key");
  Secret b = std::move(a);
  EXPECT_EQ(b.DangerousText(), "key");
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): emptied by us
  a = std::move(b);
  EXPECT_EQ(a.DangerousText(), "key");
  EXPECT_TRUE(b.empty());  // NOLINT(bugprone-use-after-move): emptied by us
}

TEST(SecretTest, ComparesByContent) {
  EXPECT_TRUE(Secret::CopyOf("one") == Secret::CopyOf("one"));
  EXPECT_FALSE(Secret::CopyOf("one") == Secret::CopyOf("two"));
  EXPECT_FALSE(Secret::CopyOf("one") == Secret());
  EXPECT_TRUE(Secret() == Secret::CopyOf(""));
}

TEST(SecretTest, TakeZeroesTheOriginal) {
  std::string text = "a password longer than the small string";
  const char* const place = text.data();
  const size_t size = text.size();
  const Secret secret = Secret::Take(std::move(text));
  EXPECT_EQ(secret.size(), size);
  EXPECT_TRUE(text.empty());  // NOLINT(bugprone-use-after-move): the point
  // The capacity is still the string's, so this memory is ours to look at.
  ASSERT_EQ(text.data(), place);
  EXPECT_EQ(secret.DangerousText(), "a password longer than the small string");
}

TEST(SecretTest, RandomTakesFromTheSource) {
  FakeRandom random;
  random.Push("\x01\x02\x03\x04");
  EXPECT_TRUE(Secret::Random(random, 4) == Secret::CopyOf("\x01\x02\x03\x04"));
  EXPECT_TRUE(Secret::Random(random, 0).empty());
}

TEST(SecretTest, CloneIsEqualAndSeparate) {
  Secret a = Secret::CopyOf("key");
  const Secret b = a.Clone();
  EXPECT_TRUE(a == b);
  EXPECT_NE(a.DangerousBytes().data(), b.DangerousBytes().data());
}

}  // namespace
}  // namespace sallyport
