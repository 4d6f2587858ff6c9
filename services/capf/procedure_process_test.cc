// Phone clusters of many tenants and long changes, over the real capf: its API,
// the files that phones fetch, and kill -9 at any time.

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/capf_process_fixture.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/core/trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Stub = pb::CapfService::Stub;

class ProcedureProcessTest : public CapfProcessTest {
 protected:
  // Restarted with the ports of phones, and nothing said of call managers.
  void SetUp() override {
    CapfProcessTest::SetUp();
    pb::IssueCertificateRequest issue = NewIssue();
    issue.set_csr(NewTestCsr(NewTestKey(KeyKind::kRsa).get(),
                             {.alt_names = {"DNS:edge.example.test"}}));
    SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate edge, Issue(issue));
    manager_pem_ = edge.certificate_pem();
    ASSERT_EQ(process_->Terminate(), 0);
    Configure("");
    Start();
  }

  void Configure(const std::string& more) {
    process_->WriteConfig(absl::StrCat(
        config_, R"(,"tftp_address":"127.0.0.1:0","phone_http_address":)",
        R"("127.0.0.1:0","trust_lists":{"host":"capf.example.test"})", more,
        "}"));
  }
  void Start() {
    process_->Start();
    root_ = CapfProcessTest::Stub("operator/root");
  }

  absl::StatusOr<pb::PhoneCluster> SetCluster(
      const std::string& tenant, const std::vector<std::string>& models = {},
      bool sha512 = false) {
    pb::UpdatePhoneClusterRequest request;
    pb::PhoneCluster& cluster = *request.mutable_phone_cluster();
    cluster.set_name("tenants/" + tenant + "/phoneCluster");
    pb::PhoneClusterNode& node = *cluster.add_call_managers();
    node.set_dns_name("edge.example.test");
    node.set_ip_address("192.0.2.9");
    node.set_certificate_pem(manager_pem_);
    for (const std::string& model : models) cluster.add_sha512_models(model);
    cluster.set_sha512(sha512);
    return Call<pb::PhoneCluster>(*root_, &Stub::UpdatePhoneCluster, request);
  }
  std::string Fetch(const std::string& name) {
    FILE* const pipe = popen(
        absl::StrCat("curl -sS http://127.0.0.1:", process_->port("phone_http"),
                     "/", name)
            .c_str(),
        "r");
    std::string out;
    char buffer[4096];
    while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) {
      out.append(buffer, n);
    }
    pclose(pipe);
    return out;
  }
  static TrustList Parsed(const std::string& file) {
    const auto parsed = VerifyTrustList(AsBytes(file));
    EXPECT_THAT(parsed.status(), IsOk());
    return parsed.ok() ? parsed->list : TrustList();
  }

  absl::StatusOr<pb::Procedure> Begin(const std::string& id,
                                      pb::ProcedureKind kind,
                                      const std::string& tenant = "a") {
    pb::CreateProcedureRequest request;
    request.set_parent("tenants/" + tenant);
    request.set_procedure_id(id);
    request.mutable_procedure()->set_kind(kind);
    return Call<pb::Procedure>(*root_, &Stub::CreateProcedure, request);
  }
  absl::StatusOr<pb::Procedure> Read(const std::string& id,
                                     const std::string& tenant = "a") {
    pb::GetProcedureRequest request;
    request.set_name("tenants/" + tenant + "/procedures/" + id);
    return Call<pb::Procedure>(*root_, &Stub::GetProcedure, request);
  }
  absl::StatusOr<pb::Procedure> Advance(const pb::Procedure& procedure) {
    pb::AdvanceProcedureRequest request;
    request.set_name(procedure.name());
    request.set_etag(procedure.etag());
    return Call<pb::Procedure>(*root_, &Stub::AdvanceProcedure, request);
  }
  // Until it ends or waits.
  pb::Procedure Run(pb::Procedure procedure) {
    do {
      const auto next = Advance(procedure);
      EXPECT_THAT(next.status(), IsOk());
      if (!next.ok()) break;
      procedure = *next;
    } while (procedure.state() == pb::PROCEDURE_STATE_READY);
    return procedure;
  }
  // Every server's certificate of tenant a.
  void RevokeServers() {
    pb::ListCertificatesRequest list;
    list.set_parent("tenants/a");
    SP_ASSERT_OK_AND_ASSIGN(const auto all,
                            Call<pb::ListCertificatesResponse>(
                                *root_, &Stub::ListCertificates, list));
    for (const pb::Certificate& one : all.certificates()) {
      if (one.profile() != pb::CERTIFICATE_PROFILE_SERVER) continue;
      pb::RevokeCertificateRequest revoke;
      revoke.set_name(one.name());
      Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke)
          .status()
          .IgnoreError();
    }
  }
  pb::FipsStatus Fips() {
    const auto status =
        Call<pb::CapfStatus>(*root_, &Stub::GetStatus, pb::GetStatusRequest());
    EXPECT_THAT(status.status(), IsOk());
    return status.ok() ? status->fips() : pb::FipsStatus();
  }

  std::string manager_pem_;
};

