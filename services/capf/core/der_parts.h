// Pieces of DER that certificates and revocation lists share.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_DER_PARTS_H_
#define SALLYPORT_SERVICES_CAPF_CORE_DER_PARTS_H_

#include <openssl/asn1.h>
#include <openssl/bytestring.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
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

// The identifier octet of a SEQUENCE.
inline constexpr uint8_t kSequence = 0x30;

// Each writes into `cbb` and flushes it; false: out of memory, or a value that
// cannot be written.
bool AddBytes(CBB* cbb, ByteSpan bytes);
// An element whose content, in parts, is at most 65535 octets. `tag` is the
// identifier octet. Several times as fast as a child of `cbb`, whose length is
// known only once it is flushed.
bool AddElement(CBB* cbb, uint8_t tag, std::initializer_list<ByteSpan> content);
// Identifier and length octets of such an element, as a part of another.
class DerHeader {
 public:
  DerHeader(uint8_t tag, size_t content_size);
  ByteSpan bytes() const { return {octets_, size_}; }
  size_t size() const { return size_; }

 private:
  uint8_t octets_[4];
  uint8_t size_ = 0;
};
// `dotted` as "2.5.29.20".
bool AddOid(CBB* cbb, std::string_view dotted);
// The AlgorithmIdentifier, whole (RFC 5758 section 3.2, RFC 4055 section 5).
std::string_view AlgorithmIdentifier(SignatureAlgorithm algorithm);
bool AddAlgorithm(CBB* cbb, SignatureAlgorithm algorithm);
// RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime after.
bool AddTime(CBB* cbb, absl::Time time);
// Opens an Extension; the caller writes into `value` and flushes `list`.
bool OpenExtension(CBB* list, CBB* extension, CBB* value, std::string_view oid,
                   bool critical);
bool AddAuthorityKeyId(CBB* list, ByteSpan key_id);
bool AddSubjectKeyId(CBB* list, ByteSpan key_id);
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
