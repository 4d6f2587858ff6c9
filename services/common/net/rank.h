// Which of those that are ready an event loop serves first.

#ifndef SALLYPORT_SERVICES_COMMON_NET_RANK_H_
#define SALLYPORT_SERVICES_COMMON_NET_RANK_H_

#include <cstdint>

namespace sallyport {

enum class Rank : uint8_t {
  // Before all others, and whenever EventLoop::ServeUrgent() is called within a
  // turn: for few, of whom somebody who waits is behind each.
  kUrgent,
  kFirst,
  // After all of kFirst that are ready, and no longer in one turn than
  // EventLoop::SetTimeForLast() allows: for those of whom there may be any
  // number.
  kLast,
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_RANK_H_
