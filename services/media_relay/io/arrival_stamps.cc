#include "services/media_relay/io/arrival_stamps.h"

#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/synchronization/mutex.h"
#include "services/common/time/mono_time.h"

namespace sallyport::media_relay {

void StampArrivals(int fd, bool on) {
  // Unlike SO_TIMESTAMPNS this can be turned off, so that the kernel no longer
  // reads its clock for each datagram.
  const int flags =
      on ? SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE : 0;
  (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
}

void ArrivalStamps::Set(bool on) {
  if (on == on_) return;
  on_ = on;
  for (const int fd : fds_) StampArrivals(fd, on);
}

void ArrivalStamps::Add(int fd) {
  absl::MutexLock lock(&mutex_);
  fds_.push_back(fd);
  StampArrivals(fd, on_);
}

void ArrivalStamps::Remove(int fd) {
  absl::MutexLock lock(&mutex_);
  fds_.erase(std::remove(fds_.begin(), fds_.end(), fd), fds_.end());
}

void ArrivalStamps::OnPeriod(MonoTime now) {
  absl::MutexLock lock(&mutex_);
  last_period_ = now;
  Set(++periods_ % kPeriods == 0);
}

void ArrivalStamps::OnLittle(MonoTime now) {
  absl::MutexLock lock(&mutex_);
  if (!on_ && now - last_period_ >= kForgotten) Set(true);
}

bool ArrivalStamps::on() const {
  absl::MutexLock lock(&mutex_);
  return on_;
}

}  // namespace sallyport::media_relay
