#include "services/media_relay/io/steered_ports.h"

#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/errno_status.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/icmp_error.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/arrival_stamps.h"
#include "services/media_relay/io/client_steering.h"
#include "services/media_relay/io/frame_rings.h"
#include "services/media_relay/io/icmp_listener.h"
#include "services/media_relay/io/next_hop_table.h"
#include "services/media_relay/io/per_port_sockets.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/udp_batch.h"
#include "services/media_relay/io/wire_header.h"

namespace sallyport::media_relay {
namespace {

constexpr int kReceiverBuffer = 8 << 20;
constexpr int kSendBuffer = 4 << 20;
// So often a route's datagram goes through the kernel: that keeps the
// neighbour confirmed, and a path without one learns of it.
constexpr absl::Duration kRefresh = absl::Seconds(2);
// What a path carries when nothing says: the kernel then has the last word.
constexpr uint32_t kDefaultMtu = 1500;
// What a loop with little to do receives at a time, and one with much.
constexpr size_t kSmallBatch = kBatchSize / 8;
constexpr size_t kLargeBatch = kBatchSize / 3;

void SetBuffer(int fd, int force, int ordinary, int size) {
  if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, ordinary, &size, sizeof(size));
  }
}

void FetchRoute(const SendRoute& route) {
  const char* const begin = reinterpret_cast<const char*>(&route);
  for (size_t line = 0; line < sizeof(SendRoute); line += 64) {
    __builtin_prefetch(begin + line);
  }
}

absl::StatusOr<UniqueFd> RawSocket(int family) {
  // IPPROTO_RAW sends IP packets as given and receives nothing.
  UniqueFd fd(socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd.valid()) {
    if (errno == EPERM) {
      return absl::PermissionDeniedError("raw sockets need CAP_NET_RAW");
    }
    return ErrnoStatus(errno, "raw socket");
  }
  SetBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
  return fd;
}

}  // namespace

SteeredPorts::SteeredPorts(EventLoop& loop, PortSteering& steering, Ready ready)
    : loop_(loop),
      steering_(steering),
      ready_(std::move(ready)),
      load_(kSmallBatch, kLargeBatch) {}

absl::StatusOr<std::unique_ptr<SteeredPorts>> SteeredPorts::Create(
    const Options& options, EventLoop& loop, PortSteering& steering,
    Ready ready) {
  std::unique_ptr<SteeredPorts> ports(
      new SteeredPorts(loop, steering, std::move(ready)));
  SP_RETURN_IF_ERROR(ports->Start(options));
  return ports;
}

absl::Status SteeredPorts::Start(const Options& options) {
  own_loop_ = options.loop;
  processor_ = options.processor;
  if (steering_.clients() != nullptr) {
    steering_.clients()->SetProcessor(own_loop_, processor_);
  }
  routes_.resize(kSets);
  ports_.resize(static_cast<size_t>(steering_.last()) - steering_.first() + 1);
  for (const IpAddress& address : options.addresses) {
    UniqueFd& raw = address.is_v6() ? raw_v6_ : raw_v4_;
    if (!raw.valid()) {
      SP_ASSIGN_OR_RETURN(raw, RawSocket(address.is_v6() ? AF_INET6 : AF_INET));
    }
    // Bound where nothing from outside arrives: the program finds it.
    const absl::StatusOr<SocketAddress> loopback =
        SocketAddress::FromIp(address.is_v6() ? "::1" : "127.0.0.1", 0);
    absl::StatusOr<UdpSocket> udp = UdpSocket::Bind(*loopback);
    if (!udp.ok()) return udp.status();
    const int fd = udp->fd();
    SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiverBuffer);
    const int on = 1;
    if (setsockopt(fd, address.is_v6() ? SOL_IPV6 : SOL_IP,
                   address.is_v6() ? IPV6_RECVORIGDSTADDR : IP_RECVORIGDSTADDR,
                   &on, sizeof(on)) != 0) {
      return ErrnoStatus(errno, "IP_RECVORIGDSTADDR");
    }
    steering_.stamps().Add(fd);
    uint32_t slot;
    SP_ASSIGN_OR_RETURN(slot, steering_.AddSocket(fd, address));
    SP_RETURN_IF_ERROR(loop_.Add(
        fd, kReadable, [this, fd](IoEvents) { ready_(fd, kNoSocket); }));
    receivers_.push_back(
        std::make_unique<Receiver>(Receiver{address, *std::move(udp), slot}));
  }
  SP_ASSIGN_OR_RETURN(
      icmp_,
      IcmpListener::Create(loop_, raw_v4_.valid(), raw_v6_.valid(),
                           [this](const IcmpQuote& quote) { OnIcmp(quote); }));
  if (options.frames) {
    absl::StatusOr<std::unique_ptr<NextHopTable>> hops = NextHopTable::Create();
    if (!hops.ok()) return hops.status();
    next_hops_ = *std::move(hops);
    if (options.routes_changed) {
      options.routes_changed(next_hops_->generation());
    }
    SP_RETURN_IF_ERROR(
        loop_.Add(next_hops_->watch_fd(), kReadable,
                  [this, told = options.routes_changed](IoEvents) {
                    next_hops_->OnReadable();
                    if (told) told(next_hops_->generation());
                  }));
  }
  if (options.rings != nullptr) {
    for (const int fd : options.rings->fds()) {
      SP_RETURN_IF_ERROR(loop_.Add(
          fd, kReadable, [this, fd](IoEvents) { ready_(fd, kNoSocket); }));
    }
    rings_ = options.rings;
  }
  return absl::OkStatus();
}

