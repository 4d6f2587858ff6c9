#include "services/capf/core/certificate_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::capf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

CandidateCertificate Good(std::string name, CertificateKind kind, int days) {
  return {.sha256 = std::move(name),
          .kind = kind,
          .not_before = kNow - absl::Hours(24),
          .not_after = kNow + absl::Hours(24) * days,
          .names_server = true,
          .server_auth = true,
          .has_private_key = true,
          .reaches_trusted_root = true,
          .revoked = false,
          .expired_issuer = false};
}

// UM-117, UM-118, in every order in which the four could be given.
TEST(CertificateChoiceTest, OrderOfTheDocumentWhateverTheOrderGiven) {
  std::vector<CandidateCertificate> candidates = {
      Good("a", CertificateKind::kPki, 300),
      Good("b", CertificateKind::kCommercial, 100),
      Good("c", CertificateKind::kSelfSigned, 900),
      Good("d", CertificateKind::kSelfSigned, 50)};
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    std::vector<CandidateCertificate> given;
    for (const size_t i : order) given.push_back(candidates[i]);
    const CertificateChoice choice = ChooseCertificate(given, kNow);
    ASSERT_TRUE(choice.chosen.has_value());
    std::string ranking;
    for (const RankedCandidate& ranked : choice.ranking) {
      ranking += given[ranked.index].sha256;
    }
    EXPECT_EQ(ranking, "abcd");
    EXPECT_EQ(choice.ranking[1].verdict, ChoiceVerdict::kExpiresSooner);
    EXPECT_EQ(choice.ranking[2].verdict, ChoiceVerdict::kSelfSignedComesLater);
  } while (std::next_permutation(order.begin(), order.end()));
}

// UM-116: among them a chain that reaches no root of the store.
TEST(CertificateChoiceTest, EachFaultIsNamedAndKeepsItOut) {
  const auto verdict = [](auto spoil) {
    CandidateCertificate bad = Good("bad", CertificateKind::kPki, 900);
    spoil(bad);
    const std::vector<CandidateCertificate> given = {
        bad, Good("fallback", CertificateKind::kSelfSigned, 1)};
    const CertificateChoice choice = ChooseCertificate(given, kNow);
    EXPECT_EQ(choice.chosen, 1u);
    return choice.ranking[1].verdict;
  };
  using C = CandidateCertificate;
  EXPECT_EQ(verdict([](C& c) { c.has_private_key = false; }),
            ChoiceVerdict::kNoPrivateKey);
  EXPECT_EQ(verdict([](C& c) { c.revoked = true; }), ChoiceVerdict::kRevoked);
  EXPECT_EQ(verdict([](C& c) { c.not_after = kNow - absl::Seconds(1); }),
            ChoiceVerdict::kExpired);
  EXPECT_EQ(verdict([](C& c) { c.not_before = kNow + absl::Seconds(1); }),
            ChoiceVerdict::kNotYetValid);
  EXPECT_EQ(verdict([](C& c) { c.expired_issuer = true; }),
            ChoiceVerdict::kIssuerExpired);
  EXPECT_EQ(verdict([](C& c) { c.names_server = false; }),
            ChoiceVerdict::kNameMismatch);
  EXPECT_EQ(verdict([](C& c) { c.server_auth = false; }),
            ChoiceVerdict::kUsageMismatch);
  EXPECT_EQ(verdict([](C& c) { c.reaches_trusted_root = false; }),
            ChoiceVerdict::kRootNotTrusted);
}

TEST(CertificateChoiceTest, TheLastSecondStillCounts) {
  CandidateCertificate last = Good("a", CertificateKind::kPki, 0);
  last.not_after = kNow;
  EXPECT_TRUE(ChooseCertificate({last}, kNow).chosen.has_value());
  EXPECT_FALSE(
      ChooseCertificate({last}, kNow + absl::Seconds(1)).chosen.has_value());
}

// UM-109: then one is made.
TEST(CertificateChoiceTest, NoneIsChosenWhereNoneIsValid) {
  CandidateCertificate bad = Good("a", CertificateKind::kPki, 10);
  bad.revoked = true;
  const CertificateChoice choice = ChooseCertificate({bad}, kNow);
  EXPECT_FALSE(choice.chosen.has_value());
  EXPECT_EQ(choice.ranking[0].verdict, ChoiceVerdict::kRevoked);
  EXPECT_FALSE(ChooseCertificate({}, kNow).chosen.has_value());
}

TEST(CertificateChoiceTest, TiesAreDecidedTheSameEverywhere) {
  const std::vector<CandidateCertificate> one = {
      Good("b", CertificateKind::kPki, 10),
      Good("a", CertificateKind::kPki, 10)};
  const std::vector<CandidateCertificate> two = {one[1], one[0]};
  EXPECT_EQ(one[*ChooseCertificate(one, kNow).chosen].sha256, "a");
  EXPECT_EQ(two[*ChooseCertificate(two, kNow).chosen].sha256, "a");
}

}  // namespace
}  // namespace sallyport::capf
