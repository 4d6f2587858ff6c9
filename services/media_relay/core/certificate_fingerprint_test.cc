#include "services/media_relay/core/certificate_fingerprint.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::media_relay {
namespace {

// FIPS 180-4 example: SHA-256 of "abc".
constexpr char kAbc[] =
    "sha-256 "
    "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:"
    "B4:10:FF:61:F2:00:15:AD";

TEST(CertificateFingerprintTest, Rfc8122ReadsWritesAndCompares) {
  const auto parsed = CertificateFingerprint::Parse(kAbc);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->ToString(), kAbc);
  EXPECT_TRUE(parsed->Matches(AsBytes("abc")));
  EXPECT_FALSE(parsed->Matches(AsBytes("abd")));
  EXPECT_FALSE(parsed->Matches({}));
  EXPECT_EQ(*parsed,
            CertificateFingerprint::Of(CertificateFingerprint::Hash::kSha256,
                                       AsBytes("abc")));
}

TEST(CertificateFingerprintTest, LongerHashesAndAnyCaseAreRead) {
  for (const auto hash : {CertificateFingerprint::Hash::kSha384,
                          CertificateFingerprint::Hash::kSha512}) {
    std::string text =
        CertificateFingerprint::Of(hash, AsBytes("certificate")).ToString();
    for (char& c : text) c = static_cast<char>(std::tolower(c));
    text[0] = 'S';
    const auto parsed = CertificateFingerprint::Parse(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    EXPECT_TRUE(parsed->Matches(AsBytes("certificate")));
    EXPECT_FALSE(parsed->Matches(AsBytes("another")));
  }
}

TEST(CertificateFingerprintTest, WeakHashesAndBrokenTextAreRefused) {
  const std::string good = kAbc;
  for (const std::string& text :
       {std::string(), std::string("sha-256"), std::string("sha-256 "),
        std::string("sha-1 AB:CD:EF:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:"
                    "0F:10:11"),
        std::string("md5 AB:CD:EF:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D"),
        good.substr(0, good.size() - 1), good + ":00", good + "0",
        "sha-384 " + good.substr(8), " " + good, "sha-256  " + good.substr(8),
        "sha-256 G" + good.substr(9), "sha-256 BA-" + good.substr(11)}) {
    EXPECT_FALSE(CertificateFingerprint::Parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sallyport::media_relay
