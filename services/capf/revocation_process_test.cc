// Revocation lists of another authority, fetched by the capf binary from web
// servers that are good, slow, silent or talk nonsense.

#include <netinet/in.h>
#include <openssl/nid.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/capf_process_fixture.h"
#include "services/capf/core/public_key.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/testing/test_indirect_crl.h"

namespace sallyport::capf {
namespace {

using Stub = pb::CapfService::Stub;

// A web server of the test's own, whose answers are octets, or silence. One
// thread for each connection. Thread-safe.
class WebServer {
 public:
  WebServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    listen(fd_, 64);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    threads_.emplace_back([this] { Accept(); });
  }
  ~WebServer() {
    stop_ = true;
    shutdown(fd_, SHUT_RDWR);
    for (size_t i = 0;; ++i) {
      std::thread thread;
      {
        absl::MutexLock lock(&mutex_);
        if (i >= threads_.size()) break;
        thread = std::move(threads_[i]);
      }
      thread.join();
    }
    close(fd_);
  }

  std::string Url(const std::string& path) const {
    return absl::StrCat("http://127.0.0.1:", port_, path);
  }
  // What is answered there; without a path: nothing ever is. "drip" in the
  // path: an octet each 100 ms.
  void Put(const std::string& path, std::string answer) {
    absl::MutexLock lock(&mutex_);
    answers_[path] = std::move(answer);
  }
  static std::string Ok(const std::string& body) {
    return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: application/pkix-crl",
                        "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }
  int asked(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    return asked_[path];
  }

 private:
  void Accept() {
    while (!stop_) {
      const int fd = accept(fd_, nullptr, nullptr);
      if (fd < 0) return;
      absl::MutexLock lock(&mutex_);
      threads_.emplace_back([this, fd] {
        Serve(fd);
        close(fd);
      });
    }
  }
  void Serve(int fd) {
    std::string request;
    char buffer[2048];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = read(fd, buffer, sizeof(buffer));
      if (n <= 0) return;
      request.append(buffer, static_cast<size_t>(n));
    }
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    std::string answer;
    {
      absl::MutexLock lock(&mutex_);
      ++asked_[path];
      const auto it = answers_.find(path);
      if (it != answers_.end()) answer = it->second;
    }
    const bool drip = path.find("drip") != std::string::npos;
    while (!stop_ && !answer.empty()) {
      const size_t part = drip ? 1 : answer.size();
      const ssize_t n = send(fd, answer.data(), part, MSG_NOSIGNAL);
      if (n <= 0) return;
      answer.erase(0, static_cast<size_t>(n));
      if (drip) absl::SleepFor(absl::Milliseconds(100));
    }
    // Silence, until somebody has enough of it.
    timeval wait = {0, 100'000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    while (!stop_) {
      const ssize_t n = read(fd, buffer, sizeof(buffer));
      if (n == 0) return;
    }
  }

