// Two capf binaries over one PostgreSQL: what one does, the other knows; each
// may die at any moment, and so may the database.
//
// CAPF_KILLS=N in the environment makes the last test a long run of N kills.

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/key_wrapping.h"
#include "services/capf/io/private_key_search.h"
#include "services/common/crypto/secret.h"
#include "services/common/files/durable_file.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/postgres_server.h"
#include "services/common/testing/service_process.h"

namespace sallyport::capf {
namespace {

namespace pb = ::sallyport::capf::v1;
using Stub = pb::CapfService::Stub;

class ReplicasTest : public testing::Test {
 protected:
  void SetUp() override {
    pki_ = std::make_unique<MtlsPki>("capf-replicas");
    const std::string passphrase = pki_->folder() + "/passphrase";
    ASSERT_THAT(WriteDurableFile(passphrase, "of the test's keys\n"), IsOk());
    for (int i = 0; i < 2; ++i) {
      const std::string folder = absl::StrCat(pki_->folder(), "/replica", i);
      folders_.push_back(folder);
      processes_.push_back(
          std::make_unique<ServiceProcess>("services/capf/capf", folder));
      const std::string server = processes_[i]->ServerJson(
          pki_->IssueSpiffe("t.test", "capf"), "t.test",
          R"(,"role_bindings":[{"identity":"spiffe://t.test/operator/root",
             "role":"ROLE_ADMIN","tenants":["*"]}])");
      // One key for both, as of one Secret.
      processes_[i]->WriteConfig(absl::StrCat(
          R"({"server":)", server, R"(,"store":{"postgres":{"connection":")",
          database_.connection(), R"("}},"authority":{"key_file":")",
          pki_->folder(), R"(/keys/ca.key","certificate_file":")",
          pki_->folder(), R"(/keys/ca.pem","passphrase_file":")", passphrase,
          R"("},"capf":{"address":"127.0.0.1",)",
          R"("ephemeral_port":true},"audit_file":")", folder,
          R"(/audit.jsonl"})"));
    }
    // At once: the first start of each makes what is not there.
    std::thread first([this] { processes_[0]->Start(); });
    processes_[1]->Start();
    first.join();
  }

  std::unique_ptr<Stub> StubOf(int replica,
                               const std::string& who = "operator/root") {
    common::config::v1::TlsFiles tls;
    const PemFiles files = pki_->IssueSpiffe("t.test", who);
    tls.set_certificate_file(files.certificate_file);
    tls.set_key_file(files.key_file);
    tls.set_ca_file(files.ca_file);
    ClientChannelOptions options;
    options.target = processes_[replica]->grpc_target();
    options.expected_identity = "spiffe://t.test/capf";
    options.max_backoff = absl::Milliseconds(200);
    return pb::CapfService::NewStub(MakeClientChannel(
        WatchTlsFiles(tls, absl::Seconds(1)).value(), options));
  }

  template <typename Response, typename Method, typename Request>
  static absl::StatusOr<Response> Call(Stub& stub, Method method,
                                       const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  static pb::IssueCertificateRequest NewIssue(const std::string& request_id) {
    pb::IssueCertificateRequest request;
    request.set_parent("tenants/a");
    request.set_csr(NewTestCsr(NewTestKey(KeyKind::kEcP256).get(),
                               {.alt_names = {"DNS:edge.example.test"}}));
    request.set_profile(pb::CERTIFICATE_PROFILE_SERVER);
    request.set_request_id(request_id);
    return request;
  }

  static absl::StatusOr<pb::Certificate> Issue(
      Stub& stub, const pb::IssueCertificateRequest& request) {
    return Call<pb::Certificate>(stub, &Stub::IssueCertificate, request);
  }

  std::set<std::string> Lines(const std::string& sql) const {
    const std::string text = database_.Sql(sql);
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }

  PostgresServer database_;
  std::unique_ptr<MtlsPki> pki_;
  std::vector<std::string> folders_;
  std::vector<std::unique_ptr<ServiceProcess>> processes_;
};

