#include "services/signaling_edge/core/charging_headers.h"

#include <string>

#include "gtest/gtest.h"
#include "services/signaling_edge/core/sip_header_id.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/sip_method.h"

namespace sallyport::signaling_edge {
namespace {

constexpr char kVector[] = "icid-value=\"a1;b\";orig-ioi=home.test";

class ChargingHeadersTest : public testing::Test {
 protected:
  std::string Found() const {
    std::string out;
    for (const auto& [id, value] : ChargingHeadersOf(message_)) {
      out += std::string(HeaderName(id)) + ": " + value + "\n";
    }
    return out;
  }

  SipMessage message_ = SipMessage::Request(SipMethod::kInvite, "sip:1@d.test");
};

TEST_F(ChargingHeadersTest, None) {
  message_.Add(HeaderId::kPAssertedIdentity, "<sip:1@d.test>");
  EXPECT_EQ(Found(), "");
}

TEST_F(ChargingHeadersTest, AsTheyCame) {
  message_.Add(HeaderId::kPChargingFunctionAddresses, "ccf=192.0.2.1");
  message_.Add(HeaderId::kPChargingVector, kVector);
  message_.Add(HeaderId::kPChargingFunctionAddresses, "ecf=ecf.home.test");
  EXPECT_EQ(Found(), std::string("P-Charging-Vector: ") + kVector +
                         "\nP-Charging-Function-Addresses: ccf=192.0.2.1\n"
                         "P-Charging-Function-Addresses: ecf=ecf.home.test\n");
}

TEST_F(ChargingHeadersTest, OfTwoVectorsNeitherCounts) {
  message_.Add(HeaderId::kPChargingVector, kVector);
  message_.Add(HeaderId::kPChargingVector, "icid-value=2");
  EXPECT_EQ(Found(), "");
}

}  // namespace
}  // namespace sallyport::signaling_edge