SteeredPorts::~SteeredPorts() {
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].fd < 0) continue;
    const uint16_t port = static_cast<uint16_t>(steering_.first() + i);
    if (rings_ != nullptr) rings_->Close(port);
    steering_.Close(port);
  }
  if (rings_ != nullptr) {
    for (const int fd : rings_->fds()) loop_.Remove(fd);
  }
  for (const auto& receiver : receivers_) {
    loop_.Remove(receiver->udp.fd());
    steering_.stamps().Remove(receiver->udp.fd());
  }
  for (const auto& listener : listeners_) loop_.Remove(listener->fd());
  if (next_hops_ != nullptr) loop_.Remove(next_hops_->watch_fd());
}

absl::StatusOr<uint16_t> SteeredPorts::Listen(SocketId id,
                                              const Endpoint& local) {
  absl::StatusOr<UdpSocket> udp = BindListener(local);
  if (!udp.ok()) return udp.status();
  const int fd = udp->fd();
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiverBuffer);
  const uint16_t port = udp->local_address().port();
  SP_RETURN_IF_ERROR(
      loop_.Add(fd, kReadable, [this, fd, id](IoEvents) { ready_(fd, id); }));
  Local& known = local_[id];
  known = {{local.ip, port}, fd};
  if (steering_.clients() != nullptr && processor_ >= 0 &&
      !local.ip.IsUnspecified()) {
    SP_ASSIGN_OR_RETURN(known.shared,
                        steering_.AddListener(fd, known.endpoint, own_loop_));
  }
  listeners_.push_back(std::make_unique<UdpSocket>(*std::move(udp)));
  return port;
}

void SteeredPorts::Keep(SocketId listener, const Endpoint& client) {
  const auto it = local_.find(listener);
  if (it == local_.end() || !it->second.shared.has_value()) return;
  steering_.clients()->Keep(*it->second.shared, client, own_loop_);
}

void SteeredPorts::Release(SocketId listener, const Endpoint& client) {
  const auto it = local_.find(listener);
  if (it == local_.end() || !it->second.shared.has_value()) return;
  steering_.clients()->Release(*it->second.shared, client, own_loop_);
}

absl::Status SteeredPorts::Open(SocketId id, const Endpoint& local) {
  const Receiver* receiver = nullptr;
  for (const auto& one : receivers_) {
    if (one->address == local.ip) receiver = one.get();
  }
  if (receiver == nullptr || local.port < steering_.first() ||
      local.port > steering_.last()) {
    return absl::FailedPreconditionError("not a relay port");
  }
  // Whoever has bound the port keeps it: the program would take its datagrams.
  SP_RETURN_IF_ERROR(UdpSocket::Bind(local.ToSocketAddress()).status());
  ports_[local.port - steering_.first()] = {id, receiver->udp.fd()};
  local_[id] = {local, -1, std::nullopt};
  steering_.Open(local.port, receiver->slot);
  if (rings_ != nullptr) rings_->Open(local);
  return absl::OkStatus();
}

void SteeredPorts::Close(SocketId id) {
  const auto it = local_.find(id);
  if (it == local_.end() || it->second.listener >= 0) return;
  Flush();
  const uint16_t port = it->second.endpoint.port;
  if (rings_ != nullptr) rings_->Close(port);
  steering_.Close(port);
  ports_[port - steering_.first()] = Port();
  local_.erase(it);
}

RelayPorts::Received SteeredPorts::Receive(int fd) {
  if (rings_ != nullptr && rings_->Has(fd)) {
    const size_t count = rings_->Receive(fd);
    return {*rings_, count};
  }
  const Received received = RelayPorts::Receive(fd);
  if (load_.OnBatch(received.count)) {
    ArrivalStamps& stamps = steering_.stamps();
    load_.much() ? stamps.OnPeriod(loop_.now()) : stamps.OnLittle(loop_.now());
  }
  return received;
}

