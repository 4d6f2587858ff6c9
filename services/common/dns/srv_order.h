// In which order the servers of a name are tried.

#ifndef SALLYPORT_SERVICES_COMMON_DNS_SRV_ORDER_H_
#define SALLYPORT_SERVICES_COMMON_DNS_SRV_ORDER_H_

#include <vector>

#include "services/common/dns/dns_record.h"
#include "services/common/random/random_source.h"

namespace sallyport {

// RFC 2782: by priority, the lowest first; of one priority by lot, a server's
// chance to be next being its share of the weights. Records that say that there
// is no service (target ".") are left out.
std::vector<SrvRecord> OrderServices(std::vector<SrvRecord> services,
                                     RandomSource& random);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DNS_SRV_ORDER_H_
