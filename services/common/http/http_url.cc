#include "services/common/http/http_url.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/net/host_port.h"
#include "services/common/net/socket_address.h"
#include "services/common/pki/name_constraints.h"

namespace sallyport {
namespace {

constexpr size_t kMaxUrl = 1024;
constexpr std::string_view kClear = "http://";
constexpr std::string_view kSecured = "https://";

uint16_t UsualPort(bool tls) { return tls ? 443 : 80; }

bool IsHost(std::string_view host) {
  if (SocketAddress::FromIp(host, 0).ok()) return true;
  return IsDnsName(host) && host.front() != '*';
}

}  // namespace

std::optional<HttpUrl> ParseHttpUrl(std::string_view url) {
  HttpUrl out;
  out.tls = absl::StartsWithIgnoreCase(AbslView(url), AbslView(kSecured));
  if (!out.tls &&
      !absl::StartsWithIgnoreCase(AbslView(url), AbslView(kClear))) {
    return std::nullopt;
  }
  if (url.size() > kMaxUrl || !std::all_of(url.begin(), url.end(), [](char c) {
        return c > ' ' && c < 0x7f;
      })) {
    return std::nullopt;
  }
  url.remove_prefix(out.tls ? kSecured.size() : kClear.size());
  const size_t slash = std::min(url.find('/'), url.size());
  const std::string_view authority = url.substr(0, slash);
  std::optional<HostPort> where = SplitHostPort(authority, UsualPort(out.tls));
  if (!where.has_value()) return std::nullopt;
  out.host = absl::AsciiStrToLower(where->host);
  out.port = where->port;
  const bool bracketed = authority.front() == '[';
  if (bracketed != (out.host.find(':') != std::string::npos) ||
      !IsHost(out.host)) {
    return std::nullopt;
  }
  out.path = slash == url.size() ? "/" : std::string(url.substr(slash));
  out.path.resize(std::min(out.path.size(), out.path.find('#')));
  return out;
}

std::string HostHeader(const HttpUrl& url) {
  std::string out = url.host.find(':') == std::string::npos
                        ? url.host
                        : absl::StrCat("[", url.host, "]");
  if (url.port != UsualPort(url.tls)) absl::StrAppend(&out, ":", url.port);
  return out;
}

}  // namespace sallyport
