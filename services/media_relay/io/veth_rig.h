// Network namespaces of a test's own. OwnNetwork: a loopback device alone, so
// that no other test of this host has ports there. VethRig: two joined by a
// veth pair, for what needs a device with a driver: the calling thread is moved
// into the near one.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_VETH_RIG_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_VETH_RIG_H_

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::media_relay {

// 127.0.0.0/8 and ::1, for the calling thread and those that it starts. Needs
// root. Thread-compatible; destroyed on the thread that made it.
class OwnNetwork {
 public:
  static absl::StatusOr<std::unique_ptr<OwnNetwork>> Create() {
    std::unique_ptr<OwnNetwork> own(new OwnNetwork());
    if (unshare(CLONE_NEWNET) != 0) {
      return absl::PermissionDeniedError(
          absl::StrCat("a network namespace: ", std::strerror(errno)));
    }
    if (std::system("ip link set lo up >&2") != 0) {
      return absl::UnavailableError("the loopback device stays down");
    }
    return own;
  }

  ~OwnNetwork() {
    if (home_.valid()) (void)setns(home_.get(), CLONE_NEWNET);
  }
  OwnNetwork(const OwnNetwork&) = delete;
  OwnNetwork& operator=(const OwnNetwork&) = delete;

 private:
  OwnNetwork() : home_(open("/proc/thread-self/ns/net", O_RDONLY)) {}

  const UniqueFd home_;
};

// Near: 10.77.0.1, fd77::1 on device near0. Far: 10.77.0.2, fd77::2, whose
// kernel computes checksums itself. Needs root. Thread-compatible; destroyed
// on the thread that made it.
class VethRig {
 public:
  static absl::StatusOr<std::unique_ptr<VethRig>> Create() {
    std::unique_ptr<VethRig> rig(new VethRig());
    rig->home_ = Open();
    if (unshare(CLONE_NEWNET) != 0) {
      return absl::PermissionDeniedError(
          absl::StrCat("a network namespace: ", std::strerror(errno)));
    }
    rig->far_ = Open();
    if (unshare(CLONE_NEWNET) != 0) {
      return absl::PermissionDeniedError("a second network namespace");
    }
    rig->near_ = Open();
    const std::string far =
        absl::StrCat("/proc/", getpid(), "/fd/", rig->far_.get());
    if (!Run(absl::StrCat("ip link set lo up; ip link add near0 type veth peer"
                          " name far0; ip link set far0 netns ",
                          far,
                          "; ip addr add 10.77.0.1/24 dev near0;"
                          " ip addr add fd77::1/64 dev near0 nodad;"
                          " ip link set near0 up"))) {
      return absl::UnavailableError("a veth pair cannot be made");
    }
    bool up = false;
    rig->InFar([&up] {
      up =
          Run("ip link set lo up; ip addr add 10.77.0.2/24 dev far0;"
              " ip addr add fd77::2/64 dev far0 nodad;"
              " ip link set far0 up; ethtool -K far0 tx off gro on");
    });
    if (!up) return absl::UnavailableError("the far side cannot be set up");
    return rig;
  }

  ~VethRig() {
    if (home_.valid()) (void)setns(home_.get(), CLONE_NEWNET);
  }

  // The far side becomes a router to 10.78.0.0/24 and fd78::/64, along a link
  // of `mtu` octets that nobody is behind.
  absl::Status Narrow(int mtu) const {
    bool up = false;
    InFar([&] {
      up = Run(absl::StrCat(
          "ip link add narrow0 type veth peer name narrow1;"
          " ip link set narrow1 up; ip link set narrow0 mtu ",
          mtu,
          " up; ip addr add 10.78.0.1/24 dev narrow0;"
          " ip addr add fd78::1/64 dev narrow0 nodad;"
          " ip neigh add 10.78.0.9 lladdr 02:00:00:00:00:09 dev narrow0;"
          " ip neigh add fd78::9 lladdr 02:00:00:00:00:09 dev narrow0;"
          " echo 1 > /proc/sys/net/ipv4/ip_forward;"
          " echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"));
    });
    if (!up || !Run("ip route add 10.78.0.0/24 via 10.77.0.2;"
                    " ip route add fd78::/64 via fd77::2")) {
      return absl::UnavailableError("the far side cannot be a router");
    }
    return absl::OkStatus();
  }

  // Runs it on a thread inside the far namespace.
  void InFar(const std::function<void()>& work) const {
    std::thread([&] {
      if (setns(far_.get(), CLONE_NEWNET) == 0) work();
    }).join();
  }

 private:
  VethRig() = default;
  static UniqueFd Open() {
    return UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY));
  }
  static bool Run(const std::string& commands) {
    return std::system(
               absl::StrCat("set -e; { ", commands, "; } >&2").c_str()) == 0;
  }

  UniqueFd home_;
  UniqueFd far_;
  UniqueFd near_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_VETH_RIG_H_
