// The authority of a real capf: where its key lies, who is above it, and what
// a backup of it is.

#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/capf/capf_process_fixture.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::HasSubstr;

using AuthorityProcessTest = CapfProcessTest;
using Stub = pb::CapfService::Stub;

// The key is made in the token at the first start, and no file has it.
TEST_F(AuthorityProcessTest, TheAuthoritysKeyMayLieInAToken) {
  process_->Kill();
  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system((command + " > /dev/null").c_str()), 0) << command;
  };
  run("mkdir -p " + folder_ + "/tokens && rm " + folder_ + "/ca.*");
  std::ofstream(folder_ + "/softhsm2.conf")
      << "directories.tokendir = " << folder_ << "/tokens\n";
  setenv("SOFTHSM2_CONF", (folder_ + "/softhsm2.conf").c_str(), 1);
  run("softhsm2-util --init-token --free --label ca --pin 1234 --so-pin 5678");
  std::ofstream(pki_->folder() + "/pin") << "1234\n";
  const std::string key_file =
      absl::StrCat(R"("key_file":")", folder_, R"(/ca.key")");
  const auto at = config_.find(key_file);
  ASSERT_NE(at, std::string::npos);
  config_.replace(
      at, key_file.size(),
      absl::StrCat(R"("rsa_bits":2048,"pkcs11":{"module_file":)",
                   R"("/usr/lib/softhsm/libsofthsm2.so","token_label":"ca",)",
                   R"("key_label":"authority","pin_file":")", pki_->folder(),
                   R"(/pin"})"));
  process_->WriteConfig(config_ + "}");
  process_->Start();
  root_ = Stub("operator/root");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate first, Issue(NewIssue()));
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate second, Issue(NewIssue()));
  std::ofstream(folder_ + "/two.pem") << second.certificate_pem();
  run("openssl verify -CAfile " + folder_ + "/ca.pem " + folder_ + "/two.pem");
  run("openssl x509 -in " + folder_ +
      "/ca.pem -noout -text | grep 'Public-Key: (2048 bit)'");
  EXPECT_NE(std::system(("grep -l PRIVATE " + folder_ + "/ca.*").c_str()), 0);
}

// Two levels of our own: the root signs the authority on the first start, and
// its key is not needed again.
TEST_F(AuthorityProcessTest, ARootOfOurOwnSignsTheAuthority) {
  process_->Kill();
  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system((command + " > /dev/null").c_str()), 0) << command;
  };
  run("rm " + folder_ + "/ca.* " + folder_ + "/capf.db* " + folder_ +
      "/audit.jsonl " + folder_ + "/capf_listener.*");
  const std::string mark = R"("authority":{)";
  config_.insert(config_.find(mark) + mark.size(),
                 absl::StrCat(R"("root":{"key_file":")", folder_,
                              R"(/root.key","certificate_file":")", folder_,
                              R"(/root.pem"},)"));
  process_->WriteConfig(config_ + "}");
  process_->Start();
  run("mv " + folder_ + "/root.key " + folder_ + "/away");
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate issued, Issue(NewIssue()));
  std::ofstream(folder_ + "/leaf.pem") << issued.certificate_pem();
  run("openssl verify -x509_strict -CAfile " + folder_ +
      "/root.pem -untrusted " + folder_ + "/ca.pem " + folder_ + "/leaf.pem");
  run("openssl x509 -in " + folder_ +
      "/root.pem -noout -text | grep 'CA:TRUE, pathlen:1'");
  // What listens on 3804 sends the whole chain.
  run("timeout 5 openssl s_client -connect 127.0.0.1:" +
      absl::StrCat(process_->port("capf")) + " -CAfile " + folder_ +
      "/root.pem -verify_return_error < /dev/null");
  pb::ListTrustedCertificatesRequest list;
  list.set_parent("tenants/a/trustStores/CAPF-trust");
  SP_ASSERT_OK_AND_ASSIGN(const pb::ListTrustedCertificatesResponse listed,
                          Call<pb::ListTrustedCertificatesResponse>(
                              *root_, &Stub::ListTrustedCertificates, list));
  EXPECT_EQ(listed.trusted_certificates_size(), 2);
}

