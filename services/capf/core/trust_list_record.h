// One record of a CTL or ITL file: whom a phone may trust, and for what.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_RECORD_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_reader.h"

namespace sallyport::capf {

// What a certificate is trusted for. Other numbers exist and are kept.
enum class TrustListRole : uint16_t {
  kSast = 0,  // system administrator security token: signs lists
  kCcm = 1,   // call manager
  kCcmTftp = 2,
  kTftp = 3,
  kCapf = 4,
  kAppServer = 7,
  kTvs = 21,
};

// "SAST", "CCM+TFTP" and so on; "ROLE 42" for a number without a name.
std::string TrustListRoleName(TrustListRole role);

// Texts are without their NUL; an empty field is left out of the file, but for
// dns_name, which is then written as nothing but its NUL if it is set.
struct TrustListRecord {
  std::optional<std::string> dns_name;
  std::string subject;  // as DnText()
  TrustListRole role = TrustListRole::kSast;
  std::string issuer;      // as DnText()
  std::string serial;      // big-endian octets, no leading zero
  std::string public_key;  // RSAPublicKey in DER, or a point of X9.62
  std::string signature;   // the certificate's own
  std::string certificate;
  std::string ip_address;  // 4 or 16 octets (CUC-85)
  std::string certificate_hash;
  std::optional<uint8_t> hash_algorithm;

  bool operator==(const TrustListRecord&) const = default;
};

// The record of a node, all fields from its certificate. kInvalidArgument as
// ParseCertificate() says, or reason CERTIFICATE_UNFIT if the key is neither
// RSA nor a curve that phones know.
absl::StatusOr<TrustListRecord> RecordOf(std::string_view certificate_der,
                                         TrustListRole role,
                                         std::string_view dns_name,
                                         std::string_view ip_address);

// The same without the certificate: how a non-secure cluster names its call
// managers, so that phones have no one to speak TLS with.
TrustListRecord WithoutCertificate(const TrustListRecord& record);

// Reads the next record. Elements that are unknown, from 16 on, are skipped.
//
// kInvalidArgument with the offset and a reason: RECORD_MALFORMED (its length
// is not first or not in the file), ELEMENT_DUPLICATE, ELEMENT_MISSING (no
// role), ELEMENT_INVALID, LENGTH_MISMATCH.
absl::StatusOr<TrustListRecord> ReadTrustListRecord(ByteReader& file);

// In the order in which a call manager writes it. kInvalidArgument, reason
// RECORD_INVALID, if a text holds a NUL, an address is not of 4 or 16 octets,
// or the record would exceed 65 535 octets.
absl::StatusOr<std::string> WriteTrustListRecord(const TrustListRecord& record);

// A distinguished name as lists hold it: "CN=..;OU=..;O=..", the most specific
// part first. It is compared as text, by phones and by the trust verification
// service alike, so there is this one way to make it.
absl::StatusOr<std::string> DnText(std::string_view name_der);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TRUST_LIST_RECORD_H_