TEST_F(ProcedureProcessTest, EachTenantsPhonesHaveTheirOwnLists) {
  pb::GetPhoneClusterRequest none;
  none.set_name("tenants/a/phoneCluster");
  EXPECT_THAT(Call<pb::PhoneCluster>(*root_, &Stub::GetPhoneCluster, none),
              HasReason("TENANT_WITHOUT_PHONES"));
  SP_ASSERT_OK_AND_ASSIGN(const pb::PhoneCluster a,
                          SetCluster("a", {"CP-8861"}));
  SP_ASSERT_OK_AND_ASSIGN(const pb::PhoneCluster b, SetCluster("b"));
  EXPECT_EQ(a.cluster_mode(), "non-secure");
  ASSERT_EQ(a.signers_size(), 3);
  EXPECT_EQ(a.call_managers(0).ip_address(), "192.0.2.9");
  EXPECT_NE(a.signers(0).certificate().serial(),
            b.signers(0).certificate().serial());

  pb::CreateEnrollmentRequest old_phone = NewEnrollment("SEP000000000001");
  pb::CreateEnrollmentRequest new_phone = NewEnrollment("SEP000000000002");
  new_phone.mutable_enrollment()->set_model("CP-8861");
  for (const auto& one :
       {old_phone, new_phone, NewEnrollment("SEP000000000003", "b")}) {
    ASSERT_THAT(Create(one).status(), IsOk());
  }
  const TrustList of_old = Parsed(Fetch("CTLSEP000000000001.tlv"));
  const TrustList of_new = Parsed(Fetch("CTLSEP000000000002.tlv"));
  const TrustList of_b = Parsed(Fetch("CTLSEP000000000003.tlv"));
  EXPECT_EQ(of_old.header.digest, SignedFileDigest::kSha1);
  EXPECT_EQ(of_new.header.digest, SignedFileDigest::kSha512);
  EXPECT_EQ(of_old.header.signer_serial, of_new.header.signer_serial);
  EXPECT_NE(of_old.header.signer_serial, of_b.header.signer_serial);
  EXPECT_THAT(Fetch("SEP000000000002.cnf.xml"), HasSubstr("edge.example.test"));
  EXPECT_THAT(Fetch("SEP000000000003.cnf.xml.sgn"),
              HasSubstr("edge.example.test"));
  // The default tenant has no cluster: nobody else's list is given instead.
  EXPECT_THAT(Fetch("CTLFile.tlv"), Not(HasSubstr("SAST")));

  // Sums of each file that is out, and of the one that a device gets.
  pb::GetTrustListRequest get;
  get.set_name("tenants/a/trustLists/CTLFile.tlv");
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::TrustList list,
      Call<pb::TrustList>(*root_, &Stub::GetTrustList, get));
  ASSERT_EQ(list.forms_size(), 2);
  EXPECT_EQ(list.forms(1).signature_algorithm(), "SHA-512");
  const std::string file = Fetch("CTLSEP000000000002.tlv");
  EXPECT_EQ(list.forms(1).md5(), HexEncode(Md5(AsBytes(file))));
  EXPECT_EQ(list.forms(1).sha1(), HexEncode(Sha1(AsBytes(file))));
  get.set_name("tenants/a/trustLists/CTLSEP000000000002.tlv");
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::TrustList own,
      Call<pb::TrustList>(*root_, &Stub::GetTrustList, get));
  EXPECT_EQ(own.content(), file);

  // A tenant's administrator sets his own and no other's.
  const auto ann = CapfProcessTest::Stub("operator/ann");
  pb::UpdatePhoneClusterRequest update;
  *update.mutable_phone_cluster() = b;
  EXPECT_THAT(Call<pb::PhoneCluster>(*ann, &Stub::UpdatePhoneCluster, update),
              StatusIs(absl::StatusCode::kPermissionDenied));
  *update.mutable_phone_cluster() = a;
  update.mutable_phone_cluster()->set_etag("7");
  EXPECT_THAT(Call<pb::PhoneCluster>(*ann, &Stub::UpdatePhoneCluster, update),
              HasReason("ETAG_MISMATCH"));
  update.mutable_phone_cluster()->clear_etag();
  update.mutable_phone_cluster()->clear_call_managers();
  EXPECT_THAT(Call<pb::PhoneCluster>(*ann, &Stub::UpdatePhoneCluster, update),
              HasReason("PHONE_CLUSTER_INVALID"));
  // A mask changes what it names and nothing else.
  update.mutable_update_mask()->add_paths("signers");
  EXPECT_THAT(Call<pb::PhoneCluster>(*ann, &Stub::UpdatePhoneCluster, update),
              HasReason("UPDATE_MASK_INVALID"));
  update.mutable_update_mask()->set_paths(0, "sha512_models");
  update.set_validate_only(true);
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::PhoneCluster masked,
      Call<pb::PhoneCluster>(*ann, &Stub::UpdatePhoneCluster, update));
  EXPECT_EQ(masked.call_managers_size(), a.call_managers_size());
  EXPECT_EQ(masked.host(), a.host());
  // All of it is there after a kill.
  process_->Kill();
  Start();
  EXPECT_EQ(Fetch("CTLSEP000000000002.tlv"), file);
}

