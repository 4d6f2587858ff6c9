#include "services/common/digit_analysis/plan_entry.h"

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace sallyport {

const std::string& NameOf(const PlanEntry& entry) {
  return std::visit([](const auto& e) -> const std::string& { return e.name; },
                    entry);
}

void AddTo(PlanSnapshot& snapshot, PlanEntry entry) {
  ForEachList(snapshot, [&entry](auto& list) {
    using Entry = typename std::decay_t<decltype(list)>::value_type;
    if (Entry* mine = std::get_if<Entry>(&entry)) {
      list.push_back(std::move(*mine));
    }
  });
}

}  // namespace sallyport