void SteeredPorts::FinishFirst(TagBatch& tags) {
  tags_ = &tags;
  raw_.FinishFirst(&tags);
  plain_.FinishFirst(&tags);
  for (const auto& [interface, device] : devices_) {
    device->send.FinishFirst(&tags);
  }
}

SocketId SteeredPorts::IdOf(int fd, uint16_t local_port) const {
  const size_t index =
      static_cast<size_t>(local_port) - steering_.first();  // wraps below
  if (index >= ports_.size()) return kStraySocket;
  // A ring takes the ports of all addresses; a closed one has no id.
  if (ports_[index].fd != fd && (rings_ == nullptr || !rings_->Has(fd))) {
    return kStraySocket;
  }
  return ports_[index].id;
}

void SteeredPorts::OnIcmp(const IcmpQuote& quote) {
  const size_t index =
      static_cast<size_t>(quote.from.port) - steering_.first();  // wraps below
  if (index >= ports_.size()) return;
  const auto it = local_.find(ports_[index].id);
  // Somebody else's, or a port that is closed by now.
  if (it == local_.end() || it->second.endpoint != quote.from) return;
  TellPeerError(it->first, quote.to, quote.error);
}

std::optional<Endpoint> SteeredPorts::LocalOf(SocketId id) const {
  const auto it = local_.find(id);
  if (it == local_.end()) return std::nullopt;
  return it->second.endpoint;
}

SteeredPorts::Device* SteeredPorts::DeviceOf(int interface) {
  std::unique_ptr<Device>& device = devices_[interface];
  if (device != nullptr) return device->fd.valid() ? device.get() : nullptr;
  device = std::make_unique<Device>();
  device->send.FinishFirst(tags_);
  // Protocol 0: it receives nothing.
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface;
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof(address)) != 0) {
    return nullptr;
  }
  const int on = 1;
  (void)setsockopt(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
  SetBuffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
  device->fd = std::move(fd);
  return device.get();
}

bool SteeredPorts::Prepare(SendRoute& route) {
  const auto it = local_.find(route.socket);
  if (it == local_.end()) return false;
  const Local& local = it->second;
  route.header = WireHeader(local.endpoint, route.to);
  route.fd = local.listener;
  route.frames = nullptr;
  route.interface = 0;
  route.mtu = kDefaultMtu;
  route.refresh = MonoTime::InfinitePast();
  // A raw IPv6 socket takes the port for a protocol.
  sockaddr_storage address;
  route.name_size = ToSockaddr(
      {route.to.ip, local.listener >= 0 ? route.to.port : uint16_t{0}},
      address);
  std::memcpy(&route.name, &address, sizeof(route.name));
  if (next_hops_ == nullptr) return true;
  route.generation = next_hops_->generation();
  const NextHop hop = next_hops_->Find(local.endpoint.ip, route.to.ip);
  if (hop.mtu != 0) route.mtu = hop.mtu;
  if (hop.interface == 0) return true;
  Device* const device = DeviceOf(hop.interface);
  if (device == nullptr) return true;
  route.header.SetLink(hop.link);
  route.frames = &device->send;
  route.frames_fd = device->fd.get();
  route.interface = hop.interface;
  return true;
}

void SteeredPorts::Claim(SendRoute& route, const Waiting& waiting) {
  FlushBatches();  // what is collected may borrow a name that goes now
  route.socket = waiting.socket;
  route.to = waiting.to;
  if (!Prepare(route)) route.socket = kNoSocket;
}

SendRoute& SteeredPorts::RouteOf(const Waiting& waiting) {
  if (waiting.route != nullptr) {
    if (waiting.route->socket != waiting.socket ||
        waiting.route->to != waiting.to) {
      Claim(*waiting.route, waiting);
    }
    return *waiting.route;
  }
  std::unique_ptr<RouteSet>& set = routes_[waiting.hash / 2 % kSets];
  if (set == nullptr) set = std::make_unique<RouteSet>();
  for (size_t i = 0; i < set->routes.size(); ++i) {
    SendRoute& route = set->routes[i];
    if (set->hashes[i] == waiting.hash && route.socket == waiting.socket &&
        route.to == waiting.to) {
      return route;
    }
  }
  const size_t place = set->oldest++ % set->routes.size();
  set->hashes[place] = waiting.hash;
  Claim(set->routes[place], waiting);
  return set->routes[place];
}

