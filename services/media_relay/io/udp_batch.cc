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

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

absl::Time ArrivalOf(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp;
      std::memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
      return absl::TimeFromTimespec(stamp);
    }
  }
  return absl::InfinitePast();
}

}  // namespace

socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
  if (endpoint.ip.is_v6()) {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::memcpy(&address.sin6_addr, endpoint.ip.bytes().data(), 16);
    std::memcpy(&out, &address, sizeof(address));
    return sizeof(address);
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  if (endpoint.ip.is_v4()) {
    std::memcpy(&address.sin_addr, endpoint.ip.bytes().data(), 4);
  }
  std::memcpy(&out, &address, sizeof(address));
  return sizeof(address);
}

Endpoint FromSockaddr(const sockaddr_storage& address) {
  Endpoint endpoint;
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    endpoint.ip = IpAddress::FromBytes(absl::MakeConstSpan(
        reinterpret_cast<const uint8_t*>(&v6.sin6_addr), 16));
    endpoint.port = ntohs(v6.sin6_port);
  } else if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    endpoint.ip = IpAddress::FromBytes(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&v4.sin_addr), 4));
    endpoint.port = ntohs(v4.sin_port);
  }
  return endpoint;
}

UdpReceiveBatch::UdpReceiveBatch()
    : memory_(std::make_unique<std::array<Slot, kBatchSize>>()),
      slots_(absl::MakeSpan(*memory_)),
      headers_() {
  for (size_t i = 0; i < kBatchSize; ++i) {
    slots_[i].io = {slots_[i].buffer.data() + kPacketHeadroom, kMaxPacketSize};
    Rearm(i);
  }
}

void UdpReceiveBatch::Rearm(size_t i) {
  msghdr& header = headers_[i].msg_hdr;
  header = {};
  header.msg_name = &slots_[i].address;
  header.msg_namelen = sizeof(slots_[i].address);
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
    Slot& slot = slots_[i];
    const bool cut = (headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (cut) ++oversized_;
    slot.from = FromSockaddr(slot.address);
    slot.arrival = ArrivalOf(headers_[i].msg_hdr);
    // A cut datagram is handed on empty, which no parser accepts.
    slot.packet.data = slot.buffer.data() + kPacketHeadroom;
    slot.packet.size = cut ? 0 : headers_[i].msg_len;
    slot.packet.headroom = kPacketHeadroom;
    slot.packet.tailroom = kMaxPacketSize + kPacketTailroom - slot.packet.size;
  }
  return static_cast<size_t>(received);
}

void UdpSendBatch::Add(int fd, const Endpoint& to,
                       absl::Span<const uint8_t> bytes, DelayHistogram* delay,
                       absl::Time arrival) {
  if (full()) Flush();
  Slot& slot = slots_[count_];
  slot.fd = fd;
  // sendmmsg only reads.
  slot.io = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
  slot.delay = delay;
  slot.arrival = arrival;
  msghdr& header = headers_[count_].msg_hdr;
  header = {};
  header.msg_name = &slot.address;
  header.msg_namelen = ToSockaddr(to, slot.address);
  header.msg_iov = &slot.io;
  header.msg_iovlen = 1;
  ++count_;
}

void UdpSendBatch::Flush() {
  size_t sent = 0;
  while (sent < count_) {
    size_t end = sent + 1;
    while (end < count_ && slots_[end].fd == slots_[sent].fd) ++end;
    const int done = sendmmsg(slots_[sent].fd, &headers_[sent],
                              static_cast<unsigned>(end - sent), MSG_DONTWAIT);
    if (done > 0) {
      sent += static_cast<size_t>(done);
      continue;
    }
    if (errno == EINTR) continue;
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
