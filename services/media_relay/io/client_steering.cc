#include "services/media_relay/io/client_steering.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/shared_map.h"

namespace sallyport::media_relay {
namespace {

// As in relay_lookup.bpf.c.
struct Listener {
  uint32_t family;
  uint8_t address[16];
  uint32_t port;
};
struct Arrivals {
  std::array<std::atomic<uint8_t>, ClientSteering::kMaxProcessors> loop_of_cpu;
  std::atomic<uint64_t> overfull;
  std::atomic<uint64_t> least;
};
static_assert(sizeof(Arrivals) == ClientSteering::kMaxProcessors + 16);

constexpr uint32_t kMaxProbes = 16;
constexpr uint32_t kMask = ClientSteering::kClientWords - 1;

// Differences that small need no balance.
constexpr int64_t kSlack = 32;

absl::Status Refused(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

uint64_t Mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 32);
}

// What the table keeps of a hash, and where the search for it begins.
constexpr uint64_t kKept = ~uint64_t{0xFFFF};
constexpr uint32_t PlaceOf(uint64_t hash) {
  return static_cast<uint32_t>(hash >> 40) & kMask;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClientSteering>> ClientSteering::Create(
    const Tables& tables, uint32_t loops, uint64_t seed) {
  if (loops > kMaxLoops) {
    return absl::FailedPreconditionError("more loops than the kernel takes");
  }
  std::unique_ptr<ClientSteering> steering(
      new ClientSteering(tables, loops, seed));
  SP_ASSIGN_OR_RETURN(steering->arrivals_,
                      SharedMap::Create(tables.arrivals, 1, sizeof(Arrivals)));
  SP_ASSIGN_OR_RETURN(
      steering->words_,
      SharedMap::Create(tables.clients, kClientWords, sizeof(uint64_t)));
  return steering;
}

absl::StatusOr<uint32_t> ClientSteering::AddListener(int fd,
                                                     const Endpoint& local,
                                                     uint32_t loop) {
  const auto known = std::find(listeners_.begin(), listeners_.end(), local);
  const uint32_t number = static_cast<uint32_t>(known - listeners_.begin());
  if (number >= kMaxListeners) {
    return absl::ResourceExhaustedError("too many listeners");
  }
  const uint32_t at = number * kMaxLoops + loop;
  const uint64_t value = static_cast<uint64_t>(fd);
  if (bpf_map_update_elem(tables_.sockets, &at, &value, BPF_ANY) != 0) {
    return Refused("the table of listening sockets");
  }
  if (known == listeners_.end()) {
    listeners_.push_back(local);
    std::array<Listener, kMaxListeners + 1> all = {};
    for (size_t i = 0; i < listeners_.size(); ++i) {
      const Endpoint& one = listeners_[i];
      all[i].family = one.ip.is_v6() ? AF_INET6 : AF_INET;
      const absl::Span<const uint8_t> bytes = one.ip.bytes();
      std::memcpy(all[i].address, bytes.data(), bytes.size());
      all[i].port = one.port;
    }
    const uint32_t zero = 0;
    if (bpf_map_update_elem(tables_.listeners, &zero, all.data(), BPF_ANY) !=
        0) {
      listeners_.pop_back();
      return Refused("the table of listeners");
    }
  }
  return number;
}

void ClientSteering::SetProcessor(uint32_t loop, int processor) {
  if (processor < 0 || static_cast<size_t>(processor) >= kMaxProcessors) return;
  arrivals_.values<Arrivals>()
      ->loop_of_cpu[static_cast<size_t>(processor)]
      .store(static_cast<uint8_t>(loop + 1), std::memory_order_relaxed);
}

uint64_t ClientSteering::HashOf(uint32_t listener,
                                const Endpoint& client) const {
  std::array<uint64_t, 2> words = {};
  const absl::Span<const uint8_t> bytes = client.ip.bytes();
  std::memcpy(words.data(), bytes.data(), bytes.size());
  const uint64_t hash = Mix(Mix(seed_, words[0]), words[1]);
  return Mix(hash, htons(client.port) | uint64_t{listener} << 32);
}

std::atomic<uint64_t>* ClientSteering::Find(uint64_t hash, bool make) const {
  auto* const words = words_.values<std::atomic<uint64_t>>();
  for (uint32_t i = 0; i < kMaxProbes; ++i) {
    std::atomic<uint64_t>& word = words[(PlaceOf(hash) + i) & kMask];
    const uint64_t value = word.load(std::memory_order_relaxed);
    if (value == 0) return make ? &word : nullptr;
    if (((value ^ hash) & kKept) == 0) return &word;
  }
  return nullptr;
}

void ClientSteering::Erase(uint64_t hash) {
  auto* const words = words_.values<std::atomic<uint64_t>>();
  const auto at = [words](uint32_t place) {
    return words[place & kMask].load(std::memory_order_relaxed);
  };
  uint32_t hole = PlaceOf(hash);
  while (((at(hole) ^ hash) & kKept) != 0) ++hole;
  // What probed past it moves up, so that no search ends too early. Who
  // searches meanwhile finds it in one place or the other.
  for (uint32_t next = hole + 1; at(next) != 0; ++next) {
    if (((next - PlaceOf(at(next))) & kMask) >= next - hole) {
      words[hole & kMask].store(at(next), std::memory_order_release);
      hole = next;
    }
  }
  words[hole & kMask].store(0, std::memory_order_release);
}

void ClientSteering::Keep(uint32_t listener, const Endpoint& client,
                          uint32_t loop) {
  const uint64_t hash = HashOf(listener, client);
  absl::MutexLock lock(&mutex_);
  int64_t all = 0;
  for (uint32_t i = 0; i < loops_; ++i) all += clients_[i];
  std::atomic<uint64_t>* const word =
      Find(hash, /*make=*/all < kClientWords / 2);
  // No room: it goes on arriving where it did, unless cores change.
  if (word == nullptr) return;
  const uint64_t before = word->load(std::memory_order_relaxed);
  if (before != 0) --clients_[((before & ~kKept) - 1) % kMaxLoops];
  word->store((hash & kKept) | (loop + 1), std::memory_order_release);
  ++clients_[loop];
  Balance();
}

void ClientSteering::Release(uint32_t listener, const Endpoint& client,
                             uint32_t loop) {
  const uint64_t hash = HashOf(listener, client);
  absl::MutexLock lock(&mutex_);
  const std::atomic<uint64_t>* const word = Find(hash, /*make=*/false);
  if (word == nullptr ||
      (word->load(std::memory_order_relaxed) & ~kKept) != loop + 1) {
    return;
  }
  Erase(hash);
  --clients_[loop];
  Balance();
}

void ClientSteering::Balance() {
  int64_t all = 0;
  uint32_t least = 0;
  for (uint32_t i = 0; i < loops_; ++i) {
    all += clients_[i];
    if (clients_[i] < clients_[least]) least = i;
  }
  const int64_t share = all / loops_;
  uint64_t overfull = 0;
  for (uint32_t i = 0; i < loops_; ++i) {
    if (clients_[i] > share + share / 8 + kSlack) overfull |= uint64_t{1} << i;
  }
  Arrivals& arrivals = *arrivals_.values<Arrivals>();
  arrivals.least.store(least, std::memory_order_relaxed);
  arrivals.overfull.store(overfull, std::memory_order_relaxed);
}

}  // namespace sallyport::media_relay
