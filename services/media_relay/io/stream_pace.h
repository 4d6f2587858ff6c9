// When a joined connection that has said too much is read again.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_STREAM_PACE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_STREAM_PACE_H_

#include <functional>
#include <utility>

#include "services/common/net/event_loop.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

// Has a timer from the first wait on. Loop thread only.
class StreamPace {
 public:
  // `loop` must outlive it.
  explicit StreamPace(EventLoop& loop) : loop_(loop) {}
  ~StreamPace() { Stop(); }
  StreamPace(const StreamPace&) = delete;
  StreamPace& operator=(const StreamPace&) = delete;

  // Runs `then` at `until`; an earlier wait is forgotten.
  void Wait(MonoTime until, std::function<void()> then) {
    then_ = std::move(then);
    if (timer_ == 0) {
      timer_ = loop_.AddTimer([this](MonoTime) {
        waits_ = false;
        then_();
      });
    }
    waits_ = true;
    loop_.SetTimer(timer_, until);
  }
  bool waits() const { return waits_; }
  void Stop() {
    if (timer_ != 0) loop_.RemoveTimer(std::exchange(timer_, 0));
    waits_ = false;
  }

 private:
  EventLoop& loop_;
  EventLoop::TimerId timer_ = 0;
  bool waits_ = false;
  std::function<void()> then_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_STREAM_PACE_H_
