#include "services/media_relay/io/kernel_flows.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/io/kernel_flows_program.h"
#include "services/media_relay/io/udp_batch.h"

namespace sallyport::media_relay {
namespace {

// As in kernel_flows.bpf.c.
struct KeyV4 {
  uint8_t from[4], to[4];
  uint16_t from_port, to_port;
  uint16_t channel, zero;
};
struct KeyV6 {
  uint8_t from[16], to[16];
  uint16_t from_port, to_port;
  uint16_t channel, zero;
};
struct Value {
  uint8_t head[64];
  uint64_t expiry_ns;
  uint64_t next_pass_ns;
  uint32_t interface, slot, loop, generation;
  uint32_t udp_delta, ip_sum;
  uint16_t most_udp, channel;
  uint32_t zero;
};
static_assert(sizeof(KeyV4) == 16 && sizeof(KeyV6) == 40 &&
              sizeof(Value) == 112);
struct Counted {
  std::atomic<uint64_t> packets, bytes;
};

constexpr size_t kPage = 4096;
// The program reads a clock that ticks, at the slowest, a hundred times a
// second; it must not be late.
constexpr absl::Duration kClockTick = absl::Milliseconds(10);
constexpr absl::Duration kFirstPass = absl::Seconds(2);

absl::Status Refused(std::string_view what) {
  const int error = errno;
  const absl::string_view text(what.data(), what.size());
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(text, " needs CAP_BPF and CAP_NET_ADMIN"));
  }
  return absl::UnavailableError(absl::StrCat(text, ": ", std::strerror(error)));
}

int Silent(libbpf_print_level, const char*, va_list) { return 0; }

uint32_t Fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint32_t>(sum);
}

// Of addresses and ports, as they stand in a datagram.
uint32_t SumOf(const Endpoint& from, const Endpoint& to) {
  uint64_t sum = 0;
  for (const Endpoint* one : {&from, &to}) {
    const absl::Span<const uint8_t> bytes = one->ip.bytes();
    sum += WordSum(bytes.data(), bytes.size()) + htons(one->port);
  }
  return Fold(sum);
}

KeyV4 KeyV4Of(const KernelFlow& flow) {
  KeyV4 key = {};
  std::memcpy(key.from, flow.from.ip.bytes().data(), 4);
  std::memcpy(key.to, flow.to.ip.bytes().data(), 4);
  key.from_port = htons(flow.from.port);
  key.to_port = htons(flow.to.port);
  key.channel = flow.channel;
  return key;
}

KeyV6 KeyV6Of(const KernelFlow& flow) {
  KeyV6 key = {};
  std::memcpy(key.from, flow.from.ip.bytes().data(), 16);
  std::memcpy(key.to, flow.to.ip.bytes().data(), 16);
  key.from_port = htons(flow.from.port);
  key.to_port = htons(flow.to.port);
  key.channel = flow.channel;
  return key;
}

uint64_t NanosOf(MonoTime time) {
  return static_cast<uint64_t>(
      std::max<int64_t>(0, absl::ToInt64Nanoseconds(time.since_origin())));
}

Value ValueOf(uint32_t slot, const KernelFlow& flow, MonoTime now) {
  Value value = {};
  const bool v6 = flow.to.ip.is_v6();
  std::array<uint8_t, WireHeader::kMaxSize> bytes;
  WireHeader header = flow.header;
  const absl::Span<const uint8_t> frame =
      header.Frame(bytes.data() + bytes.size(), 0, /*with_link=*/true);
  std::memcpy(value.head, frame.data(), frame.size());
  if (!v6) {
    uint8_t* const ip = value.head + 14;
    for (const size_t at : {2, 3, 4, 5, 10, 11}) ip[at] = 0;
    value.ip_sum = Fold(WordSum(ip, 20));
  }
  value.udp_delta = SumOf(flow.next_from, flow.next_to) +
                    (~SumOf(flow.from, flow.to) & 0xFFFF);
  value.expiry_ns = NanosOf(flow.expiry - kClockTick);
  value.next_pass_ns = NanosOf(now + kFirstPass);
  value.interface = static_cast<uint32_t>(flow.interface);
  value.slot = slot;
  value.loop = flow.loop;
  value.generation = flow.generation;
  const uint32_t heads = v6 ? 40 : 20;
  value.most_udp = static_cast<uint16_t>(
      std::min<uint32_t>(0xFFFF, std::max(flow.mtu, heads) - heads));
  value.channel = flow.head_channel;
  return value;
}

// "veth", "ixgbe"; empty when the device does not say.
std::string DriverOf(const std::string& device) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo info = {};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request = {};
  device.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&info);
  if (!fd.valid() || ioctl(fd.get(), SIOCETHTOOL, &request) != 0) return "";
  return info.driver;
}

MonoTime SystemNow() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return MonoTime::FromOrigin(absl::DurationFromTimespec(now));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelFlows>> KernelFlows::Create(
    const Options& options) {
  std::unique_ptr<KernelFlows> flows(new KernelFlows());
  SP_RETURN_IF_ERROR(flows->Load(options));
  SP_RETURN_IF_ERROR(flows->Attach(options));
  return flows;
}

int KernelFlows::Map(const char* name) const {
  return bpf_object__find_map_fd_by_name(object_, name);
}

