#include "services/signaling_edge/core/registrar.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/tenant_counts.h"

namespace sallyport::signaling_edge {
namespace {

using Kind = Registrar::Change::Kind;

constexpr char kAlice[] = "tenants/t/users/alice";
constexpr char kBob[] = "tenants/t/users/bob";

class RegistrarTest : public testing::Test {
 protected:
  static Flow Tls(ConnectionId connection) {
    return {.transport = SipTransport::kTls, .connection = connection};
  }

  RegisterRequest Request(std::string user, std::string contact,
                          std::optional<uint32_t> expires,
                          ConnectionId connection = 1) {
    RegisterRequest request;
    request.user = std::move(user);
    request.contacts = {{std::move(contact), expires}};
    request.flow = Tls(connection);
    request.call_id = "call";
    request.cseq = ++cseq_;
    return request;
  }

  Registrar registrar_{{.limits = {.max_contacts = 2},
                        .max_bindings = 4,
                        .max_silence = absl::Seconds(40)}};
  MonoTime now_ = MonoTime::FromOrigin(absl::Hours(1));
  uint32_t cseq_ = 0;
};

TEST_F(RegistrarTest, AddsRefreshesAndRemoves) {
  auto changes =
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 600), now_);
  ASSERT_TRUE(changes.ok()) << changes.status();
  ASSERT_EQ(changes->size(), 1u);
  EXPECT_EQ((*changes)[0].kind, Kind::kAdded);
  const uint64_t id = (*changes)[0].binding.id;
  now_ += absl::Minutes(5);
  changes =
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 600), now_);
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ((*changes)[0].kind, Kind::kRefreshed);
  EXPECT_EQ((*changes)[0].binding.id, id);
  EXPECT_EQ(registrar_.deadline(), now_ + absl::Minutes(10));
  changes = registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 0), now_);
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ((*changes)[0].kind, Kind::kRemoved);
  EXPECT_EQ(registrar_.size(), 0u);
  EXPECT_EQ(registrar_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(RegistrarTest, ExpiryIsClampedAndEnforced) {  // RFC 3261 10.3 step 7
  EXPECT_EQ(
      ReasonOf(
          registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 59), now_)
              .status()),
      "EXPIRES_TOO_BRIEF");
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 999999), now_)
          .ok());
  EXPECT_EQ(registrar_.deadline(), now_ + absl::Hours(1));
  EXPECT_TRUE(registrar_.OnDeadline(now_ + absl::Minutes(59)).empty());
  const auto changes = registrar_.OnDeadline(now_ + absl::Hours(1));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::kExpired);
  EXPECT_TRUE(registrar_.Of(kAlice).empty());
}

TEST_F(RegistrarTest, TheLatestContactComesFirst) {
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 600, 1), now_)
          .ok());
  now_ += absl::Seconds(1);
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.2", 600, 2), now_)
          .ok());
  const auto contacts = registrar_.Of(kAlice);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_EQ(contacts[0]->contact, "sip:a@192.0.2.2");
  EXPECT_TRUE(registrar_.Of(kBob).empty());
}

TEST_F(RegistrarTest, AContactEndsWithItsConnection) {
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 600, 1), now_)
          .ok());
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kBob, "sip:b@192.0.2.1", 600, 2), now_)
          .ok());
  // Alice's phone comes back on another connection before the old one ends.
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 600, 3), now_)
          .ok());
  EXPECT_TRUE(registrar_.OnConnectionClosed(1).empty());
  EXPECT_EQ(registrar_.Of(kAlice).size(), 1u);
  const auto changes = registrar_.OnConnectionClosed(3);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::kFlowLost);
  EXPECT_TRUE(registrar_.Of(kAlice).empty());
  EXPECT_EQ(registrar_.Of(kBob).size(), 1u);
}

TEST_F(RegistrarTest, ADeviceReplacesItself) {  // RFC 5626 section 6
  auto request = Request(kAlice, "sip:a@192.0.2.1:4000", 600);
  request.contacts[0].instance = "<urn:uuid:1>";
  ASSERT_TRUE(registrar_.OnRegister(request, now_).ok());
  request = Request(kAlice, "sip:a@192.0.2.1:5000", 600);
  request.contacts[0].instance = "<urn:uuid:1>";
  ASSERT_TRUE(registrar_.OnRegister(request, now_).ok());
  ASSERT_EQ(registrar_.Of(kAlice).size(), 1u);
  EXPECT_EQ(registrar_.Of(kAlice)[0]->contact, "sip:a@192.0.2.1:5000");
}

