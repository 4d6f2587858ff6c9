#include "services/capf/core/capf_core.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>

namespace sallyport::capf {
namespace {

// Idle sources are forgotten when the table reaches this size, so memory
// follows the connections and not the addresses that were ever seen.
constexpr size_t kSourcesBeforeSweep = 4096;

}  // namespace

bool CapfCore::MayConnect(const std::string& source, MonoTime now) {
  if (connections_.size() >= options_.max_connections) return false;
  if (sources_.size() >= kSourcesBeforeSweep) SweepSources(now);
  Source& entry = sources_[source];
  if (entry.open >= options_.max_connections_per_source) return false;
  // The generic cell rate algorithm: a burst, then one per interval.
  const MonoTime arrival = std::max(entry.theoretical_arrival, now);
  const absl::Duration burst =
      options_.source_interval * static_cast<int64_t>(options_.source_burst);
  if (arrival + options_.source_interval - now > burst) return false;
  entry.theoretical_arrival = arrival + options_.source_interval;
  return true;
}

void CapfCore::SweepSources(MonoTime now) {
  for (auto it = sources_.begin(); it != sources_.end();) {
    if (it->second.open == 0 && it->second.theoretical_arrival <= now) {
      sources_.erase(it++);
    } else {
      ++it;
    }
  }
}

CapfCore::Actions CapfCore::OnConnected(ConnectionId connection,
                                        const std::string& source,
                                        MonoTime now) {
  if (!MayConnect(source, now)) {
    ++stats_.refused_limit;
    return {{connection, CapfSession::Close{}}};
  }
  ++stats_.connections;
  // Random, not a counter: a session id tells nothing and cannot be foreseen.
  const auto session_id = static_cast<uint32_t>(random_.NextU64());
  const auto [it, inserted] = connections_.emplace(
      connection,
      Connection{CapfSession(options_.session, session_id, now), source});
  if (!inserted) return {{connection, CapfSession::Close{}}};
  ++sources_[source].open;
  deadlines_.Set(connection, it->second.session.deadline());
  return {};
}

void CapfCore::Forget(ConnectionId connection) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  const auto source = sources_.find(it->second.source);
  if (source != sources_.end()) --source->second.open;
  deadlines_.Erase(connection);
  connections_.erase(it);
}

template <typename Input>
CapfCore::Actions CapfCore::Turn(ConnectionId connection, Input input) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return {};
  CapfSession& session = it->second.session;
  CapfSession::Actions actions = input(session);
  Actions directed;
  directed.reserve(actions.size());
  bool told_end = false;
  for (CapfSession::Action& action : actions) {
    told_end |= std::holds_alternative<CapfSession::Send>(action);
    directed.push_back({connection, std::move(action)});
  }
  if (session.state() != CapfSession::State::kOver) {
    deadlines_.Set(connection, session.deadline());
    return directed;
  }
  if (!told_end) {
    ++stats_.ended_without_word;
  } else if (session.end_reason() == CapfReason::kOk) {
    ++stats_.ended_ok;
  } else if (session.end_reason() == CapfReason::kNoAction) {
    ++stats_.ended_no_action;
  } else {
    ++stats_.ended_declined;
  }
  Forget(connection);
  return directed;
}

CapfCore::Actions CapfCore::OnSecured(ConnectionId connection, MonoTime now) {
  return Turn(connection, [&](CapfSession& s) { return s.OnSecured(now); });
}

CapfCore::Actions CapfCore::OnData(ConnectionId connection, ByteSpan bytes,
                                   MonoTime now) {
  return Turn(connection, [&](CapfSession& s) { return s.OnData(bytes, now); });
}

CapfCore::Actions CapfCore::OnClosed(ConnectionId connection, MonoTime now) {
  return Turn(connection, [&](CapfSession& s) { return s.OnClosed(now); });
}

CapfCore::Actions CapfCore::OnAdmission(ConnectionId connection,
                                        const Admission& admission,
                                        MonoTime now) {
  return Turn(connection,
              [&](CapfSession& s) { return s.OnAdmission(admission, now); });
}

CapfCore::Actions CapfCore::OnIssued(ConnectionId connection,
                                     const absl::StatusOr<IssuedLsc>& issued,
                                     MonoTime now) {
  return Turn(connection,
              [&](CapfSession& s) { return s.OnIssued(issued, now); });
}

CapfCore::Actions CapfCore::OnRecorded(ConnectionId connection,
                                       const absl::Status& status,
                                       MonoTime now) {
  return Turn(connection,
              [&](CapfSession& s) { return s.OnRecorded(status, now); });
}

CapfCore::Actions CapfCore::OnDeadline(MonoTime now) {
  Actions all;
  while (std::optional<ConnectionId> due = deadlines_.PopExpired(now)) {
    Actions actions =
        Turn(*due, [&](CapfSession& s) { return s.OnDeadline(now); });
    std::move(actions.begin(), actions.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace sallyport::capf
