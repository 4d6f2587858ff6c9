// One relay under load on one core, and what it did as one line of JSON:
//
//   media_load --system=sallyport --work=turn --flows=1000 --relay=PATH
//
// Systems: sallyport, coturn, rtpengine, bare. Work: turn (ChannelData to a
// peer), rtp (RTP to RTP), srtp (RTP to SDES-SRTP, AES-CM and SHA1-80), gcm;
// of sallyport alone also unsrtp (SRTP to RTP), resrtp (SRTP to SRTP), delay
// (turn at half load), allocate (--flows clients), spoof (--flows datagrams)
// and churn (for --seconds). With --loops=N each of N loops has a core, and its
// load comes from the next lower one: --cpu and every second core below it, as
// neighbours may be two threads of one core. All of a TURN client arrives at
// one queue, as with RSS. With --steered=1 media arrive at the queue of the
// core whose loop owns the port, else at any. Needs root; makes its own network
// namespaces and removes them.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/random/system_random.h"
#include "services/media_relay/load/bare_relay.h"
#include "services/media_relay/load/own_relay.h"
#include "services/media_relay/load/packaged_peers.h"
#include "services/media_relay/load/testbed.h"
#include "services/media_relay/load/turn_clients.h"

namespace sallyport::media_relay {
namespace {

std::vector<int> Cpus(const std::string& text) {
  std::vector<int> cpus;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    int cpu = 0;
    if (!absl::SimpleAtoi(word, &cpu)) Fail("cpus are numbers");
    cpus.push_back(cpu);
  }
  return cpus;
}

using Flags = std::map<std::string, std::string>;

size_t Number(const Flags& flags, const char* name) {
  return static_cast<size_t>(std::atoll(flags.at(name).c_str()));
}

void Print(const std::map<std::string, double>& figures) {
  std::string out;
  for (const auto& [name, value] : figures) {
    absl::StrAppendFormat(&out, "%s\"%s\":%.6g", out.empty() ? "" : ",", name,
                          value);
  }
  std::printf("{%s}\n", out.c_str());
  std::fflush(stdout);
}

// More than a trace of loss, or a load that did not wait for the relay, makes
// no figure.
void Check(const Testbed::Window& window) {
  if (window.packets_per_second < 1000) Fail("nothing comes through");
  if (window.loss > 0.001) Fail(absl::StrCat("lost ", window.loss * 100, " %"));
  if (window.slack < 0.05) Fail("the load was the bottleneck");
}

// turn, rtp, srtp and gcm: as fast as it goes without loss. With `delay` then
// at half of that, where each datagram is timed.
void Forward(Testbed& testbed, const Flags& flags, const std::string& folder,
             bool delay) {
  const size_t flows = Number(flags, "flows");
  const std::string& system = flags.at("system");
  const std::string work = delay ? "turn" : flags.at("work");
  if (flows < 1 || flows > 5000) Fail("1 to 5000 flows");
  double memory = 0;
  size_t prefix = 0;
  double settle = 0.5;
  std::vector<pid_t> threads;
  std::optional<OwnRelay> own;
  std::optional<BareRelay> bare;
  // What the rings send leaves as socket buffers, like that of all others.
  if (flags.at("fast_path") == "xdp") testbed.SinkInDriver();
  if (system == "sallyport") {
    own.emplace(testbed, OwnRelay::Options{flags.at("relay"), folder,
                                           flags.at("relay_sockets"),
                                           flags.at("fast_path")});
    if (work == "turn") {
      memory = own->AllocateChannels(flows);
      prefix = ChannelPrefix().size();
    } else {
      own->CreateSessions(flows,
                          {work == "unsrtp" || work == "resrtp",
                           work != "rtp" && work != "unsrtp", work == "gcm"});
    }
  } else if (system == "coturn" && work == "turn") {
    StartCoturn(testbed, flows, folder);
    prefix = ChannelPrefix().size();
    settle = 2;
  } else if (system == "rtpengine" && (work == "rtp" || work == "srtp")) {
    StartRtpengine(testbed, flows, work == "srtp", folder);
    settle = 4;  // it learns its sources first
  } else if (system == "bare") {
    bare.emplace(testbed, flows,
                 work == "srtp"  ? BareSrtp::kAesCm
                 : work == "gcm" ? BareSrtp::kAesGcm
                                 : BareSrtp::kNone,
                 flags.at("fast_path") == "af_xdp");
    threads.push_back(bare->thread());
  } else {
    Fail(absl::StrCat(system, " does not do ", work));
  }
  const auto measure = [&](double packets_per_second) {
    Testbed::Window window = testbed.Measure(
        prefix, settle, static_cast<int>(Number(flags, "windows")),
        std::atof(flags.at("seconds").c_str()), threads, packets_per_second);
    Check(window);
    return window;
  };
  const Testbed::Window window = measure(0);
  std::map<std::string, double> figures = {
      {"packets_per_second", window.packets_per_second},
      {"ns_per_packet", window.ns_per_packet},
      {"busy", window.busy},
      {"slack", window.slack},
      {"loss", window.loss},
      {"bytes_per_allocation", memory}};
  if (delay) {
    const Testbed::Window half = measure(window.packets_per_second / 2);
    figures["half_load_packets_per_second"] = half.packets_per_second;
    figures["half_load_loss"] = half.loss;
    figures["delay_median_us"] = half.delay_median_us;
    figures["delay_p99_us"] = half.delay_p99_us;
  }
  Print(figures);
}

// allocate: clients that come 64 at a time, as fast as they are served.
void Allocate(Testbed& testbed, const Flags& flags, const std::string& folder) {
  OwnRelay own(testbed, {flags.at("relay"), folder});
  SystemRandom random;
  TurnClientsOptions options;
  options.clients = Number(flags, "flows");
  TurnClientsResult result;
  testbed.InLoad([&] {
    PinTo(testbed.load_cpu());
    result = RunTurnClients(testbed, options, random);
  });
  if (result.failed > 0) Fail("allocations were refused");
  Print({{"allocations_per_second",
          static_cast<double>(result.succeeded) / result.seconds},
         {"median_ms", result.median_ms},
         {"p99_ms", result.p99_ms},
         {"repeated", static_cast<double>(result.repeated)}});
}

// spoof: `flows` datagrams from made-up sources, and clients meanwhile.
void Spoof(Testbed& testbed, const Flags& flags, const std::string& folder) {
  OwnRelay own(testbed, {flags.at("relay"), folder, "", "sockets", true});
  SystemRandom random;
  TurnClientsOptions options;
  options.end = true;
  // What is used for the first time is not growth.
  options.clients = 200;
  options.per_second = 100;
  testbed.InLoad([&] { RunTurnClients(testbed, options, random); });
  const double before = static_cast<double>(own.ResidentMemory());
  const size_t spoofed = Number(flags, "flows");
  std::atomic<bool> flooding = true;
  double flood_seconds = 0;
  std::thread flood([&] {
    testbed.InLoad([&] {
      SystemRandom noise;
      const absl::Time start = absl::Now();
      SendSpoofed(testbed, spoofed, noise);
      flood_seconds = absl::ToDoubleSeconds(absl::Now() - start);
      flooding = false;
    });
  });
  TurnClientsResult all;
  options.clients = 20;
  while (flooding) {
    testbed.InLoad([&] {
      const TurnClientsResult some = RunTurnClients(testbed, options, random);
      all.succeeded += some.succeeded;
      all.failed += some.failed;
      all.repeated += some.repeated;
    });
  }
  flood.join();
  const double legitimate = static_cast<double>(all.succeeded + all.failed);
  Print({{"spoofed_per_second", static_cast<double>(spoofed) / flood_seconds},
         {"grown_kb", static_cast<double>(own.ResidentMemory()) - before},
         {"legitimate", legitimate},
         {"repeated", static_cast<double>(all.repeated)},
         {"succeeded_share", static_cast<double>(all.succeeded) / legitimate}});
}

// churn: 200 clients a second for `seconds`, each with an allocation and a
// channel that it ends itself. Growth counts from a tenth of the time on.
void Churn(Testbed& testbed, const Flags& flags, const std::string& folder) {
  OwnRelay own(testbed, {flags.at("relay"), folder});
  SystemRandom random;
  TurnClientsOptions options;
  options.bind_channel = true;
  options.end = true;
  options.per_second = 200;
  const auto run = [&](double seconds) {
    options.clients = static_cast<size_t>(seconds * options.per_second);
    TurnClientsResult result;
    testbed.InLoad([&] { result = RunTurnClients(testbed, options, random); });
    if (result.failed > 0) Fail(absl::StrCat(result.failed, " were refused"));
    return result;
  };
  const double seconds = std::atof(flags.at("seconds").c_str());
  run(seconds / 10);
  const double before = static_cast<double>(own.ResidentMemory());
  const TurnClientsResult result = run(seconds * 9 / 10);
  Print({{"allocations", static_cast<double>(result.succeeded)},
         {"per_second", static_cast<double>(result.succeeded) / result.seconds},
         {"p99_ms", result.p99_ms},
         {"resident_kb", static_cast<double>(own.ResidentMemory())},
         {"grown_kb", static_cast<double>(own.ResidentMemory()) - before}});
}

int Main(int argc, char** argv) {
  Flags flags = {{"system", "sallyport"}, {"work", "turn"},
                 {"flows", "1000"},       {"cpu", "1"},
                 {"load_cpus", "0"},      {"relay", ""},
                 {"relay_sockets", ""},   {"fast_path", "sockets"},
                 {"windows", "5"},        {"seconds", "0.4"},
                 {"loops", "0"},          {"steered", "0"}};
  for (int i = 1; i < argc; ++i) {
    const std::vector<std::string> parts =
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    const std::string name =
        parts[0].substr(std::min<size_t>(2, parts[0].size()));
    if (parts.size() != 2 || !flags.contains(name)) {
      Fail(absl::StrCat("what is ", argv[i], "?"));
    }
    flags[name] = parts[1];
  }
  signal(SIGUSR1, [](int) {});
  std::string folder = "/tmp/media_load.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) Fail("no folder");
  setenv("TEST_TMPDIR", folder.c_str(), 1);
  std::vector<int> relay_cpus = Cpus(flags["cpu"]);
  std::vector<int> load_cpus = Cpus(flags["load_cpus"]);
  if (const int loops = static_cast<int>(Number(flags, "loops")); loops > 0) {
    const int last = relay_cpus[0];
    if (last < 2 * loops - 1) Fail("too few cores");
    relay_cpus.clear();
    load_cpus.clear();
    for (int i = 1; i <= loops; ++i) {
      relay_cpus.push_back(last - 2 * (loops - i));
      load_cpus.push_back(relay_cpus.back() - 1);
    }
  }
  Testbed testbed(relay_cpus, load_cpus, flags["steered"] == "1");
  const std::string& work = flags["work"];
  if (work == "allocate") {
    Allocate(testbed, flags, folder);
  } else if (work == "spoof") {
    Spoof(testbed, flags, folder);
  } else if (work == "churn") {
    Churn(testbed, flags, folder);
  } else {
    Forward(testbed, flags, folder, work == "delay");
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace sallyport::media_relay

int main(int argc, char** argv) {
  return sallyport::media_relay::Main(argc, argv);
}
