#include "services/media_relay/io/address_source.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMaxText = 4096;
constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kStunPort = 3478;
// RFC 8489 section 6.2.1, but that it does not back off: it is asked again.
constexpr absl::Duration kStunRepeat = absl::Milliseconds(500);

absl::Status Unknown(std::string_view what, std::string_view why) {
  return MakeError(absl::StatusCode::kUnavailable, "ADVERTISED_ADDRESS_UNKNOWN",
                   absl::StrCat(AbslView(what), ": ", AbslView(why)));
}

// "host", "host:port" and "[host]:port".
bool SplitHost(std::string_view text, uint16_t if_none, std::string& host,
               uint16_t& port) {
  port = if_none;
  size_t colon = text.rfind(':');
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    if (end + 1 == text.size()) return !host.empty();
    if (text[end + 1] != ':') return false;
    colon = end + 1;
  } else if (colon == std::string_view::npos) {
    host = text;
    return !host.empty();
  } else {
    host = text.substr(0, colon);
    if (host.find(':') != std::string::npos) return false;
  }
  uint32_t number = 0;
  if (!absl::SimpleAtoi(AbslView(text.substr(colon + 1)), &number) ||
      number == 0 || number > 0xFFFF) {
    return false;
  }
  port = static_cast<uint16_t>(number);
  return !host.empty();
}

std::vector<SocketAddress> Resolve(const std::string& host, uint16_t port) {
  std::vector<SocketAddress> out;
  if (const auto literal = SocketAddress::FromIp(host, port); literal.ok()) {
    out.push_back(*literal);
    return out;
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return out;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const auto address =
        SocketAddress::FromSockaddr(one->ai_addr, one->ai_addrlen);
    if (address.has_value()) out.push_back(address->WithPort(port));
  }
  return out;
}

// Until something can be read or written, or it is too late.
bool Await(const UniqueFd& fd, short events, absl::Time until) {
  pollfd ready = {fd.get(), events, 0};
  const int64_t left = absl::ToInt64Milliseconds(until - absl::Now());
  return left > 0 && poll(&ready, 1, static_cast<int>(left)) == 1;
}

UniqueFd OpenTowards(const SocketAddress& to, int kind) {
  return UniqueFd(socket(to.is_v6() ? AF_INET6 : AF_INET,
                         kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool ConnectTo(const UniqueFd& fd, const SocketAddress& to, absl::Time until) {
  sockaddr_storage address;
  const socklen_t size = to.ToSockaddr(address);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) ==
      0) {
    return true;
  }
  if (errno != EINPROGRESS || !Await(fd, POLLOUT, until)) return false;
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 &&
         error == 0;
}

// All that the far side says to `request` until it ends.
std::string Exchange(const SocketAddress& to, const std::string& request,
                     absl::Time until) {
  const UniqueFd fd = OpenTowards(to, SOCK_STREAM);
  if (!fd.valid() || !ConnectTo(fd, to, until)) return "";
  // So short a request finds room at once.
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return "";
  }
  std::string said;
  std::array<char, kMaxText> buffer;
  while (said.size() < kMaxText && Await(fd, POLLIN, until)) {
    const ssize_t size = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size == 0) return said;
    if (size < 0) return "";
    said.append(buffer.data(), static_cast<size_t>(size));
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<IpAddress>> ParseAddressList(std::string_view text) {
  std::vector<IpAddress> addresses;
  for (const absl::string_view one : absl::StrSplit(
           AbslView(text), absl::ByAnyChar(", \t\r\n"), absl::SkipEmpty())) {
    const std::optional<IpAddress> address = IpAddress::Parse(StdView(one));
    if (!address.has_value()) {
      addresses.clear();
      break;
    }
    addresses.push_back(*address);
  }
  if (addresses.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "ADVERTISED_ADDRESS_INVALID",
                     "that is no list of IP addresses");
  }
  return addresses;
}

