// Pieces of DER that certificates and revocation lists share.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_DER_PARTS_H_
#define SALLYPORT_SERVICES_CAPF_CORE_DER_PARTS_H_

#include <openssl/asn1.h>
#include <openssl/bytestring.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// How an issuer signs; fixed by the kind of its key.
enum class SignatureAlgorithm {
  kEcdsaSha256,
  kEcdsaSha384,
  kEcdsaSha512,
  kRsaSha256,
};

// Each writes into `cbb` and flushes it; false: out of memory, or a value that
// cannot be written.
bool AddBytes(CBB* cbb, ByteSpan bytes);
// `dotted` as "2.5.29.20".
bool AddOid(CBB* cbb, std::string_view dotted);
bool AddAlgorithm(CBB* cbb, SignatureAlgorithm algorithm);
// RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime after.
bool AddTime(CBB* cbb, absl::Time time);
// Opens an Extension; the caller writes into `value` and flushes `list`.
bool OpenExtension(CBB* list, CBB* extension, CBB* value, std::string_view oid,
                   bool critical);
bool AddAuthorityKeyId(CBB* list, ByteSpan key_id);
// An extension of one distribution point with this URL (RFC 5280 sections
// 4.2.1.13 and 5.2.6); none if the URL is empty.
bool AddDistributionPoint(CBB* list, std::string_view oid,
                          std::string_view url);

// nullopt if there is none, or it is no date.
std::optional<absl::Time> ReadAsn1Time(const ASN1_TIME* time);

// What was written, if `ok`; empty otherwise.
std::string TakeBytes(CBB* cbb, bool ok);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_DER_PARTS_H_
