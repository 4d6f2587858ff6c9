// Which relays a client is told of.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_RELAY_DIRECTORY_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_RELAY_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sallyport::credential_issuer {

enum class TurnTransport { kUdp, kTcp, kTls };
enum class ClientNetwork { kUnknown, kIntranet, kInternet };

// One address of one relay.
struct TurnUri {
  std::string uri;
  std::string host;
  uint16_t port = 0;
  TurnTransport transport = TurnTransport::kUdp;
};

// Reads "turn:host[:port][?transport=udp|tcp]" or "turns:..." (RFC 7065); the
// default port is 3478, of turns 5349. An IPv6 literal is in brackets, and
// `host` is without them. INVALID_ARGUMENT with TURN_URI_INVALID.
absl::StatusOr<TurnUri> ParseTurnUri(std::string_view uri);

struct RelayAddress {
  std::string relay;
  ClientNetwork network = ClientNetwork::kUnknown;
  TurnUri uri;
};

// A relay from the configuration.
struct StaticRelay {
  std::string relay;
  std::string location;  // empty: for all
  uint32_t weight = 1;
  std::vector<RelayAddress> addresses;
};

// Relays from the configuration and those that report themselves. A report is
// believed for kReportLifetime. Thread-compatible.
class RelayDirectory {
 public:
  static constexpr absl::Duration kReportLifetime = absl::Seconds(90);
  // Addresses of one report, and reporting relays; more are dropped.
  static constexpr size_t kMaxAddresses = 64;
  static constexpr size_t kMaxRelays = 10'000;
  // Addresses in one answer.
  static constexpr size_t kMaxAnswer = 16;

  // `static_only`: reports are not given to clients.
  RelayDirectory(std::vector<StaticRelay> relays, bool static_only);

  // `load` is the share of capacity in use, 0 to 1.
  void OnReport(const std::string& relay, std::vector<RelayAddress> addresses,
                double load, absl::Time now);
  void OnGone(const std::string& relay);

  // Best first: relays of `location`, then those for all, then others; within
  // these the least loaded by weight. With an unknown network addresses of
  // both.
  std::vector<RelayAddress> Select(ClientNetwork network,
                                   std::string_view location,
                                   absl::Time now) const;

 private:
  struct Report {
    std::vector<RelayAddress> addresses;
    double load = 0;
    absl::Time time;
  };

  const std::vector<StaticRelay> static_;
  const bool static_only_;
  std::map<std::string, Report> reports_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_RELAY_DIRECTORY_H_
