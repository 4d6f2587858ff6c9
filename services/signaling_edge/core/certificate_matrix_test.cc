// Real certificates of many kinds, from DER to the peer that they name: the
// identity rule (RFC 5922) over what x509_name reads, with nothing made up in
// between.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/status/error_reason.h"
#include "services/common/testing/test_certs.h"
#include "services/signaling_edge/core/peer_identity.h"

namespace sallyport::signaling_edge {
namespace {

struct Kind {
  const char* name;
  TestCertificateSpec spec;
  // By policy: a peer known by FQDN alone, one with a subject list, a phone.
  // The resource's last letter, or '-' for a refusal.
  const char* peer_by_fqdn;
  const char* peer_by_subjects;
  const char* phone;
};

// gw.test is peer f's FQDN; peer s (s.test) has the subjects cn-one and
// alt.test; phone p is SEP1.
const Kind kKinds[] = {
    {"dns", {.dns_names = {"gw.test"}}, "f", "-", "-"},
    {"dns_upper_case", {.dns_names = {"GW.TEST"}}, "f", "-", "-"},
    {"dns_second", {.dns_names = {"a.test", "gw.test"}}, "f", "-", "-"},
    {"dns_with_other_cn",
     {.common_name = "other", .dns_names = {"gw.test"}},
     "f",
     "-",
     "-"},
    {"dns_wildcard", {.dns_names = {"*.test"}}, "-", "-", "-"},
    {"dns_suffix", {.dns_names = {"gw.test.evil.test"}}, "-", "-", "-"},
    {"dns_prefix", {.dns_names = {"xgw.test"}}, "-", "-", "-"},
    {"dns_trailing_dot", {.dns_names = {"gw.test."}}, "-", "-", "-"},
    {"wrong_dns_right_cn",
     {.common_name = "gw.test", .dns_names = {"a.test"}},
     "-",
     "-",
     "-"},
    {"cn", {.common_name = "gw.test"}, "f", "-", "-"},
    {"cn_upper_case", {.common_name = "GW.Test"}, "f", "-", "-"},
    {"cn_wildcard", {.common_name = "*.test"}, "-", "-", "-"},
    {"ip_san_right_cn",
     {.common_name = "gw.test", .ips = {"192.0.2.1"}},
     "-",
     "-",
     "-"},
    {"uri", {.uris = {"sip:gw.test"}}, "f", "-", "-"},
    {"uri_with_port", {.uris = {"sip:gw.test:5061"}}, "f", "-", "-"},
    {"uri_sips", {.uris = {"sips:gw.test"}}, "-", "-", "-"},
    {"uri_user", {.uris = {"sip:gw@gw.test"}}, "-", "-", "-"},
    {"uri_spiffe", {.uris = {"spiffe://gw.test/x"}}, "-", "-", "-"},
    {"uri_other_beats_dns",
     {.dns_names = {"gw.test"}, .uris = {"sip:a.test"}},
     "-",
     "-",
     "-"},
    {"uri_beats_other_dns",
     {.dns_names = {"a.test"}, .uris = {"sip:gw.test"}},
     "f",
     "-",
     "-"},
    {"fqdn_of_peer_with_subjects", {.dns_names = {"s.test"}}, "-", "-", "-"},
    {"subject_by_cn", {.common_name = "cn-one"}, "-", "s", "-"},
    {"subject_by_dns", {.dns_names = {"alt.test"}}, "-", "s", "-"},
    {"subject_cn_under_san",
     {.common_name = "cn-one", .dns_names = {"a.test"}},
     "-",
     "-",
     "-"},
    {"two_peers", {.dns_names = {"gw.test", "alt.test"}}, "-", "-", "-"},
    {"lsc", {.common_name = "SEP1"}, "-", "-", "p"},
    {"lsc_lower_case", {.common_name = "sep1"}, "-", "-", "-"},
    {"lsc_of_another", {.common_name = "SEP2"}, "-", "-", "-"},
    {"empty", {}, "-", "-", "-"},
    {"server_only",
     {.dns_names = {"gw.test"}, .client_auth = false},
     "-",
     "-",
     "-"},
    {"no_usage",
     {.dns_names = {"gw.test"}, .no_extended_key_usage = true},
     "f",
     "-",
     "-"},
    {"rsa", {.dns_names = {"gw.test"}, .rsa_key = true}, "f", "-", "-"},
};

class CertificateMatrixTest : public testing::TestWithParam<size_t> {
 protected:
  static std::string Found(const absl::StatusOr<ConnectionIdentity>& who) {
    return who.ok() ? who->resource.substr(who->resource.size() - 1) : "-";
  }
};

TEST_P(CertificateMatrixTest, NoWrongAcceptAndNoWrongRefusal) {
  const Kind& kind = kKinds[GetParam()];
  TestCa ca;
  const TestCertificate made = ca.Issue(kind.spec);
  const auto read = ParseCertificate(AsBytes(made.der));
  ASSERT_TRUE(read.ok()) << read.status();
  const auto plan_with = [](bool fqdn, bool subjects, bool phone) {
    auto plan = std::make_shared<PlanSnapshot>();
    if (fqdn) {
      PeerEntry peer;
      peer.name = "tenants/t/peers/f";
      peer.fqdn = "gw.test";
      peer.incoming_port = 5061;
      plan->peers.push_back(peer);
    }
    if (subjects) {
      PeerEntry peer;
      peer.name = "tenants/t/peers/s";
      peer.fqdn = "s.test";
      peer.x509_subjects = {"cn-one", "alt.test"};
      peer.incoming_port = 5061;
      plan->peers.push_back(peer);
    }
    if (phone) {
      PhoneEntry entry;
      entry.name = "tenants/t/phones/p";
      entry.device_name = "SEP1";
      plan->phones.push_back(entry);
    }
    return plan;
  };
  // All together: what each policy would find, unless two would.
  std::string all;
  for (const char* one :
       {kind.peer_by_fqdn, kind.peer_by_subjects, kind.phone}) {
    if (std::string(one) != "-") all = all.empty() ? one : "-";
  }
  if (all.empty()) all = "-";
  const PlanIndex together(plan_with(true, true, true));
  EXPECT_EQ(Found(IdentifyClient(*read, together, 5061,
                                 {.peers = true, .phones = true})),
            all);
  // Each policy alone, and from the store of the other kind: nobody.
  const PlanIndex phones(plan_with(false, false, true));
  EXPECT_EQ(Found(IdentifyClient(*read, phones, 5061, {.phones = true})),
            kind.phone);
  EXPECT_EQ(Found(IdentifyClient(*read, phones, 5061, {.peers = true})), "-");
  const PlanIndex peers(plan_with(true, true, false));
  EXPECT_EQ(Found(IdentifyClient(*read, peers, 5061, {.phones = true})), "-");
  EXPECT_EQ(Found(IdentifyClient(*read, peers, 5062, {.peers = true})), "-");
  if (std::string(kind.name) != "two_peers") {
    const PlanIndex fqdn(plan_with(true, false, false));
    EXPECT_EQ(Found(IdentifyClient(*read, fqdn, 5061, {.peers = true})),
              kind.peer_by_fqdn);
    const PlanIndex subjects(plan_with(false, true, false));
    EXPECT_EQ(Found(IdentifyClient(*read, subjects, 5061, {.peers = true})),
              kind.peer_by_subjects);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, CertificateMatrixTest,
                         testing::Range(size_t{0}, std::size(kKinds)),
                         [](const auto& info) {
                           return std::string(kKinds[info.param].name);
                         });

}  // namespace
}  // namespace sallyport::signaling_edge
