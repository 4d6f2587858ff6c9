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

TrustBundleStep NextStep(const TrustBundle& from, const TrustBundle& to,
                         size_t max_revoked) {
  TrustBundleStep step{.delta = Diff(from, to), .holds = to, .complete = true};
  if (step.delta.revoked.size() <= max_revoked) return step;
  // The version in force stays the old one until all of it is there.
  step.complete = false;
  step.holds.version = from.version;
  step.delta.revoked.resize(max_revoked);
  size_t taken = 0;  // of what is new, in the order of the delta
  for (const auto& [serial, revoked] : to.revoked) {
    const auto before = from.revoked.find(serial);
    const bool is_new =
        before == from.revoked.end() || !(before->second == revoked);
    if (is_new && ++taken > max_revoked) step.holds.revoked.erase(serial);
  }
  return step;
}

}  // namespace sallyport::capf
