// The Trust Verification Service protocol (TCP 2445, TLS): a phone asks
// whether a certificate that no list of its names may be trusted.
//
// There is no public specification. The layout is that of an open server which
// phones use: a 10-byte header `57 | version 1 | opcode | 0 | request id u32 |
// payload length u16`, then elements of `tag u8 | length u16 | value`, all big
// endian (research/pki.md section 3).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TVS_MESSAGE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TVS_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/trust_list_record.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

inline constexpr size_t kTvsHeaderSize = 10;
// A certificate and a device name; what claims more is refused at once.
inline constexpr size_t kTvsMaxPayload = 8192;

// "Is this certificate to be trusted, and for what?"
struct TvsRequest {
  uint32_t request_id = 0;
  std::string device_name;  // "CP-8861-SEP001122334455"; not believed
  std::string certificate;  // DER, not yet believed to be one

  bool operator==(const TvsRequest&) const = default;
};

struct ParsedTvsRequest {
  TvsRequest request;
  size_t consumed = 0;
};

// Reads one request from the start of `stream`; nullopt: need more octets.
// kInvalidArgument, reason TVS_MALFORMED, for another protocol or version, an
// opcode other than VERIFY (the payload of QUERY is not known), a payload that
// is too long, an element that runs past it or comes twice, or no certificate.
// Unknown elements are skipped. Pure.
absl::StatusOr<std::optional<ParsedTvsRequest>> ParseTvsRequest(
    ByteSpan stream);

struct TvsAnswer {
  bool valid = false;
  std::vector<TrustListRole> roles;  // of a valid one; those below 256
  // Phones keep the answer that long; whole seconds, up to 2^32 - 1.
  absl::Duration ttl;
};

// One write: a valid answer has status, roles and time to live, an invalid one
// its status alone.
std::string WriteTvsResponse(uint32_t request_id, const TvsAnswer& answer);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TVS_MESSAGE_H_
