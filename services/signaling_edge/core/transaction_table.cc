#include "services/signaling_edge/core/transaction_table.h"

#include <string_view>
#include <utility>

#include "absl/hash/hash.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kUsualKey = 160;  // octets that most keys fit into

// No part of a key holds a NUL, so joined by it no two keys run together.
void AppendPart(std::string& key, std::string_view part) {
  key.append(part);
  key.push_back('\0');
}

void AppendLower(std::string& key, std::string_view part) {
  for (char c : part) key.push_back(ToLower(c));
  key.push_back('\0');
}

// Host names and transports in any case; the port as it is used.
void AppendSentBy(std::string& key, const Via& via) {
  AppendLower(key, via.host);
  AppendPart(key, std::to_string(via.sent_by_port()));
}

std::optional<Via> TopVia(const SipMessage& message) {
  const auto value = message.First(HeaderId::kVia);
  if (!value) return std::nullopt;
  ListReader reader(*value);
  std::string_view item;
  reader.Next(item);
  auto via = ParseVia(item);
  if (!via.ok()) return std::nullopt;
  return *via;
}

std::string_view TagOf(std::string_view name_addr) {
  const auto parsed = ParseNameAddr(name_addr);
  return parsed.ok() ? parsed->tag() : std::string_view();
}

// A branch by RFC 3261 rules; the cookie alone is none (RFC 4475 section
// 3.2.1).
bool HasMagicBranch(const Via& via) {
  const std::string_view branch = via.branch();
  return branch.size() > kBranchCookie.size() &&
         EqualsIgnoreCase(branch.substr(0, kBranchCookie.size()),
                          kBranchCookie);
}

// Section 17.2.3. ACK has the key of its INVITE; CANCEL one of its own, as
// `method` says.
std::string ServerKey(const SipMessage& request, const Via& via,
                      PeerScope scope, std::string_view method) {
  std::string key;
  key.reserve(kUsualKey);
  key.push_back('s');
  AppendPart(key, std::to_string(scope));
  AppendPart(key, method);
  if (HasMagicBranch(via)) {
    AppendPart(key, via.branch());
    AppendSentBy(key, via);
    return key;
  }
  // As RFC 2543 did. The To tag is left out where INVITE and ACK differ in it.
  key.push_back('2');
  AppendPart(key, request.request_uri());
  AppendPart(key, TagOf(request.Value(HeaderId::kFrom)));
  AppendPart(key, request.Value(HeaderId::kCallId));
  const auto cseq = ParseCseq(request.Value(HeaderId::kCseq));
  AppendPart(key, cseq.ok() ? std::to_string(cseq->number) : std::string());
  AppendPart(key, via.branch());
  AppendSentBy(key, via);
  if (method != "INVITE") {
    AppendPart(key, TagOf(request.Value(HeaderId::kTo)));
  }
  return key;
}

std::string ServerKey(const SipMessage& request, const Via& via,
                      PeerScope scope) {
  return ServerKey(
      request, via, scope,
      request.method() == SipMethod::kAck ? "INVITE" : request.method_text());
}

// Section 17.1.3: the branch and the method of CSeq; the sent-by is ours, and
// must come back as it went (section 18.1.2).
std::string ClientKey(const SipMessage& message, const Via& via,
                      PeerScope scope) {
  std::string key;
  key.reserve(kUsualKey);
  key.push_back('c');
  AppendPart(key, std::to_string(scope));
  const auto cseq = ParseCseq(message.Value(HeaderId::kCseq));
  AppendPart(key, cseq.ok() ? cseq->method_text : std::string_view());
  AppendPart(key, via.branch());
  AppendSentBy(key, via);
  return key;
}

// Section 8.2.2.2: what makes two requests one that was forked and merged.
std::string MergeKey(const SipMessage& request, PeerScope scope) {
  if (request.method() == SipMethod::kCancel ||
      !TagOf(request.Value(HeaderId::kTo)).empty()) {
    return {};
  }
  std::string key;
  key.reserve(kUsualKey);
  AppendPart(key, std::to_string(scope));
  AppendPart(key, TagOf(request.Value(HeaderId::kFrom)));
  AppendPart(key, request.Value(HeaderId::kCallId));
  AppendPart(key, request.Value(HeaderId::kCseq));
  return key;
}