TEST_F(ReplicasTest, WhatOneDoesTheOtherKnows) {
  const auto zero = StubOf(0);
  const auto one = StubOf(1);
  const auto edge = StubOf(1, "signaling_edge");
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate issued,
                          Issue(*zero, NewIssue("r1")));
  pb::GetCertificateRequest get;
  get.set_name(issued.name());
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::Certificate read,
      Call<pb::Certificate>(*one, &Stub::GetCertificate, get));
  EXPECT_EQ(read.certificate_pem(), issued.certificate_pem());

  // Revoked here, pushed there: within 5 s (issue 6), here within two.
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  pb::WatchTrustBundleRequest watch;
  watch.set_consumer("edge-0");
  const auto stream = edge->WatchTrustBundle(&context, watch);
  pb::WatchTrustBundleResponse step;
  ASSERT_TRUE(stream->Read(&step));
  ASSERT_EQ(step.revoked_size(), 0);
  pb::RevokeCertificateRequest revoke;
  revoke.set_name(issued.name());
  const absl::Time start = absl::Now();
  ASSERT_THAT(Call<pb::Certificate>(*zero, &Stub::RevokeCertificate, revoke),
              IsOk());
  do {
    ASSERT_TRUE(stream->Read(&step));
  } while (step.revoked_size() == 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
  context.TryCancel();

  // An enrollment is one, wherever it is changed.
  pb::CreateEnrollmentRequest create;
  create.set_parent("tenants/a");
  create.mutable_enrollment()->set_device_name("SEP1");
  SP_ASSERT_OK_AND_ASSIGN(
      const pb::Enrollment made,
      Call<pb::Enrollment>(*zero, &Stub::CreateEnrollment, create));
  EXPECT_THAT(Call<pb::Enrollment>(*one, &Stub::CreateEnrollment, create),
              HasReason("ENROLLMENT_EXISTS"));
  pb::DeleteEnrollmentRequest remove;
  remove.set_name(made.name());
  EXPECT_THAT(
      Call<google::protobuf::Empty>(*one, &Stub::DeleteEnrollment, remove),
      IsOk());
}

