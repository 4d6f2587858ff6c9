#include "services/common/service/service_main.h"

// Runs service_main_test_service as a process, as its operator would.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/common/v1/process_service.grpc.pb.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/rpc/testing/raw_health.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/stuck_pipe.h"

namespace sallyport {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

class ServiceMainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    pki_ = new MtlsPki("main");
    files_ = new PemFiles(pki_->IssueSpiffe("t.test", "test_service"));
  }

  void SetUp() override {
    folder_ = testing::TempDir() + "/" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    mkdir(folder_.c_str(), 0700);
    ready_file_ = folder_ + "/ready.json";
    log_ = folder_ + "/log";
    busy_file_ = folder_ + "/busy";
  }

  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  std::string WriteConfig(const std::string& realm = "r",
                          const std::string& extra = "") {
    const std::string path = folder_ + "/config.json";
    std::ofstream(path) << absl::StrCat(
        "{\"server\":{\"listen_address\":\"127.0.0.1:0\","
        "\"metrics_address\":\"127.0.0.1:0\",\"trust_domain\":\"t.test\","
        "\"drain_timeout\":\"20s\",\"instance_id\":\"one\",\"ready_file\":\"",
        ready_file_, "\",\"tls\":{\"certificate_file\":\"",
        files_->certificate_file, "\",\"key_file\":\"", files_->key_file,
        "\",\"ca_file\":\"", files_->ca_file, "\"}", extra,
        "},\"audit_file\":\"", busy_file_, "\",\"realm\":\"", realm, "\"}");
    return path;
  }

  void Spawn(const std::vector<std::string>& arguments) {
    const char* const root = std::getenv("TEST_SRCDIR");
    const std::string program = absl::StrCat(
        root == nullptr ? "." : root,
        "/sallyport/services/common/service/service_main_test_service");
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      const int fd = pipe_ == nullptr ? open(log_.c_str(),
                                             O_CREAT | O_WRONLY | O_TRUNC, 0600)
                                      : pipe_->in();
      dup2(fd, STDERR_FILENO);
      // As a shell or systemd gives it.
      rlimit files = {};
      getrlimit(RLIMIT_NOFILE, &files);
      files.rlim_cur = std::min<rlim_t>(1024, files.rlim_max);
      setrlimit(RLIMIT_NOFILE, &files);
      std::vector<char*> argv;
      std::string name = program;
      argv.push_back(name.data());
      std::vector<std::string> copy = arguments;
      for (std::string& a : copy) argv.push_back(a.data());
      argv.push_back(nullptr);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
  }

  // Exit code, or minus the signal.
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  int RunToEnd(const std::vector<std::string>& arguments) {
    Spawn(arguments);
    return Wait();
  }

  // The ports of the ready file, once it is there.
  google::protobuf::Struct WaitReady() {
    google::protobuf::Struct ports;
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (access(ready_file_.c_str(), F_OK) != 0) {
      if (absl::Now() > give_up) {
        ADD_FAILURE() << "never ready: " << ReadAll(log_);
        return ports;
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(
                    ReadAll(ready_file_), &ports)
                    .ok());
    return ports;
  }

  static int Port(const google::protobuf::Struct& ports, const char* name) {
    const auto it = ports.fields().find(name);
    return it == ports.fields().end()
               ? 0
               : static_cast<int>(it->second.number_value());
  }

  std::string HttpGet(int port, const std::string& path) {
    const std::string out = folder_ + "/http";
    const std::string command =
        absl::StrCat("exec 3<>/dev/tcp/127.0.0.1/", port, "; printf 'GET ",
                     path, " HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3");
    std::system(absl::StrCat("bash -c \"", command, "\" >", out).c_str());
    return ReadAll(out);
  }

  void WaitForLog(const std::string& text) {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (ReadAll(log_).find(text) == std::string::npos) {
      if (absl::Now() > give_up) {
        FAIL() << "no \"" << text << "\" in " << ReadAll(log_);
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
  }

  static MtlsPki* pki_;
  static PemFiles* files_;

  std::string folder_;
  std::string ready_file_;
  std::string log_;
  std::string busy_file_;
  StuckPipe* pipe_ = nullptr;  // in place of log_
  pid_t pid_ = 0;
};

MtlsPki* ServiceMainTest::pki_ = nullptr;
PemFiles* ServiceMainTest::files_ = nullptr;

TEST_F(ServiceMainTest, CheckConfigTellsEveryFaultAndStartsNothing) {
  EXPECT_EQ(RunToEnd({"--config=" + WriteConfig(), "--check_config"}), 0);
  EXPECT_THAT(ReadAll(log_), HasSubstr("valid"));
  EXPECT_EQ(RunToEnd({"--check_config",
                      "--config=" + WriteConfig("", ",\"nonsense\":1")}),
            2);
  EXPECT_THAT(ReadAll(log_), HasSubstr("server.nonsense: is not a known"));
  EXPECT_EQ(RunToEnd({"--config=" + WriteConfig("", ",\"log_level\":99")}), 2);
  EXPECT_THAT(ReadAll(log_), HasSubstr("realm: is required"));
  EXPECT_THAT(ReadAll(log_), HasSubstr("server.log_level: is not"));
  EXPECT_NE(access(ready_file_.c_str(), F_OK), 0);
}

TEST_F(ServiceMainTest, WrongCommandLines) {
  EXPECT_EQ(RunToEnd({}), 2);
  EXPECT_THAT(ReadAll(log_), HasSubstr("--config=FILE is required"));
  EXPECT_EQ(RunToEnd({"--config=" + WriteConfig(), "stray"}), 2);
  EXPECT_EQ(RunToEnd({"--config=" + folder_ + "/absent.json"}), 2);
  EXPECT_THAT(ReadAll(log_), HasSubstr("absent.json"));
  EXPECT_NE(RunToEnd({"--no_such_flag"}), 0);
}

TEST_F(ServiceMainTest, ServesProbesAndMetricsAndEndsInOrder) {
  Spawn({"--config=" + WriteConfig()});
  const auto ports = WaitReady();
  EXPECT_EQ(Port(ports, "extra"), 4711);
  ASSERT_GT(Port(ports, "grpc"), 0);
  const int http = Port(ports, "metrics");
  ASSERT_GT(http, 0);
  EXPECT_THAT(HttpGet(http, "/healthz"), HasSubstr(" 200 "));
  EXPECT_THAT(HttpGet(http, "/readyz"), HasSubstr(" 200 "));
  EXPECT_THAT(HttpGet(http, "/readyz/new_work"), HasSubstr(" 200 "));
  const std::string metrics = HttpGet(http, "/metrics");
  EXPECT_THAT(metrics, HasSubstr("sallyport_test_starts_total 1"));
  EXPECT_THAT(metrics, HasSubstr("process_resident_memory_bytes"));
  EXPECT_THAT(metrics, HasSubstr("sallyport_rpc_request_seconds"));
  // As many connections as the hard limit lets it have.
  rlimit ours = {};
  rlimit its = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &ours), 0);
  ASSERT_EQ(prlimit(pid_, RLIMIT_NOFILE, nullptr, &its), 0);
  EXPECT_EQ(its.rlim_cur, ours.rlim_max);
  // SIGHUP is nothing.
  kill(pid_, SIGHUP);
  EXPECT_THAT(HttpGet(http, "/healthz"), HasSubstr(" 200 "));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
  EXPECT_NE(access(ready_file_.c_str(), F_OK), 0);
  const std::string log = ReadAll(log_);
  EXPECT_THAT(log, HasSubstr("\"service\":\"test_service\""));
  EXPECT_THAT(log, HasSubstr("\"instance\":\"one\""));
  EXPECT_THAT(log, HasSubstr("\"how\":\"idle\""));
  EXPECT_THAT(log, HasSubstr("service ended"));
}

