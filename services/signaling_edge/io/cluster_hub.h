// The links of this edge to all others, on a thread of its own.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CLUSTER_HUB_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CLUSTER_HUB_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/random/random_source.h"
#include "services/common/tls/tls_context.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/io/cluster_link.h"
#include "services/signaling_edge/io/host_resolver.h"

namespace sallyport::signaling_edge {

// Each edge dials every address that its peers' names have, and sends by what
// it has dialled; what it accepted it reads. Send() is Thread-safe, all else
// is of its own thread.
class ClusterHub final : private ClusterLink::Owner {
 public:
  struct Tls {
    std::shared_ptr<const TlsContext> server;
    std::shared_ptr<const TlsContext> client;
  };
  struct Options {
    ClusterLink::Self self;
    ClusterLink::Options link;
    SocketAddress listen;
    // "host:port" each: an edge, or a name that has all of them.
    std::vector<std::string> peers;
    HostResolver::Options hosts;
    // How often names are looked up, and how long a peer that does not answer
    // is left alone.
    absl::Duration refresh = absl::Seconds(2);
    // Messages that wait for this thread, and links that others may open.
    size_t max_waiting = 8192;
    size_t max_accepted = 256;
    // Makes the contexts, now and whenever the files have changed; null
    // contexts: in clear.
    std::function<absl::StatusOr<Tls>()> make_tls;
    absl::Duration tls_refresh = absl::Seconds(5);
    // Both are called on this thread.
    std::function<void(ClusterMessage message)> on_message;
    std::function<void(const std::vector<EdgePresence>& edges)> on_edges;
    std::function<void(const std::string& edge_id, bool up,
                       const std::string& reason)>
        on_link;
  };

  // Listens at once and dials from Start() on. `random` outlives it.
  static absl::StatusOr<std::unique_ptr<ClusterHub>> Create(
      Options options, RandomSource& random);
  ~ClusterHub() override;

  void Start();
  uint16_t port() const { return listener_->local_address().port(); }

  // False when too much waits: it was not taken.
  bool Send(ClusterMessage message);

  // Messages for other edges that found no link or no room, or were in a link
  // that ended, and frames of others that are none.
  uint64_t dropped() const { return dropped_; }

 private:
  // One address that is to be linked to.
  struct Target {
    std::unique_ptr<ClusterLink> link;  // null: none now
    MonoTime again;                     // not before
    bool is_self = false;
    bool wanted = true;  // a name still has it
    std::string reason;  // why there is none
  };

  ClusterHub(Options options, RandomSource& random);
  absl::Status Init();

  // ClusterLink::Owner.
  void OnLinkUp(ClusterLink& link) override;
  void OnLinkFrame(ClusterLink& link, ByteSpan payload) override;
  void OnLinkDown(ClusterLink& link, const absl::Status& why) override;

  void OnAccept(UniqueFd fd, const SocketAddress& from);
  void OnTimer(MonoTime now);
  void Resolve();
  void OnResolved(const std::string& peer,
                  const std::vector<SocketAddress>& addresses);
  void DialAll();
  void RefreshTls();
  void Forward(const ClusterMessage& message);
  void TellEdges();
  Target* TargetOf(const ClusterLink& link);

  Options options_;
  RandomSource& random_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Mailbox<ClusterMessage>> outgoing_;
  std::unique_ptr<HostResolver> hosts_;
  std::unique_ptr<TcpListener> listener_;
  std::optional<EventLoop::TimerId> timer_;
  Tls tls_;
  MonoTime resolve_at_;
  MonoTime tls_at_;
  std::map<std::string, std::vector<SocketAddress>> found_;  // by peer
  absl::flat_hash_map<SocketAddress, Target> targets_;
  absl::flat_hash_map<uint64_t, ClusterLink*> by_edge_;
  absl::flat_hash_map<ClusterLink*, std::unique_ptr<ClusterLink>> accepted_;
  std::atomic<uint64_t> dropped_ = 0;
  std::thread thread_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CLUSTER_HUB_H_