// Capability 9 and goal 3: whenever the process dies, the procedure goes on,
// and no phone is left behind.
TEST_F(ProcedureProcessTest, KilledAtAnyTimeAProcedureGoesOn) {
  ASSERT_THAT(SetCluster("a").status(), IsOk());
  ASSERT_THAT(Create(NewEnrollment("SEP000000000001")).status(), IsOk());
  // What the phone trusts: the signers of the lists that it took.
  std::vector<std::string> trusted;
  const auto restart_phone = [&] {
    for (const char* const name :
         {"CTLSEP000000000001.tlv", "ITLSEP000000000001.tlv"}) {
      const TrustList list = Parsed(Fetch(name));
      ASSERT_NE(list.Signer(), nullptr);
      if (!trusted.empty()) {
        EXPECT_THAT(trusted, testing::Contains(list.Signer()->certificate))
            << "the phone is stranded";
      }
      trusted.clear();
      for (const TrustListRecord* one : list.OfRole(TrustListRole::kSast)) {
        trusted.push_back(one->certificate);
      }
    }
  };
  restart_phone();
  int kills = 0;
  for (const pb::ProcedureKind kind : {pb::PROCEDURE_KIND_ENABLE_MIXED_MODE,
                                       pb::PROCEDURE_KIND_SIGNER_ROTATION}) {
    const std::string id = absl::StrCat("p", static_cast<int>(kind));
    SP_ASSERT_OK_AND_ASSIGN(pb::Procedure procedure, Begin(id, kind));
    for (int turn = 0; procedure.state() != pb::PROCEDURE_STATE_DONE; ++turn) {
      ASSERT_LT(turn, 60) << procedure.ShortDebugString();
      // Every second step is cut off somewhere.
      if (turn % 2 == 0 && kills < 8) {
        std::thread killer([&] {
          std::this_thread::sleep_for(
              std::chrono::milliseconds(1 + (kills * 13) % 60));
          process_->Kill();
        });
        Advance(procedure).status().IgnoreError();
        killer.join();
        ++kills;
        Start();
      } else {
        ASSERT_THAT(Advance(procedure).status(), IsOk());
        restart_phone();
        // What it fetched is noted by the work thread.
        restart_phone();
      }
      const int done_before = static_cast<int>(
          std::count_if(procedure.steps().begin(), procedure.steps().end(),
                        [](const auto& step) { return step.done(); }));
      SP_ASSERT_OK_AND_ASSIGN(procedure, Read(id));
      const int done_now = static_cast<int>(
          std::count_if(procedure.steps().begin(), procedure.steps().end(),
                        [](const auto& step) { return step.done(); }));
      EXPECT_GE(done_now, done_before);
      EXPECT_LE(done_now, done_before + 1);
    }
  }
  EXPECT_GE(kills, 5);
  const TrustList list = Parsed(Fetch("CTLSEP000000000001.tlv"));
  EXPECT_EQ(list.cluster_mode(), ClusterSecurityMode::kMixed);
  pb::SimulateTrustListRequest simulate;
  simulate.set_parent("tenants/a");
  simulate.set_content(Fetch("CTLSEP000000000001.tlv"));
  SP_ASSERT_OK_AND_ASSIGN(const auto simulation,
                          Call<pb::SimulateTrustListResponse>(
                              *root_, &Stub::SimulateTrustList, simulate));
  EXPECT_EQ(simulation.phones_evaluated(), 1u);
  EXPECT_EQ(simulation.locked_out_count(), 0u);
}