uint64_t HashOf(std::string_view key) {
  return absl::Hash<std::string_view>{}(key);
}

}  // namespace

void TransactionTable::KeyIndex::Insert(Key& key) {
  if (key.text.empty()) return;
  key.next = std::exchange(first_[HashOf(key.text)], &key);
}

void TransactionTable::KeyIndex::Erase(const Key& key) {
  const auto it = first_.find(HashOf(key.text));
  if (it == first_.end()) return;
  Key** place = &it->second;
  while (*place != nullptr && *place != &key) place = &(*place)->next;
  if (*place != nullptr) *place = key.next;
  if (it->second == nullptr) first_.erase(it);
}

TransactionId TransactionTable::KeyIndex::Find(std::string_view text) const {
  const auto it = first_.find(HashOf(text));
  const Key* key = it == first_.end() ? nullptr : it->second;
  while (key != nullptr && key->text != text) key = key->next;
  return key == nullptr ? 0 : key->id;
}

TransactionId TransactionTable::Insert(std::string key, std::string merge_key,
                                       Machine machine) {
  const TransactionId id = ++last_id_;
  auto entry = std::make_unique<Entry>(Entry{
      {std::move(key), id}, {std::move(merge_key), id}, std::move(machine)});
  by_key_.Insert(entry->key);
  by_merge_key_.Insert(entry->merge_key);
  entries_.emplace(id, std::move(entry));
  return id;
}

TransactionTable::Entry* TransactionTable::Get(TransactionId id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : it->second.get();
}

void TransactionTable::Settle(TransactionId id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  const Entry& entry = *it->second;
  const auto [ended, deadline] = std::visit(
      [](const auto& machine) {
        return std::pair(machine.terminated(), machine.deadline());
      },
      entry.machine);
  if (!ended) {
    deadlines_.Set(id, deadline);
    return;
  }
  Remove(id);
}

void TransactionTable::Remove(TransactionId id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  Entry* const entry = it->second.get();
  deadlines_.Erase(id);
  by_key_.Erase(entry->key);
  by_merge_key_.Erase(entry->merge_key);
  entries_.erase(it);
}

RequestOutcome TransactionTable::OnRepeated(TransactionId id,
                                            const SipMessage& request,
                                            MonoTime now) {
  RequestOutcome outcome;
  outcome.kind = RequestOutcome::Kind::kAbsorbed;
  outcome.id = id;
  Entry& entry = *Get(id);
  if (auto* invite = std::get_if<InviteServerTransaction>(&entry.machine)) {
    if (request.method() != SipMethod::kAck) {
      outcome.actions = invite->OnRepeatedInvite();
      return outcome;
    }
    outcome.actions = invite->OnAck(now);
    if (!outcome.actions.empty()) {
      outcome.kind = RequestOutcome::Kind::kAck;
      outcome.actions.clear();
    }
    Settle(id);
    return outcome;
  }
  outcome.actions =
      std::get<ServerTransaction>(entry.machine).OnRepeatedRequest();
  return outcome;
}

RequestOutcome TransactionTable::OnRequest(const SipMessage& request,
                                           PeerScope scope, bool reliable,
                                           MonoTime now) {
  RequestOutcome outcome;
  const auto via = TopVia(request);
  if (!via) {  // the parser lets none such through
    outcome.kind = RequestOutcome::Kind::kFull;
    return outcome;
  }
  std::string key = ServerKey(request, *via, scope);
  if (const TransactionId id = by_key_.Find(key); id != 0) {
    return OnRepeated(id, request, now);
  }
  if (request.method() == SipMethod::kAck) {
    outcome.kind = RequestOutcome::Kind::kAck;
    return outcome;
  }
  std::string merge_key = MergeKey(request, scope);
  if (const TransactionId id = by_merge_key_.Find(merge_key); id != 0) {
    outcome.kind = RequestOutcome::Kind::kMerged;
    outcome.id = id;
    return outcome;
  }
  if (entries_.size() >=
      options_.max_transactions - options_.max_transactions / 10) {
    outcome.kind = RequestOutcome::Kind::kFull;
    return outcome;
  }
  if (request.method() == SipMethod::kCancel) {
    outcome.cancelled = by_key_.Find(ServerKey(request, *via, scope, "INVITE"));
  }
  outcome.id = request.method() == SipMethod::kInvite
                   ? Insert(std::move(key), std::move(merge_key),
                            InviteServerTransaction(options_.timers, reliable))
                   : Insert(std::move(key), std::move(merge_key),
                            ServerTransaction(options_.timers, reliable, now));
  Settle(outcome.id);
  return outcome;
}

