#include "services/signaling_edge/core/toll_guard.h"

#include <algorithm>
#include <utility>

#include "services/common/rate_limit/gcra.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

bool Counts(const TollLimit& limit, TollClass toll_class) {
  return std::find(limit.toll_classes.begin(), limit.toll_classes.end(),
                   toll_class) != limit.toll_classes.end();
}

// One counter: the limit's, of the caller or of all of its tenant.
std::string KeyOf(const DiallingRestrictionEntry& restriction, size_t limit,
                  std::string_view subject) {
  return Cat(restriction.name, "#", limit, "#", subject);
}

// A minute's worth may come at once.
GcraLimit PerMinute(uint32_t calls) {
  return GcraLimit::PerSecond(calls / 60.0, calls);
}

absl::Status Exceeded(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kResourceExhausted, reason, what);
}

}  // namespace

absl::Status TollGuard::Admit(const DiallingRestrictionEntry* restriction,
                              TollClass toll_class, std::string_view caller,
                              std::string_view tenant, MonoTime now) {
  if (restriction == nullptr || toll_class == TollClass::kEmergency) {
    return absl::OkStatus();
  }
  Prune(now);
  // All are looked at before any is taken: a call that is refused by one limit
  // counts for no other.
  std::vector<std::pair<std::string, MonoTime>> taken;
  for (size_t i = 0; i < restriction->toll_limits.size(); ++i) {
    const TollLimit& limit = restriction->toll_limits[i];
    if (!Counts(limit, toll_class)) continue;
    const struct {
      std::string_view subject;
      uint32_t calls;
      uint32_t per_minute;
      std::string_view whose;
    } scopes[] = {
        {caller, limit.calls_per_caller, limit.calls_per_minute_per_caller,
         "the caller"},
        {tenant, limit.calls_per_tenant, limit.calls_per_minute_per_tenant,
         "the tenant"},
    };
    for (const auto& scope : scopes) {
      if (scope.calls == 0 && scope.per_minute == 0) continue;
      std::string key = KeyOf(*restriction, i, scope.subject);
      const auto it = states_.find(key);
      const State state = it == states_.end() ? State() : it->second;
      if (scope.calls != 0 && state.calls >= scope.calls) {
        return Exceeded("TOLL_CALL_LIMIT",
                        Cat(scope.whose,
                            " has as many calls of this toll "
                            "class as ",
                            restriction->name, " allows"));
      }
      if (scope.per_minute == 0) continue;
      MonoTime arrival = state.arrival;
      if (!TakeGcra(PerMinute(scope.per_minute), arrival, now)) {
        return Exceeded("TOLL_CALL_RATE", Cat(scope.whose,
                                              " makes calls of this toll class "
                                              "faster than ",
                                              restriction->name, " allows"));
      }
      taken.emplace_back(std::move(key), arrival);
    }
  }
  for (auto& [key, arrival] : taken) states_[key].arrival = arrival;
  return absl::OkStatus();
}

TollGuard::Places TollGuard::OnBegan(
    const DiallingRestrictionEntry* restriction, TollClass toll_class,
    std::string_view caller, std::string_view tenant) {
  Places places;
  if (restriction == nullptr || toll_class == TollClass::kEmergency) {
    return places;
  }
  for (size_t i = 0; i < restriction->toll_limits.size(); ++i) {
    const TollLimit& limit = restriction->toll_limits[i];
    if (!Counts(limit, toll_class)) continue;
    if (limit.calls_per_caller != 0) {
      places.push_back(KeyOf(*restriction, i, caller));
    }
    if (limit.calls_per_tenant != 0) {
      places.push_back(KeyOf(*restriction, i, tenant));
    }
  }
  for (const std::string& place : places) ++states_[place].calls;
  return places;
}

void TollGuard::OnEnded(const Places& places) {
  for (const std::string& place : places) {
    const auto it = states_.find(place);
    if (it != states_.end() && it->second.calls > 0) --it->second.calls;
  }
}

void TollGuard::Prune(MonoTime now) {
  if (states_.size() < prune_at_) return;
  absl::erase_if(states_, [now](const auto& entry) {
    return entry.second.calls == 0 && entry.second.arrival <= now;
  });
  prune_at_ = std::max<size_t>(1024, 2 * states_.size());
}

}  // namespace sallyport::signaling_edge
