#include "services/capf/core/trust_bundle.h"

namespace sallyport::capf {

namespace {

// What differs; what is there no more is covered at no time.
template <typename Key>
std::map<Key, RevocationCoverage> DiffCoverage(
    const std::map<Key, RevocationCoverage>& from,
    const std::map<Key, RevocationCoverage>& to) {
  std::map<Key, RevocationCoverage> out;
  for (const auto& [issuer, coverage] : to) {
    const auto before = from.find(issuer);
    if (before == from.end() || !(before->second == coverage)) {
      out.emplace(issuer, coverage);
    }
  }
  for (const auto& [issuer, coverage] : from) {
    if (!to.contains(issuer)) out.emplace(issuer, RevocationCoverage());
  }
  return out;
}

}  // namespace

bool TrustBundle::IsHard(const std::string& store) const {
  return hard_stores.contains(store.substr(store.rfind('/') + 1));
}

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
  for (const auto& [serial, revoked] : from.revoked) {
    if (!to.revoked.contains(serial)) delta.restored.push_back(revoked);
  }
  delta.coverage = DiffCoverage(from.coverage, to.coverage);
  delta.indirect_coverage =
      DiffCoverage(from.indirect_coverage, to.indirect_coverage);
  return delta;
}

TrustBundleStep NextStep(const TrustBundle& from, const TrustBundle& to,
                         size_t max_revoked) {
  TrustBundleStep step{.delta = Diff(from, to), .holds = to, .complete = true};
  TrustBundleDelta& delta = step.delta;
  if (delta.revoked.size() <= max_revoked &&
      delta.restored.size() <= max_revoked) {
    return step;
  }
  // The version in force stays the old one until all of it is there.
  step.complete = false;
  step.holds.version = from.version;
  step.holds.coverage = from.coverage;
  step.holds.indirect_coverage = from.indirect_coverage;
  delta.coverage.clear();
  delta.indirect_coverage.clear();
  size_t taken = 0;  // of what is new, in the order of the delta
  for (const auto& [serial, revoked] : to.revoked) {
    const auto before = from.revoked.find(serial);
    const bool is_new =
        before == from.revoked.end() || !(before->second == revoked);
    if (is_new && ++taken > max_revoked) {
      if (before == from.revoked.end()) {
        step.holds.revoked.erase(serial);
      } else {
        step.holds.revoked[serial] = before->second;
      }
    }
  }
  taken = 0;
  for (const auto& [serial, revoked] : from.revoked) {
    if (!to.revoked.contains(serial) && ++taken > max_revoked) {
      step.holds.revoked.emplace(serial, revoked);
    }
  }
  if (delta.revoked.size() > max_revoked) delta.revoked.resize(max_revoked);
  if (delta.restored.size() > max_revoked) delta.restored.resize(max_revoked);
  return step;
}

}  // namespace sallyport::capf
