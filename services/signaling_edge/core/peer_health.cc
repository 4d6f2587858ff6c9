#include "services/signaling_edge/core/peer_health.h"

#include "services/common/bytes/string_view.h"

namespace sallyport::signaling_edge {

bool PeerHealthTable::OnChecked(const PeerCheckResult& result, MonoTime now) {
  // These say nothing about the peer: it was not asked, or answered otherwise.
  if (result.reason == "TRANSPORT_MISMATCH" && result.steps.size() == 1) {
    return false;
  }
  if (result.reason == "SECURITY_MODE_SRTP_NOT_ALLOWED") return false;
  PeerHealth& health = health_[result.peer];
  // A peer that answers OPTIONS is up, whatever it thinks of SRTP.
  const bool up =
      result.succeeded || (result.sip_status != 0 && result.sip_status != 408 &&
                           result.sip_status != 503);
  const bool changed = health.up != up;
  if (changed) health.change_time = now;
  health.probed = true;
  health.up = up;
  health.reason = up ? std::string() : result.reason;
  health.address = result.address;
  health.transport = result.transport;
  health.sip_status = result.sip_status;
  health.round_trip_time = result.round_trip_time;
  health.probe_time = now;
  return changed;
}

void PeerHealthTable::OnMutualTls(std::string_view peer, MonoTime now) {
  health_[std::string(peer)].mutual_tls_time = now;
}

void PeerHealthTable::OnPlan(const PlanIndex& plan) {
  absl::erase_if(health_, [&](const auto& each) {
    return plan.Peer(each.first) == nullptr;
  });
}

const PeerHealth* PeerHealthTable::Find(std::string_view peer) const {
  const auto it = health_.find(AbslView(peer));
  return it == health_.end() ? nullptr : &it->second;
}

}  // namespace sallyport::signaling_edge