std::optional<AddressSource> AddressSource::Parse(std::string_view text) {
  const auto rest = [text](std::string_view scheme) {
    return text.substr(0, scheme.size()) == scheme
               ? std::optional(text.substr(scheme.size()))
               : std::nullopt;
  };
  if (const auto name = rest("env:")) {
    AddressSource source(Kind::kEnvironment, text);
    source.host_ = *name;
    if (name->empty() || name->find('=') != std::string_view::npos) {
      return std::nullopt;
    }
    return source;
  }
  if (const auto path = rest("file:")) {
    AddressSource source(Kind::kFile, text);
    source.host_ = *path;
    if (path->empty() || path->front() != '/') return std::nullopt;
    return source;
  }
  if (const auto url = rest("http://")) {
    AddressSource source(Kind::kHttp, text);
    const size_t slash = url->find('/');
    source.path_ =
        slash == std::string_view::npos ? "/" : std::string(url->substr(slash));
    const bool clean =
        std::all_of(source.path_.begin(), source.path_.end(),
                    [](char c) { return c > ' ' && c < '\x7F'; });
    if (!clean || !SplitHost(url->substr(0, slash), kHttpPort, source.host_,
                             source.port_)) {
      return std::nullopt;
    }
    return source;
  }
  if (const auto host = rest("stun:")) {
    AddressSource source(Kind::kStun, text);
    if (!SplitHost(*host, kStunPort, source.host_, source.port_)) {
      return std::nullopt;
    }
    return source;
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<IpAddress>> AddressSource::Ask(
    const IpAddress& local, RandomSource& random,
    absl::Duration timeout) const {
  switch (kind_) {
    case Kind::kEnvironment: {
      const char* const value = std::getenv(host_.c_str());
      if (value == nullptr) return Unknown(text_, "is not set");
      return ParseAddressList(value);
    }
    case Kind::kFile: {
      const auto text = ReadWholeFile(host_, kMaxText);
      if (!text.ok()) return Unknown(text_, StdView(text.status().message()));
      return ParseAddressList(*text);
    }
    case Kind::kHttp:
      return AskHttp(timeout);
    case Kind::kStun:
      return AskStun(local, random, timeout);
  }
  return Unknown(text_, "is no source");
}

absl::StatusOr<std::vector<IpAddress>> AddressSource::AskHttp(
    absl::Duration timeout) const {
  const absl::Time until = absl::Now() + timeout;
  // HTTP/1.0, so that the body ends with the connection. The headers are those
  // without which the servers of two clouds do not answer.
  const std::string request =
      absl::StrCat("GET ", path_, " HTTP/1.0\r\nHost: ", host_,
                   "\r\nMetadata-Flavor: Google\r\nMetadata: true\r\n\r\n");
  for (const SocketAddress& server : Resolve(host_, port_)) {
    const std::string said = Exchange(server, request, until);
    if (said.empty()) continue;
    const size_t head = said.find("\r\n\r\n");
    const size_t status = said.find(' ');
    if (!absl::StartsWith(said, "HTTP/1.") || head == std::string::npos ||
        said.substr(status, 5) != " 200 ") {
      return Unknown(text_, "did not answer 200");
    }
    return ParseAddressList(std::string_view(said).substr(head + 4));
  }
  return Unknown(text_, "is not reached");
}

absl::StatusOr<std::vector<IpAddress>> AddressSource::AskStun(
    const IpAddress& local, RandomSource& random,
    absl::Duration timeout) const {
  const absl::Time until = absl::Now() + timeout;
  for (const SocketAddress& server : Resolve(host_, port_)) {
    if (server.is_v6() != local.is_v6()) continue;
    const UniqueFd fd = OpenTowards(server, SOCK_DGRAM);
    sockaddr_storage own;
    const socklen_t size = Endpoint{local, 0}.ToSocketAddress().ToSockaddr(own);
    // Connected, so that nobody else is heard.
    if (!fd.valid() ||
        bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), size) != 0 ||
        !ConnectTo(fd, server, until)) {
      continue;
    }
    StunTransactionId id;
    random.Fill(absl::MakeSpan(id));
    std::array<uint8_t, 64> buffer;
    StunWriter writer(absl::MakeSpan(buffer), StunClass::kRequest,
                      static_cast<uint16_t>(StunMethod::kBinding), id);
    const ByteSpan request = writer.finished();
    while (absl::Now() < until) {
      (void)send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
      const absl::Time repeat = std::min(until, absl::Now() + kStunRepeat);
      while (Await(fd, POLLIN, repeat)) {
        std::array<uint8_t, 1500> answer;
        const ssize_t got = recv(fd.get(), answer.data(), answer.size(), 0);
        if (got <= 0) break;
        const auto message =
            ParseStunMessage(ByteSpan(answer.data(), static_cast<size_t>(got)));
        if (!message.ok() || message->transaction_id() != id ||
            !message->Is(StunClass::kSuccess, StunMethod::kBinding)) {
          continue;
        }
        const std::optional<Endpoint> mapped =
            message->FindXorAddress(stun_attribute::kXorMappedAddress);
        if (mapped.has_value()) return std::vector<IpAddress>{mapped->ip};
      }
      // Refused at once: not asked again in the same moment.
      absl::SleepFor(std::min(repeat, until) - absl::Now());
    }
  }
  return Unknown(text_, "does not answer");
}

}  // namespace sallyport::media_relay
