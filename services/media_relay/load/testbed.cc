#include "services/media_relay/load/testbed.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/io/wire_header.h"
#include "services/media_relay/load/media_load_kernel.h"

namespace sallyport::media_relay {
namespace {

Testbed* the_testbed = nullptr;

constexpr LinkHeader kLoadToRelay = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
constexpr int kNice = -15;
constexpr double kBatch = 64;
// As in media_load.bpf.c.
constexpr size_t kDelaySteps = 4096;
constexpr double kDelayStepUs = 4.096;
constexpr uint32_t kWindow = 256;  // datagrams under way, per core
// More of them for what takes a tenth of the time.
constexpr uint32_t kDriverWindows = 2;
constexpr size_t kCounters = 64;       // of arrivals
constexpr size_t kCounterStride = 16;  // the first word of each is what is told

// Quiet: what it has to say is in the exit status.
void Shell(const std::string& commands, bool must = true) {
  const int status = std::system(
      absl::StrCat("set -e; { ", commands, "; } >/dev/null 2>&1").c_str());
  if (must && status != 0) Fail(absl::StrCat("failed: ", commands));
}

// The last `count` of all such threads, by the numbers that end their names:
// those of a device's queues are in order.
std::vector<pid_t> ThreadsNamed(const std::string& prefix, size_t count) {
  std::vector<std::pair<long, pid_t>> found;
  DIR* const folder = opendir("/proc");
  while (const dirent* entry = readdir(folder)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream file(absl::StrCat("/proc/", pid, "/comm"));
    std::string name;
    if (std::getline(file, name) && name.rfind(prefix, 0) == 0) {
      found.emplace_back(std::atol(name.c_str() + prefix.size()), pid);
    }
  }
  closedir(folder);
  std::sort(found.begin(), found.end());
  if (found.size() < count) Fail("a device has no NAPI threads");
  std::vector<pid_t> threads;
  for (size_t i = found.size() - count; i < found.size(); ++i) {
    threads.push_back(found[i].second);
  }
  return threads;
}

std::vector<int> Sorted(std::vector<int> cpus) {
  std::sort(cpus.begin(), cpus.end());
  return cpus;
}

Endpoint V4(uint32_t address, uint16_t port) {
  return {IpAddress::V4({static_cast<uint8_t>(address >> 24),
                         static_cast<uint8_t>(address >> 16),
                         static_cast<uint8_t>(address >> 8),
                         static_cast<uint8_t>(address)}),
          port};
}

int Silent(libbpf_print_level, const char*, va_list) { return 0; }

}  // namespace

void Fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  if (the_testbed != nullptr) std::exchange(the_testbed, nullptr)->~Testbed();
  _exit(1);
}

void PinTo(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) Fail("cannot pin");
}
void PinTo(int cpu) { PinTo(std::vector<int>{cpu}); }

// As in media_load.bpf.c.
struct Testbed::Control {
  static constexpr size_t kGenerators = 4;
  struct Generator {
    uint32_t flow, position, send, flows;
    uint64_t sent, idle_ns, round, next_ns;
    uint64_t lost;
    uint64_t padding;
  };
  uint32_t window, count, cpus, sequence_offset;
  uint64_t interval_ns;
  uint64_t protects;
  uint64_t padding[4];
  uint8_t on_cpu[kCounters];
  Generator generators[kGenerators];
};

Testbed::Testbed(const std::vector<int>& relay_cpus,
                 const std::vector<int>& load_cpus, bool steered)
    : relay_cpus_(Sorted(relay_cpus)),
      load_cpus_(load_cpus),
      steered_(steered),
      flows_(relay_cpus.size(), 0) {
  the_testbed = this;
  const std::string suffix = std::to_string(getpid());
  load_space_ = "mll" + suffix;
  relay_space_ = "mlr" + suffix;
  sink_space_ = "mls" + suffix;
  const size_t queues = relay_cpus_.size();
  if (queues > Control::kGenerators) Fail("too many loops");
  if (load_cpus_.size() < queues) Fail("too few cores to generate load");
  load_cpus_.resize(queues);
  rlimit files = {65536, 65536};
  (void)setrlimit(RLIMIT_NOFILE, &files);
  // Ahead of whatever else this machine does.
  (void)setsid();
  (void)setpriority(PRIO_PROCESS, 0, kNice);
  std::ofstream("/proc/self/autogroup") << kNice;
  Build();
  Load();
}

