// Relay ports under test, each way of serving them in turn, with a far side on
// this host.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_PORTS_RIG_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_PORTS_RIG_H_

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/system_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/io/frame_rings.h"
#include "services/media_relay/io/kernel_flows.h"
#include "services/media_relay/io/per_port_sockets.h"
#include "services/media_relay/io/port_steering.h"
#include "services/media_relay/io/relay_ports.h"
#include "services/media_relay/io/steered_ports.h"
#include "services/media_relay/io/udp_batch.h"
#include "services/media_relay/io/veth_rig.h"

namespace sallyport::media_relay {

inline constexpr uint16_t kFirst = 47000;
inline constexpr uint16_t kLast = 47999;
inline constexpr SocketId kA = kFirstCoreSocket + 1;
inline constexpr SocketId kB = kFirstCoreSocket + 2;
inline const MonoTime kNow = MonoTime::FromOrigin(absl::Hours(1));

// A far side on this host.
class Far {
 public:
  explicit Far(const char* ip)
      : udp_(UdpSocket::Bind(*SocketAddress::FromIp(ip, 0)).value()) {}

  Endpoint endpoint() const {
    const SocketAddress& local = udp_.local_address();
    return {IpAddress::FromBytes(local.ip_bytes()), local.port()};
  }
  absl::Status Send(const std::string& bytes, const Endpoint& to) {
    OutgoingDatagram out;
    out.payload = AsBytes(bytes);
    out.peer = to.ToSocketAddress();
    return udp_.SendOne(out);
  }
  // And where it came from; empty when nothing comes.
  std::string Receive(Endpoint* from, int milliseconds = 2000) {
    pollfd ready = {udp_.fd(), POLLIN, 0};
    if (poll(&ready, 1, milliseconds) != 1) return "";
    std::array<char, 4096> buffer;
    sockaddr_storage address = {};
    socklen_t address_size = sizeof(address);
    const ssize_t size =
        recvfrom(udp_.fd(), buffer.data(), buffer.size(), 0,
                 reinterpret_cast<sockaddr*>(&address), &address_size);
    if (size < 0) return absl::StrCat("error ", errno);
    *from = FromSockaddr(address);
    return std::string(buffer.data(), static_cast<size_t>(size));
  }
  bool IsRefused() {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(udp_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == ECONNREFUSED;
  }
  void Connect(const Endpoint& to) {
    sockaddr_storage address;
    const socklen_t size = to.ToSocketAddress().ToSockaddr(address);
    ASSERT_EQ(
        connect(udp_.fd(), reinterpret_cast<const sockaddr*>(&address), size),
        0);
  }

 private:
  UdpSocket udp_;
};

// Whether a datagram to `local`, an address of this host, finds a socket.
inline bool PortAnswers(const Endpoint& local) {
  sockaddr_storage address;
  const socklen_t size = local.ToSocketAddress().ToSockaddr(address);
  const UniqueFd fd(
      socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0 ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) !=
          0) {
    return false;
  }
  const char byte = 0;
  if (send(fd.get(), &byte, 1, 0) != 1) return false;
  // Over loopback the refusal is there before send() returns.
  int error = 0;
  socklen_t error_size = sizeof(error);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &error_size) != 0) {
    return false;
  }
  return error == 0;
}

// kXdp, kTc: frames, on a veth whose far side is another network namespace;
// kAfXdp: the same with rings.
enum class Way { kPerPort, kRaw, kFrames, kXdp, kAfXdp, kTc };

