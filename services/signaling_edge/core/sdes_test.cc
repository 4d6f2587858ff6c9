#include "services/signaling_edge/core/sdes.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr SrtpSuite kAes80 = SrtpSuite::kAesCm128HmacSha1_80;
constexpr char kKey30[] = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw";

// Spells out KEY and S80 in a test case.
std::string Expand(std::string text) {
  const std::pair<std::string, std::string> words[] = {
      {"KEY", kKey30}, {"S80", "AES_CM_128_HMAC_SHA1_80"}};
  for (const auto& [from, to] : words) {
    size_t at = 0;
    while ((at = text.find(from, at)) != std::string::npos) {
      text.replace(at, from.size(), to);
      at += to.size();
    }
  }
  return text;
}

SdpMedia MediaWith(const std::vector<std::string>& cryptos) {
  SdpMedia media;
  for (const std::string& crypto : cryptos) {
    media.attributes.push_back({"crypto", crypto});
  }
  return media;
}

// RFC 4568 section 10.1 gives this attribute.
TEST(SdesTest, ReadsTheExampleOfTheRfc) {
  const auto crypto = ParseSdesCrypto(
      "1 AES_CM_128_HMAC_SHA1_80 "
      "inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32");
  ASSERT_TRUE(crypto.ok()) << crypto.status();
  EXPECT_EQ(crypto->tag, 1u);
  EXPECT_EQ(crypto->suite, kAes80);
  ASSERT_EQ(crypto->keys.size(), 1u);
  EXPECT_EQ(crypto->keys[0].key_salt, "70xwPH5@/,L:S1wY\"~='EpgT%(i_Vc");
  EXPECT_EQ(crypto->keys[0].lifetime, uint64_t{1} << 20);
  EXPECT_EQ(crypto->keys[0].mki, 1u);
  EXPECT_EQ(crypto->keys[0].mki_length, 32);
}

TEST(SdesTest, WritesWhatItRead) {
  const std::string text = Cat("7 AES_CM_128_HMAC_SHA1_32 inline:", kKey30,
                               "|1024|5:1 KDR=0 WSH=64");
  const auto crypto = ParseSdesCrypto(text);
  ASSERT_TRUE(crypto.ok()) << crypto.status();
  EXPECT_EQ(WriteSdesCrypto(*crypto), text);
}

TEST(SdesTest, EverySuiteHasItsExactKeyLength) {
  for (const SrtpSuite suite :
       {kAes80, SrtpSuite::kAesCm128HmacSha1_32,
        SrtpSuite::kAesCm256HmacSha1_80, SrtpSuite::kAesCm256HmacSha1_32,
        SrtpSuite::kAeadAes128Gcm, SrtpSuite::kAeadAes256Gcm}) {
    SdesCrypto crypto;
    crypto.tag = 1;
    crypto.suite = suite;
    crypto.suite_name = SrtpSuiteName(suite);
    EXPECT_EQ(SrtpSuiteFromName(crypto.suite_name), suite);
    for (const int delta : {-1, 0, 1}) {
      crypto.keys = {{std::string(KeySaltLength(suite) + delta, 'k')}};
      const std::string text = WriteSdesCrypto(crypto);
      const auto read = ParseSdesCrypto(text);
      EXPECT_EQ(read.ok(), delta == 0) << text;
      if (read.ok()) {
        EXPECT_EQ(*read, crypto);
      }
    }
  }
}

TEST(SdesTest, PaddingMayBeLeftOut) {
  const auto with = ParseSdesCrypto(
      Cat("1 AEAD_AES_256_GCM inline:", std::string(58, 'A'), "A="));
  const auto without =
      ParseSdesCrypto(Cat("1 AEAD_AES_256_GCM inline:", std::string(59, 'A')));
  ASSERT_TRUE(with.ok()) << with.status();
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(*with, *without);
}

TEST(SdesTest, AnUnknownSuiteIsReadAndNotUsable) {
  const auto crypto = ParseSdesCrypto("1 F8_128_HMAC_SHA1_80 inline:xx");
  ASSERT_TRUE(crypto.ok()) << crypto.status();
  EXPECT_FALSE(crypto->suite.has_value());
  EXPECT_FALSE(IsUsable(*crypto, {kAes80}));
}

class SdesMalformedTest : public testing::TestWithParam<const char*> {};

