// Three network namespaces in a row: load, relay, sink. Each core of the relay
// has a queue of its own of both devices, as NICs have it: what arrives there
// is received there, whichever loop it is for.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_TESTBED_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_TESTBED_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "services/media_relay/core/endpoint.h"

struct bpf_object;

namespace sallyport::media_relay {

// Ends the program with `why`, after the namespaces are gone.
[[noreturn]] void Fail(const std::string& why);

void PinTo(int cpu);
void PinTo(const std::vector<int>& cpus);

// Thread-compatible; one per process.
class Testbed {
 public:
  static constexpr size_t kPayload = 172;  // 20 ms of G.711 with its RTP head

  // `relay_cpus`: of the relay. As many of `load_cpus` generate load, each for
  // one queue. Flows are spread over the queues as they come, or `steered`: to
  // that of the loop that owns the port, as a filter of a NIC does.
  Testbed(const std::vector<int>& relay_cpus, const std::vector<int>& load_cpus,
          bool steered = false);
  ~Testbed();
  Testbed(const Testbed&) = delete;
  Testbed& operator=(const Testbed&) = delete;

  // Runs it on a thread inside the namespace.
  void InLoad(const std::function<void()>& work) const;
  void InRelay(const std::function<void()>& work) const;
  void InSink(const std::function<void()>& work) const;

  // Starts a program in the relay's namespace on its cores; ended with this
  // object. Its output goes to `log`.
  pid_t Start(const std::vector<std::string>& command, const std::string& log);

  // Addresses of the relay towards the load and towards the sink.
  Endpoint relay_in(uint16_t port) const;
  Endpoint relay_out(uint16_t port) const;
  // Of flow `i`: where it comes from and where it is to go.
  Endpoint source(size_t i) const;
  Endpoint destination(size_t i) const;

  bpf_object* bpf() const { return bpf_; }
  int program(const char* name) const;
  int map(const char* name) const;

  // One frame of flow `i` goes to `to`; `prefix` stands before its RTP head.
  void SetFlow(size_t i, const Endpoint& to, const std::string& prefix);

  // From now on flows send `packets`, one a round and the same for all of them,
  // in order: SRTP of one key, as the generator cannot make any. Before
  // SetFlow(); with one queue.
  static constexpr size_t kProtected = kPayload + 10;
  static constexpr size_t kRounds = 8192;
  void SendProtected(const std::vector<std::string>& packets);

  // The sink takes frames in its driver, still on the relay's core, so that it
  // costs less than a tier that forwards in the driver. On a core of its own it
  // costs more: each frame then changes caches once again, and who waits has to
  // be woken.
  void SinkInDriver();

  struct Window {
    double packets_per_second = 0;
    double ns_per_packet = 0;  // of the relay's cores
    double busy = 0;           // share of these
    double slack = 0;          // share of time that the load waited
    double loss = 0;           // share of what was sent
    // Of a paced load, from the load's device to the sink's.
    double delay_median_us = 0;
    double delay_p99_us = 0;
  };
  // Sends the flows, with `prefix_size` octets before their RTP head, as fast
  // as they come out again; the median of `windows` of `seconds`. With
  // `packets_per_second` no faster than that, in batches of 64; each frame then
  // tells when it was sent.
  Window Measure(size_t prefix_size, double settle, int windows, double seconds,
                 const std::vector<pid_t>& relay_threads,
                 double packets_per_second = 0);

  // Processor time of all threads of a process, or of one thread, in ns.
  static uint64_t ProcessTime(pid_t process);
  static uint64_t ThreadTime(pid_t thread);

  const std::vector<int>& relay_cpus() const { return relay_cpus_; }
  int load_cpu() const { return load_cpus_[0]; }
  const std::vector<int>& load_cpus() const { return load_cpus_; }
  const std::vector<pid_t>& processes() const { return processes_; }

 private:
  void Build();
  void Load();
  // The upper end of the step that `share` of the delays do not exceed, in us.
  double DelayQuantile(double share) const;
  void Run(const char* space, const std::function<void()>& work) const;

  const std::vector<int> relay_cpus_;
  std::vector<int> load_cpus_;
  const bool steered_;
  std::vector<uint32_t> flows_;  // of each queue
  bool sink_in_driver_ = false;
  size_t trailer_ = 0;  // octets behind kPayload
  std::string load_space_;
  std::string relay_space_;
  std::string sink_space_;
  bpf_object* bpf_ = nullptr;
  // Of what a generator sent.
  uint64_t Arrived(size_t generator) const;
  struct Totals {
    uint64_t arrived = 0;
    uint64_t sent = 0;
    uint64_t lost = 0;
    uint64_t idle_ns = 0;  // of the generator that waited least
  };
  Totals Sum() const;

  volatile uint64_t* arrived_ = nullptr;
  volatile uint64_t* delays_ = nullptr;
  struct Control;
  volatile Control* control_ = nullptr;
  unsigned in_interface_ = 0;   // of the load
  unsigned out_interface_ = 0;  // of the relay, towards the sink
  std::vector<pid_t> napi_threads_;
  std::vector<pid_t> processes_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_LOAD_TESTBED_H_
