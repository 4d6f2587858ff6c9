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
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/io/kernel_flows_program.h"
#include "services/media_relay/io/receive_batch.h"
#include "services/media_relay/io/shared_map.h"

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
struct FlowValue {
  std::atomic<uint64_t> expiry_ns;
  uint64_t next_pass_ns;
  std::atomic<uint64_t> packets, bytes;
  uint32_t interface, generation;
  uint16_t loop, most_udp, channel, udp_delta, ip_sum, first_id;
  uint32_t zero;
};
struct EntryV4 {
  KeyV4 key;
  FlowValue flow;
  uint8_t head[56];
};
struct EntryV6 {
  KeyV6 key;
  FlowValue flow;
  uint8_t head[64];
  uint64_t zero[4];
};
static_assert(sizeof(EntryV4) == 128 && sizeof(EntryV6) == 192);
struct RingAddress {
  uint32_t family;
  uint8_t address[16];
};
struct Settings {
  uint64_t seed;
  uint32_t mask_v4, mask_v6;
  uint32_t first_port, port_count;
  std::array<uint32_t, KernelFlows::kMaxRingDevices> ring_devices;
};
constexpr uint32_t kMaxProbes = 16;
constexpr size_t kMaxRingAddresses = 16;
// Array maps round each value up to eight bytes.
struct alignas(8) RingPort {
  std::atomic<uint32_t> word;
};

using IndexWord = std::atomic<uint64_t>;

// Of the slots of one family.
constexpr uint32_t kV6Slot = uint32_t{1} << 31;
// Longer than the program takes for one datagram.
constexpr absl::Duration kRest = absl::Seconds(1);
// The program reads a clock that ticks, at the slowest, a hundred times a
// second; it must not be late.
constexpr absl::Duration kClockTick = absl::Milliseconds(10);
constexpr absl::Duration kFirstPass = absl::Seconds(2);
// Whose filter it is, on every device.
constexpr uint32_t kFilterPriority = 23121;
constexpr uint32_t kFilterHandle = 1;

absl::Status Refused(std::string_view what) {
  const int error = errno;
  const absl::string_view text(what.data(), what.size());
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(text, " needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"));
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

// `Key` is KeyV4 or KeyV6.
template <typename Key>
void SetKey(const KernelFlow& flow, Key& key) {
  std::memcpy(key.from, flow.from.ip.bytes().data(), sizeof(key.from));
  std::memcpy(key.to, flow.to.ip.bytes().data(), sizeof(key.to));
  key.from_port = htons(flow.from.port);
  key.to_port = htons(flow.to.port);
  key.channel = flow.channel;
  key.zero = 0;
}

template <typename Key>
uint64_t HashOfKey(uint64_t hash, const Key& key) {
  std::array<uint64_t, sizeof(Key) / 8> words;
  std::memcpy(words.data(), &key, sizeof(key));
  for (const uint64_t word : words) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  }
  return hash;
}

uint64_t NanosOf(MonoTime time) {
  return static_cast<uint64_t>(
      std::max<int64_t>(0, absl::ToInt64Nanoseconds(time.since_origin())));
}

// `head` has room for the frame's.
void SetValue(const KernelFlow& flow, uint32_t number, MonoTime now,
              FlowValue& value, uint8_t* head) {
  const bool v6 = flow.to.ip.is_v6();
  std::array<uint8_t, WireHeader::kMaxSize> bytes;
  WireHeader header = flow.header;
  const absl::Span<const uint8_t> frame =
      header.Frame(bytes.data() + bytes.size(), 0, /*with_link=*/true);
  std::memcpy(head, frame.data(), frame.size());
  value.ip_sum = 0;
  if (!v6) {
    uint8_t* const ip = head + 14;
    for (const size_t at : {2, 3, 4, 5, 10, 11}) ip[at] = 0;
    value.ip_sum = static_cast<uint16_t>(Fold(WordSum(ip, 20)));
  }
  value.udp_delta =
      static_cast<uint16_t>(Fold(SumOf(flow.next_from, flow.next_to) +
                                 (~SumOf(flow.from, flow.to) & 0xFFFF)));
  value.expiry_ns = NanosOf(flow.expiry - kClockTick);
  value.next_pass_ns = NanosOf(now + kFirstPass);
  value.packets = 0;
  value.bytes = 0;
  value.interface = static_cast<uint32_t>(flow.interface);
  value.generation = flow.generation;
  value.loop = static_cast<uint16_t>(flow.loop);
  const uint32_t heads = v6 ? 40 : 20;
  value.most_udp = static_cast<uint16_t>(
      std::min<uint32_t>(0xFFFF, std::max(flow.mtu, heads) - heads));
  value.channel = flow.head_channel;
  value.first_id = static_cast<uint16_t>(number);
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
  SP_RETURN_IF_ERROR(flows->FindDevices(options));
  SP_RETURN_IF_ERROR(flows->Load(options));
  SP_RETURN_IF_ERROR(flows->Attach());
  return flows;
}

