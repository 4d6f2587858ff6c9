// Rotation of an authority whose key or certificate is not ours alone: the key
// in a token, the certificate from another authority by EST or by hand. The
// real capf, SoftHSM, openssl, and kill -9 between steps.

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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

using ::testing::HasSubstr;

using Stub = pb::CapfService::Stub;

class RotationProcessTest : public CapfProcessTest {
 protected:
  static void Shell(const std::string& command) {
    EXPECT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0)
        << command;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }
  void Restart() {
    process_->Kill();
    process_->Start();
    root_ = CapfProcessTest::Stub("operator/root");
  }
  // Puts `json` first into the configuration's authority.
  void AddToAuthority(const std::string& json) {
    const std::string mark = R"("authority":{)";
    config_.insert(config_.find(mark) + mark.size(), json + ",");
    process_->WriteConfig(config_ + "}");
  }
  pb::CertificateAuthority Authority() {
    pb::GetCertificateAuthorityRequest get;
    get.set_name("certificateAuthorities/default");
    const auto got = Call<pb::CertificateAuthority>(
        *root_, &Stub::GetCertificateAuthority, get);
    EXPECT_THAT(got.status(), IsOk());
    return got.ok() ? *got : pb::CertificateAuthority();
  }
  absl::StatusOr<pb::CertificateAuthority> Import(const std::string& pem) {
    pb::UpdateCertificateAuthorityRequest update;
    update.mutable_certificate_authority()->set_name(
        "certificateAuthorities/default");
    update.mutable_certificate_authority()->set_certificate_pem(pem);
    return Call<pb::CertificateAuthority>(
        *root_, &Stub::UpdateCertificateAuthority, update);
  }
  absl::Status Begin() {
    pb::CreateProcedureRequest request;
    request.set_parent("tenants/a");
    request.set_procedure_id("rotate");
    request.mutable_procedure()->set_kind(
        pb::PROCEDURE_KIND_AUTHORITY_ROTATION);
    return Call<pb::Procedure>(*root_, &Stub::CreateProcedure, request)
        .status();
  }
  pb::Procedure Now() {
    pb::GetProcedureRequest request;
    request.set_name("tenants/a/procedures/rotate");
    const auto read = Call<pb::Procedure>(*root_, &Stub::GetProcedure, request);
    EXPECT_THAT(read.status(), IsOk());
    return read.ok() ? *read : pb::Procedure();
  }
  // Takes steps until it ends, or waits for what starts with `stop`; the
  // process is killed after every third.
  pb::Procedure Run(const std::string& stop) {
    pb::Procedure procedure = Now();
    for (int turn = 0; turn < 40; ++turn) {
      pb::AdvanceProcedureRequest request;
      request.set_name(procedure.name());
      request.set_etag(procedure.etag());
      const auto done =
          Call<pb::Procedure>(*root_, &Stub::AdvanceProcedure, request);
      EXPECT_THAT(done.status(), IsOk());
      if (!done.ok()) break;
      if (done->state() == pb::PROCEDURE_STATE_DONE ||
          absl::StartsWith(done->blocked_reason(), stop)) {
        return *done;
      }
      if (turn % 3 == 0) Restart();
      procedure = Now();
    }
    ADD_FAILURE() << procedure.ShortDebugString();
    return procedure;
  }
  void Revoke(const pb::Certificate& certificate) {
    pb::RevokeCertificateRequest revoke;
    revoke.set_name(certificate.name());
    EXPECT_THAT(Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke)
                    .status(),
                IsOk());
  }
  // Whether `certificate` is accepted for calls in tenant a.
  bool Accepted(const pb::Certificate& certificate) {
    pb::VerifyCertificateRequest verify;
    verify.set_trust_store("tenants/a/trustStores/CallManager-trust");
    const auto der = CertificatesFromPem(certificate.certificate_pem());
    const auto above = CertificatesFromPem(certificate.chain_pem());
    if (!der.ok()) return false;
    verify.add_chain((*der)[0]);
    for (const std::string& one : above.value_or(std::vector<std::string>())) {
      verify.add_chain(one);
    }
    const auto verified = Call<pb::VerifyCertificateResponse>(
        *root_, &Stub::VerifyCertificate, verify);
    EXPECT_THAT(verified.status(), IsOk());
    return verified.ok() && verified->accepted();
  }
};

