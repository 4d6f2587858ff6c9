// Writing STUN and TURN messages into a buffer that the caller lends:
// RFC 8489 sections 5 and 14, RFC 8656 section 18. No heap.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_WRITER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {

// Builds one message. What does not fit marks the writer as failed and
// finished() is then empty, so callers check once, at the end.
// Thread-compatible.
class StunWriter {
 public:
  // `buffer` must outlive the writer.
  StunWriter(absl::Span<uint8_t> buffer, StunClass message_class,
             uint16_t method, const StunTransactionId& transaction_id);

  void AddBytes(uint16_t type, absl::Span<const uint8_t> value);
  void AddText(uint16_t type, std::string_view value);
  void AddUint32(uint16_t type, uint32_t value);
  void AddXorAddress(uint16_t type, const Endpoint& endpoint);
  // As it is: ALTERNATE-SERVER (RFC 8489 section 14.15).
  void AddAddress(uint16_t type, const Endpoint& endpoint);
  // ERROR-CODE without a reason phrase: short answers amplify less.
  void AddErrorCode(StunError error);
  // ADDRESS-ERROR-CODE without a reason phrase (RFC 8656 section 18.12).
  void AddAddressErrorCode(IpFamily family, StunError error);
  void AddUnknownAttributes(absl::Span<const uint16_t> types);
  // One of the two fixed lists, strongest first (RFC 8489 section 14.11).
  void AddPasswordAlgorithms(
      absl::Span<const uint8_t> offered = kPasswordAlgorithmsValue);
  // MESSAGE-INTEGRITY (HMAC-SHA-1) or MESSAGE-INTEGRITY-SHA256 over all that
  // was added so far (RFC 8489 sections 14.5 and 14.6).
  void AddIntegritySha1(absl::Span<const uint8_t> key);
  void AddIntegritySha256(absl::Span<const uint8_t> key);
  // FINGERPRINT must be the last attribute (RFC 8489 section 14.7).
  void AddFingerprint();

  // The message, or nothing when it did not fit.
  absl::Span<const uint8_t> finished() const;
  size_t size() const { return size_; }

 private:
  // Reserves an attribute and returns where its value goes, null on failure.
  uint8_t* Reserve(uint16_t type, size_t size);
  void SetLength(size_t length);

  absl::Span<uint8_t> buffer_;
  size_t size_ = 0;
  bool failed_ = false;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STUN_WRITER_H_