// What README.md says of backups with PostgreSQL: a dump, the keys and the
// audits are the whole authority elsewhere.
TEST_F(ReplicasTest, ADumpThatIsPutBackIsTheWholeAuthority) {
  const auto run = [](const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  };
  const std::string kept = pki_->folder() + "/kept";
  std::unique_ptr<Stub> zero = StubOf(0);
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate first,
                          Issue(*zero, NewIssue("r1")));
  pb::CreateCertificateAuthorityRequest second;
  second.set_certificate_authority_id("second");
  second.mutable_certificate_authority()->set_mode(pb::AUTHORITY_MODE_OWN);
  second.mutable_certificate_authority()->set_common_name("Second");
  ASSERT_THAT(Call<pb::CertificateAuthority>(
                  *zero, &Stub::CreateCertificateAuthority, second),
              IsOk());
  // The keys first, then the store, then the audits.
  run("mkdir " + kept + " && cp -r " + pki_->folder() + "/keys " + kept);
  run("pg_dump -Fc -f " + kept + "/dump -d '" + database_.connection() + "'");
  for (const std::string& folder : folders_) {
    run("cp " + folder + "/audit.jsonl " + kept + "/" +
        folder.substr(folder.rfind('/') + 1));
  }
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate lost,
                          Issue(*zero, NewIssue("r2")));
  // None of it opens without the passphrase.
  PrivateKeySearch search;
  run("cat " + kept + "/keys/*.key > " + kept + "/keys.pem; psql -Atd '" +
      database_.connection() +
      "' -c 'SELECT key_pem FROM authority_generations' >> " + kept +
      "/keys.pem; pg_dump -f " + kept + "/dump.sql -d '" +
      database_.connection() + "'");
  SP_ASSERT_OK_AND_ASSIGN(const std::string keys,
                          ReadWholeFile(kept + "/keys.pem", 1 << 20));
  SP_ASSERT_OK_AND_ASSIGN(const Secret wrapping,
                          DeriveWrappingKey(Secret::CopyOf(
                              std::string_view("of the test's keys"))));
  // The authority's, the port's, the strings' and the second authority's.
  EXPECT_EQ(search.KnowEncrypted(keys, {&wrapping}), 4u);
  EXPECT_THAT(search.LookBelow(kept), testing::IsEmpty());

  // The machine is lost.
  for (const auto& process : processes_) process->Kill();
  run("rm -r " + pki_->folder() + "/keys");
  database_.Sql(
      "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
      " GRANT ALL ON SCHEMA public TO sallyport");
  run("cp -r " + kept + "/keys " + pki_->folder());
  run("pg_restore --no-owner -d '" + database_.connection() + "' " + kept +
      "/dump 2>" + kept + "/restore.log || grep -q 'schema public' " + kept +
      "/restore.log");
  for (size_t i = 0; i < folders_.size(); ++i) {
    run("cp " + kept + "/" + folders_[i].substr(folders_[i].rfind('/') + 1) +
        " " + folders_[i] + "/audit.jsonl");
    processes_[i]->Start();
  }
  pb::GetCertificateRequest get;
  get.set_name(first.name());
  for (int i = 0; i < 2; ++i) {
    SP_ASSERT_OK_AND_ASSIGN(
        const pb::Certificate read,
        Call<pb::Certificate>(*StubOf(i), &Stub::GetCertificate, get));
    EXPECT_EQ(read.certificate_pem(), first.certificate_pem());
    EXPECT_THAT(Issue(*StubOf(i), NewIssue(absl::StrCat("r", 3 + i))), IsOk());
  }
  get.set_name(lost.name());
  EXPECT_THAT(Call<pb::Certificate>(*StubOf(0), &Stub::GetCertificate, get),
              HasReason("CERTIFICATE_NOT_FOUND"));
}

// A balancer may send a repeat to the other replica while the first still
// works on it.
TEST_F(ReplicasTest, TheSameRequestAtBothIsAnsweredOnce) {
  const std::unique_ptr<Stub> stubs[] = {StubOf(0), StubOf(1)};
  for (int i = 0; i < 10; ++i) {
    const auto request = NewIssue(absl::StrCat("same-", i));
    std::string answers[2];
    const auto ask = [&](int replica) {
      for (int attempt = 0; attempt < 50; ++attempt) {
        const auto issued = Issue(*stubs[replica], request);
        if (issued.ok()) {
          answers[replica] = issued->certificate_pem();
          return;
        }
        ASSERT_THAT(issued, HasReason("REQUEST_IN_PROGRESS"));
        absl::SleepFor(absl::Milliseconds(20));
      }
    };
    std::thread other([&] { ask(1); });
    ask(0);
    other.join();
    EXPECT_FALSE(answers[0].empty());
    EXPECT_EQ(answers[0], answers[1]);
  }
}