// AVE-25: an operator sees every socket that the process listens on. IMP-48:
// a setting that waits for a restart has two values until then.
TEST_F(ServiceMainTest, TellsItsListenersAndWhatWaitsForARestart) {
  const std::string roles =
      ",\"role_bindings\":[{\"identity\":\"spiffe://t.test/operator/ann\","
      "\"role\":\"ROLE_VIEWER\",\"tenants\":[\"t\"]}]";
  Spawn({"--config=" + WriteConfig("r", roles)});
  const auto ports = WaitReady();
  const auto ask = [&](const std::string& who, common::v1::Process* answer) {
    ClientChannelOptions options;
    options.target = absl::StrCat("127.0.0.1:", Port(ports, "grpc"));
    options.expected_identity = "spiffe://t.test/test_service";
    common::config::v1::TlsFiles tls;
    const PemFiles client = pki_->IssueSpiffe("t.test", who);
    tls.set_certificate_file(client.certificate_file);
    tls.set_key_file(client.key_file);
    tls.set_ca_file(client.ca_file);
    const auto provider = WatchTlsFiles(tls, absl::Seconds(60));
    const auto stub = common::v1::ProcessService::NewStub(
        MakeClientChannel(provider.value(), options));
    grpc::ClientContext context;
    return stub->GetProcess(&context, {}, answer).error_code();
  };
  common::v1::Process process;
  EXPECT_EQ(ask("operator/eve", &process), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ask("capf", &process), grpc::StatusCode::PERMISSION_DENIED);
  ASSERT_EQ(ask("operator/ann", &process), grpc::StatusCode::OK);
  EXPECT_EQ(process.instance(), "one");
  std::set<int> listening;
  for (const common::v1::ProcessListener& one : process.listeners()) {
    EXPECT_EQ(one.protocol(), "tcp") << one.ShortDebugString();
    EXPECT_EQ(one.address(), "127.0.0.1");
    for (uint32_t port = one.first_port(); port <= one.last_port(); ++port) {
      listening.insert(static_cast<int>(port));
    }
  }
  EXPECT_EQ(listening,
            (std::set<int>{Port(ports, "grpc"), Port(ports, "metrics")}));
  EXPECT_TRUE(process.waiting_settings().empty());

  WriteConfig("other", roles + ",\"log_level\":\"LOG_LEVEL_WARNING\"");
  WaitForLog("\"needs_restart\":\"server\"");
  ASSERT_EQ(ask("operator/ann", &process), grpc::StatusCode::OK);
  ASSERT_EQ(process.waiting_settings_size(), 1) << process.ShortDebugString();
  EXPECT_EQ(process.waiting_settings(0).field(), "server.log_level");
  EXPECT_EQ(process.waiting_settings(0).active_value(),
            "LOG_LEVEL_UNSPECIFIED");
  EXPECT_EQ(process.waiting_settings(0).configured_value(),
            "LOG_LEVEL_WARNING");
  EXPECT_TRUE(process.has_configuration_time());
  WriteConfig("");
  WaitForLog("the changed configuration is refused");
  ASSERT_EQ(ask("operator/ann", &process), grpc::StatusCode::OK);
  EXPECT_THAT(process.refused_configuration(), HasSubstr("realm"));
  EXPECT_EQ(process.waiting_settings_size(), 1);

  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
}

