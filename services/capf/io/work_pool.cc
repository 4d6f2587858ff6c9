#include "services/capf/io/work_pool.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {

WorkPool::WorkPool(size_t threads, size_t capacity) : capacity_(capacity) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

WorkPool::~WorkPool() { Stop(); }

absl::Status WorkPool::Post(std::function<void()> job) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || jobs_.size() >= capacity_) {
    return MakeError(absl::StatusCode::kResourceExhausted, "TOO_BUSY",
                     "too much work is waiting");
  }
  Push(std::move(job));
  return absl::OkStatus();
}

void WorkPool::Expect() {
  absl::MutexLock lock(&mutex_);
  ++expected_;
}

void WorkPool::Continue(std::function<void()> job) {
  absl::MutexLock lock(&mutex_);
  --expected_;
  Push(std::move(job));
}

void WorkPool::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    WakeAll();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkPool::Push(std::function<void()> job) {
  jobs_.push_back(std::move(job));
  WakeOne();
}

void WorkPool::WakeOne() {
  if (waking_ || sleeping_.empty()) return;
  waking_ = true;
  sleeping_.back()->Signal();
  sleeping_.pop_back();
}

void WorkPool::WakeAll() {
  for (absl::CondVar* const thread : sleeping_) thread->Signal();
  sleeping_.clear();
}

bool WorkPool::Take(absl::CondVar& woken, std::function<void()>& job) {
  absl::MutexLock lock(&mutex_);
  while (jobs_.empty() && !IsOver()) {
    sleeping_.push_back(&woken);
    // Also without cause: then it is still among those that sleep.
    while (absl::c_linear_search(sleeping_, &woken)) woken.Wait(&mutex_);
    waking_ = false;
  }
  if (jobs_.empty()) {
    WakeAll();
    return false;
  }
  job = std::move(jobs_.front());
  jobs_.pop_front();
  if (!jobs_.empty()) WakeOne();
  return true;
}

void WorkPool::Run() {
  absl::CondVar woken;
  std::function<void()> job;
  while (Take(woken, job)) {
    job();
    job = nullptr;
  }
}

}  // namespace sallyport::capf
