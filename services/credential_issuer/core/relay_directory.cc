#include "services/credential_issuer/core/relay_directory.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {
namespace {

constexpr uint16_t kTurnPort = 3478;   // RFC 8656 section 3.1
constexpr uint16_t kTurnsPort = 5349;  // the same

absl::Status Invalid(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "TURN_URI_INVALID",
                   message);
}

// Candidates beyond kMaxAnswer, for addresses that are named twice.
constexpr size_t kSpare = 16;

bool IsHostName(std::string_view host) {
  return !host.empty() && host.size() <= 253 &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '-';
         });
}

bool IsV6Literal(std::string_view host) {
  return !host.empty() && host.size() <= 45 &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return absl::ascii_isxdigit(c) || c == ':' || c == '.';
         });
}

bool Serves(const RelayAddress& address, ClientNetwork network) {
  return network == ClientNetwork::kUnknown ||
         address.network == ClientNetwork::kUnknown ||
         address.network == network;
}

// SplitMix64, of Steele, Lea and Flood.
class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t word = state_;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
    return word ^ (word >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace

absl::StatusOr<TurnUri> ParseTurnUri(std::string_view uri) {
  TurnUri out;
  out.uri = std::string(uri);
  bool secure = false;
  if (uri.substr(0, 6) == "turns:") {
    secure = true;
    uri.remove_prefix(6);
  } else if (uri.substr(0, 5) == "turn:") {
    uri.remove_prefix(5);
  } else {
    return Invalid("the scheme must be turn or turns");
  }
  std::string_view transport = secure ? "tcp" : "udp";
  if (const size_t query = uri.find('?'); query != std::string_view::npos) {
    constexpr std::string_view kName = "transport=";
    if (uri.substr(query + 1, kName.size()) != kName) {
      return Invalid("the query must be transport=");
    }
    transport = uri.substr(query + 1 + kName.size());
    uri = uri.substr(0, query);
  }
  if (transport == "udp") {
    out.transport = secure ? TurnTransport::kDtls : TurnTransport::kUdp;
  } else if (transport == "tcp") {
    out.transport = secure ? TurnTransport::kTls : TurnTransport::kTcp;
  } else {
    return Invalid("the transport must be udp or tcp");
  }
  std::string_view port;
  if (!uri.empty() && uri.front() == '[') {
    const size_t close = uri.find(']');
    if (close == std::string_view::npos) return Invalid("a bracket is missing");
    out.host = std::string(uri.substr(1, close - 1));
    if (!IsV6Literal(out.host)) return Invalid("the host is no IPv6 address");
    port = uri.substr(close + 1);
    if (!port.empty() && port.front() != ':') return Invalid("no port");
  } else {
    const size_t colon = uri.find(':');
    out.host = std::string(uri.substr(0, colon));
    if (!IsHostName(out.host)) return Invalid("the host is no host name");
    if (colon != std::string_view::npos) port = uri.substr(colon);
  }
  out.port = secure ? kTurnsPort : kTurnPort;
  if (!port.empty()) {
    uint32_t value = 0;
    port.remove_prefix(1);
    if (port.empty() || port.size() > 5 || !absl::ascii_isdigit(port[0]) ||
        !absl::SimpleAtoi(AbslView(port), &value) || value == 0 ||
        value > 65535) {
      return Invalid("the port must be 1 to 65535");
    }
    out.port = static_cast<uint16_t>(value);
  }
  return out;
}

RelayDirectory::RelayDirectory(std::vector<StaticRelay> relays,
                               bool static_only)
    : static_(std::move(relays)), static_only_(static_only) {}

void RelayDirectory::OnReport(RelayReport report) {
  const auto known = reports_.find(report.relay);
  if (known == reports_.end() && reports_.size() >= kMaxRelays) return;
  if (known != reports_.end() && known->second.time > report.time) return;
  if (report.addresses.size() > kMaxAddresses) {
    report.addresses.resize(kMaxAddresses);
  }
  report.load = std::clamp(report.load, 0.0, 1.0);
  const bool inside =
      std::any_of(report.addresses.begin(), report.addresses.end(),
                  [](const RelayAddress& a) {
                    return a.network == ClientNetwork::kIntranet;
                  });
  for (RelayAddress& address : report.addresses) {
    address.relay = report.relay;
    if (!inside) address.network = ClientNetwork::kUnknown;
  }
  std::string name = report.relay;
  reports_.insert_or_assign(std::move(name), std::move(report));
}

void RelayDirectory::OnGone(const std::string& relay) { reports_.erase(relay); }

const RelayReport* RelayDirectory::Find(const std::string& relay) const {
  const auto it = reports_.find(relay);
  return it == reports_.end() ? nullptr : &it->second;
}

bool RelayDirectory::IsLive(const std::string& relay, absl::Time now) const {
  const RelayReport* const report = Find(relay);
  return report != nullptr && report->time + kReportLifetime >= now;
}

bool RelayDirectory::AllHave(int64_t version, absl::Time now) const {
  return std::all_of(reports_.begin(), reports_.end(), [&](const auto& entry) {
    return entry.second.version >= version || !IsLive(entry.first, now);
  });
}

std::vector<RelayAddress> RelayDirectory::Select(const RelayQuery& query,
                                                 absl::Time now,
                                                 RandomSource& random) const {
  struct Candidate {
    int distance;  // 0: the client's site; 1: for all; 2: another; 3: full
    double lot;    // the smaller the better
    const std::vector<RelayAddress>* addresses;
  };
  std::vector<Candidate> candidates;
  candidates.reserve(static_.size() + reports_.size());
  // Fair is enough, and one draw from the system a request.
  SplitMix lots(random.NextU64());
  const auto add = [&](const std::string& location, uint32_t weight,
                       const std::vector<RelayAddress>& addresses,
                       const RelayReport* report) {
    const bool useful = std::any_of(
        addresses.begin(), addresses.end(),
        [&](const RelayAddress& a) { return Serves(a, query.network); });
    if (!useful) return;
    if (report != nullptr &&
        (report->draining || report->version < query.version)) {
      return;
    }
    const double load = report == nullptr ? 0 : report->load;
    int distance = location.empty() ? 1 : (location == query.location ? 0 : 2);
    if (load >= kFull) distance = 3;
    // Efraimidis and Spirakis: the smallest of exponential variates of these
    // rates is each with a chance in proportion to its rate.
    const double rate = weight * std::max(1 - load, 1 - kFull);
    const double uniform =
        (static_cast<double>(lots.Next() >> 11) + 1) * 0x1p-53;
    candidates.push_back({distance, -std::log(uniform) / rate, &addresses});
  };
  for (const StaticRelay& relay : static_) {
    const RelayReport* const report = Find(relay.relay);
    // It has reported and does so no more.
    if (report != nullptr && !IsLive(relay.relay, now)) continue;
    add(relay.location, std::max(1u, relay.weight), relay.addresses, report);
  }
  if (!static_only_) {
    for (const auto& [name, report] : reports_) {
      if (!IsLive(name, now)) continue;
      add(report.location, 1, report.addresses, &report);
    }
  }
  // Each has at least one address that is wanted, so that more are not.
  const auto middle =
      candidates.begin() + std::min(candidates.size(), kMaxAnswer + kSpare);
  std::partial_sort(candidates.begin(), middle, candidates.end(),
                    [](const Candidate& a, const Candidate& b) {
                      return std::tie(a.distance, a.lot) <
                             std::tie(b.distance, b.lot);
                    });
  candidates.erase(middle, candidates.end());
  std::vector<RelayAddress> out;
  for (const Candidate& candidate : candidates) {
    for (const RelayAddress& address : *candidate.addresses) {
      if (out.size() == kMaxAnswer) return out;
      if (!Serves(address, query.network)) continue;
      const bool known = std::any_of(
          out.begin(), out.end(),
          [&](const RelayAddress& a) { return a.uri.uri == address.uri.uri; });
      if (!known) out.push_back(address);
    }
  }
  return out;
}

}  // namespace sallyport::credential_issuer
