// Questions to the domain name system that never block a loop.

#ifndef SALLYPORT_SERVICES_COMMON_DNS_DNS_CLIENT_H_
#define SALLYPORT_SERVICES_COMMON_DNS_DNS_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/dns/dns_cache.h"
#include "services/common/dns/dns_record.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"

struct ares_channeldata;

namespace sallyport {

// Asks by c-ares and remembers answers for as long as they hold. The same
// question asked twice while it is on its way is sent once. Names are taken as
// they are: no search domain is added. Loop thread only.
class DnsClient {
 public:
  using Done = std::function<void(const DnsAnswer&)>;

  struct Options {
    std::vector<SocketAddress> servers;  // empty: those of the system
    absl::Duration try_timeout = absl::Milliseconds(500);  // then doubled
    int tries = 3;
    size_t max_waiting = 10000;
    DnsCache::Options cache;
  };

  static absl::StatusOr<std::unique_ptr<DnsClient>> Create(
      EventLoop& loop, const Options& options);
  // Callbacks that are due never come.
  ~DnsClient();
  DnsClient(const DnsClient&) = delete;
  DnsClient& operator=(const DnsClient&) = delete;

  // `done` is called once from the loop, never from within this call. A name
  // that is none is kNone; too many questions at once, kFailure.
  void Ask(DnsQuestion question, Done done);

  size_t waiting() const { return waiting_.size(); }

 private:
  struct Pending;

  DnsClient(EventLoop& loop, const Options& options);

  static void OnSocketState(void* self, int fd, int readable, int writable);
  static void OnReply(void* pending, int status, int timeouts,
                      unsigned char* reply, int size);
  void OnIo(int fd, IoEvents ready);
  void Finish(const DnsQuestion& question, DnsAnswer answer);
  void AnswerLater(Done done, std::shared_ptr<const DnsAnswer> answer);
  void Arm();

  EventLoop& loop_;
  const Options options_;
  DnsCache cache_;
  ares_channeldata* channel_ = nullptr;
  EventLoop::TimerId timer_;
  absl::flat_hash_set<int> watched_;
  absl::flat_hash_map<DnsQuestion, std::vector<Done>> waiting_;
  // Set false at the end, so that deferred answers know.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DNS_DNS_CLIENT_H_
