// Ownership of a file descriptor.

#ifndef SALLYPORT_SERVICES_COMMON_NET_UNIQUE_FD_H_
#define SALLYPORT_SERVICES_COMMON_NET_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace sallyport {

// Closes its descriptor when destroyed; -1 means none. Thread-compatible.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) close(release());
  }

 private:
  int fd_ = -1;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_UNIQUE_FD_H_
