#include "services/capf/io/peer_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/net/private_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_session.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxCertificates = 10;
constexpr size_t kMaxChain = 64 * 1024;
constexpr size_t kReadSize = 16 * 1024;

// One look at one peer. Lives for one call.
class Probe {
 public:
  explicit Probe(const ProbeOptions& options)
      : options_(options), deadline_(absl::Now() + options.timeout) {}

  ProbeReport Run() {
    if (Resolve() && Connect() && StartTls() && Handshake()) {
      Passed("chain", absl::StrCat(report_.chain.size(), " certificates"));
    }
    return std::move(report_);
  }

 private:
  void Passed(const char* step, std::string detail) {
    report_.steps.push_back({step, true, std::move(detail)});
  }
  bool Failed(const char* step, std::string detail) {
    report_.steps.push_back({step, false, std::move(detail)});
    return false;
  }

  // What is left, in milliseconds; 0: nothing.
  int Left() const {
    const absl::Duration left = deadline_ - absl::Now();
    return left <= absl::ZeroDuration()
               ? 0
               : static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
  }
  bool Wait(short events) {
    pollfd entry{fd_.get(), events, 0};
    return poll(&entry, 1, Left()) == 1;
  }

  bool Resolve() {
    const auto literal = SocketAddress::FromIp(options_.host, options_.port);
    if (literal.ok()) {
      addresses_ = {*literal};
    } else {
      addrinfo hints = {};
      hints.ai_socktype = SOCK_STREAM;
      addrinfo* found = nullptr;
      const int error =
          getaddrinfo(options_.host.c_str(), nullptr, &hints, &found);
      if (error != 0) {
        return Failed("resolve",
                      absl::StrCat(gai_strerror(error),
                                   "; check the name and this service's DNS"));
      }
      const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(
          found, freeaddrinfo);
      for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        const auto address =
            SocketAddress::FromSockaddr(one->ai_addr, one->ai_addrlen);
        if (address.has_value()) {
          addresses_.push_back(address->WithPort(options_.port));
        }
      }
    }
    if (!options_.allow_private) {
      std::erase_if(addresses_, IsPrivateAddress);
      if (addresses_.empty()) {
        return Failed("resolve",
                      "the address is loopback or private, and the "
                      "configuration does not allow to look at those; set "
                      "allow_private_peers, or import the certificate from a "
                      "file");
      }
    }
    Passed("resolve", absl::StrCat(addresses_.size(), " addresses"));
    return !addresses_.empty();
  }

  bool Connect() {
    std::string why = "no address";
    for (const SocketAddress& address : addresses_) {
      fd_ = UniqueFd(socket(address.is_v6() ? AF_INET6 : AF_INET,
                            SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_storage storage;
      const socklen_t size = address.ToSockaddr(storage);
      report_.address = address;
      int error = 0;
      if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage),
                  size) != 0) {
        error = errno;
        if (error == EINPROGRESS) {
          socklen_t length = sizeof(error);
          error = ETIMEDOUT;
          if (Wait(POLLOUT)) {
            getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
          }
        }
      }
      if (error == 0) {
        Passed("connect", address.ToString());
        return true;
      }
      why = std::strerror(error);
    }
    return Failed("connect", absl::StrCat(why,
                                          "; check host, port and what "
                                          "stands between"));
  }

  bool Send(const std::string& octets) {
    size_t sent = 0;
    while (sent < octets.size()) {
      const ssize_t n = send(fd_.get(), octets.data() + sent,
                             octets.size() - sent, MSG_NOSIGNAL);
      if (n > 0) {
        sent += static_cast<size_t>(n);
      } else if (n < 0 && errno != EAGAIN) {
        return false;
      } else if (!Wait(POLLOUT)) {
        return false;
      }
    }
    return true;
  }

  // False at the end, at a fault, and when the time is over.
  bool Receive(std::string& out) {
    while (true) {
      char buffer[kReadSize];
      const ssize_t n = recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (n > 0) {
        out.assign(buffer, static_cast<size_t>(n));
        return true;
      }
      if (n == 0 || errno != EAGAIN || !Wait(POLLIN)) return false;
    }
  }

  bool StartTls() {
    if (options_.starttls == StartTlsProtocol::kNone) return true;
    StartTlsDialog dialog(options_.starttls, options_.host);
    std::string data;
    while (true) {
      if (!Send(dialog.TakeOutput())) break;
      if (dialog.done()) {
        Passed("starttls", "the server agrees");
        return true;
      }
      if (!Receive(data)) break;
      const absl::Status status = dialog.OnData(data);
      if (!status.ok()) {
        return Failed("starttls", std::string(status.message()));
      }
    }
    return Failed("starttls", "no answer; is this the right protocol?");
  }

  bool Handshake() {
    TlsContextOptions tls;
    tls.role = TlsRole::kClient;
    tls.trust_anchors = *TrustAnchors::FromDer({});
    tls.unverified_peer = UnverifiedPeer::kDangerousAccept;
    auto context = TlsContext::Create(std::move(tls));
    if (!context.ok()) return Failed("handshake", "no TLS here");
    const bool named = !SocketAddress::FromIp(options_.host, 0).ok();
    auto session = TlsSession::Create(
        *std::move(context), named ? options_.host : std::string_view());
    if (!session.ok()) {
      return Failed("handshake", std::string(session.status().message()));
    }
    std::string why = "the peer says nothing";
    while ((*session)->state() == TlsSession::State::kHandshaking) {
      std::string data;
      if (!Send((*session)->TakeCiphertext()) || !Receive(data)) break;
      const absl::Status fed = (*session)->Feed(AsBytes(data));
      if (!fed.ok()) why = std::string(fed.message());
    }
    // A peer that wants a certificate of ours has shown its own by then.
    if (!(*session)->peer().has_value() || (*session)->peer()->chain.empty()) {
      return Failed("handshake",
                    absl::StrCat(why,
                                 "; does the peer speak TLS 1.2 on this "
                                 "port?"));
    }
    size_t total = 0;
    for (const std::string& der : (*session)->peer()->chain) {
      total += der.size();
    }
    if ((*session)->peer()->chain.size() > kMaxCertificates ||
        total > kMaxChain) {
      return Failed("handshake", "the chain is too long");
    }
    report_.chain = (*session)->peer()->chain;
    const bool open = (*session)->state() == TlsSession::State::kOpen;
    if (open) {
      Passed("handshake",
             absl::StrCat((*session)->version(), " ", (*session)->cipher()));
    } else {
      Passed("handshake",
             absl::StrCat("the peer showed its certificate, then: ", why));
    }
    return true;
  }

  const ProbeOptions& options_;
  const absl::Time deadline_;
  ProbeReport report_;
  std::vector<SocketAddress> addresses_;
  UniqueFd fd_;
};

}  // namespace

ProbeReport ProbePeer(const ProbeOptions& options) {
  return Probe(options).Run();
}

}  // namespace sallyport::capf