Testbed::~Testbed() {
  the_testbed = nullptr;
  for (const pid_t process : processes_) {
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
  if (bpf_ != nullptr) bpf_object__close(bpf_);
  for (const std::string& space : {load_space_, relay_space_, sink_space_}) {
    Shell("ip netns del " + space, /*must=*/false);
  }
}

void Testbed::Build() {
  const std::string& l = load_space_;
  const std::string& r = relay_space_;
  const std::string& s = sink_space_;
  for (const std::string& space : {l, r, s}) {
    Shell(absl::StrCat("ip netns add ", space, "; ip -n ", space,
                       " link set lo up; ip netns exec ", space,
                       " sysctl -w net.ipv4.conf.all.rp_filter=0"
                       " net.ipv4.conf.default.rp_filter=0"
                       " net.ipv6.conf.all.disable_ipv6=1"
                       " net.ipv6.conf.default.disable_ipv6=1"));
  }
  // veth puts the frames that core c generates into queue c; what sockets send,
  // where XPS says, and past the queues as long as it offers TSO.
  const size_t count =
      relay_cpus_.size() > 1 ? std::thread::hardware_concurrency() : 1;
  const std::string queues =
      absl::StrCat(" numtxqueues ", count, " numrxqueues ", count, " ");
  Shell(absl::StrCat("ip -n ", l, " link add mlg0", queues,
                     "type veth peer name mlr0", queues, "netns ", r,
                     "; ip -n ", r, " link add mlr1", queues,
                     "type veth peer name mls0", queues, "netns ", s));
  const auto device = [](const std::string& space, const char* name, int mac,
                         const char* address) {
    Shell(absl::StrCat("ip -n ", space, " link set ", name,
                       " address 02:00:00:00:00:0", mac, "; ip -n ", space,
                       " addr add ", address, "/24 dev ", name, "; ip -n ",
                       space, " link set ", name, " up"));
  };
  device(l, "mlg0", 1, "10.99.1.1");
  device(r, "mlr0", 2, "10.99.1.2");
  device(r, "mlr1", 3, "10.99.2.1");
  device(s, "mls0", 4, "10.99.2.2");
  Shell(absl::StrCat(
      "ip netns exec ", r, " ethtool -K mlr0 gro on; ip -n ", r,
      " neigh add 10.99.2.2 lladdr 02:00:00:00:00:04 dev mlr1 nud permanent;",
      "ip -n ", r,
      " neigh add 10.99.1.1 lladdr 02:00:00:00:00:01 dev mlr0 nud permanent;",
      "ip -n ", r, " route add 10.100.0.0/16 via 10.99.2.2 dev mlr1; ip -n ", r,
      " route add default via 10.99.1.1 dev mlr0; ip -n ", l,
      " route add local 10.200.0.0/16 dev lo; ip netns exec ", r,
      " sh -c 'echo 1 > /sys/class/net/mlr0/threaded'; ip netns exec ", s,
      " ethtool -K mls0 gro on"));
  if (count > 1) {
    Shell(absl::StrCat("ip netns exec ", l, " ethtool -K mlg0 tso off"));
  }
  for (size_t i = 0; count > 1 && i < count; ++i) {
    Shell(absl::StrCat("ip netns exec ", l, " sh -c 'echo ",
                       absl::Hex(uint64_t{1} << i),
                       " > /sys/class/net/mlg0/queues/tx-", i, "/xps_cpus'"));
  }
  InLoad([this] { in_interface_ = if_nametoindex("mlg0"); });
  InRelay([this] { out_interface_ = if_nametoindex("mlr1"); });
}

void Testbed::Load() {
  libbpf_set_print(Silent);
  const std::string_view file = bpf::MediaLoadKernelObject();
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "media_load");
  bpf_ = bpf_object__open_mem(file.data(), file.size(), &options);
  if (bpf_ == nullptr) Fail("no BPF here");
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, bpf_) {
    if (std::strstr(bpf_map__name(map), "rodata") != nullptr &&
        bpf_map__set_initial_value(map, &in_interface_,
                                   sizeof(in_interface_)) != 0) {
      Fail("the BPF file is not the expected one");
    }
  }
  if (bpf_object__load(bpf_) != 0) Fail("BPF programs need root");
  bpf_object__for_each_map(map, bpf_) {
    const std::string_view name = bpf_map__name(map);
    if (name.size() > 5 && name.substr(name.size() - 5) == ".data") {
      void* const at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                            bpf_map__fd(map), 0);
      if (at != MAP_FAILED) control_ = static_cast<Control*>(at);
    }
  }
  void* const at =
      mmap(nullptr, kCounters * kCounterStride * sizeof(uint64_t),
           PROT_READ | PROT_WRITE, MAP_SHARED, this->map("arrived"), 0);
  if (at == MAP_FAILED || control_ == nullptr) Fail("cannot map BPF tables");
  arrived_ = static_cast<volatile uint64_t*>(at);
  void* const delays =
      mmap(nullptr, kDelaySteps * sizeof(uint64_t), PROT_READ | PROT_WRITE,
           MAP_SHARED, this->map("delays"), 0);
  if (delays == MAP_FAILED) Fail("cannot map BPF tables");
  delays_ = static_cast<volatile uint64_t*>(delays);
  // A NAPI context on the load's device, so that it takes generated frames.
  InLoad([this] {
    if (bpf_xdp_attach(static_cast<int>(in_interface_), program("pass"),
                       XDP_FLAGS_DRV_MODE, nullptr) != 0) {
      Fail("no XDP on veth");
    }
  });
  InSink([this] {
    LIBBPF_OPTS(bpf_tc_hook, hook,
                .ifindex = static_cast<int>(if_nametoindex("mls0")),
                .attach_point = BPF_TC_INGRESS);
    (void)bpf_tc_hook_create(&hook);
    LIBBPF_OPTS(bpf_tc_opts, tc, .prog_fd = program("sink"));
    if (bpf_tc_attach(&hook, &tc) != 0) Fail("no tc program on veth");
  });
  if (relay_cpus_.size() > 1) {
    const std::vector<pid_t> of_queue =
        ThreadsNamed("napi/mlr0-", std::thread::hardware_concurrency());
    for (const int cpu : load_cpus_) {
      napi_threads_.push_back(of_queue.at(static_cast<size_t>(cpu)));
    }
  } else {
    napi_threads_ = ThreadsNamed("napi/mlr0-", 1);
  }
  for (size_t i = 0; i < napi_threads_.size(); ++i) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(relay_cpus_[i], &set);
    (void)sched_setaffinity(napi_threads_[i], sizeof(set), &set);
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(napi_threads_[i]), kNice);
  }
}