TransactionOutcome TransactionTable::OnResponse(const SipMessage& response,
                                                PeerScope scope, MonoTime now) {
  TransactionOutcome outcome;
  const auto via = TopVia(response);
  if (!via) return outcome;
  const TransactionId id = by_key_.Find(ClientKey(response, *via, scope));
  if (id == 0) return outcome;
  outcome.id = id;
  Entry& entry = *Get(id);
  if (auto* invite = std::get_if<InviteClientTransaction>(&entry.machine)) {
    outcome.actions = invite->OnResponse(response, now);
  } else {
    outcome.actions =
        std::get<ClientTransaction>(entry.machine).OnResponse(response, now);
  }
  Settle(id);
  return outcome;
}

absl::StatusOr<TransactionOutcome> TransactionTable::Send(
    const std::shared_ptr<const SipMessage>& request, PeerScope scope,
    bool reliable, MonoTime now) {
  const auto via = TopVia(*request);
  if (!via || !HasMagicBranch(*via) || request->method() == SipMethod::kAck) {
    return absl::FailedPreconditionError("no request of ours");
  }
  std::string key = ClientKey(*request, *via, scope);
  if (by_key_.Find(key) != 0)
    return absl::FailedPreconditionError("branch in use");
  if (entries_.size() >= options_.max_transactions) {
    return MakeError(absl::StatusCode::kResourceExhausted, "TRANSACTION_LIMIT",
                     "too many SIP transactions");
  }
  TransactionOutcome outcome;
  if (request->method() == SipMethod::kInvite) {
    InviteClientTransaction machine(options_.timers, reliable, request);
    outcome.actions = machine.Start(now);
    outcome.id = Insert(std::move(key), {}, std::move(machine));
  } else {
    ClientTransaction machine(options_.timers, reliable,
                              WriteSipMessage(*request));
    outcome.actions = machine.Start(now);
    outcome.id = Insert(std::move(key), {}, std::move(machine));
  }
  Settle(outcome.id);
  return outcome;
}

TransactionActions TransactionTable::Respond(TransactionId id,
                                             const SipMessage& response,
                                             MonoTime now) {
  Entry* entry = Get(id);
  if (entry == nullptr) return {};
  TransactionActions actions;
  std::string wire = WriteSipMessage(response);
  const int code = response.status_code();
  if (auto* invite = std::get_if<InviteServerTransaction>(&entry->machine)) {
    actions = invite->OnUserResponse(code, std::move(wire), now);
  } else if (auto* other = std::get_if<ServerTransaction>(&entry->machine)) {
    actions = other->OnUserResponse(code, std::move(wire), now);
  }
  Settle(id);
  return actions;
}

TransactionActions TransactionTable::OnTransportError(TransactionId id) {
  Entry* entry = Get(id);
  if (entry == nullptr) return {};
  TransactionActions actions = std::visit(
      [](auto& machine) { return machine.OnTransportError(); }, entry->machine);
  Settle(id);
  return actions;
}

void TransactionTable::Forget(TransactionId id) { Remove(id); }

TransactionOutcome TransactionTable::OnDeadline(MonoTime now) {
  TransactionOutcome outcome;
  const auto id = deadlines_.PopExpired(now);
  if (!id.has_value()) return outcome;
  outcome.id = *id;
  outcome.actions =
      std::visit([now](auto& machine) { return machine.OnDeadline(now); },
                 Get(*id)->machine);
  Settle(*id);
  return outcome;
}

}  // namespace sallyport::signaling_edge
