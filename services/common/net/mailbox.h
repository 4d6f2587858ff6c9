// Messages from any thread to a loop.

#ifndef SALLYPORT_SERVICES_COMMON_NET_MAILBOX_H_
#define SALLYPORT_SERVICES_COMMON_NET_MAILBOX_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/net/errno_status.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_macros.h"

namespace sallyport {

// A bounded queue of T, read on the thread of one loop in the order sent.
// Created and destroyed where the loop allows Add and Remove (its thread, or
// while it does not run); nobody may Send while it is destroyed, and its own
// receiver may not destroy it. Messages still queued then are dropped unread.
// Send is Thread-safe.
template <typename T>
class Mailbox {
 public:
  using Receiver = std::function<void(T message)>;

  // At most `capacity` messages wait. `receiver` runs on the loop.
  static absl::StatusOr<std::unique_ptr<Mailbox>> Create(EventLoop& loop,
                                                         size_t capacity,
                                                         Receiver receiver) {
    UniqueFd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd.valid()) return ErrnoStatus(errno, "eventfd");
    std::unique_ptr<Mailbox> box(
        new Mailbox(loop, capacity, std::move(receiver), std::move(fd)));
    SP_RETURN_IF_ERROR(
        loop.Add(box->fd_.get(), kReadable,
                 [box = box.get()](IoEvents) { box->Deliver(); }));
    return box;
  }

  ~Mailbox() { loop_.Remove(fd_.get()); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // RESOURCE_EXHAUSTED when full; the message is then untouched, so the caller
  // can still answer it.
  absl::Status Send(T&& message) ABSL_LOCKS_EXCLUDED(mutex_) {
    bool first;
    {
      absl::MutexLock lock(&mutex_);
      if (queue_.size() >= capacity_) {
        return absl::ResourceExhaustedError("the mailbox is full");
      }
      first = queue_.empty();
      queue_.push_back(std::move(message));
    }
    if (first) Wake();
    return absl::OkStatus();
  }

 private:
  Mailbox(EventLoop& loop, size_t capacity, Receiver receiver, UniqueFd fd)
      : loop_(loop),
        capacity_(capacity),
        receiver_(std::move(receiver)),
        fd_(std::move(fd)) {}

  void Wake() {
    const uint64_t one = 1;
    // Fails only when the counter is full, which wakes the loop too.
    if (write(fd_.get(), &one, sizeof(one)) < 0) return;
  }

  void Deliver() ABSL_LOCKS_EXCLUDED(mutex_) {
    uint64_t ignored;
    if (read(fd_.get(), &ignored, sizeof(ignored)) < 0) return;
    std::deque<T> batch;
    {
      absl::MutexLock lock(&mutex_);
      batch.swap(queue_);
    }
    for (T& message : batch) receiver_(std::move(message));
  }

  EventLoop& loop_;
  const size_t capacity_;
  const Receiver receiver_;
  const UniqueFd fd_;
  absl::Mutex mutex_;
  std::deque<T> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_MAILBOX_H_