uint64_t Testbed::Arrived(size_t generator) const {
  uint64_t sum = 0;
  for (size_t cpu = 0; cpu < kCounters; ++cpu) {
    sum += arrived_[cpu * kCounterStride + generator];
  }
  return sum;
}

Testbed::Totals Testbed::Sum() const {
  Totals sum;
  sum.idle_ns = UINT64_MAX;
  for (size_t i = 0; i < load_cpus_.size(); ++i) {
    const volatile Control::Generator& generator = control_->generators[i];
    const uint64_t idle = generator.idle_ns;
    sum.arrived += Arrived(i);
    sum.sent += generator.sent;
    sum.lost += generator.lost;
    sum.idle_ns = std::min(sum.idle_ns, idle);
  }
  return sum;
}

void Testbed::SinkInDriver() {
  sink_in_driver_ = true;
  InSink([this] {
    if (bpf_xdp_attach(static_cast<int>(if_nametoindex("mls0")),
                       program("sink_in_driver"), XDP_FLAGS_DRV_MODE,
                       nullptr) != 0) {
      Fail("no XDP on veth");
    }
  });
}

void Testbed::Run(const char* space, const std::function<void()>& work) const {
  std::thread([&] {
    const int fd =
        open(absl::StrCat("/run/netns/", space).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) Fail("needs root");
    close(fd);
    work();
  }).join();
}
void Testbed::InLoad(const std::function<void()>& work) const {
  Run(load_space_.c_str(), work);
}
void Testbed::InRelay(const std::function<void()>& work) const {
  Run(relay_space_.c_str(), work);
}
void Testbed::InSink(const std::function<void()>& work) const {
  Run(sink_space_.c_str(), work);
}

pid_t Testbed::Start(const std::vector<std::string>& command,
                     const std::string& log) {
  pid_t pid = 0;
  InRelay([&] {
    pid = fork();
    if (pid != 0) return;
    PinTo(relay_cpus_);
    const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : command) {
      arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  });
  if (pid < 0) Fail("cannot fork");
  processes_.push_back(pid);
  return pid;
}