int KernelFlows::Map(const char* name) const {
  return bpf_object__find_map_fd_by_name(object_, name);
}

absl::Status KernelFlows::FindDevices(const Options& options) {
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
  for (const auto& [device, loopback] : devices) {
    if (loopback) {
      return absl::FailedPreconditionError("a loopback device has no driver");
    }
    if (!options.any_device && !options.tc && DriverOf(device) == "veth") {
      return absl::FailedPreconditionError(absl::StrCat(
          device, " is a veth, which hands over unfinished checksums"));
    }
    devices_.emplace_back(device,
                          static_cast<int>(if_nametoindex(device.c_str())));
  }
  return absl::OkStatus();
}

absl::Status KernelFlows::Load(const Options& options) {
  tc_ = options.tc;
  libbpf_set_print(Silent);
  const std::string_view file = bpf::KernelFlowsProgramObject();
  LIBBPF_OPTS(bpf_object_open_opts, open_options,
              .object_name = "kernel_flows");
  object_ = bpf_object__open_mem(file.data(), file.size(), &open_options);
  if (object_ == nullptr) return Refused("opening the XDP program");
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    const bool of_tc =
        std::string_view(bpf_program__name(program)) == "kernel_flows_tc";
    (void)bpf_program__set_autoload(program, of_tc == tc_);
  }
  // A family that the relay has no address of takes no memory.
  const auto room = [&options](bool v6) {
    for (const IpAddress& address : options.addresses) {
      if (address.is_v6() == v6) {
        return static_cast<uint32_t>(std::max<size_t>(options.max_flows, 1));
      }
    }
    return uint32_t{1};
  };
  const uint32_t room_v4 = room(false);
  const uint32_t room_v6 = room(true);
  // At most half full.
  const uint32_t index_v4 = std::bit_ceil(2 * room_v4);
  const uint32_t index_v6 = std::bit_ceil(2 * room_v6);
  seed_ = options.seed;
  ring_addresses_ = options.ring_addresses;
  if (ring_addresses_.size() > kMaxRingAddresses) {
    return absl::FailedPreconditionError("too many addresses for rings");
  }
  Settings settings = {};
  settings.seed = seed_;
  settings.mask_v4 = index_v4 - 1;
  settings.mask_v6 = index_v6 - 1;
  uint32_t ports = 1;
  if (!ring_addresses_.empty()) {
    first_port_ = options.first_port;
    last_port_ = options.last_port;
    ports = static_cast<uint32_t>(last_port_) - first_port_ + 1;
    settings.first_port = first_port_;
    settings.port_count = ports;
    for (size_t i = 0; i < std::min(devices_.size(), kMaxRingDevices); ++i) {
      settings.ring_devices[i] = static_cast<uint32_t>(devices_[i].second);
    }
  }
  bool placed = false;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_) {
    const std::string_view name = bpf_map__name(map);
    if (name.find("rodata") != std::string_view::npos) {
      placed =
          bpf_map__set_initial_value(map, &settings, sizeof(settings)) == 0;
    }
  }
  const std::array<std::pair<const char*, uint32_t>, 5> sizes = {
      {{"entries_v4", room_v4},
       {"entries_v6", room_v6},
       {"index_v4", index_v4},
       {"index_v6", index_v6},
       {"ring_ports", ports}}};
  for (const auto& [name, size] : sizes) {
    map = bpf_object__find_map_by_name(object_, name);
    placed =
        placed && map != nullptr && bpf_map__set_max_entries(map, size) == 0;
  }
  if (!placed) {
    return absl::InternalError("the XDP program is not the expected one");
  }
  if (bpf_object__load(object_) != 0) {
    return Refused(tc_ ? "loading a program of tc" : "loading an XDP program");
  }
  SP_RETURN_IF_ERROR(MapTable(v4_, false, room_v4));
  SP_RETURN_IF_ERROR(MapTable(v6_, true, room_v6));
  SP_ASSIGN_OR_RETURN(generations_,
                      SharedMap::Create(Map("generations"), kMaxLoops, 8));
  SP_ASSIGN_OR_RETURN(flow_ports_,
                      SharedMap::Create(Map("flow_ports"), 1, 65536 / 8));
  SP_ASSIGN_OR_RETURN(ring_ports_, SharedMap::Create(Map("ring_ports"), ports,
                                                     sizeof(RingPort)));
  SP_ASSIGN_OR_RETURN(ring_stamps_,
                      SharedMap::Create(Map("ring_stamps"), kMaxLoops, 8));
  for (uint32_t i = 0; i < ring_addresses_.size(); ++i) {
    RingAddress own = {};
    own.family = ring_addresses_[i].is_v6() ? 6 : 4;
    const absl::Span<const uint8_t> bytes = ring_addresses_[i].bytes();
    std::memcpy(own.address, bytes.data(), bytes.size());
    if (bpf_map_update_elem(Map("ring_addresses"), &i, &own, BPF_ANY) != 0) {
      return Refused("the table of addresses");
    }
  }
  return absl::OkStatus();
}

