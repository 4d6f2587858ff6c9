// Which names the administrators of a tenant may have certified.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TENANT_NAMES_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TENANT_NAMES_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "services/capf/core/certificate_names.h"

namespace sallyport::capf {

// The domains of each tenant. A tenant that has none may have nothing
// certified by itself. Immutable once filled.
class TenantNames {
 public:
  // `domain` is a host name; everything below it is the tenant's too.
  void Add(std::string_view tenant, std::string_view domain);

  // Whether all that the certificate would say is the tenant's: the common
  // name (peers read it where there is no other, RFC 5922 section 7.1), every
  // dNSName and every sip URI. Addresses and spiffe URIs are nobody's.
  bool Cover(const std::string& tenant, const SubjectName& subject,
             const SubjectAltNames& names) const;

 private:
  std::map<std::string, std::vector<std::string>> domains_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TENANT_NAMES_H_
