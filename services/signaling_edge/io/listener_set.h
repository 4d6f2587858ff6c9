// The sockets on which SIP comes in.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LISTENER_SET_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LISTENER_SET_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/tcp_listener.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

// One listener as configured, with every default filled in.
struct ListenerSpec {
  SipTransport transport = SipTransport::kUdp;
  SocketAddress bind;            // port 0: a free one
  std::string advertised_host;   // empty: the bound address
  uint16_t advertised_port = 0;  // 0: the bound port
  uint32_t logical_port = 0;     // by which peers know it
  bool sccp = false;             // for voicemail ports
  bool reuse_port = false;       // other loops have it too
};

// "sip_udp", "sip_tcp", "sip_tls", "sccp_tcp" or "sccp_tls".
std::string_view ProtocolName(const ListenerSpec& spec);

// A ListenerId is the index of its spec. Loop thread only.
class ListenerSet {
 public:
  // Called from the loop.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Whether what `from` says is heard before what strangers say that came
    // with it.
    virtual bool IsKnown(ListenerId listener, const SocketAddress& from) = 0;
    virtual void OnDatagram(ListenerId listener, const SocketAddress& from,
                            std::string_view octets) = 0;
    virtual void OnAccept(ListenerId listener, UniqueFd fd,
                          const SocketAddress& remote) = 0;
  };

  // Binds all; `max_datagram` in octets. Longer ones are dropped and counted.
  // `loop` and `owner` outlive it.
  static absl::StatusOr<std::unique_ptr<ListenerSet>> Bind(
      EventLoop& loop, const std::vector<ListenerSpec>& specs,
      size_t max_datagram, Owner& owner);
  ~ListenerSet();

  // What the core is to call itself, in order.
  std::vector<EdgeListener> Names() const;
  const std::vector<ListenerSpec>& specs() const { return specs_; }
  const SocketAddress& bound(ListenerId listener) const;
  // By protocol name; of several with one protocol the last.
  std::map<std::string, int> Ports() const;

  // Over a UDP listener, with others at the end of this turn. A full socket
  // buffer loses the datagram, as the net would.
  void Send(ListenerId listener, const SocketAddress& to, std::string octets);

  // No more connections are accepted; datagrams still are.
  void StopAccepting();

  uint64_t datagrams_lost() const { return lost_; }
  // How full the fullest receive queue of datagrams is, 0 to 1.
  double QueueFill() const;

 private:
  struct Waiting {
    SocketAddress to;
    std::string octets;
  };
  struct Socket {
    std::optional<UdpSocket> udp;
    std::unique_ptr<TcpListener> tcp;
    SocketAddress bound;
    std::vector<Waiting> waiting;
  };

  ListenerSet(EventLoop& loop, std::vector<ListenerSpec> specs,
              size_t max_datagram, Owner& owner);
  absl::Status BindOne(ListenerId id);
  void OnReadable(ListenerId id);
  void Take(ListenerId id, const ReceivedDatagram& datagram);
  void Flush();
  // Puts them into batch_, what can go as one side by side.
  void Gather(const std::vector<Waiting>& waiting);

  static constexpr size_t kNone = static_cast<size_t>(-1);
  static constexpr size_t kRunsLookedAt = 32;
  // Datagrams to one address, linked by next_.
  struct Run {
    size_t first;
    size_t last;
  };

  EventLoop& loop_;
  const std::vector<ListenerSpec> specs_;
  Owner& owner_;
  UdpReceiveBuffer buffer_;
  std::vector<Socket> sockets_;
  bool flush_is_due_ = false;
  std::vector<const ReceivedDatagram*> strange_;  // of one batch
  // Of one Flush; kept for their memory.
  std::vector<OutgoingDatagram> batch_;
  std::vector<size_t> next_;
  std::vector<Run> runs_;
  // Set false at the end, so that a deferred flush knows.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  uint64_t lost_ = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LISTENER_SET_H_
