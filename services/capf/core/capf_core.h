// Every phone's session at once: the one type that the loop knows.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CAPF_CORE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CAPF_CORE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/capf_session.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"

namespace sallyport::capf {

struct CapfCoreOptions {
  CapfSessionOptions session;
  // Connections at once: all, and of one source address.
  size_t max_connections = 20000;
  size_t max_connections_per_source = 64;
  // How many connections one source may open in a burst, and how soon another
  // is free. Guessing a string costs one connection.
  uint32_t source_burst = 64;
  absl::Duration source_interval = absl::Milliseconds(200);
};

// Named by the loop; never used twice.
using ConnectionId = uint64_t;

// Thread-compatible.
class CapfCore {
 public:
  struct Action {
    ConnectionId connection;
    CapfSession::Action action;
  };
  using Actions = std::vector<Action>;

  // Since the start.
  struct Stats {
    uint64_t connections = 0;
    uint64_t refused_limit = 0;  // by the limits above
    uint64_t ended_ok = 0;
    uint64_t ended_no_action = 0;
    uint64_t ended_declined = 0;
    uint64_t ended_without_word = 0;  // timeouts, broken protocol, gone
  };

  // `random` must outlive this object.
  CapfCore(const CapfCoreOptions& options, RandomSource& random)
      : options_(options), random_(random) {}

  // `source` is the peer's address without port, in any stable form.
  Actions OnConnected(ConnectionId connection, const std::string& source,
                      MonoTime now);
  Actions OnSecured(ConnectionId connection, MonoTime now);
  Actions OnData(ConnectionId connection, ByteSpan bytes, MonoTime now);
  Actions OnClosed(ConnectionId connection, MonoTime now);
  // Answers to actions; without effect for a connection that is gone.
  Actions OnAdmission(ConnectionId connection, const Admission& admission,
                      MonoTime now);
  Actions OnIssued(ConnectionId connection,
                   const absl::StatusOr<IssuedLsc>& issued, MonoTime now);
  Actions OnRecorded(ConnectionId connection, const absl::Status& status,
                     MonoTime now);
  Actions OnDeadline(MonoTime now);
  MonoTime deadline() const { return deadlines_.next(); }

  size_t connections() const { return connections_.size(); }
  const Stats& stats() const { return stats_; }

 private:
  struct Connection {
    CapfSession session;
    std::string source;
  };
  // What one source has open, and when it may open the next by GCRA.
  struct Source {
    size_t open = 0;
    MonoTime theoretical_arrival = MonoTime::InfinitePast();
  };

  bool MayConnect(const std::string& source, MonoTime now);
  // Runs `input` on a session and does the bookkeeping after it.
  template <typename Input>
  Actions Turn(ConnectionId connection, Input input);
  void Forget(ConnectionId connection);
  void SweepSources(MonoTime now);

  const CapfCoreOptions options_;
  RandomSource& random_;
  absl::flat_hash_map<ConnectionId, Connection> connections_;
  absl::flat_hash_map<std::string, Source> sources_;
  DeadlineQueue<ConnectionId> deadlines_;
  Stats stats_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CAPF_CORE_H_
