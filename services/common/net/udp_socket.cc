#include "services/common/net/udp_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "services/common/net/errno_status.h"

namespace sallyport {
namespace {

constexpr size_t kSendBatch = 32;

// Room for one in_pktinfo or in6_pktinfo.
struct alignas(cmsghdr) Control {
  std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

absl::Status SetInt(int fd, int level, int name, int value, const char* what) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) != 0) {
    return ErrnoStatus(errno, what);
  }
  return absl::OkStatus();
}

std::optional<SocketAddress> LocalOf(msghdr& header, uint16_t port) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr;
       c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof(info));
      return SocketAddress::FromBytes(
          {reinterpret_cast<const uint8_t*>(&info.ipi_addr), 4}, port);
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof(info));
      return SocketAddress::FromBytes(
          {reinterpret_cast<const uint8_t*>(&info.ipi6_addr), 16}, port);
    }
  }
  return std::nullopt;
}

// Names the source address of one outgoing datagram.
void SetLocal(const SocketAddress& local, Control& control, msghdr& header) {
  std::memset(control.bytes.data(), 0, control.bytes.size());
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  cmsghdr* const c = CMSG_FIRSTHDR(&header);
  if (local.is_v4()) {
    in_pktinfo info = {};
    std::memcpy(&info.ipi_spec_dst, local.ip_bytes().data(), 4);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(c), &info, sizeof(info));
    header.msg_controllen = CMSG_SPACE(sizeof(info));
  } else {
    in6_pktinfo info = {};
    std::memcpy(&info.ipi6_addr, local.ip_bytes().data(), 16);
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(c), &info, sizeof(info));
    header.msg_controllen = CMSG_SPACE(sizeof(info));
  }
}

// The system's form of one outgoing datagram; points into itself, so it stays
// where it is made.
struct Outgoing {
  sockaddr_storage address;
  iovec vector;
  Control control;

  void Fill(const OutgoingDatagram& from, msghdr& header) {
    header = {};
    vector.iov_base = const_cast<uint8_t*>(from.payload.data());
    vector.iov_len = from.payload.size();
    header.msg_name = &address;
    header.msg_namelen = from.peer.ToSockaddr(address);
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (from.local.has_value()) SetLocal(*from.local, control, header);
  }
};

}  // namespace

struct UdpReceiveBuffer::Slots {
  Slots(size_t datagrams, size_t size)
      : datagram_size(size),
        memory(datagrams * size),
        headers(datagrams),
        vectors(datagrams),
        names(datagrams),
        controls(datagrams),
        received(datagrams) {}

  size_t datagram_size;
  std::vector<uint8_t> memory;
  std::vector<mmsghdr> headers;
  std::vector<iovec> vectors;
  std::vector<sockaddr_storage> names;
  std::vector<Control> controls;
  std::vector<ReceivedDatagram> received;
};

UdpReceiveBuffer::UdpReceiveBuffer(size_t datagrams, size_t datagram_size)
    : slots_(std::make_unique<Slots>(datagrams, datagram_size)) {}

UdpReceiveBuffer::~UdpReceiveBuffer() = default;

