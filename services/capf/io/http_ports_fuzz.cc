// The HTTP ports of phones' files and of revocation lists, as a stranger sees
// them: real sockets, and civetweb behind them. What is sent is mutated out of
// the words of HTTP, comes in pieces, is pipelined, ends half way or by a
// reset.
//
// Whatever comes: the answer, if there is one, is one of ours or civetweb's own
// word that it is no request; nothing is given that nobody may have; and
// whoever comes next is answered properly.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/test_trust_list.h"
#include "services/capf/io/authorities.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/phone_file_server.h"
#include "services/capf/io/phone_files.h"
#include "services/capf/io/revocation_list_server.h"
#include "services/capf/io/test_capf.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/capf/io/work_thread.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/system_random.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/status/check.h"

namespace sallyport::capf {
namespace {

using namespace std::string_view_literals;

constexpr char kPhone[] = "SEP001122334455";
// Nobody is made to wait so long by anybody.
constexpr absl::Duration kAnswered = absl::Seconds(10);

constexpr std::string_view kWords[] = {
    "GET ",
    "HEAD ",
    "OPTIONS ",
    "POST ",
    "PUT ",
    "DELETE ",
    "PROPFIND ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/0.9\r\n",
    " HTTP/2.0\r\n",
    "\r\n",
    "\n",
    "\r\n\r\n",
    " ",
    "/CTLFile.tlv",
    "/CTLSEP001122334455.tlv",
    "/ITLSEP001122334455.tlv",
    "/SEP001122334455.cnf.xml",
    "/SEP001122334455.cnf.xml.sgn",
    "/lists/default-1.crl",
    "/lists/default-1-delta.crl",
    "/lists/other-1.crl",
    "/",
    "*",
    "//",
    "/../",
    "/./",
    "/..%2f",
    "%00",
    "%zz",
    "%",
    "?",
    "?a=b&c=%41",
    "#x",
    "\\",
    "http://localhost/",
    "http://localhost:99999/",
    "http://",
    "ftp://x/",
    "Host: localhost\r\n",
    "Host:",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: Upgrade\r\n",
    "Upgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
    "Sec-WebSocket-Version: 13\r\n",
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 9223372036854775807\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: 0x10\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity, chunked\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "-1\r\n",
    "Expect: 100-continue\r\n",
    "Range: bytes=0-\r\n",
    "Range: bytes=-99999999999,5-1\r\n",
    "If-None-Match: *\r\n",
    "If-None-Match: \"",
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "Origin: http://e\r\nAccess-Control-Request-Method: GET\r\n",
    "Authorization: Basic eDp5\r\n",
    "Authorization: Digest username=\"x\", nc=",
    "Cookie: a=b\r\n",
    "Accept-Encoding: gzip\r\n",
    "X: ",
    " folded\r\n",
    ": \r\n",
    "\0"sv,
    "\xff\xfe",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
};
constexpr size_t kMostSent = 64 * 1024;

// The two servers on what a real capf has behind them.
class Ports {
 public:
  Ports() {
    const auto ok = [](const absl::Status& status) {
      if (!status.ok()) fprintf(stderr, "%s\n", status.ToString().c_str());
      SP_CHECK(status.ok());
    };
    ListSigners::Options signers;
    signers.wrapping = capf_.wrapping.Clone();
    signers_.emplace(std::move(signers), *capf_.authority, *capf_.ledger);
    TrustListOptions options;
    options.default_tenant = "a";
    options.host = "capf.example.test";
    options.capf_certificate =
        NewTestIdentity("capf.example.test", 14).certificate;
    publisher_.emplace(options, *signers_, *capf_.ledger);
    ok(publisher_->Serve([this](const std::vector<PublishedList>& lists) {
      files_.Put(lists);
    }));
    PhoneCluster cluster;
    cluster.tenant = "a";
    cluster.mode = ClusterSecurityMode::kMixed;
    cluster.call_managers = {
        {.node = {.dns_name = "cm1.example.test",
                  .certificate_der =
                      NewTestIdentity("cm1.example.test", 13).certificate}}};
    ok(publisher_->PublishCluster(cluster, {.actor = "ann"}, false).status());
    capf_.AddEnrollment(kPhone);
    maker_.emplace(PhoneFileMaker::Options{}, *capf_.ledger, *publisher_,
                   files_);
    Authorities::Options authorities;
    authorities.default_id = "default";
    authorities.wrapping = capf_.wrapping.Clone();
    authorities_.emplace(std::move(authorities), *capf_.ledger, random_);
    ok(authorities_->Open(
        [this]() -> absl::StatusOr<std::unique_ptr<CertificateAuthority>> {
          return std::move(capf_.authority);
        }));
    const std::array<absl::Span<const MetricSpec>, 1> tables = {kCapfMetrics};
    metrics_ = *MetricsRegistry::Create(tables);
    loop_ = *EventLoop::Create();
    PhoneFileServer::Options phones;
    phones.http_address = "127.0.0.1:0";
    // One address asks for all.
    phones.http_per_source = GcraLimit::PerSecond(1000000, 1000000);
    auto phone_files = PhoneFileServer::Create(
        phones,
        {*loop_, work_, files_, *maker_, *publisher_, random_, *metrics_});
    ok(phone_files.status());
    phone_files_ = *std::move(phone_files);
    RevocationListServer::Options lists;
    lists.address = "127.0.0.1:0";
    lists.path = "/lists";
    lists.lifetime = absl::Hours(24);
    lists.per_source = phones.http_per_source;
    auto started = RevocationListServer::Start(lists, *authorities_,
                                               capf_.clock, random_, *metrics_);
    ok(started.status());
    lists_ = *std::move(started);
    thread_ = std::thread([this] { loop_->Run(); });
    // It serves until the process ends.
    thread_.detach();
  }

