// Authorities of a real capf that another one certifies by EST (RFC 7030).

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/capf/capf_process_fixture.h"
#include "services/capf/io/test_est_server.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

class EstProcessTest : public CapfProcessTest {
 protected:
  // With `server` above the authority; `more` of its settings.
  void StartAbove(const TestEstServer& server, const std::string& more) {
    const std::string mark = R"("authority":{)";
    config_.insert(
        config_.find(mark) + mark.size(),
        absl::StrCat(R"("est":{"url":"https://localhost:)", server.port(),
                     R"(/.well-known/est","ca_file":")", server.Path("ca.pem"),
                     R"(","certificate_file":")", server.Path("client.pem"),
                     R"(","key_file":")", server.Path("client.key"),
                     R"(","timeout":"1s",)", more, "},"));
    process_->WriteConfig(config_ + "}");
    process_->Start();
    root_ = Stub("operator/root");
  }
};

using Stub = pb::CapfService::Stub;

// issue 6: upstream by EST, which answers 202, 500, garbage or never. Each is
// told by name, nothing is lost, and the authority goes on issuing.
TEST_F(EstProcessTest, AnUpstreamIsAskedByEst) {
  const TestEstServer server(folder_ + "/est");
  process_->Kill();
  server.SetMode("500");
  StartAbove(server, R"("retry_interval":"0.1s")");
  pb::GetCertificateAuthorityRequest get;
  get.set_name("certificateAuthorities/default");
  pb::CertificateAuthority authority;
  const auto until = [&](const std::string& status) {
    for (int i = 0; i < 200; ++i) {
      const auto read = Call<pb::CertificateAuthority>(
          *root_, &Stub::GetCertificateAuthority, get);
      if (read.ok()) authority = *read;
      if (authority.upstream_status() == status) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  };
  EXPECT_TRUE(until("EST_UNAVAILABLE"));
  EXPECT_EQ(authority.mode(), pb::AUTHORITY_MODE_ONLINE);
  EXPECT_THAT(Issue(NewIssue()), IsOk());
  server.SetMode("garbage");
  EXPECT_TRUE(until("EST_MALFORMED"));
  server.SetMode("never");
  EXPECT_TRUE(until("EST_TIMEOUT"));
  // Whatever came back, the authority is the one it was, and works.
  const std::string before = authority.certificate_pem();
  EXPECT_THAT(Issue(NewIssue()), IsOk());
  server.SetMode("pending:1");
  EXPECT_TRUE(until("EST_PENDING"));
  EXPECT_EQ(authority.certificate_pem(), before);
  // A restart asks with the very same request.
  const auto requests = [&] {
    std::set<std::string> out;
    for (const absl::string_view line :
         absl::StrSplit(server.Read("asked"), '\n', absl::SkipEmpty())) {
      out.insert(std::string(line));
    }
    return out;
  };
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  EXPECT_TRUE(until("EST_PENDING"));
  EXPECT_THAT(requests(), testing::SizeIs(1));

  server.SetMode("ok");
  EXPECT_TRUE(until("OK"));
  // The next one is due after two thirds of 100 days.
  EXPECT_GT(authority.next_attempt_time().seconds(),
            absl::ToUnixSeconds(absl::Now() + absl::Hours(24 * 60)));
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate issued, Issue(NewIssue()));
  std::ofstream(folder_ + "/leaf.pem") << issued.certificate_pem();
  EXPECT_EQ(std::system(("openssl verify -CAfile " + server.Path("ca.pem") +
                         " -untrusted " + folder_ + "/ca.pem " + folder_ +
                         "/leaf.pem")
                            .c_str()),
            0);
  // It is not asked again before that, over restarts too.
  const std::string asked = server.Read("asked");
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  EXPECT_TRUE(until(""));
  EXPECT_THAT(Issue(NewIssue()), IsOk());
  EXPECT_EQ(server.Read("asked"), asked);
}

