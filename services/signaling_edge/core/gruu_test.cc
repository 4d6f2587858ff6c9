#include "services/signaling_edge/core/gruu.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kUrn[] = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

class GruuTest : public testing::Test {
 protected:
  GruuTest() {
    phone_.instance = Cat("<", kUrn, ">");
    phone_.call_id = "c1";
  }
  std::optional<GruuDevice> Read(const std::string& text) const {
    const auto uri = ParseSipUri(text);
    EXPECT_TRUE(uri.ok()) << text;
    return gruus_.Read(*uri);
  }

  FakeRandom random_;
  std::shared_ptr<const TokenKeys> keys_ =
      *TokenKeys::Parse(std::string(64, 'a'));
  TemporaryGruus gruus_{keys_.get(), random_};
  Binding phone_;
};

TEST_F(GruuTest, PublicOnesNameUserAndDevice) {  // RFC 5627 section 9
  const std::string gruu = PublicGruu("callee", "example.com", phone_.instance);
  EXPECT_EQ(gruu, Cat("sip:callee@example.com;gr=", kUrn));
  const auto device = Read(gruu);
  ASSERT_TRUE(device.has_value());
  EXPECT_FALSE(device->temporary());
  EXPECT_TRUE(gruus_.IsOf(*device, phone_));
  Binding other = phone_;
  other.call_id = "c2";
  EXPECT_TRUE(gruus_.IsOf(*device, other)) << "it outlives a registration";
  other.instance = "<urn:uuid:2>";
  EXPECT_FALSE(gruus_.IsOf(*device, other));
  EXPECT_FALSE(Read("sip:callee@example.com").has_value());
  // What a device writes into its name cannot break out of the parameter.
  EXPECT_EQ(PublicGruu("a", "b.test", "<x;y=\" >"),
            "sip:a@b.test;gr=x%3By%3D%22%20");
}

TEST_F(GruuTest, TemporaryOnesNameThemToUsAlone) {
  std::set<std::string> all;
  for (int i = 0; i < 20; ++i) {
    const std::string gruu = gruus_.Make("callee", "example.com", phone_);
    EXPECT_TRUE(all.insert(gruu).second) << "each is another";
    EXPECT_EQ(gruu.substr(0, 10), "sip:tgruu.");
    EXPECT_EQ(gruu.substr(gruu.size() - 15), "@example.com;gr");
    EXPECT_EQ(gruu.find("callee"), std::string::npos);
    const auto device = Read(gruu);
    ASSERT_TRUE(device.has_value());
    EXPECT_EQ(device->username, "callee");
    EXPECT_TRUE(gruus_.IsOf(*device, phone_));
  }
  // The length tells nothing of short names.
  EXPECT_EQ(gruus_.Make("a", "example.com", phone_).size(),
            gruus_.Make("fifteen-letters", "example.com", phone_).size());
}

TEST_F(GruuTest, AnotherCallIdEndsTemporaryOnes) {  // section 5.2
  const auto device = Read(gruus_.Make("callee", "example.com", phone_));
  ASSERT_TRUE(device.has_value());
  phone_.call_id = "c2";
  EXPECT_FALSE(gruus_.IsOf(*device, phone_));
}

TEST_F(GruuTest, WhatWasChangedOrIsAnothersIsNone) {
  const std::string gruu = gruus_.Make("callee", "example.com", phone_);
  for (size_t i = 10; i < gruu.size() - 15; i += 7) {
    std::string changed = gruu;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Read(changed).has_value()) << i;
  }
  EXPECT_FALSE(Read("sip:tgruu.@example.com;gr").has_value());
  EXPECT_FALSE(Read("sip:tgruu.AAAA@example.com;gr").has_value());
  EXPECT_FALSE(Read("sip:callee@example.com;gr").has_value());
  const auto others = *TokenKeys::Parse(std::string(64, 'b'));
  TemporaryGruus elsewhere(others.get(), random_);
  EXPECT_FALSE(elsewhere.Read(*ParseSipUri(gruu)).has_value());
  TemporaryGruus none(nullptr, random_);
  EXPECT_EQ(none.Make("callee", "example.com", phone_), "");
  EXPECT_FALSE(none.Read(*ParseSipUri(gruu)).has_value());
  phone_.instance.clear();
  EXPECT_EQ(gruus_.Make("callee", "example.com", phone_), "");
}

}  // namespace
}  // namespace sallyport::signaling_edge