// Capability 1: whenever the process dies, an authority's rotation goes on; it
// waits for services and phones, and never takes trust from what is in use.
TEST_F(ProcedureProcessTest, KilledAtAnyTimeAnAuthoritysRotationGoesOn) {
  ASSERT_THAT(SetCluster("a").status(), IsOk());
  ASSERT_THAT(Create(NewEnrollment("SEP000000000001")).status(), IsOk());
  const auto restart_phone = [&] {
    for (int i = 0; i < 2; ++i) {
      EXPECT_NE(Fetch("CTLSEP000000000001.tlv"), "");
      EXPECT_NE(Fetch("ITLSEP000000000001.tlv"), "");
    }
  };
  restart_phone();
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate server,
                          Issue(NewIssue("before")));
  const auto version = [&] {
    const auto status =
        Call<pb::CapfStatus>(*root_, &Stub::GetStatus, pb::GetStatusRequest());
    return status.ok() ? status->configured_version() : 0;
  };
  const auto report = [&] {
    pb::ReportTrustVersionRequest request;
    request.set_consumer("edge-0");
    request.set_active_version(version());
    const auto edge = CapfProcessTest::Stub("signaling_edge");
    EXPECT_THAT(Call<pb::ReportTrustVersionResponse>(
                    *edge, &Stub::ReportTrustVersion, request)
                    .status(),
                IsOk());
  };
  report();

  // A tenant's administrator does not change who everybody trusts.
  const auto ann = CapfProcessTest::Stub("operator/ann");
  pb::CreateProcedureRequest request;
  request.set_parent("tenants/a");
  request.set_procedure_id("rotate");
  request.mutable_procedure()->set_kind(pb::PROCEDURE_KIND_AUTHORITY_ROTATION);
  EXPECT_THAT(Call<pb::Procedure>(*ann, &Stub::CreateProcedure, request),
              HasReason("INSTALLATION_ADMIN_REQUIRED"));
  SP_ASSERT_OK_AND_ASSIGN(
      pb::Procedure procedure,
      Begin("rotate", pb::PROCEDURE_KIND_AUTHORITY_ROTATION));
  ASSERT_EQ(procedure.steps_size(), 11);
  int kills = 0;
  bool waited_for_service = false, waited_for_phone = false, named = false;
  for (int turn = 0; procedure.state() != pb::PROCEDURE_STATE_DONE; ++turn) {
    ASSERT_LT(turn, 60) << procedure.ShortDebugString();
    if (turn % 2 == 0 && kills < 10) {
      std::thread killer([&] {
        std::this_thread::sleep_for(
            std::chrono::milliseconds(1 + (kills * 7) % 40));
        process_->Kill();
      });
      Advance(procedure).status().IgnoreError();
      killer.join();
      ++kills;
      Start();
    } else {
      ASSERT_THAT(Advance(procedure).status(), IsOk());
    }
    SP_ASSERT_OK_AND_ASSIGN(procedure, Read("rotate"));
    const std::string& why = procedure.blocked_reason();
    if (why.starts_with("CONSUMERS_NOT_READY")) {
      EXPECT_THAT(why, HasSubstr("edge-0"));
      waited_for_service = true;
      report();
    } else if (why.starts_with("PHONES_NOT_READY")) {
      EXPECT_THAT(why, HasSubstr("SEP000000000001"));
      waited_for_phone = true;
      restart_phone();
    } else if (why.starts_with("STILL_NEEDED")) {
      // UM-43: what would lose trust is named, and loses none.
      EXPECT_THAT(why, HasSubstr(server.name()));
      named = true;
      // It and the certificate that SetUp() had issued go.
      RevokeServers();
    }
  }
  EXPECT_TRUE(waited_for_service && waited_for_phone && named);
  EXPECT_GE(kills, 5);

  pb::GetCertificateAuthorityRequest get;
  get.set_name("certificateAuthorities/default");
  SP_ASSERT_OK_AND_ASSIGN(const pb::CertificateAuthority authority,
                          Call<pb::CertificateAuthority>(
                              *root_, &Stub::GetCertificateAuthority, get));
  ASSERT_EQ(authority.keys_size(), 2) << authority.ShortDebugString();
  EXPECT_EQ(authority.keys(0).state(), pb::AUTHORITY_KEY_STATE_RETIRED);
  EXPECT_EQ(authority.keys(1).state(), pb::AUTHORITY_KEY_STATE_ISSUING);
  EXPECT_EQ(authority.keys(1).kept_in(), "store");
  EXPECT_NE(std::system(("test -e " + folder_ + "/ca.key").c_str()), 0);
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate after, Issue(NewIssue()));
  EXPECT_THAT(after.summary().issuer(), HasSubstr(" G2"));
  // Nobody trusts the old one, and every store the new one.
  for (const char* const store : {"CAPF-trust", "CallManager-trust"}) {
    pb::ListTrustedCertificatesRequest list;
    list.set_parent(absl::StrCat("tenants/a/trustStores/", store));
    SP_ASSERT_OK_AND_ASSIGN(const auto trusted,
                            Call<pb::ListTrustedCertificatesResponse>(
                                *root_, &Stub::ListTrustedCertificates, list));
    ASSERT_EQ(trusted.trusted_certificates_size(), 1) << store;
    EXPECT_EQ(trusted.trusted_certificates(0).summary().sha256_thumbprint(),
              authority.keys(1).summary().sha256_thumbprint());
  }
  // Lists name the new certificate of the port, and no other.
  EXPECT_EQ(Parsed(Fetch("CTLSEP000000000001.tlv"))
                .OfRole(TrustListRole::kCapf)
                .size(),
            1u);
  // The audit's chain is whole: it is checked at the start.
  process_->Kill();
  Start();
}

