#include "services/signaling_edge/core/peer_health.h"

#include <algorithm>

#include "services/common/bytes/string_view.h"

namespace sallyport::signaling_edge {
namespace {

PeerHealth::Service ServiceOf(const PeerHealth& health) {
  if (!health.up) return PeerHealth::Service::kNone;
  const bool all = std::all_of(health.servers.begin(), health.servers.end(),
                               [](const auto& each) { return each.second.up; });
  return all ? PeerHealth::Service::kFull : PeerHealth::Service::kPartial;
}

void NoteService(PeerHealth& health, MonoTime now) {
  const PeerHealth::Service service = ServiceOf(health);
  if (service == health.service) return;
  health.service = service;
  health.service_time = now;
}

}  // namespace

bool PeerHealthTable::OnChecked(const PeerCheckResult& result, MonoTime now,
                                std::optional<bool> peer_up) {
  // These say nothing about the peer: it was not asked, or answered otherwise.
  if (result.reason == "TRANSPORT_MISMATCH" && result.steps.size() == 1) {
    return false;
  }
  if (result.reason == "SECURITY_MODE_SRTP_NOT_ALLOWED") return false;
  PeerHealth& health = health_[result.peer];
  // A peer that answers OPTIONS is up, whatever it thinks of SRTP.
  const bool answers =
      result.succeeded || (result.sip_status != 0 && result.sip_status != 408 &&
                           result.sip_status != 503);
  const DestinationHealth found = {
      .up = answers,
      .reason = answers ? std::string() : result.reason,
      .address = result.address,
      .transport = result.transport,
      .sip_status = result.sip_status,
      .round_trip_time = result.round_trip_time,
      .probe_time = now};
  if (!result.server.empty()) health.servers[result.server] = found;
  const bool up = peer_up.value_or(answers);
  const bool changed = health.up != up;
  if (changed) health.change_time = now;
  health.probed = true;
  health.up = up;
  health.reason = up ? std::string() : result.reason;
  health.last = found;
  NoteService(health, now);
  return changed;
}

void PeerHealthTable::OnMutualTls(std::string_view peer, MonoTime now) {
  health_[std::string(peer)].mutual_tls_time = now;
}

void PeerHealthTable::OnPlan(
    const PlanIndex& plan,
    const std::function<bool(std::string_view peer, std::string_view server)>&
        watched) {
  absl::erase_if(health_, [&](const auto& each) {
    return plan.Peer(each.first) == nullptr;
  });
  for (auto& [peer, health] : health_) {
    std::erase_if(health.servers,
                  [&, name = std::string_view(peer)](const auto& each) {
                    return !watched(name, each.first);
                  });
  }
}

const PeerHealth* PeerHealthTable::Find(std::string_view peer) const {
  const auto it = health_.find(AbslView(peer));
  return it == health_.end() ? nullptr : &it->second;
}

}  // namespace sallyport::signaling_edge
