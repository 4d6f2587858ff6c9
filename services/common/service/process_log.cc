#include "services/common/service/process_log.h"

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "services/common/service/metrics_table.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

constexpr size_t kDefaultBytes = size_t{4} << 20;

std::atomic<const LineQueue*> the_queue = nullptr;

void TellGap(const LineQueue::Counts& dropped) {
  LogWarning("lines of the log were dropped",
             {{"blocked", dropped[static_cast<size_t>(LineDrop::kBlocked)]},
              {"refused", dropped[static_cast<size_t>(LineDrop::kRefused)]}});
}

}  // namespace

ProcessLog& ProcessLog::Begin(LogOptions options, size_t max_bytes) {
  SP_CHECK(the_queue == nullptr);
  auto* const log = new ProcessLog(max_bytes == 0 ? kDefaultBytes : max_bytes);
  the_queue = &log->queue_;
  options.writer = [log](std::string_view line) {
    log->queue_.Append(std::string(line));
  };
  InitLogging(std::move(options));
  return *log;
}

ProcessLog::ProcessLog(size_t max_bytes)
    : queue_(STDERR_FILENO, {.max_bytes = max_bytes, .on_resume = TellGap}) {}

void ProcessLog::OnFailure(const char* /*text*/) {
  const LineQueue* const queue = the_queue.exchange(nullptr);
  for (int i = 0; i < 200 && queue != nullptr && queue->waiting() > 0; ++i) {
    const timespec millisecond = {0, 1'000'000};
    nanosleep(&millisecond, nullptr);
  }
}

void ProcessLog::Count(MetricsRegistry& metrics) {
  const CounterFamily dropped = metrics.Counter(kLogLinesDroppedTotal);
  const absl::MutexLock lock(&mutex_);
  for (const LineDrop why : {LineDrop::kBlocked, LineDrop::kRefused}) {
    uint64_t& counted = counted_[static_cast<size_t>(why)];
    const uint64_t now = queue_.dropped(why);
    dropped.Add(static_cast<double>(now - counted), why);
    counted = now;
  }
}

}  // namespace sallyport
