#include "services/signaling_edge/core/peer_health.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kPeer[] = "tenants/t/peers/cuc";

class PeerHealthTest : public ::testing::Test {
 protected:
  void Check(const std::string& server, bool answers, bool peer_up) {
    now_ += absl::Seconds(10);
    PeerCheckResult result;
    result.peer = kPeer;
    result.server = server;
    result.succeeded = answers;
    result.sip_status = answers ? 200 : 0;
    result.reason = answers ? "" : "CONNECT_FAILED";
    table_.OnChecked(result, now_, peer_up);
  }
  PeerHealth::Service service() const { return table_.Find(kPeer)->service; }
  absl::Duration lasted() const {
    return now_ - *table_.Find(kPeer)->service_time;
  }

  MonoTime now_;
  PeerHealthTable table_;
};

// CUC-60: full, partial and no service, and how long each has lasted.
TEST_F(PeerHealthTest, ServiceOfATrunkAndHowLongItHasLasted) {
  using Service = PeerHealth::Service;
  table_.OnMutualTls(kPeer, now_);
  EXPECT_EQ(service(), Service::kUnknown);
  EXPECT_FALSE(table_.Find(kPeer)->service_time.has_value());
  Check("a:5061", true, true);
  EXPECT_EQ(service(), Service::kFull);
  Check("b:5061", true, true);
  EXPECT_EQ(service(), Service::kFull);
  EXPECT_EQ(lasted(), absl::Seconds(10));
  Check("b:5061", false, true);
  EXPECT_EQ(service(), Service::kPartial);
  EXPECT_EQ(lasted(), absl::ZeroDuration());
  Check("a:5061", true, true);
  EXPECT_EQ(lasted(), absl::Seconds(10));
  Check("a:5061", false, false);
  EXPECT_EQ(service(), Service::kNone);
  EXPECT_EQ(lasted(), absl::ZeroDuration());
  Check("a:5061", true, true);
  EXPECT_EQ(service(), Service::kPartial);
  Check("b:5061", true, true);
  EXPECT_EQ(service(), Service::kFull);
}

}  // namespace
}  // namespace sallyport::signaling_edge
