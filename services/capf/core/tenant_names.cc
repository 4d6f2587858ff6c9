#include "services/capf/core/tenant_names.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace sallyport::capf {
namespace {

// `name` is `domain` or lies below it; both lower case.
bool IsWithin(std::string_view name, std::string_view domain) {
  if (name == domain) return true;
  return name.size() > domain.size() + 1 &&
         name.substr(name.size() - domain.size()) == domain &&
         name[name.size() - domain.size() - 1] == '.';
}

}  // namespace

void TenantNames::Add(std::string_view tenant, std::string_view domain) {
  domains_[std::string(tenant)].push_back(
      absl::AsciiStrToLower(std::string(domain)));
}

bool TenantNames::Cover(const std::string& tenant, const SubjectName& subject,
                        const SubjectAltNames& names) const {
  const auto its = domains_.find(tenant);
  if (its == domains_.end()) return false;
  const auto covers = [&](const std::string& name) {
    const std::string lower = absl::AsciiStrToLower(name);
    return IsDnsName(lower) &&
           std::any_of(
               its->second.begin(), its->second.end(),
               [&](const std::string& one) { return IsWithin(lower, one); });
  };
  const auto covers_uri = [&](const std::string& uri) {
    return IsSipDomainUri(uri) && covers(uri.substr(uri.find(':') + 1));
  };
  return covers(subject.common_name) && names.ip_addresses.empty() &&
         std::all_of(names.dns_names.begin(), names.dns_names.end(), covers) &&
         std::all_of(names.uris.begin(), names.uris.end(), covers_uri);
}

}  // namespace sallyport::capf
