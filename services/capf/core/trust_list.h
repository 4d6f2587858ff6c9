// A CTL or ITL file: a signed header, then one record for each certificate.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/trust_list_record.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// Most signers that phones accept in one list: two, so that one of them can
// be replaced.
inline constexpr size_t kMaxListSigners = 2;

// How a cluster says to its phones whether to speak TLS (CCE-32): the list
// itself carries it, in the records of the call managers.
enum class ClusterSecurityMode { kNonSecure, kMixed };

struct TrustList {
  SignedFileHeader header;
  std::vector<TrustListRecord> records;

  bool operator==(const TrustList&) const = default;

  // kNonSecure if a call manager's record holds no certificate.
  ClusterSecurityMode cluster_mode() const;
  // Records of one role, in order.
  std::vector<const TrustListRecord*> OfRole(TrustListRole role) const;
  // The record of role SAST that the header names as the signer; null if there
  // is none, or more than one.
  const TrustListRecord* Signer() const;
};

struct ParsedTrustList {
  TrustList list;
  SignedFileLayout layout;
};

// Reads a whole file. Pure; kInvalidArgument as the readers of header and
// records say, or reason RECORD_MISSING if there is no record at all.
absl::StatusOr<ParsedTrustList> ParseTrustList(ByteSpan file);

// The file. With an empty signature it is what is signed: the whole element is
// cut out, but the header's length counts it. kInvalidArgument as the writers
// of header and records say.
absl::StatusOr<std::string> WriteTrustList(const TrustList& list);

// The signed text of a file that was read.
std::string SignedTextOf(ByteSpan file, const SignedFileLayout& layout);

// Whether `signature` over `text` (RSASSA-PKCS1-v1_5) verifies with the key
// of `certificate_der`.
bool VerifySignedFile(std::string_view text, SignedFileDigest digest,
                      std::string_view signature,
                      std::string_view certificate_der);

// Reads a file and checks all that can be checked without a phone: one signer
// in the list, its signature right, its certificate an RSA key of the stated
// size; every record's fields those of its certificate; two signers at most.
//
// kInvalidArgument with a reason: those of ParseTrustList(),
// SIGNER_NOT_IN_LIST, SIGNATURE_WRONG, RECORD_MISMATCH, TOO_MANY_SIGNERS, or
// SERIAL_DUPLICATE: two certificates that differ are the same one to a phone.
absl::StatusOr<ParsedTrustList> VerifyTrustList(ByteSpan file);

// What differs, one line each, in words for an operator: header fields, then
// records that only one of them has (by role and serial number), then records
// that both have with other contents. Empty: they are equal.
std::vector<std::string> DifferencesOf(const TrustList& left,
                                       const TrustList& right);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_H_