// UM-126, CCE-29: an operator stops a service, starts it and has it begin anew;
// the process stays the same for whoever watches over it.
TEST_F(ServiceMainTest, Um126StopsStartsAndBeginsAnew) {
  const std::string roles =
      ",\"role_bindings\":[{\"identity\":\"spiffe://t.test/operator/ann\","
      "\"role\":\"ROLE_ADMIN\",\"tenants\":[\"*\"]},"
      "{\"identity\":\"spiffe://t.test/operator/tim\","
      "\"role\":\"ROLE_ADMIN\",\"tenants\":[\"t\"]}]";
  const std::string argument = "--config=" + WriteConfig("r", roles);
  Spawn({argument});
  const pid_t pid = pid_;
  auto ports = WaitReady();
  int port = Port(ports, "grpc");
  const auto with = [&](const std::string& who, auto ask) {
    ClientChannelOptions options;
    options.target = absl::StrCat("127.0.0.1:", port);
    options.expected_identity = "spiffe://t.test/test_service";
    common::config::v1::TlsFiles tls;
    const PemFiles client = pki_->IssueSpiffe("t.test", who);
    tls.set_certificate_file(client.certificate_file);
    tls.set_key_file(client.key_file);
    tls.set_ca_file(client.ca_file);
    const auto provider = WatchTlsFiles(tls, absl::Seconds(60));
    const auto stub = common::v1::ProcessService::NewStub(
        MakeClientChannel(provider.value(), options));
    grpc::ClientContext context;
    common::v1::Process process;
    const grpc::Status status = ask(*stub, context, &process);
    return std::make_pair(status.error_code(), process);
  };
  using Stub = common::v1::ProcessService::Stub;
  const auto restart = [](Stub& stub, grpc::ClientContext& context,
                          common::v1::Process* process) {
    return stub.RestartProcess(&context, {}, process);
  };
  const auto stop = [](Stub& stub, grpc::ClientContext& context,
                       common::v1::Process* process) {
    return stub.StopProcess(&context, {}, process);
  };
  const auto start = [](Stub& stub, grpc::ClientContext& context,
                        common::v1::Process* process) {
    return stub.StartProcess(&context, {}, process);
  };
  const auto get = [](Stub& stub, grpc::ClientContext& context,
                      common::v1::Process* process) {
    return stub.GetProcess(&context, {}, process);
  };
  // It is of all tenants, so an admin of one may not.
  EXPECT_EQ(with("operator/tim", restart).first,
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(with("operator/ann", start).first,
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_FALSE(with("operator/ann", get).second.stopped());

  unlink(ready_file_.c_str());
  ASSERT_EQ(with("operator/ann", restart).first, grpc::StatusCode::OK);
  WaitForLog("service begins anew");
  ports = WaitReady();
  port = Port(ports, "grpc");

  ASSERT_EQ(with("operator/ann", stop).first, grpc::StatusCode::OK);
  WaitForLog("service stopped");
  WaitForLog("an operator has stopped it");
  const std::string log = ReadAll(log_);
  const std::string tail = log.substr(log.rfind("service waits"));
  const size_t at = tail.find("grpc\\\":");
  ASSERT_NE(at, std::string::npos) << tail;
  port = std::atoi(tail.c_str() + at + 7);
  EXPECT_NE(access(ready_file_.c_str(), F_OK), 0);  // it is not ready
  EXPECT_TRUE(with("operator/ann", get).second.stopped());
  EXPECT_EQ(with("operator/ann", restart).first,
            grpc::StatusCode::FAILED_PRECONDITION);
  // With a file that is wrong it would end for good.
  std::ofstream(folder_ + "/config.json") << "{";
  EXPECT_EQ(with("operator/ann", start).first,
            grpc::StatusCode::FAILED_PRECONDITION);
  WriteConfig("r", roles);
  ASSERT_EQ(with("operator/ann", start).first, grpc::StatusCode::OK);
  ports = WaitReady();
  port = Port(ports, "grpc");
  EXPECT_FALSE(with("operator/ann", get).second.stopped());
  EXPECT_EQ(pid_, pid);
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ServiceMainTest, DrainKeepsReadinessAndRefusesOnlyNewWork) {
  std::ofstream(busy_file_) << "a call lives";
  Spawn({"--config=" + WriteConfig()});
  const auto ports = WaitReady();
  const int http = Port(ports, "metrics");
  ClientChannelOptions options;
  options.target = absl::StrCat("127.0.0.1:", Port(ports, "grpc"));
  options.expected_identity = "spiffe://t.test/test_service";
  common::config::v1::TlsFiles tls;
  const PemFiles client = pki_->IssueSpiffe("t.test", "capf");
  tls.set_certificate_file(client.certificate_file);
  tls.set_key_file(client.key_file);
  tls.set_ca_file(client.ca_file);
  auto provider = WatchTlsFiles(tls, absl::Seconds(1));
  ASSERT_THAT(provider, IsOk());
  const auto channel = MakeClientChannel(*provider, options);
  EXPECT_EQ(CheckHealth(channel, kNewWorkHealthName), RawHealth::kServing);

  kill(pid_, SIGTERM);
  WaitForLog("draining");
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (CheckHealth(channel, kNewWorkHealthName) != RawHealth::kNotServing &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(CheckHealth(channel, kNewWorkHealthName), RawHealth::kNotServing);
  EXPECT_EQ(CheckHealth(channel, ""), RawHealth::kServing);
  EXPECT_THAT(HttpGet(http, "/readyz"), HasSubstr(" 200 "));
  EXPECT_THAT(HttpGet(http, "/readyz/new_work"), HasSubstr(" 503 "));
  EXPECT_EQ(waitpid(pid_, nullptr, WNOHANG), 0);
  std::remove(busy_file_.c_str());
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ServiceMainTest, ASecondSignalEndsTheDrain) {
  std::ofstream(busy_file_) << "a call lives";
  Spawn({"--config=" + WriteConfig()});
  WaitReady();
  kill(pid_, SIGTERM);
  WaitForLog("draining");
  kill(pid_, SIGINT);
  EXPECT_EQ(Wait(), 0);
  EXPECT_THAT(ReadAll(log_), HasSubstr("second signal"));
}

// Who reads standard error has stopped, from before the start on.
TEST_F(ServiceMainTest, ABlockedLogHoldsNothingUp) {
  StuckPipe pipe;
  pipe_ = &pipe;
  Spawn({"--config=" + WriteConfig("r", ",\"log_queue_bytes\":1000")});
  const int http = Port(WaitReady(), "metrics");
  const std::string blocked =
      "sallyport_service_log_lines_dropped_total{reason=\"blocked\"} ";
  std::string metrics;
  for (int i = 0; i < 40; ++i) {
    WriteConfig(absl::StrCat("r", i), ",\"log_queue_bytes\":1000");
    absl::SleepFor(absl::Milliseconds(300));
    metrics = HttpGet(http, "/metrics");
    if (!absl::StrContains(metrics, blocked + "0\n")) break;
  }
  EXPECT_THAT(metrics, HasSubstr(blocked + "1\n"));
  EXPECT_THAT(metrics, HasSubstr("reason=\"refused\"} 0\n"));
  EXPECT_THAT(HttpGet(http, "/readyz"), HasSubstr(" 200 "));
  // It goes on where it was, and says what is missing.
  const std::vector<std::string> lines = pipe.ReadUntil("were dropped");
  EXPECT_THAT(lines, Contains(HasSubstr("service ready")));
  EXPECT_THAT(lines.back(), HasSubstr("\"level\":\"warning\""));
  EXPECT_THAT(lines.back(), HasSubstr("\"blocked\":1,\"refused\":0}"));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
  pipe.CloseWriter();
  EXPECT_THAT(pipe.ReadUntil("service ended").back(),
              HasSubstr("service ended"));
}

// What waits has its time at the end, and no more.
TEST_F(ServiceMainTest, ABlockedLogDoesNotOutliveTheService) {
  StuckPipe pipe;
  pipe_ = &pipe;
  Spawn({"--config=" + WriteConfig()});
  WaitReady();
  kill(pid_, SIGTERM);
  const absl::Time begin = absl::Now();
  EXPECT_EQ(Wait(), 0);
  EXPECT_GE(absl::Now() - begin, absl::Seconds(2));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

// Each change is told once, with what it does; a wrong one changes nothing.
TEST_F(ServiceMainTest, AChangedConfigurationIsTakenOverOrExplained) {
  Spawn({"--config=" + WriteConfig()});
  const int http = Port(WaitReady(), "metrics");
  WriteConfig("another");
  WaitForLog("\"in_force\":\"realm\",\"needs_restart\":\"\"");
  WriteConfig("");
  WaitForLog("the changed configuration is refused");
  EXPECT_THAT(ReadAll(log_), HasSubstr("realm"));
  WriteConfig("third", ",\"log_level\":\"LOG_LEVEL_WARNING\"");
  WaitForLog("\"in_force\":\"realm\",\"needs_restart\":\"server\"");
  const std::string metrics = HttpGet(http, "/metrics");
  for (const char* outcome : {"in_force", "refused", "needs_restart"}) {
    EXPECT_THAT(metrics,
                HasSubstr(absl::StrCat("sallyport_service_config_reloads_total{"
                                       "outcome=\"",
                                       outcome, "\"} 1")));
  }
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ServiceMainTest, AFailedStartIsSaidAndIsNotReady) {
  EXPECT_EQ(RunToEnd({"--config=" + WriteConfig("fail")}), 1);
  EXPECT_THAT(ReadAll(log_), HasSubstr("told to fail"));
  EXPECT_NE(access(ready_file_.c_str(), F_OK), 0);
}

TEST_F(ServiceMainTest, ACrashLeavesItsStack) {
  // SIGSEGV, or what a sanitizer makes of it.
  EXPECT_LT(RunToEnd({"--config=" + WriteConfig("crash")}), 0);
  EXPECT_THAT(ReadAll(log_), HasSubstr("SIGSEGV"));
}

}  // namespace
}  // namespace sallyport
