#include "services/capf/io/work_thread.h"

#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport::capf {

WorkThread::WorkThread(size_t capacity)
    : capacity_(capacity), thread_([this] { Run(); }) {}

WorkThread::~WorkThread() { Stop(); }

absl::Status WorkThread::Post(std::function<void()> job) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || jobs_.size() >= capacity_) {
    return MakeError(absl::StatusCode::kResourceExhausted, "TOO_BUSY",
                     "too much work is waiting");
  }
  jobs_.push_back(std::move(job));
  return absl::OkStatus();
}

void WorkThread::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void WorkThread::Run() {
  while (true) {
    std::function<void()> job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](WorkThread* self)
               ABSL_NO_THREAD_SAFETY_ANALYSIS { return self->HasWork(); },
          this));
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

WorkThreads::WorkThreads(size_t threads, size_t capacity) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.push_back(std::make_unique<WorkThread>(capacity));
  }
}

void WorkThreads::Stop() {
  for (const auto& thread : threads_) thread->Stop();
}

}  // namespace sallyport::capf
