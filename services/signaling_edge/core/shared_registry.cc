#include "services/signaling_edge/core/shared_registry.h"

#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxWork = 20'000;
// Another edge was faster so often: it will be by the client's next try.
constexpr int kMaxTries = 10;
constexpr size_t kMaxRestoring = 256;

absl::Status Unavailable() {
  return MakeError(absl::StatusCode::kUnavailable, "REGISTRY_UNAVAILABLE",
                   "the registrar cannot be reached");
}

// The very same registration, and not only the same contact.
bool SameRegistration(const Binding& a, const Binding& b) {
  return SameContact(a, b) && a.cseq == b.cseq && a.call_id == b.call_id;
}

}  // namespace

uint64_t SharedRegistry::Begin(Work work) {
  const uint64_t id = ++last_work_;
  work_[id] = std::move(work);
  return id;
}

void SharedRegistry::Fetch(uint64_t id) {
  port_.Perform(FetchBindings{id, work_.find(id)->second.user});
}

void SharedRegistry::Store(uint64_t id, const Seen& seen,
                           const std::vector<Binding>& base,
                           std::vector<Binding> next) {
  Work& work = work_.find(id)->second;
  work.losers.clear();
  for (const Binding& had : base) {
    if (!had.foreign || !had.owner.has_value()) continue;
    const bool stays =
        std::any_of(next.begin(), next.end(), [&](const Binding& one) {
          return one.foreign && one.owner == had.owner;
        });
    if (!stays) work.losers.push_back(had.owner->node);
  }
  for (Binding& binding : next) {
    if (!binding.foreign) binding.owner = port_.ExportFlow(binding.flow);
  }
  work.epoch = seen.epoch == 0 ? random_.NextU64() | 1 : seen.epoch;
  work.generation = seen.generation + 1;
  if (const auto known = seen_.find(work.user); known != seen_.end()) {
    work.generation = std::max(work.generation, known->second.generation + 1);
  }
  work.next = next;
  port_.Perform(StoreBindings{id, work.user, seen.version, work.epoch,
                              work.generation, std::move(next)});
}

void SharedRegistry::Register(uint64_t ticket, RegisterRequest request,
                              MonoTime now) {
  if (!up_ || work_.size() >= kMaxWork) {
    port_.OnRegistered(ticket, Unavailable(), now);
    return;
  }
  const bool asks = request.contacts.empty() && !request.all;
  Work work;
  work.kind = Kind::kRegister;
  work.user = request.user;
  work.ticket = ticket;
  work.request = std::move(request);
  const std::string user = work.user;
  const uint64_t id = Begin(std::move(work));
  const auto seen = seen_.find(user);
  if (asks) {
    Fetch(id);
  } else {
    // What was seen last, or nothing, is what is there as a rule.
    TryRegister(id, seen == seen_.end() ? Seen() : seen->second,
                registrar_.CopyOf(user), false, now);
  }
}

void SharedRegistry::TryRegister(uint64_t id, const Seen& seen,
                                 std::vector<Binding> base, bool certain,
                                 MonoTime now) {
  Work& work = work_.find(id)->second;
  work.places.GiveBack();  // of the try before
  auto next = ApplyRegister(base, work.request, registrar_.limits(), now);
  if (!next.ok()) {
    // What another edge has may allow it.
    if (certain) {
      Finish(id, next.status(), now);
    } else {
      Fetch(id);
    }
    return;
  }
  if (next->size() > base.size()) {
    auto places =
        registrar_.TakePlaces(work.request, next->size() - base.size());
    if (!places.ok()) {
      // It may be no more than another edge or loop has of it already.
      if (certain) {
        Finish(id, places.status(), now);
      } else {
        Fetch(id);
      }
      return;
    }
    work.places = *std::move(places);
  }
  Store(id, seen, base, *std::move(next));
}

void SharedRegistry::LookUp(uint64_t attempt, const std::string& user,
                            MonoTime /*now*/) {
  Work work;
  work.kind = Kind::kLookUp;
  work.user = user;
  work.ticket = attempt;
  Fetch(Begin(std::move(work)));
}

