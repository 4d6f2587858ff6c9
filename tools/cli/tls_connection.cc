#include "tools/cli/tls_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::cli {
namespace {

absl::Status NetError(const std::string& reason, const std::string& what,
                      int error) {
  return MakeError(absl::StatusCode::kUnavailable, reason,
                   absl::StrCat(what, ": ", std::strerror(error)));
}

// The address octets of an IP literal; empty if `text` is none.
std::string IpOctets(const std::string& text) {
  char octets[16];
  if (inet_pton(AF_INET, text.c_str(), octets) == 1) return {octets, 4};
  if (inet_pton(AF_INET6, text.c_str(), octets) == 1) return {octets, 16};
  return "";
}

absl::Status Wait(int fd, short events, absl::Duration timeout) {
  pollfd entry{fd, events, 0};
  const int ready =
      poll(&entry, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  if (ready > 0) return absl::OkStatus();
  if (ready == 0) {
    return MakeError(
        absl::StatusCode::kDeadlineExceeded, "NO_ANSWER",
        absl::StrCat("no answer in ", absl::FormatDuration(timeout)));
  }
  return NetError("CONNECTION_LOST", "poll", errno);
}

absl::Status ConnectSocket(int fd, const addrinfo& address,
                           absl::Duration timeout) {
  if (connect(fd, address.ai_addr, address.ai_addrlen) == 0) {
    return absl::OkStatus();
  }
  if (errno != EINPROGRESS) return NetError("CONNECT_FAILED", "connect", errno);
  SP_RETURN_IF_ERROR(Wait(fd, POLLOUT, timeout));
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus()
                    : NetError("CONNECT_FAILED", "connect", error);
}

absl::StatusOr<UniqueFd> OpenSocket(const std::string& host,
                                    const std::string& port,
                                    absl::Duration timeout) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return MakeError(absl::StatusCode::kUnavailable, "NAME_NOT_RESOLVED",
                     absl::StrCat(host, ": ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 freeaddrinfo);
  absl::Status last;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    UniqueFd fd(
        socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
      last = NetError("CONNECT_FAILED", "socket", errno);
      continue;
    }
    last = ConnectSocket(fd.get(), *one, timeout);
    if (last.ok()) return fd;
  }
  return last;
}

}  // namespace

absl::StatusOr<std::pair<std::string, std::string>> SplitHostPort(
    const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    host.clear();
  }
  if (host.empty() || colon + 1 == text.size()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "ADDRESS_INVALID",
                     absl::StrCat("\"", text, "\" is not HOST:PORT"));
  }
  return std::make_pair(host, text.substr(colon + 1));
}

absl::Status CheckServerName(const CertificateInfo& leaf,
                             const std::string& name) {
  const std::string octets = IpOctets(name);
  std::vector<std::string> held;
  for (const SubjectAltName& alt : leaf.alt_names) {
    if (alt.type == SubjectAltName::Type::kIp) {
      if (!octets.empty() && alt.value == octets) return absl::OkStatus();
      char text[INET6_ADDRSTRLEN] = "";
      inet_ntop(alt.value.size() == 4 ? AF_INET : AF_INET6, alt.value.data(),
                text, sizeof(text));
      held.push_back(absl::StrCat("IP:", text));
    } else if (alt.type == SubjectAltName::Type::kDns) {
      if (octets.empty() &&
          absl::AsciiStrToLower(alt.value) == absl::AsciiStrToLower(name)) {
        return absl::OkStatus();
      }
      held.push_back(absl::StrCat("DNS:", alt.value));
    } else if (alt.type == SubjectAltName::Type::kUri) {
      held.push_back(absl::StrCat("URI:", alt.value));
    }
  }
  return MakeError(
      absl::StatusCode::kUnauthenticated, "PEER_IDENTITY_MISMATCH",
      absl::StrCat("the server's certificate is not for ", name, " but for ",
                   held.empty() ? "nothing" : absl::StrJoin(held, ", ")));
}

absl::Status CheckTcpPort(const std::string& host, const std::string& port,
                          absl::Duration timeout) {
  return OpenSocket(host, port, timeout).status();
}

TlsConnection::TlsConnection(UniqueFd socket,
                             std::unique_ptr<TlsSession> session,
                             absl::Duration timeout)
    : socket_(std::move(socket)),
      session_(std::move(session)),
      timeout_(timeout) {}

TlsConnection::~TlsConnection() {
  session_->Close();
  Flush().IgnoreError();
}

absl::StatusOr<std::unique_ptr<TlsConnection>> TlsConnection::Connect(
    const std::string& host, const std::string& port,
    std::shared_ptr<const TlsContext> context, absl::Duration timeout) {
  SP_ASSIGN_OR_RETURN(UniqueFd socket, OpenSocket(host, port, timeout));
  const bool is_name = IpOctets(host).empty();
  SP_ASSIGN_OR_RETURN(
      std::unique_ptr<TlsSession> session,
      TlsSession::Create(std::move(context), is_name ? host : std::string()));
  std::unique_ptr<TlsConnection> connection(
      new TlsConnection(std::move(socket), std::move(session), timeout));
  SP_RETURN_IF_ERROR(connection->Flush());
  while (connection->session_->state() == TlsSession::State::kHandshaking) {
    SP_ASSIGN_OR_RETURN(const bool more, connection->Receive());
    if (!more) {
      return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
                       "the server closed during the handshake");
    }
  }
  return connection;
}

absl::Status TlsConnection::Flush() {
  const std::string bytes = session_->TakeCiphertext();
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(socket_.get(), bytes.data() + sent,
                           bytes.size() - sent, MSG_NOSIGNAL);
    if (n > 0) {
      sent += n;
    } else if (errno == EAGAIN) {
      SP_RETURN_IF_ERROR(Wait(socket_.get(), POLLOUT, timeout_));
    } else if (errno != EINTR) {
      return NetError("CONNECTION_LOST", "send", errno);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TlsConnection::Receive() {
  uint8_t buffer[16384];
  while (true) {
    SP_RETURN_IF_ERROR(Wait(socket_.get(), POLLIN, timeout_));
    const ssize_t n = recv(socket_.get(), buffer, sizeof(buffer), 0);
    if (n == 0) return false;
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return NetError("CONNECTION_LOST", "recv", errno);
    }
    const absl::Status fed = session_->Feed(ByteSpan(buffer, n));
    // An alert of ours may wait to be sent even when that failed.
    const absl::Status flushed = Flush();
    SP_RETURN_IF_ERROR(fed);
    SP_RETURN_IF_ERROR(flushed);
    return true;
  }
}

absl::Status TlsConnection::Write(ByteSpan bytes) {
  SP_RETURN_IF_ERROR(session_->Write(bytes));
  return Flush();
}

absl::StatusOr<std::string> TlsConnection::Read() {
  while (true) {
    std::string plaintext = session_->TakePlaintext();
    if (!plaintext.empty()) return plaintext;
    if (session_->state() != TlsSession::State::kOpen) return std::string();
    SP_ASSIGN_OR_RETURN(const bool more, Receive());
    if (!more) return session_->TakePlaintext();
  }
}

}  // namespace sallyport::cli
