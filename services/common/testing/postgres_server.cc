#include "services/common/testing/postgres_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kPoll = absl::Milliseconds(20);

// Of the newest version that is installed.
std::string Programs() {
  std::string best;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    const std::string bin = entry.path().string() + "/bin";
    if (std::filesystem::exists(bin + "/postgres")) best = std::max(best, bin);
  }
  return best;
}

const passwd* Unprivileged() {
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* const found = getpwnam(name)) return found;
  }
  return nullptr;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  SP_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  SP_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// Fields of /proc/PID/stat after the name, which may hold anything.
std::string StatOf(const std::string& pid) {
  const std::string text = ReadAll("/proc/" + pid + "/stat");
  const size_t end = text.rfind(')');
  return end == std::string::npos ? "" : text.substr(end + 1);
}

bool IsZombie(pid_t pid) {
  const std::string fields = StatOf(std::to_string(pid));
  return fields.empty() || fields.rfind(" Z", 0) == 0;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::istringstream fields(StatOf(pid));
    std::string state;
    pid_t of = 0;
    if (fields >> state >> of && of == parent) out.push_back(std::stoi(pid));
  }
  return out;
}

bool Become(const passwd& user) {
  return setgroups(0, nullptr) == 0 && setgid(user.pw_gid) == 0 &&
         setuid(user.pw_uid) == 0;
}

bool WriteFile(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const auto size = static_cast<ssize_t>(std::strlen(text));
  const bool ok = fd >= 0 && write(fd, text, std::strlen(text)) == size;
  close(fd);
  return ok;
}

// In a user namespace of its own, where the only user has another number.
bool BecomeNobodyHere() {
  return unshare(CLONE_NEWUSER) == 0 &&
         WriteFile("/proc/self/setgroups", "deny") &&
         WriteFile("/proc/self/uid_map", "1000 0 1") &&
         WriteFile("/proc/self/gid_map", "1000 0 1");
}

}  // namespace

PostgresServer::PostgresServer() {
  // Not below TEST_TMPDIR: the other user may not look into it, and the name
  // of a Unix socket is short.
  char name[] = "/tmp/sallyport_pg_XXXXXX";
  SP_CHECK(mkdtemp(name) != nullptr);
  folder_ = name;
  if (Programs().empty()) Fail("PostgreSQL is not installed");
  if (geteuid() == 0) {
    const passwd* const user = Unprivileged();
    // Fails in a sandbox, where there is one user only.
    other_user_ =
        user != nullptr && chown(name, user->pw_uid, user->pw_gid) == 0;
  }
  Run(absl::StrCat(Programs(), "/initdb -D ", folder_,
                   "/data -U postgres -A trust -E UTF8 --locale=C --no-sync"));
  port_ = FreePort();
  Configure(absl::StrCat("port = ", port_));
  Configure("listen_addresses = '127.0.0.1'");
  Configure(absl::StrCat("unix_socket_directories = '", folder_, "'"));
  // A short form of a busy server, and quick to start again.
  Configure("shared_buffers = 16MB");
  Configure("max_connections = 60");
  {
    std::ofstream hba(folder_ + "/data/pg_hba.conf");
    hba << "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
  }
  Start();
  Sql(absl::StrCat("CREATE USER sallyport PASSWORD '", kPassword, "'"));
  Sql("CREATE DATABASE sallyport OWNER sallyport");
}

