// URLs of http and https.

#ifndef SALLYPORT_SERVICES_COMMON_HTTP_HTTP_URL_H_
#define SALLYPORT_SERVICES_COMMON_HTTP_HTTP_URL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

// A value.
struct HttpUrl {
  std::string host;  // lower case, an IPv6 address without brackets
  uint16_t port = 80;
  std::string path;  // with the query; begins with a slash
  bool tls = false;

  bool operator==(const HttpUrl&) const = default;
};

// Of "http[s]://host[:port]/path", of at most 1024 octets; nullopt for anything
// else.
std::optional<HttpUrl> ParseHttpUrl(std::string_view url);

// What a request says of it (RFC 9110 section 7.2).
std::string HostHeader(const HttpUrl& url);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_HTTP_HTTP_URL_H_