// Several authorities under one root: a tenant's own vouches for nobody else's
// phones and servers, and one with RSA keys serves phones that need it.
TEST_F(AuthorityProcessTest, ATenantsOwnAuthorityIsNobodyElses) {
  process_->Kill();
  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system((command + " > /dev/null").c_str()), 0) << command;
  };
  run("rm " + folder_ + "/ca.* " + folder_ + "/capf.db* " + folder_ +
      "/audit.jsonl " + folder_ + "/capf_listener.*");
  const std::string mark = R"("authority":{)";
  config_.insert(config_.find(mark) + mark.size(),
                 absl::StrCat(R"("root":{"key_file":")", folder_,
                              R"(/root.key","certificate_file":")", folder_,
                              R"(/root.pem"},)"));
  process_->WriteConfig(config_ + "}");
  process_->Start();
  root_ = Stub("operator/root");
  const auto make = [&](const std::string& id, const std::string& tenant,
                        type::v1::KeyType key, const std::string& model = "") {
    pb::CreateCertificateAuthorityRequest request;
    request.set_certificate_authority_id(id);
    pb::CertificateAuthority& in = *request.mutable_certificate_authority();
    in.set_mode(pb::AUTHORITY_MODE_OWN);
    in.set_common_name("CAPF of " + id);
    in.set_key_type(key);
    if (!tenant.empty()) in.set_tenant("tenants/" + tenant);
    if (!model.empty()) in.add_phone_models(model);
    return Call<pb::CertificateAuthority>(
        *root_, &pb::CapfService::Stub::CreateCertificateAuthority, request);
  };
  const auto issue = [&](const std::string& tenant) {
    pb::IssueCertificateRequest request = NewIssue();
    request.set_parent("tenants/" + tenant);
    return Issue(request);
  };
  const auto accepted = [&](const pb::Certificate& certificate,
                            const std::string& tenant) {
    pb::VerifyCertificateRequest verify;
    verify.set_trust_store("tenants/" + tenant +
                           "/trustStores/CallManager-trust");
    const auto der = CertificatesFromPem(certificate.certificate_pem());
    EXPECT_THAT(der.status(), IsOk());
    verify.add_chain((*der)[0]);
    const auto verified = Call<pb::VerifyCertificateResponse>(
        *root_, &pb::CapfService::Stub::VerifyCertificate, verify);
    EXPECT_THAT(verified.status(), IsOk());
    return verified.ok() && verified->accepted();
  };
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate b_before, issue("b"));
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority of_a,
                          make("of-a", "a", type::v1::KEY_TYPE_EC_P256));
  EXPECT_EQ(of_a.tenant(), "tenants/a");
  EXPECT_THAT(make("of-a", "a", type::v1::KEY_TYPE_EC_P256),
              HasReason("AUTHORITY_EXISTS"));
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::CertificateAuthority rsa,
      make("old-phones", "", type::v1::KEY_TYPE_RSA_2048, "CP-7940"));
  EXPECT_EQ(rsa.key_type(), type::v1::KEY_TYPE_RSA_2048);
  // It is under the installation's root.
  std::ofstream(folder_ + "/of-a.pem") << of_a.certificate_pem();
  run("openssl verify -x509_strict -CAfile " + folder_ + "/root.pem " +
      folder_ + "/of-a.pem");

  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate a_leaf, issue("a"));
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate b_leaf, issue("b"));
  EXPECT_EQ(a_leaf.certificate_authority(), "certificateAuthorities/of-a");
  EXPECT_EQ(b_leaf.certificate_authority(), "certificateAuthorities/default");
  EXPECT_TRUE(accepted(a_leaf, "a"));
  EXPECT_FALSE(accepted(a_leaf, "b"));
  EXPECT_FALSE(accepted(b_leaf, "a"));
  EXPECT_TRUE(accepted(b_leaf, "b"));
  EXPECT_TRUE(accepted(b_before, "b"));
  // Another tenant's authority is not to be had by its name.
  pb::IssueCertificateRequest foreign = NewIssue();
  foreign.set_parent("tenants/b");
  foreign.set_certificate_authority("certificateAuthorities/of-a");
  EXPECT_THAT(Issue(foreign), HasReason("AUTHORITY_NOT_OF_TENANT"));
  foreign.set_certificate_authority("certificateAuthorities/old-phones");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate by_rsa, Issue(foreign));
  EXPECT_TRUE(accepted(by_rsa, "b"));
  EXPECT_FALSE(accepted(by_rsa, "a"));

  // All of it is there after a kill; without the root's key none is made.
  run("mv " + folder_ + "/root.key " + folder_ + "/away");
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  EXPECT_THAT(make("of-b", "b", type::v1::KEY_TYPE_EC_P256),
              HasReason("ROOT_KEY_ABSENT"));
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate again, issue("a"));
  EXPECT_EQ(again.certificate_authority(), "certificateAuthorities/of-a");
  pb::ListCertificateAuthoritiesRequest list;
  SP_ASSERT_OK_AND_ASSIGN(
      const auto all,
      Call<pb::ListCertificateAuthoritiesResponse>(
          *root_, &pb::CapfService::Stub::ListCertificateAuthorities, list));
  ASSERT_EQ(all.certificate_authorities_size(), 3);
  EXPECT_EQ(all.certificate_authorities(1).keys(0).live_other_certificates(),
            2);
}