PostgresServer::~PostgresServer() {
  if (pid_ > 0) Kill();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

PostgresOptions PostgresServer::options(absl::Duration timeout) const {
  PostgresOptions out;
  out.connection = connection();
  out.timeout = timeout;
  return out;
}

std::string PostgresServer::connection() const {
  return absl::StrCat("host=", folder_, " port=", port_,
                      " user=sallyport dbname=sallyport");
}

std::string PostgresServer::tcp_connection() const {
  return absl::StrCat("host=127.0.0.1 port=", port_,
                      " user=sallyport dbname=sallyport");
}

void PostgresServer::Configure(const std::string& setting) const {
  std::ofstream out(folder_ + "/data/postgresql.conf", std::ios::app);
  out << setting << "\n";
  SP_CHECK(out.good());
}

void PostgresServer::UseTls(const PemFiles& files) const {
  const passwd* const user = other_user_ ? Unprivileged() : nullptr;
  const std::string base = folder_ + "/data/server";
  for (const auto& [from, to] : {std::pair(files.certificate_file, ".crt"),
                                 std::pair(files.key_file, ".key")}) {
    std::filesystem::copy_file(from, base + to);
    SP_CHECK(chmod((base + to).c_str(), 0600) == 0);
    SP_CHECK(user == nullptr ||
             chown((base + to).c_str(), user->pw_uid, user->pw_gid) == 0);
  }
  Configure("ssl = on");
}

std::string PostgresServer::Sql(const std::string& text) const {
  const std::string file = folder_ + "/sql";
  std::ofstream(file) << text;
  std::error_code error;
  const bool made = std::filesystem::exists(file, error);
  SP_CHECK(made);
  const std::string database =
      text.rfind("CREATE", 0) == 0 ? "postgres" : "sallyport";
  return Run(absl::StrCat(Programs(), "/psql -qAtX -v ON_ERROR_STOP=1 -h ",
                          folder_, " -p ", port_, " -U postgres -d ", database,
                          " -f ", file));
}

pid_t PostgresServer::Spawn(const std::string& command, int out) const {
  const passwd* const user = other_user_ ? Unprivileged() : nullptr;
  const pid_t pid = fork();
  SP_CHECK(pid >= 0);
  if (pid > 0) return pid;
  // A group of its own, so that all of it can be killed.
  setpgid(0, 0);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  if (chdir(folder_.c_str()) != 0) _exit(126);
  const bool became = user != nullptr  ? Become(*user)
                      : geteuid() == 0 ? BecomeNobodyHere()
                                       : true;
  if (!became) {
    std::fprintf(stderr, "cannot give up root: %s\n", std::strerror(errno));
    _exit(126);
  }
  // SIGQUIT ends a server at once; a test that is killed leaves none behind.
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
  _exit(127);
}

std::string PostgresServer::Run(const std::string& command) const {
  const std::string file = folder_ + "/out";
  const int fd =
      open(file.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0666);
  SP_CHECK(fd >= 0);
  const pid_t pid = Spawn(command, fd);
  close(fd);
  int status = 0;
  SP_CHECK(waitpid(pid, &status, 0) == pid);
  std::string out = ReadAll(file);
  if (status != 0) Fail(absl::StrCat(command, ": ", out));
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

void PostgresServer::Start() {
  SP_CHECK(pid_ == 0);
  const std::string log = folder_ + "/log";
  const int fd =
      open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0666);
  SP_CHECK(fd >= 0);
  pid_ = Spawn(absl::StrCat(Programs(), "/postgres -D ", folder_, "/data"), fd);
  close(fd);
  const absl::Time give_up = absl::Now() + kPatience;
  const std::string ask =
      absl::StrCat(Programs(), "/pg_isready -q -h ", folder_, " -p ", port_);
  // pg_isready: 0 once it takes connections.
  while (std::system(ask.c_str()) != 0) {
    if (absl::Now() > give_up || waitpid(pid_, nullptr, WNOHANG) != 0) {
      Fail("the server does not start");
    }
    absl::SleepFor(kPoll);
  }
}

void PostgresServer::Stop() {
  SP_CHECK(pid_ > 0);
  kill(pid_, SIGINT);
  SP_CHECK(waitpid(pid_, nullptr, 0) == pid_);
  pid_ = 0;
}

void PostgresServer::Kill() {
  SP_CHECK(pid_ > 0);
  // Each process of the server is a session of its own. Stopped, it makes no
  // more of them.
  kill(pid_, SIGSTOP);
  const std::vector<pid_t> children = ChildrenOf(pid_);
  kill(pid_, SIGKILL);
  SP_CHECK(waitpid(pid_, nullptr, 0) == pid_);
  pid_ = 0;
  for (const pid_t child : children) kill(child, SIGKILL);
  // A server does not start while one of the old one's is there.
  const absl::Time give_up = absl::Now() + kPatience;
  for (const pid_t child : children) {
    while (kill(child, 0) == 0 && !IsZombie(child)) {
      if (absl::Now() > give_up) Fail("a process of the server does not end");
      absl::SleepFor(kPoll);
    }
  }
}

void PostgresServer::Signal(int signal) const {
  SP_CHECK(pid_ > 0);
  kill(pid_, signal);
  for (const pid_t child : ChildrenOf(pid_)) kill(child, signal);
}

void PostgresServer::Suspend() const { Signal(SIGSTOP); }

void PostgresServer::Resume() const { Signal(SIGCONT); }

void PostgresServer::Fail(const std::string& what) const {
  std::fprintf(stderr, "%s\n%s\n", what.c_str(),
               ReadAll(folder_ + "/log").c_str());
  std::abort();
}

}  // namespace sallyport
