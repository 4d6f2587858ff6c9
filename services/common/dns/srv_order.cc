#include "services/common/dns/srv_order.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sallyport {

std::vector<SrvRecord> OrderServices(std::vector<SrvRecord> services,
                                     RandomSource& random) {
  std::erase_if(services,
                [](const SrvRecord& each) { return each.target.empty(); });
  // Those of no weight stand before the others, as the RFC wants it.
  std::stable_sort(services.begin(), services.end(),
                   [](const SrvRecord& a, const SrvRecord& b) {
                     return a.priority != b.priority
                                ? a.priority < b.priority
                                : a.weight == 0 && b.weight != 0;
                   });
  for (auto first = services.begin(); first != services.end(); ++first) {
    uint64_t sum = 0;
    auto end = first;
    for (; end != services.end() && end->priority == first->priority; ++end) {
      sum += end->weight;
    }
    const uint64_t drawn = random.NextU64() % (sum + 1);
    uint64_t running = 0;
    auto chosen = first;
    for (auto each = first; each != end; ++each) {
      running += each->weight;
      chosen = each;
      if (running >= drawn) break;
    }
    std::rotate(first, chosen, chosen + 1);
  }
  return services;
}

}  // namespace sallyport
