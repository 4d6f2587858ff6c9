// What every load is told, and what the server's processes cost meanwhile.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_LOAD_SETTINGS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_LOAD_SETTINGS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "services/common/net/socket_address.h"

namespace sallyport::signaling_edge {

struct LoadSettings {
  std::string transport = "udp";  // or "tcp", "tls"
  SocketAddress target;           // of the server under load
  std::vector<SocketAddress> sources;
  SocketAddress called;  // where calls arrive
  std::string certificate_file;
  std::string key_file;
  std::string called_certificate_file;
  std::string called_key_file;
  double seconds = 3;
  double warm_up = 1;
  int window = 64;      // what is open at once, in all
  int connections = 4;  // of each thread
  int threads = 1;
  double rate = 0;  // a second; 0: as fast as it goes
  // Never asleep, on a core of its own: what the server sends then wakes nobody
  // of its own machine, as it would wake nobody across a network.
  bool busy_poll = false;
  std::string prefix;  // before the digits of a call
  std::string domain;  // of users
  std::string password;
  int users = 1;
  double flood = 0;  // unauthenticated messages a second beside
  int flood_sources = 200;
  SocketAddress flood_target;   // of messages, by UDP
  double flood_handshakes = 0;  // a second, begun and left
  SocketAddress tls_target;     // of those
  int flood_cpu = -1;           // the core of both; -1: any
  std::vector<pid_t> pids;      // of the server
  std::string salt;             // so that no run repeats another's identifiers
};

// By key, as printed.
using LoadResult = std::map<std::string, double>;

// Processor time of the server in seconds. Thread-compatible.
class ServerTime {
 public:
  explicit ServerTime(const std::vector<pid_t>& pids) : pids_(pids) {}

  struct Sample {
    double wall = 0;
    double all = 0;   // every thread of every process
    double loop = 0;  // of threads named edge_loop and a number
  };
  Sample Now() const;
  double ResidentBytes() const;

 private:
  const std::vector<pid_t> pids_;
};

// Rates and costs of `count` things between two samples.
void AddRates(const ServerTime::Sample& from, const ServerTime::Sample& to,
              double count, LoadResult& out);

// Seconds, from anywhere; only goes on.
double Seconds();

// `share` of the samples are below it; sorts them.
double Percentile(std::vector<double>& samples, double share);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_LOAD_SETTINGS_H_