absl::StatusOr<UdpSocket> UdpSocket::Bind(const SocketAddress& address,
                                          const Options& options) {
  const int family = address.is_v6() ? AF_INET6 : AF_INET;
  UniqueFd fd(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  absl::Status status;
  if (address.is_v6()) {
    status.Update(
        SetInt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"));
  }
  if (options.reuse_port) {
    status.Update(
        SetInt(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
  }
  if (options.packet_info) {
    status.Update(address.is_v6() ? SetInt(fd.get(), IPPROTO_IPV6,
                                           IPV6_RECVPKTINFO, 1, "IPV6_PKTINFO")
                                  : SetInt(fd.get(), IPPROTO_IP, IP_PKTINFO, 1,
                                           "IP_PKTINFO"));
  }
  if (options.receive_buffer > 0) {
    status.Update(SetInt(fd.get(), SOL_SOCKET, SO_RCVBUF,
                         options.receive_buffer, "SO_RCVBUF"));
  }
  if (options.send_buffer > 0) {
    status.Update(SetInt(fd.get(), SOL_SOCKET, SO_SNDBUF, options.send_buffer,
                         "SO_SNDBUF"));
  }
  if (!status.ok()) return status;

  sockaddr_storage name;
  socklen_t size = address.ToSockaddr(name);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) {
    return ErrnoStatus(errno, "bind");
  }
  size = sizeof(name);
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  const auto local =
      SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&name), size);
  if (!local) return absl::InternalError("getsockname: unknown family");
  return UdpSocket(std::move(fd), *local);
}

absl::StatusOr<absl::Span<ReceivedDatagram>> UdpSocket::Receive(
    UdpReceiveBuffer& buffer) {
  UdpReceiveBuffer::Slots& slots = *buffer.slots_;
  for (size_t i = 0; i < slots.headers.size(); ++i) {
    slots.vectors[i].iov_base = slots.memory.data() + i * slots.datagram_size;
    slots.vectors[i].iov_len = slots.datagram_size;
    msghdr& header = slots.headers[i].msg_hdr;
    header = {};
    header.msg_name = &slots.names[i];
    header.msg_namelen = sizeof(slots.names[i]);
    header.msg_iov = &slots.vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = slots.controls[i].bytes.data();
    header.msg_controllen = slots.controls[i].bytes.size();
  }
  const int count =
      recvmmsg(fd_.get(), slots.headers.data(),
               static_cast<unsigned>(slots.headers.size()), 0, nullptr);
  if (count < 0) {
    // An ICMP error of an earlier datagram is not this socket's failure.
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
        errno == ECONNREFUSED || errno == EHOSTUNREACH ||
        errno == ENETUNREACH) {
      return absl::Span<ReceivedDatagram>();
    }
    return ErrnoStatus(errno, "recvmmsg");
  }
  size_t kept = 0;
  for (int i = 0; i < count; ++i) {
    msghdr& header = slots.headers[i].msg_hdr;
    const auto peer = SocketAddress::FromSockaddr(
        static_cast<sockaddr*>(header.msg_name), header.msg_namelen);
    if (!peer) continue;
    ReceivedDatagram& out = slots.received[kept++];
    out.payload = absl::MakeSpan(
        slots.memory.data() + i * slots.datagram_size,
        std::min<size_t>(slots.headers[i].msg_len, slots.datagram_size));
    out.peer = *peer;
    out.local = LocalOf(header, local_.port());
    out.truncated = (header.msg_flags & MSG_TRUNC) != 0;
  }
  return absl::MakeSpan(slots.received.data(), kept);
}

size_t UdpSocket::Send(absl::Span<const OutgoingDatagram> datagrams) {
  std::array<Outgoing, kSendBatch> outgoing;
  std::array<mmsghdr, kSendBatch> headers;
  size_t done = 0;
  while (done < datagrams.size()) {
    const size_t batch = std::min(kSendBatch, datagrams.size() - done);
    for (size_t i = 0; i < batch; ++i) {
      outgoing[i].Fill(datagrams[done + i], headers[i].msg_hdr);
    }
    const int sent =
        sendmmsg(fd_.get(), headers.data(), static_cast<unsigned>(batch), 0);
    if (sent >= 0) {
      done += static_cast<size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) break;
    // The error is that of the first one; the rest have not been tried.
    ++refused_;
    ++done;
  }
  return done;
}

absl::Status UdpSocket::SendOne(const OutgoingDatagram& datagram) {
  Outgoing outgoing;
  msghdr header;
  outgoing.Fill(datagram, header);
  ssize_t sent;
  do {
    sent = sendmsg(fd_.get(), &header, 0);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return absl::OkStatus();
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
    return absl::UnavailableError("the socket's send buffer is full");
  }
  ++refused_;
  return ErrnoStatus(errno, "sendmsg");
}

}  // namespace sallyport
