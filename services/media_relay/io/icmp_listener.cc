#include "services/media_relay/io/icmp_listener.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/net/errno_status.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/icmp_error.h"

namespace sallyport::media_relay {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(10);
constexpr int kBatch = 64;
// The checksum of an ICMPv4 error covers all of it, so all of it must be there.
constexpr size_t kLongest = 2048;

}  // namespace

absl::StatusOr<std::unique_ptr<IcmpListener>> IcmpListener::Create(
    EventLoop& loop, bool v4, bool v6, Heard heard) {
  std::unique_ptr<IcmpListener> listener(
      new IcmpListener(loop, std::move(heard)));
  IcmpListener* const self = listener.get();
  self->pause_ = loop.AddTimer([self](MonoTime) { self->Listen(kReadable); });
  if (v4) SP_RETURN_IF_ERROR(self->Open(/*v6=*/false));
  if (v6) SP_RETURN_IF_ERROR(self->Open(/*v6=*/true));
  return listener;
}

IcmpListener::~IcmpListener() {
  if (v4_.valid()) loop_.Remove(v4_.get());
  if (v6_.valid()) loop_.Remove(v6_.get());
  loop_.RemoveTimer(pause_);
}

absl::Status IcmpListener::Open(bool v6) {
  UniqueFd fd(socket(
      v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
      v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP)));
  if (!fd.valid()) return ErrnoStatus(errno, "raw ICMP socket");
  int done;
  if (v6) {
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &filter);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &filter);
    ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &filter);
    done = setsockopt(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter,
                      sizeof(filter));
  } else {
    // A bit that is set keeps a type out.
    const icmp_filter filter = {~(uint32_t{1} << ICMP_DEST_UNREACH |
                                  uint32_t{1} << ICMP_TIME_EXCEEDED)};
    done = setsockopt(fd.get(), SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
  }
  if (done != 0) return ErrnoStatus(errno, "ICMP filter");
  const int number = fd.get();
  SP_RETURN_IF_ERROR(loop_.Add(number, kReadable, [this, number, v6](IoEvents) {
    OnReadable(number, v6);
  }));
  (v6 ? v6_ : v4_) = std::move(fd);
  return absl::OkStatus();
}

void IcmpListener::OnReadable(int fd, bool v6) {
  Listen({});
  loop_.SetTimer(pause_, loop_.now() + kPause);
  for (int i = 0; i < kBatch; ++i) {
    std::array<uint8_t, kLongest> buffer;
    const ssize_t size =
        recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0) return;
    const auto bytes = absl::MakeConstSpan(buffer).first(
        std::min(static_cast<size_t>(size), buffer.size()));
    const std::optional<IcmpQuote> quote =
        v6 ? ParseIcmpv6(bytes) : ParseIcmpv4(bytes);
    if (quote.has_value()) heard_(*quote);
  }
}

void IcmpListener::Listen(IoEvents interest) {
  if (v4_.valid()) (void)loop_.Modify(v4_.get(), interest);
  if (v6_.valid()) (void)loop_.Modify(v6_.get(), interest);
}

}  // namespace sallyport::media_relay
