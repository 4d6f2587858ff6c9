#include "services/common/plan_snapshot/snapshot_proto.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
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

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

Message& Fill(pb::Resource& resource, const FieldDescriptor& kind) {
  return *resource.GetReflection()->MutableMessage(&resource, &kind);
}

// Gives a field a value that is neither unset nor a default.
void SetSomething(Message& message, const FieldDescriptor& field) {
  const auto* r = message.GetReflection();
  if (field.is_repeated()) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return r->AddString(&message, &field, "x");
      case FieldDescriptor::CPPTYPE_ENUM:
        return r->AddEnumValue(&message, &field, 2);
      default:
        ASSERT_EQ(field.cpp_type(), FieldDescriptor::CPPTYPE_MESSAGE);
        r->AddMessage(&message, &field);
        return;
    }
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return r->SetString(&message, &field, "x");
    case FieldDescriptor::CPPTYPE_BOOL:
      // The one that is true when it is unset.
      return r->SetBool(&message, &field, !field.has_optional_keyword());
    case FieldDescriptor::CPPTYPE_UINT32:
      return r->SetUInt32(&message, &field, 7);
    case FieldDescriptor::CPPTYPE_INT32:
      return r->SetInt32(&message, &field, 7);
    case FieldDescriptor::CPPTYPE_INT64:
      return r->SetInt64(&message, &field, 7);
    case FieldDescriptor::CPPTYPE_ENUM:
      // 2 is the second value, and what HuntAlgorithm and the like do not
      // mean when they say nothing; for them whose default is not the first.
      return r->SetEnumValue(
          &message, &field,
          field.enum_type()->name() == "DigestAlgorithm" ||
                  field.enum_type()->name() == "MessageWaitingIndicator"
              ? 1
              : 2);
    default:
      FAIL() << field.full_name();
  }
}

// Those that are for people or the API alone.
bool IsForTheApi(const FieldDescriptor& field) {
  const std::string& name = field.name();
  return name == "display_name" || name == "description" || name == "etag" ||
         name == "create_time" || name == "update_time" || name == "password" ||
         name == "has_credentials" || name == "comment" || name == "effect" ||
         name == "restart_mark";
}

// Sets each field of `at`, and of the messages inside, one after the other,
// and expects the entry of `resource` to show it.
void ExpectFieldsReachTheEntry(pb::Resource& resource, Message& at) {
  const auto* r = at.GetReflection();
  for (int i = 0; i < at.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *at.GetDescriptor()->field(i);
    if (IsForTheApi(field)) continue;
    const auto before = EntryOf(resource);
    ASSERT_TRUE(before.has_value());
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      SetSomething(at, field);
      EXPECT_NE(*EntryOf(resource), *before) << field.full_name();
    } else if (field.is_repeated()) {
      Message& item = *r->AddMessage(&at, &field);
      EXPECT_NE(*EntryOf(resource), *before) << field.full_name();
      ExpectFieldsReachTheEntry(resource, item);
    } else {
      ExpectFieldsReachTheEntry(resource, *r->MutableMessage(&at, &field));
    }
    r->ClearField(&at, &field);
  }
}

TEST(SnapshotProtoTest, EveryFieldOfEveryKindReachesTheEntry) {
  for (int i = 0; i < pb::Resource::descriptor()->field_count(); ++i) {
    const FieldDescriptor& kind = *pb::Resource::descriptor()->field(i);
    pb::Resource resource;
    Message& inner = Fill(resource, kind);
    ExpectFieldsReachTheEntry(resource, inner);
  }
}

TEST(SnapshotProtoTest, EveryKindFindsItsList) {
  PlanSnapshot s;
  const int kinds = pb::Resource::descriptor()->field_count();
  EXPECT_EQ(kinds, 28);
  for (int i = 0; i < kinds; ++i) {
    const FieldDescriptor& kind = *pb::Resource::descriptor()->field(i);
    pb::Resource r;
    Message& inner = Fill(r, kind);
    inner.GetReflection()->SetString(
        &inner, inner.GetDescriptor()->FindFieldByName("name"), "n");
    EXPECT_EQ(NameOf(r), "n");
    const auto entry = EntryOf(r);
    ASSERT_TRUE(entry.has_value()) << kind.name();
    EXPECT_EQ(NameOf(*entry), "n");
    AddTo(s, *entry);
  }
  size_t lists = 0;
  ForEachList(s, [&lists](const auto& list) {
    ++lists;
    EXPECT_EQ(list.size(), 1u);
  });
  EXPECT_EQ(lists, 28u);
  EXPECT_FALSE(EntryOf(pb::Resource()).has_value());
  EXPECT_EQ(NameOf(pb::Resource()), "");
}