Endpoint Testbed::relay_in(uint16_t port) const { return V4(0x0A630102, port); }
Endpoint Testbed::relay_out(uint16_t port) const {
  return V4(0x0A630201, port);
}
Endpoint Testbed::source(size_t i) const {
  return V4(0x0AC80000 + 256 + static_cast<uint32_t>(i),
            static_cast<uint16_t>(20000 + i % 1000));
}
Endpoint Testbed::destination(size_t i) const {
  return V4(0x0A640000 + 256 + static_cast<uint32_t>(i),
            static_cast<uint16_t>(20000 + i % 1000));
}

int Testbed::program(const char* name) const {
  const bpf_program* found = bpf_object__find_program_by_name(bpf_, name);
  if (found == nullptr) Fail("no such BPF program");
  return bpf_program__fd(found);
}
int Testbed::map(const char* name) const {
  const int fd = bpf_object__find_map_fd_by_name(bpf_, name);
  if (fd < 0) Fail("no such BPF map");
  return fd;
}

void Testbed::SetFlow(size_t i, const Endpoint& to, const std::string& prefix) {
  const size_t queues = flows_.size();
  const size_t queue = (steered_ ? to.port / 2 : i) % queues;
  const uint32_t key = static_cast<uint32_t>(flows_[queue]++ * queues + queue);
  std::array<uint8_t, WireHeader::kMaxSize + 300> buffer = {};
  uint8_t* const payload = buffer.data() + WireHeader::kMaxSize;
  const size_t size = prefix.size() + kPayload + trailer_;
  std::memset(payload, 0xAB, size);
  std::memcpy(payload, prefix.data(), prefix.size());
  uint8_t* const rtp = payload + prefix.size();
  std::memset(rtp, 0, 12);
  rtp[0] = 0x80;
  const uint32_t ssrc = htonl(0x1000 + key);
  std::memcpy(rtp + 8, &ssrc, sizeof(ssrc));
  WireHeader header(source(i), to);
  header.SetLink(kLoadToRelay);
  const auto frame = header.Frame(payload, size, /*with_link=*/true);
  std::array<uint8_t, 60> head = {};
  std::memcpy(head.data(), frame.data(), head.size());
  // The generator changes sequence numbers: no UDP checksum (RFC 768).
  head[40] = head[41] = 0;
  if (bpf_map_update_elem(map("templates"), &key, head.data(), BPF_ANY) != 0) {
    Fail("the table of frames is full");
  }
}

void Testbed::SendProtected(const std::vector<std::string>& packets) {
  if (packets.size() != kRounds) Fail("too few packets");
  for (uint32_t round = 0; round < kRounds; ++round) {
    std::array<uint8_t, 184> value = {};
    if (packets[round].size() != kProtected) Fail("a packet of another size");
    std::memcpy(value.data(), packets[round].data(), kProtected);
    if (bpf_map_update_elem(map("protected_packets"), &round, value.data(),
                            BPF_ANY) != 0) {
      Fail("no table of packets");
    }
  }
  control_->protects = 1;
  trailer_ = kProtected - kPayload;
}

uint64_t Testbed::ThreadTime(pid_t thread) {
  std::ifstream file(absl::StrCat("/proc/", thread, "/schedstat"));
  uint64_t time = 0;
  file >> time;
  return time;
}

uint64_t Testbed::ProcessTime(pid_t process) {
  DIR* const folder = opendir(absl::StrCat("/proc/", process, "/task").c_str());
  if (folder == nullptr) return 0;
  uint64_t sum = 0;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') sum += ThreadTime(std::atoi(entry->d_name));
  }
  closedir(folder);
  return sum;
}

