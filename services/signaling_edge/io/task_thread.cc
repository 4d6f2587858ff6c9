#include "services/signaling_edge/io/task_thread.h"

#include <utility>

namespace sallyport::signaling_edge {

TaskThread::TaskThread(size_t capacity, size_t threads) : capacity_(capacity) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

TaskThread::~TaskThread() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status TaskThread::Post(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (queue_.size() >= capacity_) {
    return absl::ResourceExhaustedError("too many tasks wait");
  }
  queue_.push_back(std::move(task));
  return absl::OkStatus();
}

void TaskThread::Run() {
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  };
  for (;;) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&ready));
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace sallyport::signaling_edge