  const int fd_;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  absl::Mutex mutex_;
  std::map<std::string, std::string> answers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> asked_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

class RevocationProcessTest : public CapfProcessTest {
 protected:
  void SetUp() override {
    CapfProcessTest::SetUp();
    ASSERT_EQ(process_->Terminate(), 0);
    other_ = std::make_unique<TestCapf>(NewTestFolder());
    other_->clock.Advance(absl::Now() - other_->clock.Now());
  }
  void Restart(const std::string& more) {
    process_->WriteConfig(config_ + more + "}");
    process_->Start();
    root_ = CapfProcessTest::Stub("operator/root");
  }
  CertificateRecord IssueByOther(const std::string& name) {
    SubjectAltNames names;
    names.dns_names = {name};
    const std::string spki = TestSpki(NewTestKey(KeyKind::kEcP256).get());
    const auto issued = other_->authority->Issue(
        {.tenant = "x",
         .profile = ProfileId::kSipServer,
         .subject = {.common_name = name},
         .names = names,
         .key = *PublicKey::FromSpki(AsBytes(spki), KeyPolicy{}),
         .validity = {},
         .enrollment = {},
         .requester = "test",
         .request_key = {},
         .request_sha256 = {}});
    EXPECT_THAT(issued, IsOk());
    return *issued;
  }
  void RevokeByOther(const CertificateRecord& record) {
    EXPECT_THAT(other_->enrollments->Revoke("x", record.serial,
                                            RevocationReason::kKeyCompromise,
                                            "test", false),
                IsOk());
  }
  std::string ListOfOther() {
    const auto list = other_->authority->RevocationListNow(absl::Hours(24));
    EXPECT_THAT(list, IsOk());
    return list->der;
  }
  void TrustOther() {
    pb::CreateTrustedCertificateRequest request;
    request.set_parent("tenants/a/trustStores/CallManager-trust");
    request.mutable_trusted_certificate()->set_certificate(
        other_->authority->issuer().certificate_der);
    ASSERT_THAT(Call<pb::TrustedCertificate>(
                    *root_, &Stub::CreateTrustedCertificate, request),
                IsOk());
  }
  std::string Verdict(const CertificateRecord& record) {
    pb::VerifyCertificateRequest request;
    request.set_trust_store("tenants/a/trustStores/CallManager-trust");
    request.add_chain(record.der);
    request.set_purpose("serverAuth");
    const auto answer = Call<pb::VerifyCertificateResponse>(
        *root_, &Stub::VerifyCertificate, request);
    EXPECT_THAT(answer, IsOk());
    return answer.ok() ? answer->reason() : "";
  }
  pb::RevocationSource Source(const std::string& url) {
    const auto status =
        Call<pb::CapfStatus>(*root_, &Stub::GetStatus, pb::GetStatusRequest());
    EXPECT_THAT(status, IsOk());
    for (const pb::RevocationSource& one : status->revocation_sources()) {
      if (one.url() == url) return one;
    }
    return {};
  }
  // Waits, at most five seconds, until `done`.
  template <typename Done>
  bool Soon(Done done) {
    const absl::Time end = absl::Now() + absl::Seconds(5);
    while (!done()) {
      if (absl::Now() > end) return false;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return true;
  }

  WebServer web_;
  std::unique_ptr<TestCapf> other_;
};

// From the other authority's list to the edges' stream within five seconds.
TEST_F(RevocationProcessTest, AnotherAuthoritysRevocationReachesTheEdges) {
  const CertificateRecord good = IssueByOther("good.example.test");
  const CertificateRecord bad = IssueByOther("bad.example.test");
  web_.Put("/other.crl", WebServer::Ok(ListOfOther()));
  const std::string url = web_.Url("/other.crl");
  // Delta lists are not configured, so they may not be just anywhere.
  Restart(absl::StrCat(R"(,"hard_revocation_stores":["CallManager-trust"],)",
                       R"("allow_private_peers":true,)",
                       R"("revocation_fetch":{"urls":[")", url,
                       R"("],"refresh_interval":"1s"})"));
  // Nobody trusts who signed it yet.
  EXPECT_TRUE(
      Soon([&] { return Source(url).reason() == "CRL_ISSUER_UNKNOWN"; }));
  EXPECT_FALSE(Source(url).held());
  TrustOther();
  EXPECT_TRUE(Soon([&] { return Source(url).held(); }));
  EXPECT_EQ(Verdict(good), "");
  EXPECT_EQ(Verdict(bad), "");

  grpc::ClientContext context;
  pb::WatchTrustBundleRequest watch;
  watch.set_consumer("edge-0");
  const auto edge = CapfProcessTest::Stub("signaling_edge");
  const auto stream = edge->WatchTrustBundle(&context, watch);
  RevokeByOther(bad);
  web_.Put("/other.crl", WebServer::Ok(ListOfOther()));
  const absl::Time revoked_at = absl::Now();
  bool told = false;
  pb::WatchTrustBundleResponse step;
  while (!told && absl::Now() < revoked_at + absl::Seconds(5) &&
         stream->Read(&step)) {
    for (const pb::RevokedCertificate& one : step.revoked()) {
      told = told || one.issuer() == other_->authority->issuer().subject_der;
    }
  }
  EXPECT_TRUE(told);
  EXPECT_LT(absl::Now() - revoked_at, absl::Seconds(5));
  context.TryCancel();
  EXPECT_EQ(Verdict(bad), "CERTIFICATE_REVOKED");
  EXPECT_EQ(Verdict(good), "");
  EXPECT_EQ(Source(url).told_count(), 1u);