class RelayPortsRig
    : public testing::TestWithParam<std::tuple<Way, const char*>> {
 protected:
  struct Arrived {
    SocketId id;
    Endpoint from;
    std::string bytes;
  };

  void SetUp() override {
    ip_ = std::get<1>(GetParam());
    far_ip_ = ip_;
    if (way() == Way::kXdp || way() == Way::kTc || way() == Way::kAfXdp ||
        IsOnDevice()) {
      auto veth = VethRig::Create();
      if (!veth.ok()) GTEST_SKIP() << "not possible here: " << veth.status();
      veth_ = *std::move(veth);
      far_ip_ = std::string_view(ip_) == "fd77::1" ? "fd77::2" : "10.77.0.2";
    } else {
      // Shards and tests that steer the same ports run beside this one, and the
      // host gives out ports of the range. What a program has bound on a port
      // after that was opened by steering gets nothing.
      if (auto network = OwnNetwork::Create(); network.ok()) {
        network_ = *std::move(network);
      }
    }
    loop_ = EventLoop::Create().value();
    const auto ready = [this](int fd, SocketId id) { OnReady(fd, id); };
    if (way() == Way::kPerPort) {
      ports_ = std::make_unique<PerPortSockets>(*loop_, ready, false);
      return;
    }
    const IpAddress address = *IpAddress::Parse(ip_);
    auto steering = PortSteering::Create(kFirst, kLast, {address}, 1, random_);
    if (!steering.ok()) {
      GTEST_SKIP() << "not possible here: " << steering.status();
    }
    steering_ = *std::move(steering);
    SteeredPorts::Options options;
    options.addresses = {address};
    options.frames = way() != Way::kRaw;
    options.routes_changed = [this](uint32_t g) { OnRoutesChanged(g); };
    if (way() == Way::kAfXdp) {
      KernelFlows::Options kernel;
      kernel.addresses = {address};
      kernel.any_device = true;
      kernel.ring_addresses = {address};
      kernel.first_port = kFirst;
      kernel.last_port = kLast;
      auto program = KernelFlows::Create(kernel);
      if (!program.ok())
        GTEST_SKIP() << "not possible here: " << program.status();
      ring_program_ = *std::move(program);
      auto rings = FrameRings::Create(*ring_program_, 0, 1);
      if (!rings.ok()) GTEST_SKIP() << "not possible here: " << rings.status();
      rings_ = *std::move(rings);
      options.rings = rings_.get();
    }
    auto ports = SteeredPorts::Create(options, *loop_, *steering_, ready);
    if (absl::IsPermissionDenied(ports.status())) {
      GTEST_SKIP() << "not possible here: " << ports.status();
    }
    ASSERT_TRUE(ports.ok()) << ports.status();
    ports_ = *std::move(ports);
  }

  // An address of VethRig, whatever the way.
  bool IsOnDevice() const {
    const std::string_view ip(ip_);
    return ip == "fd77::1" || ip == "10.77.0.1";
  }
  Way way() const { return std::get<0>(GetParam()); }
  std::unique_ptr<Far> MakeFar() {
    if (veth_ == nullptr) return std::make_unique<Far>(far_ip_);
    std::unique_ptr<Far> far;
    veth_->InFar([&] { far = std::make_unique<Far>(far_ip_); });
    return far;
  }

  virtual void OnRoutesChanged(uint32_t /*generation*/) {}
  virtual void OnReady(int fd, SocketId id) {
    const auto [batch, count] = ports_->Receive(fd);
    for (size_t i = 0; i < count; ++i) {
      const SocketId socket =
          id != kNoSocket ? id : ports_->IdOf(fd, batch.local_port(i));
      // What waited when its port closed.
      if (socket == kStraySocket) continue;
      arrived_.push_back(
          {socket, batch.from(i), ToString(batch.packet(i).bytes())});
    }
  }
  void Turn(size_t until) {
    for (int i = 0; i < 100 && arrived_.size() < until; ++i) {
      loop_->RunOnce(absl::Milliseconds(20));
    }
  }
  Endpoint Port(uint16_t port) const { return {*IpAddress::Parse(ip_), port}; }
  // A free one: other programs of this host may hold some.
  Endpoint OpenOne(SocketId id) {
    for (uint16_t port = kFirst + 10 + static_cast<uint16_t>(id & 0xFF);
         port < kLast; port += 16) {
      if (ports_->Open(id, Port(port)).ok()) return Port(port);
    }
    ADD_FAILURE() << "no port could be opened";
    return Port(0);
  }
  void Send(SocketId id, const Endpoint& to, const std::string& bytes,
            MonoTime now = kNow, bool dont_fragment = false) {
    std::memcpy(buffer_.data() + kPacketHeadroom, bytes.data(), bytes.size());
    PacketAction action = PacketAction::Send(
        id, to,
        absl::MakeConstSpan(buffer_.data() + kPacketHeadroom, bytes.size()));
    action.dont_fragment = dont_fragment;
    ports_->Send(action, {now, absl::InfinitePast(), kPacketHeadroom});
    ports_->Flush();
  }

  const char* ip_;
  const char* far_ip_;
  SystemRandom random_;
  std::unique_ptr<OwnNetwork> network_;  // first: what is in it ends before
  std::unique_ptr<VethRig> veth_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<PortSteering> steering_;
  std::unique_ptr<KernelFlows> ring_program_;
  std::unique_ptr<FrameRings> rings_;
  std::unique_ptr<RelayPorts> ports_;
  std::vector<Arrived> arrived_;
  std::array<uint8_t, kPacketHeadroom + 4096> buffer_;
};

inline std::string WayName(
    const testing::TestParamInfo<std::tuple<Way, const char*>>& info) {
  const std::string family =
      std::string_view(std::get<1>(info.param)).find(':') !=
              std::string_view::npos
          ? "V6"
          : "V4";
  switch (std::get<0>(info.param)) {
    case Way::kPerPort:
      return "PerPort" + family;
    case Way::kRaw:
      return "Raw" + family;
    case Way::kFrames:
      return "Frames" + family;
    case Way::kXdp:
      return "Xdp" + family;
    case Way::kAfXdp:
      return "AfXdp" + family;
    case Way::kTc:
      return "Tc" + family;
  }
  return "";
}

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_RELAY_PORTS_RIG_H_
