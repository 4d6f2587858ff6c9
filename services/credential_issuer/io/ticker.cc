#include "services/credential_issuer/io/ticker.h"

#include <utility>

namespace sallyport::credential_issuer {

Ticker::Ticker(absl::Duration interval, std::function<void()> call)
    : interval_(interval), call_(std::move(call)), thread_([this] { Run(); }) {}

Ticker::~Ticker() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void Ticker::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval_);
      if (stopping_) return;
    }
    call_();
  }
}

}  // namespace sallyport::credential_issuer
