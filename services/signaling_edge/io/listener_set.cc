#include "services/signaling_edge/io/listener_set.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/rank.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {

namespace {

// A TLS session is made for each, some tens of microseconds.
constexpr int kAcceptsAtOnce = 4;

}  // namespace

std::string_view ProtocolName(const ListenerSpec& spec) {
  switch (spec.transport) {
    case SipTransport::kTls:
      return spec.sccp ? "sccp_tls" : "sip_tls";
    case SipTransport::kTcp:
      return spec.sccp ? "sccp_tcp" : "sip_tcp";
    default:
      return "sip_udp";
  }
}

ListenerSet::ListenerSet(EventLoop& loop, std::vector<ListenerSpec> specs,
                         size_t max_datagram, Owner& owner)
    : loop_(loop),
      specs_(std::move(specs)),
      owner_(owner),
      buffer_(/*datagrams=*/64, max_datagram),
      sockets_(specs_.size()) {}

absl::StatusOr<std::unique_ptr<ListenerSet>> ListenerSet::Bind(
    EventLoop& loop, const std::vector<ListenerSpec>& specs,
    size_t max_datagram, Owner& owner) {
  auto out =
      absl::WrapUnique(new ListenerSet(loop, specs, max_datagram, owner));
  for (size_t i = 0; i < specs.size(); ++i) {
    SP_RETURN_IF_ERROR(out->BindOne(static_cast<ListenerId>(i)));
  }
  return out;
}

absl::Status ListenerSet::BindOne(ListenerId id) {
  Socket& socket = sockets_[id];
  const ListenerSpec& spec = specs_[id];
  if (spec.transport == SipTransport::kUdp) {
    SP_ASSIGN_OR_RETURN(
        socket.udp, UdpSocket::Bind(spec.bind, {.reuse_port = spec.reuse_port,
                                                .receive_buffer = 4 << 20,
                                                .send_buffer = 4 << 20,
                                                .segment = true}));
    socket.bound = socket.udp->local_address();
    return loop_.Add(socket.udp->fd(), kReadable,
                     [this, id](IoEvents) { OnReadable(id); });
  }
  SP_ASSIGN_OR_RETURN(
      socket.tcp,
      TcpListener::Listen(loop_, spec.bind,
                          {.reuse_port = spec.reuse_port,
                           .rank = Rank::kLast,
                           .accepts_at_once = kAcceptsAtOnce},
                          [this, id](UniqueFd fd, const SocketAddress& from) {
                            owner_.OnAccept(id, std::move(fd), from);
                          }));
  socket.bound = socket.tcp->local_address();
  return absl::OkStatus();
}

ListenerSet::~ListenerSet() {
  *alive_ = false;
  for (Socket& socket : sockets_) {
    if (socket.udp.has_value()) loop_.Remove(socket.udp->fd());
  }
}

std::vector<EdgeListener> ListenerSet::Names() const {
  std::vector<EdgeListener> out;
  for (size_t i = 0; i < specs_.size(); ++i) {
    const ListenerSpec& spec = specs_[i];
    EdgeListener name;
    name.transport = spec.transport;
    name.host = spec.advertised_host.empty() ? sockets_[i].bound.IpText()
                                             : spec.advertised_host;
    name.port = spec.advertised_port != 0 ? spec.advertised_port
                                          : sockets_[i].bound.port();
    name.logical_port = spec.logical_port;
    name.sccp = spec.sccp;
    name.v6 = sockets_[i].bound.Canonical().is_v6();
    out.push_back(std::move(name));
  }
  return out;
}

const SocketAddress& ListenerSet::bound(ListenerId listener) const {
  return sockets_[listener].bound;
}

std::map<std::string, int> ListenerSet::Ports() const {
  std::map<std::string, int> out;
  for (size_t i = 0; i < specs_.size(); ++i) {
    out[std::string(ProtocolName(specs_[i]))] = sockets_[i].bound.port();
  }
  return out;
}

