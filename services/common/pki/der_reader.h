// Small parts of DER that certificates and revocation lists share.

#ifndef SALLYPORT_SERVICES_COMMON_PKI_DER_READER_H_
#define SALLYPORT_SERVICES_COMMON_PKI_DER_READER_H_

#include <openssl/bytestring.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/common/pki/parsed_certificate.h"

namespace sallyport {

std::string OctetsOf(const CBS& cbs);

// UTCTime or GeneralizedTime in the only forms of RFC 5280 section 4.1.2.5:
// whole seconds, and "Z". nullopt for any other.
std::optional<absl::Time> ReadTime(CBS* in);

// A BOOLEAN DEFAULT FALSE. False: malformed.
bool ReadFlagIfAny(CBS* in, bool& out);

// The content of a SEQUENCE OF GeneralName. With `constraint`, the forms of
// name constraints: an address with its mask. False: malformed.
bool ReadGeneralNames(CBS content, bool constraint,
                      std::vector<GeneralName>& out);
bool ReadGeneralName(CBS* in, bool constraint, GeneralName& out);

// The content of a named BIT STRING: bit 0 is the lowest. False: malformed.
bool ReadNamedBits(CBS content, uint16_t& out);

// DistributionPointName, whose tag was taken off.
bool ReadPointName(CBS content, std::vector<GeneralName>& full_name,
                   std::string& relative_name);

// CRLDistributionPoints, as several extensions hold them. False: malformed.
bool ReadDistributionPoints(CBS value, std::vector<DistributionPoint>& out);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_DER_READER_H_
