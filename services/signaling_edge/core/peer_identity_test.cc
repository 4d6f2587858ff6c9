#include "services/signaling_edge/core/peer_identity.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using San = SubjectAltName;
constexpr auto kDns = San::Type::kDns;
constexpr auto kUri = San::Type::kUri;

std::shared_ptr<const PlanSnapshot> Plan() {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->peers = {
      {.name = "tenants/t/peers/a",
       .fqdn = "gw.a.test",
       .port = 5061,
       .incoming_port = 5061},
      {.name = "tenants/t/peers/b",
       .fqdn = "gw.b.test",
       .port = 5061,
       .x509_subjects = {"trunk1.b.test", "trunk2.b.test"},
       .incoming_port = 5061},
      {.name = "tenants/t/peers/off",
       .fqdn = "gw.off.test",
       .port = 5061,
       .incoming_port = 5061,
       .status = PeerStatus::kDisabled},
  };
  plan->phones = {
      {.name = "tenants/t/phones/p1", .device_name = "SEP001122334455"},
      {.name = "tenants/t/phones/p2", .device_name = "gw.a.test"}};
  return plan;
}

struct Case {
  const char* name;
  std::vector<San> sans;
  std::vector<std::string> common_names;
  const char* result;  // resource, or reason in upper case
  TrustedFor trusted = {.peers = true, .phones = false};
  bool client_auth = true;
  uint32_t port = 5061;
};

// RFC 5924 section 4.
TEST(UsagePolicyTest, WhatACertificateOfAPeerMustBeFor) {
  const PlanIndex plan(Plan());
  const PeerEntry& peer = *plan.Peer("tenants/t/peers/a");
  struct {
    bool tls, sip_domain, any;
    bool usually, strictly;
  } const kCases[] = {
      {false, false, false, false, false},  // for something else
      {true, false, false, true, false},    // for TLS, or nothing is said
      {false, true, false, true, true},     //
      {true, true, false, true, true},      //
      {true, false, true, true, true},
  };
  for (const auto& c : kCases) {
    CertificateInfo certificate;
    certificate.alt_names = {{kDns, "gw.a.test"}};
    certificate.client_auth = certificate.server_auth = c.tls;
    certificate.sip_domain = c.sip_domain;
    certificate.any_usage = c.any;
    for (const bool strict : {false, true}) {
      const UsagePolicy usage =
          strict ? UsagePolicy::kSipDomain : UsagePolicy::kTlsOrSipDomain;
      const bool wanted = strict ? c.strictly : c.usually;
      for (const auto& who :
           {IdentifyClient(certificate, plan, 5061, {.peers = true}, usage),
            IdentifyServer(certificate, peer, {.peers = true}, usage)}) {
        EXPECT_EQ(who.ok(), wanted) << who.status();
        if (!who.ok()) {
          EXPECT_EQ(ReasonOf(who.status()), "PEER_CERTIFICATE_USAGE");
        }
      }
    }
  }
  // Phones are not SIP domains, whatever is asked of peers.
  CertificateInfo phone;
  phone.common_names = {"SEP001122334455"};
  phone.client_auth = true;
  EXPECT_TRUE(IdentifyClient(phone, plan, 5061, {.phones = true},
                             UsagePolicy::kSipDomain)
                  .ok());
  phone.client_auth = false;
  phone.sip_domain = true;
  EXPECT_EQ(
      ReasonOf(IdentifyClient(phone, plan, 5061, {.phones = true}).status()),
      "PEER_CERTIFICATE_USAGE");
}

class IdentifyClientTest : public testing::TestWithParam<Case> {};

// UM-61: only names of the list, however valid the certificate.
TEST_P(IdentifyClientTest, MatchesExactlyOneOrNobody) {
  const Case& c = GetParam();
  CertificateInfo certificate;
  certificate.alt_names = c.sans;
  certificate.common_names = c.common_names;
  certificate.client_auth = c.client_auth;
  const PlanIndex plan(Plan());
  const auto who = IdentifyClient(certificate, plan, c.port, c.trusted);
  if (!who.ok()) {
    EXPECT_EQ(ReasonOf(who.status()), c.result) << who.status();
    return;
  }
  EXPECT_EQ(who->resource, c.result);
}

constexpr TrustedFor kPhones = {.peers = false, .phones = true};
constexpr TrustedFor kBoth = {.peers = true, .phones = true};

