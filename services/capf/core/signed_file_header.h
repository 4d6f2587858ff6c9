// The header of a file that phones accept only signed: CTL and ITL files
// (`.tlv`) and signed configuration (`.sgn`).
//
// There is no public specification. The layout is what published dumps of a
// real call manager, an open tool whose files phones accept, and a live file
// agree on: elements of `tag u8 | length u16 | value`, big endian, text with a
// final NUL that the length counts, and up to three bare padding octets 0x0d
// that make the header a multiple of four.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_SIGNED_FILE_HEADER_H_
#define SALLYPORT_SERVICES_CAPF_CORE_SIGNED_FILE_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

enum class SignedFileDigest : uint8_t { kSha1 = 1, kSha256 = 2, kSha512 = 3 };

// "SHA-1", "SHA-256", "SHA-512".
std::string_view SignedFileDigestName(SignedFileDigest digest);

struct FormatVersion {
  uint8_t major = 1;
  uint8_t minor = 2;  // 2 for lists, 0 for signed configuration

  bool operator==(const FormatVersion&) const = default;
};

// What a header says. Texts are without their NUL.
struct SignedFileHeader {
  FormatVersion version;
  // Element 28: "1.1" is what switches elliptic keys on in phones. Absent in
  // the files of older call managers.
  std::optional<FormatVersion> signer_version;
  std::string signer_name;    // subject of the signer, as DnText()
  std::string signer_serial;  // big-endian octets, no leading zero
  std::string signer_issuer;  // issuer of the signer, as DnText()
  SignedFileDigest digest = SignedFileDigest::kSha1;
  // Octets of the signer's modulus: 64, 128, 256 or 512. There is no code for
  // 384, so a key of 3072 bits cannot sign.
  size_t modulus_size = 0;
  std::string signature;   // of modulus_size octets; empty: not yet signed
  std::string file_name;   // "CTLFile.tlv", also in a per-device file
  uint32_t timestamp = 0;  // Unix seconds

  bool operator==(const SignedFileHeader&) const = default;
};

// Where the parts lie in the file that was read.
struct SignedFileLayout {
  size_t header_size = 0;      // the first octet after the header
  size_t signature_begin = 0;  // of the whole element 12, tag included
  size_t signature_end = 0;

  bool operator==(const SignedFileLayout&) const = default;
};

struct ParsedSignedFileHeader {
  SignedFileHeader header;
  SignedFileLayout layout;
};

// Reads the header at the start of `file`. Elements may come in any order but
// the first two, as the tools in the field differ; anything that two readers
// could understand differently is refused. Pure.
//
// Returns kInvalidArgument with the offset in its message and a reason:
// HEADER_MALFORMED (no version, or a length that is not in the file),
// ELEMENT_DUPLICATE, ELEMENT_MISSING, ELEMENT_INVALID (wrong length, or text
// that is not text), LENGTH_MISMATCH (a container that does not hold what
// follows it, or a signature that is not of the modulus' size).
absl::StatusOr<ParsedSignedFileHeader> ParseSignedFileHeader(ByteSpan file);

// The header in the order in which a call manager writes it, with the given
// signature. An empty signature leaves element 12 out, but is counted in the
// header's length: that is the text that is signed.
//
// Returns kInvalidArgument, reason HEADER_INVALID, if a text holds a NUL, a
// size has no code, or the header would exceed 65 535 octets.
absl::StatusOr<std::string> WriteSignedFileHeader(
    const SignedFileHeader& header);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_SIGNED_FILE_HEADER_H_
