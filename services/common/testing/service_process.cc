#include "services/common/testing/service_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/bytes/string_view.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kPoll = absl::Milliseconds(10);

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// {"grpc":7001,...}: names without quotes inside, numbers.
std::map<std::string, int> ParsePorts(const std::string& json) {
  std::map<std::string, int> out;
  size_t at = 0;
  while ((at = json.find('"', at)) != std::string::npos) {
    const size_t end = json.find('"', at + 1);
    if (end == std::string::npos || json[end + 1] != ':') break;
    const std::string name = json.substr(at + 1, end - at - 1);
    out[name] = std::atoi(json.c_str() + end + 2);
    at = end + 2;
  }
  return out;
}

}  // namespace

ServiceProcess::ServiceProcess(std::string program, std::string folder)
    : program_(std::move(program)),
      folder_(std::move(folder)),
      ready_file_(folder_ + "/ready.json") {
  std::filesystem::create_directories(folder_);
}

ServiceProcess::~ServiceProcess() { Kill(); }

std::string ServiceProcess::ServerJson(const PemFiles& tls,
                                       std::string_view trust_domain,
                                       std::string_view extra) const {
  return absl::StrCat(
      "{\"listen_address\":\"127.0.0.1:0\","
      "\"metrics_address\":\"127.0.0.1:0\",\"trust_domain\":\"",
      AbslView(trust_domain), "\",\"ready_file\":\"", ready_file_,
      "\",\"tls\":{\"certificate_file\":\"", tls.certificate_file,
      "\",\"key_file\":\"", tls.key_file, "\",\"ca_file\":\"", tls.ca_file,
      "\"}", AbslView(extra), "}");
}

void ServiceProcess::WriteConfig(std::string_view json) const {
  std::ofstream(folder_ + "/config.json") << json;
}

void ServiceProcess::Start() {
  Spawn();
  WaitUntilReady();
}

void ServiceProcess::StartWaiting() {
  Spawn();
  WaitForLog("\"msg\":\"service waits\"");
  std::string log = Log();
  const size_t at = log.find("\"ports\":", log.find("service waits"));
  SP_CHECK(at != std::string::npos);
  log = log.substr(at + 9, log.find('}', at) - at - 9);
  log.erase(std::remove(log.begin(), log.end(), '\\'), log.end());
  ports_ = ParsePorts(log.substr(log.find('{')));
}

std::string ServiceProcess::HttpGet(const std::string& path) const {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port("metrics")));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    return "";
  }
  const std::string request = absl::StrCat(
      "GET ", path, " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  std::string answer;
  if (write(fd.get(), request.data(), request.size()) < 0) return "";
  char buffer[4096];
  for (ssize_t n; (n = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  return answer;
}

void ServiceProcess::Spawn() {
  SP_CHECK(pid_ == 0);
  std::remove(ready_file_.c_str());
  const char* const root = std::getenv("TEST_SRCDIR");
  const std::string path =
      absl::StrCat(root == nullptr ? "." : root, "/sallyport/", program_);
  const std::string config = absl::StrCat("--config=", folder_, "/config.json");
  const std::string log = folder_ + "/log";
  const int fd =
      open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  SP_CHECK(fd >= 0);
  std::vector<const char*> arguments;
  for (const std::string& part : under_) arguments.push_back(part.c_str());
  arguments.insert(arguments.end(), {path.c_str(), config.c_str(), nullptr});
  pid_ = fork();
  SP_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(fd, STDERR_FILENO);
    execvp(arguments[0], const_cast<char* const*>(arguments.data()));
    _exit(127);
  }
  close(fd);
}

void ServiceProcess::WaitUntilReady() {
  const absl::Time give_up = absl::Now() + kPatience;
  while (access(ready_file_.c_str(), F_OK) != 0) {
    if (absl::Now() > give_up || waitpid(pid_, nullptr, WNOHANG) != 0) {
      std::fprintf(stderr, "%s is not ready:\n%s\n", program_.c_str(),
                   Log().c_str());
      std::abort();
    }
    absl::SleepFor(kPoll);
  }
  ports_ = ParsePorts(ReadAll(ready_file_));
}

int ServiceProcess::port(const std::string& name) const {
  const auto it = ports_.find(name);
  return it == ports_.end() ? 0 : it->second;
}

std::string ServiceProcess::grpc_target() const {
  return absl::StrCat("127.0.0.1:", port("grpc"));
}

void ServiceProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

int ServiceProcess::Terminate() {
  Signal(SIGTERM);
  return WaitForEnd();
}

void ServiceProcess::Signal(int signal) const {
  SP_CHECK(pid_ > 0);
  kill(pid_, signal);
}

int ServiceProcess::WaitForEnd() {
  const absl::Time give_up = absl::Now() + kPatience;
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (absl::Now() > give_up) {
      std::fprintf(stderr, "%s does not end:\n%s\n", program_.c_str(),
                   Log().c_str());
      std::abort();
    }
    absl::SleepFor(kPoll);
  }
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string ServiceProcess::Log() const { return ReadAll(folder_ + "/log"); }

void ServiceProcess::WaitForLog(std::string_view text) const {
  const absl::Time give_up = absl::Now() + kPatience;
  while (Log().find(text) == std::string::npos) {
    if (absl::Now() > give_up) {
      std::fprintf(stderr, "%s does not log \"%s\":\n%s\n", program_.c_str(),
                   std::string(text).c_str(), Log().c_str());
      std::abort();
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace sallyport
