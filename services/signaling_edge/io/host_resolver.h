// Names of peers to the addresses of their servers (RFC 3263 section 4.2)
// without blocking a loop. Transports are configured, so NAPTR has no say.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_HOST_RESOLVER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_HOST_RESOLVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/dns/dns_client.h"
#include "services/common/dns/dns_record.h"
#include "services/common/net/address_order.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/signaling_edge/io/task_thread.h"

namespace sallyport::signaling_edge {

// Address literals and static hosts are answered from memory. With a name
// server, NAPTR records of the transport asked for, SRV records and the
// addresses of their targets come first (RFC 3263 sections 4.1, 4.2), kept for
// as long as they hold; names without any, and everything else, are looked up
// there if servers are configured, else by the system's resolver, which knows
// its hosts file, on threads of its own.
//
// Of a name that has IPv4 and IPv6 addresses only those of the family that is
// asked for are told, or both in the order of RFC 6724 section 6; of a name
// that has one family alone, these. The other family is asked for when there is
// nothing of the wanted one, so that servers which cannot answer for it hold
// nobody up. Of the servers of SRV records each is such a name. Loop thread
// only.
class HostResolver {
 public:
  using Addresses = std::vector<SocketAddress>;
  using Done = std::function<void(absl::StatusOr<Addresses>)>;

  struct Options {
    std::map<std::string, Addresses> static_hosts;  // names in lower case
    absl::Duration deadline = absl::Seconds(2);
    size_t max_waiting = 256;
    size_t threads = 2;
    // Without it there are no SRV records. Servers empty: the system's, for SRV
    // records alone.
    std::optional<DnsClient::Options> dns;
    // What the threads call; getaddrinfo if unset. For tests.
    std::function<absl::StatusOr<Addresses>(const std::string& host,
                                            AddressFamily family)>
        lookup;
    // As SourceFor() of address_order.h, which it is if unset. For tests.
    SourceOf source;
  };

  // `random` outlives it.
  static absl::StatusOr<std::unique_ptr<HostResolver>> Create(
      EventLoop& loop, Options options, RandomSource& random);
  // Waits for lookups that have begun; callbacks that are due never come.
  ~HostResolver();

  // `done` is called once from the loop, never from within this call: with at
  // least one address, or UNAVAILABLE (HOST_NOT_FOUND), RESOURCE_EXHAUSTED
  // (HOST_LOOKUP_OVERLOAD) or DEADLINE_EXCEEDED (HOST_LOOKUP_TIMEOUT).
  // Addresses are in the order in which to try them, and have port 0 unless an
  // SRV record of `service` ("_sips._tcp"; may be empty) gave one. A literal is
  // its own answer, whatever the family.
  void Resolve(const std::string& host, const std::string& service,
               AddressFamily family, Done done);

  size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    AddressFamily family = AddressFamily::kIpv4Only;
    Done done;
  };

  struct Answer {
    uint64_t query = 0;
    absl::StatusOr<Addresses> addresses;
  };

  // The servers of a query whose addresses are being asked for.
  struct Gathering {
    struct Server {
      std::string name;
      uint16_t port = 0;
      Addresses v4;
      Addresses v6;
    };
    std::vector<Server> servers;
    size_t open = 0;  // questions
  };

  HostResolver(EventLoop& loop, Options options, RandomSource& random);
  // On a thread.
  void LookUp(uint64_t query, const std::string& name);
  // NAPTR records, which say under which name the SRV records are.
  void OnPointers(uint64_t query, const std::string& name,
                  const std::string& service, const DnsAnswer& answer);
  void OnServices(uint64_t query, const std::string& name,
                  const DnsAnswer& answer);
  void AskAddresses(uint64_t query, std::vector<Gathering::Server> servers);
  void AskAddress(uint64_t query, size_t server, DnsType type);
  void OnAddresses(uint64_t query, size_t server, DnsType type,
                   const DnsAnswer& answer);
  void Finish(uint64_t query, absl::StatusOr<Addresses> addresses);
  void OnTimer(MonoTime now);

  EventLoop& loop_;
  const Options options_;
  RandomSource& random_;
  EventLoop::TimerId timer_;
  uint64_t last_query_ = 0;
  absl::flat_hash_map<uint64_t, Waiting> waiting_;
  DeadlineQueue<uint64_t> deadlines_;
  absl::flat_hash_map<uint64_t, Gathering> gatherings_;
  std::unique_ptr<DnsClient> dns_;
  std::unique_ptr<Mailbox<Answer>> answers_;
  std::unique_ptr<TaskThread> threads_;  // after answers_: it goes first
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_HOST_RESOLVER_H_