// A toll class or suite of a later version opens nothing here.
TEST(SnapshotProtoTest, WhatALaterVersionAllowsIsNotAllowed) {
  pb::Resource r;
  r.mutable_dialling_restriction()->add_allowed_toll_classes(
      static_cast<pb::TollClass>(77));
  r.mutable_dialling_restriction()->add_allowed_toll_classes(
      pb::TOLL_CLASS_LOCAL);
  EXPECT_EQ(As<DiallingRestrictionEntry>(r).allowed,
            std::vector<TollClass>{TollClass::kLocal});
  auto& limit = *r.mutable_dialling_restriction()->add_toll_limits();
  limit.add_toll_classes(static_cast<pb::TollClass>(77));
  limit.add_toll_classes(pb::TOLL_CLASS_PREMIUM);
  limit.set_calls_per_caller(1);
  limit.set_calls_per_tenant(2);
  limit.set_calls_per_minute_per_caller(3);
  limit.set_calls_per_minute_per_tenant(4);
  EXPECT_EQ(As<DiallingRestrictionEntry>(r).toll_limits,
            (std::vector<TollLimit>{{{TollClass::kPremium}, 1, 2, 3, 4}}));
  r.mutable_dial_plan()->add_srtp_suites(static_cast<type::SrtpSuite>(99));
  EXPECT_TRUE(As<DialPlanEntry>(r).srtp_suites.empty());
  r.mutable_route_pattern()->set_toll_class(static_cast<pb::TollClass>(77));
  EXPECT_EQ(As<RoutePatternEntry>(r).toll_class, TollClass::kPremium);
  r.mutable_trunk_security_profile()->set_device_security_mode(
      static_cast<pb::DeviceSecurityMode>(77));
  EXPECT_EQ(As<TrunkSecurityProfileEntry>(r).device_security_mode,
            DeviceSecurityMode::kEncrypted);
}

// Values of ours are in the API's order: the last of each says so.
TEST(SnapshotProtoTest, EnumsAreInStep) {
  pb::Resource r;
  auto& route = *r.mutable_route_pattern();
  route.mutable_called_party()->set_discard_digits(
      pb::DISCARD_DIGITS_PRE_DOT_11D_TO_10D);
  EXPECT_EQ(As<RoutePatternEntry>(r).transformation.discard,
            DiscardDigits::kPreDot11dTo10d);
  route.mutable_called_party()->set_discard_digits(
      pb::DISCARD_DIGITS_INTL_TOLL_BYPASS);
  EXPECT_EQ(As<RoutePatternEntry>(r).transformation.discard,
            DiscardDigits::kIntlTollBypass);
  auto& group = *r.mutable_line_group();
  EXPECT_EQ(As<LineGroupEntry>(r).algorithm, HuntAlgorithm::kLongestIdle);
  group.set_algorithm(pb::HUNT_ALGORITHM_BROADCAST);
  group.set_on_busy(pb::HUNT_ACTION_STOP);
  EXPECT_EQ(As<LineGroupEntry>(r).algorithm, HuntAlgorithm::kBroadcast);
  EXPECT_EQ(As<LineGroupEntry>(r).on_busy, HuntAction::kStop);
  auto& profile = *r.mutable_phone_security_profile();
  EXPECT_EQ(As<PhoneSecurityProfileEntry>(r).key_order,
            CapfKeyOrder::kEcPreferredRsaBackup);
  profile.set_key_order(pb::CAPF_KEY_ORDER_EC_ONLY);
  profile.set_authentication_mode(
      pb::CAPF_AUTHENTICATION_MODE_EXISTING_CERTIFICATE_MIC);
  EXPECT_EQ(As<PhoneSecurityProfileEntry>(r).key_order, CapfKeyOrder::kEcOnly);
  EXPECT_EQ(As<PhoneSecurityProfileEntry>(r).authentication_mode,
            CapfAuthenticationMode::kExistingCertificateMic);
  auto& plan = *r.mutable_dial_plan();
  plan.set_uri_type(pb::URI_TYPE_SIP_NAME);
  plan.set_media_mode(pb::MEDIA_MODE_PASS_THROUGH);
  plan.add_srtp_suites(type::SRTP_SUITE_AES_256_CM_HMAC_SHA1_80);
  EXPECT_EQ(As<DialPlanEntry>(r).srtp_keying, SrtpKeying::kSdes);
  plan.set_srtp_keying(pb::SRTP_KEYING_SDES);
  EXPECT_EQ(As<DialPlanEntry>(r).srtp_keying, SrtpKeying::kSdes);
  plan.set_srtp_keying(pb::SRTP_KEYING_DTLS);
  plan.set_ice(true);
  EXPECT_EQ(As<DialPlanEntry>(r).srtp_keying, SrtpKeying::kDtls);
  EXPECT_TRUE(As<DialPlanEntry>(r).ice);
  plan.set_srtp_keying(static_cast<pb::SrtpKeying>(9));
  EXPECT_EQ(As<DialPlanEntry>(r).srtp_keying, SrtpKeying::kDtls);
  EXPECT_EQ(As<DialPlanEntry>(r).uri_type, UriType::kSipName);
  EXPECT_EQ(As<DialPlanEntry>(r).media_mode, MediaMode::kPassThrough);
  EXPECT_EQ(As<DialPlanEntry>(r).srtp_suites,
            std::vector<PlanSrtpSuite>{PlanSrtpSuite::kAes256CmHmacSha1_80});
  auto& peer = *r.mutable_peer();
  peer.set_ipsec_capability(pb::IPSEC_CAPABILITY_SUPPORTED);
  peer.set_address_family(pb::ADDRESS_FAMILY_ANY);
  EXPECT_EQ(As<PeerEntry>(r).ipsec, IpsecCapability::kSupported);
  EXPECT_EQ(As<PeerEntry>(r).address_family, AddressFamily::kAny);
}

}  // namespace
}  // namespace sallyport
