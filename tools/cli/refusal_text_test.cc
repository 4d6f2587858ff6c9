#include "tools/cli/refusal_text.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/signaling_edge/v1/event.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/config/proto_time.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::signaling_edge::v1;

TEST(RefusalTextTest, ACallIsExplainedStepByStep) {
  pb::Refusal refusal;
  *refusal.mutable_refuse_time() = ToProto(absl::UnixEpoch());
  refusal.set_reason("ROUTE_NOT_FOUND");
  refusal.set_explanation("no pattern matches");
  refusal.set_kind(pb::REFUSAL_KIND_CALL);
  refusal.set_peer("tenants/t/peers/pbx");
  refusal.set_call("tenants/t/calls/7");
  refusal.set_sip_method("INVITE");
  refusal.set_sip_status(404);
  refusal.add_steps("sender: SOURCE_ADDRESS");
  refusal.add_steps("route: ROUTE_NOT_FOUND\x1b[31m");
  EXPECT_EQ(RefusalText(refusal),
            "1970-01-01 00:00:00  ROUTE_NOT_FOUND  CALL  INVITE  404\n"
            "  why: no pattern matches\n"
            "  peer: tenants/t/peers/pbx\n"
            "  call: tenants/t/calls/7\n"
            "  1. sender: SOURCE_ADDRESS\n"
            "  2. route: ROUTE_NOT_FOUND?[31m\n\n");
}

TEST(RefusalTextTest, ACertificateIsShownBesideWhatWasExpected) {
  pb::Refusal refusal;
  *refusal.mutable_refuse_time() = ToProto(absl::UnixEpoch());
  refusal.set_reason("PEER_IDENTITY_MISMATCH");
  refusal.set_kind(pb::REFUSAL_KIND_CONNECTION);
  refusal.add_presented_identities("DNS:wrong.test");
  refusal.add_expected_identities("gw.test");
  refusal.add_expected_identities("gw2.test");
  refusal.add_steps("identity: 0 of 1 name matches");
  EXPECT_EQ(RefusalText(refusal),
            "1970-01-01 00:00:00  PEER_IDENTITY_MISMATCH  CONNECTION\n"
            "  presented: DNS:wrong.test\n"
            "  expected: gw.test, gw2.test\n"
            "  1. identity: 0 of 1 name matches\n\n");
}

}  // namespace
}  // namespace sallyport::cli
