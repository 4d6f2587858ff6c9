// One message of the CAPF protocol (TCP 3804), parsed and written.
//
// There is no public specification. The layout is what two independent open
// implementations and a capture of a real call manager agree on: an 8-byte
// header `55 | opcode | session id u32 | payload length u16`, then elements of
// `tag u8 | length u16 | value`, all big endian.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CAPF_MESSAGE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CAPF_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sallyport::capf {

inline constexpr uint8_t kCapfMagic = 0x55;
inline constexpr size_t kCapfHeaderSize = 8;
inline constexpr size_t kCapfMaxPayload = 0xffff;

enum class CapfOpcode : uint8_t {
  kAuthRequest = 1,          // server to phone
  kAuthResponse = 2,         // phone to server
  kKeyGenerateRequest = 3,   // server to phone
  kKeyGenerateResponse = 4,  // phone to server
  kEncryptResponse = 5,
  kEncryptRequest = 6,
  kDecryptRequest = 7,
  kDecryptResponse = 8,
  kStoreCertRequest = 9,    // server to phone
  kStoreCertResponse = 10,  // phone to server
  kFetchCertRequest = 11,
  kFetchCertResponse = 12,
  kDeleteCertRequest = 13,
  kDeleteCertResponse = 14,
  kEndSession = 15,  // server to phone
  kRetryLater = 16,
  kRequestInProgress = 17,  // phone to server, while it generates keys
  kStatusResponse = 18,
  kStatusRequest = 19,
  kAbortRequest = 20,
  kAbortResponse = 21,
  kSignCertRequest = 22,
  kSignCertResponse = 23,
};

// "AUTH_REQUEST"; empty for a number that is no opcode.
std::string_view CapfOpcodeName(CapfOpcode opcode);

// The reasons whose meaning is known.
enum class CapfReason : uint8_t {
  kNoAction = 0,
  kOk = 1,
  kDeclined = 7,       // bad element, wrong string, or already issued
  kUnknownDevice = 9,  // never sent by us: it would tell which devices exist
};

enum class CapfCertificateType : uint8_t { kLsc = 1, kMic = 2 };
enum class CapfAuthType : uint8_t {
  kNone = 0,
  kString = 1,
  kNullString = 2,
  kLsc = 3,
  kMic = 4,
};
enum class CapfKeyType : uint8_t { kRsa = 0, kEc = 1 };
enum class CapfCurve : uint8_t { kP256 = 0, kP384 = 1, kP521 = 2 };

// Element 4: a certificate with its kind, not yet believed to be one.
struct CapfCertificate {
  CapfCertificateType type = CapfCertificateType::kLsc;
  std::vector<uint8_t> der;

  bool operator==(const CapfCertificate&) const = default;
};

// Element 20: a signature with the digest it was made over.
struct CapfSignature {
  uint8_t digest_type = 3;  // 1 SHA-1, 2 SHA-256, 3 SHA-512
  std::vector<uint8_t> bytes;

  bool operator==(const CapfSignature&) const = default;
};

// Element 16: the secure unique device identity. Signed text is the session
// id, then the certificate; the only proof that is bound to the session.
struct CapfSudi {
  std::vector<uint8_t> certificate_der;
  std::vector<uint8_t> sha1_signature;
  std::vector<uint8_t> sha512_signature;

  bool operator==(const CapfSudi&) const = default;
};

// The elements of known encoding. Texts are without their final NUL. Which of
// them a message must hold is the session's question.
struct CapfMessage {
  CapfOpcode opcode = CapfOpcode::kEndSession;
  uint32_t session_id = 0;

  std::optional<uint8_t> reason;                         // 1
  std::optional<std::string> reason_info;                // 2
  std::optional<CapfCertificateType> certificate_type;   // 3
  std::optional<CapfCertificate> certificate;            // 4
  std::optional<std::vector<uint8_t>> sha1_signed_data;  // 6
  std::optional<uint8_t> protocol_version;               // 7
  std::optional<CapfAuthType> auth_type;                 // 8
  std::optional<std::vector<uint8_t>> public_key;        // 9, SPKI DER
  std::optional<uint16_t> key_size;                      // 10, bits
  std::optional<std::string> authentication_string;      // 11, a secret
  std::optional<std::string> device_name;                // 13
  std::optional<CapfSudi> sudi;                          // 16
  std::optional<CapfKeyType> key_type;                   // 17
  std::optional<CapfCurve> curve;                        // 18
  std::optional<uint8_t> digest_type;                    // 19
  std::optional<CapfSignature> sha2_signed_data;         // 20

  bool operator==(const CapfMessage&) const = default;
};

// A message and the bytes it took from the stream.
struct ParsedCapfMessage {
  CapfMessage message;
  size_t consumed = 0;
};

// Reads one message from the start of `stream`, which may hold less than one
// (std::nullopt: need more bytes; a phone may send byte by byte) or more.
//
// Pure. Nothing is allocated for a payload that is not there in full, and a
// length above `max_payload` is refused as soon as the header is in. Unknown
// tags, and tags 5, 12, 14 and 15 whose encoding is not known, are skipped.
// The payloads of opcodes 5-8, 16 and 18-23 are not known and not read.
//
// Returns kInvalidArgument for a wrong magic, an unknown opcode, an oversize
// payload, an element that runs past the payload, a known element of the wrong
// shape, or one that comes twice.
absl::StatusOr<std::optional<ParsedCapfMessage>> ParseCapfMessage(
    absl::Span<const uint8_t> stream, size_t max_payload = kCapfMaxPayload);

// The message with its elements in ascending order of tag, which is the order
// seen on the wire. Send the result in one write: phones stall on a split one.
//
// Returns kInvalidArgument if the payload would exceed 65 535 bytes or a text
// holds a NUL.
absl::StatusOr<std::string> SerializeCapfMessage(const CapfMessage& message);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CAPF_MESSAGE_H_
