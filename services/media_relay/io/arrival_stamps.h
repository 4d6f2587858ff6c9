// Whether the kernel notes when datagrams arrive, for the sockets of all loops.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_ARRIVAL_STAMPS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_ARRIVAL_STAMPS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

// Whether the kernel tells when datagrams arrived, for the added delay of
// media; without it none is reported.
void StampArrivals(int fd, bool on);

// Stamps on one socket make the kernel read its clock for every datagram that
// the machine receives or sends to itself, a thirtieth of what forwarding
// costs, and turning them on or off interrupts every processor once. So all
// sockets have them or none: while no loop has much to do, and else for a
// sixteenth of the time. Thread-safe.
class ArrivalStamps {
 public:
  // Batches of a loop that make one period, of which one in kPeriods has
  // stamps.
  static constexpr size_t kBatchesPerPeriod = 1024;
  static constexpr uint64_t kPeriods = 16;
  // A loop that was not heard of for so long has nothing to do.
  static constexpr absl::Duration kForgotten = absl::Seconds(5);

  // A socket, with stamps or without as they are in force. To be removed before
  // it is closed.
  void Add(int fd) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(int fd) ABSL_LOCKS_EXCLUDED(mutex_);

  // A loop that has much to do has had another period, or one that has little
  // asks whether that still holds for others.
  void OnPeriod(MonoTime now) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnLittle(MonoTime now) ABSL_LOCKS_EXCLUDED(mutex_);

  bool on() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Set(bool on) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::vector<int> fds_ ABSL_GUARDED_BY(mutex_);
  bool on_ ABSL_GUARDED_BY(mutex_) = true;
  uint64_t periods_ ABSL_GUARDED_BY(mutex_) = 0;
  MonoTime last_period_ ABSL_GUARDED_BY(mutex_) = MonoTime::InfinitePast();
};

// How much a loop has to do, by what it receives at a time. Loop thread only.
class ReceiveLoad {
 public:
  // `small` and `large` batches, on average.
  ReceiveLoad(size_t small, size_t large) : small_(small), large_(large) {}

  // Another batch of `count`. After every period, and of little load every 64th
  // batch, true: ArrivalStamps is to be told, by much().
  bool OnBatch(size_t count) {
    size_ += count - size_ / kAveraged;
    ++batches_;
    const size_t usual = size_ / kAveraged;
    if (much_ ? usual < small_ : usual >= large_) {
      much_ = !much_;
      batches_ = 0;
    }
    const size_t due = much_ ? ArrivalStamps::kBatchesPerPeriod : kAveraged;
    if (batches_ < due) return false;
    batches_ = 0;
    return true;
  }
  bool much() const { return much_; }

 private:
  static constexpr size_t kAveraged = 64;

  const size_t small_;
  const size_t large_;
  bool much_ = false;
  size_t batches_ = 0;  // since it was last told
  size_t size_ = 0;     // of a batch on average, times kAveraged
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_ARRIVAL_STAMPS_H_