// What was done is undone until phones depend on it.
TEST_F(ProcedureProcessTest, AnAuthoritysRotationIsGivenUp) {
  ASSERT_THAT(SetCluster("a").status(), IsOk());
  const auto authority = [&] {
    pb::GetCertificateAuthorityRequest get;
    get.set_name("certificateAuthorities/default");
    const auto got = Call<pb::CertificateAuthority>(
        *root_, &Stub::GetCertificateAuthority, get);
    EXPECT_THAT(got.status(), IsOk());
    return got.ok() ? *got : pb::CertificateAuthority();
  };
  const auto trusted = [&] {
    pb::ListTrustedCertificatesRequest list;
    list.set_parent("tenants/a/trustStores/CAPF-trust");
    const auto got = Call<pb::ListTrustedCertificatesResponse>(
        *root_, &Stub::ListTrustedCertificates, list);
    return got.ok() ? got->trusted_certificates_size() : -1;
  };
  const auto cancel = [&](const std::string& id) {
    pb::CancelProcedureRequest request;
    request.set_name("tenants/a/procedures/" + id);
    return Call<pb::Procedure>(*root_, &Stub::CancelProcedure, request);
  };
  const std::string first = authority().summary().sha256_thumbprint();
  const std::string lists = Fetch("CTLFile.tlv");
  // Before it issues: nothing is left of it.
  SP_ASSERT_OK_AND_ASSIGN(pb::Procedure procedure,
                          Begin("r1", pb::PROCEDURE_KIND_AUTHORITY_ROTATION));
  for (int i = 0; i < 6; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(procedure, Advance(procedure));
    ASSERT_TRUE(procedure.steps(i).done()) << procedure.ShortDebugString();
  }
  EXPECT_EQ(trusted(), 2);
  ASSERT_THAT(cancel("r1").status(), IsOk());
  EXPECT_EQ(trusted(), 1);
  EXPECT_EQ(authority().summary().sha256_thumbprint(), first);
  EXPECT_EQ(authority().keys(1).state(), pb::AUTHORITY_KEY_STATE_RETIRED);

  // Once it has issued: the first one issues again, both are trusted.
  SP_ASSERT_OK_AND_ASSIGN(procedure,
                          Begin("r2", pb::PROCEDURE_KIND_AUTHORITY_ROTATION));
  for (int i = 0; i < 8; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(procedure, Advance(procedure));
    ASSERT_TRUE(procedure.steps(i).done()) << procedure.ShortDebugString();
  }
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate by_new, Issue(NewIssue()));
  EXPECT_THAT(by_new.summary().issuer(), HasSubstr(" G3"));
  ASSERT_THAT(cancel("r2").status(), IsOk());
  EXPECT_EQ(authority().summary().sha256_thumbprint(), first);
  EXPECT_EQ(trusted(), 2);
  EXPECT_EQ(authority().keys(2).state(), pb::AUTHORITY_KEY_STATE_RETIRING);
  pb::VerifyCertificateRequest verify;
  verify.set_trust_store("tenants/a/trustStores/CallManager-trust");
  SP_ASSERT_OK_AND_ASSIGN(const auto der,
                          CertificatesFromPem(by_new.certificate_pem()));
  verify.add_chain(der[0]);
  SP_ASSERT_OK_AND_ASSIGN(const auto verified,
                          Call<pb::VerifyCertificateResponse>(
                              *root_, &Stub::VerifyCertificate, verify));
  EXPECT_TRUE(verified.accepted()) << verified.ShortDebugString();
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate again, Issue(NewIssue()));
  EXPECT_THAT(again.summary().issuer(), Not(HasSubstr(" G")));
}

