#include "services/signaling_edge/core/call_ladder.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "absl/hash/hash.h"
#include "services/signaling_edge/core/sip_redaction.h"

namespace sallyport::signaling_edge {
namespace {

// About what a message beside the ring costs beside its text.
constexpr size_t kOverhead = 160;

// Of a final response that says no.
bool Refuses(std::string_view text) {
  return text.starts_with("SIP/2.0 ") && text.size() > 8 && text[8] >= '3';
}

}  // namespace

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
  if (it->second.rest != nullptr) in_rest_ -= it->second.rest->bytes;
  legs_.erase(it);
  if (legs_.empty()) ring_.Clear();
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
  if (it == legs_.end()) return;
  it->second.reason = reason;
  it->second.refusal = 0;
}

void CallLadder::Append(Leg& leg, const Record& record, std::string_view text,
                        std::string_view reason) {
  static_assert(std::is_trivially_copyable_v<Record>);
  leg.last = ring_.end();
  leg.in_ring += sizeof(Record) + text.size() + reason.size();
  char head[sizeof(Record)];
  std::memcpy(head, &record, sizeof(Record));
  ring_.Append(std::string_view(head, sizeof(head)));
  ring_.Append(text);
  ring_.Append(reason);
}

void CallLadder::AppendToRest(Leg& leg, Entry entry) {
  if (leg.rest == nullptr) leg.rest = std::make_unique<Rest>();
  Rest& rest = *leg.rest;
  const size_t size = SizeOf(entry);
  rest.bytes += size;
  in_rest_ += size;
  rest.entries.push_back(std::move(entry));
  while (!rest.entries.empty() &&
         (leg.in_ring + rest.bytes > options_.max_leg_bytes ||
          in_rest_ > options_.max_bytes / 4)) {
    const size_t first = SizeOf(rest.entries.front());
    rest.bytes -= first;
    in_rest_ -= first;
    rest.entries.pop_front();
  }
}

void CallLadder::Add(LegTraceId id, const Flow& flow, bool sent,
                     std::string_view text, MonoTime now) {
  const auto it = legs_.find(id);
  if (it == legs_.end()) return;
  Leg& leg = it->second;
  text_.clear();
  AppendWithoutSecrets(text, text_);
  std::string reason;
  if (sent && !leg.reason.empty() && Refuses(text)) {
    const size_t hash = absl::HashOf(text);
    if (leg.refusal == 0) leg.refusal = hash;
    if (leg.refusal == hash) reason = leg.reason;
  }
  ++leg.added;
  const uint64_t sequence = ++last_sequence_;
  const size_t size = sizeof(Record) + text_.size() + reason.size();
  if (leg.rest == nullptr && leg.in_ring + size <= options_.max_leg_bytes / 2 &&
      size <= ring_.capacity()) {
    Append(leg,
           {.before = leg.last,
            .sequence = sequence,
            .at = now,
            .connection = flow.connection,
            .text = static_cast<uint32_t>(text_.size()),
            .reason = static_cast<uint32_t>(reason.size()),
            .transport = flow.transport,
            .sent = sent},
           text_, reason);
    return;
  }
  AppendToRest(leg, {sequence,
                     {.at = now,
                      .sent = sent,
                      .transport = flow.transport,
                      .connection = flow.connection,
                      .text = text_,
                      .reason = std::move(reason)}});
}

void CallLadder::Read(const Leg& leg, LegSide side,
                      std::vector<Entry>& out) const {
  for (uint64_t at = leg.last; ring_.Holds(at);) {
    Record record;
    char head[sizeof(Record)];
    ring_.Read(at, absl::MakeSpan(head));
    std::memcpy(&record, head, sizeof(Record));
    Entry entry = {record.sequence,
                   {.at = record.at,
                    .leg = side,
                    .sent = record.sent,
                    .transport = record.transport,
                    .connection = record.connection,
                    .text = std::string(record.text, '\0'),
                    .reason = std::string(record.reason, '\0')}};
    const uint64_t text = at + sizeof(Record);
    if (record.text > 0) {
      ring_.Read(text, absl::MakeSpan(entry.message.text));
    }
    if (record.reason > 0) {
      ring_.Read(text + record.text, absl::MakeSpan(entry.message.reason));
    }
    out.push_back(std::move(entry));
    at = record.before;
  }
  if (leg.rest == nullptr) return;
  for (const Entry& entry : leg.rest->entries) {
    out.push_back(entry);
    out.back().message.leg = side;
  }
}

CallLadder::View CallLadder::Look(uint64_t call) const {
  View view;
  const auto it = by_call_.find(call);
  if (it == by_call_.end()) return view;
  view.kept = true;
  std::vector<Entry> entries;
  for (const LegSide side : {LegSide::kA, LegSide::kB}) {
    const auto leg = legs_.find(it->second[IndexOf(side)]);
    if (leg == legs_.end()) continue;
    const size_t before = entries.size();
    Read(leg->second, side, entries);
    view.dropped += leg->second.added - (entries.size() - before);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.sequence < b.sequence;
  });
  view.messages.reserve(entries.size());
  for (Entry& entry : entries) {
    view.messages.push_back(std::move(entry.message));
  }
  return view;
}

}  // namespace sallyport::signaling_edge
