#include "services/common/rpc/call_limit.h"

#include <algorithm>
#include <iterator>

#include "absl/time/clock.h"

namespace sallyport {
namespace {

constexpr absl::Duration kLongestTick = absl::Milliseconds(100);

}  // namespace

CallLimit::CallLimit(absl::Duration longest)
    : longest_(longest), thread_([this] { Run(); }) {}

CallLimit::~CallLimit() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

std::optional<CallLimit::Call> CallLimit::Begin(
    grpc::ServerContextBase* context, absl::Time start) {
  const absl::Time latest = start + longest_;
  if (absl::FromChrono(context->deadline()) <= latest) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  if (spare_.empty()) {
    calls_.push_back({latest, context});
  } else {
    calls_.splice(calls_.end(), spare_, spare_.begin());
    calls_.back() = {latest, context};
  }
  return std::prev(calls_.end());
}

void CallLimit::End(Call call) {
  absl::MutexLock lock(&mutex_);
  spare_.splice(spare_.begin(), calls_, call);
}

void CallLimit::Run() {
  const absl::Duration tick = std::min(kLongestTick, longest_ / 50);
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), tick)) {
    const absl::Time now = absl::Now();
    for (Entry& entry : calls_) {
      if (entry.latest > now) break;
      if (entry.context == nullptr) continue;
      entry.context->TryCancel();
      entry.context = nullptr;  // once
    }
  }
}

}  // namespace sallyport