void SharedRegistry::OnRemoved(const Registrar::Changes& changes,
                               MonoTime /*now*/) {
  absl::flat_hash_map<std::string, std::vector<Binding>> gone;
  for (const Registrar::Change& change : changes) {
    if (change.kind == Registrar::Change::Kind::kExpired &&
        registrar_.Of(change.binding.user).empty()) {
      seen_.erase(change.binding.user);
    }
    // Others tell of theirs, but not of a flow that was refused to us.
    if (change.kind != Registrar::Change::Kind::kFlowLost &&
        (change.kind != Registrar::Change::Kind::kRemoved ||
         change.binding.foreign)) {
      continue;
    }
    gone[change.binding.user].push_back(change.binding);
  }
  for (auto& [user, bindings] : gone) {
    const auto seen = seen_.find(user);
    if (!up_ || work_.size() >= kMaxWork) {
      owed_.insert(user);
      continue;
    }
    Work work;
    work.kind = Kind::kRemove;
    work.user = user;
    work.gone = std::move(bindings);
    const uint64_t id = Begin(std::move(work));
    if (seen == seen_.end()) {
      Fetch(id);
    } else {
      const std::vector<Binding> left = registrar_.CopyOf(user);
      std::vector<Binding> base = left;
      const std::vector<Binding>& ended = work_.find(id)->second.gone;
      base.insert(base.end(), ended.begin(), ended.end());
      Store(id, seen->second, base, left);
    }
  }
}

void SharedRegistry::OnState(bool up, MonoTime /*now*/) {
  up_ = up;
  if (!up) return;
  // It may have lost what it had, and something may have ended meanwhile.
  for (const Binding* binding : registrar_.All()) {
    owed_.insert(binding->user);
    unsure_.insert(binding->user);
  }
  Restore();
}

void SharedRegistry::Refresh(const std::string& user) {
  owed_.insert(user);
  Restore();
}

void SharedRegistry::Restore() {
  while (up_ && restoring_ < kMaxRestoring && !owed_.empty()) {
    Work work;
    work.kind = Kind::kRestore;
    work.user = *owed_.begin();
    owed_.erase(owed_.begin());
    ++restoring_;
    Fetch(Begin(std::move(work)));
  }
}

void SharedRegistry::OnReply(uint64_t request,
                             absl::StatusOr<RegistryReply> reply,
                             MonoTime now) {
  const auto it = work_.find(request);
  if (it == work_.end()) return;
  if (!reply.ok()) {
    Finish(request, reply.status(), now);
    return;
  }
  if (!reply->stored) {
    OnThere(request, *std::move(reply), now);
    return;
  }
  const std::string user = it->second.user;
  std::vector<Binding> next = std::move(it->second.next);
  it->second.places.GiveBack();  // they come now
  // Or they would put back what was taken from them, should the store be lost.
  for (const NodeId& node : it->second.losers) port_.TellHolder(node, user);
  Adopt(user, {std::move(reply->version), reply->epoch, reply->generation},
        std::move(next), now);
  Finish(request, absl::OkStatus(), now);
  // A connection may have ended while its registration was on its way.
  Registrar::Changes lost;
  for (const Binding& binding : registrar_.CopyOf(user)) {
    if (binding.foreign || port_.IsAlive(binding.flow)) continue;
    for (auto& change : registrar_.OnFlowFailed(binding.id)) {
      lost.push_back(std::move(change));
    }
  }
  if (lost.empty()) return;
  port_.OnSharedChanges(lost, now);
  OnRemoved(lost, now);
}

