// All SIP transactions of one edge loop: which message belongs to which, their
// timers, and a cap on their number. RFC 3261 sections 17.1.3 and 17.2.3.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRANSACTION_TABLE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRANSACTION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/client_transaction.h"
#include "services/signaling_edge/core/invite_client_transaction.h"
#include "services/signaling_edge/core/invite_server_transaction.h"
#include "services/signaling_edge/core/server_transaction.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/transaction_action.h"

namespace sallyport::signaling_edge {

// Never 0, never used twice.
using TransactionId = uint64_t;

// Who may speak to a transaction: the caller's number for a verified peer, a
// user, or a source without proof. A message from another scope never matches,
// so knowing a branch is not enough to cancel or answer somebody's call.
using PeerScope = uint64_t;

struct RequestOutcome {
  enum class Kind {
    kNew,       // `id` is its new transaction: the user must answer
    kAbsorbed,  // a repetition, or the ACK to a refusal: only do `actions`
    kAck,       // an ACK to a 2xx: the dialog's; `id` when still known, else 0
    // Reached us by two ways (section 8.2.2.2): answer 482; `id` is the
    // transaction of the first.
    kMerged,
    kFull,  // over the cap: answer 503 without state
  };
  Kind kind = Kind::kNew;
  TransactionId id = 0;
  // Of a new CANCEL: the transaction that it wants to end; 0 means 481.
  TransactionId cancelled = 0;
  TransactionActions actions;
};

struct TransactionOutcome {
  TransactionId id = 0;  // 0: the message matches nothing; drop it
  TransactionActions actions;
};

// A terminated transaction is gone when the call that ended it returns; its id
// then matches nothing. Thread-compatible.
class TransactionTable {
 public:
  struct Options {
    TransactionTimers timers;
    // Of both halves together. Requests of others stop before our own do: a
    // tenth is kept for what we must still send, such as BYE.
    size_t max_transactions = 100000;
  };

  explicit TransactionTable(const Options& options) : options_(options) {}

  // Any request that came in. `reliable` tells of its transport.
  RequestOutcome OnRequest(const SipMessage& request, PeerScope scope,
                           bool reliable, MonoTime now);
  TransactionOutcome OnResponse(const SipMessage& response, PeerScope scope,
                                MonoTime now);

  // Starts a client transaction; `request` is complete, its topmost Via with a
  // branch of ours, and not null. Not for ACK. RESOURCE_EXHAUSTED
  // (TRANSACTION_LIMIT) when full, FAILED_PRECONDITION when the branch is in
  // use.
  absl::StatusOr<TransactionOutcome> Send(
      const std::shared_ptr<const SipMessage>& request, PeerScope scope,
      bool reliable, MonoTime now);

  // The user's response. Nothing happens when the transaction is gone.
  TransactionActions Respond(TransactionId id, const SipMessage& response,
                             MonoTime now);
  TransactionActions OnTransportError(TransactionId id);
  // Ends it without a word, so that what comes again is new.
  void Forget(TransactionId id);

  MonoTime deadline() const { return deadlines_.next(); }
  // At most one transaction's worth; call it while deadline() <= now.
  TransactionOutcome OnDeadline(MonoTime now);

  bool contains(TransactionId id) const { return entries_.contains(id); }
  size_t size() const { return entries_.size(); }

 private:
  using Machine = std::variant<InviteServerTransaction, ServerTransaction,
                               InviteClientTransaction, ClientTransaction>;
  struct Key {
    std::string text;
    TransactionId id = 0;
    Key* next = nullptr;  // with the same hash
  };
  // Keys by their hashes, so that growing reads none of them: there may be
  // hundreds of thousands, and calls wait meanwhile. They stay where they are
  // while they are in it; an empty one never is.
  class KeyIndex {
   public:
    void Insert(Key& key);
    void Erase(const Key& key);
    TransactionId Find(std::string_view text) const;  // 0: none

   private:
    absl::flat_hash_map<uint64_t, Key*> first_;
  };
  struct Entry {
    Key key;
    Key merge_key;  // of a server transaction out of dialog; else empty
    Machine machine;
  };

  TransactionId Insert(std::string key, std::string merge_key, Machine machine);
  Entry* Get(TransactionId id);
  void Remove(TransactionId id);
  // Re-arms the timer, or removes what has ended.
  void Settle(TransactionId id);
  RequestOutcome OnRepeated(TransactionId id, const SipMessage& request,
                            MonoTime now);

  Options options_;
  TransactionId last_id_ = 0;
  absl::flat_hash_map<TransactionId, std::unique_ptr<Entry>> entries_;
  KeyIndex by_key_;
  KeyIndex by_merge_key_;
  DeadlineQueue<TransactionId> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_TRANSACTION_TABLE_H_