TEST_F(RegistrarTest, OlderRequestsOfOneCallAreRefused) {
  auto request = Request(kAlice, "sip:a@192.0.2.1", 600);
  ASSERT_TRUE(registrar_.OnRegister(request, now_).ok());
  EXPECT_EQ(ReasonOf(registrar_.OnRegister(request, now_).status()),
            "CSEQ_OUT_OF_ORDER");
  request.all = true;
  EXPECT_EQ(ReasonOf(registrar_.OnRegister(request, now_).status()),
            "CSEQ_OUT_OF_ORDER");
  request.call_id = "another";
  EXPECT_TRUE(registrar_.OnRegister(request, now_).ok());
  EXPECT_EQ(registrar_.size(), 0u);
}

TEST_F(RegistrarTest, LimitsHoldAndNothingIsHalfDone) {
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:a@192.0.2.1", 600), now_)
          .ok());
  auto request = Request(kAlice, "sip:a@192.0.2.2", 600);
  request.contacts.push_back({"sip:a@192.0.2.3", 600});
  EXPECT_EQ(ReasonOf(registrar_.OnRegister(request, now_).status()),
            "CONTACT_LIMIT");
  EXPECT_EQ(registrar_.Of(kAlice).size(), 1u);
  // Replacing in one request is within the limit.
  request = Request(kAlice, "sip:a@192.0.2.2", 600);
  request.contacts.push_back({"sip:a@192.0.2.3", 600});
  request.contacts.push_back({"sip:a@192.0.2.1", 0});
  EXPECT_TRUE(registrar_.OnRegister(request, now_).ok());
  EXPECT_EQ(registrar_.Of(kAlice).size(), 2u);
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kBob, "sip:b@192.0.2.1", 600), now_).ok());
  ASSERT_TRUE(
      registrar_.OnRegister(Request("tenants/t/users/c", "sip:c@x", 600), now_)
          .ok());
  EXPECT_EQ(ReasonOf(registrar_
                         .OnRegister(
                             Request("tenants/t/users/d", "sip:d@x", 600), now_)
                         .status()),
            "REGISTRATION_LIMIT");
  // A question changes nothing.
  RegisterRequest question;
  question.user = kAlice;
  const auto none = registrar_.OnRegister(question, now_);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  EXPECT_EQ(registrar_.RemoveUser(kAlice).size(), 2u);
  EXPECT_EQ(registrar_.Remove(registrar_.Of(kBob)[0]->id).size(), 1u);
  EXPECT_EQ(registrar_.All().size(), 1u);
}

// Two loops, and what the plan allows a tenant at both.
class RegistrarOfTenantsTest : public RegistrarTest {
 protected:
  std::string Add(Registrar& to, std::string user, std::string contact,
                  uint32_t most, uint32_t expires = 600) {
    RegisterRequest request =
        Request(std::move(user), std::move(contact), expires);
    request.max_of_tenant = most;
    return ReasonOf(to.OnRegister(request, now_).status());
  }
  uint32_t Count(std::string_view tenant = "tenants/t") {
    return tenants_.contacts().Of(tenants_.KeyOf(tenant));
  }

  FakeRandom random_;
  TenantCounts tenants_{random_};
  Registrar one_{{.tenants = &tenants_}};
  Registrar two_{{.tenants = &tenants_}};
};

TEST_F(RegistrarOfTenantsTest, ContactsOfAllUsersAndLoops) {
  EXPECT_EQ(Add(one_, kAlice, "sip:a@1", 2), "");
  EXPECT_EQ(Add(two_, kBob, "sip:b@1", 2), "");
  EXPECT_EQ(Add(one_, kAlice, "sip:a@2", 2), "TENANT_REGISTRATION_LIMIT");
  EXPECT_EQ(Add(two_, kBob, "sip:b@2", 2), "TENANT_REGISTRATION_LIMIT");
  EXPECT_EQ(Add(two_, "tenants/u/users/x", "sip:x@1", 1), "");
  EXPECT_EQ(Count(), 2u);
  EXPECT_EQ(Count("tenants/u"), 1u);
  // Refreshes and removals are taken, also above a bound that is lower now.
  EXPECT_EQ(Add(one_, kAlice, "sip:a@1", 1), "");
  EXPECT_EQ(Add(one_, kAlice, "sip:a@1", 1, 0), "");
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(Add(one_, kAlice, "sip:a@2", 1), "TENANT_REGISTRATION_LIMIT");
  EXPECT_EQ(Add(one_, kAlice, "sip:a@2", 0), "");  // no bound
  EXPECT_EQ(Count(), 2u);
}

TEST_F(RegistrarOfTenantsTest, OneContactForAnotherIsNoneMore) {
  EXPECT_EQ(Add(one_, kAlice, "sip:a@1", 1), "");
  RegisterRequest request = Request(kAlice, "sip:a@1", 0);
  request.max_of_tenant = 1;
  request.contacts.push_back({"sip:a@2", 600});
  EXPECT_TRUE(one_.OnRegister(request, now_).ok());
  // Two for one are one more.
  request = Request(kAlice, "sip:a@2", 0);
  request.max_of_tenant = 1;
  request.contacts.push_back({"sip:a@3", 600});
  request.contacts.push_back({"sip:a@4", 600});
  EXPECT_EQ(ReasonOf(one_.OnRegister(request, now_).status()),
            "TENANT_REGISTRATION_LIMIT");
  EXPECT_EQ(one_.Of(kAlice)[0]->contact, "sip:a@2");
  EXPECT_EQ(Count(), 1u);
}

