// One relay under load on one core, and what it did as one line of JSON:
//
//   media_load --system=sallyport --work=turn --flows=1000 --relay=PATH
//
// Systems: sallyport, coturn, rtpengine, bare. Work: turn (ChannelData to a
// peer), rtp (RTP to RTP), srtp (RTP to SDES-SRTP, AES-CM and SHA1-80), gcm.
// --receive_cpu keeps the device's receive side off the relay's cores, for
// comparing one loop with two (--cpu=2,3). Needs root; makes its own network
// namespaces and removes them.

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/media_relay/load/bare_relay.h"
#include "services/media_relay/load/own_relay.h"
#include "services/media_relay/load/packaged_peers.h"
#include "services/media_relay/load/testbed.h"

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

int Main(int argc, char** argv) {
  std::map<std::string, std::string> flags = {
      {"system", "sallyport"}, {"work", "turn"},
      {"flows", "1000"},       {"cpu", "1"},
      {"load_cpus", "0"},      {"relay", ""},
      {"relay_sockets", ""},   {"fast_path", ""},
      {"windows", "5"},        {"seconds", "0.4"},
      {"receive_cpu", "-1"}};
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
  const size_t flows = static_cast<size_t>(std::atoi(flags["flows"].c_str()));
  const std::string& system = flags["system"];
  const std::string& work = flags["work"];
  if (flows < 1 || flows > 5000) Fail("1 to 5000 flows");
  signal(SIGUSR1, [](int) {});

  std::string folder = "/tmp/media_load.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) Fail("no folder");
  setenv("TEST_TMPDIR", folder.c_str(), 1);
  Testbed testbed(Cpus(flags["cpu"]), Cpus(flags["load_cpus"])[0],
                  std::atoi(flags["receive_cpu"].c_str()));
  OwnRelay::SetUp set_up;

  size_t prefix = 0;
  double settle = 0.5;
  std::vector<pid_t> threads;
  std::optional<OwnRelay> own;
  std::optional<BareRelay> bare;
  if (system == "sallyport") {
    own.emplace(testbed,
                OwnRelay::Options{flags["relay"], folder,
                                  flags["relay_sockets"], flags["fast_path"]});
    if (work == "turn") {
      set_up = own->AllocateChannels(flows);
      prefix = ChannelPrefix().size();
    } else {
      own->CreateSessions(flows, work != "rtp", work == "gcm");
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
                                 : BareSrtp::kNone);
    threads.push_back(bare->thread());
  } else {
    Fail(absl::StrCat(system, " does not do ", work));
  }
  const Testbed::Window window = testbed.Measure(
      flows, prefix, settle, std::atoi(flags["windows"].c_str()),
      std::atof(flags["seconds"].c_str()), threads);
  // More than a trace of loss, or a load that did not wait for the relay,
  // makes no figure.
  if (window.packets_per_second < 1000) Fail("nothing comes through");
  if (window.loss > 0.001) Fail(absl::StrCat("lost ", window.loss * 100, " %"));
  if (window.slack < 0.05) Fail("the load was the bottleneck");
  std::printf(
      "{\"packets_per_second\":%.0f,\"ns_per_packet\":%.1f,\"busy\":%.3f,"
      "\"slack\":%.3f,\"loss\":%.6f,\"allocations_per_second\":%.0f,"
      "\"bytes_per_allocation\":%.0f}\n",
      window.packets_per_second, window.ns_per_packet, window.busy,
      window.slack, window.loss, set_up.allocations_per_second,
      set_up.bytes_per_allocation);
  std::fflush(stdout);
  bare.reset();
  own.reset();
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace sallyport::media_relay

int main(int argc, char** argv) {
  return sallyport::media_relay::Main(argc, argv);
}
