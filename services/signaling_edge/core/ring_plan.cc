#include "services/signaling_edge/core/ring_plan.h"

#include <algorithm>
#include <utility>

namespace sallyport::signaling_edge {

void HuntMemory::OnCallBegan(const std::string& line) {
  Apply({.kind = News::Kind::kCallBegan, .name = line});
}

void HuntMemory::OnCallEnded(const std::string& line, MonoTime now) {
  Apply({.kind = News::Kind::kCallEnded, .name = line, .at = now});
}

void HuntMemory::Apply(News news) {
  OnNews(news);
  if (tells_) news_.push_back(std::move(news));
}

void HuntMemory::OnNews(const News& news) {
  if (news.kind == News::Kind::kNext) {
    next_[news.name] = news.next;
    return;
  }
  if (news.kind >= News::Kind::kQueued) {
    OnQueueNews(news);
    return;
  }
  Line& entry = lines_[news.name];
  if (news.kind == News::Kind::kCallBegan) {
    ++entry.calls;
    return;
  }
  if (entry.calls > 0) --entry.calls;
  entry.idle_since = news.at;
}

uint32_t HuntMemory::CallsOf(const std::string& line) const {
  const auto it = lines_.find(line);
  return it == lines_.end() ? 0 : it->second.calls;
}

MonoTime HuntMemory::IdleSince(const std::string& line) const {
  const auto it = lines_.find(line);
  return it == lines_.end() ? MonoTime() : it->second.idle_since;
}

size_t HuntMemory::NextOf(const std::string& group) const {
  const auto it = next_.find(group);
  return it == next_.end() ? 0 : it->second;
}

void HuntMemory::SetNext(const std::string& group, size_t index) {
  Apply({.kind = News::Kind::kNext, .name = group, .next = index});
}

void HuntMemory::OnQueueNews(const News& news) {
  std::vector<Waiting>& queue = queues_[news.name];
  const auto it =
      std::find_if(queue.begin(), queue.end(),
                   [&](const Waiting& one) { return one.call == news.next; });
  switch (news.kind) {
    case News::Kind::kQueued: {
      if (it != queue.end()) return;
      // Loops may tell of calls that came at about the same time in any order.
      const Waiting waiting{news.next, news.at, false};
      const auto after = std::upper_bound(
          queue.begin(), queue.end(), waiting,
          [](const Waiting& a, const Waiting& b) {
            return a.since != b.since ? a.since < b.since : a.call < b.call;
          });
      queue.insert(after, waiting);
      return;
    }
    case News::Kind::kUnqueued:
      if (it != queue.end()) queue.erase(it);
      if (queue.empty()) queues_.erase(news.name);
      return;
    default:
      if (it != queue.end()) it->served = news.kind == News::Kind::kServed;
  }
}

size_t HuntMemory::QueueLength(const std::string& pilot) const {
  const auto it = queues_.find(pilot);
  return it == queues_.end() ? 0 : it->second.size();
}

size_t HuntMemory::QueuePosition(const std::string& pilot,
                                 uint64_t call) const {
  const auto it = queues_.find(pilot);
  if (it == queues_.end()) return 0;
  for (size_t i = 0; i < it->second.size(); ++i) {
    if (it->second[i].call == call) return i + 1;
  }
  return 0;
}

bool HuntMemory::IsNextInQueue(const std::string& pilot, uint64_t call) const {
  const auto it = queues_.find(pilot);
  if (it == queues_.end()) return false;
  for (const Waiting& one : it->second) {
    if (!one.served) return one.call == call;
  }
  return false;
}

RingPlan::RingPlan(const Resolution& resolution, const PlanIndex& index,
                   MayRing may_ring)
    : index_(index), may_ring_(std::move(may_ring)) {
  switch (resolution.outcome) {
    case Resolution::Outcome::kUser:
      single_ = RingStep();
      single_->targets.push_back({resolution.user, nullptr});
      break;
    case Resolution::Outcome::kLine:
      line_ = resolution.line;
      forwarder_ = line_->name;
      single_ = RingStep();
      single_->lines.push_back(line_);
      for (const UserEntry* user : resolution.users) {
        single_->targets.push_back({user, line_});
      }
      if (line_->forward_no_answer.IsSet()) {
        single_->no_answer = line_->no_answer_duration;
      }
      break;
    default:
      forwarder_ =
          resolution.hunt_pilot == nullptr ? "" : resolution.hunt_pilot->name;
      stages_ = resolution.hunt;
  }
}

void RingPlan::Note(RingOutcome outcome) {
  all_busy_ &= outcome == RingOutcome::kBusy;
  none_available_ &= outcome == RingOutcome::kNotAvailable;
}

std::optional<RingStep> RingPlan::First(HuntMemory& memory) {
  if (single_.has_value()) {
    if (line_ != nullptr && line_->busy_trigger != 0 &&
        memory.CallsOf(line_->name) >= line_->busy_trigger) {
      Note(RingOutcome::kBusy);
      return std::nullopt;
    }
    return single_;
  }
  return EnterGroup(memory);
}

RingStep RingPlan::StepFor(const LineEntry& line,
                           absl::Duration no_answer) const {
  RingStep step;
  step.no_answer = no_answer;
  step.lines.push_back(&line);
  for (const std::string& name : line.users) {
    const UserEntry* user = index_.User(name);
    if (user != nullptr && !user->disabled) {
      step.targets.push_back({user, &line});
    }
  }
  return step;
}

std::optional<RingStep> RingPlan::EnterGroup(HuntMemory& memory) {
  for (; stage_ < stages_.size(); ++stage_) {
    const HuntStage& stage = stages_[stage_];
    const LineGroupEntry& group = *stage.group;
    order_.clear();
    next_ = 0;
    const size_t count = stage.lines.size();
    const bool circular = group.algorithm == HuntAlgorithm::kCircular;
    // Those that ring only who has no call, and those that ring who can take
    // another one.
    const bool idle_only = group.algorithm == HuntAlgorithm::kLongestIdle ||
                           group.algorithm == HuntAlgorithm::kBroadcast;
    const size_t start =
        circular && count > 0 ? memory.NextOf(group.name) % count : 0;
    for (size_t i = 0; i < count; ++i) {
      const LineEntry* line = stage.lines[(start + i) % count];
      const uint32_t calls = memory.CallsOf(line->name);
      const bool free =
          may_ring_   ? may_ring_(*line)
          : idle_only ? calls == 0
                      : line->busy_trigger == 0 || calls < line->busy_trigger;
      if (free) order_.push_back(line);
    }
    if (group.algorithm == HuntAlgorithm::kLongestIdle) {
      std::stable_sort(order_.begin(), order_.end(),
                       [&](const LineEntry* a, const LineEntry* b) {
                         return memory.IdleSince(a->name) <
                                memory.IdleSince(b->name);
                       });
    }
    if (auto step = NextMember(memory)) return step;
    // Nobody is free.
    Note(RingOutcome::kBusy);
    if (group.on_busy == HuntAction::kStop ||
        group.on_busy == HuntAction::kNextMemberOnly) {
      stage_ = stages_.size();
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<RingStep> RingPlan::NextMember(HuntMemory& memory) {
  const LineGroupEntry& group = *stages_[stage_].group;
  if (group.algorithm == HuntAlgorithm::kBroadcast) {
    RingStep all;
    all.no_answer = group.ring_no_answer_reversion;
    for (; next_ < order_.size(); ++next_) {
      RingStep one = StepFor(*order_[next_], all.no_answer);
      all.targets.insert(all.targets.end(), one.targets.begin(),
                         one.targets.end());
      all.lines.insert(all.lines.end(), one.lines.begin(), one.lines.end());
    }
    if (all.lines.empty()) return std::nullopt;
    return all;
  }
  if (next_ >= order_.size()) return std::nullopt;
  const LineEntry* line = order_[next_++];
  if (group.algorithm == HuntAlgorithm::kCircular) {
    // The next call begins after the last one tried.
    const std::vector<const LineEntry*>& lines = stages_[stage_].lines;
    const auto at = std::find(lines.begin(), lines.end(), line);
    memory.SetNext(group.name, static_cast<size_t>(at - lines.begin()) + 1);
  }
  return StepFor(*line, group.ring_no_answer_reversion);
}

std::optional<RingStep> RingPlan::After(RingOutcome outcome,
                                        HuntMemory& memory) {
  Note(outcome);
  if (single_.has_value() || stage_ >= stages_.size()) return std::nullopt;
  const LineGroupEntry& group = *stages_[stage_].group;
  const HuntAction action = outcome == RingOutcome::kBusy ? group.on_busy
                            : outcome == RingOutcome::kNoAnswer
                                ? group.on_no_answer
                                : group.on_not_available;
  if (action == HuntAction::kNextMemberThenNextGroup ||
      action == HuntAction::kNextMemberOnly) {
    if (auto step = NextMember(memory)) return step;
  }
  if (action == HuntAction::kStop || action == HuntAction::kNextMemberOnly) {
    stage_ = stages_.size();
    return std::nullopt;
  }
  ++stage_;
  return EnterGroup(memory);
}

}  // namespace sallyport::signaling_edge
