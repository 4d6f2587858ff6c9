// How many calls of a toll class, and how fast, a caller and its tenant may
// have: a stolen password must not cost a night of premium calls.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TOLL_GUARD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TOLL_GUARD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/digit_analysis/routing_entries.h"
#include "services/common/time/mono_time.h"

namespace sallyport::signaling_edge {

// Counts by the limits of dialling restrictions (TollLimit). Only callers that
// have proven who they are come here, so there are no more of them than the
// plan has. Thread-compatible.
class TollGuard {
 public:
  // What a call takes up until it ends.
  using Places = std::vector<std::string>;

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

  size_t size() const { return states_.size(); }

 private:
  struct State {
    uint32_t calls = 0;
    MonoTime arrival = MonoTime::InfinitePast();  // see TakeGcra
  };

  void Prune(MonoTime now);

  absl::flat_hash_map<std::string, State> states_;
  size_t prune_at_ = 1024;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TOLL_GUARD_H_
