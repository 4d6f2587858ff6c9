// ImportPeerCertificate of the capf binary, by STARTTLS, from mail, directory,
// messaging and file servers that others have made.

#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/capf_process_fixture.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using Stub = pb::CapfService::Stub;

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

void Shell(const std::string& command) {
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// A server in the foreground, with all that it has forked; ends with this.
class Daemon {
 public:
  Daemon(std::vector<std::string> command, const std::string& log) {
    pid_ = fork();
    if (pid_ != 0) return;
    setpgid(0, 0);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, 1);
    dup2(fd, 2);
    if (chdir("/") != 0) _exit(126);
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ~Daemon() {
    kill(pid_, SIGTERM);
    for (int i = 0; i < 20 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) {
      absl::SleepFor(absl::Milliseconds(50));
    }
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  pid_t pid_ = 0;
};

class StartTlsProcessTest : public CapfProcessTest {
 protected:
  void SetUp() override {
    CapfProcessTest::SetUp();
    ASSERT_EQ(process_->Terminate(), 0);
    process_->WriteConfig(config_ + R"(,"allow_private_peers":true})");
    process_->Start();
    root_ = CapfProcessTest::Stub("operator/root");
    port_ = FreePort();
    // Servers become other users, who must not be kept out of the folder.
    home_ = "/tmp/sallyport-starttls-XXXXXX";
    ASSERT_NE(mkdtemp(home_.data()), nullptr);
    Shell("chmod 755 " + home_ + " && cd " + home_ +
          " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
          " -nodes -days 2 -subj /CN=localhost -addext"
          " subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
          " 2> openssl.log");
  }
  void TearDown() override { Shell("rm -r " + home_); }
  // Whether a server may become that user: root does, outside of a sandbox.
  static bool MayBecome(const std::string& user) {
    const passwd* const entry = getpwnam(user.c_str());
    if (entry == nullptr || getuid() != 0) return false;
    const uid_t uid = entry->pw_uid;
    const pid_t child = fork();
    if (child == 0) _exit(setuid(uid) == 0 ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    return status == 0;
  }
  // Writes a file of the server's, with its folder and port filled in.
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = home_ + "/" + name;
    std::ofstream(path) << absl::StrReplaceAll(
        text, {{"@F", home_}, {"@P", absl::StrCat(port_)}});
    return path;
  }
  bool Has(const std::string& program) {
    if (access(program.c_str(), X_OK) == 0) return true;
    std::cout << "skipped: " << program << " is not installed\n";
    return false;
  }
  absl::StatusOr<pb::ImportPeerCertificateResponse> Look(
      const std::string& starttls, const std::string& confirm = "") {
    pb::ImportPeerCertificateRequest request;
    request.set_parent("tenants/a/trustStores/cup-trust");
    request.set_host("localhost");
    request.set_port(static_cast<uint32_t>(port_));
    request.set_starttls(starttls);
    request.set_confirm_sha256(confirm);
    return Call<pb::ImportPeerCertificateResponse>(
        *root_, &Stub::ImportPeerCertificate, request);
  }
  // The server shows its certificate, and only after the dialog; an operator
  // who confirms it has it trusted.
  void ExpectImported(const std::string& starttls) {
    absl::StatusOr<pb::ImportPeerCertificateResponse> found;
    const absl::Time end = absl::Now() + absl::Seconds(20);
    do {
      absl::SleepFor(absl::Milliseconds(100));
      found = Look(starttls);
    } while (absl::Now() < end && (!found.ok() || found->chain_size() == 0));
    ASSERT_THAT(found, IsOk()) << Read(home_ + "/log");
    ASSERT_EQ(found->chain_size(), 1)
        << found->DebugString() << Read(home_ + "/log");
    EXPECT_EQ(found->chain_pem(), Read(home_ + "/cert.pem"));
    std::vector<std::string> steps;
    for (const pb::ImportStep& step : found->steps()) {
      EXPECT_TRUE(step.succeeded()) << step.DebugString();
      steps.push_back(step.step());
    }
    EXPECT_THAT(steps, testing::ElementsAre("resolve", "connect", "starttls",
                                            "handshake", "chain"));
    EXPECT_FALSE(found->has_trusted_certificate());
    const auto plain = Look("");
    EXPECT_TRUE(!plain.ok() || plain->chain_size() == 0);
    const auto confirmed = Look(starttls, found->chain(0).sha256_thumbprint());
    ASSERT_THAT(confirmed, IsOk());
    EXPECT_TRUE(confirmed->has_trusted_certificate());
  }

  int port_ = 0;
  std::string home_;
};

TEST_F(StartTlsProcessTest, LdapFromOpenLdap) {
  if (!Has("/usr/sbin/slapd")) FAIL() << "slapd is not installed";
  const std::string config = Write("slapd.conf", R"(
include /etc/ldap/schema/core.schema
pidfile @F/slapd.pid
TLSCertificateFile @F/cert.pem
TLSCertificateKeyFile @F/key.pem
)");
  const Daemon slapd(
      {"/usr/sbin/slapd", "-h", absl::StrCat("ldap://127.0.0.1:", port_), "-f",
       config, "-d", "0"},
      home_ + "/log");
  ExpectImported("ldap");
}

TEST_F(StartTlsProcessTest, FtpFromVsftpd) {
  if (!Has("/usr/sbin/vsftpd")) FAIL() << "vsftpd is not installed";
  const std::string config = Write("vsftpd.conf", R"(listen=YES
listen_address=127.0.0.1
listen_port=@P
background=NO
run_as_launching_user=YES
anonymous_enable=NO
local_enable=YES
ssl_enable=YES
rsa_cert_file=@F/cert.pem
rsa_private_key_file=@F/key.pem
secure_chroot_dir=@F
seccomp_sandbox=NO
)");
  const Daemon vsftpd({"/usr/sbin/vsftpd", config}, home_ + "/log");
  ExpectImported("ftp");
}

TEST_F(StartTlsProcessTest, XmppFromProsody) {
  if (!Has("/usr/bin/prosody")) FAIL() << "prosody is not installed";
  const std::string config = Write("prosody.cfg.lua", R"(
run_as_root = true
pidfile = "@F/prosody.pid"
data_path = "@F"
log = { info = "*console" }
modules_enabled = { "tls", "saslauth" }
modules_disabled = { "s2s" }
c2s_ports = { @P }
interfaces = { "127.0.0.1" }
c2s_require_encryption = true
VirtualHost "localhost"
  ssl = { key = "@F/key.pem"; certificate = "@F/cert.pem" }
)");
  const Daemon prosody({"/usr/bin/prosody", "--config", config, "-F"},
                       home_ + "/log");
  ExpectImported("xmpp");
}

TEST_F(StartTlsProcessTest, ImapFromDovecot) {
  if (!Has("/usr/sbin/dovecot")) FAIL() << "dovecot is not installed";
  if (!MayBecome("dovecot") || !MayBecome("dovenull")) {
    GTEST_SKIP() << "dovecot cannot become its users here";
  }
  const std::string config = Write("dovecot.conf", R"(
protocols = imap
base_dir = @F/run
state_dir = @F/state
log_path = @F/log
ssl = required
ssl_cert = <@F/cert.pem
ssl_key = <@F/key.pem
first_valid_uid = 0
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = @P
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
passdb {
  driver = static
  args = password=x
}
)");
  const Daemon dovecot({"/usr/sbin/dovecot", "-F", "-c", config},
                       home_ + "/log");
  ExpectImported("imap");
}

TEST_F(StartTlsProcessTest, SmtpFromPostfix) {
  if (!Has("/usr/sbin/postfix")) FAIL() << "postfix is not installed";
  if (!MayBecome("postfix")) {
    GTEST_SKIP() << "postfix cannot become its user here";
  }
  Shell("cd " + home_ + " && mkdir q d c && chown postfix d");
  Write("c/main.cf", R"(compatibility_level = 3.6
queue_directory = @F/q
data_directory = @F/d
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
myhostname = localhost
mydestination =
mynetworks = 127.0.0.0/8
local_recipient_maps =
smtpd_tls_cert_file = @F/cert.pem
smtpd_tls_key_file = @F/key.pem
smtpd_tls_security_level = may
maillog_file = /dev/stdout
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
alias_maps =
)");
  Write("c/master.cf", R"(127.0.0.1:@P inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
)");
  const Daemon postfix({"/usr/sbin/postfix", "-c", home_ + "/c", "start-fg"},
                       home_ + "/log");
  ExpectImported("smtp");
  Shell("postfix -c " + home_ + "/c stop > /dev/null 2>&1");
}

}  // namespace
}  // namespace sallyport::capf