  // What was revoked since is on a delta list, which the list names.
  const CertificateRecord late = IssueByOther("late.example.test");
  EXPECT_EQ(Verdict(late), "");
  AuthorityOptions options;
  options.certificate_file = other_->folder + "/ca.pem";
  options.delta_url = web_.Url("");
  const auto with_delta =
      CertificateAuthority::Open(options, *other_->signer, *other_->ledger,
                                 other_->random)
          .value();
  const std::string delta_path = "/default-1-delta.crl";
  web_.Put(delta_path, WebServer::Ok("not yet"));
  web_.Put("/other.crl",
           WebServer::Ok(
               with_delta->RevocationListNow(absl::Hours(24)).value().der));
  EXPECT_TRUE(Soon([&] {
    return Source(web_.Url(delta_path)).reason() == "CRL_MALFORMED";
  }));
  // Of the past, for whoever looks at the real clock.
  other_->clock.Advance(absl::Seconds(1));
  RevokeByOther(late);
  const std::string delta =
      WebServer::Ok(with_delta->DeltaListOf(1, absl::Hours(24)).value().der);
  web_.Put(delta_path, delta);
  EXPECT_TRUE(Soon([&] { return Verdict(late) == "CERTIFICATE_REVOKED"; }));
  EXPECT_TRUE(
      Soon([&] { return Source(web_.Url(delta_path)).told_count() == 2; }));
  EXPECT_EQ(Verdict(bad), "CERTIFICATE_REVOKED");
  EXPECT_EQ(Verdict(good), "");
  // Nobody in between gives the one for the other.
  web_.Put("/other.crl", delta);
  EXPECT_TRUE(
      Soon([&] { return Source(url).reason() == "CRL_OF_ANOTHER_KIND"; }));
  EXPECT_EQ(Verdict(bad), "CERTIFICATE_REVOKED");

