// One reactor: epoll, timers, and nothing that blocks.

#ifndef SALLYPORT_SERVICES_COMMON_NET_EVENT_LOOP_H_
#define SALLYPORT_SERVICES_COMMON_NET_EVENT_LOOP_H_

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/net/rank.h"
#include "services/common/net/unique_fd.h"
#include "services/common/time/clock.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"

namespace sallyport {

// What a descriptor is watched for, or is ready for.
struct IoEvents {
  bool readable = false;
  bool writable = false;
  // Error or hang-up; always reported, never asked for. read() or SO_ERROR
  // tells which.
  bool failed = false;

  friend bool operator==(const IoEvents&, const IoEvents&) = default;
};

inline constexpr IoEvents kReadable = {.readable = true};
inline constexpr IoEvents kWritable = {.writable = true};
inline constexpr IoEvents kReadableAndWritable = {.readable = true,
                                                  .writable = true};

// Waits for descriptors and deadlines and calls their owners, one at a time,
// on the thread that called Run(). Before Run() starts and after it returns,
// one thread at a time may set the loop up or tear it down; in between all
// methods but Stop() belong to the loop thread, which debug builds check.
// Callbacks may call any method, removal of themselves included. Everything
// that registered with a loop must be gone before the loop is. Loop thread
// only.
class EventLoop {
 public:
  using IoCallback = std::function<void(IoEvents ready)>;
  using TimerCallback = std::function<void(MonoTime now)>;
  using TimerId = uint64_t;

  // `clock` must outlive the loop.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create(
      const Clock& clock = Clock::Real());
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Watches `fd`, level-triggered, until Remove. The descriptor stays the
  // caller's, who calls Remove before closing it.
  absl::Status Add(int fd, IoEvents interest, IoCallback callback,
                   Rank rank = Rank::kFirst);
  // Changes what `fd` is watched for.
  absl::Status Modify(int fd, IoEvents interest);
  void SetRank(int fd, Rank rank);
  // Never calls back for `fd` again, not even for events already collected.
  void Remove(int fd);

  // One timer per owner, disarmed at first: after every input the owner sets
  // it to its core's deadline(). It fires once per Set, at or up to 1 ms after
  // the deadline.
  TimerId AddTimer(TimerCallback callback);
  // InfiniteFuture() disarms.
  void SetTimer(TimerId timer, MonoTime deadline);
  void RemoveTimer(TimerId timer);

  // Runs `task` on the loop thread once those of this rank that are ready have
  // been called; for deleting an object from within its own callback, and for
  // what several callbacks do together.
  void Defer(std::function<void()> task);

  // While something was ready less than this ago, looks for more without
  // sleeping, at the price of a processor: waking up costs tens of
  // microseconds, and in a virtual machine hundreds. Zero, as at first: never.
  void SetBusyPoll(absl::Duration busy_poll) { busy_poll_ = busy_poll; }

  // Calls those of Rank::kUrgent that are ready: for a callback of another rank
  // that has been at it for long, and is not done.
  void ServeUrgent();

  // How long one turn may serve Rank::kLast before it looks for others again.
  // The callback that is over the time still ends.
  void SetTimeForLast(absl::Duration time) { time_for_last_ = time; }

  // The time of this turn, read once when its wait ended, and anew for each of
  // Rank::kLast.
  MonoTime now() const { return now_; }
  // When this turn's wait ended.
  MonoTime turn_start() const { return turn_start_; }
  // Reads the clock anew, for a turn that took long.
  MonoTime RefreshNow();
  const Clock& clock() const { return clock_; }

  // Serves until Stop().
  void Run();
  // One turn: waits at most `max_wait`, calls what is due. For tests.
  void RunOnce(absl::Duration max_wait);
  // Makes Run() return after its current turn, or at once if it has not begun.
  // From any thread and from signal handlers.
  void Stop();

  // Debug builds end here unless on the loop's thread.
  void CheckOnLoopThread() const;

 private:
  struct Watch {
    int fd;
    uint32_t generation;
    Rank rank;
    IoEvents interest;
    IoCallback callback;
  };
  struct Timer {
    TimerCallback callback;
  };

  EventLoop(const Clock& clock, UniqueFd epoll, UniqueFd urgent, UniqueFd last,
            UniqueFd wake);

  int EpollOf(Rank rank) const;
  // Tells the kernel of the watch, `operation` as for epoll_ctl.
  absl::Status Control(int operation, const Watch& watch);
  void Call(const epoll_event& event);
  void ServeLast();

  int WaitMilliseconds(absl::Duration max_wait) const;
  void Turn(absl::Duration max_wait);
  void FireTimers();
  void RunDeferred();

  const Clock& clock_;
  UniqueFd epoll_;
  // Of the ranks that have an epoll of their own, watched by epoll_.
  UniqueFd urgent_;
  UniqueFd last_;
  UniqueFd wake_;
  absl::Duration time_for_last_ = absl::Microseconds(250);
  // Of last_, from the kernel, and how many of them were called.
  std::vector<epoll_event> last_events_;
  size_t last_called_ = 0;
  bool last_is_ready_ = false;
  size_t urgent_count_ = 0;  // how many are watched
  std::atomic<bool> stopping_ = false;
  std::atomic<std::thread::id> thread_ = {};  // none while not running
  MonoTime now_;
  MonoTime turn_start_;
  absl::Duration busy_poll_ = absl::ZeroDuration();
  MonoTime last_ready_ = MonoTime::InfinitePast();
  absl::flat_hash_map<int, std::unique_ptr<Watch>> watches_;
  uint32_t next_generation_ = 1;
  absl::flat_hash_map<TimerId, std::unique_ptr<Timer>> timers_;
  DeadlineQueue<TimerId> deadlines_;
  TimerId next_timer_ = 1;
  std::vector<std::function<void()>> deferred_;
  // Removed during this turn: kept until its end, as one of them may be what
  // is executing.
  std::vector<std::unique_ptr<Watch>> removed_watches_;
  std::vector<std::unique_ptr<Timer>> removed_timers_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_EVENT_LOOP_H_