absl::Status KernelFlows::MapTable(Table& table, bool v6, uint32_t room) {
  absl::MutexLock lock(&mutex_);
  table.v6 = v6;
  table.mask = std::bit_ceil(2 * room) - 1;
  SP_ASSIGN_OR_RETURN(
      table.index, SharedMap::Create(Map(v6 ? "index_v6" : "index_v4"),
                                     static_cast<size_t>(table.mask) + 1, 8));
  SP_ASSIGN_OR_RETURN(
      table.entries,
      SharedMap::Create(Map(v6 ? "entries_v6" : "entries_v4"), room,
                        v6 ? sizeof(EntryV6) : sizeof(EntryV4)));
  // Those in use lie together.
  for (uint32_t number = room; number > 0; --number) {
    table.free.push_back(number - 1);
  }
  return absl::OkStatus();
}

absl::Status KernelFlows::AttachTc() {
  const int program = bpf_program__fd(
      bpf_object__find_program_by_name(object_, "kernel_flows_tc"));
  for (const auto& [device, interface] : devices_) {
    // A filter stays when its process ends: whose it is says a name of the
    // network namespace, which goes with the process.
    UniqueFd hold(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const std::string name =
        absl::StrCat("sallyport-media-relay/tc/", interface);
    sockaddr_un local = {};
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path + 1, name.data(), name.size());
    if (!hold.valid() ||
        bind(hold.get(), reinterpret_cast<const sockaddr*>(&local),
             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                    name.size())) != 0) {
      return Refused(absl::StrCat("a program of tc on ", device));
    }
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface,
                .attach_point = BPF_TC_INGRESS);
    const int made = bpf_tc_hook_create(&hook);
    errno = -made;
    if (made != 0 && errno != EEXIST) {
      return Refused(absl::StrCat("clsact on ", device));
    }
    LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program,
                .flags = BPF_TC_F_REPLACE, .handle = kFilterHandle,
                .priority = kFilterPriority);
    const int attached = bpf_tc_attach(&hook, &filter);
    errno = -attached;
    if (attached != 0) {
      return Refused(absl::StrCat("a program of tc on ", device));
    }
    filtered_.push_back(interface);
    holds_.push_back(std::move(hold));
  }
  return absl::OkStatus();
}

absl::Status KernelFlows::Attach() {
  if (tc_) return AttachTc();
  const int program = bpf_program__fd(
      bpf_object__find_program_by_name(object_, "kernel_flows"));
  for (const auto& [device, interface] : devices_) {
    LIBBPF_OPTS(bpf_link_create_opts, how, .flags = XDP_FLAGS_DRV_MODE);
    UniqueFd link(bpf_link_create(program, interface, BPF_XDP, &how));
    if (!link.valid()) {
      return Refused(absl::StrCat("an XDP program in the driver of ", device));
    }
    links_.push_back(std::move(link));
  }
  return absl::OkStatus();
}