  // The list outlives a restart without its server.
  web_.Put("/other.crl", "");
  process_->Kill();
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");
  EXPECT_EQ(Verdict(bad), "CERTIFICATE_REVOKED");
  EXPECT_EQ(Verdict(good), "");
}

TEST_F(RevocationProcessTest, BadServersAreNamedAndHoldNobodyUp) {
  const CertificateRecord one = IssueByOther("one.example.test");
  const std::string list = ListOfOther();
  web_.Put("/good", WebServer::Ok(list));
  web_.Put("/garbage", WebServer::Ok("<html>moved</html>"));
  web_.Put("/nonsense", "hello");
  web_.Put("/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  web_.Put("/large", WebServer::Ok(std::string(100'000, 'x')));
  web_.Put("/drip", WebServer::Ok(list));
  std::string forged = list;
  forged.back() ^= 1;
  web_.Put("/forged", WebServer::Ok(forged));
  const std::map<std::string, std::string> expected = {
      {"/garbage", "CRL_MALFORMED"},
      {"/nonsense", "HTTP_MALFORMED"},
      {"/missing", "HTTP_STATUS"},
      {"/large", "HTTP_TOO_LARGE"},
      {"/drip", "HTTP_TIMEOUT"},
      {"/silent", "HTTP_TIMEOUT"},
      {"/forged", "CRL_SIGNATURE_INVALID"},
      {"/good", ""}};
  std::string urls = R"("http://127.0.0.1:1/closed")";
  for (const auto& [path, reason] : expected) {
    absl::StrAppend(&urls, ",\"", web_.Url(path), "\"");
  }
  Restart(absl::StrCat(R"(,"revocation_fetch":{"urls":[)", urls,
                       R"(],"timeout":"1s","max_bytes":50000,)",
                       R"("refresh_interval":"2s"})"));
  TrustOther();
  // Nobody who asks waits for them.
  const absl::Time start = absl::Now();
  EXPECT_EQ(Verdict(one), "");
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
  for (const auto& [path, reason] : expected) {
    const std::string url = web_.Url(path);
    EXPECT_TRUE(Soon([&, &why = reason] {
      const pb::RevocationSource source = Source(url);
      return source.has_last_attempt_time() && source.reason() == why &&
             source.held() == why.empty();
    })) << Source(url).DebugString();
  }
  EXPECT_TRUE(Soon([&] {
    return Source("http://127.0.0.1:1/closed").reason() == "HTTP_UNREACHABLE";
  }));
  EXPECT_GE(Source(web_.Url("/silent")).failure_count(), 1u);
  EXPECT_TRUE(Source(web_.Url("/silent")).has_next_attempt_time());
  // A good answer later is taken.
  web_.Put("/garbage", WebServer::Ok(list));
  EXPECT_TRUE(Soon([&] { return Source(web_.Url("/garbage")).held(); }));
  EXPECT_EQ(process_->Terminate(), 0);
}

// A server of Python's that speaks TLS with a certificate for "localhost".
class SecuredServer {
 public:
  explicit SecuredServer(const std::string& folder) : folder_(folder) {
    const std::string at = folder + "/";
    const auto run = [](const std::string& command) {
      EXPECT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0)
          << command;
    };
    run("mkdir -p " + at + "files");
    for (const std::string name : {"ca", "stranger"}) {
      run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
          " -subj '/CN=" +
          name +
          "' -days 2 -addext "
          "basicConstraints=critical,CA:TRUE -addext "
          "keyUsage=critical,keyCertSign -keyout " +
          at + name + ".key -out " + at + name + ".pem");
    }
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        " -subj /CN=web -days 2 -addext subjectAltName=DNS:localhost -addext "
        "extendedKeyUsage=serverAuth -addext basicConstraints=critical,CA:FALSE"
        " -CA " +
        at + "ca.pem -CAkey " + at + "ca.key -keyout " + at + "web.key -out " +
        at + "web.pem");
    std::ofstream(at + "server.py") << R"(
import functools, http.server, os, socket, ssl, sys
os.chdir(sys.argv[1])
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
server = Server(('::', 0), functools.partial(
    http.server.SimpleHTTPRequestHandler, directory='files'))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('web.pem', 'web.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
with open('port.new', 'w') as out:
    out.write(str(server.server_address[1]))
os.rename('port.new', 'port')
server.serve_forever()
)";
    pid_ = fork();
    if (pid_ == 0) {
      execlp("python3", "python3", (at + "server.py").c_str(), folder.c_str(),
             nullptr);
      _exit(1);
    }
    for (int i = 0; i < 200 && port_ == 0; ++i) {
      std::ifstream(at + "port") >> port_;
      if (port_ == 0) absl::SleepFor(absl::Milliseconds(50));
    }
    EXPECT_NE(port_, 0);
  }
  ~SecuredServer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ + "/files/" + name) << content;
  }
  std::string Url(const std::string& host, const std::string& name) const {
    return absl::StrCat("https://", host, ":", port_, "/", name);
  }

 private:
  const std::string folder_;
  pid_t pid_ = 0;
  int port_ = 0;
};

