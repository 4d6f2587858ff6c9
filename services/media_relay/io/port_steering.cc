#include "services/media_relay/io/port_steering.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/net/unique_fd.h"
#include "services/common/random/random_source.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/client_steering.h"
#include "services/media_relay/io/relay_lookup.h"

namespace sallyport::media_relay {
namespace {

// As in relay_lookup.bpf.c.
constexpr uint32_t kMaxSlots = 1024;
struct Settings {
  uint64_t seed;
  uint32_t client_mask;
  uint32_t first_port, port_count;
  uint32_t padding;
};
struct SlotAddress {
  uint32_t family;
  uint8_t address[16];
};
constexpr size_t kPorts = 65536;
// Of a port that clients are served on.
constexpr uint16_t kListened = 0x8000;
static_assert(sizeof(std::atomic<uint16_t>) == sizeof(uint16_t));

absl::Status Refused(std::string_view what) {
  const int error = errno;
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(absl::string_view(what.data(), what.size()),
                     " needs CAP_BPF and CAP_NET_ADMIN"));
  }
  return absl::UnavailableError(absl::StrCat(
      absl::string_view(what.data(), what.size()), ": ", std::strerror(error)));
}

int Silent(libbpf_print_level, const char*, va_list) { return 0; }

}  // namespace

absl::StatusOr<std::unique_ptr<PortSteering>> PortSteering::Create(
    uint16_t first, uint16_t last, absl::Span<const IpAddress> addresses,
    uint32_t loops, RandomSource& random) {
  std::unique_ptr<PortSteering> steering(new PortSteering(first, last));
  for (const IpAddress& address : addresses) {
    SP_RETURN_IF_ERROR(steering->Hold(address));
  }
  SP_RETURN_IF_ERROR(steering->Load(loops, random.Uniform(uint64_t{1} << 62)));
  return steering;
}

absl::Status PortSteering::Hold(const IpAddress& address) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Refused("a local socket");
  // Abstract names belong to the network namespace and go with the process.
  const std::string name =
      absl::StrCat("sallyport-media-relay/", address.ToString());
  sockaddr_un local = {};
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path + 1, name.data(), name.size());
  const socklen_t size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), size) != 0) {
    if (errno == EADDRINUSE) {
      return absl::AlreadyExistsError(
          "another relay steers the ports of this address");
    }
    return Refused("a local name");
  }
  holds_.push_back(std::move(fd));
  return absl::OkStatus();
}

absl::Status PortSteering::Load(uint32_t loops, uint64_t seed) {
  libbpf_set_print(Silent);
  const std::string_view file = bpf::RelayLookupObject();
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "relay_lookup");
  object_ = bpf_object__open_mem(file.data(), file.size(), &options);
  if (object_ == nullptr) return Refused("opening the BPF program");
  const Settings settings = {seed, ClientSteering::kClientWords - 1, first_,
                             static_cast<uint32_t>(last_) - first_ + 1, 0};
  bpf_map* map = nullptr;
  bool placed = false;
  bpf_object__for_each_map(map, object_) {
    const std::string_view name = bpf_map__name(map);
    if (name.find("rodata") != std::string_view::npos) {
      placed =
          bpf_map__set_initial_value(map, &settings, sizeof(settings)) == 0;
    }
  }
  if (loops > 1) {
    map = bpf_object__find_map_by_name(object_, "clients");
    placed = placed && map != nullptr &&
             bpf_map__set_max_entries(map, ClientSteering::kClientWords) == 0;
  }
  if (!placed) {
    return absl::InternalError("the BPF program is not the expected one");
  }
  if (bpf_object__load(object_) != 0) return Refused("loading a BPF program");
  const int ports = bpf_object__find_map_fd_by_name(object_, "ports");
  words_size_ = kPorts * sizeof(uint16_t);
  words_ =
      mmap(nullptr, words_size_, PROT_READ | PROT_WRITE, MAP_SHARED, ports, 0);
  if (words_ == MAP_FAILED) {
    words_ = nullptr;
    return Refused("mapping the table of ports");
  }
  if (loops > 1) {
    const auto map_fd = [this](const char* name) {
      return bpf_object__find_map_fd_by_name(object_, name);
    };
    SP_ASSIGN_OR_RETURN(
        clients_,
        ClientSteering::Create({map_fd("listeners"), map_fd("listener_sockets"),
                                map_fd("clients"), map_fd("arrivals")},
                               loops, seed));
  }
  const UniqueFd space(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (space.get() < 0) return Refused("the network namespace");
  const bpf_program* program =
      bpf_object__find_program_by_name(object_, "relay_lookup");
  link_ = UniqueFd(bpf_link_create(bpf_program__fd(program), space.get(),
                                   BPF_SK_LOOKUP, nullptr));
  if (link_.get() < 0) return Refused("attaching a BPF program");
  return absl::OkStatus();
}

