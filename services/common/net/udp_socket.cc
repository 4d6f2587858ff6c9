#include "services/common/net/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
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

constexpr size_t kSendBatch = 32;  // messages to the kernel
// Datagrams in one batch, and in one message (the kernel's UDP_MAX_SEGMENTS).
constexpr size_t kMaxSegments = 64;
// Of one datagram among several in a message: longer ones may not fit the path.
constexpr size_t kMaxSegment = 1200;
constexpr size_t kMaxRun = 65'000;  // octets of a message, below IP's limit

// Room for one in_pktinfo or in6_pktinfo, and the size of segments.
struct alignas(cmsghdr) Control {
  std::array<char,
             CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))>
      bytes;
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

void AddControl(int level, int type, ByteSpan value, Control& control,
                msghdr& header) {
  if (header.msg_control == nullptr) {
    std::memset(control.bytes.data(), 0, control.bytes.size());
    header.msg_control = control.bytes.data();
  }
  auto* const c =
      reinterpret_cast<cmsghdr*>(control.bytes.data() + header.msg_controllen);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(value.size());
  std::memcpy(CMSG_DATA(c), value.data(), value.size());
  header.msg_controllen += CMSG_SPACE(value.size());
}

template <typename T>
ByteSpan OctetsOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

// Names the source address of one outgoing datagram.
void SetLocal(const SocketAddress& local, Control& control, msghdr& header) {
  if (local.is_v4()) {
    in_pktinfo info = {};
    std::memcpy(&info.ipi_spec_dst, local.ip_bytes().data(), 4);
    AddControl(IPPROTO_IP, IP_PKTINFO, OctetsOf(info), control, header);
  } else {
    in6_pktinfo info = {};
    std::memcpy(&info.ipi6_addr, local.ip_bytes().data(), 16);
    AddControl(IPPROTO_IPV6, IPV6_PKTINFO, OctetsOf(info), control, header);
  }
}

// The system's form of outgoing datagrams that are alike but for what they say;
// points into itself, so it stays where it is made.
struct Outgoing {
  sockaddr_storage address;
  Control control;

  // `vectors` has room for one a datagram.
  void Fill(absl::Span<const OutgoingDatagram> from, iovec* vectors,
            msghdr& header) {
    header = {};
    for (size_t i = 0; i < from.size(); ++i) {
      vectors[i].iov_base = const_cast<uint8_t*>(from[i].payload.data());
      vectors[i].iov_len = from[i].payload.size();
    }
    const OutgoingDatagram& first = from.front();
    header.msg_name = &address;
    header.msg_namelen = first.peer.ToSockaddr(address);
    header.msg_iov = vectors;
    header.msg_iovlen = from.size();
    if (first.local.has_value()) SetLocal(*first.local, control, header);
    if (from.size() == 1) return;
    const uint16_t size = static_cast<uint16_t>(first.payload.size());
    AddControl(SOL_UDP, UDP_SEGMENT, OctetsOf(size), control, header);
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
  return UdpSocket(std::move(fd), *local, options.segment);
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

size_t UdpSocket::RunOf(absl::Span<const OutgoingDatagram> datagrams) const {
  const OutgoingDatagram& first = datagrams.front();
  const size_t size = first.payload.size();
  if (!segment_ || size == 0 || size > kMaxSegment) return 1;
  size_t count = 1;
  size_t octets = size;
  while (count < datagrams.size() && count < kMaxSegments) {
    const OutgoingDatagram& next = datagrams[count];
    octets += next.payload.size();
    if (next.payload.empty() || next.payload.size() > size ||
        octets > kMaxRun || !(next.peer == first.peer) ||
        next.local != first.local) {
      break;
    }
    ++count;
    if (next.payload.size() < size) break;  // only the last may be
  }
  return count;
}

size_t UdpSocket::Send(absl::Span<const OutgoingDatagram> datagrams) {
  std::array<Outgoing, kSendBatch> outgoing;
  std::array<mmsghdr, kSendBatch> headers;
  std::array<iovec, kMaxSegments> vectors;
  std::array<size_t, kSendBatch> runs;
  size_t done = 0;
  size_t singly = 0;  // so many are not to go with others
  while (done < datagrams.size()) {
    size_t batch = 0;
    size_t used = 0;  // of `vectors`
    while (batch < kSendBatch && done + used < datagrams.size() &&
           used < kMaxSegments) {
      const auto rest = datagrams.subspan(done + used, kMaxSegments - used);
      const size_t run = used < singly ? 1 : RunOf(rest);
      outgoing[batch].Fill(rest.first(run), vectors.data() + used,
                           headers[batch].msg_hdr);
      used += run;
      runs[batch++] = run;
    }
    const int sent =
        sendmmsg(fd_.get(), headers.data(), static_cast<unsigned>(batch), 0);
    if (sent >= 0) {
      size_t went = 0;
      for (int i = 0; i < sent; ++i) went += runs[static_cast<size_t>(i)];
      done += went;
      singly -= std::min(singly, went);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) break;
    if (runs[0] > 1) {
      // EIO: the way out cannot do it; else the path may be narrow, or it is
      // these that are refused, which is then seen of each.
      if (errno == EIO || errno == EOPNOTSUPP) segment_ = false;
      singly = runs[0];
      continue;
    }
    // The error is that of the first one; the rest have not been tried.
    ++refused_;
    ++done;
    singly -= std::min<size_t>(singly, 1);
  }
  return done;
}

absl::Status UdpSocket::SendOne(const OutgoingDatagram& datagram) {
  Outgoing outgoing;
  iovec vector;
  msghdr header;
  outgoing.Fill({&datagram, 1}, &vector, header);
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