void ListenerSet::Send(ListenerId listener, const SocketAddress& to,
                       std::string octets) {
  if (listener >= sockets_.size() || !sockets_[listener].udp.has_value()) {
    ++lost_;
    return;
  }
  sockets_[listener].waiting.push_back({to, std::move(octets)});
  if (flush_is_due_) return;
  flush_is_due_ = true;
  loop_.Defer([this, alive = alive_] {
    if (*alive) Flush();
  });
}

void ListenerSet::Flush() {
  flush_is_due_ = false;
  for (Socket& socket : sockets_) {
    if (socket.waiting.empty()) continue;
    Gather(socket.waiting);
    lost_ += batch_.size() - socket.udp->Send(batch_);
    socket.waiting.clear();
  }
}

// To one address in the order in which they were given, and of one size side by
// side, so that they go as one.
void ListenerSet::Gather(const std::vector<Waiting>& waiting) {
  batch_.clear();
  next_.assign(waiting.size(), kNone);
  runs_.clear();
  for (size_t i = 0; i < waiting.size(); ++i) {
    // The last that went to this address, if it is among the last few.
    Run* same = nullptr;
    const size_t from =
        runs_.size() > kRunsLookedAt ? runs_.size() - kRunsLookedAt : 0;
    for (size_t r = runs_.size(); r > from; --r) {
      if (waiting[runs_[r - 1].first].to == waiting[i].to) {
        same = &runs_[r - 1];
        break;
      }
    }
    if (same != nullptr &&
        waiting[same->last].octets.size() == waiting[i].octets.size()) {
      next_[same->last] = i;
      same->last = i;
    } else {
      runs_.push_back({i, i});
    }
  }
  for (const Run& run : runs_) {
    for (size_t i = run.first; i != kNone; i = next_[i]) {
      batch_.push_back({.payload = AsBytes(waiting[i].octets),
                        .peer = waiting[i].to,
                        .local = std::nullopt});
    }
  }
}

double ListenerSet::QueueFill() const {
  double fullest = 0;
  for (const Socket& socket : sockets_) {
    if (!socket.udp.has_value()) continue;
    uint32_t memory[SK_MEMINFO_VARS] = {};
    socklen_t size = sizeof(memory);
    if (getsockopt(socket.udp->fd(), SOL_SOCKET, SO_MEMINFO, memory, &size) !=
            0 ||
        memory[SK_MEMINFO_RCVBUF] == 0) {
      continue;
    }
    fullest =
        std::max(fullest, static_cast<double>(memory[SK_MEMINFO_RMEM_ALLOC]) /
                              memory[SK_MEMINFO_RCVBUF]);
  }
  return fullest;
}

void ListenerSet::StopAccepting() {
  for (Socket& socket : sockets_) socket.tcp.reset();
}

void ListenerSet::OnReadable(ListenerId id) {
  // One batch a turn: the loop comes back at once if there is more.
  const auto received = sockets_[id].udp->Receive(buffer_);
  if (!received.ok()) return;
  const absl::Span<const ReceivedDatagram> batch = *received;
  const bool one_source =
      std::all_of(batch.begin(), batch.end(), [&](const auto& datagram) {
        return datagram.peer == batch.front().peer;
      });
  if (one_source) {
    for (const ReceivedDatagram& datagram : batch) Take(id, datagram);
    return;
  }
  strange_.clear();
  for (const ReceivedDatagram& datagram : batch) {
    if (owner_.IsKnown(id, datagram.peer.Canonical())) {
      Take(id, datagram);
    } else {
      strange_.push_back(&datagram);
    }
  }
  for (const ReceivedDatagram* const datagram : strange_) Take(id, *datagram);
}

void ListenerSet::Take(ListenerId id, const ReceivedDatagram& datagram) {
  if (datagram.truncated) {
    ++lost_;
    return;
  }
  owner_.OnDatagram(id, datagram.peer.Canonical(), AsText(datagram.payload));
}

}  // namespace sallyport::signaling_edge
