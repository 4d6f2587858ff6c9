#include "services/dialplan/io/plan_board.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"

namespace sallyport::dialplan {

void PlanBoard::Account(const PlanRecord& record, bool add, int64_t version) {
  PlanChecksum one;
  one.Add(record.name(), record.etag);
  const std::string_view name = TenantOf(record.name());
  auto tenant = tenants_.find(AbslView(name));
  if (tenant == tenants_.end()) {
    tenant = tenants_.try_emplace(std::string(name)).first;
  }
  for (PlanChecksum* sum : {&sum_, &tenant->second.sum}) {
    if (add) {
      sum->Merge(one);
    } else {
      sum->Subtract(one);
    }
  }
  tenant->second.changed_version = version;
  size_t& count = counts_[record.entry.index()];
  count = add ? count + 1 : count - 1;
}

void PlanBoard::Remember(int64_t version) {
  checksums_.emplace_back(version, sum_);
  if (checksums_.size() > history_ + 1) checksums_.pop_front();
}

void PlanBoard::Start(
    const Plan& plan, int64_t version, absl::Time time,
    const std::vector<std::pair<int64_t, std::string>>& changes) {
  absl::MutexLock lock(&mutex_);
  // What was there before, and may be gone, has changed too.
  for (auto& [name, tenant] : tenants_) tenant = {PlanChecksum(), version};
  sum_ = PlanChecksum();
  counts_ = {};
  checksums_.clear();
  records_ = RecordMap(plan.records());
  for (const auto& [name, record] : plan.records()) {
    Account(*record, true, version);
  }
  log_.StartAt(changes.empty() ? version : changes.front().first - 1);
  for (const auto& [at, name] : changes) log_.Add(at, name);
  head_ = {version, sum_.Hex(), time};
  Remember(version);
}

void PlanBoard::Publish(const std::vector<PlanChange>& changes,
                        absl::Time time) {
  if (changes.empty()) return;
  absl::MutexLock lock(&mutex_);
  RecordMap::Edit edit(records_);
  for (const PlanChange& change : changes) {
    const RecordPtr before = change.after != nullptr ? edit.Put(change.after)
                                                     : edit.Erase(change.name);
    if (before != nullptr) Account(*before, false, change.version);
    if (change.after != nullptr) Account(*change.after, true, change.version);
    log_.Add(change.version, change.name);
    Remember(change.version);
  }
  records_ = std::move(edit).Done();
  head_ = {changes.back().version, sum_.Hex(), time};
}

PlanBoard::Head PlanBoard::head() const {
  absl::MutexLock lock(&mutex_);
  return head_;
}

RecordPtr PlanBoard::Find(std::string_view name) const {
  return records().Find(name);
}

std::vector<RecordPtr> PlanBoard::List(std::string_view prefix,
                                       std::string_view after,
                                       size_t limit) const {
  const RecordMap all = records();
  std::vector<RecordPtr> out;
  for (auto it = after > prefix ? all.UpperBound(after)
                                : all.LowerBound(prefix);
       it != all.end() && out.size() < limit &&
       (*it)->name().compare(0, prefix.size(), prefix) == 0;
       ++it) {
    out.push_back(*it);
  }
  return out;
}

std::vector<RecordPtr> PlanBoard::ListTenants(std::string_view after,
                                              size_t limit) const {
  const RecordMap all = records();
  std::vector<RecordPtr> out;
  auto it = all.UpperBound(after);
  while (it != all.end() && out.size() < limit) {
    if (std::holds_alternative<TenantEntry>((*it)->entry)) {
      out.push_back(*it);
      ++it;
    } else {
      // Past all that belongs to this tenant: '0' follows '/'.
      it = all.LowerBound(std::string(TenantOf((*it)->name())) + "0");
    }
  }
  return out;
}

std::array<size_t, std::variant_size_v<PlanEntry>> PlanBoard::counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

PlanBoard::Head PlanBoard::HeadFor(const Tenants& tenants) const {
  Head head = head_;
  if (tenants.empty()) return head;
  PlanChecksum sum;
  for (const std::string& tenant :
       std::set<std::string>(tenants.begin(), tenants.end())) {
    const auto it = tenants_.find(AbslView(tenant));
    if (it != tenants_.end()) sum.Merge(it->second.sum);
  }
  head.checksum = sum.Hex();
  return head;
}

RecordMap PlanBoard::records() const {
  absl::MutexLock lock(&mutex_);
  return records_;
}

PlanBoard::View PlanBoard::view(const Tenants& tenants) const {
  absl::MutexLock lock(&mutex_);
  return {HeadFor(tenants), records_};
}

std::optional<std::set<std::string>> PlanBoard::NamesSince(
    int64_t version, std::string_view checksum, const Tenants& tenants) const {
  absl::MutexLock lock(&mutex_);
  if (version <= 0) return std::nullopt;
  if (!checksum.empty()) {
    if (version == head_.version) {
      if (checksum != HeadFor(tenants).checksum) return std::nullopt;
    } else if (tenants.empty()) {
      // Older than this process: the consumer checks the result itself.
      const auto it = std::lower_bound(
          checksums_.begin(), checksums_.end(), version,
          [](const auto& entry, int64_t v) { return entry.first < v; });
      if (it != checksums_.end() && it->first == version &&
          it->second.Hex() != checksum) {
        return std::nullopt;
      }
    }
  }
  std::optional<std::set<std::string>> names = log_.Since(version);
  if (names.has_value() && !tenants.empty()) {
    std::erase_if(*names, [&](const std::string& name) {
      return std::find(tenants.begin(), tenants.end(), TenantOf(name)) ==
             tenants.end();
    });
  }
  return names;
}

std::pair<int64_t, int64_t> PlanBoard::VersionsOf(
    std::string_view tenant) const {
  absl::MutexLock lock(&mutex_);
  const auto it = tenants_.find(AbslView(tenant));
  return {head_.version, it == tenants_.end() ? 0 : it->second.changed_version};
}

}  // namespace sallyport::dialplan
