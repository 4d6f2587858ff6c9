#include "services/media_relay/io/address_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/http/http_get.h"
#include "services/common/http/http_url.h"
#include "services/common/net/name_lookup.h"
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
constexpr uint16_t kStunPort = 3478;
// RFC 8489 section 6.2.1, but that it does not back off: it is asked again.
constexpr absl::Duration kStunRepeat = absl::Milliseconds(500);

absl::Status Unknown(std::string_view what, std::string_view why) {
  return MakeError(absl::StatusCode::kUnavailable, "ADVERTISED_ADDRESS_UNKNOWN",
                   absl::StrCat(AbslView(what), ": ", AbslView(why)));
}

// Until something can be read or written, or it is too late.
bool Await(const UniqueFd& fd, short events, absl::Time until) {
  pollfd ready = {fd.get(), events, 0};
  const int64_t left = absl::ToInt64Milliseconds(until - absl::Now());
  return left > 0 && poll(&ready, 1, static_cast<int>(left)) == 1;
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
    source.name_ = *name;
    if (name->empty() || name->find('=') != std::string_view::npos) {
      return std::nullopt;
    }
    return source;
  }
  if (const auto path = rest("file:")) {
    AddressSource source(Kind::kFile, text);
    source.name_ = *path;
    if (path->empty() || path->front() != '/') return std::nullopt;
    return source;
  }
  if (rest("http://").has_value()) {
    AddressSource source(Kind::kHttp, text);
    std::optional<HttpUrl> url = ParseHttpUrl(text);
    if (!url.has_value()) return std::nullopt;
    source.url_ = *std::move(url);
    return source;
  }
  if (const auto host = rest("stun:")) {
    AddressSource source(Kind::kStun, text);
    std::optional<HostPort> server = SplitHostPort(*host, kStunPort);
    if (!server.has_value()) return std::nullopt;
    source.server_ = *std::move(server);
    return source;
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<IpAddress>> AddressSource::Ask(
    const IpAddress& local, RandomSource& random,
    absl::Duration timeout) const {
  switch (kind_) {
    case Kind::kEnvironment: {
      const char* const value = std::getenv(name_.c_str());
      if (value == nullptr) return Unknown(text_, "is not set");
      return ParseAddressList(value);
    }
    case Kind::kFile: {
      const auto text = ReadWholeFile(name_, kMaxText);
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
  HttpGetOptions options;
  options.timeout = timeout;
  options.max_bytes = kMaxText;
  options.allow_private = true;  // where metadata servers are
  // Without these the servers of two clouds do not answer.
  options.headers = {{"Metadata-Flavor", "Google"}, {"Metadata", "true"}};
  const absl::StatusOr<std::string> said = HttpGet(url_, options);
  if (!said.ok()) return Unknown(text_, StdView(said.status().message()));
  return ParseAddressList(*said);
}

absl::StatusOr<std::vector<IpAddress>> AddressSource::AskStun(
    const IpAddress& local, RandomSource& random,
    absl::Duration timeout) const {
  const absl::Time until = absl::Now() + timeout;
  for (const SocketAddress& server : LookUp(server_)) {
    if (server.is_v6() != local.is_v6()) continue;
    const UniqueFd fd(socket(server.is_v6() ? AF_INET6 : AF_INET,
                             SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage own;
    const socklen_t size = Endpoint{local, 0}.ToSocketAddress().ToSockaddr(own);
    sockaddr_storage far;
    const socklen_t far_size = server.ToSockaddr(far);
    // Connected, so that nobody else is heard.
    if (!fd.valid() ||
        bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), size) != 0 ||
        connect(fd.get(), reinterpret_cast<const sockaddr*>(&far), far_size) !=
            0) {
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