// One after the first is certified by another authority of the same EST server
// (RFC 7030 section 3.2.2), certifies the CAPF port, which shows phones an
// authority, and the signers of lists, of all tenants without one of their own.
TEST_F(EstProcessTest, OneUnderItsLabelCertifiesThePortAndSigners) {
  const TestEstServer server(folder_ + "/est");
  const std::string base =
      absl::StrCat("https://localhost:", server.port(), "/.well-known/est");
  process_->Kill();
  for (
      const auto& [mark, more] :
      {std::pair<std::string, std::string>(
           R"("authority":{)",
           absl::StrCat(R"("est":{"url":")", base, R"(","ca_file":")",
                        server.Path("ca.pem"), R"(","certificate_file":")",
                        server.Path("client.pem"), R"(","key_file":")",
                        server.Path("client.key"),
                        R"(","timeout":"1s","retry_interval":"0.1s"},)")),
       {R"("capf":{)",
        R"("certificate_authority":"phones","certificate_as_authority":true,)"},
       {R"("audit_file")", R"("trust_lists":{"host":"tftp.example.test",)"
                           R"("certificate_authority":"phones"},)"}}) {
    const size_t at = config_.find(mark);
    config_.insert(mark.back() == '{' ? at + mark.size() : at, more);
  }
  process_->WriteConfig(config_ + "}");
  process_->Start();
  root_ = Stub("operator/root");
  const auto make = [&](const std::string& id, const std::string& url,
                        const std::string& tenant) {
    pb::CreateCertificateAuthorityRequest request;
    request.set_certificate_authority_id(id);
    pb::CertificateAuthority& in = *request.mutable_certificate_authority();
    in.set_mode(url.empty() ? pb::AUTHORITY_MODE_OWN
                            : pb::AUTHORITY_MODE_ONLINE);
    in.set_upstream_url(url);
    in.set_common_name("CAPF of " + id);
    if (!tenant.empty()) in.set_tenant("tenants/" + tenant);
    return Call<pb::CertificateAuthority>(
        *root_, &Stub::CreateCertificateAuthority, request);
  };
  // How we prove ourselves is shown to the configured server alone.
  EXPECT_THAT(make("phones", "https://other.test/.well-known/est/phones", ""),
              HasReason("FIELD_INVALID"));
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority made,
                          make("phones", base + "/phones", ""));
  EXPECT_EQ(made.upstream_url(), base + "/phones");
  EXPECT_THAT(make("of-a", "", "a"), IsOk());

  pb::GetCertificateAuthorityRequest get;
  get.set_name("certificateAuthorities/phones");
  pb::CertificateAuthority phones;
  const auto certified = [&] {
    for (int i = 0; i < 200; ++i) {
      const auto read = Call<pb::CertificateAuthority>(
          *root_, &Stub::GetCertificateAuthority, get);
      if (read.ok()) phones = *read;
      if (phones.summary().issuer() == "CN=Upstream phones") return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  };
  ASSERT_TRUE(certified()) << phones.ShortDebugString();
  EXPECT_EQ(phones.mode(), pb::AUTHORITY_MODE_ONLINE);
  EXPECT_THAT(server.Read("asked"),
              testing::HasSubstr("/.well-known/est/phones/simpleenroll"));
  // The port has taken it by itself.
  const auto shown_by = [&](const std::string& issuer) {
    for (int i = 0; i < 200; ++i) {
      if (std::system(absl::StrCat("timeout 5 openssl s_client -connect "
                                   "127.0.0.1:",
                                   process_->port("capf"),
                                   " < /dev/null 2> /dev/null | openssl x509 "
                                   "-noout -issuer 2> /dev/null | grep -q '",
                                   issuer, "$'")
                          .c_str()) == 0) {
        return true;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  };
  EXPECT_TRUE(shown_by("CAPF of phones"));
  // The first one's certificate and request are where they were.
  get.set_name("certificateAuthorities/default");
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority first,
                          Call<pb::CertificateAuthority>(
                              *root_, &Stub::GetCertificateAuthority, get));
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority again,
                          Call<pb::CertificateAuthority>(
                              *root_, &Stub::GetCertificateAuthority, get));
  EXPECT_EQ(again.certificate_pem(), first.certificate_pem());
  EXPECT_EQ(again.csr_pem(), first.csr_pem());
  get.set_name("certificateAuthorities/phones");
  ASSERT_TRUE(certified());

  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system(("(" + command + ") > /dev/null 2>&1").c_str()), 0)
        << command;
  };
  run("timeout 5 openssl s_client -connect 127.0.0.1:" +
      absl::StrCat(process_->port("capf")) + " -CAfile " +
      server.Path("phones.pem") + " -verify_return_error < /dev/null > " +
      folder_ + "/shown");
  run("openssl x509 -in " + folder_ +
      "/shown -noout -text | grep -A1 'Basic Constraints: critical' | "
      "grep 'CA:TRUE, pathlen:0'");
  run("openssl x509 -in " + folder_ +
      "/shown -noout -text | grep 'Digital Signature, Certificate Sign$'");
  pb::UpdateCertificateAuthorityRequest disable;
  disable.mutable_certificate_authority()->set_name(get.name());
  disable.mutable_certificate_authority()->set_disabled(true);
  disable.mutable_update_mask()->add_paths("disabled");
  EXPECT_THAT(Call<pb::CertificateAuthority>(
                  *root_, &Stub::UpdateCertificateAuthority, disable),
              HasReason("AUTHORITY_IN_USE"));

  // Signers are made with the first list of a tenant.
  for (const auto& [tenant, authority] :
       {std::pair("a", "of-a"), std::pair("b", "phones")}) {
    pb::UpdatePhoneClusterRequest cluster;
    cluster.mutable_phone_cluster()->set_name(
        absl::StrCat("tenants/", tenant, "/phoneCluster"));
    pb::PhoneClusterNode& node =
        *cluster.mutable_phone_cluster()->add_call_managers();
    node.set_dns_name("cm.example.test");
    pb::IssueCertificateRequest issue = NewIssue();
    issue.set_parent(absl::StrCat("tenants/", tenant));
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate cm, Issue(issue));
    node.set_certificate_pem(cm.certificate_pem());
    ASSERT_THAT(
        Call<pb::PhoneCluster>(*root_, &Stub::UpdatePhoneCluster, cluster),
        IsOk());
    pb::ListCertificatesRequest list;
    list.set_parent(absl::StrCat("tenants/", tenant));
    list.set_filter("profile = CERTIFICATE_PROFILE_CTL_SIGNER");
    SP_ASSERT_OK_AND_ASSIGN(const auto signers,
                            Call<pb::ListCertificatesResponse>(
                                *root_, &Stub::ListCertificates, list));
    EXPECT_EQ(signers.certificates_size(), 3);
    for (const pb::Certificate& one : signers.certificates()) {
      EXPECT_EQ(one.certificate_authority(),
                absl::StrCat("certificateAuthorities/", authority));
    }
  }
}

