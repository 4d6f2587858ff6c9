#include "services/signaling_edge/core/options_monitor.h"

#include <algorithm>
#include <utility>

#include "services/common/bytes/string_view.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kNotStartedWait = absl::Seconds(1);

// In [0, 1).
double Draw(RandomSource& random) {
  return static_cast<double>(random.NextU64() >> 11) * 0x1.0p-53;
}

// Any reply but these two means that it is up.
bool IsUp(const PeerCheckResult& result) {
  return result.succeeded ||
         (result.sip_status != 0 && result.sip_status != 408 &&
          result.sip_status != 503);
}

// OPTIONS was repeated by its transaction for as long as a check lasts; what
// was refused at once is worth another try.
bool IsWorthARetry(const PeerCheckResult& result) {
  return result.sip_status != 0 || result.reason == "CONNECT_FAILED" ||
         result.reason == "CONNECTION_LOST";
}

}  // namespace

std::string OptionsMonitor::KeyOf(std::string_view peer, std::string_view host,
                                  uint32_t port) {
  return Cat(peer, " ", host, ":", port);
}

MonoTime OptionsMonitor::Jittered(absl::Duration wait, MonoTime now) {
  return now + wait * (1 - 0.1 * Draw(random_));
}

void OptionsMonitor::Watch(const PeerEntry& peer,
                           const OptionsMonitoring& monitoring,
                           std::string_view host, uint32_t port, bool is_server,
                           MonoTime now) {
  const std::string key = KeyOf(peer.name, host, port);
  const auto [it, added] = members_.try_emplace(key);
  Member& member = it->second;
  member.generation = generation_;
  member.peer = peer.name;
  member.interval = monitoring.interval;
  member.out_of_service_interval = monitoring.out_of_service_interval;
  member.retry_interval = monitoring.retry_interval;
  member.retries = monitoring.retries;
  member.request.peer = peer.name;
  member.request.secured = peer.transport == sallyport::SipTransport::kTls;
  if (is_server) {
    member.request.host = host;
    member.request.port = static_cast<uint16_t>(port);
  }
  if (added && !told_)
    deadlines_.Set(key, now + monitoring.interval * Draw(random_));
}

void OptionsMonitor::OnPlan(const PlanIndex& plan, MonoTime now) {
  ++generation_;
  plan.ForEach<PeerEntry>([&](const PeerEntry& peer) {
    if (peer.status == PeerStatus::kDisabled) return;
    const auto* const group = plan.Find<ServerGroupEntry>(peer.server_group);
    if (group == nullptr) {
      if (!peer.monitoring.enabled) return;
      Watch(peer, peer.monitoring,
            peer.address.empty() ? peer.fqdn : peer.address, peer.port, false,
            now);
      return;
    }
    if (!group->monitoring.enabled && !peer.monitoring.enabled) return;
    for (const ServerGroupMember& server : group->members) {
      if (server.disabled) continue;
      Watch(peer,
            group->monitoring.enabled ? group->monitoring : peer.monitoring,
            server.host,
            peer.transport == sallyport::SipTransport::kTls ? server.secure_port
                                                            : server.port,
            true, now);
    }
  });
  peers_.clear();
  for (auto it = members_.begin(); it != members_.end();) {
    if (it->second.generation != generation_) {
      deadlines_.Erase(it->first);
      checks_.erase(it->second.check);
      members_.erase(it++);
      continue;
    }
    Count& count = peers_[it->second.peer];
    ++count.members;
    if (it->second.up) ++count.up;
    ++it;
  }
}

std::optional<PeerCheckRequest> OptionsMonitor::NextDue(MonoTime now) {
  const auto key = deadlines_.PopExpired(now);
  if (!key.has_value()) return std::nullopt;
  Member& member = members_.find(*key)->second;
  member.check = kCheckBit | ++last_check_;
  checks_[member.check] = *key;
  PeerCheckRequest request = member.request;
  request.id = member.check;
  return request;
}

void OptionsMonitor::OnNotStarted(uint64_t check, MonoTime now) {
  const auto it = checks_.find(check);
  if (it == checks_.end()) return;
  const std::string key = std::move(it->second);
  checks_.erase(it);
  members_.find(key)->second.check = 0;
  deadlines_.Set(key, Jittered(kNotStartedWait, now));
}

OptionsMonitor::Verdict OptionsMonitor::OnChecked(const PeerCheckResult& result,
                                                  MonoTime now) {
  Verdict verdict;
  verdict.known = (result.id & kCheckBit) != 0;
  const auto it = checks_.find(result.id);
  if (it == checks_.end()) return verdict;  // it is no longer monitored
  const std::string key = std::move(it->second);
  checks_.erase(it);
  Member& member = members_.find(key)->second;
  member.check = 0;
  const bool up = IsUp(result);
  member.failures = up ? 0 : member.failures + 1;
  if (!up && member.up && member.failures <= member.retries &&
      IsWorthARetry(result)) {
    deadlines_.Set(key, now + member.retry_interval);
    return verdict;
  }
  deadlines_.Set(
      key,
      Jittered(up ? member.interval : member.out_of_service_interval, now));
  verdict.decided = true;
  verdict.member = key;
  verdict.up = up;
  verdict.changed = member.up != up;
  if (!verdict.changed) return verdict;
  const bool before = !IsDown(member.peer);
  SetUp(member, up);
  verdict.peer_changed = IsDown(member.peer) == before;
  return verdict;
}

void OptionsMonitor::SetUp(Member& member, bool up) {
  if (member.up == up) return;
  member.up = up;
  Count& count = peers_[member.peer];
  up ? ++count.up : --count.up;
}

void OptionsMonitor::OnTold(const std::string& member, bool up) {
  const auto it = members_.find(member);
  if (it != members_.end()) SetUp(it->second, up);
}

bool OptionsMonitor::IsDown(std::string_view peer, std::string_view host,
                            uint32_t port) const {
  if (members_.empty()) return false;
  const auto it = members_.find(KeyOf(peer, host, port));
  return it != members_.end() && !it->second.up;
}

bool OptionsMonitor::Watches(std::string_view peer,
                             std::string_view server) const {
  return members_.contains(Cat(peer, " ", server));
}

bool OptionsMonitor::IsDown(std::string_view peer) const {
  const auto it = peers_.find(AbslView(peer));
  return it != peers_.end() && it->second.up == 0;
}

}  // namespace sallyport::signaling_edge