// One that issues no more still vouches for what it has issued; one on which
// nothing depends any more goes with its keys; and an enrolment or a request
// can name one of those that certify for its tenant.
TEST_F(AuthorityProcessTest, AnAuthorityIsNamedDisabledAndDeleted) {
  const auto make = [&](const std::string& id, const std::string& tenant) {
    pb::CreateCertificateAuthorityRequest request;
    request.set_certificate_authority_id(id);
    pb::CertificateAuthority& in = *request.mutable_certificate_authority();
    in.set_mode(pb::AUTHORITY_MODE_OWN);
    in.set_common_name("CAPF of " + id);
    if (!tenant.empty()) in.set_tenant("tenants/" + tenant);
    return Call<pb::CertificateAuthority>(
        *root_, &pb::CapfService::Stub::CreateCertificateAuthority, request);
  };
  const auto disable = [&](const std::string& id, bool disabled) {
    pb::UpdateCertificateAuthorityRequest request;
    request.mutable_certificate_authority()->set_name(
        "certificateAuthorities/" + id);
    request.mutable_certificate_authority()->set_disabled(disabled);
    request.mutable_update_mask()->add_paths("disabled");
    return Call<pb::CertificateAuthority>(
        *root_, &pb::CapfService::Stub::UpdateCertificateAuthority, request);
  };
  const auto remove = [&](const std::string& id) {
    pb::DeleteCertificateAuthorityRequest request;
    request.set_name("certificateAuthorities/" + id);
    return Call<google::protobuf::Empty>(
               *root_, &pb::CapfService::Stub::DeleteCertificateAuthority,
               request)
        .status();
  };
  const auto by = [&](const std::string& id) {
    pb::IssueCertificateRequest request = NewIssue();
    request.set_certificate_authority("certificateAuthorities/" + id);
    return Issue(request);
  };
  const auto accepted = [&](const pb::Certificate& certificate) {
    pb::VerifyCertificateRequest verify;
    verify.set_trust_store("tenants/a/trustStores/CallManager-trust");
    const auto der = CertificatesFromPem(certificate.certificate_pem());
    if (!der.ok()) return false;
    verify.add_chain((*der)[0]);
    const auto verified = Call<pb::VerifyCertificateResponse>(
        *root_, &pb::CapfService::Stub::VerifyCertificate, verify);
    return verified.ok() && verified->accepted();
  };
  ASSERT_THAT(make("second", "").status(), IsOk());
  ASSERT_THAT(make("of-b", "b").status(), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate leaf, by("second"));
  EXPECT_EQ(leaf.certificate_authority(), "certificateAuthorities/second");
  pb::CreateEnrollmentRequest phone = NewEnrollment("SEP1");
  phone.mutable_enrollment()->set_certificate_authority(
      "certificateAuthorities/of-b");
  EXPECT_THAT(Create(phone).status(), HasReason("AUTHORITY_NOT_OF_TENANT"));
  phone.mutable_enrollment()->set_certificate_authority(
      "certificateAuthorities/none");
  EXPECT_THAT(Create(phone).status(), HasReason("AUTHORITY_NOT_FOUND"));
  phone.mutable_enrollment()->set_certificate_authority(
      "certificateAuthorities/second");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Enrollment enrolled, Create(phone));
  EXPECT_EQ(enrolled.certificate_authority(), "certificateAuthorities/second");

  // The first one certifies our own ports: it is neither disabled nor deleted.
  EXPECT_THAT(disable("default", true).status(), HasReason("AUTHORITY_IN_USE"));
  EXPECT_THAT(remove("default"), HasReason("AUTHORITY_IN_USE"));
  SP_ASSERT_OK_AND_ASSIGN(const auto disabled, disable("second", true));
  EXPECT_TRUE(disabled.disabled());
  EXPECT_THAT(by("second").status(), HasReason("AUTHORITY_DISABLED"));
  EXPECT_TRUE(accepted(leaf));
  pb::GetRevocationListRequest crl;
  crl.set_name("certificateAuthorities/second");
  EXPECT_THAT(
      Call<pb::RevocationList>(*root_, &Stub::GetRevocationList, crl).status(),
      IsOk());
  // A tenant whose own one is disabled gets none by another instead.
  ASSERT_THAT(disable("of-b", true).status(), IsOk());
  pb::IssueCertificateRequest of_b = NewIssue();
  of_b.set_parent("tenants/b");
  EXPECT_THAT(Issue(of_b).status(), HasReason("AUTHORITY_DISABLED"));
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  EXPECT_THAT(by("second").status(), HasReason("AUTHORITY_DISABLED"));
  ASSERT_THAT(disable("second", false).status(), IsOk());
  ASSERT_THAT(disable("of-b", false).status(), IsOk());
  EXPECT_THAT(Issue(of_b).status(), IsOk());

  // What depends on it is named.
  const absl::Status in_use = remove("second");
  EXPECT_THAT(in_use, HasReason("AUTHORITY_IN_USE"));
  EXPECT_THAT(
      std::string(in_use.message()),
      testing::AllOf(HasSubstr(leaf.name()),
                     HasSubstr("1 enrolments name it: " + enrolled.name())));
  pb::RevokeCertificateRequest revoke;
  revoke.set_name(leaf.name());
  ASSERT_THAT(
      Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke).status(),
      IsOk());
  pb::UpdateEnrollmentRequest unname;
  unname.mutable_enrollment()->set_name(enrolled.name());
  unname.mutable_update_mask()->add_paths("certificate_authority");
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::Enrollment unnamed,
      Call<pb::Enrollment>(*root_, &Stub::UpdateEnrollment, unname));
  EXPECT_EQ(unnamed.certificate_authority(), "");
  EXPECT_THAT(remove("second"), IsOk());
  EXPECT_THAT(remove("second"), HasReason("AUTHORITY_NOT_FOUND"));
  EXPECT_THAT(make("second", "").status(), HasReason("AUTHORITY_EXISTS"));
  EXPECT_THAT(by("second").status(), HasReason("AUTHORITY_NOT_FOUND"));
  pb::ListTrustedCertificatesRequest list;
  list.set_parent("tenants/a/trustStores/CallManager-trust");
  SP_ASSERT_OK_AND_ASSIGN(const auto trusted,
                          Call<pb::ListTrustedCertificatesResponse>(
                              *root_, &Stub::ListTrustedCertificates, list));
  EXPECT_EQ(trusted.trusted_certificates_size(), 1);
  process_->Kill();
  process_->Start();
  root_ = Stub("operator/root");
  EXPECT_THAT(by("second").status(), HasReason("AUTHORITY_NOT_FOUND"));
}

