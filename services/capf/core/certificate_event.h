// What happened to a certificate, as an operator is told it; and how far the
// telling of its expiry has come.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_EVENT_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_EVENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sallyport::capf {

// In the store as these numbers; never renumber.
enum class CertificateEventType {
  kInUse = 1,
  kExpiring = 2,
  kExpired = 3,
  kIssued = 4,
  kRevoked = 5,
  kTrusted = 6,
  kUntrusted = 7,
  kRenewalFailed = 8,
  kEnrollment = 9,
};

// Numbers of the documented events (UM-111, UM-114, UM-115).
inline constexpr uint32_t kEventInUse = 1112;
inline constexpr uint32_t kEventExpiry = 1114;

// A value.
struct CertificateEvent {
  int64_t sequence = 0;  // given by the store
  // Names the occasion: a second event with the same key is not made.
  std::string key;
  std::string tenant;
  CertificateEventType type = CertificateEventType::kIssued;
  absl::Time event_time = absl::UnixEpoch();  // when it was due
  std::string certificate_der;
  std::string used_by;
  std::string summary;
  uint32_t event_id = 0;

  bool operator==(const CertificateEvent&) const = default;
};

// Up to when the expiry events are made.
struct ExpiryProgress {
  std::string key;  // of what
  absl::Time done_until = absl::InfinitePast();

  bool operator==(const ExpiryProgress&) const = default;
};

// What a peer showed when an operator looked; so that it can be told who loses
// trust when a certificate goes.
struct PeerChain {
  std::string store;               // tenants/{tenant}/trustStores/{store}
  std::string peer;                // "gw.example.test:5061"
  std::vector<std::string> chain;  // DER, the leaf first
  absl::Time seen_time = absl::UnixEpoch();

  bool operator==(const PeerChain&) const = default;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CERTIFICATE_EVENT_H_
