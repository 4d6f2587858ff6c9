// Reading a reply of a name server.

#ifndef SALLYPORT_SERVICES_COMMON_DNS_DNS_REPLY_H_
#define SALLYPORT_SERVICES_COMMON_DNS_DNS_REPLY_H_

#include "services/common/bytes/byte_span.h"
#include "services/common/dns/dns_record.h"

namespace sallyport {

// Reads a reply (RFC 1035 section 4) that c-ares has matched with its question
// by id, and holds that question. kFailure for one that cannot be read or has
// an error code other than "no such name". The time to live is the least of
// the records used, or the SOA's of an empty answer (RFC 2308 section 5). Not
// more than 64 records are taken. Pure.
DnsAnswer ReadDnsReply(ByteSpan reply, DnsType type);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DNS_DNS_REPLY_H_