// The new pair is made in the token too, where the old one stays for its owner
// to delete; neither is ever in a file or in the store.
TEST_F(RotationProcessTest, AKeyInATokenIsFollowedByAnotherThere) {
  process_->Kill();
  Shell("mkdir -p " + folder_ + "/tokens && rm " + folder_ + "/ca.* " +
        folder_ + "/capf.db* " + folder_ + "/audit.jsonl " + folder_ +
        "/capf_*");
  Write("softhsm2.conf", "directories.tokendir = " + folder_ + "/tokens\n");
  setenv("SOFTHSM2_CONF", (folder_ + "/softhsm2.conf").c_str(), 1);
  Shell(
      "softhsm2-util --init-token --free --label ca --pin 1234 "
      "--so-pin 5678");
  std::ofstream(pki_->folder() + "/pin") << "1234\n";
  const std::string key_file =
      absl::StrCat(R"("key_file":")", folder_, R"(/ca.key",)");
  config_.erase(config_.find(key_file), key_file.size());
  AddToAuthority(absl::StrCat(
      R"("pkcs11":{"module_file":"/usr/lib/softhsm/libsofthsm2.so",)",
      R"("token_label":"ca","key_label":"authority","pin_file":")",
      pki_->folder(), R"(/pin"})"));
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before, Issue(NewIssue()));
  ASSERT_THAT(Begin(), IsOk());
  EXPECT_THAT(Run("STILL_NEEDED").blocked_reason(), HasSubstr(before.name()));
  // Both sign meanwhile: certificates the new one, lists of its own the old.
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate after, Issue(NewIssue()));
  EXPECT_THAT(after.summary().issuer(), HasSubstr(" G2"));
  EXPECT_TRUE(Accepted(before));
  EXPECT_TRUE(Accepted(after));
  for (int generation = 1; generation <= 2; ++generation) {
    pb::GetRevocationListRequest list;
    list.set_name("certificateAuthorities/default");
    list.set_generation(generation);
    SP_ASSERT_OK_AND_ASSIGN(
        const auto crl,
        Call<pb::RevocationList>(*root_, &Stub::GetRevocationList, list));
    Write("list.crl", crl.crl());
    Write("issuer.pem",
          generation == 1 ? Read("ca.pem") : Authority().certificate_pem());
    Shell("openssl crl -inform DER -in " + folder_ +
          "/list.crl -noout -CAfile " + folder_ +
          "/issuer.pem 2>&1 | grep 'verify OK'");
  }
  Revoke(before);
  EXPECT_EQ(Run("STILL_NEEDED").state(), pb::PROCEDURE_STATE_DONE)
      << Now().blocked_reason();
  const pb::CertificateAuthority authority = Authority();
  ASSERT_EQ(authority.keys_size(), 2);
  EXPECT_EQ(authority.keys(0).state(), pb::AUTHORITY_KEY_STATE_RETIRED);
  EXPECT_EQ(authority.keys(1).kept_in(), "token:authority-default-2");
  EXPECT_TRUE(Accepted(after));
  EXPECT_FALSE(Accepted(before));
  // No private key lies anywhere in what we keep of the authority.
  EXPECT_NE(std::system(("grep -q PRIVATE " + folder_ + "/ca.* " + folder_ +
                         "/capf.db*")
                            .c_str()),
            0);
  // A start opens the pair that issues, not the one that the file names.
  Restart();
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate last, Issue(NewIssue()));
  EXPECT_THAT(last.summary().issuer(), HasSubstr(" G2"));
}

// The authority above certifies the new key as it did the old one, and what it
// answers meanwhile is told in the step.
TEST_F(RotationProcessTest, AnUpstreamCertifiesTheNextKeyByEst) {
  const TestEstServer server(folder_ + "/est");
  process_->Kill();
  server.SetMode("ok");
  AddToAuthority(
      absl::StrCat(R"("est":{"url":"https://localhost:)", server.port(),
                   R"(/.well-known/est","ca_file":")", server.Path("ca.pem"),
                   R"(","certificate_file":")", server.Path("client.pem"),
                   R"(","key_file":")", server.Path("client.key"),
                   R"(","timeout":"1s","retry_interval":"0.1s"})"));
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");
  for (int i = 0; i < 200 && Authority().upstream_status() != "OK"; ++i) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before, Issue(NewIssue()));
  ASSERT_THAT(Begin(), IsOk());
  for (const auto& [mode, reason] :
       std::vector<std::pair<std::string, std::string>>{
           {"500", "EST_UNAVAILABLE"},
           {"never", "EST_TIMEOUT"},
           {"garbage", "EST_MALFORMED"},
           {"pending:1", "EST_PENDING"}}) {
    server.SetMode(mode);
    EXPECT_THAT(Run(reason).blocked_reason(), HasSubstr(reason)) << mode;
    // Nothing is by the new key, whatever came back.
    EXPECT_EQ(Authority().keys(0).state(), pb::AUTHORITY_KEY_STATE_ISSUING);
    EXPECT_THAT(Issue(NewIssue()).status(), IsOk());
  }
  server.SetMode("ok");
  EXPECT_THAT(Run("STILL_NEEDED").blocked_reason(), HasSubstr("STILL_NEEDED"));
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate after, Issue(NewIssue()));
  EXPECT_THAT(after.summary().issuer(), HasSubstr(" G2"));
  Write("leaf.pem", after.certificate_pem());
  Write("above.pem", after.chain_pem());
  Shell("openssl verify -CAfile " + server.Path("ca.pem") + " -untrusted " +
        folder_ + "/above.pem " + folder_ + "/leaf.pem");
  EXPECT_TRUE(Accepted(before));
  EXPECT_TRUE(Accepted(after));
  pb::ListCertificatesRequest list;
  list.set_parent("tenants/a");
  SP_ASSERT_OK_AND_ASSIGN(const auto all,
                          Call<pb::ListCertificatesResponse>(
                              *root_, &Stub::ListCertificates, list));
  for (const pb::Certificate& one : all.certificates()) {
    if (one.name() != after.name()) Revoke(one);
  }
  EXPECT_EQ(Run("STILL_NEEDED").state(), pb::PROCEDURE_STATE_DONE)
      << Now().blocked_reason();
  // What stands above both is still trusted where it was.
  EXPECT_TRUE(Accepted(after));
  // Above us the new one is asked for from now on, when it is due, and not the
  // old one again.
  Restart();
  EXPECT_THAT(Issue(NewIssue()).status(), IsOk());
  EXPECT_EQ(Authority().keys(1).state(), pb::AUTHORITY_KEY_STATE_ISSUING);
}

