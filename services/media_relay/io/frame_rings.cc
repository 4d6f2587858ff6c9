#include "services/media_relay/io/frame_rings.h"

#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/delay_histogram.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/wire_header.h"
#include "services/media_relay/io/xsk_socket.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kEthernet = 14;
constexpr size_t kIpv4 = 20;
constexpr size_t kIpv6 = 40;
constexpr size_t kUdp = 8;
constexpr uint8_t kUdpProtocol = 17;
// Under load what arrives after one batch of so many is stamped: reading the
// clock costs as much as a tenth of all the rest.
constexpr size_t kStampedBatches = 16;
// Older stamps are none: something else lies there.
constexpr uint64_t kOldestStampNs = 1'000'000'000;

uint32_t QueuesOf(const std::string& device) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_channels channels = {};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request = {};
  device.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&channels);
  if (!fd.valid() || ioctl(fd.get(), SIOCETHTOOL, &request) != 0) return 1;
  return std::clamp(channels.combined_count + channels.rx_count, 1u,
                    KernelFlows::kMaxRingQueues);
}

uint16_t Read16(const uint8_t* at) {
  uint16_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint16_t Fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// `pseudo`: of the addresses. RFC 768, RFC 8200 section 8.1.
bool UdpIsWhole(const uint8_t* udp, size_t size, uint64_t pseudo, bool v6) {
  const uint16_t check = Read16(udp + 6);
  if (check == 0) return !v6;
  pseudo += htons(kUdpProtocol) + htons(static_cast<uint16_t>(size));
  // The sender's kernel has left the rest to its device, which is this host.
  if (check == Fold(pseudo)) return true;
  return Fold(pseudo + WordSum(udp, size)) == 0xFFFF;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameRings>> FrameRings::Create(
    KernelFlows& kernel, uint32_t loop, uint32_t loops) {
  std::unique_ptr<FrameRings> rings(new FrameRings(kernel, loop));
  SP_RETURN_IF_ERROR(rings->Start(loops));
  if (rings->fds_.empty()) return nullptr;
  return rings;
}

absl::Status FrameRings::Start(uint32_t loops) {
  struct Queue {
    int interface;
    uint32_t number;
  };
  std::vector<Queue> own;
  for (size_t i = 0;
       i < std::min(kernel_.devices().size(), KernelFlows::kMaxRingDevices);
       ++i) {
    const auto& [device, interface] = kernel_.devices()[i];
    for (uint32_t queue = 0; queue < QueuesOf(device); ++queue) {
      if (queue % loops == loop_) own.push_back({interface, queue});
    }
  }
  if (own.empty()) return absl::OkStatus();
  kernel_.SetRingStamps(loop_, stamps_);
  // As many again are with the core or on their way out.
  const size_t chunks = (own.size() + 1) * XskSocket::kRing;
  SP_ASSIGN_OR_RETURN(memory_, FrameMemory::Create(chunks));
  is_lent_.resize(chunks);
  for (const Queue& queue : own) {
    std::unique_ptr<XskSocket> socket;
    SP_ASSIGN_OR_RETURN(
        socket,
        XskSocket::Create(*memory_,
                          sockets_.empty() ? nullptr : sockets_.front().get(),
                          {queue.interface, queue.number, true}));
    socket->Refill();
    SP_RETURN_IF_ERROR(
        kernel_.AddRing(queue.interface, queue.number, socket->fd(), loop_));
    const auto same = [&](const Device& device) {
      return device.interface == queue.interface;
    };
    if (std::none_of(devices_.begin(), devices_.end(), same)) {
      devices_.push_back({queue.interface, socket.get()});
    }
    fds_.push_back(socket->fd());
    sockets_.push_back(std::move(socket));
  }
  return absl::OkStatus();
}

bool FrameRings::Has(int fd) const {
  return std::find(fds_.begin(), fds_.end(), fd) != fds_.end();
}

FrameRings::Device& FrameRings::DeviceOf(int interface) {
  for (Device& device : devices_) {
    if (device.interface == interface) return device;
  }
  // It only sends. Where the queue is another's, it does so otherwise.
  Device& device = devices_.emplace_back(Device{interface});
  auto socket = XskSocket::Create(*memory_, sockets_.front().get(),
                                  {interface, loop_, false});
  if (socket.ok()) {
    device.socket = socket->get();
    sockets_.push_back(*std::move(socket));
  }
  return device;
}

bool FrameRings::Fill(Item& item, const xdp_desc& frame, absl::Time wall,
                      uint64_t mono_ns) {
  uint8_t* const data = memory_->at(frame.addr);
  // The program has looked at it; this keeps us inside all the same.
  if (frame.len < kEthernet + kIpv4 + kUdp) return false;
  uint8_t* const ip = data + kEthernet;
  const bool v6 = Read16(data + 12) == htons(ETH_P_IPV6);
  const size_t heads = kEthernet + (v6 ? kIpv6 : kIpv4);
  if (frame.len < heads + kUdp) return false;
  uint8_t* const udp = data + heads;
  const size_t udp_size = ntohs(Read16(udp + 4));
  if (udp_size < kUdp || udp_size > frame.len - heads) return false;
  if (v6) {
    if (!UdpIsWhole(udp, udp_size, WordSum(ip + 8, 32), true)) return false;
    sockaddr_in6 from = {};
    from.sin6_family = AF_INET6;
    std::memcpy(&from.sin6_addr, ip + 8, 16);
    from.sin6_port = Read16(udp);
    std::memcpy(&item.address, &from, sizeof(from));
  } else {
    if (Fold(WordSum(ip, kIpv4)) != 0xFFFF ||
        !UdpIsWhole(udp, udp_size, WordSum(ip + 12, 8), false)) {
      return false;
    }
    sockaddr_in from = {};
    from.sin_family = AF_INET;
    std::memcpy(&from.sin_addr, ip + 12, 4);
    from.sin_port = Read16(udp);
    std::memcpy(&item.address, &from, sizeof(from));
  }
  item.local_port = ntohs(Read16(udp + 2));
  item.arrival = absl::InfinitePast();
  std::array<uint64_t, 2> stamp;
  std::memcpy(stamp.data(), data - sizeof(stamp), sizeof(stamp));
  if (stamp[0] == ~stamp[1] && mono_ns - stamp[0] < kOldestStampNs) {
    item.arrival = wall - absl::Nanoseconds(mono_ns - stamp[0]);
    stamp = {};
    std::memcpy(data - sizeof(stamp), stamp.data(), sizeof(stamp));
  }
  uint8_t* const chunk =
      memory_->at(frame.addr / FrameMemory::kChunk * FrameMemory::kChunk);
  item.buffer = absl::MakeSpan(chunk, FrameMemory::kChunk);
  item.packet.data = udp + kUdp;
  item.packet.size = udp_size - kUdp;
  item.packet.headroom = static_cast<size_t>(item.packet.data - chunk);
  item.packet.tailroom =
      FrameMemory::kChunk - item.packet.headroom - item.packet.size;
  return true;
}

size_t FrameRings::Receive(int fd) {
  for (size_t i = 0; i < lent_count_; ++i) {
    if (!is_lent_[lent_[i]]) continue;  // sent
    is_lent_[lent_[i]] = false;
    memory_->free().push_back(lent_[i]);
  }
  lent_count_ = 0;
  const size_t which = static_cast<size_t>(
      std::find(fds_.begin(), fds_.end(), fd) - fds_.begin());
  if (which == fds_.size()) return 0;
  XskSocket& socket = *sockets_[which];
  std::array<xdp_desc, kBatchSize> frames;
  const size_t count = socket.Receive(absl::MakeSpan(frames));
  if (count == 0) return 0;
  timespec mono = {};
  clock_gettime(CLOCK_MONOTONIC, &mono);
  const uint64_t mono_ns = static_cast<uint64_t>(mono.tv_sec) * 1'000'000'000 +
                           static_cast<uint64_t>(mono.tv_nsec);
  const absl::Time wall = absl::Now();
  for (size_t i = 0; i < count; ++i) {
    const uint32_t chunk =
        static_cast<uint32_t>(frames[i].addr / FrameMemory::kChunk);
    if (!Fill(item(lent_count_), frames[i], wall, mono_ns)) {
      ++damaged_;
      memory_->free().push_back(chunk);
      continue;
    }
    is_lent_[chunk] = true;
    lent_[lent_count_++] = chunk;
  }
  socket.Refill();
  // Few at a time are worth a stamp each.
  const bool stamps =
      count < kBatchSize / 8 || batches_++ % kStampedBatches == 0;
  if (stamps != stamps_) kernel_.SetRingStamps(loop_, stamps);
  stamps_ = stamps;
  return lent_count_;
}

bool FrameRings::Send(int interface, absl::Span<const uint8_t> frame,
                      DelayHistogram* delay, absl::Time arrival) {
  if (!memory_->Holds(frame.data())) return false;
  const size_t chunk = memory_->ChunkOf(frame.data());
  if (!is_lent_[chunk]) return false;
  Device& device = DeviceOf(interface);
  if (device.socket == nullptr || !device.socket->Send(frame)) return false;
  is_lent_[chunk] = false;
  device.waiting = true;
  if (delay != nullptr && arrival != absl::InfinitePast()) {
    if (delay_count_ == delays_.size()) Flush();
    delays_[delay_count_++] = {delay, arrival};
  }
  return true;
}

void FrameRings::Flush() {
  for (Device& device : devices_) {
    if (device.socket == nullptr) continue;
    if (device.waiting) {
      if (!device.socket->Flush()) {
        device.socket = nullptr;
        continue;
      }
      device.waiting = device.socket->waiting();
    }
    device.socket->Reclaim();
  }
  if (delay_count_ == 0) return;
  const absl::Time now = absl::Now();
  for (size_t i = 0; i < delay_count_; ++i) {
    delays_[i].histogram->Record(now - delays_[i].arrival);
  }
  delay_count_ = 0;
}

uint64_t FrameRings::overrun() const {
  uint64_t overrun = damaged_;
  for (size_t i = 0; i < fds_.size(); ++i) overrun += sockets_[i]->overrun();
  return overrun;
}

}  // namespace sallyport::media_relay