Testbed::Window Testbed::Measure(size_t prefix_size, double settle, int windows,
                                 double seconds,
                                 const std::vector<pid_t>& relay_threads,
                                 double packets_per_second) {
  const size_t generators = load_cpus_.size();
  control_->count = static_cast<uint32_t>(generators);
  control_->cpus = static_cast<uint32_t>(
      std::min<size_t>(kCounters, std::thread::hardware_concurrency()));
  control_->interval_ns =
      packets_per_second == 0
          ? 0
          : static_cast<uint64_t>(kBatch * 1e9 *
                                  static_cast<double>(generators) /
                                  packets_per_second);
  for (size_t i = 0; i < generators; ++i) {
    control_->on_cpu[static_cast<size_t>(load_cpus_[i]) % kCounters] =
        static_cast<uint8_t>(i);
    control_->generators[i].flow = 0;
    control_->generators[i].flows = flows_[i];
    if (flows_[i] == 0) Fail("a queue has no flow");
  }
  control_->window = kWindow * (sink_in_driver_ ? kDriverWindows : 1);
  control_->sequence_offset = static_cast<uint32_t>(44 + prefix_size);
  std::atomic<bool> stop = false;
  std::vector<std::atomic<pid_t>> generator_threads(generators);
  const auto generate = [&](size_t number) {
    InLoad([&, number] {
      PinTo(load_cpus_[number]);
      generator_threads[number] = static_cast<pid_t>(syscall(SYS_gettid));
      std::array<uint8_t, 512> frame;
      frame.fill(0xAB);
      LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(),
                  .data_size_in = static_cast<uint32_t>(42 + prefix_size +
                                                        kPayload + trailer_),
                  .repeat = 1 << 30, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                  .batch_size = 64);
      while (!stop) {
        if (bpf_prog_test_run_opts(program("generate"), &run) != 0 &&
            errno != EINTR && errno != EAGAIN) {
          Fail("the kernel cannot generate frames");
        }
      }
    });
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < generators; ++i) threads.emplace_back(generate, i);
  // What has been on the way for 30 ms is lost: the window opens again.
  std::thread watchdog([&] {
    std::vector<uint64_t> last(generators, 0);
    std::vector<absl::Time> moved(generators, absl::Now());
    while (!stop) {
      absl::SleepFor(absl::Milliseconds(5));
      for (size_t i = 0; i < generators; ++i) {
        volatile Control::Generator& generator = control_->generators[i];
        const uint64_t now = Arrived(i);
        if (now != last[i]) {
          last[i] = now;
          moved[i] = absl::Now();
        } else if (absl::Now() - moved[i] > absl::Milliseconds(30)) {
          const int64_t open =
              static_cast<int64_t>(generator.sent - generator.lost - now);
          if (open > 0) generator.lost = generator.lost + open;
          moved[i] = absl::Now();
        }
      }
    }
  });
  absl::SleepFor(absl::Seconds(settle));
  std::vector<Window> all;
  for (int i = 0; i < windows; ++i) {
    const auto cpu = [&] {
      uint64_t sum = 0;
      for (const pid_t thread : napi_threads_) sum += ThreadTime(thread);
      for (const pid_t process : processes_) sum += ProcessTime(process);
      for (const pid_t thread : relay_threads) sum += ThreadTime(thread);
      return sum;
    };
    const absl::Time start = absl::Now();
    const Totals before = Sum();
    const uint64_t used = cpu();
    for (size_t step = 0; step < kDelaySteps; ++step) delays_[step] = 0;
    absl::SleepFor(absl::Seconds(seconds));
    const Totals after = Sum();
    const double time = absl::ToDoubleSeconds(absl::Now() - start);
    const double packets =
        std::max(1.0, static_cast<double>(after.arrived - before.arrived));
    const double spent = static_cast<double>(cpu() - used);
    Window window;
    window.packets_per_second = packets / time;
    window.ns_per_packet = spent / packets;
    window.busy =
        spent / (time * 1e9 * static_cast<double>(relay_cpus_.size()));
    window.slack =
        static_cast<double>(after.idle_ns - before.idle_ns) / (time * 1e9);
    window.loss = static_cast<double>(after.lost - before.lost) /
                  std::max(1.0, static_cast<double>(after.sent - before.sent));
    window.delay_median_us = DelayQuantile(0.5);
    window.delay_p99_us = DelayQuantile(0.99);
    all.push_back(window);
  }
  stop = true;
  // The endless run ends on a signal.
  for (const std::atomic<pid_t>& thread : generator_threads) {
    (void)syscall(SYS_tgkill, getpid(), thread.load(), SIGUSR1);
  }
  for (std::thread& thread : threads) thread.join();
  watchdog.join();
  std::sort(all.begin(), all.end(), [&](const Window& a, const Window& b) {
    return packets_per_second == 0 ? a.packets_per_second < b.packets_per_second
                                   : a.delay_p99_us < b.delay_p99_us;
  });
  return all[all.size() / 2];
}

double Testbed::DelayQuantile(double share) const {
  uint64_t total = 0;
  for (size_t step = 0; step < kDelaySteps; ++step) total += delays_[step];
  uint64_t seen = 0;
  for (size_t step = 0; step < kDelaySteps; ++step) {
    seen += delays_[step];
    if (total > 0 &&
        static_cast<double>(seen) >= share * static_cast<double>(total)) {
      return static_cast<double>(step + 1) * kDelayStepUs;
    }
  }
  return 0;
}

}  // namespace sallyport::media_relay
