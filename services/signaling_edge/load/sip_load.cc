// Puts a SIP server under load and prints what it did as one line of JSON:
//
//   sip_load --work=options --transport=udp --target=192.0.2.1:5060 --pids=123
//
// Work: options, calls, register, handshakes, idle, flood. The same for our
// edge and for its peers; tools/benchmarks/drive_signaling.py runs it.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/signaling_edge/load/call_load.h"
#include "services/signaling_edge/load/channel.h"
#include "services/signaling_edge/load/flood_load.h"
#include "services/signaling_edge/load/load_settings.h"
#include "services/signaling_edge/load/request_load.h"

ABSL_FLAG(std::string, work, "options", "what is asked");
ABSL_FLAG(std::string, transport, "udp", "udp, tcp or tls");
ABSL_FLAG(std::string, target, "", "address and port of the server");
ABSL_FLAG(std::vector<std::string>, sources, {}, "addresses to send from");
ABSL_FLAG(std::string, called, "", "address and port where calls arrive");
ABSL_FLAG(std::string, certificate, "", "PEM, for TLS");
ABSL_FLAG(std::string, key, "", "PEM, for TLS");
ABSL_FLAG(std::string, called_certificate, "", "of where calls arrive");
ABSL_FLAG(std::string, called_key, "", "of where calls arrive");
ABSL_FLAG(double, seconds, 3, "how long it is measured");
ABSL_FLAG(double, warm_up, 1, "seconds before");
ABSL_FLAG(int, window, 64, "open at once, or connections that are held");
ABSL_FLAG(int, connections, 4, "of each thread");
ABSL_FLAG(int, threads, 1, "of the load");
ABSL_FLAG(double, rate, 0, "calls a second; 0: as fast as it goes");
ABSL_FLAG(bool, busy_poll, false, "calls: never asleep, for a core of its own");
ABSL_FLAG(std::string, prefix, "", "before the digits of a call");
ABSL_FLAG(std::string, domain, "", "of users");
ABSL_FLAG(std::string, password, "", "of users");
ABSL_FLAG(int, users, 1, "u00000000 and on");
ABSL_FLAG(double, flood, 0, "messages of nobody a second beside calls");
ABSL_FLAG(int, flood_sources, 200, "addresses that these come from");
ABSL_FLAG(std::string, flood_target, "", "where these go, by UDP");
ABSL_FLAG(double, flood_handshakes, 0, "begun and left a second");
ABSL_FLAG(std::string, tls_target, "", "where these go");
ABSL_FLAG(int, flood_cpu, -1, "core of messages and handshakes; -1: any");
ABSL_FLAG(std::vector<std::string>, pids, {}, "of the server");

namespace sallyport::signaling_edge {
namespace {

SocketAddress Address(const std::string& text) {
  const auto address = SocketAddress::Parse(text);
  if (!address.ok()) Fail("no address: " + text);
  return *address;
}

LoadSettings Settings() {
  LoadSettings out;
  out.transport = absl::GetFlag(FLAGS_transport);
  out.target = Address(absl::GetFlag(FLAGS_target));
  for (const std::string& source : absl::GetFlag(FLAGS_sources)) {
    out.sources.push_back(Address(source));
  }
  if (out.sources.empty() && absl::GetFlag(FLAGS_work) != "flood")
    Fail("--sources is missing");
  if (const std::string called = absl::GetFlag(FLAGS_called); !called.empty()) {
    out.called = Address(called);
  }
  out.certificate_file = absl::GetFlag(FLAGS_certificate);
  out.key_file = absl::GetFlag(FLAGS_key);
  out.called_certificate_file = absl::GetFlag(FLAGS_called_certificate);
  out.called_key_file = absl::GetFlag(FLAGS_called_key);
  out.seconds = absl::GetFlag(FLAGS_seconds);
  out.warm_up = absl::GetFlag(FLAGS_warm_up);
  out.window = absl::GetFlag(FLAGS_window);
  out.connections = absl::GetFlag(FLAGS_connections);
  out.threads = absl::GetFlag(FLAGS_threads);
  out.rate = absl::GetFlag(FLAGS_rate);
  out.busy_poll = absl::GetFlag(FLAGS_busy_poll);
  out.prefix = absl::GetFlag(FLAGS_prefix);
  out.domain = absl::GetFlag(FLAGS_domain);
  out.password = absl::GetFlag(FLAGS_password);
  out.users = absl::GetFlag(FLAGS_users);
  out.flood = absl::GetFlag(FLAGS_flood);
  if (out.flood > 0) {
    out.flood_target = Address(absl::GetFlag(FLAGS_flood_target));
  }
  out.flood_sources = absl::GetFlag(FLAGS_flood_sources);
  out.flood_handshakes = absl::GetFlag(FLAGS_flood_handshakes);
  if (out.flood_handshakes > 0) {
    out.tls_target = Address(absl::GetFlag(FLAGS_tls_target));
  }
  out.flood_cpu = absl::GetFlag(FLAGS_flood_cpu);
  for (const std::string& pid : absl::GetFlag(FLAGS_pids)) {
    int number = 0;
    if (!absl::SimpleAtoi(pid, &number)) Fail("pids are numbers");
    out.pids.push_back(number);
  }
  out.salt = absl::StrCat(getpid());
  return out;
}

int Main() {
  const LoadSettings settings = Settings();
  const std::string work = absl::GetFlag(FLAGS_work);
  LoadResult result;
  if (work == "options") {
    result = LoadOptions(settings);
  } else if (work == "calls") {
    result = LoadCalls(settings);
  } else if (work == "register") {
    result = LoadRegister(settings);
  } else if (work == "handshakes") {
    result = LoadHandshakes(settings);
  } else if (work == "idle") {
    result = LoadIdle(settings);
  } else if (work == "flood") {
    result = LoadFlood(settings);
  } else {
    Fail("there is no work " + work);
  }
  std::string line = "{";
  for (const auto& [key, value] : result) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.6g", value);
    line += (line.size() > 1 ? ", \"" : "\"") + key + "\": " + text;
  }
  std::printf("%s}\n", line.c_str());
  return 0;
}

}  // namespace
}  // namespace sallyport::signaling_edge

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return sallyport::signaling_edge::Main();
}