TEST_P(SdesMalformedTest, IsRefused) {
  const std::string text = Expand(GetParam());
  const auto crypto = ParseSdesCrypto(text);
  ASSERT_FALSE(crypto.ok()) << text;
  EXPECT_EQ(ReasonOf(crypto.status()), "SDES_MALFORMED");
  // A message may be logged: it must never repeat a key.
  EXPECT_EQ(crypto.status().ToString().find(kKey30), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, SdesMalformedTest,
    testing::Values("", "1", "1 S80", "x S80 inline:KEY", "-1 S80 inline:KEY",
                    "1234567890 S80 inline:KEY", "1 S80 KEY",
                    "1 S80 outline:KEY", "1 S80 inline:", "1 S80 inline:KEYA",
                    "1 S80 inline:KEY=", "1 S80 inline:KEY====",
                    "1 S80 inline:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA",
                    "1 S80 inline:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA-",
                    "1 S80 inline:KEY|2^49", "1 S80 inline:KEY|0",
                    "1 S80 inline:KEY|2^", "1 S80 inline:KEY|x",
                    "1 S80 inline:KEY|281474976710657", "1 S80 inline:KEY|1:0",
                    "1 S80 inline:KEY|1:129", "1 S80 inline:KEY|256:1",
                    "1 S80 inline:KEY|:1", "1 S80 inline:KEY|2^20|1:4|9",
                    "1 S80 inline:KEY|1:4|2^20", "1 S80 inline:KEY;inline:KEY",
                    "1 S80 inline:KEY|1:4;inline:KEY|2:2",
                    "1 S80 inline:KEY;"));

TEST(SdesTest, TheOfferersOrderDecides) {  // RFC 4568 section 5.1.2
  const SdpMedia media =
      MediaWith({"1 AES_256_CM_HMAC_SHA1_80 inline:broken",
                 Cat("2 AES_CM_128_HMAC_SHA1_32 inline:", kKey30),
                 Cat("3 AES_CM_128_HMAC_SHA1_80 inline:", kKey30)});
  const auto both =
      ChooseOfferedCrypto(media, {kAes80, SrtpSuite::kAesCm128HmacSha1_32});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->tag, 2u);
  const auto one = ChooseOfferedCrypto(media, {kAes80});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->tag, 3u);
}

TEST(SdesTest, RefusesWeakenedOrUnworkableOffers) {
  for (const char* tail :
       {" UNENCRYPTED_SRTP", " UNENCRYPTED_SRTCP", " UNAUTHENTICATED_SRTP",
        " KDR=5", " FEC_ORDER=FEC_SRTP", "|2^31|1:1", " WHATEVER"}) {
    const SdpMedia media =
        MediaWith({Cat("1 AES_CM_128_HMAC_SHA1_80 inline:", kKey30, tail)});
    EXPECT_EQ(ReasonOf(ChooseOfferedCrypto(media, {kAes80}).status()),
              std::string_view(tail).starts_with(" UN")
                  ? "NULL_CIPHER_NOT_ALLOWED"
                  : "SECURITY_MODE_SRTP_REQUIRED")
        << tail;
  }
}

TEST(SdesTest, RefusesTwoOffersOfOneTag) {
  const std::string crypto = Cat("1 AES_CM_128_HMAC_SHA1_80 inline:", kKey30);
  EXPECT_EQ(
      ReasonOf(
          ChooseOfferedCrypto(MediaWith({crypto, crypto}), {kAes80}).status()),
      "SDES_MALFORMED");
}

TEST(SdesTest, AnAnswerMustBeToOurOffer) {
  const std::string good = Cat("1 AES_CM_128_HMAC_SHA1_80 inline:", kKey30);
  const OfferedSuite offered[] = {{1, kAes80},
                                  {2, SrtpSuite::kAesCm128HmacSha1_32}};
  const auto reason = [&](std::vector<std::string> cryptos) {
    return ReasonOf(AnsweredCrypto(MediaWith(cryptos), offered).status());
  };
  EXPECT_EQ(reason({good}), "");
  EXPECT_EQ(reason({}), "SECURITY_MODE_SRTP_REQUIRED");
  EXPECT_EQ(reason({good, good}), "SDES_ANSWER_AMBIGUOUS");
  EXPECT_EQ(reason({Cat("3", good.substr(1))}), "SDES_TAG_NOT_OFFERED");
  EXPECT_EQ(reason({Cat("2", good.substr(1))}), "SDES_SUITE_NOT_OFFERED");
  EXPECT_EQ(reason({"2 F8_128_HMAC_SHA1_80 inline:x"}),
            "SDES_SUITE_NOT_OFFERED");
  EXPECT_EQ(reason({Cat(good, " KDR=3")}), "SDES_MALFORMED");
  EXPECT_EQ(reason({"1 AES_CM_128_HMAC_SHA1_80 inline:short"}),
            "SDES_MALFORMED");
  for (const char* tail :
       {" UNENCRYPTED_SRTP", " UNENCRYPTED_SRTCP", " UNAUTHENTICATED_SRTP"}) {
    EXPECT_EQ(reason({Cat(good, tail)}), "NULL_CIPHER_NOT_ALLOWED") << tail;
  }
  EXPECT_EQ(reason({"1 NULL_HMAC_SHA1_80 inline:x"}),
            "NULL_CIPHER_NOT_ALLOWED");
}

// "Authenticated" media, as NULL ciphers are called, is offered in vain; beside
// it, a key that protects is taken.
TEST(SdesTest, NullCiphersAreRefusedByTheirName) {
  const std::string null_suite = Cat("1 NULL_HMAC_SHA1_80 inline:", kKey30);
  EXPECT_EQ(
      ReasonOf(ChooseOfferedCrypto(MediaWith({null_suite}), {kAes80}).status()),
      "NULL_CIPHER_NOT_ALLOWED");
  EXPECT_EQ(
      ReasonOf(ChooseOfferedCrypto(
                   MediaWith({"1 F8_128_HMAC_SHA1_80 inline:x"}), {kAes80})
                   .status()),
      "SECURITY_MODE_SRTP_REQUIRED");
  const auto chosen = ChooseOfferedCrypto(
      MediaWith({null_suite, Cat("2 AES_CM_128_HMAC_SHA1_80 inline:", kKey30)}),
      {kAes80});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->tag, 2u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