void SharedRegistry::OnThere(uint64_t id, RegistryReply reply, MonoTime now) {
  Work& work = work_.find(id)->second;
  const std::string user = work.user;
  const size_t there = reply.bindings.size();
  std::vector<Binding> base = Localize(user, std::move(reply.bindings));
  bool changed = base.size() != there;
  // That a user has nothing is written down too, so that a store without
  // anything, or with less than was seen, has lost it.
  const auto known = seen_.find(user);
  const bool lost =
      unsure_.contains(user) ||
      (known != seen_.end() && (known->second.epoch != reply.epoch ||
                                known->second.generation > reply.generation));
  if (lost) {
    for (const Binding& mine : registrar_.CopyOf(user)) {
      if (mine.foreign ||
          std::any_of(base.begin(), base.end(), [&](const Binding& one) {
            return SameContact(one, mine);
          })) {
        continue;
      }
      base.push_back(mine);
      changed = true;
    }
  }
  const Seen seen = {std::move(reply.version), reply.epoch, reply.generation};
  switch (work.kind) {
    case Kind::kRegister:
      if (work.request.contacts.empty() && !work.request.all) {
        Adopt(user, seen, std::move(base), now);
        Finish(id, absl::OkStatus(), now);
      } else if (++work.tries > kMaxTries) {
        Finish(id, Unavailable(), now);
      } else {
        TryRegister(id, seen, std::move(base), true, now);
      }
      return;
    case Kind::kLookUp:
      if (lost) {
        owed_.insert(user);
        unsure_.insert(user);
      }
      Adopt(user, seen, std::move(base), now);
      Finish(id, absl::OkStatus(), now);
      if (lost) Restore();
      return;
    case Kind::kRemove:
    case Kind::kRestore: {
      const std::vector<Binding> before = base;
      changed |=
          std::erase_if(base, [&](const Binding& one) {
            return std::any_of(
                work.gone.begin(), work.gone.end(), [&](const Binding& gone) {
                  return one.foreign == gone.foreign &&
                         (!one.foreign || one.owner == gone.owner) &&
                         SameRegistration(one, gone);
                });
          }) > 0;
      if (!changed) {
        Adopt(user, seen, std::move(base), now);
        Finish(id, absl::OkStatus(), now);
      } else if (++work.tries > kMaxTries) {
        Finish(id, Unavailable(), now);
      } else {
        Store(id, seen, before, base);
      }
      return;
    }
  }
}

std::vector<Binding> SharedRegistry::Localize(
    const std::string& user, std::vector<Binding> theirs) const {
  const std::vector<Binding> ours = registrar_.CopyOf(user);
  std::vector<Binding> out;
  for (Binding& binding : theirs) {
    const bool foreign = !binding.owner || binding.owner->node != node_;
    const auto same =
        std::find_if(ours.begin(), ours.end(), [&](const Binding& one) {
          return one.foreign == foreign && SameContact(one, binding);
        });
    if (foreign) {
      binding.foreign = true;
      if (same != ours.end()) binding.id = same->id;
      out.push_back(std::move(binding));
    } else if (same != ours.end() && SameRegistration(*same, binding)) {
      out.push_back(*same);
    } else if (same == ours.end()) {
      const auto flow = port_.FormerFlow(*binding.owner);
      if (!flow.has_value()) continue;
      binding.flow = *flow;
      out.push_back(std::move(binding));
    }
  }
  return out;
}

void SharedRegistry::Adopt(const std::string& user, Seen seen,
                           std::vector<Binding> bindings, MonoTime now) {
  const bool any = !bindings.empty();
  const Registrar::Changes changes =
      registrar_.Replace(user, std::move(bindings), now);
  if (any) {
    seen_[user] = std::move(seen);
  } else {
    seen_.erase(user);
  }
  port_.OnSharedChanges(changes, now);
}

void SharedRegistry::Finish(uint64_t id, const absl::Status& status,
                            MonoTime now) {
  const auto it = work_.find(id);
  const Work work = std::move(it->second);
  work_.erase(it);
  switch (work.kind) {
    case Kind::kRegister:
      port_.OnRegistered(work.ticket, status, now);
      return;
    case Kind::kLookUp:
      port_.OnLookedUp(work.ticket, now);
      return;
    case Kind::kRemove:
      if (!status.ok()) owed_.insert(work.user);
      return;
    case Kind::kRestore:
      --restoring_;
      if (!status.ok()) owed_.insert(work.user);
      if (status.ok()) {
        unsure_.erase(work.user);
        Restore();
      }
      return;
  }
}

}  // namespace sallyport::signaling_edge
