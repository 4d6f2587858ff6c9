#include "services/capf/core/foreign_list.h"

#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/revocation_list.h"
#include "services/capf/core/test_keys.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/testing/test_indirect_crl.h"

namespace sallyport::capf {
namespace {

using testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

ListAuthority Trusted(const TestAuthority& authority,
                      std::set<std::string> tenants) {
  return {*ParseWholeCertificate(AsBytes(authority.issuer.certificate_der)),
          std::move(tenants)};
}

std::string NewList(const TestAuthority& authority, absl::Time from = kNow,
                    absl::Duration life = absl::Hours(24)) {
  const std::string tbs = *BuildRevocationTbs(
      {.number = 7,
       .this_update = from,
       .next_update = from + life,
       .revoked = {{.serial = "\x01\x02"}, {.serial = "\xff\x03"}}},
      authority.issuer);
  return *AssembleCertificate(
      AsBytes(tbs), SignatureAlgorithmFor(authority.issuer.key.kind()),
      AsBytes(TestSign(authority.key.get(), AsBytes(tbs))));
}

TEST(ForeignListTest, WhoSignedItCounts) {
  const TestAuthority ours = NewTestAuthority(KeyKind::kEcP256, kNow);
  const TestAuthority others = NewTestAuthority(KeyKind::kRsa, kNow);
  SP_ASSERT_OK_AND_ASSIGN(const auto list, ReadFetchedList(NewList(ours)));
  const std::vector<ListAuthority> both = {Trusted(others, {"b"}),
                                           Trusted(ours, {"a"})};
  SP_ASSERT_OK_AND_ASSIGN(const ListAuthority* const signer,
                          SignerOfList(*list, both));
  EXPECT_EQ(signer, &both[1]);
  EXPECT_THAT(SignerOfList(*list, {}), HasReason("CRL_ISSUER_UNKNOWN"));
  // Both bear the same name.
  EXPECT_THAT(SignerOfList(*list, {both.data(), 1}),
              HasReason("CRL_SIGNATURE_INVALID"));
  std::string forged = NewList(ours);
  forged.back() ^= 1;
  SP_ASSERT_OK_AND_ASSIGN(const auto read, ReadFetchedList(forged));
  EXPECT_THAT(SignerOfList(*read, both), HasReason("CRL_SIGNATURE_INVALID"));
}

TEST(ForeignListTest, OnlyWhatIsInForceAndNewerIsTaken) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  const auto list = *ReadFetchedList(NewList(authority));
  const auto older =
      *ReadFetchedList(NewList(authority, kNow - absl::Hours(1)));
  EXPECT_THAT(CheckReplaces(*list, nullptr, kNow), IsOk());
  EXPECT_THAT(CheckReplaces(*list, older.get(), kNow), IsOk());
  EXPECT_THAT(CheckReplaces(*older, list.get(), kNow), HasReason("CRL_OLDER"));
  EXPECT_THAT(CheckReplaces(*list, nullptr, kNow + absl::Hours(24)),
              HasReason("CRL_EXPIRED"));
  EXPECT_THAT(CheckReplaces(*list, nullptr, kNow - absl::Hours(1)),
              HasReason("CRL_NOT_YET_VALID"));
}

// Consumers know issuers by name: a tenant's authority must not revoke what
// another tenant's authority of the same name has issued.
TEST(ForeignListTest, SerialsAreToldUnlessTheNameIsAnothersToo) {
  const TestAuthority ours = NewTestAuthority(KeyKind::kEcP256, kNow);
  const TestAuthority others = NewTestAuthority(KeyKind::kEcP256, kNow);
  const auto list = *ReadFetchedList(NewList(ours));
  const ListAuthority signer = Trusted(ours, {"a"});
  SP_ASSERT_OK_AND_ASSIGN(
      const std::vector<RevokedSerial> told,
      SerialsToTell(*list, nullptr, signer, {&signer, 1}, 100));
  ASSERT_THAT(told, SizeIs(2));
  std::set<std::string> serials;
  for (const RevokedSerial& one : told) {
    EXPECT_EQ(one.issuer_der, ours.issuer.subject_der);
    serials.insert(one.serial);
  }
  EXPECT_EQ(serials, (std::set<std::string>{"\x01\x02", "\xff\x03"}));

  std::vector<ListAuthority> two = {signer, Trusted(others, {"b"})};
  EXPECT_THAT(SerialsToTell(*list, nullptr, signer, two, 100),
              HasReason("CRL_ISSUER_AMBIGUOUS"));
  // A new key of the same authority is no stranger.
  two[1].tenants = {"a"};
  EXPECT_THAT(SerialsToTell(*list, nullptr, signer, two, 100), IsOk());
  EXPECT_THAT(SerialsToTell(*list, nullptr, signer, two, 1),
              HasReason("CRL_TOO_LONG"));
}

// A list about some of its issuer's certificates is told, and vouches for no
// others.
TEST(ForeignListTest, AListVouchesForWhatItIsAbout) {
  const TestAuthority ours = NewTestAuthority(KeyKind::kEcP256, kNow);
  const ListAuthority signer = Trusted(ours, {"a"});
  ParsedCrl list = **ReadFetchedList(NewList(ours));
  const absl::Time until = *list.next_update;
  EXPECT_EQ(CoverageOf(list), (RevocationCoverage{until, until}));
  list.point.emplace();
  EXPECT_EQ(CoverageOf(list), (RevocationCoverage{until, until}));
  list.point->only_user = true;
  EXPECT_EQ(CoverageOf(list),
            (RevocationCoverage{until, absl::InfinitePast()}));
  EXPECT_THAT(SerialsToTell(list, nullptr, signer, {&signer, 1}, 100), IsOk());
  list.point->only_user = false;
  list.point->only_ca = true;
  EXPECT_EQ(CoverageOf(list),
            (RevocationCoverage{absl::InfinitePast(), until}));
  list.point->only_ca = false;
  list.point->has_reasons = true;
  EXPECT_EQ(CoverageOf(list), RevocationCoverage());
  EXPECT_THAT(SerialsToTell(list, nullptr, signer, {&signer, 1}, 100), IsOk());
  list.point->has_reasons = false;
  list.point->relative_name = "partition 7";
  EXPECT_EQ(CoverageOf(list), RevocationCoverage());
  EXPECT_EQ(IndirectCoverageOf(list, signer), RevocationCoverage());
  list.point->relative_name.clear();
  list.point->indirect = true;
  EXPECT_EQ(IndirectCoverageOf(list, signer),
            (RevocationCoverage{until, until}));
  EXPECT_THAT(SerialsToTell(list, nullptr, signer, {&signer, 1}, 100), IsOk());
  list.unknown_critical_extension = true;
  EXPECT_EQ(IndirectCoverageOf(list, signer), RevocationCoverage());
  EXPECT_THAT(SerialsToTell(list, nullptr, signer, {&signer, 1}, 100),
              HasReason("CRL_PARTIAL"));
  list.unknown_critical_extension = false;
  list.point.reset();
  list.base = "1";
  EXPECT_EQ(CoverageOf(list), RevocationCoverage());
  EXPECT_THAT(SerialsToTell(list, nullptr, signer, {&signer, 1}, 100),
              HasReason("CRL_BASE_MISSING"));
}

// RFC 5280 section 5.2.4: base and delta together say what is revoked.
TEST(ForeignListTest, ADeltaListAddsAndTakesAway) {
  const TestAuthority ours = NewTestAuthority(KeyKind::kEcP256, kNow);
  const TestAuthority others = NewTestAuthority(KeyKind::kEcP256, kNow);
  const ListAuthority signer = Trusted(ours, {"a"});
  const auto sign = [](const TestAuthority& by,
                       const RevocationListSpec& spec) {
    const std::string tbs = *BuildRevocationTbs(spec, by.issuer);
    return *ReadFetchedList(*AssembleCertificate(
        AsBytes(tbs), SignatureAlgorithmFor(by.issuer.key.kind()),
        AsBytes(TestSign(by.key.get(), AsBytes(tbs)))));
  };
  const auto delta = [&](const TestAuthority& by, uint64_t number,
                         uint64_t base, const std::string& serial) {
    return sign(by, {.number = number,
                     .this_update = kNow,
                     .next_update = kNow + absl::Hours(1),
                     .revoked = {{.serial = serial}},
                     .base = base});
  };
  const auto base =
      sign(ours, {.number = 0x1ff,
                  .this_update = kNow,
                  .next_update = kNow + absl::Hours(24),
                  .revoked = {{.serial = "\x01"}, {.serial = "\x02"}},
                  .base = {},
                  .delta_url = "http://crl.example.test/a-delta.crl"});
  EXPECT_EQ(DeltaUrlsOf(*base),
            (std::vector<std::string>{"http://crl.example.test/a-delta.crl"}));
  EXPECT_FALSE(base->unknown_critical_extension);

  const auto older = delta(ours, 0x200, 0x100, "\x03");
  const auto newer = delta(ours, 0x1000, 0x1ff, "\x04");
  EXPECT_FALSE(newer->unknown_critical_extension);
  std::vector<std::shared_ptr<const ParsedCrl>> lists = {
      base, newer, older,
      // On top of a list that is newer than ours, from before ours, and by
      // another key of the same name.
      delta(ours, 0x3000, 0x200, "\x05"), delta(ours, 0x1fe, 0x1, "\x06"),
      delta(others, 0x4000, 0x1ff, "\x07")};
  EXPECT_EQ(NewestDelta(*base, signer, lists), newer.get());
  EXPECT_EQ(NewestDelta(*base, signer, {&base, 1}), nullptr);

  const auto told = [&](const ParsedCrl* with) {
    std::set<std::string> serials;
    const auto all = SerialsToTell(*base, with, signer, {&signer, 1}, 100);
    for (const RevokedSerial& one : all.value()) {
      serials.insert(one.serial);
    }
    return serials;
  };
  EXPECT_EQ(told(nullptr), (std::set<std::string>{"\x01", "\x02"}));
  EXPECT_EQ(told(newer.get()), (std::set<std::string>{"\x01", "\x02", "\x04"}));
  ParsedCrl taken = *newer;
  taken.entries.begin()->second = kReasonRemoveFromCrl;
  EXPECT_EQ(told(&taken), (std::set<std::string>{"\x01", "\x02"}));
  for (const auto& [key, reason] : base->entries) {
    taken.entries[key] = kReasonRemoveFromCrl;
    break;
  }
  EXPECT_THAT(told(&taken), SizeIs(1));
  EXPECT_THAT(SerialsToTell(*base, newer.get(), signer, {&signer, 1}, 2),
              HasReason("CRL_TOO_LONG"));
}

// RFC 5280 section 5.2.5: consumers are told whose certificates it is about and
// who says so; and never what a tenant's authority says of another tenant's.
TEST(ForeignListTest, AnIndirectListIsToldAsFarAsItIsBelieved) {
  TestCa root("Root");
  TestCa issuing = root.IssueCa("Issuing");
  TestCa elsewhere("Elsewhere");
  TestCertificateSpec spec = {.common_name = "Lists"};
  spec.basic_constraints = "critical,CA:FALSE";
  spec.key_usage = "critical,cRLSign";
  const TestCertificate lists = root.Issue(spec);
  const auto trusted = [](const TestCertificate& one,
                          std::set<std::string> tenants) {
    return ListAuthority{*ParseWholeCertificate(AsBytes(one.der)),
                         std::move(tenants)};
  };
  std::vector<ListAuthority> all = {trusted(lists, {"a"}),
                                    trusted(root.certificate(), {"a"}),
                                    trusted(issuing.certificate(), {"a"}),
                                    trusted(elsewhere.certificate(), {"a"})};
  const std::string of_issuing = SubjectDer(issuing.certificate());
  const std::string of_elsewhere = SubjectDer(elsewhere.certificate());
  const auto list = *ReadFetchedList(
      IssueIndirectCrl(lists,
                       {{.serial = 1},
                        {.serial = 2, .issuer_der = of_issuing},
                        {.serial = 3},
                        {.serial = 4, .issuer_der = of_elsewhere}},
                       kNow, kNow + absl::Hours(24)));
  SP_ASSERT_OK_AND_ASSIGN(const ListAuthority* const signer,
                          SignerOfList(*list, all));
  EXPECT_EQ(signer, &all[0]);
  using Told = std::set<std::tuple<std::string, std::string, std::string>>;
  const auto told = [&]() -> Told {
    Told out;
    const auto serials = SerialsToTell(*list, nullptr, *signer, all, 100);
    EXPECT_THAT(serials, IsOk());
    if (!serials.ok()) return out;
    for (const RevokedSerial& one : *serials) {
      out.emplace(one.issuer_der, one.serial, one.crl_issuer_der);
    }
    return out;
  };
  const std::string by = SubjectDer(lists);
  // Elsewhere leads to no root of the signer's.
  EXPECT_EQ(
      told(),
      (Told{{by, "", ""}, {of_issuing, "", by}, {of_issuing, "", by}}));
  EXPECT_THAT(IssuersOfIndirect(*list, *signer, all),
              testing::UnorderedElementsAre(&all[1], &all[2]));
  // Another tenant, which has not the signer, trusts the issuer too.
  all[2].tenants.insert("b");
  EXPECT_EQ(told(), (Told{{by, "", ""}}));
  EXPECT_THAT(IssuersOfIndirect(*list, *signer, all),
              testing::ElementsAre(&all[1]));
  all[0].tenants.insert("b");
  EXPECT_THAT(told(), SizeIs(3));
  // Not beyond the life of the signer's certificate.
  spec.not_after = kNow + absl::Hours(1);
  const ListAuthority brief = trusted(root.Issue(spec), {"a"});
  EXPECT_EQ(IndirectCoverageOf(*list, brief).leaf_until, kNow + absl::Hours(1));
  EXPECT_EQ(IndirectCoverageOf(*list, *signer).leaf_until,
            kNow + absl::Hours(24));
  const auto foreign = *ReadFetchedList(
      IssueIndirectCrl(lists, {{.serial = 4, .issuer_der = of_elsewhere}}, kNow,
                       kNow + absl::Hours(24)));
  EXPECT_THAT(SerialsToTell(*foreign, nullptr, *signer, all, 100),
              HasReason("CRL_PARTIAL"));
}

// certificateIssuer is names, or nothing is read.
TEST(ForeignListTest, AnEntrysIssuerIsAName) {
  TestCa root("Root");
  const std::string name = SubjectDer(root.certificate());
  EXPECT_THAT(ReadFetchedList(IssueIndirectCrl(
                  root.certificate(), {{.serial = 1, .issuer_der = name}}, kNow,
                  kNow + absl::Hours(1))),
              IsOk());
  EXPECT_THAT(ReadFetchedList(IssueIndirectCrl(
                  root.certificate(), {{.serial = 1, .issuer_der = ""}}, kNow,
                  kNow + absl::Hours(1))),
              HasReason("CRL_MALFORMED"));
}

// Whoever is in between cannot have one list take another's place.
TEST(ForeignListTest, AListIsReplacedByItsLike) {
  const TestAuthority authority = NewTestAuthority(KeyKind::kEcP256, kNow);
  const auto held = *ReadFetchedList(NewList(authority));
  for (int what = 0; what < 3; ++what) {
    ParsedCrl list = **ReadFetchedList(NewList(authority));
    list.next_update = kNow + absl::Hours(48);
    if (what == 0) list.base = "1";
    if (what == 1) list.point_der = "x";
    if (what == 2) list.issuer_key = "y";
    EXPECT_THAT(CheckReplaces(list, held.get(), kNow),
                HasReason("CRL_OF_ANOTHER_KIND"));
    // Once it is past its time anything is better.
    EXPECT_THAT(CheckReplaces(list, held.get(), kNow + absl::Hours(25)),
                IsOk());
  }
}

TEST(ForeignListTest, WhatIsNoListIsRefused) {
  for (const std::string& bad :
       {std::string(), std::string("<html>not found</html>"),
        std::string("-----BEGIN X509 CRL-----\nnonsense"),
        std::string("\x30\x82\xff\xff", 4)}) {
    EXPECT_THAT(ReadFetchedList(bad), HasReason("CRL_MALFORMED")) << bad;
  }
}

}  // namespace
}  // namespace sallyport::capf