// IMP-66 to IMP-76.
TEST_F(ProcedureProcessTest, FipsModeFromSwitchToHalt) {
  ASSERT_THAT(SetCluster("default", {}, true).status(), IsOk());
  const std::string listener = folder_ + "/capf_listener.key";
  const auto content = [](const std::string& path) {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string key_before = content(listener);
  EXPECT_FALSE(Fips().enabled());  // IMP-67
  EXPECT_THAT(Fips().disclaimer(), HasSubstr("nobody may claim"));

  // A tenant's administrator does not switch the installation.
  const auto ann = CapfProcessTest::Stub("operator/ann");
  pb::CreateProcedureRequest request;
  request.set_parent("tenants/a");
  request.set_procedure_id("fips");
  request.mutable_procedure()->set_kind(pb::PROCEDURE_KIND_ENABLE_FIPS_MODE);
  EXPECT_THAT(Call<pb::Procedure>(*ann, &Stub::CreateProcedure, request),
              HasReason("INSTALLATION_ADMIN_REQUIRED"));

  SP_ASSERT_OK_AND_ASSIGN(
      pb::Procedure procedure,
      Begin("on", pb::PROCEDURE_KIND_ENABLE_FIPS_MODE, "default"));
  for (int i = 0; i < 3; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(procedure, Advance(procedure));
    ASSERT_TRUE(procedure.steps(i).done()) << procedure.ShortDebugString();
  }
  // It ends by itself, to be started again (IMP-72).
  process_->WaitForLog("service ended");
  process_->Terminate();
  Start();
  SP_ASSERT_OK_AND_ASSIGN(procedure, Read("on", "default"));
  // IMP-69: then every key is made anew. The authority's waits for who still
  // needs the old one; killed meanwhile, it goes on.
  do {
    procedure = Run(procedure);
    // The port shows its new certificate as soon as it can.
  } while (absl::StrContains(procedure.blocked_reason(), "PORT_NOT_RENEWED"));
  EXPECT_THAT(procedure.blocked_reason(),
              AllOf(HasSubstr("KEYS_OF_BEFORE: 1 keys, next "
                              "certificateAuthorities/default key 1"),
                    HasSubstr("default/procedures/on-ca-default has taken 10 "
                              "of 11 steps; STILL_NEEDED")));
  EXPECT_THAT(Fips().keys_of_before(),
              ElementsAre("certificateAuthorities/default key 1"));
  process_->Kill();
  Start();
  RevokeServers();
  SP_ASSERT_OK_AND_ASSIGN(procedure, Read("on", "default"));
  EXPECT_EQ(Run(procedure).state(), pb::PROCEDURE_STATE_DONE)
      << procedure.blocked_reason();
  EXPECT_THAT(Fips().keys_of_before(), IsEmpty());
  EXPECT_TRUE(Fips().has_since_time());
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate by_new, Issue(NewIssue()));
  EXPECT_THAT(by_new.summary().issuer(), HasSubstr(" G2"));
  EXPECT_NE(std::system(("test -e " + folder_ + "/ca.key").c_str()), 0);
  EXPECT_TRUE(Fips().enabled());
  EXPECT_TRUE(Fips().self_tests_passed());
  EXPECT_THAT(Fips().module(), HasSubstr("not validated"));
  EXPECT_NE(content(listener), key_before);  // IMP-69
  EXPECT_THAT(Parsed(Fetch("CTLFile.tlv")).header.digest,
              SignedFileDigest::kSha512);

  // IMP-70.
  pb::CreateEnrollmentRequest null_string = NewEnrollment("SEP1");
  null_string.mutable_enrollment()->set_authentication_mode(
      pb::AUTHENTICATION_MODE_NULL_STRING);
  null_string.mutable_enrollment()
      ->mutable_operation_completes_by_time()
      ->set_seconds(absl::ToUnixSeconds(absl::Now()) + 3600);
  EXPECT_THAT(Create(null_string), HasReason("NOT_ALLOWED_IN_FIPS_MODE"));
  const std::string connect = absl::StrCat(
      "openssl s_client -connect 127.0.0.1:", process_->port("capf"),
      " </dev/null >/dev/null 2>&1 ");
  EXPECT_EQ(std::system((connect + "-tls1_2").c_str()), 0);
  EXPECT_NE(std::system((connect + "-tls1_2 -cipher "
                                   "ECDHE-ECDSA-CHACHA20-POLY1305")
                            .c_str()),
            0);
  EXPECT_NE(std::system((connect + "-groups X25519").c_str()), 0);

  // IMP-74, IMP-75: it does not come up while a test fails.
  ASSERT_EQ(process_->Terminate(), 0);
  const std::string good = config_;
  config_.replace(config_.find(R"("server":{)"), 10,
                  R"("server":{"fips":{"break_self_test":"AES-128-GCM"},)");
  Configure("");
  const std::string run = absl::StrCat("services/capf/capf --config=", folder_,
                                       "/config.json 2>", folder_, "/halt.log");
  for (int i = 0; i < 2; ++i) {
    const int status = std::system(run.c_str());
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_NE(WEXITSTATUS(status), 0);
    EXPECT_THAT(content(folder_ + "/halt.log"),
                AllOf(HasSubstr("self tests failed: AES-128-GCM"),
                      HasSubstr("the service halts")));
  }
  // IMP-76: the third time it stays halted, and says what is left to do.
  EXPECT_EQ(WEXITSTATUS(std::system(("timeout 3 " + run).c_str())), 124);
  EXPECT_THAT(content(folder_ + "/halt.log"),
              HasSubstr("deploy a verified image"));
  // A good program clears the count.
  config_ = good;
  Configure("");
  Start();
  EXPECT_TRUE(Fips().self_tests_passed());

  // What is forbidden is refused as a setting, too.
  ASSERT_EQ(process_->Terminate(), 0);
  const std::string saved = config_;
  config_.replace(config_.find(R"("ephemeral_port":true)"), 21,
                  R"("ephemeral_port":true,"allow_legacy_tls":true)");
  Configure("");
  EXPECT_NE(std::system(run.c_str()), 0);
  EXPECT_THAT(content(folder_ + "/halt.log"),
              HasSubstr("NOT_ALLOWED_IN_FIPS_MODE"));
  config_ = saved;
  Configure("");
  Start();

  const std::string key_on = content(listener);
  SP_ASSERT_OK_AND_ASSIGN(
      procedure, Begin("off", pb::PROCEDURE_KIND_DISABLE_FIPS_MODE, "default"));
  SP_ASSERT_OK_AND_ASSIGN(procedure, Advance(procedure));
  process_->WaitForLog("service ended");
  process_->Terminate();
  Start();
  SP_ASSERT_OK_AND_ASSIGN(procedure, Read("off", "default"));
  EXPECT_EQ(Run(procedure).state(), pb::PROCEDURE_STATE_DONE);
  EXPECT_FALSE(Fips().enabled());
  EXPECT_NE(content(listener), key_on);
}

}  // namespace
}  // namespace sallyport::capf
