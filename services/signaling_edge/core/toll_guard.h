// How many calls of a toll class, and how fast, a caller and its tenant may
// have: a stolen password must not cost a night of premium calls.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TOLL_GUARD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TOLL_GUARD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/common/digit_analysis/routing_entries.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/keyed_counts.h"

namespace sallyport::signaling_edge {

// Counts by the limits of dialling restrictions (TollLimit). Fixed memory, of
// KeyedCounts and GcraTable, for kCallers callers and tenants with such calls
// at a time; beyond that it errs in their favour. Threads that ask in the same
// microsecond may each get the last place. Thread-safe.
class TollGuard {
 public:
  static constexpr size_t kCallers = 65'536;

  // What a call takes up until it ends.
  using Places = std::vector<uint64_t>;

  explicit TollGuard(RandomSource& random);

  // A call of this class, by what `restriction` (may be null) says; it counts
  // for the rates if it is allowed. TOLL_CALL_LIMIT, TOLL_CALL_RATE.
  // A call for help is always allowed.
  absl::Status Admit(const DiallingRestrictionEntry* restriction,
                     TollClass toll_class, std::string_view caller,
                     std::string_view tenant, MonoTime now);
  // It begins, once for each place that is tried; the result is for OnEnded().
  Places OnBegan(const DiallingRestrictionEntry* restriction,
                 TollClass toll_class, std::string_view caller,
                 std::string_view tenant);
  void OnEnded(const Places& places);

 private:
  // Of one counter: the limit's, of the caller or of all of its tenant.
  uint64_t KeyOf(const DiallingRestrictionEntry& restriction, size_t limit,
                 std::string_view subject) const;

  const std::array<uint64_t, 2> key_;
  KeyedCounts calls_;
  GcraTable rates_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TOLL_GUARD_H_