TEST_F(RegistrarOfTenantsTest, WhicheverWayTheyEndTheyDoNotCount) {
  EXPECT_EQ(Add(one_, kAlice, "sip:a@1", 9, 100), "");
  EXPECT_EQ(Add(one_, kAlice, "sip:a@2", 9), "");
  EXPECT_EQ(Add(one_, kBob, "sip:b@1", 9), "");
  EXPECT_EQ(Add(one_, kBob, "sip:b@2", 9), "");
  EXPECT_EQ(Count(), 4u);
  now_ += absl::Seconds(101);
  one_.OnDeadline(now_);
  EXPECT_EQ(Count(), 3u);
  one_.OnFlowFailed(one_.Of(kAlice)[0]->id);
  EXPECT_EQ(Count(), 2u);
  one_.Remove(one_.Of(kBob)[0]->id);
  EXPECT_EQ(Count(), 1u);
  one_.OnConnectionClosed(1);
  EXPECT_EQ(Count(), 0u);
}

TEST_F(RegistrarOfTenantsTest, ThoseOfOtherEdgesAreNotCounted) {
  Binding there;
  there.user = kAlice;
  there.contact = "sip:a@1";
  there.expires = now_ + absl::Hours(1);
  there.foreign = true;
  one_.Replace(kAlice, {there}, now_);
  EXPECT_EQ(Count(), 0u);
  // It comes here, and goes again.
  Binding here = *one_.Of(kAlice)[0];
  here.foreign = false;
  here.cseq = 1;
  one_.Replace(kAlice, {here}, now_);
  EXPECT_EQ(Count(), 1u);
  here.foreign = true;
  here.cseq = 2;
  one_.Replace(kAlice, {here}, now_);
  EXPECT_EQ(Count(), 0u);
  one_.RemoveUser(kAlice);
  EXPECT_EQ(Count(), 0u);
}

TEST_F(RegistrarTest, AUdpFlowIsKeptByItsKeepAlives) {  // RFC 5626 4.4.2
  RegisterRequest request = Request(kAlice, "sip:a@192.0.2.1", 600, 0);
  request.flow = {.transport = SipTransport::kUdp,
                  .remote = *SocketAddress::FromIp("192.0.2.1", 5060)};
  request.contacts[0].instance = "<urn:uuid:1>";
  request.contacts[0].reg_id = 1;
  ASSERT_TRUE(registrar_.OnRegister(request, now_).ok());
  EXPECT_EQ(registrar_.deadline(), now_ + absl::Seconds(40));
  now_ += absl::Seconds(30);
  registrar_.OnKeepAlive(0, *SocketAddress::FromIp("192.0.2.1", 5061), now_);
  EXPECT_EQ(registrar_.deadline(), now_ + absl::Seconds(10));
  registrar_.OnKeepAlive(0, *SocketAddress::FromIp("192.0.2.1", 5060), now_);
  EXPECT_EQ(registrar_.deadline(), now_ + absl::Seconds(40));
  const auto changes = registrar_.OnDeadline(now_ + absl::Seconds(40));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::kFlowLost);
  EXPECT_EQ(registrar_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(RegistrarTest, FlowsOfOneDeviceAreOneContact) {
  for (uint32_t flow = 1; flow <= 2; ++flow) {
    RegisterRequest request = Request(kAlice, "sip:a@192.0.2.1", 600, flow);
    request.contacts[0].instance = "<urn:uuid:1>";
    request.contacts[0].reg_id = flow;
    ASSERT_TRUE(registrar_.OnRegister(request, now_).ok());
    now_ += absl::Seconds(1);
  }
  ASSERT_TRUE(
      registrar_.OnRegister(Request(kAlice, "sip:b@192.0.2.2", 600, 3), now_)
          .ok());
  const auto contacts = registrar_.ContactsOf(kAlice);
  ASSERT_EQ(contacts.size(), 2u);
  EXPECT_EQ(contacts[0][0]->contact, "sip:b@192.0.2.2");
  ASSERT_EQ(contacts[1].size(), 2u);
  EXPECT_EQ(contacts[1][0]->reg_id, 2u);  // the latest first
  EXPECT_EQ(contacts[1][1]->reg_id, 1u);
  EXPECT_TRUE(registrar_.CarriesOutbound(1));
  EXPECT_FALSE(registrar_.CarriesOutbound(3));
  EXPECT_EQ(registrar_.OnConnectionClosed(2).size(), 1u);
  EXPECT_EQ(registrar_.ContactsOf(kAlice)[1].size(), 1u);
}

}  // namespace
}  // namespace sallyport::signaling_edge
