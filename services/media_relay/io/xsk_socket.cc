#include "services/media_relay/io/xsk_socket.h"

#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_macros.h"

namespace sallyport::media_relay {
namespace {

constexpr int kSendBuffer = 4 << 20;
// XDP_MAX_TX_SKB_BUDGET, of Linux 6.17: frames that one call may send. Older
// ones send 32, and Flush() calls again.
constexpr int kSendBudgetOption = 9;
constexpr uint32_t kSendBudget = 256;

absl::Status Refused(std::string_view what) {
  const int error = errno;
  const absl::string_view text(what.data(), what.size());
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(text, " needs CAP_NET_RAW"));
  }
  if (error == ENOBUFS) {
    return absl::PermissionDeniedError(
        absl::StrCat(text,
                     " needs CAP_IPC_LOCK or a higher limit of locked "
                     "memory"));
  }
  return absl::UnavailableError(absl::StrCat(text, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameMemory>> FrameMemory::Create(
    size_t chunks) {
  std::unique_ptr<FrameMemory> memory(new FrameMemory());
  memory->size_ = chunks * kChunk;
  void* const at = mmap(nullptr, memory->size_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) return Refused("memory for frames");
  memory->data_ = static_cast<uint8_t*>(at);
  for (size_t i = chunks; i > 0; --i) {
    memory->free_.push_back(static_cast<uint32_t>(i - 1));
  }
  return memory;
}

FrameMemory::~FrameMemory() {
  if (data_ != nullptr) munmap(data_, size_);
}

absl::StatusOr<std::unique_ptr<XskSocket>> XskSocket::Create(
    FrameMemory& memory, const XskSocket* first, const Options& options) {
  std::unique_ptr<XskSocket> xsk(new XskSocket(memory));
  SP_RETURN_IF_ERROR(xsk->Start(first, options));
  return xsk;
}

absl::Status XskSocket::Start(const XskSocket* first, const Options& options) {
  fd_ = UniqueFd(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) return Refused("an AF_XDP socket");
  const int fd = fd_.get();
  if (first == nullptr) {
    xdp_umem_reg memory = {};
    memory.addr = reinterpret_cast<uintptr_t>(memory_.at(0));
    memory.len = memory_.all().size();
    memory.chunk_size = FrameMemory::kChunk;
    if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) != 0) {
      return Refused("memory of an AF_XDP socket");
    }
  }
  const uint32_t size = kRing;
  const auto make = [&](int ring) {
    return setsockopt(fd, SOL_XDP, ring, &size, sizeof(size)) == 0;
  };
  xdp_mmap_offsets offsets = {};
  socklen_t offsets_size = sizeof(offsets);
  if (!make(XDP_UMEM_FILL_RING) || !make(XDP_UMEM_COMPLETION_RING) ||
      !make(XDP_TX_RING) || (options.receives && !make(XDP_RX_RING)) ||
      getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &offsets_size) != 0) {
    return Refused("the rings of an AF_XDP socket");
  }
  SP_RETURN_IF_ERROR(
      Map(fill_, offsets.fr, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t)));
  SP_RETURN_IF_ERROR(Map(complete_, offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING,
                         sizeof(uint64_t)));
  SP_RETURN_IF_ERROR(
      Map(send_, offsets.tx, XDP_PGOFF_TX_RING, sizeof(xdp_desc)));
  if (options.receives) {
    SP_RETURN_IF_ERROR(
        Map(receive_, offsets.rx, XDP_PGOFF_RX_RING, sizeof(xdp_desc)));
  }
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer,
                   sizeof(kSendBuffer));
  (void)setsockopt(fd, SOL_XDP, kSendBudgetOption, &kSendBudget,
                   sizeof(kSendBudget));
  sockaddr_xdp address = {};
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = static_cast<uint32_t>(options.interface);
  address.sxdp_queue_id = options.queue;
  if (first == nullptr) {
    address.sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP;
  } else {
    address.sxdp_flags = XDP_SHARED_UMEM;
    address.sxdp_shared_umem_fd = static_cast<uint32_t>(first->fd());
  }
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    return Refused("an AF_XDP socket on this queue");
  }
  return absl::OkStatus();
}

