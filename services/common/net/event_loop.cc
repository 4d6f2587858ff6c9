#include "services/common/net/event_loop.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "services/common/net/errno_status.h"
#include "services/common/status/check.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr int kUrgentEventsAtOnce = 16;
constexpr int kLastEventsAtOnce = 64;

uint32_t EpollMask(IoEvents interest) {
  return (interest.readable ? uint32_t{EPOLLIN | EPOLLRDHUP} : 0) |
         (interest.writable ? uint32_t{EPOLLOUT} : 0);
}

// The descriptor, and which of its registrations: a number that was closed and
// opened again within one turn must not get the old one's events.
uint64_t Tag(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create(
    const Clock& clock) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus(errno, "epoll_create1");
  UniqueFd urgent(epoll_create1(EPOLL_CLOEXEC));
  if (!urgent.valid()) return ErrnoStatus(errno, "epoll_create1");
  UniqueFd last(epoll_create1(EPOLL_CLOEXEC));
  if (!last.valid()) return ErrnoStatus(errno, "epoll_create1");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  for (const int fd : {wake.get(), urgent.get(), last.get()}) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = Tag(fd, 0);
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return ErrnoStatus(errno, "epoll_ctl");
    }
  }
  return std::unique_ptr<EventLoop>(
      new EventLoop(clock, std::move(epoll), std::move(urgent), std::move(last),
                    std::move(wake)));
}

EventLoop::EventLoop(const Clock& clock, UniqueFd epoll, UniqueFd urgent,
                     UniqueFd last, UniqueFd wake)
    : clock_(clock),
      epoll_(std::move(epoll)),
      urgent_(std::move(urgent)),
      last_(std::move(last)),
      wake_(std::move(wake)),
      now_(clock.MonoNow()),
      turn_start_(now_) {}

EventLoop::~EventLoop() = default;

void EventLoop::CheckOnLoopThread() const {
  SP_DCHECK(thread_.load(std::memory_order_relaxed) == std::thread::id() ||
            thread_.load(std::memory_order_relaxed) ==
                std::this_thread::get_id());
}

int EventLoop::EpollOf(Rank rank) const {
  switch (rank) {
    case Rank::kUrgent:
      return urgent_.get();
    case Rank::kFirst:
      return epoll_.get();
    case Rank::kLast:
      return last_.get();
  }
  SP_CHECK(false);
}

absl::Status EventLoop::Control(int operation, const Watch& watch) {
  epoll_event event = {};
  event.events = EpollMask(watch.interest);
  event.data.u64 = Tag(watch.fd, watch.generation);
  return epoll_ctl(EpollOf(watch.rank), operation, watch.fd, &event) == 0
             ? absl::OkStatus()
             : ErrnoStatus(errno, "epoll_ctl");
}

absl::Status EventLoop::Add(int fd, IoEvents interest, IoCallback callback,
                            Rank rank) {
  CheckOnLoopThread();
  if (watches_.contains(fd)) {
    return absl::AlreadyExistsError("the descriptor is watched already");
  }
  // 0 is the wake descriptor's.
  const uint32_t generation = std::max(next_generation_++, uint32_t{1});
  auto watch = std::make_unique<Watch>(Watch{.fd = fd,
                                             .generation = generation,
                                             .rank = rank,
                                             .interest = interest,
                                             .callback = std::move(callback)});
  SP_RETURN_IF_ERROR(Control(EPOLL_CTL_ADD, *watch));
  if (rank == Rank::kUrgent) ++urgent_count_;
  watches_[fd] = std::move(watch);
  return absl::OkStatus();
}

absl::Status EventLoop::Modify(int fd, IoEvents interest) {
  CheckOnLoopThread();
  const auto it = watches_.find(fd);
  if (it == watches_.end()) {
    return absl::NotFoundError("the descriptor is not watched");
  }
  it->second->interest = interest;
  return Control(EPOLL_CTL_MOD, *it->second);
}

void EventLoop::SetRank(int fd, Rank rank) {
  CheckOnLoopThread();
  const auto it = watches_.find(fd);
  if (it == watches_.end() || it->second->rank == rank) return;
  Watch& watch = *it->second;
  // Where it goes first: without memory it stays where it is.
  const Rank before = std::exchange(watch.rank, rank);
  if (!Control(EPOLL_CTL_ADD, watch).ok()) {
    watch.rank = before;
    return;
  }
  epoll_ctl(EpollOf(before), EPOLL_CTL_DEL, fd, nullptr);
  if (before == Rank::kUrgent) --urgent_count_;
  if (rank == Rank::kUrgent) ++urgent_count_;
}

void EventLoop::Remove(int fd) {
  CheckOnLoopThread();
  const auto it = watches_.find(fd);
  if (it == watches_.end()) return;
  (void)Control(EPOLL_CTL_DEL, *it->second);
  if (it->second->rank == Rank::kUrgent) --urgent_count_;
  removed_watches_.push_back(std::move(it->second));
  watches_.erase(it);
}

EventLoop::TimerId EventLoop::AddTimer(TimerCallback callback) {
  CheckOnLoopThread();
  const TimerId id = next_timer_++;
  timers_[id] = std::make_unique<Timer>(Timer{std::move(callback)});
  return id;
}

void EventLoop::SetTimer(TimerId timer, MonoTime deadline) {
  CheckOnLoopThread();
  SP_DCHECK(timers_.contains(timer));
  deadlines_.Set(timer, deadline);
}

