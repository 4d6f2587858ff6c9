#include "services/media_relay/io/udp_batch.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/receive_batch.h"

namespace sallyport::media_relay {
namespace {

void ReadControl(msghdr& header, absl::Time& arrival, uint16_t& local_port) {
  arrival = absl::InfinitePast();
  local_port = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
      timespec stamp;  // the first of three: by software
      std::memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
      arrival = absl::TimeFromTimespec(stamp);
    } else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR) {
      sockaddr_in address;
      std::memcpy(&address, CMSG_DATA(c), sizeof(address));
      local_port = ntohs(address.sin_port);
    } else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR) {
      sockaddr_in6 address;
      std::memcpy(&address, CMSG_DATA(c), sizeof(address));
      local_port = ntohs(address.sin6_port);
    }
  }
}

}  // namespace

UdpReceiveBatch::UdpReceiveBatch()
    : memory_(std::make_unique<Memory>()),
      slots_(absl::MakeSpan(memory_->slots)),
      headers_() {
  for (size_t i = 0; i < kBatchSize; ++i) {
    slots_[i].io = {slots_[i].buffer.data() + kPacketHeadroom, kMaxPacketSize};
    item(i).buffer = absl::MakeSpan(slots_[i].buffer);
    Rearm(i);
  }
}

void UdpReceiveBatch::Rearm(size_t i) {
  msghdr& header = headers_[i].msg_hdr;
  header = {};
  header.msg_name = &item(i).address;
  header.msg_namelen = sizeof(item(i).address);
  header.msg_iov = &slots_[i].io;
  header.msg_iovlen = 1;
  header.msg_control = slots_[i].control.data();
  header.msg_controllen = slots_[i].control.size();
}

size_t UdpReceiveBatch::Receive(int fd) {
  // Only what the last call filled: most calls on a relayed socket give one.
  for (size_t i = 0; i < used_; ++i) Rearm(i);
  used_ = 0;
  int received;
  do {
    received = recvmmsg(fd, headers_.data(), kBatchSize, MSG_DONTWAIT, nullptr);
  } while (received < 0 && errno == EINTR);
  // An ICMP error of an earlier datagram comes as a failed receive: nothing
  // to be done about it, and the next call gives what waits.
  if (received <= 0) return 0;
  used_ = static_cast<size_t>(received);
  for (size_t i = 0; i < static_cast<size_t>(received); ++i) {
    Item& out = item(i);
    const bool cut = (headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (cut) ++oversized_;
    ReadControl(headers_[i].msg_hdr, out.arrival, out.local_port);
    // A cut datagram is handed on empty, which no parser accepts.
    out.packet.data = slots_[i].buffer.data() + kPacketHeadroom;
    out.packet.size = cut ? 0 : headers_[i].msg_len;
    out.packet.headroom = kPacketHeadroom;
    out.packet.tailroom = kMaxPacketSize + kPacketTailroom - out.packet.size;
  }
  return static_cast<size_t>(received);
}

void UdpSendBatch::Add(int fd, const Endpoint& to,
                       absl::Span<const uint8_t> bytes, DelayHistogram* delay,
                       absl::Time arrival) {
  if (full()) Flush();
  // AddRaw() takes this very slot.
  sockaddr_storage& address = slots_[count_].address;
  AddRaw(fd, &address, ToSockaddr(to, address), bytes, delay, arrival);
}

void UdpSendBatch::AddRaw(int fd, const void* name, socklen_t name_size,
                          absl::Span<const uint8_t> bytes,
                          DelayHistogram* delay, absl::Time arrival) {
  if (full()) Flush();
  Slot& slot = slots_[count_];
  slot.fd = fd;
  // sendmmsg only reads.
  slot.io = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
  slot.delay = delay;
  slot.arrival = arrival;
  msghdr& header = headers_[count_].msg_hdr;
  header = {};
  header.msg_name = const_cast<void*>(name);
  header.msg_namelen = name_size;
  header.msg_iov = &slot.io;
  header.msg_iovlen = 1;
  ++count_;
}

void UdpSendBatch::Flush() {
  if (tags_ != nullptr) tags_->Finish();
  size_t sent = 0;
  size_t again = count_;
  while (sent < count_) {
    size_t end = sent + 1;
    while (end < count_ && slots_[end].fd == slots_[sent].fd) ++end;
    const msghdr& first = headers_[sent].msg_hdr;
    const int done =
        end == sent + 1
            ? (sendto(slots_[sent].fd, slots_[sent].io.iov_base,
                      slots_[sent].io.iov_len, MSG_DONTWAIT,
                      static_cast<const sockaddr*>(first.msg_name),
                      first.msg_namelen) >= 0
                   ? 1
                   : -1)
            : sendmmsg(slots_[sent].fd, &headers_[sent],
                       static_cast<unsigned>(end - sent), MSG_DONTWAIT);
    if (done > 0) {
      sent += static_cast<size_t>(done);
      continue;
    }
    if (errno == EINTR) continue;
    // It may be an ICMP error of an earlier datagram that failed this call;
    // told once, it is out of the way.
    if (errno != EAGAIN && errno != ENOBUFS &&
        std::exchange(again, sent) != sent) {
      continue;
    }
    // The first of the rest was refused: it is lost, those behind it may go.
    slots_[sent].delay = nullptr;
    ++refused_;
    ++sent;
  }
  absl::Time now = absl::InfinitePast();
  for (size_t i = 0; i < count_; ++i) {
    Slot& slot = slots_[i];
    if (slot.delay == nullptr || slot.arrival == absl::InfinitePast()) {
      continue;
    }
    if (now == absl::InfinitePast()) now = absl::Now();
    slot.delay->Record(now - slot.arrival);
  }
  count_ = 0;
}

}  // namespace sallyport::media_relay