// By hand: the request of the key that waits goes out, its certificate comes
// in, and neither another key's nor another name's does.
TEST_F(RotationProcessTest, TheNextKeysCertificateIsBroughtByHand) {
  Write("ca.ext",
        "basicConstraints=critical,CA:TRUE,pathlen:0\n"
        "keyUsage=critical,keyCertSign,cRLSign,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
  const auto sign = [&](const std::string& csr, const std::string& out) {
    Write("in.csr", csr);
    Shell("openssl x509 -req -in " + folder_ + "/in.csr -CA " + folder_ +
          "/up.pem -CAkey " + folder_ + "/up.key -CAcreateserial -days 1000 " +
          "-extfile " + folder_ + "/ca.ext -out " + folder_ + "/" + out);
    return Read(out) + Read("up.pem");
  };
  Shell(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes "
      "-subj '/O=Elsewhere/CN=Upstream' -days 3650 -keyout " +
      folder_ + "/up.key -out " + folder_ + "/up.pem");
  ASSERT_THAT(Import(sign(Authority().csr_pem(), "first.pem")).status(),
              IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before, Issue(NewIssue()));

  ASSERT_THAT(Begin(), IsOk());
  EXPECT_THAT(Run("CERTIFICATE_AWAITED").blocked_reason(),
              HasSubstr("sallyport certs request"));
  const std::string csr = Authority().csr_pem();
  Write("next.csr", csr);
  Shell("openssl req -verify -noout -in " + folder_ + "/next.csr");
  Shell("openssl req -noout -subject -in " + folder_ +
        "/next.csr | grep ' G2'");
  // The same request until it is answered, over restarts.
  Restart();
  EXPECT_EQ(Authority().csr_pem(), csr);
  EXPECT_THAT(Import(before.certificate_pem()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Shell(
      "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-subj '/CN=Sallyport CAPF G2' -keyout " +
      folder_ + "/other.key -out " + folder_ + "/other.csr");
  EXPECT_THAT(Import(sign(Read("other.csr"), "other.pem")).status(),
              HasReason("AUTHORITY_MISMATCH"));
  EXPECT_EQ(Authority().keys(0).state(), pb::AUTHORITY_KEY_STATE_ISSUING);
  ASSERT_THAT(Import(sign(csr, "second.pem")).status(), IsOk());
  Restart();
  EXPECT_THAT(Run("STILL_NEEDED").blocked_reason(), HasSubstr(before.name()));
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate after, Issue(NewIssue()));
  Write("leaf.pem", after.certificate_pem());
  Shell("openssl verify -CAfile " + folder_ + "/up.pem -untrusted " + folder_ +
        "/second.pem " + folder_ + "/leaf.pem");
  EXPECT_TRUE(Accepted(before));
  EXPECT_TRUE(Accepted(after));
  Revoke(before);
  EXPECT_EQ(Run("STILL_NEEDED").state(), pb::PROCEDURE_STATE_DONE)
      << Now().blocked_reason();
  EXPECT_TRUE(Accepted(after));
  // Its certificate can be replaced by hand as the first one's could.
  ASSERT_THAT(Import(sign(Authority().csr_pem(), "third.pem")).status(),
              IsOk());
  Restart();
  EXPECT_EQ(Authority().certificate_pem(), Read("third.pem") + Read("up.pem"));
  EXPECT_THAT(Issue(NewIssue()).status(), IsOk());
}

}  // namespace
}  // namespace sallyport::capf
