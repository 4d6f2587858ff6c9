// The relay's share of the port range 50000-59999 (AVE-02, AVE-26 to AVE-28):
// uniform and unpredictable choice, no early reuse.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PORT_POOL_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PORT_POOL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

struct PortPoolOptions {
  uint16_t first = 50000;
  uint16_t last = 59999;  // inclusive
  // Loops share the range without talking: loop `shard` of `shards` owns every
  // `shards`-th pair of an even port and the odd one after it.
  uint32_t shard = 0;
  uint32_t shards = 1;
  // A freed port rests this long, so that late packets of one call never meet
  // another.
  absl::Duration quarantine = absl::Seconds(60);
};

// Owns one shard of the range; a port is out from Take...() until Release().
// Thread-compatible.
class PortPool {
 public:
  // `random` must outlive the pool and be fit for keys.
  PortPool(RandomSource& random, const PortPoolOptions& options);

  // A free port, uniform over all free ones; nothing when none is free.
  std::optional<uint16_t> Take(MonoTime now);
  // An even port, uniform over those free whose odd neighbour is free as well;
  // both are then out (RTP and RTCP, EVEN-PORT with the R bit).
  std::optional<uint16_t> TakePair(MonoTime now);

  // Gives a port back; it rests before it is free again. Ports that are not
  // out are ignored.
  void Release(uint16_t port, MonoTime now);

  size_t size() const { return total_; }
  size_t free_count(MonoTime now);
  size_t out_count() const { return out_; }
  // Given back, and not free yet.
  size_t resting_count(MonoTime now) {
    EndQuarantine(now);
    return resting_.size();
  }

 private:
  static constexpr uint32_t kNotFree = UINT32_MAX;
  enum class State : uint8_t { kForeign, kFree, kOut, kResting };

  void EndQuarantine(MonoTime now);
  void MakeFree(uint16_t port);
  void TakeFree(uint16_t port);
  bool IsFree(uint32_t port) const;
  size_t Index(uint32_t port) const { return port - options_.first; }

  RandomSource& random_;
  PortPoolOptions options_;
  size_t total_ = 0;
  size_t out_ = 0;
  std::vector<State> state_;        // by port - first
  std::vector<uint32_t> position_;  // place in free_, by port - first
  std::vector<uint16_t> free_;      // unordered
  struct Resting {
    uint16_t port;
    MonoTime until;
  };
  std::deque<Resting> resting_;  // in order of time
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PORT_POOL_H_