  int port(bool lists) const {
    return lists ? lists_->port() : phone_files_->http_port();
  }

 private:
  TestCapf capf_{NewTestFolder()};
  SystemRandom random_;
  TrustListFiles files_;
  std::optional<ListSigners> signers_;
  std::optional<TrustListPublisher> publisher_;
  std::optional<PhoneFileMaker> maker_;
  std::optional<Authorities> authorities_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<EventLoop> loop_;
  WorkThread work_{1000};
  std::unique_ptr<PhoneFileServer> phone_files_;
  std::unique_ptr<RevocationListServer> lists_;
  std::thread thread_;
};

UniqueFd Connect(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  while (true) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof(address)) != 0) {
      // libFuzzer's timer, or every port of ours was used within the minute.
      SP_CHECK(errno == EINTR || errno == EADDRNOTAVAIL);
      absl::SleepFor(absl::Milliseconds(10));
      continue;
    }
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
  }
}

// Until the server closes, or nothing comes for `patience`. libFuzzer's timer
// interrupts.
std::string Read(int fd, absl::Duration patience) {
  std::string out;
  char buffer[16384];
  while (true) {
    pollfd waits = {.fd = fd, .events = POLLIN, .revents = 0};
    const int ready =
        poll(&waits, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return out;
    const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
}

void CheckAnswer(const std::string& answer) {
  if (answer.empty()) return;
  const std::string_view text = answer;
  SP_CHECK(text.substr(0, 5) == "HTTP/");
  // civetweb's own word on what is no request names the version that it was
  // asked in, whatever that is.
  const bool as_asked = text.substr(0, 9) != "HTTP/1.1 ";
  bool known = as_asked && text.size() < kMostSent;
  for (const std::string_view code :
       {"200"sv, "304"sv, "404"sv, "405"sv, "503"sv, "400"sv, "408"sv, "411"sv,
        "413"sv, "414"sv, "431"sv, "500"sv, "501"sv, "505"sv}) {
    known |= !as_asked && text.substr(9, 3) == code;
  }
  if (!known) fprintf(stderr, "answer: %s\n", answer.c_str());
  SP_CHECK(known);
  SP_CHECK(text.find("PRIVATE KEY") == std::string_view::npos);
  SP_CHECK(text.find("root:x:") == std::string_view::npos);
  SP_CHECK(text.find("SQLite format 3") == std::string_view::npos);
  if (as_asked) return;
  const std::string_view head = text.substr(0, text.find("\r\n\r\n"));
  SP_CHECK(head.find("Access-Control") == std::string_view::npos);
  SP_CHECK(head.find("Location:") == std::string_view::npos);
  // One request, one answer: what is behind it is not looked at.
  SP_CHECK(head.find("Connection: close") != std::string_view::npos);
}

void CheckAnswered(int port, bool lists) {
  const absl::Time begin = absl::Now();
  const UniqueFd fd = Connect(port);
  const std::string_view request =
      lists ? "GET /lists/default-1.crl HTTP/1.1\r\nHost: x\r\n\r\n"sv
            : "GET /SEP001122334455.cnf.xml HTTP/1.1\r\nHost: x\r\n\r\n"sv;
  SP_CHECK(send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(request.size()));
  const std::string answer = Read(fd.get(), kAnswered);
  if (answer.substr(0, 15) != "HTTP/1.1 200 OK" ||
      answer.find(lists ? "application/pkix-crl" : "<certHash>") ==
          std::string::npos) {
    fprintf(stderr, "answered after %s: %s\n",
            absl::FormatDuration(absl::Now() - begin).c_str(),
            answer.substr(0, 200).c_str());
    abort();
  }
}

// What is sent, in its pieces.
std::vector<std::string> PiecesOf(const uint8_t* data, size_t size) {
  std::vector<std::string> out(1);
  size_t total = 0;
  std::string_view last = "x";
  for (size_t i = 0; i < size && total < kMostSent; ++i) {
    const uint8_t one = data[i];
    std::string& piece = out.back();
    const size_t before = piece.size();
    if (one < 0x60) {
      last = kWords[one % std::size(kWords)];
      piece.append(last);
    } else if (one < 0xc0) {
      // As it is.
      const size_t n = std::min<size_t>(one - 0x60, size - i - 1);
      piece.append(reinterpret_cast<const char*>(data) + i + 1, n);
      i += n;
    } else if (one < 0xe0) {
      for (size_t n = size_t{1} << (one % 14); n > 0; --n) {
        if (total + piece.size() - before > kMostSent) break;
        piece.append(last);
      }
    } else {
      out.emplace_back();
      continue;
    }
    total += piece.size() - before;
  }
  return out;
}

}  // namespace
}  // namespace sallyport::capf

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::capf;
  static Ports* const ports = new Ports();
  if (size < 1) return 0;
  const uint8_t how = data[0];
  const bool lists = (how & 1) != 0;
  const bool half_closed = (how & 2) != 0;
  const bool reset = (how & 4) != 0;
  const bool in_pieces = (how & 8) != 0;
  const int port = ports->port(lists);
  bool whole = false;
  {
    const sallyport::UniqueFd fd = Connect(port);
    for (const std::string& piece : PiecesOf(data + 1, size - 1)) {
      whole |= piece.find("\r\n\r\n") != std::string::npos;
      if (send(fd.get(), piece.data(), piece.size(),
               MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        break;
      }
      if (in_pieces) absl::SleepFor(absl::Microseconds(200));
    }
    if (half_closed) shutdown(fd.get(), SHUT_WR);
    if (reset) {
      const linger now = {.l_onoff = 1, .l_linger = 0};
      setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else if (half_closed || whole) {
      // A head that is not ended by civetweb's lights waits for its end.
      CheckAnswer(
          Read(fd.get(), half_closed ? kAnswered : absl::Milliseconds(50)));
    }
  }
  CheckAnswered(port, lists);
  return 0;
}
