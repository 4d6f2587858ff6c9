// capf when things go wrong, as phones and operators meet it over the real
// ports: a phone that stops at every step, one that guesses, one that comes too
// late, and a disk that is full. What is recorded is what is (issue 6).

#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/capf/core/capf_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/files/durable_file.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/common/tls/tls_context.h"
#include "tools/cli/capf_client.h"
#include "tools/cli/device_key.h"
#include "tools/cli/tls_connection.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::capf::v1;
using Stub = pb::CapfService::Stub;
using ::testing::HasSubstr;

constexpr char kTrustDomain[] = "t.test";
constexpr char kDevice[] = "SEP001122334455";
constexpr char kString[] = "31415926";
constexpr pb::EnrollmentStatus kCutOff =
    pb::ENROLLMENT_STATUS_UPGRADE_FAILED_PHONE_COMMUNICATION_FAILURE;

class CapfFaultsTest : public ::testing::Test {
 protected:
  CapfFaultsTest()
      : pki_("capf_faults"),
        process_("services/capf/capf",
                 absl::StrCat(::testing::TempDir(), "/",
                              ::testing::UnitTest::GetInstance()
                                  ->current_test_info()
                                  ->name())) {
    // Writes beyond a limit fail instead of ending the process: a full disk.
    signal(SIGXFSZ, SIG_IGN);
    const std::string& folder = process_.folder();
    const std::string passphrase = pki_.folder() + "/passphrase";
    EXPECT_THAT(WriteDurableFile(passphrase, "of the test's keys\n"), IsOk());
    process_.WriteConfig(absl::StrCat(
        R"({"server":)",
        process_.ServerJson(
            pki_.IssueSpiffe(kTrustDomain, "capf"), kTrustDomain,
            R"(,"role_bindings":[{"identity":"spiffe://t.test/operator/root",)"
            R"("role":"ROLE_ADMIN","tenants":["*"]}])"),
        R"(,"store":{"sqlite_file":")", folder,
        R"(/capf.db"},"authority":{"key_file":")", folder,
        R"(/ca.key","certificate_file":")", folder,
        R"(/ca.pem","passphrase_file":")", passphrase,
        R"("},"capf":{"address":"127.0.0.1","ephemeral_port":true,)",
        R"("server_names":["IP:127.0.0.1"],"idle_timeout":"1s",)",
        R"("connections_per_second_per_source":1000},)", R"("audit_file":")",
        folder, R"(/audit.jsonl"})"));
    Start();
  }

  void Start() {
    process_.Start();
    common::config::v1::TlsFiles tls;
    const PemFiles files = pki_.IssueSpiffe(kTrustDomain, "operator/root");
    tls.set_certificate_file(files.certificate_file);
    tls.set_key_file(files.key_file);
    tls.set_ca_file(files.ca_file);
    ClientChannelOptions options;
    options.target = process_.grpc_target();
    options.expected_identity = "spiffe://t.test/capf";
    stub_ = pb::CapfService::NewStub(MakeClientChannel(
        WatchTlsFiles(tls, absl::Seconds(1)).value(), options));
  }

  template <typename Response, typename Method, typename Request>
  absl::StatusOr<Response> Call(Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    Response response;
    const grpc::Status status =
        (stub_.get()->*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  absl::StatusOr<pb::Enrollment> Create(
      const std::string& device,
      absl::Time completes_by = absl::InfiniteFuture()) {
    pb::CreateEnrollmentRequest request;
    request.set_parent("tenants/a");
    pb::Enrollment& enrollment = *request.mutable_enrollment();
    enrollment.set_device_name(device);
    enrollment.set_operation(pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE);
    enrollment.set_authentication_string(kString);
    if (completes_by != absl::InfiniteFuture()) {
      enrollment.mutable_operation_completes_by_time()->set_seconds(
          absl::ToUnixSeconds(completes_by));
    }
    return Call<pb::Enrollment>(&Stub::CreateEnrollment, request);
  }
  // Arms the operation again, with the same string.
  void Arm() {
    pb::UpdateEnrollmentRequest request;
    request.mutable_enrollment()->set_name(Get().name());
    request.mutable_enrollment()->set_operation(
        pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE);
    request.mutable_enrollment()->set_authentication_string(kString);
    ASSERT_THAT(Call<pb::Enrollment>(&Stub::UpdateEnrollment, request).status(),
                IsOk());
  }
  pb::Enrollment Get() {
    pb::GetEnrollmentRequest request;
    request.set_name("tenants/a/enrollments/sep001122334455");
    const auto read = Call<pb::Enrollment>(&Stub::GetEnrollment, request);
    EXPECT_THAT(read.status(), IsOk());
    return read.value_or(pb::Enrollment());
  }
  // Waits until it is so.
  bool Becomes(pb::EnrollmentStatus status) {
    for (int i = 0; i < 200; ++i) {
      if (Get().status() == status) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }

  absl::StatusOr<std::unique_ptr<cli::TlsConnection>> Connect() {
    TlsContextOptions tls;
    tls.role = TlsRole::kClient;
    SP_ASSIGN_OR_RETURN(
        const auto context,
        TlsContext::CreateFromFiles("", "", process_.folder() + "/ca.pem",
                                    std::move(tls)));
    return cli::TlsConnection::Connect("127.0.0.1",
                                       absl::StrCat(process_.port("capf")),
                                       context, absl::Seconds(10));
  }

  // One session of a phone, which goes away before its `stop_before`th message
  // is sent. What the phone holds is `held`, whatever it had time to say of it.
  absl::Status Session(const std::string& device, const std::string& string,
                       int stop_before = 1000) {
    SP_ASSIGN_OR_RETURN(const auto connection, Connect());
    cli::CapfClient::Options options;
    options.device_name = device;
    options.authentication_string = Secret::CopyOf(string);
    cli::CapfClient client(std::move(options));
    int sent = 0;
    std::string pending;
    while (true) {
      SP_ASSIGN_OR_RETURN(const auto parsed,
                          capf::ParseCapfMessage(AsBytes(pending)));
      if (!parsed.has_value()) {
        SP_ASSIGN_OR_RETURN(const std::string more, connection->Read());
        if (more.empty()) return absl::UnavailableError("closed");
        pending += more;
        continue;
      }
      pending.erase(0, parsed->consumed);
      SP_ASSIGN_OR_RETURN(cli::CapfActions actions,
                          client.OnMessage(parsed->message));
      while (true) {
        for (const capf::CapfMessage& message : actions.send) {
          if (++sent == stop_before) return absl::CancelledError("it stopped");
          SP_ASSIGN_OR_RETURN(const std::string bytes,
                              capf::SerializeCapfMessage(message));
          SP_RETURN_IF_ERROR(connection->Write(AsBytes(bytes)));
        }
        if (actions.generate.has_value()) {
          // The same key whenever it is asked, as a phone that was cut off.
          if (!key_) {
            SP_ASSIGN_OR_RETURN(
                cli::DeviceKey made,
                cli::DeviceKey::Generate(cli::DeviceKeyType::kEcP256));
            key_.emplace(std::move(made));
          }
          actions = client.OnKey(key_->PublicKeyDer());
          continue;
        }
        if (actions.store.has_value()) {
          SP_RETURN_IF_ERROR(key_->CheckCertificate(*actions.store));
          held_ = ToString(ByteSpan(*actions.store));
          actions = client.OnStored();
          continue;
        }
        break;
      }
      if (actions.done) return absl::OkStatus();
    }
  }

  // Writes of the service fail from now on, or no longer.
  void SetDiskFull(bool full) {
    rlimit limit = {};
    ASSERT_EQ(prlimit(process_.pid(), RLIMIT_FSIZE, nullptr, &limit), 0);
    limit.rlim_cur = full ? 0 : limit.rlim_max;
    ASSERT_EQ(prlimit(process_.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  }

  MtlsPki pki_;
  ServiceProcess process_;
  std::unique_ptr<pb::CapfService::Stub> stub_;
  std::optional<cli::DeviceKey> key_;
  std::string held_;  // the phone's certificate, DER
};

// A phone that stops before each of its messages. What is recorded says so, and
// the next session ends with one certificate, held by both.
TEST_F(CapfFaultsTest, APhoneThatStopsAtEveryStep) {
  ASSERT_THAT(Create(kDevice).status(), IsOk());
  std::string unconfirmed;
  bool whole = false;
  // 1: claim; 2 to 3: "in progress", the key; 4: "stored".
  for (int step = 1; step <= 6; ++step) {
    held_.clear();
    const absl::Status session = Session(kDevice, kString, step);
    if (session.ok()) {  // it has no more messages
      whole = true;
      break;
    }
    EXPECT_TRUE(absl::IsCancelled(session)) << session;
    if (step == 1) {
      // It never said who it is: nothing is held against anybody.
      EXPECT_EQ(Get().status(), pb::ENROLLMENT_STATUS_OPERATION_PENDING);
    } else if (held_.empty()) {
      EXPECT_TRUE(Becomes(kCutOff))
          << pb::EnrollmentStatus_Name(Get().status());
    }
    // Unless the phone has told that it stored it, it is not its certificate.
    EXPECT_EQ(Get().certificate(), "");
    if (!held_.empty()) {
      // Cut off after it had the certificate: the same again for the same key.
      if (!unconfirmed.empty()) {
        EXPECT_EQ(held_, unconfirmed);
      }
      unconfirmed = held_;
    }
    process_.Kill();  // and the service dies with it
    Start();
    Arm();
  }
  ASSERT_NE(unconfirmed, "") << "the phone never came as far as storing";
  ASSERT_TRUE(whole);
  EXPECT_EQ(held_, unconfirmed);
  EXPECT_TRUE(Becomes(pb::ENROLLMENT_STATUS_UPGRADE_SUCCESS));
  EXPECT_NE(Get().certificate(), "");
  // The key has one certificate in force.
  pb::ListCertificatesRequest list;
  list.set_parent("tenants/a");
  SP_ASSERT_OK_AND_ASSIGN(const auto all, Call<pb::ListCertificatesResponse>(
                                              &Stub::ListCertificates, list));
  int active = 0;
  for (const pb::Certificate& one : all.certificates()) {
    active += one.profile() == pb::CERTIFICATE_PROFILE_LSC &&
              one.state() == pb::CERTIFICATE_STATE_ACTIVE;
  }
  EXPECT_EQ(active, 1);
}

// research/pki.md section 12, goal 16: five wrong strings and the door is shut,
// also for the right one; and nobody learns which devices exist.
TEST_F(CapfFaultsTest, GuessingAStringIsHopeless) {
  ASSERT_THAT(Create(kDevice).status(), IsOk());
  const absl::Time start = absl::Now();
  std::string told;
  for (int i = 0; i < 5; ++i) {
    const absl::Status refused = Session(kDevice, absl::StrCat("1000", i));
    EXPECT_THAT(refused, HasReason("CAPF_DECLINED"));
    told = std::string(refused.message());
    EXPECT_EQ(std::string(Session("SEP0000000000FF", "10000").message()), told)
        << "an unknown device looks like a wrong string";
  }
  // A second for each, whatever its cause.
  EXPECT_GE(absl::Now() - start, absl::Seconds(9));
  EXPECT_TRUE(Get().locked());
  EXPECT_THAT(Session(kDevice, kString), HasReason("CAPF_DECLINED"));
  EXPECT_EQ(std::string(Session(kDevice, kString).message()), told);
  EXPECT_EQ(Get().certificate(), "");
  // Also after a restart; an operator opens it again.
  process_.Kill();
  Start();
  EXPECT_THAT(Session(kDevice, kString), HasReason("CAPF_DECLINED"));
  Arm();
  EXPECT_THAT(Session(kDevice, kString), IsOk());
  // The string was good once.
  EXPECT_FALSE(Session(kDevice, kString).ok());
}

// CCE-49, "Operation Completes By".
TEST_F(CapfFaultsTest, WhoComesTooLateIsRefused) {
  const absl::Time deadline = absl::Now() + absl::Seconds(2);
  SP_ASSERT_OK_AND_ASSIGN(const pb::Enrollment made, Create(kDevice, deadline));
  EXPECT_EQ(made.status(), pb::ENROLLMENT_STATUS_OPERATION_PENDING);
  absl::SleepFor(deadline + absl::Milliseconds(1100) - absl::Now());
  EXPECT_FALSE(Session(kDevice, kString).ok());
  EXPECT_THAT(pb::EnrollmentStatus_Name(Get().status()),
              HasSubstr("UPGRADE_FAILED"));
  EXPECT_EQ(Get().operation(), pb::CERTIFICATE_OPERATION_NO_PENDING_OPERATION);
  EXPECT_EQ(Get().certificate(), "");
  Arm();
  EXPECT_THAT(Session(kDevice, kString), IsOk());
}

// A full disk: nothing is issued, nothing is said to be done, and when there is
// room again it goes on by itself, with a whole audit.
TEST_F(CapfFaultsTest, AFullDiskStopsIssuingAndLosesNothing) {
  ASSERT_THAT(Create(kDevice).status(), IsOk());
  const auto before =
      Call<pb::CapfStatus>(&Stub::GetStatus, pb::GetStatusRequest());
  ASSERT_THAT(before.status(), IsOk());
  SetDiskFull(true);
  const auto refused = Create("SEP000000000002");
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(std::string(ReasonOf(refused.status())), "") << refused.status();
  EXPECT_FALSE(Session(kDevice, kString).ok());
  EXPECT_EQ(held_, "") << "a certificate left without its record";
  const auto status =
      Call<pb::CapfStatus>(&Stub::GetStatus, pb::GetStatusRequest());
  ASSERT_THAT(status.status(), IsOk());
  EXPECT_EQ(status->issued_count(), before->issued_count());
  SetDiskFull(false);
  EXPECT_EQ(Get().certificate(), "");
  pb::GetEnrollmentRequest second;
  second.set_name("tenants/a/enrollments/sep000000000002");
  EXPECT_THAT(Call<pb::Enrollment>(&Stub::GetEnrollment, second),
              HasReason("ENROLLMENT_NOT_FOUND"));
  ASSERT_THAT(Create("SEP000000000002").status(), IsOk());
  if (Get().status() != pb::ENROLLMENT_STATUS_OPERATION_PENDING) Arm();
  ASSERT_THAT(Session(kDevice, kString), IsOk());
  // The chain of the audit is checked at the start.
  process_.Kill();
  Start();
  EXPECT_NE(Get().certificate(), "");
}

}  // namespace
}  // namespace sallyport