// By https a list is taken from the server that was meant and from no other.
TEST_F(RevocationProcessTest, AListIsFetchedByHttpsFromWhoWasMeant) {
  const SecuredServer server(folder_ + "/web");
  const CertificateRecord bad = IssueByOther("bad.example.test");
  RevokeByOther(bad);
  server.Put("other.crl", ListOfOther());
  const std::string good = server.Url("localhost", "other.crl");
  const std::string misnamed = server.Url("127.0.0.1", "other.crl");
  const auto fetch = [&](const std::string& ca) {
    return absl::StrCat(R"(,"revocation_fetch":{"urls":[")", good, R"(",")",
                        misnamed, R"("],"refresh_interval":"1s","ca_file":")",
                        folder_, "/web/", ca, R"("})");
  };
  Restart(fetch("stranger.pem"));
  TrustOther();
  EXPECT_TRUE(Soon([&] { return Source(good).reason() == "HTTP_UNTRUSTED"; }))
      << Source(good).reason();
  EXPECT_FALSE(Source(good).held());
  ASSERT_EQ(process_->Terminate(), 0);
  Restart(fetch("ca.pem"));
  EXPECT_TRUE(Soon([&] { return Source(good).held(); }))
      << Source(good).reason();
  EXPECT_TRUE(Soon([&] {
    return Source(misnamed).reason() == "HTTP_UNTRUSTED";
  })) << Source(misnamed).reason();
  EXPECT_FALSE(Source(misnamed).held());
  EXPECT_EQ(Verdict(bad), "CERTIFICATE_REVOKED");
}

// An authority whose lists another signs (RFC 5280 section 5.2.5), as OpenSSL
// sees it too: fetched, judged by whole paths, and told to the edges.
TEST_F(RevocationProcessTest, AnotherSignsTheListsOfAnIssuer) {
  const absl::Time now = absl::Now();
  TestCa root("Indirect root");
  TestCa issuing = root.IssueCa("Indirect issuing");
  TestCertificateSpec spec = {.common_name = "Indirect lists"};
  spec.basic_constraints = "critical,CA:FALSE";
  spec.key_usage = "critical,cRLSign";
  const TestCertificate lists = root.Issue(spec);
  const std::string url = web_.Url("/indirect.crl");
  spec = {.common_name = "gw", .dns_names = {"gw.example.test"}};
  spec.extensions = {{NID_crl_distribution_points, IndirectPoint(lists, url)}};
  const long first = issuing.next_serial();
  const TestCertificate bad = issuing.Issue(spec);
  const TestCertificate good = issuing.Issue(spec);
  const std::string issuer = SubjectDer(issuing.certificate());
  const auto publish = [&](const std::vector<TestIndirectEntry>& entries,
                           absl::Time from) {
    const std::string list =
        IssueIndirectCrl(lists, entries, from, now + absl::Hours(24));
    web_.Put("/indirect.crl", WebServer::Ok(list));
    std::ofstream(folder_ + "/indirect.crl") << list;
  };
  const auto openssl = [&](const TestCertificate& leaf) {
    std::ofstream(folder_ + "/leaf.pem") << leaf.pem;
    std::ofstream(folder_ + "/root.pem") << root.pem();
    std::ofstream(folder_ + "/others.pem") << issuing.pem() << lists.pem;
    const std::string command = absl::StrCat(
        "cd ", folder_, " && openssl crl -inform DER -in indirect.crl -out ",
        "indirect.pem && openssl verify -crl_check -extended_crl -CAfile ",
        "root.pem -untrusted others.pem -CRLfile indirect.pem leaf.pem > said ",
        "2>&1");
    const int code = std::system(command.c_str());
    std::ifstream in(folder_ + "/said");
    const std::string said((std::istreambuf_iterator<char>(in)), {});
    return code == 0 ? "OK" : said;
  };
  publish({}, now - absl::Hours(2));
  EXPECT_EQ(openssl(bad), "OK");
  Restart(absl::StrCat(R"(,"allow_private_peers":true,"revocation_fetch":{)",
                       R"("urls":[")", url, R"("],"refresh_interval":"1s"})"));
  for (const std::string& der :
       {root.certificate().der, lists.der, issuing.certificate().der}) {
    pb::CreateTrustedCertificateRequest request;
    request.set_parent("tenants/a/trustStores/CallManager-trust");
    request.mutable_trusted_certificate()->set_certificate(der);
    ASSERT_THAT(Call<pb::TrustedCertificate>(
                    *root_, &Stub::CreateTrustedCertificate, request),
                IsOk());
  }
  EXPECT_TRUE(Soon([&] { return Source(url).held(); })) << Source(url).reason();
  const auto verdict = [&](const TestCertificate& leaf) {
    CertificateRecord record;
    record.der = leaf.der;
    return Verdict(record);
  };
  EXPECT_EQ(verdict(bad), "");
  EXPECT_EQ(verdict(good), "");

  grpc::ClientContext context;
  pb::WatchTrustBundleRequest watch;
  watch.set_consumer("edge-0");
  const auto edge = CapfProcessTest::Stub("signaling_edge");
  const auto stream = edge->WatchTrustBundle(&context, watch);
  publish({{.serial = first, .issuer_der = issuer}}, now - absl::Hours(1));
  EXPECT_THAT(openssl(bad), testing::HasSubstr("certificate revoked"));
  EXPECT_EQ(openssl(good), "OK");
  bool told = false;
  bool covered = false;
  const absl::Time end = absl::Now() + absl::Seconds(5);
  pb::WatchTrustBundleResponse step;
  while (!(told && covered) && absl::Now() < end && stream->Read(&step)) {
    for (const pb::RevokedCertificate& one : step.revoked()) {
      told = told ||
             (one.issuer() == issuer && one.crl_issuer() == SubjectDer(lists));
    }
    for (const pb::RevocationCoverage& one : step.coverage()) {
      covered = covered || (one.issuer() == issuer &&
                            one.crl_issuer() == SubjectDer(lists) &&
                            one.has_leaf_until_time());
    }
  }
  EXPECT_TRUE(told);
  EXPECT_TRUE(covered);
  context.TryCancel();
  EXPECT_EQ(verdict(bad), "CERTIFICATE_REVOKED");
  EXPECT_EQ(verdict(good), "");
  EXPECT_EQ(Source(url).told_count(), 1u);
  EXPECT_EQ(Source(url).told_reason(), "");
  EXPECT_EQ(process_->Terminate(), 0);
}