PortSteering::~PortSteering() {
  link_ = UniqueFd();
  if (words_ != nullptr) munmap(words_, words_size_);
  if (object_ != nullptr) bpf_object__close(object_);
}

absl::StatusOr<uint32_t> PortSteering::AddSocket(int fd,
                                                 const IpAddress& address) {
  if (slots_ >= kMaxSlots) {
    return absl::ResourceExhaustedError("too many relay sockets");
  }
  const uint32_t slot = slots_;
  SlotAddress own = {};
  own.family = address.is_v6() ? AF_INET6 : AF_INET;
  const absl::Span<const uint8_t> bytes = address.bytes();
  std::memcpy(own.address, bytes.data(), bytes.size());
  const int addresses = bpf_object__find_map_fd_by_name(object_, "addresses");
  if (bpf_map_update_elem(addresses, &slot, &own, BPF_ANY) != 0) {
    return Refused("the table of addresses");
  }
  const int sockets = bpf_object__find_map_fd_by_name(object_, "sockets");
  const uint64_t value = static_cast<uint64_t>(fd);
  if (bpf_map_update_elem(sockets, &slot, &value, BPF_ANY) != 0) {
    return Refused("the table of sockets");
  }
  ++slots_;
  return slot;
}

absl::StatusOr<uint32_t> PortSteering::AddListener(int fd,
                                                   const Endpoint& local,
                                                   uint32_t loop) {
  uint32_t number;
  SP_ASSIGN_OR_RETURN(number, clients_->AddListener(fd, local, loop));
  Word(local.port).store(kListened, std::memory_order_release);
  return number;
}

std::atomic<uint16_t>& PortSteering::Word(uint16_t port) const {
  return static_cast<std::atomic<uint16_t>*>(words_)[port];
}

void PortSteering::Open(uint16_t port, uint32_t slot) {
  Word(port).store(static_cast<uint16_t>(slot + 1), std::memory_order_release);
}

void PortSteering::Close(uint16_t port) {
  Word(port).store(0, std::memory_order_release);
}

bool PortIsSteeredAway(int fd, const Endpoint& local) {
  sockaddr_storage address;
  const socklen_t size = local.ToSocketAddress().ToSockaddr(address);
  const UniqueFd probe(
      socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid() ||
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), size) !=
          0) {
    return false;
  }
  sockaddr_storage own = {};
  socklen_t own_size = sizeof(own);
  const char byte = 0;
  if (getsockname(probe.get(), reinterpret_cast<sockaddr*>(&own), &own_size) !=
          0 ||
      send(probe.get(), &byte, 1, 0) != 1) {
    return false;
  }
  // Over loopback it is there before send() returns. What came before it was
  // for nobody yet.
  while (true) {
    char got;
    sockaddr_storage from = {};
    socklen_t from_size = sizeof(from);
    if (recvfrom(fd, &got, 1, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from),
                 &from_size) < 0) {
      if (errno == EINTR) continue;
      return true;
    }
    if (from_size == own_size && std::memcmp(&from, &own, own_size) == 0) {
      return false;
    }
  }
}

}  // namespace sallyport::media_relay