// A server's own request goes to the authority above, and only what it asked
// for comes back.
TEST_F(EstProcessTest, RequestsOfServersArePassedOnByEst) {
  const TestEstServer server(folder_ + "/est");
  process_->Kill();
  server.SetMode("ok");
  StartAbove(server, R"("server_certificates":true)");
  pb::IssueCertificateRequest request = NewIssue("r1");
  request.set_certificate_authority("certificateAuthorities/upstream");
  for (const auto& [mode, reason] :
       std::vector<std::pair<std::string, std::string>>{
           {"pending:1", "EST_PENDING"},
           {"500", "EST_UNAVAILABLE"},
           {"garbage", "EST_MALFORMED"},
           {"401", "EST_UNAUTHORIZED"},
           {"other_name", "EST_MISMATCH"},
           {"never", "EST_TIMEOUT"}}) {
    server.SetMode(mode);
    EXPECT_THAT(Issue(request), HasReason(reason)) << mode;
  }
  // Nothing of these is left, and our own authority is none the worse.
  pb::ListCertificatesRequest list;
  list.set_parent("tenants/a");
  SP_ASSERT_OK_AND_ASSIGN(const pb::ListCertificatesResponse none,
                          Call<pb::ListCertificatesResponse>(
                              *root_, &Stub::ListCertificates, list));
  EXPECT_EQ(none.certificates_size(), 0);
  EXPECT_THAT(Issue(NewIssue()), IsOk());

  server.SetMode("ok");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate issued, Issue(request));
  EXPECT_EQ(issued.certificate_authority(), "certificateAuthorities/upstream");
  EXPECT_EQ(issued.state(), pb::CERTIFICATE_STATE_ACTIVE);
  std::ofstream(folder_ + "/leaf.pem") << issued.certificate_pem();
  EXPECT_EQ(std::system(("openssl verify -CAfile " + server.Path("ca.pem") +
                         " -verify_hostname edge.example.test " + folder_ +
                         "/leaf.pem")
                            .c_str()),
            0);
  EXPECT_EQ(issued.chain_pem(), server.Read("ca.pem"));
  // Asked again it is the same, without asking above.
  server.SetMode("500");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate again, Issue(request));
  EXPECT_EQ(again.name(), issued.name());
  // Revoked it is pushed, and not on the list of ours.
  pb::RevokeCertificateRequest revoke;
  revoke.set_name(issued.name());
  ASSERT_THAT(Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke),
              IsOk());
  pb::GetRevocationListRequest crl;
  crl.set_name("certificateAuthorities/default");
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::RevocationList ours,
      Call<pb::RevocationList>(*root_, &Stub::GetRevocationList, crl));
  EXPECT_EQ(ours.revoked_count(), 0u);
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::CapfStatus status,
      Call<pb::CapfStatus>(*root_, &Stub::GetStatus, pb::GetStatusRequest()));
  EXPECT_EQ(status.revoked_count(), 1u);
}

}  // namespace
}  // namespace sallyport::capf
