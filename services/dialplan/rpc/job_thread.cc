#include "services/dialplan/rpc/job_thread.h"

#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport::dialplan {

JobThread::JobThread(size_t max_waiting) : max_waiting_(max_waiting) {
  thread_ = std::thread([this] { Run(); });
}

JobThread::~JobThread() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void JobThread::Enqueue(std::function<absl::Status()> run, Done done) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_ && queue_.size() < max_waiting_) {
      queue_.push_back({std::move(run), std::move(done)});
      return;
    }
  }
  done(MakeError(absl::StatusCode::kResourceExhausted, "EVALUATIONS_WAITING",
                 "too many evaluations wait: try again later"));
}

void JobThread::Run() {
  for (;;) {
    Job job;
    bool stopping = false;
    {
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !queue_.empty() || stopping_;
      };
      absl::MutexLock lock(&mutex_, absl::Condition(&ready));
      if (queue_.empty()) return;
      stopping = stopping_;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    job.done(stopping ? MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                                  "this instance is about to end")
                      : job.run());
  }
}

}  // namespace sallyport::dialplan