// Killed while it makes a tenant's authority, it has made none, or one that is
// the tenant's only issuer.
TEST_F(AuthorityProcessTest,
       KilledWhileItMakesAnAuthorityNoForeignIssuerStays) {
  int made = 0;
  for (int round = 0; round < 8; ++round) {
    const std::string tenant = absl::StrCat("t", round);
    SP_ASSERT_OK_AND_ASSIGN(
        const pb::Enrollment phone,
        Create(NewEnrollment(absl::StrCat("SEP", round), tenant)));
    std::thread killer([&] {
      absl::SleepFor(absl::Milliseconds(3 + 7 * round));
      process_->Kill();
    });
    pb::CreateCertificateAuthorityRequest request;
    request.set_certificate_authority_id(tenant);
    request.mutable_certificate_authority()->set_mode(pb::AUTHORITY_MODE_OWN);
    request.mutable_certificate_authority()->set_common_name("CA " + tenant);
    request.mutable_certificate_authority()->set_tenant("tenants/" + tenant);
    Call<pb::CertificateAuthority>(
        *root_, &pb::CapfService::Stub::CreateCertificateAuthority, request)
        .status()
        .IgnoreError();
    killer.join();
    process_->Start();
    root_ = Stub("operator/root");
    pb::GetCertificateAuthorityRequest get;
    get.set_name("certificateAuthorities/" + tenant);
    const auto there = Call<pb::CertificateAuthority>(
        *root_, &Stub::GetCertificateAuthority, get);
    pb::ListTrustedCertificatesRequest list;
    list.set_parent("tenants/" + tenant + "/trustStores/CAPF-trust");
    SP_ASSERT_OK_AND_ASSIGN(const auto trusted,
                            Call<pb::ListTrustedCertificatesResponse>(
                                *root_, &Stub::ListTrustedCertificates, list));
    ASSERT_EQ(trusted.trusted_certificates_size(), 1) << tenant;
    const std::string subject =
        trusted.trusted_certificates(0).summary().subject();
    pb::IssueCertificateRequest issue = NewIssue();
    issue.set_parent("tenants/" + tenant);
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate leaf, Issue(issue));
    if (there.ok()) {
      ++made;
      EXPECT_THAT(subject, HasSubstr("CA " + tenant));
      EXPECT_EQ(leaf.certificate_authority(), get.name());
    } else {
      EXPECT_THAT(there.status(), HasReason("AUTHORITY_NOT_FOUND"));
      EXPECT_EQ(leaf.certificate_authority(), "certificateAuthorities/default");
    }
  }
  std::cerr << made << " of 8 were made\n";
}

