#include "services/signaling_edge/core/call_ladder.h"

#include <algorithm>

#include "services/signaling_edge/core/sip_redaction.h"

namespace sallyport::signaling_edge {
namespace {

// About what a message costs beside its text.
constexpr size_t kOverhead = 160;

// Of a final response that says no.
bool Refuses(std::string_view text) {
  return text.starts_with("SIP/2.0 ") && text.size() > 8 && text[8] >= '3';
}

}  // namespace

struct CallLadder::Before {
  bool operator()(const Entry& a, uint64_t b) const { return a.sequence < b; }
  bool operator()(uint64_t a, const Entry& b) const { return a < b.sequence; }
};

size_t CallLadder::SizeOf(const Entry& entry) {
  return kOverhead + entry.message.text.size() + entry.message.reason.size();
}

LegTraceId CallLadder::Begin(TransactionId invite) {
  if (options_.one_in == 0 || begun_++ % options_.one_in != 0) return 0;
  const LegTraceId id = ++last_leg_;
  legs_[id].owners = 1;
  by_invite_[invite] = id;
  return id;
}

void CallLadder::Release(TransactionId invite) {
  const auto it = by_invite_.find(invite);
  if (it == by_invite_.end()) return;
  const LegTraceId id = it->second;
  by_invite_.erase(it);
  Disown(id);
}

void CallLadder::Disown(LegTraceId id) {
  const auto it = legs_.find(id);
  if (it == legs_.end() || --it->second.owners != 0) return;
  bytes_ -= it->second.bytes;
  kept_ -= it->second.entries.size();
  legs_.erase(it);
}

void CallLadder::Attach(uint64_t call, TransactionId invite) {
  const auto it = by_invite_.find(invite);
  if (it == by_invite_.end()) return;
  const auto [entry, added] = by_call_.try_emplace(call);
  if (!added) return;
  entry->second = {it->second, 0};
  ++legs_[it->second].owners;
}

void CallLadder::Move(uint64_t from, LegSide side, uint64_t to,
                      LegSide to_side) {
  const auto source = by_call_.find(from);
  if (source == by_call_.end()) return;
  const LegTraceId id = source->second[IndexOf(side)];
  if (id == 0) return;
  LegTraceId& place = by_call_[to][IndexOf(to_side)];
  // The one who was there before has no part in what comes.
  if (place != 0) Disown(place);
  place = id;
  ++legs_[id].owners;
}

LegTraceId CallLadder::Of(uint64_t call, LegSide side) {
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return 0;
  LegTraceId& id = it->second[IndexOf(side)];
  if (id == 0) {
    id = ++last_leg_;
    legs_[id].owners = 1;
  }
  return id;
}

void CallLadder::Forget(uint64_t call) {
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return;
  const std::array<LegTraceId, 2> ids = it->second;
  by_call_.erase(it);
  for (const LegTraceId id : ids) {
    if (id != 0) Disown(id);
  }
}

void CallLadder::SetReason(LegTraceId leg, std::string_view reason) {
  const auto it = legs_.find(leg);
  if (it != legs_.end()) it->second.reason = reason;
}

void CallLadder::Drop(Leg& leg, std::deque<Entry>::iterator entry) {
  const size_t size = SizeOf(*entry);
  leg.bytes -= size;
  bytes_ -= size;
  --kept_;
  ++leg.dropped;
  leg.entries.erase(entry);
}

void CallLadder::Trim(Leg& leg) {
  // How a call began says more than what came in its middle.
  while (leg.bytes > options_.max_leg_bytes && leg.entries.size() > 2) {
    size_t kept = 0;
    auto entry = leg.entries.begin();
    while (entry + 2 != leg.entries.end() &&
           kept + SizeOf(*entry) <= options_.max_leg_bytes / 2) {
      kept += SizeOf(*entry);
      ++entry;
    }
    Drop(leg, entry);
  }
}

void CallLadder::Add(LegTraceId id, const Flow& flow, bool sent,
                     std::string_view text, MonoTime now) {
  const auto it = legs_.find(id);
  if (it == legs_.end()) return;
  Leg& leg = it->second;
  Entry entry;
  entry.sequence = ++last_sequence_;
  entry.message.at = now;
  entry.message.sent = sent;
  entry.message.transport = flow.transport;
  entry.message.connection = flow.connection;
  entry.message.text = WithoutSecrets(text);
  if (sent && Refuses(text)) entry.message.reason = std::move(leg.reason);
  const size_t size = SizeOf(entry);
  leg.bytes += size;
  bytes_ += size;
  ++kept_;
  ring_.emplace_back(id, entry.sequence);
  leg.entries.push_back(std::move(entry));
  Trim(leg);
  TrimAll();
}

bool CallLadder::IsKept(const std::pair<LegTraceId, uint64_t>& place) const {
  const auto leg = legs_.find(place.first);
  return leg != legs_.end() &&
         std::binary_search(leg->second.entries.begin(),
                            leg->second.entries.end(), place.second, Before());
}

void CallLadder::TrimAll() {
  while (bytes_ > options_.max_bytes && !ring_.empty()) {
    const auto [oldest, sequence] = ring_.front();
    ring_.pop_front();
    const auto owner = legs_.find(oldest);
    if (owner == legs_.end()) continue;
    std::deque<Entry>& entries = owner->second.entries;
    const auto found =
        std::lower_bound(entries.begin(), entries.end(), sequence, Before());
    if (found == entries.end() || found->sequence != sequence) continue;
    Drop(owner->second, found);
  }
  // Most of what is in the ring is gone elsewhere: it is made anew, which
  // costs each message a step or two in all.
  if (ring_.size() > 2 * kept_ + 1024) {
    std::erase_if(ring_, [this](const auto& place) { return !IsKept(place); });
  }
}

CallLadder::View CallLadder::Look(uint64_t call) const {
  View view;
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return view;
  view.kept = true;
  std::vector<const Entry*> entries;
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    const auto leg = legs_.find(it->second[IndexOf(side)]);
    if (leg == legs_.end()) continue;
    view.dropped += leg->second.dropped;
    for (const Entry& entry : leg->second.entries) {
      LadderMessage message = entry.message;
      message.leg = side;
      entries.push_back(&entry);
      view.messages.push_back(std::move(message));
    }
  }
  std::vector<size_t> order(entries.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return entries[a]->sequence < entries[b]->sequence;
  });
  std::vector<LadderMessage> sorted;
  sorted.reserve(order.size());
  for (const size_t i : order) sorted.push_back(std::move(view.messages[i]));
  view.messages = std::move(sorted);
  return view;
}

}  // namespace sallyport::signaling_edge
