// Says no early: how much new work is refused, by how late the loop is and how
// full its sockets are, before queues grow (RFC 7339 section 5.10 asks for 503
// with Retry-After of those that know no finer way).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_OVERLOAD_GATE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_OVERLOAD_GATE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"

namespace sallyport::signaling_edge {

// What a loop has measured of itself since it last told.
struct LoadSample {
  absl::Duration lag;     // how late a timer came
  double queue_fill = 0;  // of the fullest receive queue, 0 to 1
};

// Who wants something new. What belongs to a call or registration that stands,
// and calls for help, never ask.
enum class LoadClass : uint8_t {
  kStranger,  // has proven nothing, here or lately
  kFamiliar,  // its source has proven something in the last day
  kProven,    // this request's sender is known
};

// A level from 0 to 1, moved a step with each sample: strangers are refused
// first, by and by all of them, before anybody who has proven who it is; those
// that have are refused in part only when that was not enough. For a queue that
// strangers fill they are not refused at all: it would empty no faster.
// Thread-compatible.
class OverloadGate {
 public:
  struct Options {
    absl::Duration target_lag = absl::Milliseconds(50);
    double target_fill = 0.1;
    // A single late turn is no overload: so many in a row are.
    int patience = 4;
    // Samples are this long apart; without any for ten times that, the level
    // falls as if there were no load.
    absl::Duration interval = absl::Milliseconds(50);
  };

  OverloadGate(const Options& options, RandomSource& random)
      : options_(options), random_(random) {}

  void OnSample(const LoadSample& sample, MonoTime now);
  // A message came, whatever becomes of it.
  void OnMessage(bool proven) { ++(proven ? proven_ : strange_); }
  // Whether one more is taken. Draws, so that all are treated alike.
  bool Admit(LoadClass who, MonoTime now);
  // Seconds: spread, so that who was refused does not come back at once with
  // all others.
  int RetryAfter();

  double level() const { return level_.value; }

 private:
  const Options options_;
  RandomSource& random_;
  // One level, and how many samples in a row were above target.
  struct Level {
    double value = 0;
    int pressed = 0;
  };
  void Move(Level& level, double pressure);

  Level level_;
  Level proven_level_;    // for who is proven
  uint64_t proven_ = 0;   // messages since the last sample
  uint64_t strange_ = 0;  // likewise
  MonoTime last_sample_ = MonoTime::InfinitePast();
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_OVERLOAD_GATE_H_