// By hand: the request goes out, a certificate of another authority comes in.
TEST_F(AuthorityProcessTest, AnotherAuthorityCertifiesOurs) {
  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system((command + " 2> /dev/null").c_str()), 0) << command;
  };
  const auto read = [&](const std::string& name) {
    std::ifstream file(folder_ + "/" + name);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  };
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before, Issue(NewIssue()));
  pb::GetCertificateAuthorityRequest get;
  get.set_name(before.certificate_authority());
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority ours,
                          Call<pb::CertificateAuthority>(
                              *root_, &Stub::GetCertificateAuthority, get));
  std::ofstream(folder_ + "/ca.csr") << ours.csr_pem();
  run("openssl req -verify -noout -in " + folder_ + "/ca.csr");
  std::ofstream(folder_ + "/ca.ext")
      << "basicConstraints=critical,CA:TRUE,pathlen:0\n"
         "keyUsage=critical,keyCertSign,cRLSign,digitalSignature\n"
         "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
  run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes "
      "-subj '/O=Elsewhere/CN=Upstream' -days 3650 -keyout " +
      folder_ + "/up.key -out " + folder_ + "/up.pem");
  run("openssl x509 -req -in " + folder_ + "/ca.csr -CA " + folder_ +
      "/up.pem -CAkey " + folder_ + "/up.key -CAcreateserial -days 1000 " +
      "-extfile " + folder_ + "/ca.ext -out " + folder_ + "/signed.pem");

  pb::UpdateCertificateAuthorityRequest update;
  update.mutable_certificate_authority()->set_name(ours.name());
  const auto import = [&](const std::string& pem) {
    update.mutable_certificate_authority()->set_certificate_pem(pem);
    return Call<pb::CertificateAuthority>(
        *root_, &Stub::UpdateCertificateAuthority, update);
  };
  EXPECT_THAT(import(read("up.pem")), HasReason("AUTHORITY_MISMATCH"));
  EXPECT_THAT(import(before.certificate_pem()), HasReason("ISSUER_INVALID"));
  EXPECT_THAT(import(read("signed.pem") + before.certificate_pem()),
              HasReason("CHAIN_INVALID"));
  const auto ann = Stub("operator/ann");
  EXPECT_THAT(Call<pb::CertificateAuthority>(
                  *ann, &Stub::UpdateCertificateAuthority, update),
              StatusIs(absl::StatusCode::kPermissionDenied));
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority imported,
                          import(read("signed.pem") + read("up.pem")));
  EXPECT_EQ(imported.certificate_pem(), read("signed.pem") + read("up.pem"));

  // At once, and after a restart; what was issued before stays good.
  for (int i = 0; i < 2; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate after, Issue(NewIssue()));
    std::ofstream(folder_ + "/leaf.pem") << after.certificate_pem();
    run("openssl verify -CAfile " + folder_ + "/up.pem -untrusted " + folder_ +
        "/signed.pem " + folder_ + "/leaf.pem");
    process_->Kill();
    process_->Start();
    root_ = Stub("operator/root");
  }
  pb::ListTrustedCertificatesRequest list;
  list.set_parent("tenants/a/trustStores/CAPF-trust");
  SP_ASSERT_OK_AND_ASSIGN(const pb::ListTrustedCertificatesResponse listed,
                          Call<pb::ListTrustedCertificatesResponse>(
                              *root_, &Stub::ListTrustedCertificates, list));
  EXPECT_EQ(listed.trusted_certificates_size(), 3);
}

