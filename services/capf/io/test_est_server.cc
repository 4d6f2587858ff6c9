#include "services/capf/io/test_est_server.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/status/check.h"

namespace sallyport::capf {

TestEstServer::TestEstServer(std::string folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  const std::string script =
      "cd " + folder_ +
      " && exec 2>/dev/null && K='-newkey ec -pkeyopt "
      "ec_paramgen_curve:P-256 -nodes' && "
      "openssl req -x509 $K -subj /CN=Upstream -days 3650 -keyout ca.key "
      "-out ca.pem && cp ca.pem client_ca.pem && for n in server client; do "
      "echo subjectAltName=DNS:localhost > $n.ext && openssl req $K "
      "-subj /CN=$n -keyout $n.key -out $n.csr && openssl x509 -req -in "
      "$n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 100 -extfile "
      "$n.ext -out $n.pem || exit 1; done";
  SP_CHECK(std::system(script.c_str()) == 0);
  SetMode("ok");
  Start();
}

TestEstServer::~TestEstServer() { Stop(); }

void TestEstServer::SetMode(const std::string& mode) const {
  std::ofstream(Path("mode.new")) << mode;
  std::filesystem::rename(Path("mode.new"), Path("mode"));
}

void TestEstServer::SetPassword(const std::string& password) const {
  std::ofstream(Path("password")) << password;
}

std::string TestEstServer::Read(const std::string& name) const {
  std::ifstream file(Path(name));
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

void TestEstServer::Start() {
  std::filesystem::remove(Path("port"));
  pid_ = fork();
  SP_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    execlp("python3", "python3", "services/capf/io/testdata/est_server.py",
           folder_.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 500 && !std::filesystem::exists(Path("port")); ++i) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  port_ = std::atoi(Read("port").c_str());
  SP_CHECK(port_ != 0);
}

void TestEstServer::Stop() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

}  // namespace sallyport::capf
