// Real certificates of many kinds, from DER to the peer that they name: the
// identity rule (RFC 5922) over what x509_name reads, with nothing made up in
// between.
#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/testing/test_certs.h"
#include "services/signaling_edge/core/certificate_kinds.h"
#include "services/signaling_edge/core/peer_identity.h"

namespace sallyport::signaling_edge {
namespace {

class CertificateMatrixTest : public testing::TestWithParam<size_t> {
 protected:
  static std::string Found(const absl::StatusOr<ConnectionIdentity>& who) {
    return who.ok() ? who->resource.substr(who->resource.size() - 1) : "-";
  }
};

TEST_P(CertificateMatrixTest, NoWrongAcceptAndNoWrongRefusal) {
  const CertificateKind& kind = kCertificateKinds[GetParam()];
  TestCa ca;
  const TestCertificate made = ca.Issue(kind.spec);
  const auto read = ParseCertificate(AsBytes(made.der));
  ASSERT_TRUE(read.ok()) << read.status();
  const std::string all = OwnerAmongAll(kind);
  const PlanIndex together(PlanOfKinds(true, true, true));
  EXPECT_EQ(Found(IdentifyClient(*read, together, 5061,
                                 {.peers = true, .phones = true})),
            all);
  // Each policy alone, and from the store of the other kind: nobody.
  const PlanIndex phones(PlanOfKinds(false, false, true));
  EXPECT_EQ(Found(IdentifyClient(*read, phones, 5061, {.phones = true})),
            kind.phone);
  EXPECT_EQ(Found(IdentifyClient(*read, phones, 5061, {.peers = true})), "-");
  const PlanIndex peers(PlanOfKinds(true, true, false));
  EXPECT_EQ(Found(IdentifyClient(*read, peers, 5061, {.phones = true})), "-");
  EXPECT_EQ(Found(IdentifyClient(*read, peers, 5062, {.peers = true})), "-");
  if (std::string(kind.name) != "two_peers") {
    const PlanIndex fqdn(PlanOfKinds(true, false, false));
    EXPECT_EQ(Found(IdentifyClient(*read, fqdn, 5061, {.peers = true})),
              kind.peer_by_fqdn);
    const PlanIndex subjects(PlanOfKinds(false, true, false));
    EXPECT_EQ(Found(IdentifyClient(*read, subjects, 5061, {.peers = true})),
              kind.peer_by_subjects);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, CertificateMatrixTest,
                         testing::Range(size_t{0},
                                        std::size(kCertificateKinds)),
                         [](const auto& info) {
                           return std::string(
                               kCertificateKinds[info.param].name);
                         });

}  // namespace
}  // namespace sallyport::signaling_edge