// A rotation belongs to no replica: the other one takes the next step, and
// whatever a replica holds of the keys, none signs with one that issues no
// more.
TEST_F(ReplicasTest, ARotationGoesOnWhicheverReplicaDies) {
  SP_ASSERT_OK_AND_ASSIGN(const pb::Certificate before,
                          Issue(*StubOf(1), NewIssue("before")));
  pb::CreateProcedureRequest begin;
  begin.set_parent("tenants/a");
  begin.set_procedure_id("rotate");
  begin.mutable_procedure()->set_kind(pb::PROCEDURE_KIND_AUTHORITY_ROTATION);
  begin.mutable_procedure()->set_automatic(true);
  std::thread killer([this] {
    absl::SleepFor(absl::Milliseconds(60));
    processes_[0]->Kill();
  });
  // Perhaps it was begun before the kill, perhaps not.
  Call<pb::Procedure>(*StubOf(0), &Stub::CreateProcedure, begin)
      .status()
      .IgnoreError();
  killer.join();
  const auto one = StubOf(1);
  const auto begun = Call<pb::Procedure>(*one, &Stub::CreateProcedure, begin);
  if (!begun.ok()) {
    EXPECT_THAT(begun, HasReason("PROCEDURE_EXISTS"));
  }
  pb::GetProcedureRequest get;
  get.set_name("tenants/a/procedures/rotate");
  pb::Procedure procedure;
  const auto until = [&](const std::function<bool()>& condition) {
    for (int i = 0; i < 400; ++i) {
      const auto read = Call<pb::Procedure>(*one, &Stub::GetProcedure, get);
      if (read.ok()) procedure = *read;
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  };
  ASSERT_TRUE(until([&] {
    return procedure.blocked_reason().find("STILL_NEEDED") == 0;
  })) << procedure.ShortDebugString();
  EXPECT_THAT(procedure.blocked_reason(), testing::HasSubstr(before.name()));
  // The replica that died at the old key comes back and issues by the new one.
  processes_[0]->Start();
  for (int replica = 0; replica < 2; ++replica) {
    SP_ASSERT_OK_AND_ASSIGN(
        const pb::Certificate after,
        Issue(*StubOf(replica), NewIssue(absl::StrCat("after-", replica))));
    EXPECT_THAT(after.summary().issuer(), testing::HasSubstr(" G2"));
  }
  pb::RevokeCertificateRequest revoke;
  revoke.set_name(before.name());
  ASSERT_THAT(
      Call<pb::Certificate>(*StubOf(0), &Stub::RevokeCertificate, revoke)
          .status(),
      IsOk());
  // Now the other one dies, in the last step or before it.
  processes_[1]->Kill();
  const auto zero = StubOf(0);
  for (int i = 0; i < 400; ++i) {
    const auto read = Call<pb::Procedure>(*zero, &Stub::GetProcedure, get);
    if (read.ok()) procedure = *read;
    if (procedure.state() == pb::PROCEDURE_STATE_DONE) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(procedure.state(), pb::PROCEDURE_STATE_DONE)
      << procedure.ShortDebugString();
  processes_[1]->Start();
  pb::GetCertificateAuthorityRequest authority;
  authority.set_name("certificateAuthorities/default");
  for (int replica = 0; replica < 2; ++replica) {
    SP_ASSERT_OK_AND_ASSIGN(
        const auto seen,
        Call<pb::CertificateAuthority>(
            *StubOf(replica), &Stub::GetCertificateAuthority, authority));
    ASSERT_EQ(seen.keys_size(), 2);
    EXPECT_EQ(seen.keys(0).state(), pb::AUTHORITY_KEY_STATE_RETIRED);
    EXPECT_EQ(seen.keys(1).kept_in(), "store");
  }
  EXPECT_EQ(database_.Sql("SELECT COUNT(*) FROM certificates WHERE authority ="
                          " 'default/1' AND state IN (1, 2)"),
            "0");
}

// pki.md 12, goal 5: kill -9 of either replica, and of the database, while
// both issue. What was answered is there; no request has two certificates; the
// audit is one whole chain that names exactly what was issued.
TEST_F(ReplicasTest, KilledAgainAndAgainNothingIsLostOrDoubled) {
  int kills = 3;
  if (const char* const wanted = std::getenv("CAPF_KILLS")) {
    ASSERT_TRUE(absl::SimpleAtoi(wanted, &kills));
  }
  absl::Mutex mutex;
  std::map<std::string, pb::IssueCertificateRequest> asked;
  std::map<std::string, std::string> answered;  // request id to PEM
  std::mt19937 dice(std::random_device{}());
  for (int round = 0; round < kills; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    std::atomic<bool> stop = false;
    const std::unique_ptr<Stub> stubs[] = {StubOf(0), StubOf(1)};
    std::vector<std::thread> clients;
    for (int client = 0; client < 4; ++client) {
      clients.emplace_back([&, client] {
        for (int i = 0; !stop; ++i) {
          const std::string id = absl::StrCat("r", round, "-", client, "-", i);
          const auto request = NewIssue(id);
          {
            absl::MutexLock lock(&mutex);
            asked[id] = request;
          }
          const auto issued = Issue(*stubs[client % 2], request);
          if (issued.ok()) {
            absl::MutexLock lock(&mutex);
            answered[id] = issued->certificate_pem();
          } else {
            absl::SleepFor(absl::Milliseconds(20));
          }
        }
      });
    }
    absl::SleepFor(absl::Milliseconds(100 + dice() % 300));
    const int victim = round % 3;
    if (victim == 2) {
      database_.Kill();
      absl::SleepFor(absl::Milliseconds(200));
      database_.Start();
    } else {
      processes_[victim]->Kill();
    }
    absl::SleepFor(absl::Milliseconds(100));
    stop = true;
    for (std::thread& client : clients) client.join();
    if (victim != 2) processes_[victim]->Start();

    // What is asked again gets the same, from whichever replica.
    const auto stub = StubOf((round + 1) % 2);
    int repeats = 0;
    for (const auto& [id, request] : asked) {
      if (id.rfind(absl::StrCat("r", round, "-"), 0) != 0) continue;
      absl::StatusOr<pb::Certificate> issued;
      const bool was_answered = answered.count(id) != 0;
      if (was_answered && ++repeats > 50) continue;
      // An intent whose process died waits until it is swept; a fresh request
      // id is what its caller would take.
      for (int attempt = 0; attempt < 100; ++attempt) {
        issued = Issue(*stub, request);
        if (issued.ok() || ReasonOf(issued.status()) == "REQUEST_IN_PROGRESS") {
          break;
        }
        absl::SleepFor(absl::Milliseconds(100));
      }
      if (was_answered) {
        ASSERT_THAT(issued, IsOk());
        EXPECT_EQ(issued->certificate_pem(), answered[id]);
      } else if (issued.ok()) {
        answered[id] = issued->certificate_pem();
      } else {
        EXPECT_THAT(issued, HasReason("REQUEST_IN_PROGRESS"));
      }
    }
  }
  EXPECT_GT(answered.size(), 10u);
  std::cerr << asked.size() << " asked, " << answered.size()
            << " answered, over " << kills << " kills\n";

  EXPECT_EQ(database_.Sql("SELECT COUNT(*) FROM (SELECT request_key FROM "
                          "certificates WHERE der <> '' AND request_key <> '' "
                          "GROUP BY request_key HAVING COUNT(*) > 1) AS d"),
            "0");
  EXPECT_EQ(Lines("SELECT 'tenants/' || tenant || '/certificates/' || serial "
                  "FROM certificates WHERE state NOT IN (0, 5)"),
            Lines("SELECT subject FROM audit WHERE event = 'ISSUED'"));
  EXPECT_EQ(Lines("SELECT COUNT(*) FROM audit"),
            Lines("SELECT MAX(sequence) FROM audit"));
  // Each start checks the chain; each file is the whole of it.
  for (int i = 0; i < 2; ++i) {
    processes_[i]->Kill();
    processes_[i]->Start();
  }
  const auto stub = StubOf(0);
  EXPECT_THAT(Issue(*stub, NewIssue("last")), IsOk());
  const std::string count = database_.Sql("SELECT COUNT(*) FROM audit");
  for (const std::string& folder : folders_) {
    std::string lines;
    for (int attempt = 0; attempt < 100 && lines != count; ++attempt) {
      absl::SleepFor(absl::Milliseconds(50));
      std::ifstream file(folder + "/audit.jsonl");
      int number = 0;
      for (std::string line; std::getline(file, line);) ++number;
      lines = absl::StrCat(number);
    }
    EXPECT_EQ(lines, count) << folder;
  }
}

}  // namespace
}  // namespace sallyport::capf