KernelFlows::~KernelFlows() {
  links_.clear();
  for (const int interface : filtered_) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface,
                .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, filter, .handle = kFilterHandle,
                .priority = kFilterPriority);
    (void)bpf_tc_detach(&hook, &filter);
  }
  if (object_ != nullptr) bpf_object__close(object_);
}

bool KernelFlows::TellDevice(const KernelFlow& flow) {
  const auto [told, first] =
      told_.try_emplace({flow.interface, flow.loop}, flow.generation);
  if (!first && told->second == flow.generation) return true;
  told->second = flow.generation;
  if (bpf_map_update_elem(Map("devices"), &flow.interface, &flow.interface,
                          BPF_ANY) == 0) {
    return true;
  }
  told_.erase(told);
  return false;
}

uint64_t KernelFlows::HashOf(const Table& table, uint32_t number) const {
  return table.v6
             ? HashOfKey(seed_, table.entries.values<EntryV6>()[number].key)
             : HashOfKey(seed_, table.entries.values<EntryV4>()[number].key);
}

bool KernelFlows::InsertIndex(Table& table, uint32_t number) {
  IndexWord* const words = table.index.values<IndexWord>();
  const uint64_t hash = HashOf(table, number);
  for (uint32_t i = 0; i < kMaxProbes; ++i) {
    IndexWord& word = words[(static_cast<uint32_t>(hash) + i) & table.mask];
    if (word.load(std::memory_order_relaxed) != 0) continue;
    word.store((hash >> 32 << 32) | (number + 1), std::memory_order_release);
    return true;
  }
  return false;
}

void KernelFlows::EraseIndex(Table& table, uint32_t number) {
  IndexWord* const words = table.index.values<IndexWord>();
  const auto at = [&](uint32_t place) {
    return words[place & table.mask].load(std::memory_order_relaxed);
  };
  const auto number_at = [&](uint32_t place) {
    return static_cast<uint32_t>(at(place)) - 1;
  };
  uint32_t hole = static_cast<uint32_t>(HashOf(table, number)) & table.mask;
  while (number_at(hole) != number) {
    if (at(hole) == 0) return;
    hole = (hole + 1) & table.mask;
  }
  // What probed past it moves up, so that no search ends too early. Who
  // searches meanwhile finds it in one place or the other, or lets one
  // datagram pass.
  for (uint32_t next = (hole + 1) & table.mask; at(next) != 0;
       next = (next + 1) & table.mask) {
    const uint32_t home =
        static_cast<uint32_t>(HashOf(table, number_at(next))) & table.mask;
    if (((next - home) & table.mask) >= ((next - hole) & table.mask)) {
      words[hole].store(at(next), std::memory_order_release);
      hole = next;
    }
  }
  words[hole].store(0, std::memory_order_release);
}

void KernelFlows::CountPort(uint16_t port, int change) {
  const uint32_t before = flows_to_[port];
  flows_to_[port] = before + static_cast<uint32_t>(change);
  std::atomic<uint64_t>& word =
      flow_ports_.values<std::atomic<uint64_t>>()[port / 64];
  const uint64_t bit = uint64_t{1} << (port % 64);
  if (before == 0) word.fetch_or(bit);
  if (flows_to_[port] == 0) word.fetch_and(~bit);
}

std::optional<uint32_t> KernelFlows::Put(const KernelFlow& flow) {
  const bool v6 = flow.to.ip.is_v6();
  if (v6 != flow.next_to.ip.is_v6()) return std::nullopt;
  const MonoTime now = SystemNow();
  absl::MutexLock lock(&mutex_);
  Table& table = v6 ? v6_ : v4_;
  while (!table.resting.empty() && table.resting.front().first <= now) {
    table.free.push_back(table.resting.front().second);
    table.resting.pop_front();
  }
  if (table.free.empty() || !TellDevice(flow)) return std::nullopt;
  const uint32_t number = table.free.back();
  if (v6) {
    EntryV6& entry = table.entries.values<EntryV6>()[number];
    SetKey(flow, entry.key);
    SetValue(flow, number, now, entry.flow, entry.head);
  } else {
    EntryV4& entry = table.entries.values<EntryV4>()[number];
    SetKey(flow, entry.key);
    SetValue(flow, number, now, entry.flow, entry.head);
  }
  if (!InsertIndex(table, number)) return std::nullopt;
  table.free.pop_back();
  CountPort(flow.to.port, 1);
  return v6 ? number | kV6Slot : number;
}

