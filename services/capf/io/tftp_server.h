// The TFTP port of the phones: UDP 69, files from memory only.

#ifndef SALLYPORT_SERVICES_CAPF_IO_TFTP_SERVER_H_
#define SALLYPORT_SERVICES_CAPF_IO_TFTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/tftp_transfer.h"
#include "services/capf/io/metrics_table.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/deadline_queue.h"

namespace sallyport::capf {

// Answers read requests. A reply comes from a new port, as RFC 1350 section 4
// asks, or, for gateways and service meshes that let no such answer through,
// from the port that was asked. A client has one transfer at a time for each
// of its ports. Loop thread only.
class TftpServer {
 public:
  using Content = std::shared_ptr<const std::string>;
  // Gives `done` the file of that name, or null, once, now or later, on the
  // loop thread. Must not block.
  using Lookup = std::function<void(const std::string& name,
                                    std::function<void(Content)> done)>;
  // A client has acknowledged all of a file.
  using OnSent =
      std::function<void(const std::string& name, const Content& content)>;

  struct Options {
    SocketAddress address;  // port 0 takes a free one
    bool single_port = false;
    TftpLimits limits;
    // Running, and waiting for their file.
    size_t max_transfers = 4096;
    OnSent on_sent;  // may be empty
    // Requests of one address: a branch's phones may share it and all start
    // at once, but a forged source must not be flooded.
    GcraLimit requests_per_source = GcraLimit::PerSecond(50, 500);
  };

  static absl::StatusOr<std::unique_ptr<TftpServer>> Create(
      EventLoop& loop, const Options& options, Lookup lookup,
      RandomSource& random, MetricsRegistry& metrics);
  ~TftpServer();
  TftpServer(const TftpServer&) = delete;
  TftpServer& operator=(const TftpServer&) = delete;

  int port() const { return socket_.local_address().port(); }
  size_t transfers() const { return transfers_.size(); }

 private:
  struct Transfer;

  TftpServer(EventLoop& loop, const Options& options, Lookup lookup,
             UdpSocket socket, RandomSource& random, MetricsRegistry& metrics);

  void OnReadable();
  void OnDatagram(const ReceivedDatagram& datagram);
  void OnTransferReadable(const SocketAddress& client);
  void OnTimer(MonoTime now);
  void Start(const TftpReadRequest& request, const SocketAddress& client,
             const std::optional<SocketAddress>& local, Content content);
  void SendTo(Transfer& transfer, const std::optional<std::string>& packet);
  void Refuse(const SocketAddress& client,
              const std::optional<SocketAddress>& local, TftpErrorCode code,
              std::string_view message);
  // Takes it away if it is over; arms the timer otherwise.
  void Settle(const SocketAddress& client);
  void Arm();

  EventLoop& loop_;
  const Options options_;
  const Lookup lookup_;
  UdpSocket socket_;
  UdpReceiveBuffer buffer_;
  GcraTable sources_;
  CounterFamily requests_total_;
  CounterFamily transfers_total_;
  EventLoop::TimerId timer_;
  absl::flat_hash_map<SocketAddress, std::unique_ptr<Transfer>> transfers_;
  DeadlineQueue<SocketAddress> deadlines_;
  // Whose file is being looked for.
  absl::flat_hash_set<SocketAddress> looking_;
  // Set false at the end, so that answers to lookups know.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_TFTP_SERVER_H_
