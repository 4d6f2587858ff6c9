#include "services/signaling_edge/core/expected_names.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/edge_harness.h"
#include "services/signaling_edge/core/sccp_ports.h"

namespace sallyport::signaling_edge {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ExpectedNamesTest : public testing::Test {
 protected:
  ExpectedNamesTest() {
    auto plan = TestPlan();
    plan->peers[1].x509_subjects = {"gw.d.test", "spare.d.test"};
    plan->peers.push_back({.name = "tenants/t/peers/um",
                           .dial_plan = "tenants/t/dialPlans/secured",
                           .kind = PeerKind::kVoicemail,
                           .fqdn = "um.d.test",
                           .address = "203.0.113.6",
                           .incoming_port = 5061});
    LineEntry line;
    line.name = "tenants/t/lines/vm1";
    line.directory_number = "6001";
    plan->lines = {line};
    VoicemailPortGroupEntry group;
    group.name = "tenants/t/voicemailPortGroups/um";
    group.peer = "tenants/t/peers/um";
    group.integration = VoicemailIntegration::kSccp;
    group.ports = {{"UM-VI1", line.name}, {"UM-VI2", line.name}};
    plan->voicemail_port_groups = {group};
    plan_ = Resolver::Create(std::move(plan)).value();
    ports_ = SccpPorts(plan_->index());
    far_.remote = *SocketAddress::FromIp("198.51.100.7", 40000);
    far_.incoming_port = 5061;
  }

  std::vector<std::string> Names() const {
    return ExpectedNames(far_, plan_->index(), ports_);
  }
  void Show(std::string common_name, std::string dns = "") {
    certificate_ = CertificateInfo();
    if (!common_name.empty()) certificate_.common_names = {common_name};
    if (!dns.empty()) {
      certificate_.alt_names = {{SubjectAltName::Type::kDns, dns}};
    }
    far_.certificate = &certificate_;
  }

