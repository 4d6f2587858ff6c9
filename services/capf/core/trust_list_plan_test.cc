#include "services/capf/core/trust_list_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/capf/core/test_trust_list.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

using ::testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

PhoneNode Node(const TestIdentity& identity) {
  return {.dns_name = "cm1.example.test",
          .ip_address = std::string("\xc0\x00\x02\x09", 4),
          .certificate_der = identity.certificate};
}

std::vector<std::string> Roles(const TrustList& list) {
  std::vector<std::string> out;
  for (const TrustListRecord& record : list.records) {
    out.push_back(TrustListRoleName(record.role));
  }
  return out;
}

class TrustListPlanTest : public testing::Test {
 protected:
  TrustListPlanTest() {
    cluster_.signers = {one_.certificate, two_.certificate};
    cluster_.call_managers = {Node(manager_)};
    cluster_.tftp = {Node(one_)};
    cluster_.capf = {Node(manager_)};
    cluster_.tvs = {Node(manager_)};
  }
  TrustList Compose(TrustListKind kind) {
    const auto list =
        ComposeTrustList(kind, cluster_, SignedFileDigest::kSha1, 256, kNow);
    EXPECT_TRUE(list.ok()) << list.status();
    return list.value_or(TrustList());
  }

  const TestIdentity one_ = NewTestIdentity("SAST-1", 11);
  const TestIdentity two_ = NewTestIdentity("SAST-2", 12);
  const TestIdentity manager_ = NewTestIdentity("cm1.example.test", 13);
  ClusterTrust cluster_;
};

// research/pki.md section 1.7.
TEST_F(TrustListPlanTest, TvsIsInTheItlOnly) {
  EXPECT_THAT(Roles(Compose(TrustListKind::kCtl)),
              ElementsAre("SAST", "SAST", "CCM", "TFTP", "CAPF"));
  EXPECT_THAT(Roles(Compose(TrustListKind::kItl)),
              ElementsAre("SAST", "SAST", "CCM", "TFTP", "CAPF", "TVS"));
}

TEST_F(TrustListPlanTest, TheListCarriesTheClustersMode) {
  cluster_.mode = ClusterSecurityMode::kNonSecure;
  EXPECT_EQ(Compose(TrustListKind::kCtl).cluster_mode(),
            ClusterSecurityMode::kNonSecure);
  EXPECT_FALSE(Compose(TrustListKind::kCtl).records[4].certificate.empty())
      << "signers and CAPF stay as they are";
  EXPECT_EQ(Compose(TrustListKind::kItl).cluster_mode(),
            ClusterSecurityMode::kMixed);
  cluster_.mode = ClusterSecurityMode::kMixed;
  EXPECT_EQ(Compose(TrustListKind::kCtl).cluster_mode(),
            ClusterSecurityMode::kMixed);
}

TEST_F(TrustListPlanTest, SignedItVerifies) {
  const std::string file = SignedTestList(Compose(TrustListKind::kItl), one_);
  const auto verified = VerifyTrustList(AsBytes(file));
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->list.header.file_name, "ITLFile.tlv");
  EXPECT_EQ(verified->list.header.timestamp, 1800000000u);
}

TEST_F(TrustListPlanTest, OneOrTwoSigners) {
  cluster_.signers.push_back(manager_.certificate);
  EXPECT_EQ(ReasonOf(ComposeTrustList(TrustListKind::kCtl, cluster_,
                                      SignedFileDigest::kSha1, 256, kNow)
                         .status()),
            "SIGNER_COUNT");
  cluster_.signers.clear();
  EXPECT_EQ(ReasonOf(ComposeTrustList(TrustListKind::kCtl, cluster_,
                                      SignedFileDigest::kSha1, 256, kNow)
                         .status()),
            "SIGNER_COUNT");
}

TEST(TrustListNameTest, PhonesAskForTheirOwnFirst) {
  EXPECT_EQ(ParseTrustListName("CTLFile.tlv"),
            (TrustListRequest{TrustListKind::kCtl, ""}));
  EXPECT_EQ(ParseTrustListName("ITLFile.tlv"),
            (TrustListRequest{TrustListKind::kItl, ""}));
  EXPECT_EQ(ParseTrustListName("CTLSEP001122334455.tlv"),
            (TrustListRequest{TrustListKind::kCtl, "SEP001122334455"}));
  EXPECT_EQ(ParseTrustListName("CTL.tlv"), std::nullopt);
  EXPECT_EQ(ParseTrustListName("CTL../x.tlv"), std::nullopt);
  EXPECT_EQ(ParseTrustListName("SEP001122334455.cnf.xml"), std::nullopt);
}

}  // namespace
}  // namespace sallyport::capf
