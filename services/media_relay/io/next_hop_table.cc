#include "services/media_relay/io/next_hop_table.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/net/errno_status.h"
#include "services/common/net/unique_fd.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {
namespace {

using Hardware = std::array<uint8_t, 6>;

constexpr uint32_t kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE |
                             NUD_PERMANENT | NUD_NOARP;

// A netlink request with attributes. Thread-compatible.
class Request {
 public:
  template <typename Body>
  Request(uint16_t type, uint32_t sequence, const Body& body) {
    nlmsghdr head = {};
    head.nlmsg_type = type;
    head.nlmsg_flags = NLM_F_REQUEST;
    head.nlmsg_seq = sequence;
    std::memcpy(bytes_.data(), &head, sizeof(head));
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &body, sizeof(body));
    size_ = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(body));
  }
  void Add(uint16_t type, absl::Span<const uint8_t> value) {
    rtattr head = {};
    head.rta_type = type;
    head.rta_len = static_cast<uint16_t>(RTA_LENGTH(value.size()));
    std::memcpy(bytes_.data() + size_, &head, sizeof(head));
    std::memcpy(bytes_.data() + size_ + RTA_LENGTH(0), value.data(),
                value.size());
    size_ += RTA_SPACE(value.size());
  }
  absl::Span<const uint8_t> bytes() {
    const uint32_t size = static_cast<uint32_t>(size_);
    std::memcpy(bytes_.data(), &size, sizeof(size));
    return absl::MakeConstSpan(bytes_.data(), size_);
  }

 private:
  alignas(nlmsghdr) std::array<uint8_t, 256> bytes_ = {};
  size_t size_ = 0;
};

template <typename Visit>
void ForEachAttribute(absl::Span<const uint8_t> bytes, Visit visit) {
  while (bytes.size() >= sizeof(rtattr)) {
    rtattr head;
    std::memcpy(&head, bytes.data(), sizeof(head));
    if (head.rta_len < RTA_LENGTH(0) || head.rta_len > bytes.size()) return;
    visit(head.rta_type & NLA_TYPE_MASK,
          bytes.subspan(RTA_LENGTH(0), head.rta_len - RTA_LENGTH(0)));
    bytes.remove_prefix(
        std::min<size_t>(bytes.size(), RTA_ALIGN(head.rta_len)));
  }
}

template <typename Body>
bool ReadBody(absl::Span<const uint8_t> message, uint16_t type, Body& body,
              absl::Span<const uint8_t>& attributes) {
  nlmsghdr head;
  if (message.size() < NLMSG_HDRLEN + sizeof(body)) return false;
  std::memcpy(&head, message.data(), sizeof(head));
  if (head.nlmsg_type != type || head.nlmsg_len > message.size()) return false;
  std::memcpy(&body, message.data() + NLMSG_HDRLEN, sizeof(body));
  const size_t start = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(body));
  attributes = head.nlmsg_len > start
                   ? message.subspan(start, head.nlmsg_len - start)
                   : absl::Span<const uint8_t>();
  return true;
}

uint32_t Word(absl::Span<const uint8_t> value) {
  uint32_t word = 0;
  std::memcpy(&word, value.data(), std::min(value.size(), sizeof(word)));
  return word;
}

