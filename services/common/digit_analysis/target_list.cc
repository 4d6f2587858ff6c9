#include "services/common/digit_analysis/target_list.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/number.h"

namespace sallyport {
namespace {

// Steele, Lea and Flood's mixer: the next of a row of random numbers.
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<const ServerGroupMember*> OrderServers(
    const ServerGroupEntry& group, uint64_t draw) {
  std::vector<const ServerGroupMember*> out;
  for (const ServerGroupMember& member : group.members) {
    if (!member.disabled) out.push_back(&member);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const ServerGroupMember* a, const ServerGroupMember* b) {
                     if (a->priority != b->priority) {
                       return a->priority < b->priority;
                     }
                     return a->weight > b->weight;
                   });
  if (draw == 0) return out;
  // RFC 2782: those of weight 0 come first and have a very small chance; the
  // first whose running sum reaches a random number is next.
  for (size_t i = 0; i + 1 < out.size(); ++i) {
    size_t end = i;
    uint64_t sum = 0;
    while (end < out.size() && out[end]->priority == out[i]->priority) {
      sum += out[end++]->weight;
    }
    if (end - i < 2) continue;
    uint64_t pick = NextRandom(draw) % (sum + 1);
    size_t chosen = end - 1;  // the zeroes stand behind the others
    for (size_t j = end; j-- > i;) {
      if (out[j]->weight >= pick) {
        chosen = j;
        break;
      }
      pick -= out[j]->weight;
    }
    std::rotate(out.begin() + static_cast<std::ptrdiff_t>(i),
                out.begin() + static_cast<std::ptrdiff_t>(chosen),
                out.begin() + static_cast<std::ptrdiff_t>(chosen) + 1);
  }
  return out;
}

void TargetList::Skip(const PeerEntry& peer, std::string_view reason,
                      std::string_view what) {
  out_.skipped.push_back({peer.name, std::string(reason),
                          absl::StrCat(peer.name, " ", AbslView(what))});
}

bool TargetList::Takes(const PeerEntry& peer) {
  if (peer.status == PeerStatus::kDisabled) {
    Skip(peer, "PEER_DISABLED", "is disabled");
  } else if (peer.status == PeerStatus::kNoNewCalls) {
    Skip(peer, "PEER_NO_NEW_CALLS", "takes no new calls");
  } else if (!peer.outcalls_allowed) {
    Skip(peer, "OUTCALLS_NOT_ALLOWED", "may not be called");
  } else if (peer.name == call_.query.caller) {
    Skip(peer, "ROUTE_LOOP", "is where the call came from");
  } else {
    return true;
  }
  return false;
}

void TargetList::Transform(const PeerEntry& peer,
                           NumberChanger& numbers) const {
  const PlanSnapshot& plan = call_.index.snapshot();
  if (!peer.called_transformation_space.empty()) {
    PlanTable::Spaces spaces;
    call_.table.AddSearchSpace(peer.called_transformation_space, spaces);
    call_.table.AddNullPartition(call_.tenant, spaces);
    if (const auto found =
            call_.table.FindCalledChange(spaces, numbers.called())) {
      const auto& entry = plan.called_party_transformations[found->index];
      numbers.ChangeCalled(entry.name, entry.transformation, entry.pattern,
                           entry.numbering_plan, found->form);
    }
  }
  if (!peer.calling_transformation_space.empty()) {
    PlanTable::Spaces spaces;
    call_.table.AddSearchSpace(peer.calling_transformation_space, spaces);
    call_.table.AddNullPartition(call_.tenant, spaces);
    if (const auto found =
            call_.table.FindCallingChange(spaces, numbers.calling())) {
      const auto& entry = plan.calling_party_transformations[found->index];
      numbers.ChangeCalling(entry.name, entry.transformation,
                            call_.external_mask);
    }
  }
}

void TargetList::Add(const PeerEntry& peer, NumberChanger numbers) {
  if (!Takes(peer)) return;
  Transform(peer, numbers);
  if (out_.called_domain.empty() && !Number::Parse(numbers.called()).ok()) {
    Skip(peer, "NUMBER_INVALID",
         "would be called with a number that is empty or too long");
    return;
  }
  RouteTarget target;
  target.peer = &peer;
  target.mode = call_.index.ModeOf(peer.dial_plan);
  target.called = numbers.called();
  target.calling = numbers.calling();
  target.restrict_presentation = numbers.restrict_presentation();
  const ServerGroupEntry* group =
      peer.server_group.empty()
          ? nullptr
          : call_.index.Find<ServerGroupEntry>(peer.server_group);
  if (group == nullptr) {
    out_.targets.push_back(std::move(target));
    return;
  }
  target.group = group;
  const auto servers = OrderServers(*group, call_.query.draw);
  if (servers.empty()) {
    Skip(peer, "NO_TARGET", "has no server that takes calls");
    return;
  }
  for (const ServerGroupMember* server : servers) {
    target.server = server;
    out_.targets.push_back(target);
  }
}

}  // namespace sallyport
