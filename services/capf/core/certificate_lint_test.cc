#include "services/capf/core/certificate_lint.h"

#include <openssl/bytestring.h>
#include <openssl/mem.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/random/fake_random.h"

namespace sallyport::capf {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1795255200);

// Built once: keys are slow.
struct Fixture {
  TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  PublicKey ec = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kEcP256).get())), KeyPolicy{});
  PublicKey rsa = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kRsa).get())), KeyPolicy{});
  PublicKey weak = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kRsa, 1024).get())),
      KeyPolicy{.min_rsa_bits = 1024});
  std::optional<Issuer> issuer = authority.issuer;
};

const Fixture& Shared() {
  static const Fixture* const fixture = new Fixture;
  return *fixture;
}

CertificateSpec GoodSpec(ProfileId profile, const PublicKey& key) {
  FakeRandom random(9);
  CertificateSpec spec{
      .profile = profile,
      .serial = DrawSerial(1, random),
      .subject = {.organization = "Example", .common_name = "SEP001122334455"},
      .names = {},
      .key = key,
      .not_before = kNow - absl::Hours(1),
      .not_after = kNow + absl::Hours(24 * 30)};
  if (profile == ProfileId::kSipServer) {
    spec.names.dns_names = {"edge.example.test"};
  }
  if (profile == ProfileId::kService) {
    spec.names.uris = {"spiffe://td/capf"};
  }
  return spec;
}

TEST(CertificateLintTest, WhatWeBuildPasses) {
  for (const ProfileId profile : {ProfileId::kLsc, ProfileId::kSipServer,
                                  ProfileId::kService, ProfileId::kClient}) {
    for (const PublicKey* key : {&Shared().ec, &Shared().rsa}) {
      const CertificateSpec spec = GoodSpec(profile, *key);
      const auto tbs = BuildTbs(spec, Shared().issuer);
      ASSERT_TRUE(tbs.ok());
      EXPECT_THAT(LintCertificate(AsBytes(*tbs), {spec, Shared().issuer, kNow}),
                  IsEmpty());
    }
  }
  const CertificateSpec spec = GoodSpec(ProfileId::kAuthority, Shared().ec);
  const auto tbs = BuildTbs(spec, std::nullopt);
  ASSERT_TRUE(tbs.ok());
  const std::optional<Issuer> none;
  EXPECT_THAT(LintCertificate(AsBytes(*tbs), {spec, none, kNow}), IsEmpty());
}

// Each row builds a certificate with one fault and lints it against what it
// should have been.
struct Row {
  const char* rule;
  std::function<void(CertificateSpec&)> break_it;
  ProfileId profile = ProfileId::kLsc;
};