absl::Status XskSocket::Map(Ring& ring, const xdp_ring_offset& offset,
                            uint64_t page_offset, size_t entry_size) {
  ring.mapping_size = offset.desc + kRing * entry_size;
  ring.mapping = mmap(nullptr, ring.mapping_size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, fd_.get(),
                      static_cast<off_t>(page_offset));
  if (ring.mapping == MAP_FAILED) {
    ring.mapping = nullptr;
    return Refused("a ring of an AF_XDP socket");
  }
  uint8_t* const base = static_cast<uint8_t*>(ring.mapping);
  ring.producer =
      reinterpret_cast<std::atomic<uint32_t>*>(base + offset.producer);
  ring.consumer =
      reinterpret_cast<std::atomic<uint32_t>*>(base + offset.consumer);
  ring.entries = base + offset.desc;
  return absl::OkStatus();
}

XskSocket::~XskSocket() {
  for (Ring* ring : {&receive_, &fill_, &send_, &complete_}) {
    if (ring->mapping != nullptr) munmap(ring->mapping, ring->mapping_size);
  }
}

void XskSocket::Refill() {
  std::vector<uint32_t>& free = memory_.free();
  uint32_t room =
      kRing - (fill_.own - fill_.consumer->load(std::memory_order_acquire));
  if (room == 0 || free.empty()) return;
  for (; room > 0 && !free.empty(); --room) {
    fill_.At<uint64_t>(fill_.own++) = free.back() * FrameMemory::kChunk;
    free.pop_back();
  }
  fill_.producer->store(fill_.own, std::memory_order_release);
}

size_t XskSocket::Receive(absl::Span<xdp_desc> frames) {
  const uint32_t there =
      receive_.producer->load(std::memory_order_acquire) - receive_.own;
  const size_t count = std::min<size_t>(there, frames.size());
  for (size_t i = 0; i < count; ++i) {
    frames[i] = receive_.At<xdp_desc>(receive_.own++);
  }
  receive_.consumer->store(receive_.own, std::memory_order_release);
  return count;
}

bool XskSocket::Send(absl::Span<const uint8_t> frame) {
  if (send_.own - send_.consumer->load(std::memory_order_acquire) == kRing) {
    return false;
  }
  xdp_desc& out = send_.At<xdp_desc>(send_.own++);
  out.addr = static_cast<uint64_t>(frame.data() - memory_.at(0));
  out.len = static_cast<uint32_t>(frame.size());
  out.options = 0;
  return true;
}

bool XskSocket::Flush() {
  send_.producer->store(send_.own, std::memory_order_release);
  uint32_t sent = send_.consumer->load(std::memory_order_acquire);
  while (sent != send_.own) {
    const bool called =
        sendto(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
    const int error = called ? 0 : errno;
    const uint32_t before =
        std::exchange(sent, send_.consumer->load(std::memory_order_acquire));
    if (sent != before || error == EINTR) continue;
    // Its buffer is full: what is left goes with what comes next.
    return called || error == EAGAIN || error == EBUSY || error == ENOBUFS;
  }
  return true;
}

void XskSocket::Reclaim() {
  const uint32_t end = complete_.producer->load(std::memory_order_acquire);
  if (end == complete_.own) return;
  for (; complete_.own != end; ++complete_.own) {
    memory_.free().push_back(static_cast<uint32_t>(
        complete_.At<uint64_t>(complete_.own) / FrameMemory::kChunk));
  }
  complete_.consumer->store(end, std::memory_order_release);
}

uint64_t XskSocket::overrun() const {
  xdp_statistics statistics = {};
  socklen_t size = sizeof(statistics);
  if (getsockopt(fd_.get(), SOL_XDP, XDP_STATISTICS, &statistics, &size) != 0) {
    return 0;
  }
  return statistics.rx_dropped + statistics.rx_ring_full +
         statistics.rx_fill_ring_empty_descs;
}

}  // namespace sallyport::media_relay
