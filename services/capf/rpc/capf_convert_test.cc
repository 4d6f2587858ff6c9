#include "services/capf/rpc/capf_convert.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/test_keys.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::ElementsAre;

TEST(CapfConvertTest, ResourceNames) {
  EXPECT_THAT(*ParseName("tenants/a/enrollments/b", {"tenants", "enrollments"}),
              ElementsAre("a", "b"));
  for (const char* bad :
       {"", "tenants", "tenants/", "tenants/a", "tenants/a/enrollments/",
        "tenants/a/enrollments/b/", "tenants/a/enrollments/b/c/d",
        "tenants/a/certificates/b", "tenants/-/enrollments/b",
        "tenants/a b/enrollments/b", "/tenants/a/enrollments/b"}) {
    EXPECT_THAT(ParseName(bad, {"tenants", "enrollments"}),
                HasReason("NAME_INVALID"))
        << bad;
  }
  EXPECT_TRUE(IsResourceId("sep-1_x"));
  EXPECT_FALSE(IsResourceId("SEP1"));
  EXPECT_FALSE(IsResourceId(""));
  EXPECT_FALSE(IsResourceId(std::string(64, 'a')));
}

// Every status of ours has the API's value whose comment is its exact string.
TEST(CapfConvertTest, EveryStatusHasItsValue) {
  using Outcome = OperationStatus::Outcome;
  EXPECT_EQ(ToProto(OperationStatus{}), pb::ENROLLMENT_STATUS_NONE);
  EXPECT_EQ(ToProto(OperationStatus{Outcome::kPending, Operation::kDelete, {}}),
            pb::ENROLLMENT_STATUS_OPERATION_PENDING);
  EXPECT_EQ(ToProto(OperationStatus{Outcome::kSuccess, Operation::kDelete, {}}),
            pb::ENROLLMENT_STATUS_DELETE_SUCCESS);
  std::set<int> seen;
  for (int reason = 0;
       reason <= static_cast<int>(FailureReason::kNoSupportForEcOnly);
       ++reason) {
    const OperationStatus status{Outcome::kFailed, Operation::kInstallUpgrade,
                                 static_cast<FailureReason>(reason)};
    EXPECT_TRUE(seen.insert(ToProto(status)).second) << StatusName(status);
  }
  EXPECT_EQ(
      ToProto(OperationStatus{Outcome::kFailed, Operation::kInstallUpgrade,
                              FailureReason::kUserInitiatedRequestLate}),
      pb::ENROLLMENT_STATUS_UPGRADE_FAILED_USER_INITIATED_REQUEST_LATE);
  EXPECT_EQ(ToProto(OperationStatus{Outcome::kFailed, Operation::kDelete,
                                    FailureReason::kInvalidMic}),
            pb::ENROLLMENT_STATUS_DELETE_FAILED_INVALID_MIC);
  EXPECT_EQ(
      ToProto(OperationStatus{Outcome::kFailed, Operation::kInstallUpgrade,
                              FailureReason::kNoSupportForEcOnly}),
      pb::ENROLLMENT_STATUS_UPGRADE_FAILED_NO_SUPPORT_FOR_EC_ONLY);
}

TEST(CapfConvertTest, AnEnrollmentNeverTellsItsString) {
  Enrollment e;
  e.name = "tenants/a/enrollments/b";
  e.verifier.hash = "secret";
  const pb::Enrollment out = ToProto(e);
  EXPECT_EQ(out.authentication_string(), "");
  EXPECT_EQ(out.DebugString().find("secret"), std::string::npos);
  EXPECT_EQ(out.ec_key_size(), 256u);
  EXPECT_EQ(out.rsa_key_size(), 2048u);
}

TEST(CapfConvertTest, AMaskChangesOnlyWhatItNames) {
  pb::Enrollment in;
  in.set_operation(pb::CERTIFICATE_OPERATION_DELETE);
  in.set_key_order(pb::KEY_ORDER_RSA_ONLY);
  in.set_ec_key_size(384);
  Enrollment e;
  ASSERT_THAT(ApplyProto(in, {"key_order", "ec_key_size"}, e), IsOk());
  EXPECT_EQ(e.operation, Operation::kNone);
  EXPECT_EQ(e.key_order, KeyOrder::kRsaOnly);
  EXPECT_EQ(e.curve, KeyKind::kEcP384);
  EXPECT_THAT(ApplyProto(in, {"status"}, e), HasReason("UPDATE_MASK_INVALID"));
  in.set_device_name("SEP2");
  EXPECT_THAT(ApplyProto(in, {"device_name"}, e), HasReason("FIELD_IMMUTABLE"));
}

TEST(CapfConvertTest, AltNames) {
  google::protobuf::RepeatedPtrField<std::string> names;
  *names.Add() = "DNS:Edge.Test";
  *names.Add() = "URI:sip:edge.test";
  *names.Add() = "IP:192.0.2.1";
  *names.Add() = "IP:2001:db8::1";
  SP_ASSERT_OK_AND_ASSIGN(const SubjectAltNames out, ParseAltNames(names));
  EXPECT_THAT(out.dns_names, ElementsAre("edge.test"));
  EXPECT_THAT(out.uris, ElementsAre("sip:edge.test"));
  ASSERT_EQ(out.ip_addresses.size(), 2u);
  EXPECT_EQ(out.ip_addresses[0], std::string("\xc0\x00\x02\x01", 4));
  for (const char* bad : {"edge.test", "email:a@b", "IP:nowhere", ""}) {
    names.Clear();
    *names.Add() = bad;
    EXPECT_THAT(ParseAltNames(names), HasReason("SAN_INVALID")) << bad;
  }
}

TEST(CapfConvertTest, SummaryOfACertificate) {
  const std::string der =
      NewTestAuthority(KeyKind::kEcP384, absl::FromUnixSeconds(1795255200))
          .issuer.certificate_der;
  const type::v1::CertificateSummary summary = Summarize(AsBytes(der));
  EXPECT_EQ(summary.key_type(), type::v1::KEY_TYPE_EC_P384);
  EXPECT_TRUE(summary.self_signed());
  EXPECT_EQ(summary.sha1_thumbprint().size(), 40u);
  EXPECT_EQ(summary.sha256_thumbprint().size(), 64u);
  EXPECT_EQ(Summarize(AsBytes("x")).subject(), "");
}

TEST(CapfConvertTest, Profiles) {
  EXPECT_EQ(*FromProto(pb::CERTIFICATE_PROFILE_SERVER), ProfileId::kSipServer);
  EXPECT_EQ(*FromProto(pb::CERTIFICATE_PROFILE_SERVICE), ProfileId::kService);
  EXPECT_THAT(FromProto(pb::CERTIFICATE_PROFILE_CTL_SIGNER),
              HasReason("PROFILE_INVALID"));
  EXPECT_THAT(FromProto(pb::CERTIFICATE_PROFILE_UNSPECIFIED),
              HasReason("PROFILE_INVALID"));
  EXPECT_EQ(FromProto(pb::REVOCATION_REASON_CESSATION_OF_OPERATION),
            RevocationReason::kCessationOfOperation);
}

}  // namespace
}  // namespace sallyport::capf
