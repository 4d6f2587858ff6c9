// Which of several loops a client's datagrams go to: the one that has it, and
// while nobody has it, the one on whose core they arrive, as a device with
// several queues gives all of a client to one of them. Handing a datagram from
// core to core costs more than half of what forwarding it does.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_CLIENT_STEERING_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_CLIENT_STEERING_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/shared_map.h"

namespace sallyport::media_relay {

// The tables of PortSteering's program that say so. A loop that has an eighth
// more clients than its share takes no new ones while others have fewer.
// AddListener() and SetProcessor() are main's, the rest is Thread-safe.
class ClientSteering {
 public:
  static constexpr uint32_t kMaxListeners = 16;
  static constexpr uint32_t kMaxLoops = 64;
  static constexpr size_t kMaxProcessors = 1024;

  // Descriptors of the tables, which must outlive it.
  struct Tables {
    int listeners = -1;
    int sockets = -1;
    int clients = -1;
    int arrivals = -1;
  };
  // Words of the table of clients, half of which are used at most.
  static constexpr uint32_t kClientWords = 1 << 18;
  // `seed` as in the program's settings.
  static absl::StatusOr<std::unique_ptr<ClientSteering>> Create(
      const Tables& tables, uint32_t loops, uint64_t seed);
  ClientSteering(const ClientSteering&) = delete;
  ClientSteering& operator=(const ClientSteering&) = delete;

  // The socket of `loop` at a listener; gives its number, the same for the same
  // address.
  absl::StatusOr<uint32_t> AddListener(int fd, const Endpoint& local,
                                       uint32_t loop);
  // Where `loop` runs.
  void SetProcessor(uint32_t loop, int processor);

  // `loop` has this client, or no longer.
  void Keep(uint32_t listener, const Endpoint& client, uint32_t loop)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(uint32_t listener, const Endpoint& client, uint32_t loop)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  ClientSteering(const Tables& tables, uint32_t loops, uint64_t seed)
      : tables_(tables), loops_(loops), seed_(seed) {}
  uint64_t HashOf(uint32_t listener, const Endpoint& client) const;
  // The word of a client; null: it has none, or, with `make`, there is no room
  // for one either.
  std::atomic<uint64_t>* Find(uint64_t hash, bool make) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(uint64_t hash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Balance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Tables tables_;
  const uint32_t loops_;
  const uint64_t seed_;
  SharedMap words_;
  SharedMap arrivals_;
  std::vector<Endpoint> listeners_;
  absl::Mutex mutex_;
  std::array<int64_t, kMaxLoops> clients_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_CLIENT_STEERING_H_
