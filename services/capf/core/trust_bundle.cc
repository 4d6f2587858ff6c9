#include "services/capf/core/trust_bundle.h"

namespace sallyport::capf {

TrustBundleDelta Diff(const TrustBundle& from, const TrustBundle& to) {
  TrustBundleDelta delta;
  for (const auto& [name, certificates] : to.stores) {
    const auto before = from.stores.find(name);
    if (before == from.stores.end() || before->second != certificates) {
      delta.stores.emplace(name, certificates);
    }
  }
  for (const auto& [name, certificates] : from.stores) {
    if (!to.stores.contains(name)) {
      delta.stores.emplace(name, std::vector<std::string>());
    }
  }
  for (const auto& [serial, revoked] : to.revoked) {
    const auto before = from.revoked.find(serial);
    if (before == from.revoked.end() || !(before->second == revoked)) {
      delta.revoked.push_back(revoked);
    }
  }
  return delta;
}

}  // namespace sallyport::capf