TEST(CertificateLintTest, EachFaultHasItsRule) {
  const Row rows[] = {
      {"serial_length", [](CertificateSpec& s) { s.serial = "\x01short"; }},
      {"serial_length",
       [](CertificateSpec& s) { s.serial = std::string(21, '\x01'); }},
      {"serial_sign",
       [](CertificateSpec& s) { s.serial[0] = static_cast<char>(0x81); }},
      {"serial_sign", [](CertificateSpec& s) { s.serial = std::string(1, 0); }},
      {"serial_mismatch", [](CertificateSpec& s) { s.serial.back() ^= 1; }},
      {"subject_mismatch",
       [](CertificateSpec& s) { s.subject.common_name = "SEP999"; }},
      {"subject_mismatch",
       [](CertificateSpec& s) { s.subject.organizational_unit = "More"; }},
      {"subject_empty",
       [](CertificateSpec& s) { s.subject.common_name.clear(); }},
      {"validity_order",
       [](CertificateSpec& s) { s.not_after = s.not_before; }},
      {"validity_too_long",
       [](CertificateSpec& s) {
         s.not_after = s.not_before + absl::Hours(24 * 3560);
       }},
      {"validity_backdated",
       [](CertificateSpec& s) { s.not_before = kNow - absl::Hours(49); }},
      {"validity_future",
       [](CertificateSpec& s) { s.not_before = kNow + absl::Seconds(1); }},
      {"validity_outlives",
       [](CertificateSpec& s) { s.not_after = kNow + absl::Hours(24 * 3651); }},
      {"key_weak", [](CertificateSpec& s) { s.key = Shared().weak; }},
      {"key_mismatch", [](CertificateSpec& s) { s.key = Shared().rsa; }},
      {"key_is_issuers",
       [](CertificateSpec& s) { s.key = Shared().issuer->key; }},
      {"key_usage", [](CertificateSpec& s) { s.key = Shared().rsa; }},
      {"subject_key_id", [](CertificateSpec& s) { s.key = Shared().rsa; }},
      {"ca_true",
       [](CertificateSpec& s) { s.profile = ProfileId::kAuthority; }},
      {"key_usage",
       [](CertificateSpec& s) { s.profile = ProfileId::kAuthority; }},
      {"extended_key_usage",
       [](CertificateSpec& s) { s.profile = ProfileId::kClient; }},
      {"crl_point", [](CertificateSpec& s) { s.crl_url = "http://a/b"; }},
      {"san_shape",
       [](CertificateSpec& s) { s.names.dns_names = {"gw.example.test"}; }},
      {"san_mismatch",
       [](CertificateSpec& s) { s.names.dns_names = {"gw.example.test"}; }},
      {"san_shape",
       [](CertificateSpec& s) { s.names.dns_names = {"*.example.test"}; },
       ProfileId::kSipServer},
      {"san_mismatch",
       [](CertificateSpec& s) { s.names.dns_names.push_back("b.test"); },
       ProfileId::kSipServer},
      {"san_shape", [](CertificateSpec& s) { s.names = {}; },
       ProfileId::kService},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.rule);
    const CertificateSpec wanted = GoodSpec(row.profile, Shared().ec);
    CertificateSpec built = wanted;
    row.break_it(built);
    const auto tbs = BuildTbs(built, Shared().issuer);
    ASSERT_TRUE(tbs.ok());
    EXPECT_THAT(LintCertificate(AsBytes(*tbs), {wanted, Shared().issuer, kNow}),
                Contains(row.rule));
  }
}

// Every octet of every field broken in turn: none gets past the lint, which
// knows what the certificate should have been, and none breaks it.
TEST(CertificateLintTest, NoOctetCanBeAnother) {
  for (const ProfileId profile : {ProfileId::kLsc, ProfileId::kSipServer}) {
    const CertificateSpec spec = GoodSpec(profile, Shared().ec);
    const auto tbs = BuildTbs(spec, Shared().issuer);
    ASSERT_TRUE(tbs.ok());
    std::string broken = *tbs;
    for (size_t i = 0; i < broken.size(); ++i) {
      for (const char mask : {'\x01', '\x20', '\x80'}) {
        broken[i] = static_cast<char>(broken[i] ^ mask);
        EXPECT_FALSE(
            LintCertificate(AsBytes(broken), {spec, Shared().issuer, kNow})
                .empty())
            << "octet " << i << " mask " << static_cast<int>(mask);
        broken[i] = static_cast<char>(broken[i] ^ mask);
      }
    }
  }
}

TEST(CertificateLintTest, WrongIssuerShows) {
  const CertificateSpec spec = GoodSpec(ProfileId::kLsc, Shared().ec);
  const std::optional<Issuer> other =
      NewTestAuthority(KeyKind::kEcP384, kNow).issuer;
  const auto tbs = BuildTbs(spec, other);
  ASSERT_TRUE(tbs.ok());
  const auto findings =
      LintCertificate(AsBytes(*tbs), {spec, Shared().issuer, kNow});
  EXPECT_THAT(findings, Contains("signature_algorithm"));
  EXPECT_THAT(findings, Contains("authority_key_id"));
  // Self-signed where an issuer was meant: another name too.
  const auto self_signed = BuildTbs(spec, std::nullopt);
  ASSERT_TRUE(self_signed.ok());
  EXPECT_THAT(
      LintCertificate(AsBytes(*self_signed), {spec, Shared().issuer, kNow}),
      Contains("issuer_mismatch"));
}

TEST(CertificateLintTest, AnAuthorityMustBeOne) {
  const CertificateSpec wanted = GoodSpec(ProfileId::kAuthority, Shared().ec);
  CertificateSpec built = wanted;
  built.profile = ProfileId::kLsc;
  const auto tbs = BuildTbs(built, std::nullopt);
  ASSERT_TRUE(tbs.ok());
  const std::optional<Issuer> none;
  EXPECT_THAT(LintCertificate(AsBytes(*tbs), {wanted, none, kNow}),
              Contains("ca_false"));
}

