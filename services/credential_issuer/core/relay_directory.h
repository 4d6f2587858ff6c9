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
#include "services/common/random/random_source.h"

namespace sallyport::credential_issuer {

enum class TurnTransport { kUdp, kTcp, kTls, kDtls };
enum class ClientNetwork { kUnknown, kIntranet, kInternet };

// One address of one relay.
struct TurnUri {
  std::string uri;
  std::string host;
  uint16_t port = 0;
  TurnTransport transport = TurnTransport::kUdp;
};

// Reads "turn:host[:port][?transport=udp|tcp]" or "turns:..." (RFC 7065); turns
// is TLS, or DTLS with udp. The default port is 3478, of turns 5349. An IPv6
// literal is in brackets, and `host` is without them. INVALID_ARGUMENT with
// TURN_URI_INVALID.
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

// What a relay says of itself.
struct RelayReport {
  std::string relay;
  std::string location;  // empty: for all
  // None internal: they serve clients of either network.
  std::vector<RelayAddress> addresses;
  double load = 0;  // share of capacity in use, 0 to 1
  bool draining = false;
  int64_t version = 0;  // of keys and revocations, in force there
  absl::Time time;
};

// Who asks for relays.
struct RelayQuery {
  ClientNetwork network = ClientNetwork::kUnknown;
  std::string_view location;
  // The key of the credential was made in this version: a relay that reported
  // an older one would refuse it.
  int64_t version = 0;
};

// Relays from the configuration and those that report themselves. A report is
// believed for kReportLifetime. Thread-compatible.
class RelayDirectory {
 public:
  // Relays report every 5 s.
  static constexpr absl::Duration kReportLifetime = absl::Seconds(20);
  // Above this share a relay is a last resort.
  static constexpr double kFull = 0.95;
  // Addresses of one report, and reporting relays; more are dropped.
  static constexpr size_t kMaxAddresses = 64;
  static constexpr size_t kMaxRelays = 10'000;
  // Addresses in one answer.
  static constexpr size_t kMaxAnswer = 16;

  // `static_only`: addresses of reports are not given to clients.
  RelayDirectory(std::vector<StaticRelay> relays, bool static_only);

  // The newest report of a relay counts.
  void OnReport(RelayReport report);
  void OnGone(const std::string& relay);

  // Best first: relays of the location, then those for all, then others; then
  // the full ones. Among equals by lot, each in proportion to its weight and
  // the share of it that is free, so that not all clients fall upon the one
  // that was idle a moment ago. Relays that drain or do not know the key are
  // left out, and so is a configured relay whose reports have ceased. With an
  // unknown network addresses of both.
  std::vector<RelayAddress> Select(const RelayQuery& query, absl::Time now,
                                   RandomSource& random) const;

  // True if every relay whose reports are believed has `version` or a later
  // one in force.
  bool AllHave(int64_t version, absl::Time now) const;
  // True if a report of `relay` is believed.
  bool IsLive(const std::string& relay, absl::Time now) const;

 private:
  // The relay's report, or nullptr if there is none.
  const RelayReport* Find(const std::string& relay) const;

  const std::vector<StaticRelay> static_;
  const bool static_only_;
  std::map<std::string, RelayReport> reports_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_CORE_RELAY_DIRECTORY_H_