INSTANTIATE_TEST_SUITE_P(
    Rfc5922, IdentifyClientTest,
    testing::Values(
        Case{"dns", {{kDns, "gw.a.test"}}, {}, "tenants/t/peers/a"},
        Case{"dns_case", {{kDns, "GW.A.Test"}}, {}, "tenants/t/peers/a"},
        Case{"dns_among_others",
             {{kDns, "x.test"}, {kDns, "gw.a.test"}},
             {},
             "tenants/t/peers/a"},
        Case{"uri", {{kUri, "sip:gw.a.test"}}, {}, "tenants/t/peers/a"},
        Case{"uri_port",
             {{kUri, "sip:gw.a.test:5061;x=y"}},
             {},
             "tenants/t/peers/a"},
        Case{"uri_scheme_case",
             {{kUri, "SIP:gw.a.test"}},
             {},
             "tenants/t/peers/a"},
        // Section 7.1: sips, a user part and other schemes do not count.
        Case{"uri_sips",
             {{kUri, "sips:gw.a.test"}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        Case{"uri_user",
             {{kUri, "sip:user@gw.a.test"}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        Case{"uri_https",
             {{kUri, "https://gw.a.test"}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        // A sip URI, when there is one, is the identity; dNSName then is not.
        Case{"uri_beats_dns",
             {{kUri, "sip:other.test"}, {kDns, "gw.a.test"}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        Case{"unusable_uri_leaves_dns",
             {{kUri, "sips:other.test"}, {kDns, "gw.a.test"}},
             {},
             "tenants/t/peers/a"},
        // CN only without any subjectAltName.
        Case{"cn_only", {}, {"gw.a.test"}, "tenants/t/peers/a"},
        Case{"cn_case", {}, {"GW.a.TEST"}, "tenants/t/peers/a"},
        Case{"wrong_san_right_cn",
             {{kDns, "x.test"}},
             {"gw.a.test"},
             "PEER_IDENTITY_MISMATCH"},
        Case{"email_san_right_cn",
             {{San::Type::kEmail, "x@gw.a.test"}},
             {"gw.a.test"},
             "PEER_IDENTITY_MISMATCH"},
        Case{"ip_san_right_cn",
             {{San::Type::kIp, std::string("\xC0\x00\x02\x01", 4)}},
             {"gw.a.test"},
             "PEER_IDENTITY_MISMATCH"},
        // Section 7.2: no wildcard, no suffix, no trailing dot.
        Case{"wildcard", {{kDns, "*.a.test"}}, {}, "PEER_IDENTITY_MISMATCH"},
        Case{"wildcard_cn", {}, {"*.a.test"}, "PEER_IDENTITY_MISMATCH"},
        Case{
            "subdomain", {{kDns, "x.gw.a.test"}}, {}, "PEER_IDENTITY_MISMATCH"},
        Case{"parent", {{kDns, "a.test"}}, {}, "PEER_IDENTITY_MISMATCH"},
        Case{"trailing_dot",
             {{kDns, "gw.a.test."}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        Case{"embedded_space",
             {{kDns, "gw.a.test x"}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        Case{"nothing", {}, {}, "PEER_IDENTITY_MISMATCH"},
        // Configured subjects replace the FQDN (CUC-23).
        Case{
            "subject_list", {{kDns, "trunk2.b.test"}}, {}, "tenants/t/peers/b"},
        Case{"fqdn_behind_subject_list",
             {{kDns, "gw.b.test"}},
             {},
             "PEER_IDENTITY_MISMATCH"},
        Case{"two_subjects_of_one_peer",
             {{kDns, "trunk1.b.test"}, {kDns, "trunk2.b.test"}},
             {},
             "tenants/t/peers/b"},
        Case{"two_peers",
             {{kDns, "gw.a.test"}, {kDns, "trunk1.b.test"}},
             {},
             "PEER_IDENTITY_AMBIGUOUS"},
        Case{"two_common_names_two_peers",
             {},
             {"gw.a.test", "trunk1.b.test"},
             "PEER_IDENTITY_AMBIGUOUS"},
        Case{"disabled", {{kDns, "gw.off.test"}}, {}, "PEER_DISABLED"},
        Case{"other_port",
             {{kDns, "gw.a.test"}},
             {},
             "PEER_IDENTITY_MISMATCH",
             {.peers = true},
             true,
             5062},
        Case{"usage",
             {{kDns, "gw.a.test"}},
             {},
             "PEER_CERTIFICATE_USAGE",
             {.peers = true},
             false},
        // Phones by LSC: only from the phones' trust store, exact case.
        Case{"phone", {}, {"SEP001122334455"}, "tenants/t/phones/p1", kPhones},
        Case{"phone_with_san",
             {{kDns, "x.test"}},
             {"SEP001122334455"},
             "tenants/t/phones/p1",
             kPhones},
        Case{"phone_case",
             {},
             {"sep001122334455"},
             "PEER_IDENTITY_MISMATCH",
             kPhones},
        Case{"phone_two_common_names",
             {},
             {"SEP001122334455", "x"},
             "PEER_IDENTITY_MISMATCH",
             kPhones},
        Case{"phone_from_peer_store",
             {},
             {"SEP001122334455"},
             "PEER_IDENTITY_MISMATCH"},
        Case{"peer_from_phone_store",
             {{kDns, "gw.a.test"}},
             {},
             "PEER_IDENTITY_MISMATCH",
             kPhones},
        Case{"peer_and_phone",
             {},
             {"gw.a.test"},
             "PEER_IDENTITY_AMBIGUOUS",
             kBoth},
        Case{"peer_of_both_stores",
             {{kDns, "gw.a.test"}},
             {"ignored"},
             "tenants/t/peers/a",
             kBoth}),
    [](const auto& info) { return std::string(info.param.name); });

// IMP-20, IMP-44: a peer is judged by the trust store that it names, and what
// another store holds is nothing to it.
TEST(IdentifyClientTest, EachPeerByItsOwnTrustStore) {
  auto plan = std::make_shared<PlanSnapshot>(*Plan());
  plan->peers[0].trust_store = "cup-trust";
  plan->phones.clear();
  const PlanIndex index(plan);
  CertificateInfo certificate;
  certificate.client_auth = true;
  certificate.server_auth = true;
  const auto client = [&](const char* name, TrustedFor trusted) {
    certificate.alt_names = {{kDns, name}};
    const auto who = IdentifyClient(certificate, index, 5061, trusted);
    return who.ok() ? who->resource + " " + who->trust_store
                    : ReasonOf(who.status());
  };
  const TrustedFor call_manager = {.peers = true};
  const TrustedFor unified = {.others = 1};
  const TrustedFor presence = {.others = 2};
  EXPECT_EQ(client("gw.a.test", presence), "tenants/t/peers/a cup-trust");
  EXPECT_EQ(client("gw.a.test", call_manager), "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_EQ(client("gw.a.test", unified), "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_EQ(client("trunk1.b.test", call_manager), "tenants/t/peers/b ");
  EXPECT_EQ(client("trunk1.b.test", presence), "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_EQ(client("nobody.test", presence), "PEER_IDENTITY_MISMATCH");
  certificate.alt_names = {{kDns, "gw.a.test"}};
  EXPECT_TRUE(IdentifyServer(certificate, plan->peers[0], presence).ok());
  EXPECT_EQ(
      ReasonOf(
          IdentifyServer(certificate, plan->peers[0], call_manager).status()),
      "PEER_CERTIFICATE_UNTRUSTED");
}

TEST(IdentifyClientTest, ARefusalTellsTheNamesThatWereSeen) {
  CertificateInfo certificate;
  certificate.alt_names = {{kDns, "wrong.test"}};
  certificate.client_auth = true;
  const auto who =
      IdentifyClient(certificate, PlanIndex(Plan()), 5061, {.peers = true});
  ASSERT_FALSE(who.ok());
  EXPECT_NE(who.status().ToString().find("DNS=wrong.test"), std::string::npos);
}

// IMP-25, IMP-38: the name that the operator set is the one that it must show.
TEST(IdentifyServerTest, OnlyTheNameThatWasConfigured) {  // section 7.3
  const auto plan = Plan();
  const PeerEntry& a = plan->peers[0];
  const PeerEntry& b = plan->peers[1];
  CertificateInfo certificate;
  certificate.server_auth = true;
  certificate.alt_names = {{kDns, "GW.a.test"}};
  const auto who = IdentifyServer(certificate, a, {.peers = true});
  ASSERT_TRUE(who.ok()) << who.status();
  EXPECT_EQ(who->matched.name, "gw.a.test");
  EXPECT_EQ(who->matched.source, NameSource::kDnsSan);
  EXPECT_EQ(ReasonOf(IdentifyServer(certificate, b, {.peers = true}).status()),
            "PEER_IDENTITY_MISMATCH");
  EXPECT_EQ(ReasonOf(IdentifyServer(certificate, a, {.phones = true}).status()),
            "PEER_CERTIFICATE_UNTRUSTED");
  certificate.alt_names = {{kDns, "trunk1.b.test"}};
  EXPECT_TRUE(IdentifyServer(certificate, b, {.peers = true}).ok());
  certificate.server_auth = false;
  EXPECT_EQ(ReasonOf(IdentifyServer(certificate, b, {.peers = true}).status()),
            "PEER_CERTIFICATE_USAGE");
  // A peer known by address alone has no name to prove.
  PeerEntry nameless;
  nameless.address = "192.0.2.1";
  certificate.server_auth = true;
  certificate.alt_names = {{kDns, ""}};
  EXPECT_EQ(
      ReasonOf(IdentifyServer(certificate, nameless, {.peers = true}).status()),
      "PEER_IDENTITY_MISMATCH");
}

}  // namespace
}  // namespace sallyport::signaling_edge
