#include "services/signaling_edge/core/toll_guard.h"

#include <openssl/siphash.h>

#include <algorithm>
#include <string>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

bool Counts(const TollLimit& limit, TollClass toll_class) {
  return std::find(limit.toll_classes.begin(), limit.toll_classes.end(),
                   toll_class) != limit.toll_classes.end();
}

// A minute's worth may come at once.
GcraLimit PerMinute(uint32_t calls) {
  return GcraLimit::PerSecond(calls / 60.0, calls);
}

// The octets of a key, for GcraTable.
ByteSpan Octets(const uint64_t& key) {
  return {reinterpret_cast<const uint8_t*>(&key), sizeof(key)};
}

absl::Status Exceeded(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kResourceExhausted, reason, what);
}

}  // namespace

TollGuard::TollGuard(RandomSource& random)
    : key_{random.NextU64(), random.NextU64()},
      calls_(kCallers / 4),
      rates_({}, kCallers, random) {}

uint64_t TollGuard::KeyOf(const DiallingRestrictionEntry& restriction,
                          size_t limit, std::string_view subject) const {
  const std::string text = Cat(restriction.name, "#", limit, "#", subject);
  const ByteSpan bytes = AsBytes(text);
  return SIPHASH_24(key_.data(), bytes.data(), bytes.size());
}

absl::Status TollGuard::Admit(const DiallingRestrictionEntry* restriction,
                              TollClass toll_class, std::string_view caller,
                              std::string_view tenant, MonoTime now) {
  if (restriction == nullptr || toll_class == TollClass::kEmergency) {
    return absl::OkStatus();
  }
  // All are looked at before any is taken: a call that is refused by one limit
  // counts for no other.
  std::vector<std::pair<uint64_t, GcraLimit>> taken;
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
      const uint64_t key = KeyOf(*restriction, i, scope.subject);
      if (scope.calls != 0 && calls_.Of(key) >= scope.calls) {
        return Exceeded("TOLL_CALL_LIMIT",
                        Cat(scope.whose,
                            " has as many calls of this toll "
                            "class as ",
                            restriction->name, " allows"));
      }
      if (scope.per_minute == 0) continue;
      const GcraLimit rate = PerMinute(scope.per_minute);
      if (!rates_.Look(rate, Octets(key), now)) {
        return Exceeded("TOLL_CALL_RATE", Cat(scope.whose,
                                              " makes calls of this toll class "
                                              "faster than ",
                                              restriction->name, " allows"));
      }
      taken.emplace_back(key, rate);
    }
  }
  for (const auto& [key, rate] : taken) rates_.Take(rate, Octets(key), now);
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
  for (const uint64_t place : places) calls_.Add(place);
  return places;
}

void TollGuard::OnEnded(const Places& places) {
  for (const uint64_t place : places) calls_.Remove(place);
}

}  // namespace sallyport::signaling_edge