absl::Status KernelFlows::Load(const Options& options) {
  libbpf_set_print(Silent);
  const std::string_view file = bpf::KernelFlowsProgramObject();
  LIBBPF_OPTS(bpf_object_open_opts, open_options,
              .object_name = "kernel_flows");
  object_ = bpf_object__open_mem(file.data(), file.size(), &open_options);
  if (object_ == nullptr) return Refused("opening the XDP program");
  const auto room =
      static_cast<uint32_t>(std::max<size_t>(options.max_flows, 1));
  for (const char* name : {"flows_v4", "flows_v6", "counted"}) {
    bpf_map* const map = bpf_object__find_map_by_name(object_, name);
    if (map == nullptr || bpf_map__set_max_entries(map, room) != 0) {
      return absl::InternalError("the XDP program is not the expected one");
    }
  }
  if (bpf_object__load(object_) != 0) return Refused("loading an XDP program");
  flows_v4_ = Map("flows_v4");
  flows_v6_ = Map("flows_v6");
  counted_size_ = (room * sizeof(Counted) + kPage - 1) & ~(kPage - 1);
  counted_ = mmap(nullptr, counted_size_, PROT_READ | PROT_WRITE, MAP_SHARED,
                  Map("counted"), 0);
  generations_ = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED,
                      Map("generations"), 0);
  if (counted_ == MAP_FAILED || generations_ == MAP_FAILED) {
    return Refused("mapping the tables of flows");
  }
  absl::MutexLock lock(&mutex_);
  for (uint32_t slot = room; slot > 0; --slot) free_.push_back(slot - 1);
  return absl::OkStatus();
}

absl::Status KernelFlows::Attach(const Options& options) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return Refused("the addresses of this host");
  std::map<std::string, bool> devices;  // and whether they are loopback
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_addr->sa_family != AF_INET &&
                                     one->ifa_addr->sa_family != AF_INET6)) {
      continue;
    }
    sockaddr_storage address = {};
    std::memcpy(&address, one->ifa_addr,
                one->ifa_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                     : sizeof(sockaddr_in));
    const IpAddress ip = FromSockaddr(address).ip;
    if (std::find(options.addresses.begin(), options.addresses.end(), ip) !=
        options.addresses.end()) {
      devices[one->ifa_name] = (one->ifa_flags & IFF_LOOPBACK) != 0;
    }
  }
  freeifaddrs(all);
  if (devices.empty()) {
    return absl::FailedPreconditionError("no device has the relay's addresses");
  }
  const int program = bpf_program__fd(
      bpf_object__find_program_by_name(object_, "kernel_flows"));
  for (const auto& [device, loopback] : devices) {
    if (loopback) {
      return absl::FailedPreconditionError("a loopback device has no driver");
    }
    if (!options.any_device && DriverOf(device) == "veth") {
      return absl::FailedPreconditionError(absl::StrCat(
          device, " is a veth, which hands over unfinished checksums"));
    }
    LIBBPF_OPTS(bpf_link_create_opts, how, .flags = XDP_FLAGS_DRV_MODE);
    UniqueFd link(bpf_link_create(
        program, static_cast<int>(if_nametoindex(device.c_str())), BPF_XDP,
        &how));
    if (!link.valid()) {
      return Refused(absl::StrCat("an XDP program in the driver of ", device));
    }
    links_.push_back(std::move(link));
  }
  return absl::OkStatus();
}

KernelFlows::~KernelFlows() {
  links_.clear();
  if (counted_ != nullptr && counted_ != MAP_FAILED) {
    munmap(counted_, counted_size_);
  }
  if (generations_ != nullptr && generations_ != MAP_FAILED) {
    munmap(generations_, kPage);
  }
  if (object_ != nullptr) bpf_object__close(object_);
}

bool KernelFlows::Write(uint32_t slot, const KernelFlow& flow) {
  const Value value = ValueOf(slot, flow, SystemNow());
  if (flow.to.ip.is_v6()) {
    const KeyV6 key = KeyV6Of(flow);
    return bpf_map_update_elem(flows_v6_, &key, &value, BPF_ANY) == 0;
  }
  const KeyV4 key = KeyV4Of(flow);
  return bpf_map_update_elem(flows_v4_, &key, &value, BPF_ANY) == 0;
}

std::optional<uint32_t> KernelFlows::Put(const KernelFlow& flow) {
  if (flow.to.ip.is_v6() != flow.next_to.ip.is_v6()) return std::nullopt;
  uint32_t slot;
  {
    absl::MutexLock lock(&mutex_);
    if (free_.empty()) return std::nullopt;
    slot = free_.back();
    free_.pop_back();
  }
  Counted& counted = static_cast<Counted*>(counted_)[slot];
  counted.packets = 0;
  counted.bytes = 0;
  if (Write(slot, flow)) return slot;
  absl::MutexLock lock(&mutex_);
  free_.push_back(slot);
  return std::nullopt;
}

bool KernelFlows::Replace(uint32_t slot, const KernelFlow& flow) {
  return Write(slot, flow);
}

void KernelFlows::Remove(uint32_t slot, const KernelFlow& flow) {
  if (flow.to.ip.is_v6()) {
    const KeyV6 key = KeyV6Of(flow);
    (void)bpf_map_delete_elem(flows_v6_, &key);
  } else {
    const KeyV4 key = KeyV4Of(flow);
    (void)bpf_map_delete_elem(flows_v4_, &key);
  }
  absl::MutexLock lock(&mutex_);
  // Used again as late as can be: a datagram may still be counted on it.
  free_.push_front(slot);
}

FlowCounters KernelFlows::Read(uint32_t slot) const {
  const Counted& counted = static_cast<const Counted*>(counted_)[slot];
  return {counted.packets, counted.bytes};
}

void KernelFlows::SetGeneration(uint32_t loop, uint32_t generation) {
  static_cast<std::atomic<uint64_t>*>(generations_)[loop] = generation;
}

}  // namespace sallyport::media_relay
