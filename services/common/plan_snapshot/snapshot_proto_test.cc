#include "services/common/plan_snapshot/snapshot_proto.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "services/common/digit_analysis/plan_entry.h"
#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

template <typename Entry>
Entry As(const pb::Resource& resource) {
  const auto entry = EntryOf(resource);
  EXPECT_TRUE(entry.has_value());
  EXPECT_TRUE(std::holds_alternative<Entry>(*entry));
  return std::get<Entry>(*entry);
}

TEST(SnapshotProtoTest, Peer) {
  pb::Resource r;
  pb::Peer& in = *r.mutable_peer();
  in.set_name("tenants/t/peers/gw");
  in.set_etag("e");
  in.set_kind(pb::PEER_KIND_VOICEMAIL_SERVER);
  in.set_fqdn("GW.Example.Test.");
  in.set_address("2001:DB8::1");
  in.set_port(5061);
  in.set_transport(type::TRANSPORT_TLS);
  in.set_status(pb::PEER_STATUS_NO_NEW_CALLS);
  in.set_outcalls_allowed(true);
  in.add_x509_subject_names("Trunk.Example.Test");
  in.add_x509_subject_names("sip:Example.Test");  // RFC 5922 section 7.1
  in.set_dial_plan("tenants/t/dialPlans/d");
  in.set_incoming_port(5071);
  in.add_source_addresses("192.0.2.0/24");
  in.set_digest_user("tenants/t/users/u");
  in.set_calling_search_space("tenants/t/callingSearchSpaces/c");
  in.set_max_calls(9);
  const PeerEntry out = As<PeerEntry>(r);
  EXPECT_EQ(out.name, "tenants/t/peers/gw");
  EXPECT_EQ(out.kind, PeerKind::kVoicemail);
  EXPECT_EQ(out.fqdn, "gw.example.test");
  EXPECT_EQ(out.address, "2001:db8::1");
  EXPECT_EQ(out.port, 5061u);
  EXPECT_EQ(out.transport, SipTransport::kTls);
  EXPECT_EQ(out.status, PeerStatus::kNoNewCalls);
  EXPECT_TRUE(out.outcalls_allowed);
  EXPECT_EQ(out.x509_subjects,
            (std::vector<std::string>{"trunk.example.test", "example.test"}));
  EXPECT_EQ(out.incoming_port, 5071u);
  EXPECT_EQ(out.source_addresses, std::vector<std::string>{"192.0.2.0/24"});
  EXPECT_EQ(out.digest_user, "tenants/t/users/u");
  EXPECT_EQ(out.calling_search_space, "tenants/t/callingSearchSpaces/c");
  EXPECT_EQ(out.max_calls, 9u);
  EXPECT_EQ(NameOf(r), "tenants/t/peers/gw");
  EXPECT_EQ(EtagOf(r), "e");
}

// UM-91, UM-94; a mode of a later version must not open a leg.
TEST(SnapshotProtoTest, SecurityModes) {
  const std::vector<std::pair<int, SecurityMode>> cases = {
      {type::SECURITY_MODE_UNSPECIFIED, SecurityMode::kUnsecured},
      {type::SECURITY_MODE_UNSECURED, SecurityMode::kUnsecured},
      {type::SECURITY_MODE_SIP_SECURED, SecurityMode::kSipSecured},
      {type::SECURITY_MODE_SECURED, SecurityMode::kSecured},
      {99, SecurityMode::kSecured}};
  for (const auto& [in, out] : cases) {
    pb::Resource r;
    r.mutable_dial_plan()->set_security_mode(
        static_cast<type::SecurityMode>(in));
    EXPECT_EQ(As<DialPlanEntry>(r).security_mode, out) << in;
  }
}

TEST(SnapshotProtoTest, AHashBelongsToItsAlgorithm) {
  pb::Resource r;
  r.mutable_user()->set_ha1("00ff");
  EXPECT_EQ(As<UserEntry>(r).ha1_sha256, "00ff");
  EXPECT_EQ(As<UserEntry>(r).ha1_md5, "");
  r.mutable_user()->set_digest_algorithm(type::DIGEST_ALGORITHM_MD5);
  EXPECT_EQ(As<UserEntry>(r).ha1_sha256, "");
  EXPECT_EQ(As<UserEntry>(r).ha1_md5, "00ff");
  EXPECT_EQ(As<UserEntry>(r).digest_algorithm, DigestAlgorithm::kMd5);
}

TEST(SnapshotProtoTest, RoutePattern) {
  pb::Resource r;
  pb::RoutePattern& in = *r.mutable_route_pattern();
  in.set_name("tenants/t/routePatterns/out");
  in.set_pattern("9.!");
  in.set_partition("tenants/t/partitions/p");
  in.set_peer("tenants/t/peers/gw");
  in.set_urgent_priority(true);
  in.set_toll_class(pb::TOLL_CLASS_INTERNATIONAL);
  in.mutable_called_party()->set_discard_digits(pb::DISCARD_DIGITS_PRE_DOT);
  in.mutable_called_party()->set_prefix_digits("+1");
  in.mutable_calling_party()->set_transform_mask("555XXXX");
  RoutePatternEntry out = As<RoutePatternEntry>(r);
  EXPECT_EQ(out.pattern, "9.!");
  EXPECT_EQ(out.action, PatternAction::kRoute);
  EXPECT_EQ(out.peer, "tenants/t/peers/gw");
  EXPECT_TRUE(out.urgent_priority);
  EXPECT_EQ(out.toll_class, TollClass::kInternational);
  EXPECT_EQ(out.transformation.discard, DiscardDigits::kPreDot);
  EXPECT_EQ(out.transformation.called_prefix, "+1");
  EXPECT_EQ(out.transformation.calling_mask, "555XXXX");
  in.mutable_block()->set_cause(17);
  out = As<RoutePatternEntry>(r);
  EXPECT_EQ(out.action, PatternAction::kBlock);
  EXPECT_EQ(out.block_cause, 17u);
  EXPECT_EQ(out.peer, "");
}

TEST(SnapshotProtoTest, EveryKindFindsItsList) {
  PlanSnapshot s;
  for (int kind = 0; kind < 8; ++kind) {
    pb::Resource r;
    switch (kind) {
      case 0:
        r.mutable_tenant()->set_name("n");
        break;
      case 1:
        r.mutable_dial_plan()->set_name("n");
        break;
      case 2:
        r.mutable_peer()->set_name("n");
        break;
      case 3:
        r.mutable_user()->set_name("n");
        break;
      case 4:
        r.mutable_phone()->set_name("n");
        break;
      case 5:
        r.mutable_partition()->set_name("n");
        break;
      case 6:
        r.mutable_calling_search_space()->set_name("n");
        break;
      default:
        r.mutable_route_pattern()->set_name("n");
    }
    const auto entry = EntryOf(r);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(NameOf(*entry), "n");
    AddTo(s, *entry);
  }
  EXPECT_EQ(s.tenants.size() + s.dial_plans.size() + s.peers.size() +
                s.users.size() + s.phones.size() + s.partitions.size() +
                s.calling_search_spaces.size() + s.route_patterns.size(),
            8u);
  EXPECT_EQ(s.route_patterns.size(), 1u);
  pb::Resource other;
  other.mutable_hunt_pilot()->set_name("h");
  EXPECT_FALSE(EntryOf(other).has_value());
  EXPECT_EQ(NameOf(other), "h");
  EXPECT_EQ(NameOf(pb::Resource()), "");
}

}  // namespace
}  // namespace sallyport
