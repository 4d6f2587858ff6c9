#include "services/dialplan/core/change_log.h"

#include <optional>
#include <set>
#include <string>
#include <utility>

namespace sallyport::dialplan {

void ChangeLog::Add(int64_t version, std::string name) {
  if (version != last_ + 1) names_.clear();
  last_ = version;
  names_.push_back(std::move(name));
  if (names_.size() > capacity_) names_.pop_front();
}

std::optional<std::set<std::string>> ChangeLog::Since(int64_t version) const {
  if (version > last_ ||
      last_ - version > static_cast<int64_t>(names_.size())) {
    return std::nullopt;
  }
  const auto count = static_cast<size_t>(last_ - version);
  return std::set<std::string>(names_.end() - static_cast<ptrdiff_t>(count),
                               names_.end());
}

}  // namespace sallyport::dialplan