// What README.md says of backups: a copy of the store, the keys and the audit,
// taken while the service runs, is the whole authority elsewhere.
TEST_F(AuthorityProcessTest, ABackupThatIsPutBackIsTheWholeAuthority) {
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate first, Issue(NewIssue("r1")));
  ASSERT_THAT(Create(NewEnrollment("SEP1")), IsOk());
  const std::string kept = folder_ + "/kept";
  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  };
  // A signal ends writing for the moment of the copy; the log goes with it.
  run("mkdir " + kept);
  process_->Signal(SIGSTOP);
  const std::string files = folder_ + "/capf.db* " + folder_ + "/ca.* " +
                            folder_ + "/capf_*.* " + folder_ + "/audit.jsonl ";
  run("cp " + files + kept);
  process_->Signal(SIGCONT);
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate second, Issue(NewIssue("r2")));

  // The disk is lost.
  process_->Kill();
  run("rm " + files);
  run("cp " + kept + "/* " + folder_);
  process_->Start();
  root_ = Stub("operator/root");
  const auto again = Issue(NewIssue("r3"));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->certificate_authority(), first.certificate_authority());
  pb::GetCertificateRequest get;
  get.set_name(first.name());
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::Certificate read,
      Call<pb::Certificate>(*root_, &Stub::GetCertificate, get));
  EXPECT_EQ(read.certificate_pem(), first.certificate_pem());
  // What came after the copy is lost, and nothing claims otherwise.
  get.set_name(second.name());
  EXPECT_THAT(Call<pb::Certificate>(*root_, &Stub::GetCertificate, get),
              HasReason("CERTIFICATE_NOT_FOUND"));

  // A store that is older than its audit is told, not taken.
  process_->Kill();
  run("cp " + kept + "/capf.db* " + folder_ + " && rm -f " + folder_ +
      "/capf.db-wal " + folder_ + "/capf.db-shm && cp " + kept + "/capf.db* " +
      folder_);
  const auto refused = [&] {
    EXPECT_NE(std::system(absl::StrCat("services/capf/capf --config=", folder_,
                                       "/config.json > ", folder_,
                                       "/refused.log 2>&1")
                              .c_str()),
              0);
    std::ifstream log(folder_ + "/refused.log");
    return std::string((std::istreambuf_iterator<char>(log)), {});
  };
  EXPECT_THAT(refused(), HasSubstr("AUDIT_MISMATCH"));

  // Nor is a store without the key of its strings: they would all be wrong.
  run("cp " + kept + "/* " + folder_ + " && rm " + folder_ +
      "/capf_strings.key");
  EXPECT_THAT(refused(), HasSubstr("STRING_KEY_MISMATCH"));
}

}  // namespace
}  // namespace sallyport::capf