  std::shared_ptr<const Resolver> plan_;
  SccpPorts ports_;
  CertificateInfo certificate_;
  FarSide far_;
};

TEST_F(ExpectedNamesTest, WhoWasDialledIsNobodyElse) {
  far_.dialled = "tenants/t/peers/gw";
  Show("SEP1");
  far_.at_address = plan_->index().Peer("tenants/t/peers/far");
  EXPECT_THAT(Names(), ElementsAre("gw.d.test", "spare.d.test"));
}

TEST_F(ExpectedNamesTest, NorIsWhoHasProvenToBeSomebody) {
  Show("", "far.d.test");
  far_.proven = "tenants/t/phones/SEP1";
  EXPECT_THAT(Names(), ElementsAre("SEP1"));
  far_.proven = "tenants/t/peers/gw";
  EXPECT_THAT(Names(), ElementsAre("gw.d.test", "spare.d.test"));
  far_.proven = "tenants/t/peers/removed";
  EXPECT_THAT(Names(), IsEmpty());
}

// CUC-69: what is told of the names that were expected. An LSC has the exact
// one.
TEST_F(ExpectedNamesTest, APhoneIsItsDeviceName) {
  Show("SEP1");
  EXPECT_THAT(Names(), ElementsAre("SEP1"));
  Show("sep1");
  EXPECT_THAT(Names(), ElementsAre("SEP1"));
  Show("SEP2");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ExpectedNamesTest, ThePeerAtTheAddressAndTheOneThatIsNamed) {
  far_.at_address = plan_->index().Peer("tenants/t/peers/gw");
  EXPECT_THAT(Names(), ElementsAre("gw.d.test", "spare.d.test"));
  Show("SEP1");
  EXPECT_THAT(Names(), ElementsAre("gw.d.test", "spare.d.test", "SEP1"));
  far_.at_address = nullptr;
  Show("", "spare.d.test");
  EXPECT_THAT(Names(), ElementsAre("gw.d.test", "spare.d.test"));
  // Another port is another peer's.
  far_.incoming_port = 5099;
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ExpectedNamesTest, OfWhatAStrangerSendsOnlyTheFirstNamesAreRead) {
  Show("", "other.d.test");
  for (int i = 0; i < 8; ++i) {
    certificate_.alt_names.push_back(
        {SubjectAltName::Type::kDns, "x" + std::to_string(i) + ".d.test"});
  }
  certificate_.alt_names.push_back({SubjectAltName::Type::kDns, "gw.d.test"});
  EXPECT_THAT(Names(), IsEmpty());
}

// CUC-41: ports are known by their device names.
TEST_F(ExpectedNamesTest, PortsAreThoseOfTheServerThere) {
  far_.is_port = true;
  Show("UM-VI9");
  EXPECT_THAT(Names(), IsEmpty());
  far_.remote = *SocketAddress::FromIp("203.0.113.6", 40000);
  EXPECT_THAT(Names(), ElementsAre("UM-VI1", "UM-VI2", "um.d.test"));
  far_.remote = *SocketAddress::FromIp("198.51.100.7", 40000);
  Show("UM-VI2");
  EXPECT_THAT(Names(), ElementsAre("UM-VI1", "UM-VI2", "um.d.test"));
  // No phone and no peer comes to that door.
  Show("SEP1", "gw.d.test");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ExpectedNamesTest, TheyAreBounded) {
  auto plan = TestPlan();
  for (int i = 0; i < 40; ++i) {
    plan->peers[1].x509_subjects.push_back("gw" + std::to_string(i) +
                                           ".d.test");
  }
  plan_ = Resolver::Create(std::move(plan)).value();
  far_.dialled = "tenants/t/peers/gw";
  EXPECT_EQ(Names().size(), kMaxExpectedNames);
}

TEST_F(ExpectedNamesTest, AUsersDevices) {
  Party user;
  user.kind = Party::Kind::kUser;
  user.tenant = "tenants/t";
  user.resource = "tenants/t/users/alice";
  Refusal refusal;
  NameDevices(user, "PEER_CERTIFICATE_MISSING", *plan_, refusal);
  EXPECT_THAT(refusal.expected_identities, ElementsAre("SEP1"));
  EXPECT_THAT(refusal.presented_identities, IsEmpty());
  user.phone = "tenants/t/phones/SEP2";
  user.identity = "SEP2";
  NameDevices(user, "IDENTITY_NOT_ALLOWED", *plan_, refusal);
  EXPECT_THAT(refusal.expected_identities, ElementsAre("SEP1"));
  EXPECT_THAT(refusal.presented_identities, ElementsAre("CN:SEP2"));
  // All that are the user's and in use, up to the bound.
  auto plan = TestPlan();
  PhoneEntry second = plan->phones[0];
  second.name = "tenants/t/phones/SEP3";
  second.device_name = "SEP3";
  plan->phones.push_back(second);
  second.name = "tenants/t/phones/SEP4";
  second.device_name = "SEP4";
  second.disabled = true;
  plan->phones.push_back(second);
  plan_ = Resolver::Create(plan).value();
  NameDevices(user, "IDENTITY_NOT_ALLOWED", *plan_, refusal);
  EXPECT_THAT(refusal.expected_identities, ElementsAre("SEP1", "SEP3"));
  second.disabled = false;
  for (int i = 10; i < 40; ++i) {
    second.device_name = "SEP" + std::to_string(i);
    second.name = "tenants/t/phones/" + second.device_name;
    plan->phones.push_back(second);
  }
  plan_ = Resolver::Create(plan).value();
  NameDevices(user, "IDENTITY_NOT_ALLOWED", *plan_, refusal);
  EXPECT_EQ(refusal.expected_identities.size(), kMaxExpectedNames);
  // One who has no phone; and what is about something else.
  user.resource = "tenants/t/users/bob";
  NameDevices(user, "IDENTITY_NOT_ALLOWED", *plan_, refusal);
  EXPECT_THAT(refusal.expected_identities, IsEmpty());
  Refusal other;
  NameDevices(user, "ROUTE_NOT_FOUND", *plan_, other);
  EXPECT_THAT(other.presented_identities, IsEmpty());
}

}  // namespace
}  // namespace sallyport::signaling_edge