void SteeredPorts::SendWaiting() {
  // Checksums cover them.
  if (tags_ != nullptr) tags_->Finish();
  const size_t count = std::exchange(waiting_count_, 0);
  std::array<const RouteSet*, kBatchSize> sets;
  for (size_t i = 0; i < count; ++i) {
    sets[i] = nullptr;
    if (waiting_[i].route != nullptr) continue;
    sets[i] = routes_[waiting_[i].hash / 2 % kSets].get();
    if (sets[i] != nullptr) __builtin_prefetch(sets[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    if (sets[i] == nullptr) continue;
    for (size_t way = 0; way < sets[i]->hashes.size(); ++way) {
      if (sets[i]->hashes[way] != waiting_[i].hash) continue;
      FetchRoute(sets[i]->routes[way]);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    SendRoute& route = RouteOf(waiting_[i]);
    if (route.socket == kNoSocket) continue;
    SendAlong(route, waiting_[i].bytes, waiting_[i].context);
  }
}

void SteeredPorts::SendLarge(const Local& local, const Endpoint& to,
                             absl::Span<const uint8_t> bytes,
                             bool dont_fragment) {
  absl::StatusOr<UdpSocket> udp =
      UdpSocket::Bind(local.endpoint.ToSocketAddress());
  OutgoingDatagram datagram;
  datagram.payload = bytes;
  datagram.peer = to.ToSocketAddress();
  if (!udp.ok() || !SetDontFragment(udp->fd(), to.ip, dont_fragment) ||
      !udp->SendOne(datagram).ok())
    ++refused_large_;
}

void SteeredPorts::Send(const PacketAction& action,
                        const SendContext& context) {
  SendContext with_delay = context;
  with_delay.delay = action.delay;
  with_delay.dont_fragment = action.dont_fragment;
  if (context.room >= WireHeader::kMaxSize && action.to.port != 0) {
    if (waiting_count_ == waiting_.size()) SendWaiting();
    SendRoute* route = nullptr;
    if (action.route != 0) {
      if (action.route > numbered_.size()) numbered_.resize(action.route);
      std::unique_ptr<NumberedRoute>& place = numbered_[action.route - 1];
      if (place == nullptr) place = std::make_unique<NumberedRoute>();
      route = &place->route;
      FetchRoute(*route);
    }
    // The bytes are the core's lent buffer, whose room is ours to write.
    waiting_[waiting_count_++] = {
        action.socket,
        action.to,
        route,
        route != nullptr ? 0 : absl::HashOf(action.socket, action.to) | 1,
        absl::MakeSpan(const_cast<uint8_t*>(action.bytes.data()),
                       action.bytes.size()),
        with_delay};
    return;
  }
  const auto it = local_.find(action.socket);
  if (it == local_.end()) return;
  if (it->second.listener >= 0) {
    plain_.Add(it->second.listener, action.to, action.bytes, action.delay,
               context.arrival);
  } else {
    SendLarge(it->second, action.to, action.bytes, action.dont_fragment);
  }
}

void SteeredPorts::SendAlong(SendRoute& route, absl::Span<uint8_t> bytes,
                             const SendContext& context) {
  if (next_hops_ != nullptr && route.generation != next_hops_->generation()) {
    Prepare(route);
  }
  const bool fits = bytes.size() + route.header.ip_size() <= route.mtu;
  const bool through_kernel = context.now >= route.refresh;
  if (route.frames != nullptr && fits && !through_kernel) {
    const absl::Span<const uint8_t> frame = route.header.Frame(
        bytes.data(), bytes.size(), /*with_link=*/true, context.dont_fragment);
    if (rings_ == nullptr ||
        !rings_->Send(route.interface, frame, context.delay, context.arrival)) {
      route.frames->AddRaw(route.frames_fd, nullptr, 0, frame, context.delay,
                           context.arrival);
    }
    return;
  }
  if (through_kernel) {
    // A neighbour may have been resolved since.
    if (next_hops_ != nullptr && route.frames == nullptr) Prepare(route);
    route.refresh = context.now + kRefresh;
  }
  if (route.fd >= 0) {
    plain_.AddRaw(route.fd, &route.name, route.name_size, bytes, context.delay,
                  context.arrival);
    return;
  }
  if (!fits) {
    const auto it = local_.find(route.socket);
    if (it != local_.end()) {
      SendLarge(it->second, route.to, bytes, context.dont_fragment);
    }
    return;
  }
  const int raw = route.to.ip.is_v6() ? raw_v6_.get() : raw_v4_.get();
  raw_.AddRaw(raw, &route.name, route.name_size,
              route.header.Frame(bytes.data(), bytes.size(),
                                 /*with_link=*/false, context.dont_fragment),
              context.delay, context.arrival);
}

void SteeredPorts::Flush() {
  SendWaiting();
  FlushBatches();
}

void SteeredPorts::FlushBatches() {
  raw_.Flush();
  plain_.Flush();
  if (rings_ != nullptr) rings_->Flush();
  for (const auto& [interface, device] : devices_) device->send.Flush();
}

uint64_t SteeredPorts::refused() const {
  uint64_t refused = raw_.refused() + plain_.refused() + refused_large_;
  for (const auto& [interface, device] : devices_) {
    refused += device->send.refused();
  }
  return refused;
}

}  // namespace sallyport::media_relay
