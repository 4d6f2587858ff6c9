// What routers and hosts say of datagrams that were sent past the kernel's
// sockets, whose error queues therefore know nothing of it.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_ICMP_LISTENER_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_ICMP_LISTENER_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/core/icmp_error.h"

namespace sallyport::media_relay {

// Raw sockets that hear the ICMP errors of this network namespace, whoever they
// are for. Reads a batch every 10 ms at most, so that a flood of them costs
// little; what is more is lost in the kernel. Needs CAP_NET_RAW. Loop thread
// only.
class IcmpListener {
 public:
  using Heard = std::function<void(const IcmpQuote&)>;

  // `loop` must outlive it.
  static absl::StatusOr<std::unique_ptr<IcmpListener>> Create(EventLoop& loop,
                                                              bool v4, bool v6,
                                                              Heard heard);
  ~IcmpListener();
  IcmpListener(const IcmpListener&) = delete;
  IcmpListener& operator=(const IcmpListener&) = delete;

 private:
  IcmpListener(EventLoop& loop, Heard heard)
      : loop_(loop), heard_(std::move(heard)) {}
  absl::Status Open(bool v6);
  void OnReadable(int fd, bool v6);
  void Listen(IoEvents interest);

  EventLoop& loop_;
  const Heard heard_;
  UniqueFd v4_;
  UniqueFd v6_;
  EventLoop::TimerId pause_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_ICMP_LISTENER_H_
