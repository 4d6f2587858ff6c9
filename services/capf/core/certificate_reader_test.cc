#include "services/capf/core/certificate_reader.h"

#include <optional>
#include <string>

#include "absl/time/civil_time.h"
#include "gtest/gtest.h"
#include "services/capf/core/certificate_lint.h"
#include "services/capf/core/test_keys.h"
#include "services/common/random/fake_random.h"

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

CertificateSpec Spec(ProfileId profile, const PublicKey& key) {
  FakeRandom random(9);
  CertificateSpec spec{.profile = profile,
                       .serial = DrawSerial(1, random),
                       .subject = {.country = "DE",
                                   .state = "Bayern",
                                   .locality = "München",
                                   .organization = "Example",
                                   .organizational_unit = "Voice",
                                   .common_name = "SEP001122334455"},
                       .names = {},
                       .key = key,
                       .not_before = kNow - absl::Hours(1),
                       .not_after = kNow + absl::Hours(24 * 30)};
  if (profile == ProfileId::kSipServer) {
    spec.names.dns_names = {"edge.example.test", "b.example.test"};
    spec.names.uris = {"sip:example.test"};
  }
  if (profile == ProfileId::kPhoneServer || profile == ProfileId::kCapfServer) {
    spec.names.ip_addresses = {"\x0a\x01\x02\x03"};
  }
  if (profile == ProfileId::kService) spec.names.uris = {"spiffe://td/capf"};
  return spec;
}

PublicKey KeyOf(KeyKind kind, int rsa_bits = 2048) {
  return *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(kind, rsa_bits).get())),
      KeyPolicy{.min_rsa_bits = 1024});
}

// Two readers that share nothing agree on every profile, kind of key and issuer
// that there is: what this one takes, BoringSSL's parser takes too.
TEST(CertificateReaderTest, WhatItTakesTheLongWayTakes) {
  for (const KeyKind by :
       {KeyKind::kEcP256, KeyKind::kEcP384, KeyKind::kEcP521, KeyKind::kRsa}) {
    const std::optional<Issuer> issuer = NewTestAuthority(by, kNow).issuer;
    for (const ProfileId profile :
         {ProfileId::kLsc, ProfileId::kSipServer, ProfileId::kService,
          ProfileId::kClient, ProfileId::kPhoneServer, ProfileId::kCtlSigner,
          ProfileId::kCapfServer}) {
      for (const KeyKind kind : {KeyKind::kEcP256, KeyKind::kRsa}) {
        CertificateSpec spec = Spec(profile, KeyOf(kind));
        for (const char* url : {"", "http://crl.example.test/a/b-1.crl"}) {
          spec.crl_url = url;
          const std::string tbs = *BuildTbs(spec, issuer);
          EXPECT_TRUE(ReadsAsMeant(AsBytes(tbs), spec, issuer, kNow));
          EXPECT_TRUE(LintSlowly(AsBytes(tbs), {spec, issuer, kNow}).empty());
        }
      }
    }
  }
  for (const ProfileId profile : {ProfileId::kAuthority, ProfileId::kRoot}) {
    const CertificateSpec spec = Spec(profile, KeyOf(KeyKind::kEcP256));
    const std::string tbs = *BuildTbs(spec, std::nullopt);
    EXPECT_TRUE(ReadsAsMeant(AsBytes(tbs), spec, std::nullopt, kNow));
  }
}

// Nothing in the bytes is free, whatever the long way says.
TEST(CertificateReaderTest, NoOctetCanBeAnother) {
  const std::optional<Issuer> issuer =
      NewTestAuthority(KeyKind::kEcP256, kNow).issuer;
  CertificateSpec spec = Spec(ProfileId::kSipServer, KeyOf(KeyKind::kEcP256));
  spec.crl_url = "http://crl.example.test/1.crl";
  std::string tbs = *BuildTbs(spec, issuer);
  for (size_t i = 0; i < tbs.size(); ++i) {
    const char kept = tbs[i];
    for (int value = 0; value < 256; ++value) {
      tbs[i] = static_cast<char>(value);
      if (tbs[i] == kept) continue;
      EXPECT_FALSE(ReadsAsMeant(AsBytes(tbs), spec, issuer, kNow))
          << "octet " << i << " to " << value;
    }
    tbs[i] = kept;
  }
  for (size_t size = 0; size < tbs.size(); ++size) {
    EXPECT_FALSE(
        ReadsAsMeant(AsBytes(tbs).subspan(0, size), spec, issuer, kNow));
  }
  EXPECT_FALSE(ReadsAsMeant(AsBytes(tbs + "x"), spec, issuer, kNow));
}

TEST(CertificateReaderTest, RulesHoldEvenForWhatWasMeant) {
  const std::optional<Issuer> issuer =
      NewTestAuthority(KeyKind::kEcP256, kNow).issuer;
  const auto reads = [&](const CertificateSpec& spec) {
    return ReadsAsMeant(AsBytes(*BuildTbs(spec, issuer)), spec, issuer, kNow);
  };
  const CertificateSpec good = Spec(ProfileId::kLsc, KeyOf(KeyKind::kEcP256));
  ASSERT_TRUE(reads(good));
  CertificateSpec bad = good;
  bad.serial = "\x01short";
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.serial[0] = static_cast<char>(0x81);
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.key = KeyOf(KeyKind::kRsa, 1024);
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.key = issuer->key;
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.not_before = kNow + absl::Seconds(1);
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.not_before = kNow - absl::Hours(49);
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.not_after = kNow + absl::Hours(24 * 3651);
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.subject.common_name = "gw.example.test";
  EXPECT_FALSE(reads(bad));
  bad = good;
  bad.names.dns_names = {"gw.example.test"};
  EXPECT_FALSE(reads(bad));
}

// Leap days, ends of years, and the change of the form at 2050.
TEST(CertificateReaderTest, TimesOfEveryKindAreRead) {
  std::optional<Issuer> issuer =
      NewTestAuthority(KeyKind::kEcP256, kNow).issuer;
  issuer->not_before = absl::FromUnixSeconds(0);
  issuer->not_after = absl::FromUnixSeconds(32503680000);  // 3000
  CertificateSpec spec = Spec(ProfileId::kLsc, KeyOf(KeyKind::kEcP256));
  for (const absl::CivilSecond day :
       {absl::CivilSecond(2000, 2, 29), absl::CivilSecond(2024, 2, 29),
        absl::CivilSecond(2026, 12, 31, 23, 59, 59),
        absl::CivilSecond(2049, 12, 31, 23, 59, 59),
        absl::CivilSecond(2050, 1, 1), absl::CivilSecond(2100, 3, 1),
        absl::CivilSecond(2400, 2, 29, 12, 34, 56)}) {
    spec.not_before = absl::FromCivil(day, absl::UTCTimeZone());
    spec.not_after = spec.not_before + absl::Hours(24 * 300);
    const std::string tbs = *BuildTbs(spec, issuer);
    EXPECT_TRUE(ReadsAsMeant(AsBytes(tbs), spec, issuer, spec.not_before))
        << day;
  }
}

}  // namespace
}  // namespace sallyport::capf
