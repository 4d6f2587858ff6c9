#include "services/signaling_edge/core/trunk_rights.h"

#include "services/common/digit_analysis/plan_snapshot.h"

namespace sallyport::signaling_edge {
namespace {

bool Accepts(TrunkRight right, const TrunkSecurityProfileEntry& profile) {
  switch (right) {
    case TrunkRight::kOutOfDialogRefer:
      return profile.accept_out_of_dialog_refer;
    case TrunkRight::kUnsolicitedNotification:
      return profile.accept_unsolicited_notification;
    case TrunkRight::kReplaces:
      return profile.accept_replaces;
  }
  return false;
}

bool Accepts(TrunkRight right, const UserEntry& user) {
  switch (right) {
    case TrunkRight::kOutOfDialogRefer:
      return user.accept_out_of_dialog_refer;
    case TrunkRight::kUnsolicitedNotification:
      return user.accept_unsolicited_notification;
    case TrunkRight::kReplaces:
      return user.accept_replaces;
  }
  return false;
}

}  // namespace

bool TrunkMay(TrunkRight right, const Party& party, const PlanIndex& plan) {
  if (party.kind != Party::Kind::kPeer) return false;
  const PeerEntry* peer = plan.Peer(party.resource);
  if (peer == nullptr) return false;
  const auto* profile =
      plan.Find<TrunkSecurityProfileEntry>(peer->trunk_security_profile);
  if (profile == nullptr) return right == TrunkRight::kUnsolicitedNotification;
  if (!Accepts(right, *profile)) return false;
  if (!profile->application_level_authorization) return true;
  const UserEntry* user = plan.User(peer->digest_user);
  return user != nullptr && Accepts(right, *user);
}

}  // namespace sallyport::signaling_edge