namespace {

FlowValue& ValueOf(const SharedMap& v4, const SharedMap& v6, uint32_t slot) {
  return (slot & kV6Slot) != 0 ? v6.values<EntryV6>()[slot & ~kV6Slot].flow
                               : v4.values<EntryV4>()[slot].flow;
}

}  // namespace

void KernelFlows::SetExpiry(uint32_t slot, MonoTime expiry) {
  ValueOf(v4_.entries, v6_.entries, slot)
      .expiry_ns.store(NanosOf(expiry - kClockTick), std::memory_order_relaxed);
}

void KernelFlows::Remove(uint32_t slot) {
  absl::MutexLock lock(&mutex_);
  Table& table = (slot & kV6Slot) != 0 ? v6_ : v4_;
  const uint32_t number = slot & ~kV6Slot;
  CountPort(
      ntohs(table.v6 ? table.entries.values<EntryV6>()[number].key.to_port
                     : table.entries.values<EntryV4>()[number].key.to_port),
      -1);
  EraseIndex(table, number);
  table.resting.emplace_back(SystemNow() + kRest, number);
}

FlowCounters KernelFlows::Read(uint32_t slot) const {
  const FlowValue& value = ValueOf(v4_.entries, v6_.entries, slot);
  return {value.packets.load(std::memory_order_relaxed),
          value.bytes.load(std::memory_order_relaxed)};
}

void KernelFlows::SetGeneration(uint32_t loop, uint32_t generation) {
  generations_.values<std::atomic<uint64_t>>()[loop] = GoodUntil() | generation;
}

void KernelFlows::Beat(uint32_t loop) {
  std::atomic<uint64_t>& word =
      generations_.values<std::atomic<uint64_t>>()[loop];
  word = GoodUntil() | static_cast<uint32_t>(word.load());
}

uint64_t KernelFlows::GoodUntil() const {
  // A program in a driver goes with its process.
  if (!tc_) return uint64_t{UINT32_MAX} << 32;
  return static_cast<uint64_t>(
             absl::ToInt64Seconds((SystemNow() + kBeat).since_origin()))
         << 32;
}

absl::Status KernelFlows::AddRing(int interface, uint32_t queue, int fd,
                                  uint32_t loop) {
  size_t place = 0;
  while (place < devices_.size() && devices_[place].second != interface) {
    ++place;
  }
  if (place >= kMaxRingDevices || place == devices_.size() ||
      queue >= kMaxRingQueues) {
    return absl::FailedPreconditionError("no ring on this queue");
  }
  const uint32_t ring = static_cast<uint32_t>(place) * kMaxRingQueues + queue;
  const uint32_t owner = loop + 1;
  if (bpf_map_update_elem(Map("rings"), &ring, &fd, BPF_ANY) != 0 ||
      bpf_map_update_elem(Map("ring_loops"), &ring, &owner, BPF_ANY) != 0) {
    return Refused("the table of rings");
  }
  return absl::OkStatus();
}

void KernelFlows::OpenRingPort(const Endpoint& local, uint32_t loop) {
  const auto place =
      std::find(ring_addresses_.begin(), ring_addresses_.end(), local.ip);
  if (place == ring_addresses_.end() || local.port < first_port_ ||
      local.port > last_port_) {
    return;
  }
  ring_ports_.values<RingPort>()[local.port - first_port_].word.store(
      ((loop + 1) << 16) |
          static_cast<uint32_t>(place - ring_addresses_.begin()),
      std::memory_order_release);
}

void KernelFlows::SetRingStamps(uint32_t loop, bool on) {
  ring_stamps_.values<std::atomic<uint64_t>>()[loop].store(
      on ? 1 : 0, std::memory_order_relaxed);
}

void KernelFlows::CloseRingPort(uint16_t port) {
  if (ring_addresses_.empty() || port < first_port_ || port > last_port_) {
    return;
  }
  ring_ports_.values<RingPort>()[port - first_port_].word.store(
      0, std::memory_order_release);
}

}  // namespace sallyport::media_relay
