// Lamps: which mailboxes have messages waiting, and who is told (RFC 3842, RFC
// 6665). Voicemail servers say so by a NOTIFY that nobody asked for, or by
// calling a message waiting number; phones learn it by subscription, or
// unasked at their contacts.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MWI_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MWI_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/random/random_source.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/dialog.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/message_summary.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Lamps grow with lines and users of the plan, subscriptions to a cap.
// Thread-compatible.
class MessageWaiting {
 public:
  // Set in CallLeg::call of what this class sends.
  static constexpr uint64_t kOwner = uint64_t{1} << 62;
  // The only event package, and the bodies of its notifications.
  static constexpr std::string_view kPackage = "message-summary";
  static constexpr std::string_view kBodyType =
      "application/simple-message-summary";

  // All must outlive this object.
  MessageWaiting(CallPort& port, const Registrar& registrar,
                 RandomSource& random, size_t max_subscriptions);

  void SetPlan(std::shared_ptr<const Resolver> plan);

  // A NOTIFY outside of any dialog, of a proven party; what it comes to.
  // IDENTITY_NOT_ALLOWED unless it is a peer whose notifications are taken,
  // EVENT_UNSUPPORTED, BODY_TYPE_UNSUPPORTED, ROUTE_NOT_FOUND when there is no
  // such mailbox.
  absl::Status OnNotify(const SipMessage& request, const Party& sender,
                        MonoTime now);
  // A call to a message waiting number, for the mailbox of `number`.
  absl::Status OnNumber(const MessageWaitingNumberEntry& entry,
                        std::string_view number, MonoTime now);

  // Another loop was told so.
  void OnTold(const std::string& mailbox, const MessageSummary& summary,
              MonoTime now) {
    Show(mailbox, summary, now);
  }

  // A SUBSCRIBE of a proven user. Answers it, unless it is to be refused:
  // EVENT_UNSUPPORTED, IDENTITY_NOT_ALLOWED for who has no mailbox here,
  // SUBSCRIPTION_LIMIT, and what Dialog::AsCallee() gives.
  absl::Status OnSubscribe(const SipMessage& request, TransactionId transaction,
                           const Flow& flow, const Party& user, MonoTime now);
  // The user whose subscription a SUBSCRIBE with a To tag is of, if it came by
  // its way; nullptr otherwise. OnResubscribe() answers it then, unless it is
  // to be refused: CSEQ_OUT_OF_ORDER.
  const Party* SubscriberOf(const SipMessage& request, const Flow& flow) const;
  absl::Status OnResubscribe(const SipMessage& request,
                             TransactionId transaction, MonoTime now);
  // The final answer to a NOTIFY; 0: there was none.
  void OnNotified(uint64_t owner, int code);

  // A phone that has just come learns how its lamp is; one that has come back
  // by another connection, within the subscription that it had.
  void OnRegistered(const Binding& binding, MonoTime now);

  void OnDeadline(MonoTime now);
  MonoTime deadline() const { return deadlines_.next(); }
  size_t subscriptions() const { return subscriptions_.size(); }

 private:
  struct Subscription {
    Dialog dialog;
    Flow flow;
    Party user;
    MonoTime expires;
  };

  // The line or user that a number reaches in a plan's eyes; empty: none.
  std::string MailboxOf(const RouteQuery& query) const;
  void Set(const std::string& mailbox, const MessageSummary& summary,
           MonoTime now);
  // False if the lamp was so already.
  bool Show(const std::string& mailbox, const MessageSummary& summary,
            MonoTime now);
  // Of all mailboxes of a user; nothing if none was ever heard of.
  const MessageSummary* LampOf(const UserEntry& user) const;
  // False if nothing can be sent now. It stays subscribed until it expires.
  bool Tell(uint64_t id, std::string_view state, MonoTime now);
  enum class Told { kAll, kLost };  // kLost: whose connection is gone
  // To subscriptions of a user; false if none of them all can be reached.
  bool TellSubscribed(const std::string& user, Told told, MonoTime now);
  // There is a way to the subscriber: its own, or one that it has registered
  // by since that was lost.
  bool Reach(Subscription& subscription) const;
  // What the phone that subscribes anew had by connections that are lost.
  void DropLost(const Party& user, std::string_view contact);
  void TellUnasked(const UserEntry& user, const Binding& binding, MonoTime now);
  void Fill(SipMessage& notify, const UserEntry& user, const Flow& flow,
            std::string_view state) const;
  void Accept(const SipMessage& request, TransactionId transaction,
              const Subscription& subscription, absl::Duration expires,
              MonoTime now);
  void Drop(uint64_t id);
  static std::string KeyOf(const DialogId& id);

  CallPort& port_;
  const Registrar& registrar_;
  RandomSource& random_;
  const size_t max_subscriptions_;
  std::shared_ptr<const Resolver> plan_;
  absl::flat_hash_map<std::string, MessageSummary> lamps_;  // by mailbox
  uint64_t last_ = 0;
  absl::flat_hash_map<uint64_t, Subscription> subscriptions_;
  absl::flat_hash_map<std::string, uint64_t> by_dialog_;
  absl::flat_hash_map<std::string, std::vector<uint64_t>> by_user_;
  DeadlineQueue<uint64_t> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MWI_H_
