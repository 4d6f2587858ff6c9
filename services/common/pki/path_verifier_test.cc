#include "services/common/pki/path_verifier.h"

#include <openssl/nid.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/testing/test_indirect_crl.h"

namespace sallyport {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kDay = absl::Hours(24);

CertificateRef Parse(const std::string& der) {
  return ParseWholeCertificate(AsBytes(der)).value();
}

// A root, an intermediate, and what a test asks.
struct Chain {
  std::vector<std::string> anchors;
  PathQuery query;
  PathRules rules;

  Chain(const TestCertificate& leaf, const std::vector<const TestCa*>& others,
        const TestCa& root) {
    anchors = {root.certificate().der};
    query.leaf = Parse(leaf.der);
    for (const TestCa* other : others) {
      query.others.push_back(Parse(other->certificate().der));
    }
    query.now = kNow;
    rules.usage.server_auth = true;
  }
  PathResult Result() const {
    return PathVerifier::Create(anchors).value()->Verify(query, rules);
  }
  absl::Status Verdict() const { return Result().status; }
};

TestCertificateSpec CaSpec(const std::string& name) {
  return {.common_name = name, .is_ca = true};
}

TEST(PathVerifierTest, TellsThePathLeafFirst) {
  TestCa root("Root");
  TestCa middle = root.IssueCa("Middle");
  const Chain chain(middle.IssueDns("a.test"), {&middle}, root);
  const PathResult result = chain.Result();
  ASSERT_THAT(result.status, IsOk());
  ASSERT_EQ(result.path.size(), 3u);
  EXPECT_EQ(result.path[2]->der, root.certificate().der);
}

// UM-25, UM-26: one test for each reason why a chain is not trusted.
TEST(PathVerifierTest, RootThatIsNotInTheStore) {
  TestCa root("Root"), stranger("Stranger");
  TestCa middle = stranger.IssueCa("Middle");
  const Chain chain(middle.IssueDns("a.test"), {&middle, &stranger}, root);
  const PathResult result = chain.Result();
  EXPECT_THAT(result.status, HasReason("ROOT_NOT_TRUSTED"));
  EXPECT_EQ(result.at_fault, 2u);
}

TEST(PathVerifierTest, ChainWithoutItsIntermediate) {
  TestCa root("Root");
  TestCa middle = root.IssueCa("Middle");
  const PathResult result = Chain(middle.IssueDns("a.test"), {}, root).Result();
  EXPECT_THAT(result.status, HasReason("CHAIN_INCOMPLETE"));
  EXPECT_EQ(result.at_fault, 0u);
}

TEST(PathVerifierTest, RevokedMemberByListAndByWord) {
  TestCa root("Root");
  const long serial = root.next_serial();
  TestCa middle = root.IssueCa("Middle");
  Chain chain(middle.IssueDns("a.test"), {&middle}, root);
  const auto list = [&](TestCa& ca, const std::vector<long>& serials) {
    return ParseWholeCrl(
               AsBytes(ca.IssueCrl(serials, kNow - kDay, kNow + kDay)))
        .value();
  };
  chain.rules.revocation = RevocationRule::kHard;
  EXPECT_THAT(chain.Verdict(), HasReason("REVOCATION_UNKNOWN"));
  chain.rules.revocation = RevocationRule::kSoft;
  EXPECT_THAT(chain.Verdict(), IsOk());
  chain.query.lists = {list(root, {}), list(middle, {})};
  chain.rules.revocation = RevocationRule::kHard;
  EXPECT_THAT(chain.Verdict(), IsOk());
  chain.query.lists[0] = list(root, {serial});
  chain.rules.revocation = RevocationRule::kSoft;
  PathResult result = chain.Result();
  EXPECT_THAT(result.status, HasReason("CERTIFICATE_REVOKED"));
  EXPECT_EQ(result.at_fault, 1u);
  // A list that somebody else signed says nothing.
  TestCa other("Root");
  chain.query.lists[0] = list(other, {serial});
  EXPECT_THAT(chain.Verdict(), IsOk());
  chain.query.revoked = [](const ParsedCertificate& one) { return !one.is_ca; };
  result = chain.Result();
  EXPECT_THAT(result.status, HasReason("CERTIFICATE_REVOKED"));
  EXPECT_EQ(result.at_fault, 0u);
}

// RFC 5280 sections 5.2.5 and 6.3.3: who signs lists for an issuer, who says so
// in its certificates.
TEST(PathVerifierTest, AnotherSignsTheIssuersLists) {
  TestCa root("Root");
  TestCa issuing = root.IssueCa("Issuing");
  TestCertificateSpec signer = {.common_name = "Lists"};
  signer.basic_constraints = "critical,CA:FALSE";
  signer.key_usage = "critical,cRLSign";
  const TestCertificate lists = root.Issue(signer);
  const auto leaf = [&](bool names_lists) {
    TestCertificateSpec spec{.dns_names = {"a.test"}};
    if (names_lists) {
      spec.extensions = {{NID_crl_distribution_points, IndirectPoint(lists)}};
    }
    return issuing.Issue(spec);
  };
  const long first = issuing.next_serial();
  const TestCertificate good = leaf(true);
  const TestCertificate bad = leaf(true);
  const TestCertificate silent = leaf(false);
  const std::string issuer = SubjectDer(issuing.certificate());
  const auto list = [&](const TestCertificate& by,
                        const std::vector<TestIndirectEntry>& entries) {
    return ParseWholeCrl(
               AsBytes(IssueIndirectCrl(by, entries, kNow - kDay, kNow + kDay)))
        .value();
  };
  const auto of_root =
      ParseWholeCrl(AsBytes(root.IssueCrl({}, kNow - kDay, kNow + kDay)))
          .value();
  // The first entry is of the list's own issuer; what an entry says holds for
  // those after it (section 5.3.3).
  const auto indirect = list(lists, {{.serial = first},
                                     {.serial = 7, .issuer_der = issuer},
                                     {.serial = first + 1},
                                     {.serial = first + 2}});
  const auto verdict = [&](const TestCertificate& who, bool signer_in_store,
                           RevocationRule rule,
                           const std::shared_ptr<const ParsedCrl>& what) {
    Chain chain(who, {&issuing}, root);
    chain.rules.revocation = rule;
    chain.query.lists = {of_root, what};
    if (signer_in_store) {
      chain.anchors.push_back(lists.der);
    } else {
      chain.query.others.push_back(Parse(lists.der));
    }
    return chain.Verdict();
  };
  for (const bool store : {false, true}) {
    EXPECT_THAT(verdict(good, store, RevocationRule::kHard, indirect), IsOk());
    EXPECT_THAT(verdict(bad, store, RevocationRule::kSoft, indirect),
                HasReason("CERTIFICATE_REVOKED"));
    // Its issuer has not said that others' lists count.
    EXPECT_THAT(verdict(silent, store, RevocationRule::kSoft, indirect),
                IsOk());
    EXPECT_THAT(verdict(silent, store, RevocationRule::kHard, indirect),
                HasReason("REVOCATION_UNKNOWN"));
  }
  // Where the issuer is an anchor too, it leads to the same root all the same.
  Chain short_path(bad, {}, root);
  short_path.rules.revocation = RevocationRule::kHard;
  short_path.anchors.push_back(issuing.certificate().der);
  short_path.anchors.push_back(lists.der);
  short_path.query.lists = {indirect};
  EXPECT_THAT(short_path.Verdict(), HasReason("CERTIFICATE_REVOKED"));
  short_path.query.leaf = Parse(good.der);
  EXPECT_THAT(short_path.Verdict(), IsOk());
  // Without the signer's certificate it says nothing.
  Chain alone(bad, {&issuing}, root);
  alone.rules.revocation = RevocationRule::kSoft;
  alone.query.lists = {of_root, indirect};
  EXPECT_THAT(alone.Verdict(), IsOk());
  // Nor does one of that name below another root, though in the store, nor one
  // whose certificate is revoked.
  TestCa other("Other root");
  const TestCertificate stranger = other.Issue(signer);
  Chain strange(bad, {&issuing}, root);
  strange.rules.revocation = RevocationRule::kSoft;
  strange.anchors.push_back(stranger.der);
  strange.anchors.push_back(other.certificate().der);
  strange.query.lists = {
      of_root, list(stranger, {{.serial = first + 1, .issuer_der = issuer}})};
  EXPECT_THAT(strange.Verdict(), IsOk());
  Chain revoked(bad, {&issuing}, root);
  revoked.rules.revocation = RevocationRule::kHard;
  revoked.query.others.push_back(Parse(lists.der));
  revoked.query.revoked = [&](const ParsedCertificate& one) {
    return one.der == lists.der;
  };
  revoked.query.lists = {of_root, indirect};
  EXPECT_THAT(revoked.Verdict(), HasReason("REVOCATION_UNKNOWN"));
}

TEST(PathVerifierTest, ListOutOfItsTimeIsNoList) {
  TestCa root("Root");
  Chain chain(root.IssueDns("a.test"), {}, root);
  chain.rules.revocation = RevocationRule::kHard;
  chain.query.lists = {
      ParseWholeCrl(AsBytes(root.IssueCrl({}, kNow - 2 * kDay, kNow - kDay)))
          .value()};
  EXPECT_THAT(chain.Verdict(), HasReason("REVOCATION_UNKNOWN"));
}

TEST(PathVerifierTest, MemberOutOfItsTime) {
  TestCa root("Root");
  TestCertificateSpec early = CaSpec("Early");
  early.not_after = kNow - absl::Seconds(1);
  TestCa expired = root.IssueCa(early);
  EXPECT_THAT(Chain(expired.IssueDns("a.test"), {&expired}, root).Verdict(),
              HasReason("CERTIFICATE_EXPIRED"));
  TestCertificateSpec late{.dns_names = {"a.test"}};
  late.not_before = kNow + absl::Seconds(1);
  EXPECT_THAT(Chain(root.Issue(late), {}, root).Verdict(),
              HasReason("CERTIFICATE_NOT_YET_VALID"));
  // RFC 5280 section 4.1.2.5: both ends belong to the time.
  late.not_before = late.not_after = kNow;
  EXPECT_THAT(Chain(root.Issue(late), {}, root).Verdict(), IsOk());
  // An anchor's own dates count too.
  TestCertificateSpec old = CaSpec("Old");
  old.not_after = kNow - kDay;
  TestCa old_root = TestCa::Root(old);
  EXPECT_THAT(Chain(old_root.IssueDns("a.test"), {}, old_root).Verdict(),
              HasReason("CERTIFICATE_EXPIRED"));
}

TEST(PathVerifierTest, ModifiedCertificate) {
  TestCa root("Root");
  TestCertificate leaf = root.IssueDns("aaaa.test");
  const size_t at = leaf.der.rfind("aaaa.test");
  leaf.der[at] = 'b';
  EXPECT_THAT(Chain(leaf, {}, root).Verdict(), HasReason("SIGNATURE_INVALID"));
}

// UM-27.
TEST(PathVerifierTest, UseThatTheCertificateDoesNotAllow) {
  TestCa root("Root");
  Chain chain(root.Issue({.dns_names = {"a.test"}, .server_auth = false}), {},
              root);
  EXPECT_THAT(chain.Verdict(), HasReason("EKU_MISSING"));
  chain.rules.usage = {.server_auth = false, .client_auth = true};
  EXPECT_THAT(chain.Verdict(), IsOk());
  // An authority's own extended key usage limits what is below it.
  TestCertificateSpec clients = CaSpec("Clients only");
  clients.extensions = {{NID_ext_key_usage, "clientAuth"}};
  TestCa middle = root.IssueCa(clients);
  EXPECT_THAT(Chain(middle.IssueDns("a.test"), {&middle}, root).Verdict(),
              HasReason("EKU_MISSING"));
  TestCertificateSpec crl_only{.dns_names = {"a.test"}};
  crl_only.key_usage = "critical,dataEncipherment";
  EXPECT_THAT(Chain(root.Issue(crl_only), {}, root).Verdict(),
              HasReason("KEY_USAGE_MISSING"));
}

// RFC 5924 section 4.
TEST(PathVerifierTest, UseAsASipDomain) {
  TestCa root("Root");
  const auto issue = [](TestCa& by, std::string_view usages) {
    TestCertificateSpec spec{.dns_names = {"a.test"},
                             .no_extended_key_usage = true};
    if (!usages.empty()) {
      spec.extensions = {{NID_ext_key_usage, std::string(usages)}};
    }
    return by.Issue(spec);
  };
  constexpr std::string_view kSipDomain = "1.3.6.1.5.5.7.3.20";
  for (const bool server : {true, false}) {
    const RequiredUsage role = {.server_auth = server, .client_auth = !server};
    RequiredUsage sip = role;
    sip.or_sip_domain = true;
    const auto verdict = [&](const RequiredUsage& usage, TestCa& by,
                             std::string_view usages) {
      Chain chain(issue(by, usages), {}, root);
      chain.rules.usage = usage;
      return chain.Verdict();
    };
    EXPECT_THAT(verdict(sip, root, kSipDomain), IsOk());
    EXPECT_THAT(verdict(role, root, kSipDomain), HasReason("EKU_MISSING"));
    EXPECT_THAT(verdict(sip, root, "codeSigning,1.3.6.1.5.5.7.3.20"), IsOk());
    EXPECT_THAT(verdict(sip, root, "anyExtendedKeyUsage"), IsOk());
    EXPECT_THAT(verdict(sip, root, "serverAuth,clientAuth"), IsOk());
    EXPECT_THAT(verdict(sip, root, server ? "clientAuth" : "serverAuth"),
                HasReason("EKU_MISSING"));
    EXPECT_THAT(verdict(sip, root, "codeSigning"), HasReason("EKU_MISSING"));
    EXPECT_THAT(verdict(sip, root, ""), IsOk());  // as policy has it
    sip.named = true;
    EXPECT_THAT(verdict(sip, root, ""), HasReason("EKU_MISSING"));
    EXPECT_THAT(verdict(sip, root, kSipDomain), IsOk());
    sip.named = false;
    // What an authority is limited to is one of those of the leaf.
    TestCertificateSpec only = CaSpec("SIP only");
    only.extensions = {{NID_ext_key_usage, std::string(kSipDomain)}};
    TestCa sip_only = root.IssueCa(only);
    only = CaSpec("TLS only");
    only.extensions = {{NID_ext_key_usage, "serverAuth,clientAuth"}};
    TestCa tls_only = root.IssueCa(only);
    const auto below = [&](TestCa& middle, std::string_view usages) {
      Chain chain(issue(middle, usages), {&middle}, root);
      chain.rules.usage = sip;
      return chain.Verdict();
    };
    EXPECT_THAT(below(sip_only, kSipDomain), IsOk());
    EXPECT_THAT(below(sip_only, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.20"),
                IsOk());
    EXPECT_THAT(below(sip_only, ""), IsOk());
    EXPECT_THAT(below(sip_only, "serverAuth,clientAuth"),
                HasReason("EKU_MISSING"));
    EXPECT_THAT(below(tls_only, kSipDomain), HasReason("EKU_MISSING"));
    EXPECT_THAT(below(tls_only, "serverAuth,clientAuth,1.3.6.1.5.5.7.3.20"),
                IsOk());
  }
}

// UM-89: absent is not enough for some gateways.
TEST(PathVerifierTest, UseThatMustBeNamed) {
  TestCa root("Root");
  Chain chain(
      root.Issue({.dns_names = {"a.test"}, .no_extended_key_usage = true}), {},
      root);
  chain.rules.usage = {.server_auth = true, .client_auth = true};
  EXPECT_THAT(chain.Verdict(), IsOk());
  chain.rules.usage.named = true;
  EXPECT_THAT(chain.Verdict(), HasReason("EKU_MISSING"));
}

TEST(PathVerifierTest, IssuerThatMayNotIssue) {
  TestCa root("Root");
  TestCertificateSpec spec = CaSpec("No CA");
  spec.basic_constraints = "critical,CA:FALSE";
  TestCa none = root.IssueCa(spec);
  EXPECT_THAT(Chain(none.IssueDns("a.test"), {&none}, root).Verdict(),
              HasReason("ISSUER_NOT_CA"));
  spec.basic_constraints = "-";
  TestCa silent = root.IssueCa(spec);
  EXPECT_THAT(Chain(silent.IssueDns("a.test"), {&silent}, root).Verdict(),
              HasReason("ISSUER_NOT_CA"));
  TestCertificateSpec no_sign = CaSpec("No signing");
  no_sign.key_usage = "critical,digitalSignature";
  TestCa mute = root.IssueCa(no_sign);
  EXPECT_THAT(Chain(mute.IssueDns("a.test"), {&mute}, root).Verdict(),
              HasReason("KEY_USAGE_MISSING"));
}

TEST(PathVerifierTest, LimitsOfAuthoritiesHold) {
  TestCertificateSpec spec = CaSpec("Root");
  spec.basic_constraints = "critical,CA:TRUE,pathlen:0";
  spec.extensions = {{NID_name_constraints, "critical,permitted;DNS:a.test"}};
  TestCa root = TestCa::Root(spec);
  EXPECT_THAT(Chain(root.IssueDns("x.a.test"), {}, root).Verdict(), IsOk());
  EXPECT_THAT(Chain(root.IssueDns("b.test"), {}, root).Verdict(),
              HasReason("NAME_CONSTRAINT_VIOLATED"));
  // A wildcard stands for more than the tree.
  EXPECT_THAT(Chain(root.IssueDns("*.test"), {}, root).Verdict(),
              HasReason("NAME_CONSTRAINT_VIOLATED"));
  TestCa middle = root.IssueCa("Middle");
  EXPECT_THAT(Chain(middle.IssueDns("a.test"), {&middle}, root).Verdict(),
              HasReason("PATH_LENGTH_EXCEEDED"));
}

TEST(PathVerifierTest, WhatIsCriticalAndNotKnown) {
  TestCa root("Root");
  TestCertificateSpec spec{.dns_names = {"a.test"}};
  // Netscape's comment: as good as any that paths do not know.
  spec.extensions = {{NID_netscape_comment, "critical,strange"}};
  EXPECT_THAT(Chain(root.Issue(spec), {}, root).Verdict(),
              HasReason("CRITICAL_EXTENSION_UNKNOWN"));
}

TEST(PathVerifierTest, PolicyThatIsRequired) {
  TestCa root("Root");
  TestCertificateSpec spec = CaSpec("Middle");
  spec.extensions = {
      {NID_certificate_policies, "1.2.3.4"},
      {NID_policy_constraints, "critical,requireExplicitPolicy:0"}};
  TestCa middle = root.IssueCa(spec);
  EXPECT_THAT(Chain(middle.IssueDns("a.test"), {&middle}, root).Verdict(),
              HasReason("POLICY_VIOLATED"));
  TestCertificateSpec leaf{.dns_names = {"a.test"}};
  leaf.extensions = {{NID_certificate_policies, "1.2.3.4"}};
  EXPECT_THAT(Chain(middle.Issue(leaf), {&middle}, root).Verdict(), IsOk());
}

TEST(PathVerifierTest, WeakSignatures) {
  TestCa root("Root");
  Chain chain(root.Issue({.dns_names = {"a.test"}, .sha1 = true}), {}, root);
  EXPECT_THAT(chain.Verdict(), HasReason("SIGNATURE_ALGORITHM_WEAK"));
  chain.rules.signatures.allow_sha1 = true;
  EXPECT_THAT(chain.Verdict(), IsOk());
}

TEST(PathVerifierTest, GoesAnotherWayWhenTheFirstIsBad) {
  TestCa root("Root");
  TestCertificateSpec spec = CaSpec("Middle");
  TestCa good = root.IssueCa(spec);
  spec.not_after = kNow - kDay;
  TestCa bad = root.IssueCa(spec);  // of the same name
  EXPECT_THAT(Chain(good.IssueDns("a.test"), {&bad, &good}, root).Verdict(),
              IsOk());
}

TEST(PathVerifierTest, ManyPathsAreGivenUp) {
  TestCa root("Root"), stranger("Other");
  std::vector<TestCa> web;
  web.push_back(stranger.IssueCa("Web"));
  // Each is an issuer of each other by name, and none is by key.
  for (int i = 0; i < 100; ++i) web.push_back(web[0].IssueCa("Web"));
  std::vector<const TestCa*> others;
  for (const TestCa& one : web) others.push_back(&one);
  EXPECT_THAT(Chain(web.back().IssueDns("a.test"), others, root).Verdict(),
              HasReason("PATH_SEARCH_EXHAUSTED"));
}

TEST(PathVerifierTest, StrictFormIsAskedForByTheStrict) {
  TestCa root("Root");
  Chain chain(root.IssueDns("a.test"), {}, root);
  EXPECT_THAT(chain.Verdict(), IsOk());
  chain.rules.strict_form = true;  // our test authority has no key identifiers
  EXPECT_THAT(chain.Verdict(), HasReason("FORM_NOT_STRICT"));
}

TEST(PathVerifierTest, OldCertificatesIssueNothing) {
  TestCertificateSpec spec = CaSpec("V1");
  spec.version1 = true;
  TestCa root = TestCa::Root(spec);
  EXPECT_THAT(Chain(root.IssueDns("a.test"), {}, root).Verdict(),
              HasReason("ISSUER_NOT_CA"));
}

}  // namespace
}  // namespace sallyport
