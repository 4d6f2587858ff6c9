#include "services/dialplan/io/plan_board.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "services/common/digit_analysis/plan_defaults.h"

namespace sallyport::dialplan {
namespace {

bool Wanted(const PlanBoard::Tenants& tenants, std::string_view name) {
  return tenants.empty() || std::find(tenants.begin(), tenants.end(),
                                      TenantOf(name)) != tenants.end();
}

}  // namespace

void PlanBoard::Account(const PlanRecord& record, bool add) {
  PlanChecksum& tenant = sum_of_tenant_[std::string(TenantOf(record.name()))];
  for (PlanChecksum* sum : {&sum_, &tenant}) {
    if (add) {
      sum->Add(record.name(), record.etag);
    } else {
      sum->Remove(record.name(), record.etag);
    }
  }
  size_t& count = counts_[record.entry.index()];
  count = add ? count + 1 : count - 1;
}

void PlanBoard::Remember(int64_t version) {
  checksums_.emplace_back(version, sum_.Hex());
  if (checksums_.size() > history_ + 1) checksums_.pop_front();
}

void PlanBoard::Start(
    const Plan& plan, int64_t version, absl::Time time,
    const std::vector<std::pair<int64_t, std::string>>& changes) {
  absl::MutexLock lock(&mutex_);
  records_ = plan.records();
  for (const auto& [name, record] : records_) Account(*record, true);
  log_.StartAt(changes.empty() ? version : changes.front().first - 1);
  for (const auto& [at, name] : changes) log_.Add(at, name);
  head_ = {version, sum_.Hex(), time};
  Remember(version);
}

void PlanBoard::Publish(const std::vector<PlanChange>& changes,
                        absl::Time time) {
  if (changes.empty()) return;
  absl::MutexLock lock(&mutex_);
  for (const PlanChange& change : changes) {
    RecordPtr& place = records_[change.name];
    if (place != nullptr) Account(*place, false);
    if (change.after != nullptr) {
      place = change.after;
      Account(*place, true);
    } else {
      records_.erase(change.name);
    }
    log_.Add(change.version, change.name);
    Remember(change.version);
  }
  head_ = {changes.back().version, sum_.Hex(), time};
}

PlanBoard::Head PlanBoard::head() const {
  absl::MutexLock lock(&mutex_);
  return head_;
}

RecordPtr PlanBoard::Find(std::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto it = records_.find(name);
  return it == records_.end() ? nullptr : it->second;
}

std::vector<RecordPtr> PlanBoard::List(std::string_view prefix,
                                       std::string_view after,
                                       size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<RecordPtr> out;
  for (auto it = after > prefix ? records_.upper_bound(after)
                                : records_.lower_bound(prefix);
       it != records_.end() && out.size() < limit &&
       it->first.compare(0, prefix.size(), prefix) == 0;
       ++it) {
    out.push_back(it->second);
  }
  return out;
}

std::vector<RecordPtr> PlanBoard::ListTenants(std::string_view after,
                                              size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<RecordPtr> out;
  auto it = records_.upper_bound(after);
  while (it != records_.end() && out.size() < limit) {
    if (std::holds_alternative<TenantEntry>(it->second->entry)) {
      out.push_back(it->second);
      ++it;
    } else {
      // Past all that belongs to this tenant: '0' follows '/'.
      it = records_.lower_bound(std::string(TenantOf(it->first)) + "0");
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
    const auto it = sum_of_tenant_.find(tenant);
    if (it != sum_of_tenant_.end()) sum.Merge(it->second);
  }
  head.checksum = sum.Hex();
  return head;
}

std::optional<PlanBoard::Update> PlanBoard::Since(
    int64_t version, std::string_view checksum, const Tenants& tenants) const {
  absl::MutexLock lock(&mutex_);
  Update out;
  out.head = HeadFor(tenants);
  bool known = version > 0;
  if (known && !checksum.empty()) {
    if (version == head_.version) {
      known = checksum == out.head.checksum;
    } else if (tenants.empty()) {
      // Older than this process: the consumer checks the result itself.
      for (const auto& [at, sum] : checksums_) {
        if (at == version) known = sum == checksum;
      }
    }
  }
  if (known && version == head_.version) return std::nullopt;
  const std::optional<std::set<std::string>> names =
      known ? log_.Since(version) : std::nullopt;
  if (names.has_value()) {
    for (const std::string& name : *names) {
      if (!Wanted(tenants, name)) continue;
      const auto it = records_.find(name);
      out.records.emplace_back(name,
                               it == records_.end() ? nullptr : it->second);
    }
    return out;
  }
  out.full = true;
  out.records.reserve(records_.size());
  for (const auto& [name, record] : records_) {
    if (Wanted(tenants, name)) out.records.emplace_back(name, record);
  }
  return out;
}

}  // namespace sallyport::dialplan
