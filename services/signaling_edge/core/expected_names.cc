#include "services/signaling_edge/core/expected_names.h"

#include <algorithm>
#include <utility>

#include "services/common/digit_analysis/caller_context.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// Of a certificate that nobody may have vouched for.
constexpr size_t kMaxNamesRead = 8;

// Those of a voicemail server's ports, and then its own.
std::vector<std::string> NamesOfServer(std::string_view peer,
                                       const PlanIndex& plan,
                                       const SccpPorts& ports) {
  std::vector<std::string> names = ports.DevicesOf(peer);
  if (const PeerEntry* const server = plan.Peer(peer)) {
    for (std::string& name : AcceptedNames(*server)) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

// An LSC has the exact case of the device name, which mostly is the upper one.
const PhoneEntry* PhoneNamed(const std::string& common_name,
                             const PlanIndex& plan) {
  if (const PhoneEntry* const phone = plan.PhoneByDevice(common_name)) {
    return phone;
  }
  std::string upper = common_name;
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return plan.PhoneByDevice(upper);
}

}  // namespace

std::vector<std::string> ExpectedNames(const FarSide& far,
                                       const PlanIndex& plan,
                                       const SccpPorts& ports) {
  std::vector<std::string> names;
  const auto add = [&names](std::vector<std::string> more) {
    for (std::string& name : more) {
      if (names.size() < kMaxExpectedNames &&
          std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(std::move(name));
      }
    }
  };
  if (!far.dialled.empty() || !far.proven.empty()) {
    const std::string_view who = far.dialled.empty() ? far.proven : far.dialled;
    if (far.is_port) {
      add(NamesOfServer(who, plan, ports));
    } else if (const PeerEntry* const peer = plan.Peer(who)) {
      add(AcceptedNames(*peer));
    } else if (const PhoneEntry* const phone = plan.Phone(who)) {
      add({phone->device_name});
    }
    return names;
  }
  const bool has_name =
      far.certificate != nullptr && far.certificate->common_names.size() == 1;
  if (far.is_port) {
    for (const std::string& server : ports.ServersAt(far.remote, plan)) {
      add(NamesOfServer(server, plan, ports));
    }
    if (has_name) {
      for (const std::string& server :
           ports.ServersOf(far.certificate->common_names[0])) {
        add(NamesOfServer(server, plan, ports));
      }
    }
    return names;
  }
  if (far.at_address != nullptr) add(AcceptedNames(*far.at_address));
  if (far.certificate == nullptr) return names;
  if (has_name) {
    const PhoneEntry* const phone =
        PhoneNamed(far.certificate->common_names[0], plan);
    if (phone != nullptr) add({phone->device_name});
  }
  const std::vector<CertifiedName> shown = SipIdentities(*far.certificate);
  for (size_t i = 0; i < shown.size() && i < kMaxNamesRead; ++i) {
    const PeerEntry* const peer =
        plan.PeerBySubject(shown[i].name, far.incoming_port);
    if (peer != nullptr) add(AcceptedNames(*peer));
  }
  return names;
}

void NameDevices(const Party& user, std::string_view reason,
                 const Resolver& plan, Refusal& refusal) {
  if (user.kind != Party::Kind::kUser ||
      (reason != "IDENTITY_NOT_ALLOWED" &&
       reason != "PEER_CERTIFICATE_MISSING")) {
    return;
  }
  const UserEntry* const entry = plan.index().User(user.resource);
  if (entry == nullptr) return;
  if (!user.phone.empty()) {  // whose identity is that of its certificate
    refusal.presented_identities = {
        Cat(NameSourceName(NameSource::kCommonName), ":", user.identity)};
  }
  refusal.expected_identities.clear();
  for (const PhoneEntry* const phone :
       plan.Of(user.tenant).callers().PhonesOf(*entry)) {
    if (phone->disabled) continue;  // it would not be taken either
    if (refusal.expected_identities.size() == kMaxExpectedNames) break;
    refusal.expected_identities.push_back(phone->device_name);
  }
}

}  // namespace sallyport::signaling_edge
