#include "services/common/net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "services/common/net/errno_status.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

constexpr int kEventsPerTurn = 256;

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
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = Tag(wake.get(), 0);
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return std::unique_ptr<EventLoop>(
      new EventLoop(clock, std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(const Clock& clock, UniqueFd epoll, UniqueFd wake)
    : clock_(clock),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      now_(clock.MonoNow()) {}

EventLoop::~EventLoop() = default;

void EventLoop::CheckOnLoopThread() const {
  SP_DCHECK(thread_.load(std::memory_order_relaxed) == std::thread::id() ||
            thread_.load(std::memory_order_relaxed) ==
                std::this_thread::get_id());
}

absl::Status EventLoop::Add(int fd, IoEvents interest, IoCallback callback) {
  CheckOnLoopThread();
  if (watches_.contains(fd)) {
    return absl::AlreadyExistsError("the descriptor is watched already");
  }
  // 0 is the wake descriptor's.
  const uint32_t generation = std::max(next_generation_++, uint32_t{1});
  epoll_event event = {};
  event.events = EpollMask(interest);
  event.data.u64 = Tag(fd, generation);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  watches_[fd] = std::make_unique<Watch>(Watch{
      .fd = fd, .generation = generation, .callback = std::move(callback)});
  return absl::OkStatus();
}

absl::Status EventLoop::Modify(int fd, IoEvents interest) {
  CheckOnLoopThread();
  const auto it = watches_.find(fd);
  if (it == watches_.end()) {
    return absl::NotFoundError("the descriptor is not watched");
  }
  epoll_event event = {};
  event.events = EpollMask(interest);
  event.data.u64 = Tag(fd, it->second->generation);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

void EventLoop::Remove(int fd) {
  CheckOnLoopThread();
  const auto it = watches_.find(fd);
  if (it == watches_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
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
  if (!deferred_.empty()) return 0;
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
  now_ = clock_.MonoNow();
  if (count > 0) last_ready_ = now_;
  for (int i = 0; i < count; ++i) {
    const int fd = static_cast<int>(static_cast<uint32_t>(events[i].data.u64));
    const uint32_t generation = static_cast<uint32_t>(events[i].data.u64 >> 32);
    if (generation == 0) {
      uint64_t ignored;
      // Nothing to do if it fails: then it was read already.
      if (read(fd, &ignored, sizeof(ignored)) < 0) continue;
      continue;
    }
    const auto it = watches_.find(fd);
    if (it == watches_.end() || it->second->generation != generation) continue;
    const uint32_t mask = events[i].events;
    Watch* const watch =
        it->second.get();  // outlives the call, see removed_watches_
    watch->callback({.readable = (mask & (EPOLLIN | EPOLLRDHUP)) != 0,
                     .writable = (mask & EPOLLOUT) != 0,
                     .failed = (mask & (EPOLLERR | EPOLLHUP)) != 0});
  }
  FireTimers();
  RunDeferred();
  removed_watches_.clear();
  removed_timers_.clear();
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
