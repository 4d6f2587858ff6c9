// Who knows by which address clients reach this machine: the environment, a
// file that was made from the node's metadata, a cloud's metadata server, STUN.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_ADDRESS_SOURCE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_ADDRESS_SOURCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/http/http_url.h"
#include "services/common/net/name_lookup.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

// Addresses between commas and blanks. INVALID_ARGUMENT with reason
// ADVERTISED_ADDRESS_INVALID for anything else, and for none.
absl::StatusOr<std::vector<IpAddress>> ParseAddressList(std::string_view text);

// Immutable.
class AddressSource {
 public:
  // "env:NAME", "file:PATH", "http://HOST[:PORT]/PATH", "stun:HOST[:PORT]".
  static std::optional<AddressSource> Parse(std::string_view text);

  // What it says for sockets on `local`; STUN is asked from there. Waits on
  // this thread, `timeout` at most beside what the resolver takes. UNAVAILABLE
  // with reason ADVERTISED_ADDRESS_UNKNOWN when it does not say, else as
  // ParseAddressList().
  absl::StatusOr<std::vector<IpAddress>> Ask(const IpAddress& local,
                                             RandomSource& random,
                                             absl::Duration timeout) const;

  // As configured.
  const std::string& text() const { return text_; }

 private:
  enum class Kind : uint8_t { kEnvironment, kFile, kHttp, kStun };

  AddressSource(Kind kind, std::string_view text) : kind_(kind), text_(text) {}

  absl::StatusOr<std::vector<IpAddress>> AskHttp(absl::Duration timeout) const;
  absl::StatusOr<std::vector<IpAddress>> AskStun(const IpAddress& local,
                                                 RandomSource& random,
                                                 absl::Duration timeout) const;

  Kind kind_;
  std::string text_;
  std::string name_;  // of the variable or file
  HttpUrl url_;       // of the metadata server
  HostPort server_;   // of STUN
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_ADDRESS_SOURCE_H_
