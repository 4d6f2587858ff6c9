// Kinds of certificate, and whose each is by the rules of RFC 5922: for the
// tests that show it, from DER alone and through handshakes.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CERTIFICATE_KINDS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CERTIFICATE_KINDS_H_

#include <openssl/nid.h>

#include <memory>
#include <string>

#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/testing/test_certs.h"

namespace sallyport::signaling_edge {

struct CertificateKind {
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
inline const CertificateKind kCertificateKinds[] = {
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
    // RFC 5924 section 4: id-kp-sipDomain is enough, in both roles.
    {"sip_domain",
     {.dns_names = {"gw.test"},
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}},
     "f",
     "-",
     "-"},
    {"sip_domain_among_others",
     {.uris = {"sip:gw.test"},
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "codeSigning,1.3.6.1.5.5.7.3.20"}}},
     "f",
     "-",
     "-"},
    {"sip_domain_of_another_name",
     {.dns_names = {"a.test"},
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}},
     "-",
     "-",
     "-"},
    {"any_usage",
     {.dns_names = {"alt.test"},
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "anyExtendedKeyUsage"}}},
     "-",
     "s",
     "-"},
    {"other_usages",
     {.dns_names = {"gw.test"},
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "codeSigning,emailProtection"}}},
     "-",
     "-",
     "-"},
    {"sip_domain_of_next_number",
     {.dns_names = {"gw.test"},
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.21"}}},
     "-",
     "-",
     "-"},
    // A phone is no SIP domain.
    {"lsc_for_sip_domains",
     {.common_name = "SEP1",
      .no_extended_key_usage = true,
      .extensions = {{NID_ext_key_usage, "1.3.6.1.5.5.7.3.20"}}},
     "-",
     "-",
     "-"},
    {"rsa", {.dns_names = {"gw.test"}, .rsa_key = true}, "f", "-", "-"},
};

// Tenant tenants/t with those of peers f and s, at port 5061, and phone p that
// are wanted.
inline std::shared_ptr<PlanSnapshot> PlanOfKinds(bool fqdn, bool subjects,
                                                 bool phone) {
  auto plan = std::make_shared<PlanSnapshot>();
  plan->version = 1;
  plan->tenants = {{.name = "tenants/t", .domains = {"edge.test"}}};
  plan->dial_plans = {{.name = "tenants/t/dialPlans/d",
                       .security_mode = SecurityMode::kSipSecured}};
  PeerEntry peer;
  peer.dial_plan = plan->dial_plans[0].name;
  peer.port = peer.incoming_port = 5061;
  peer.transport = sallyport::SipTransport::kTls;
  peer.outcalls_allowed = true;
  if (fqdn) {
    peer.name = "tenants/t/peers/f";
    peer.fqdn = "gw.test";
    plan->peers.push_back(peer);
  }
  if (subjects) {
    peer.name = "tenants/t/peers/s";
    peer.fqdn = "s.test";
    peer.x509_subjects = {"cn-one", "alt.test"};
    plan->peers.push_back(peer);
  }
  if (phone) {
    PhoneEntry entry;
    entry.name = "tenants/t/phones/p";
    entry.device_name = "SEP1";
    entry.dial_plan = plan->dial_plans[0].name;
    plan->phones.push_back(entry);
  }
  ResolveDefaults(*plan);
  return plan;
}

// Whose it is where all of these are: what each policy would find, unless two
// would.
inline std::string OwnerAmongAll(const CertificateKind& kind) {
  std::string all;
  for (const char* one :
       {kind.peer_by_fqdn, kind.peer_by_subjects, kind.phone}) {
    if (std::string(one) != "-") all = all.empty() ? one : "-";
  }
  return all.empty() ? "-" : all;
}

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CERTIFICATE_KINDS_H_