TEST(CertificateLintTest, OnlyOneDerFormPasses) {
  const CertificateSpec spec = GoodSpec(ProfileId::kLsc, Shared().ec);
  const auto tbs = BuildTbs(spec, Shared().issuer);
  ASSERT_TRUE(tbs.ok());
  const LintContext context{spec, Shared().issuer, kNow};
  EXPECT_THAT(LintCertificate({}, context), ElementsAre("malformed"));
  EXPECT_THAT(LintCertificate(AsBytes(*tbs + "x"), context),
              ElementsAre("malformed"));
  EXPECT_THAT(LintCertificate(AsBytes(std::string(20000, '0')), context),
              ElementsAre("malformed"));
  // Every single-octet change is noticed: nothing in the bytes is free.
  for (size_t i = 0; i < tbs->size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = *tbs;
      changed[i] = static_cast<char>(value);
      if (changed == *tbs) continue;
      EXPECT_FALSE(LintCertificate(AsBytes(changed), context).empty())
          << "octet " << i << " " << int{static_cast<uint8_t>((*tbs)[i])}
          << " to " << value;
    }
  }
}

// `tbs` with one more extension at the end of its list.
std::string WithExtension(const std::string& tbs, std::string_view extension) {
  // The extensions are [3]{SEQUENCE{...}} at the end, so both lengths and the
  // outer one grow; written by parsing and copying.
  CBS input, body;
  CBS_init(&input, reinterpret_cast<const uint8_t*>(tbs.data()), tbs.size());
  EXPECT_TRUE(CBS_get_asn1(&input, &body, CBS_ASN1_SEQUENCE));
  bssl::ScopedCBB cbb;
  CBB out, outer, list;
  EXPECT_TRUE(CBB_init(cbb.get(), tbs.size() + 64));
  EXPECT_TRUE(CBB_add_asn1(cbb.get(), &out, CBS_ASN1_SEQUENCE));
  while (CBS_len(&body) > 0) {
    CBS element;
    unsigned tag = 0;
    EXPECT_TRUE(CBS_get_any_asn1_element(&body, &element, &tag, nullptr));
    if (tag != (CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3)) {
      EXPECT_TRUE(CBB_add_bytes(&out, CBS_data(&element), CBS_len(&element)));
      continue;
    }
    CBS inner, sequence;
    EXPECT_TRUE(CBS_get_asn1(&element, &inner, tag));
    EXPECT_TRUE(CBS_get_asn1(&inner, &sequence, CBS_ASN1_SEQUENCE));
    EXPECT_TRUE(CBB_add_asn1(&out, &outer, tag));
    EXPECT_TRUE(CBB_add_asn1(&outer, &list, CBS_ASN1_SEQUENCE));
    EXPECT_TRUE(CBB_add_bytes(&list, CBS_data(&sequence), CBS_len(&sequence)));
    EXPECT_TRUE(
        CBB_add_bytes(&list, reinterpret_cast<const uint8_t*>(extension.data()),
                      extension.size()));
    EXPECT_TRUE(CBB_flush(&out));
  }
  uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_TRUE(CBB_finish(cbb.get(), &data, &size));
  bssl::UniquePtr<uint8_t> owner(data);
  return ToString(ByteSpan(data, size));
}

TEST(CertificateLintTest, StrangeAndDoubledExtensionsShow) {
  const CertificateSpec spec = GoodSpec(ProfileId::kLsc, Shared().ec);
  const auto tbs = BuildTbs(spec, Shared().issuer);
  ASSERT_TRUE(tbs.ok());
  const LintContext context{spec, Shared().issuer, kNow};
  // 1.2.3 with an empty octet string.
  const std::string_view strange("\x30\x06\x06\x02\x2a\x03\x04\x00", 8);
  EXPECT_THAT(LintCertificate(AsBytes(WithExtension(*tbs, strange)), context),
              Contains("extension_unknown"));
  // A second basicConstraints, CA:TRUE.
  const std::string_view second(
      "\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff",
      17);
  EXPECT_FALSE(
      LintCertificate(AsBytes(WithExtension(*tbs, second)), context).empty());
}

}  // namespace
}  // namespace sallyport::capf