// What a client's own software makes of a certificate, fetching the list that
// it names: OpenSSL. And what a cache on the way needs (RFC 9111).
TEST_F(RevocationProcessTest, OurOwnListsAreFetchedByHttp) {
  Restart(absl::StrCat(R"(,"crl_http_address":"127.0.0.1:0","crl_url":")",
                       web_.Url("/lists"), R"(")"));
  const auto ask = [&](const std::string& path, const std::string& more = "",
                       const std::string& method = "GET") {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(process_->port("crl_http")));
    EXPECT_EQ(
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const std::string request = absl::StrCat(
        method, " ", path, " HTTP/1.1\r\nHost: a\r\n", more, "\r\n");
    EXPECT_EQ(send(fd, request.data(), request.size(), 0),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4096];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
      answer.append(buffer, static_cast<size_t>(n));
    }
    close(fd);
    return answer;
  };
  const auto field = [](const std::string& answer, const std::string& name) {
    const size_t at = answer.find(name + ": ");
    if (at == std::string::npos) return std::string();
    const size_t begin = at + name.size() + 2;
    return answer.substr(begin, answer.find("\r\n", begin) - begin);
  };
  const std::string kList = "/lists/default-1.crl";
  const std::string kDelta = "/lists/default-1-delta.crl";

  pb::IssueCertificateRequest order;
  order.set_parent("tenants/a");
  order.set_csr(NewTestCsr(NewTestKey(KeyKind::kEcP256).get(),
                           {.alt_names = {"DNS:edge.example.test"}}));
  order.set_profile(pb::CERTIFICATE_PROFILE_SERVER);
  const auto issued =
      Call<pb::Certificate>(*root_, &Stub::IssueCertificate, order);
  ASSERT_THAT(issued, IsOk());
  std::ofstream(folder_ + "/leaf.pem") << issued->certificate_pem();
  // The web server in front of us, as a certificate's URL is what all can
  // reach.
  const auto verify = [&](const std::string& more) {
    web_.Put(kList, ask(kList));
    web_.Put(kDelta, ask(kDelta));
    const std::string command = absl::StrCat(
        "openssl verify -crl_check -crl_download ", more, " -CAfile ", folder_,
        "/ca.pem ", folder_, "/leaf.pem > ", folder_, "/said 2>&1");
    const int code = std::system(command.c_str());
    std::ifstream in(folder_ + "/said");
    const std::string said((std::istreambuf_iterator<char>(in)), {});
    return code == 0 ? "OK" : said;
  };
  EXPECT_EQ(verify(""), "OK");
  EXPECT_GE(web_.asked(kList), 1);

  const std::string first = ask(kList);
  EXPECT_THAT(first, testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(field(first, "Content-Type"), "application/pkix-crl");
  EXPECT_EQ(field(first, "Cache-Control"),
            "public, max-age=300, must-revalidate");
  const std::string tag = field(first, "ETag");
  EXPECT_EQ(tag.size(), 66u);
  for (const char* name : {"Last-Modified", "Expires"}) {
    absl::Time when;
    std::string error;
    EXPECT_TRUE(absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", field(first, name),
                                &when, &error))
        << error;
    EXPECT_LT(absl::AbsDuration(when - absl::Now()), absl::Minutes(6));
  }
  const std::string same = "If-None-Match: " + tag + "\r\n";
  const std::string unchanged = ask(kList, same);
  EXPECT_THAT(unchanged, testing::StartsWith("HTTP/1.1 304 Not Modified\r\n"));
  EXPECT_THAT(unchanged, testing::EndsWith("\r\n\r\n"));
  EXPECT_EQ(field(unchanged, "ETag"), tag);
  const std::string head = ask(kList, "", "HEAD");
  EXPECT_EQ(field(head, "Content-Length"), field(first, "Content-Length"));
  EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(ask(kList, "Content-Length: 0\r\n", "POST"),
              testing::StartsWith("HTTP/1.1 405 "));
  for (const char* path :
       {"/default-1.crl", "/lists", "/lists/", "/lists/default-2.crl",
        "/lists/other-1.crl", "/lists/../ca.key", "/lists/default-1.crl/x"}) {
    EXPECT_THAT(ask(path), testing::StartsWith("HTTP/1.1 404 ")) << path;
  }
  EXPECT_THAT(ask(kDelta), testing::StartsWith("HTTP/1.1 200 OK\r\n"));

  pb::RevokeCertificateRequest revoke;
  revoke.set_name(issued->name());
  revoke.set_reason(pb::REVOCATION_REASON_SUPERSEDED);
  const absl::Time revoked_at = absl::Now();
  ASSERT_THAT(Call<pb::Certificate>(*root_, &Stub::RevokeCertificate, revoke),
              IsOk());
  EXPECT_TRUE(
      Soon([&] { return ask(kList, same).find("HTTP/1.1 200 OK\r\n") == 0; }));
  EXPECT_LT(absl::Now() - revoked_at, absl::Seconds(5));
  EXPECT_THAT(verify(""), testing::HasSubstr("certificate revoked"));
  // Whoever keeps the list of before finds it on the delta list.
  const std::string after = ask(kList);
  web_.Put(kList, first);
  EXPECT_THAT(ask(kDelta), testing::StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(field(after, "ETag"), tag);

  // After kill -9 the next list is newer still.
  process_->Kill();
  process_->Start();
  root_ = CapfProcessTest::Stub("operator/root");
  EXPECT_THAT(verify(""), testing::HasSubstr("certificate revoked"));
  // Nobody asks without end.
  int limited = 0;
  for (int i = 0; i < 600 && limited == 0; ++i) {
    if (ask("/x").find("HTTP/1.1 429 ") == 0) ++limited;
  }
  EXPECT_EQ(limited, 1);
  EXPECT_EQ(process_->Terminate(), 0);
}

}  // namespace
}  // namespace sallyport::capf