void EventLoop::RemoveTimer(TimerId timer) {
  CheckOnLoopThread();
  deadlines_.Erase(timer);
  const auto it = timers_.find(timer);
  if (it == timers_.end()) return;
  removed_timers_.push_back(std::move(it->second));
  timers_.erase(it);
}

void EventLoop::Defer(std::function<void()> task) {
  CheckOnLoopThread();
  deferred_.push_back(std::move(task));
}

MonoTime EventLoop::RefreshNow() {
  CheckOnLoopThread();
  now_ = clock_.MonoNow();
  return now_;
}

int EventLoop::WaitMilliseconds(absl::Duration max_wait) const {
  if (!deferred_.empty() || last_called_ < last_events_.size()) return 0;
  const absl::Duration wait =
      std::min(max_wait, deadlines_.next() - clock_.MonoNow());
  if (wait <= absl::ZeroDuration()) return 0;
  if (wait > absl::Milliseconds(INT_MAX - 1)) {
    return wait == absl::InfiniteDuration() ? -1 : INT_MAX;
  }
  // Up, or the loop would spin for the last part of a millisecond.
  return static_cast<int>(
      absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
}

void EventLoop::Turn(absl::Duration max_wait) {
  std::array<epoll_event, kEventsPerTurn> events;
  const bool busy =
      busy_poll_ > absl::ZeroDuration() && now_ - last_ready_ < busy_poll_;
  const int count = epoll_wait(epoll_.get(), events.data(), kEventsPerTurn,
                               busy ? 0 : WaitMilliseconds(max_wait));
  SP_CHECK(count >= 0 || errno == EINTR);
  turn_start_ = now_ = clock_.MonoNow();
  if (count > 0) last_ready_ = now_;
  const uint64_t urgent = Tag(urgent_.get(), 0);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == urgent) ServeUrgent();
  }
  for (int i = 0; i < count; ++i) Call(events[i]);
  FireTimers();
  RunDeferred();
  ServeLast();
  removed_watches_.clear();
  removed_timers_.clear();
}

void EventLoop::Call(const epoll_event& event) {
  const int fd = static_cast<int>(static_cast<uint32_t>(event.data.u64));
  const uint32_t generation = static_cast<uint32_t>(event.data.u64 >> 32);
  if (generation == 0) {
    uint64_t ignored;
    // Nothing to do if it fails: then it was read already.
    if (fd == wake_.get() && read(fd, &ignored, sizeof(ignored)) < 0) return;
    if (fd == last_.get()) last_is_ready_ = true;
    return;
  }
  const auto it = watches_.find(fd);
  if (it == watches_.end() || it->second->generation != generation) return;
  const uint32_t mask = event.events;
  Watch* const watch =
      it->second.get();  // outlives the call, see removed_watches_
  watch->callback({.readable = (mask & (EPOLLIN | EPOLLRDHUP)) != 0,
                   .writable = (mask & EPOLLOUT) != 0,
                   .failed = (mask & (EPOLLERR | EPOLLHUP)) != 0});
}

void EventLoop::ServeUrgent() {
  CheckOnLoopThread();
  if (urgent_count_ == 0) return;
  std::array<epoll_event, kUrgentEventsAtOnce> events;
  const int count = epoll_wait(urgent_.get(), events.data(),
                               kUrgentEventsAtOnce, /*timeout=*/0);
  for (int i = 0; i < count; ++i) Call(events[static_cast<size_t>(i)]);
}

void EventLoop::ServeLast() {
  if (last_called_ == last_events_.size()) {
    if (!std::exchange(last_is_ready_, false)) return;
    last_events_.resize(kLastEventsAtOnce);
    const int count = epoll_wait(last_.get(), last_events_.data(),
                                 kLastEventsAtOnce, /*timeout=*/0);
    last_events_.resize(static_cast<size_t>(std::max(count, 0)));
    last_called_ = 0;
  }
  // What the kernel has told and time does not allow is called next turn, so
  // that each has its turn, however many there are.
  const MonoTime end = RefreshNow() + time_for_last_;
  while (last_called_ < last_events_.size()) {
    Call(last_events_[last_called_++]);
    if (RefreshNow() < end) continue;
    // There may be no end to them: other threads that those of the first rank
    // wait for, and that run on this processor too, do not wait for the
    // scheduler's next tick.
    RunDeferred();
    sched_yield();
    return;
  }
  RunDeferred();
}

void EventLoop::FireTimers() {
  // At most as many as are armed now: a timer that re-arms itself for now must
  // not starve the descriptors.
  for (size_t left = deadlines_.size(); left > 0; --left) {
    const auto id = deadlines_.PopExpired(now_);
    if (!id) return;
    Timer* const timer = timers_.at(*id).get();  // outlives the call
    timer->callback(now_);
  }
}

void EventLoop::RunDeferred() {
  std::vector<std::function<void()>> tasks;
  tasks.swap(deferred_);
  for (const auto& task : tasks) task();
}

void EventLoop::Run() {
  SP_CHECK(thread_.load() == std::thread::id());
  thread_.store(std::this_thread::get_id());
  while (!stopping_.load(std::memory_order_acquire)) {
    Turn(absl::InfiniteDuration());
  }
  stopping_.store(false);
  thread_.store(std::thread::id());
}

void EventLoop::RunOnce(absl::Duration max_wait) {
  CheckOnLoopThread();
  Turn(max_wait);
}

void EventLoop::Stop() {
  stopping_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  // It only fails when the counter is full, and then the loop wakes anyway.
  if (write(wake_.get(), &one, sizeof(one)) < 0) return;
}

}  // namespace sallyport
