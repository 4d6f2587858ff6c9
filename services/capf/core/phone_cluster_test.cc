#include "services/capf/core/phone_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/capf/core/test_trust_list.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

PhoneCluster Good() {
  PhoneCluster cluster;
  cluster.tenant = "a";
  cluster.call_managers = {
      {.node = {.dns_name = "cm1.example.test",
                .ip_address = std::string("\xc0\x00\x02\x09", 4),
                .certificate_der =
                    NewTestIdentity("cm1.example.test", 13).certificate}}};
  return cluster;
}

TEST(PhoneClusterTest, EveryFaultIsNamedAtOnce) {
  EXPECT_THAT(CheckPhoneCluster(Good()), IsOk());
  EXPECT_THAT(CheckPhoneCluster(PhoneCluster()),
              HasReason("PHONE_CLUSTER_INVALID"));
  PhoneCluster bad = Good();
  bad.host = "not a host";
  bad.call_managers.push_back(bad.call_managers[0]);
  bad.call_managers.push_back({.node = {.dns_name = "<x>",
                                        .ip_address = "abc",
                                        .certificate_der = "no certificate"},
                               .sip_port = 0});
  bad.sha512_models = {"CP-8861", ""};
  EXPECT_THAT(std::string(CheckPhoneCluster(bad).message()),
              AllOf(HasSubstr("host is no host name"),
                    HasSubstr("call_managers[1].dns_name comes twice"),
                    HasSubstr("call_managers[2].dns_name is no host name"),
                    HasSubstr("call_managers[2].ip_address"),
                    HasSubstr("call_managers[2].certificate"),
                    HasSubstr("call_managers[2] has a port"),
                    HasSubstr("sha512_models")));
  bad = Good();
  for (int i = 0; i < 5; ++i)
    bad.call_managers.push_back(Good().call_managers[0]);
  EXPECT_THAT(std::string(CheckPhoneCluster(bad).message()),
              HasSubstr("must be 1 to 5"));
}

// SHA-1 for what is old or unknown, SHA-512 for the models that can.
TEST(PhoneClusterTest, TheDigestGoesByModel) {
  PhoneCluster cluster = Good();
  EXPECT_THAT(DigestsOf(cluster), ElementsAre(SignedFileDigest::kSha1));
  cluster.sha512_models = {"CP-7841", "CP-8861"};
  EXPECT_THAT(DigestsOf(cluster),
              ElementsAre(SignedFileDigest::kSha1, SignedFileDigest::kSha512));
  EXPECT_EQ(DigestFor(cluster, "CP-8861"), SignedFileDigest::kSha512);
  EXPECT_EQ(DigestFor(cluster, "CP-7960"), SignedFileDigest::kSha1);
  EXPECT_EQ(DigestFor(cluster, ""), SignedFileDigest::kSha1);
  cluster.sha512 = true;
  EXPECT_THAT(DigestsOf(cluster), ElementsAre(SignedFileDigest::kSha512));
  EXPECT_EQ(DigestFor(cluster, ""), SignedFileDigest::kSha512);
}

TEST(PhoneClusterTest, TheNewestSignerInAStateCounts) {
  ClusterState state;
  EXPECT_EQ(state.In(ListSignerState::kSigning), nullptr);
  ListSigner signer;
  signer.id = "sast-1";
  signer.state = ListSignerState::kRetired;
  state.signers.push_back(signer);
  signer.id = "sast-3";
  signer.create_time = absl::FromUnixSeconds(9);
  state.signers.push_back(signer);
  signer.id = "sast-2";
  signer.create_time = absl::FromUnixSeconds(5);
  state.signers.push_back(signer);
  ASSERT_NE(state.In(ListSignerState::kRetired), nullptr);
  EXPECT_EQ(state.In(ListSignerState::kRetired)->id, "sast-3");
  EXPECT_EQ(ListSignerStateName(ListSignerState::kRetired), "RETIRED");
}

}  // namespace
}  // namespace sallyport::capf