bool ReadNeighbour(absl::Span<const uint8_t> message, uint16_t type,
                   ndmsg& body, IpAddress& address, Hardware& hardware) {
  absl::Span<const uint8_t> attributes;
  if (!ReadBody(message, type, body, attributes)) return false;
  bool found = false;
  ForEachAttribute(attributes, [&](int kind, absl::Span<const uint8_t> value) {
    if (kind == NDA_DST) address = IpAddress::FromBytes(value);
    if (kind == NDA_LLADDR && value.size() == hardware.size()) {
      std::memcpy(hardware.data(), value.data(), hardware.size());
      found = true;
    }
  });
  return found || type == RTM_DELNEIGH || (body.ndm_state & NUD_FAILED) != 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NextHopTable>> NextHopTable::Create() {
  UniqueFd ask(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  UniqueFd watch(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                        NETLINK_ROUTE));
  if (!ask.valid() || !watch.valid()) return ErrnoStatus(errno, "netlink");
  // The kernel answers within the call; this is for when it does not.
  const timeval patience = {0, 100000};
  (void)setsockopt(ask.get(), SOL_SOCKET, SO_RCVTIMEO, &patience,
                   sizeof(patience));
  sockaddr_nl groups = {};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE |
                     RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR |
                     RTMGRP_IPV6_IFADDR;
  if (bind(watch.get(), reinterpret_cast<const sockaddr*>(&groups),
           sizeof(groups)) != 0) {
    return ErrnoStatus(errno, "netlink bind");
  }
  return std::unique_ptr<NextHopTable>(
      new NextHopTable(std::move(ask), std::move(watch)));
}

absl::Span<const uint8_t> NextHopTable::Ask(absl::Span<const uint8_t> request) {
  if (send(ask_.get(), request.data(), request.size(), 0) !=
      static_cast<ssize_t>(request.size())) {
    return {};
  }
  for (;;) {
    const ssize_t size = recv(ask_.get(), buffer_.data(), buffer_.size(), 0);
    if (size < static_cast<ssize_t>(sizeof(nlmsghdr))) return {};
    nlmsghdr head;
    std::memcpy(&head, buffer_.data(), sizeof(head));
    // An answer that came too late for its own request is passed over.
    if (head.nlmsg_seq != sequence_) continue;
    if (head.nlmsg_type == NLMSG_ERROR) return {};
    return absl::MakeConstSpan(buffer_.data(), static_cast<size_t>(size));
  }
}

std::optional<NextHopTable::Route> NextHopTable::AskRoute(const IpAddress& from,
                                                          const IpAddress& to) {
  rtmsg body = {};
  body.rtm_family = to.is_v6() ? AF_INET6 : AF_INET;
  const uint8_t bits = to.is_v6() ? 128 : 32;
  body.rtm_dst_len = bits;
  body.rtm_src_len = bits;
  Request request(RTM_GETROUTE, ++sequence_, body);
  request.Add(RTA_DST, to.bytes());
  request.Add(RTA_SRC, from.bytes());
  absl::Span<const uint8_t> attributes;
  if (!ReadBody(Ask(request.bytes()), RTM_NEWROUTE, body, attributes) ||
      body.rtm_type != RTN_UNICAST) {
    return std::nullopt;
  }
  Route route;
  route.gateway = to;
  bool plain = true;
  ForEachAttribute(attributes, [&](int kind, absl::Span<const uint8_t> value) {
    switch (kind) {
      case RTA_OIF:
        route.interface = static_cast<int>(Word(value));
        break;
      case RTA_GATEWAY:
        route.gateway = IpAddress::FromBytes(value);
        break;
      case RTA_METRICS:
        ForEachAttribute(value,
                         [&](int metric, absl::Span<const uint8_t> bytes) {
                           if (metric == RTAX_MTU) route.mtu = Word(bytes);
                         });
        break;
      case RTA_ENCAP:
      case RTA_VIA:
        plain = false;
        break;
      default:
        break;
    }
  });
  if (!plain || route.interface == 0) return std::nullopt;
  return route;
}

std::optional<Hardware> NextHopTable::AskNeighbour(const Neighbour& whom) {
  ndmsg body = {};
  body.ndm_family = whom.address.is_v6() ? AF_INET6 : AF_INET;
  body.ndm_ifindex = whom.interface;
  Request request(RTM_GETNEIGH, ++sequence_, body);
  request.Add(NDA_DST, whom.address.bytes());
  IpAddress address;
  Hardware hardware = {};
  if (!ReadNeighbour(Ask(request.bytes()), RTM_NEWNEIGH, body, address,
                     hardware) ||
      (body.ndm_state & kUsable) == 0) {
    return std::nullopt;
  }
  return hardware;
}

bool NextHopTable::AskDevice(int interface, Hardware& address, uint32_t& mtu) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  request.ifr_ifindex = interface;
  if (!fd.valid() || ioctl(fd.get(), SIOCGIFNAME, &request) != 0 ||
      ioctl(fd.get(), SIOCGIFMTU, &request) != 0) {
    return false;
  }
  mtu = static_cast<uint32_t>(request.ifr_mtu);
  if (ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0 ||
      request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
    return false;
  }
  std::memcpy(address.data(), request.ifr_hwaddr.sa_data, address.size());
  return true;
}

NextHop NextHopTable::Find(const IpAddress& from, const IpAddress& to) {
  NextHop hop;
  const std::optional<Route> route = AskRoute(from, to);
  if (!route.has_value()) return hop;
  Hardware own;
  const bool ethernet = AskDevice(route->interface, own, hop.mtu);
  if (route->mtu != 0) hop.mtu = std::min(hop.mtu, route->mtu);
  if (!ethernet) return hop;
  const Neighbour neighbour = {route->interface, route->gateway};
  const std::optional<Hardware> hardware = AskNeighbour(neighbour);
  if (!hardware.has_value()) return hop;
  used_[neighbour] = *hardware;
  hop.interface = route->interface;
  std::memcpy(hop.link.data(), hardware->data(), 6);
  std::memcpy(hop.link.data() + 6, own.data(), 6);
  const uint16_t type = to.is_v6() ? ETH_P_IPV6 : ETH_P_IP;
  hop.link[12] = static_cast<uint8_t>(type >> 8);
  hop.link[13] = static_cast<uint8_t>(type);
  return hop;
}

void NextHopTable::OnReadable() {
  bool changed = false;
  for (;;) {
    const ssize_t size = recv(watch_.get(), buffer_.data(), buffer_.size(), 0);
    if (size < 0) {
      if (errno == EINTR) continue;
      // ENOBUFS: something was not told, so anything may have changed.
      changed = changed || errno != EAGAIN;
      break;
    }
    absl::Span<const uint8_t> rest =
        absl::MakeConstSpan(buffer_.data(), static_cast<size_t>(size));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr head;
      std::memcpy(&head, rest.data(), sizeof(head));
      if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest.size()) break;
      const absl::Span<const uint8_t> message = rest.first(head.nlmsg_len);
      if (head.nlmsg_type == RTM_NEWNEIGH || head.nlmsg_type == RTM_DELNEIGH) {
        // They come and go all the time; only those in use matter.
        ndmsg body;
        IpAddress address;
        Hardware hardware = {};
        if (ReadNeighbour(message, head.nlmsg_type, body, address, hardware)) {
          const auto it = used_.find({body.ndm_ifindex, address});
          if (it != used_.end() &&
              (head.nlmsg_type == RTM_DELNEIGH || it->second != hardware ||
               (body.ndm_state & kUsable) == 0)) {
            changed = true;
          }
        }
      } else {
        changed = true;
      }
      rest.remove_prefix(
          std::min<size_t>(rest.size(), NLMSG_ALIGN(head.nlmsg_len)));
    }
  }
  if (!changed) return;
  ++generation_;
  used_.clear();
}

}  // namespace sallyport::media_relay
