#include "tools/cli/diagnosis.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/proto_time.h"

namespace sallyport::cli {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

TEST(DiagnosisTest, Expiry) {
  EXPECT_EQ(CheckExpiry("x", kNow + absl::Hours(24 * 40), kNow).verdict,
            Verdict::kOk);
  EXPECT_EQ(CheckExpiry("x", kNow + absl::Hours(24 * 20), kNow).verdict,
            Verdict::kWarning);
  const Finding expired = CheckExpiry("x", kNow, kNow);
  EXPECT_EQ(expired.verdict, Verdict::kFailed);
  EXPECT_THAT(expired.detail, HasSubstr("2027-01-15 08:00"));
  EXPECT_NE(expired.advice, "");
}

TEST(DiagnosisTest, Clock) {
  for (const auto& [offset, verdict] :
       {std::pair{absl::Seconds(0), Verdict::kOk},
        std::pair{absl::Seconds(1), Verdict::kOk},
        std::pair{absl::Seconds(-5), Verdict::kWarning},
        std::pair{absl::Seconds(60), Verdict::kFailed}}) {
    type::v1::ServiceInfo info;
    *info.mutable_server_time() = ToProto(kNow + offset);
    const std::vector<Finding> findings =
        CheckInfo("x", info, kNow, kNow + absl::Milliseconds(20));
    ASSERT_EQ(findings.size(), 2);
    EXPECT_EQ(findings[1].check, "clock");
    EXPECT_EQ(findings[1].verdict, verdict) << absl::FormatDuration(offset);
  }
}

TEST(DiagnosisTest, Sources) {
  type::v1::ServiceInfo info;
  auto* source = info.add_sources();
  source->set_source("dialplan.snapshot");
  source->set_connected(true);
  source->set_active_version(7);
  source = info.add_sources();
  source->set_source("capf.trust_bundle");
  source->set_active_version(3);
  source->set_from_cache(true);
  info.add_sources()->set_source("credential_issuer.keys");
  const std::vector<Finding> findings = CheckInfo("x", info, kNow, kNow);
  ASSERT_EQ(findings.size(), 4);
  EXPECT_EQ(findings[1].verdict, Verdict::kOk);
  EXPECT_EQ(findings[2].verdict, Verdict::kWarning);
  EXPECT_THAT(findings[2].detail, HasSubstr("from its disk"));
  EXPECT_EQ(findings[3].verdict, Verdict::kFailed);
  EXPECT_TRUE(AnyFailed(findings));
}

// CUC-36, CUC-37: a node that has not yet what is configured is named.
TEST(DiagnosisTest, Versions) {
  EXPECT_EQ(CheckVersion("capf", "trust at node e0", 7, 6, true).check,
            "trust at node e0");
  EXPECT_EQ(CheckVersion("x", "edge", 7, 7, true).verdict, Verdict::kOk);
  EXPECT_EQ(CheckVersion("x", "edge", 7, 6, true).verdict, Verdict::kWarning);
  EXPECT_EQ(CheckVersion("x", "edge", 7, 7, false).verdict, Verdict::kWarning);
}

TEST(DiagnosisTest, Text) {
  const std::string text = FindingsText(
      {{"dialplan", "TLS", Verdict::kOk, "TLSv1.3", ""},
       {"capf", "clock", Verdict::kFailed, "1m behind ours", "set the clock"}});
  EXPECT_EQ(text,
            "WHERE     CHECK  RESULT  DETAIL\n"
            "dialplan  TLS    ok      TLSv1.3\n"
            "capf      clock  FAILED  1m behind ours\n"
            "\n"
            "What to do:\n"
            "capf, clock: set the clock\n"
            "\n"
            "2 checks, 1 failed, 0 warnings\n");
}

}  // namespace
}  // namespace sallyport::cli
