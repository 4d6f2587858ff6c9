// Answers of the domain name system, as far as SIP needs them.

#ifndef SALLYPORT_SERVICES_COMMON_DNS_DNS_RECORD_H_
#define SALLYPORT_SERVICES_COMMON_DNS_DNS_RECORD_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/net/socket_address.h"

namespace sallyport {

enum class DnsType : uint8_t { kA, kAaaa, kSrv, kNaptr };

// A question; the name in lower case, without a final dot.
struct DnsQuestion {
  std::string name;
  DnsType type = DnsType::kA;

  bool operator==(const DnsQuestion&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const DnsQuestion& q) {
    return H::combine(std::move(h), q.name, q.type);
  }
};

// RFC 2782.
struct SrvRecord {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;  // "" stands for the root: decidedly no service

  bool operator==(const SrvRecord&) const = default;
};

// RFC 3403.
struct NaptrRecord {
  uint16_t order = 0;
  uint16_t preference = 0;
  std::string flags;
  std::string service;
  std::string regexp;
  std::string replacement;

  bool operator==(const NaptrRecord&) const = default;
};

enum class DnsOutcome : uint8_t {
  kFound,
  kNone,     // the name, or records of that type, do not exist
  kFailure,  // no server answered, or not with sense; to be asked again
};

// The list of the type that was asked for is filled, the others are empty.
struct DnsAnswer {
  DnsOutcome outcome = DnsOutcome::kFailure;
  // How long it holds, by the servers' word. Of a failure: zero.
  absl::Duration time_to_live;
  std::vector<SocketAddress> addresses;  // port 0
  std::vector<SrvRecord> services;
  std::vector<NaptrRecord> pointers;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DNS_DNS_RECORD_H_
