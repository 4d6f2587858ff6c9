// Whether a certificate holds the name of a host that was connected to (RFC
// 9525, RFC 6125): for HTTPS and its like. SIP has rules of its own (RFC 5922).

#ifndef SALLYPORT_SERVICES_COMMON_PKI_HOST_NAME_H_
#define SALLYPORT_SERVICES_COMMON_PKI_HOST_NAME_H_

#include <string_view>

#include "services/common/pki/parsed_certificate.h"

namespace sallyport {

// `host` is a DNS name or an address in text. Only alternative names count. A
// first label "*" stands for one whole label and needs two more behind it.
bool HoldsHostName(const ParsedCertificate& certificate, std::string_view host);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_PKI_HOST_NAME_H_
