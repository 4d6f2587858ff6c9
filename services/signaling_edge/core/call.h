// One call: the two legs of a back-to-back user agent (RFC 7092 section 3.2)
// and what is carried from one to the other. Each leg is a dialog of its own,
// with Call-ID, tags, Contact and descriptions of its own; of the other side,
// a party sees numbers, codecs and result codes (design.md section 6).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/digit_analysis/tenant_entries.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/call_media.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/charging_headers.h"
#include "services/signaling_edge/core/dialog.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/session_timer.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/transaction_action.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

// Start a client transaction on a leg. Via is the owner's to add.
struct CallSendRequest {
  LegSide leg;
  SipMessage request;
  std::optional<Flow> flow;  // instead of the leg's
};
// An ACK to a 2xx: no transaction, and Via likewise.
struct CallSendAck {
  LegSide leg;
  SipMessage ack;
  std::optional<Flow> flow;  // instead of the leg's
};
// CANCEL the INVITE with this CSeq number that was sent on a leg.
struct CallCancelInvite {
  LegSide leg;
  uint32_t cseq;
  std::string reason;  // of the Reason field (RFC 3326); empty: none
};
struct CallRespond {
  LegSide leg;
  TransactionId transaction;
  SipMessage response;
};
// Answered by OnMediaReply; one at a time.
struct CallCreateMedia {
  RelayLegs legs;
};
struct CallUpdateMedia {
  RelayLegs legs;
};
struct CallDeleteMedia {
  std::string session;  // as RelaySession has it
  std::string relay;
  std::string reason;
};
// A rule of ours, not the far side, turned something down.
struct CallRefused {
  enum class What {
    kCall,
    kMediaChange,  // of a call that goes on
    kRequest,      // any other within its dialogs
  };
  LegSide leg;  // whose message broke the rule
  absl::Status status;
  int sip_status = 0;
  What what = What::kCall;
  SipMethod method = SipMethod::kInvite;
};
struct CallStateChanged {};  // record() says to what

using CallAction = std::variant<CallSendRequest, CallSendAck, CallCancelInvite,
                                CallRespond, CallCreateMedia, CallUpdateMedia,
                                CallDeleteMedia, CallRefused, CallStateChanged>;
using CallActions = std::vector<CallAction>;

// Every input returns what the owner must now do, in order, before the next
// input. Once done() nothing more comes and the object can go.
// Thread-compatible.
class Call {
 public:
  struct Timers {
    TransactionTimers sip;
    absl::Duration ring = absl::Seconds(180);
    SessionTimer::Options session;
    // From the answer on.
    absl::Duration longest = absl::InfiniteDuration();
    // A leg that should send and does not for so long after the relay has
    // noticed ends the call. Zero: never.
    absl::Duration silence;
  };

  // What is known of a leg before the call begins.
  struct LegSetup {
    Party party;
    Flow flow;
    SuiteList suites;
    // See CallMedia::LegPolicy.
    SrtpKeying keying = SrtpKeying::kSdes;
    bool ice = false;
    bool pass_through = false;
    std::optional<SessionTimer::Options> session;  // empty: that of the timers
    Rel1xx rel1xx = Rel1xx::kEndToEnd;
    // It is told how secure the call is (CUC-63).
    bool told_security = false;
    // Its charging headers are believed, and it may have those of others.
    bool charging = false;
    // Of the called leg: its INVITE always has an offer.
    bool early_offer = false;
    std::string music;
    V150Filtering v150 = V150Filtering::kUseDefault;
    // Of the caller only: its INVITE is what it has said in another call, which
    // it is to be taken from.
    bool said_before = false;
    std::string contact;  // our URI on that leg
    std::string tag;      // ours on that leg, if a dialog begins here
    std::string called;   // numbers as this leg has them, for the record
    std::string calling;
    // Of the called leg only.
    std::string request_uri;
    std::string from;  // name-addr without tag
    std::string to;
    std::string asserted_identity;  // P-Asserted-Identity, or empty
    std::vector<std::pair<HeaderId, std::string>> headers;  // further ones
  };

  // `random` must outlive this object.
  Call(uint64_t id, LegSetup caller, LegSetup called, const Timers& timers,
       RandomSource& random);

  // The INVITE that makes the call, with its transaction. Answers it, if only
  // later; the owner has sent the 100.
  CallActions Start(const SipMessage& invite, TransactionId transaction,
                    MonoTime now);

  // The same, but nobody is called: it is answered by us, and the caller hears
  // `prompt` until its leg is handed over (CCE-63). Without an offer our 200
  // has one.
  CallActions StartAlone(const SipMessage& invite, TransactionId transaction,
                         std::string prompt, MonoTime now);
  // Nobody is at the other side, and nobody can be put there.
  bool alone() const { return !alone_.empty(); }

  // A request of a party within its dialog, other than ACK and CANCEL.
  CallActions OnRequest(LegSide from, const SipMessage& request,
                        TransactionId transaction, MonoTime now);
  CallActions OnAck(LegSide from, const SipMessage& ack, MonoTime now);
  // CANCEL of the INVITE with that transaction. The owner answers the CANCEL.
  CallActions OnCancel(TransactionId invite, MonoTime now);

  // A response to `request`, which this call had sent on that leg.
  CallActions OnResponse(LegSide from, const SipMessage& request,
                         const SipMessage& response, MonoTime now);
  // No response will come: it took too long, or the way is gone.
  CallActions OnRequestFailed(LegSide to, const SipMessage& request,
                              bool timed_out, MonoTime now);

  // Of Create, the session; of Update, what the session was, or an error.
  CallActions OnMediaReply(absl::StatusOr<RelaySession> session, MonoTime now);

  // What the relay tells of the session by itself.
  CallActions OnMediaEvent(const MediaEvent& event, MonoTime now);

  // An INVITE that is still to be answered is refused with `code`.
  CallActions GiveUp(int code, std::string_view reason,
                     CallDisposition disposition, MonoTime now);
  // Where a 3xx of the called party points to, as it gave them.
  const std::vector<std::string>& redirects() const { return redirects_; }

  // Another INVITE of the party takes its side over (RFC 3891), by this flow.
  // Needs settled(). What it has so far ends when that is answered. An error,
  // to be answered with, leaves the call as it is: what Dialog::AsCallee and
  // SessionTimer::Check give.
  absl::StatusOr<CallActions> Replace(LegSide side, const SipMessage& invite,
                                      TransactionId transaction, Flow flow,
                                      std::string contact, MonoTime now);

  // Another device of the called party takes the call while it rings, in place
  // of the one that it rings at (RFC 3891 section 3). Needs MayBePickedUp().
  // What is refused leaves it ringing; errors as of Replace().
  absl::StatusOr<CallActions> PickUp(const Party& taker,
                                     const SipMessage& invite,
                                     TransactionId transaction, Flow flow,
                                     std::string contact, MonoTime now);
  // It rings at an early dialog of the called leg: REQUEST_PENDING while
  // something else is under way, MEDIA_NOT_SUPPORTED where its media cannot be
  // taken by another.
  absl::Status MayBePickedUp() const;
  // It rings at this dialog, which is of another branch of an INVITE that a
  // proxy has forked than the one that the called leg is known by.
  bool RingsAt(const DialogId& id) const;
  // The dialog of who is picking it up, until the leg has it.
  const Dialog* taker() const {
    return taking_.has_value() ? &*taking_->leg.dialog : nullptr;
  }

  // A leg that goes to another call.
  struct HandedLeg {
    Party party;
    Flow flow;
    std::string contact;
    Dialog dialog;
    SessionTimer timer;
    bool allows_update = false;
    bool told_security = false;
    std::string offer;  // what it said of its media, without hold; secret
  };
  // It was answered, and nothing is under way.
  bool settled() const;
  // Needs settled(); the leg is over here, and the other one is left alone.
  HandedLeg HandOver(LegSide side);
  std::string OfferOf(LegSide side) const;
  // The caller of this answered call, which nobody was until now.
  CallActions Adopt(HandedLeg caller, MonoTime now);
  // Both legs of a call that is new. Instead of Start().
  CallActions Join(HandedLeg a, HandedLeg b, MonoTime now);
  // A request of a leg's dialog that the owner serves or refuses:
  // CSEQ_OUT_OF_ORDER.
  absl::Status AcceptRequest(LegSide from, const SipMessage& request);
  // Answers such a request with what `why` says, and tells of it.
  CallActions Refuse(LegSide from, const SipMessage& request,
                     TransactionId transaction, const absl::Status& why);
  CallActions RespondTo(LegSide from, const SipMessage& request,
                        TransactionId transaction, int code);
  // Tells a referrer how its transfer stands.
  CallActions Notify(LegSide to, int code, bool last);
  // A BYE that does not end the other leg.
  CallActions EndLeg(LegSide from, const SipMessage& request,
                     TransactionId transaction);

  // Ends it from our side with `reason`; the parties are told `cause` (ITU-T
  // Q.850), if there is one.
  CallActions Hangup(std::string_view reason, MonoTime now, uint32_t cause = 0);

  CallActions OnDeadline(MonoTime now);
  MonoTime deadline() const;

  bool done() const;

  uint64_t id() const { return record_.id; }
  const CallRecord& record() const { return record_; }
  CallRecord& record() { return record_; }
  const CallMedia& media() const { return media_; }
  const Flow& flow(LegSide side) const { return legs_[IndexOf(side)].flow; }
  // The party came back by another way: what is sent from now on goes there.
  void SetFlow(LegSide side, const Flow& flow, std::string contact);
  const Party& party(LegSide side) const { return legs_[IndexOf(side)].party; }
  // The dialog that a leg is known by; nullptr while there is none.
  const Dialog* dialog(LegSide side) const {
    const Leg& leg = legs_[IndexOf(side)];
    return leg.dialog.has_value() ? &*leg.dialog : nullptr;
  }
  // What the first INVITE to the called party goes by before any dialog.
  std::string_view called_call_id() const { return called_call_id_; }
  std::string_view called_local_tag() const { return called_tag_; }

 private:
  struct Leg {
    Party party;
    Flow flow;
    std::string contact;
    std::optional<Dialog> dialog;
    // The ACK to the last 2xx, to be sent again when the 2xx is.
    std::optional<SipMessage> last_ack;
    uint32_t last_ack_cseq = 0;
    SessionTimer timer;
    bool allows_update = false;
    uint32_t update_cseq = 0;  // of the UPDATE that refreshes it; 0: none
    uint32_t last_rseq = 0;    // of its reliable provisional responses
    bool bye_sent = false;
    bool told_security = false;
    std::optional<CallSecurity> told;  // the last that it was told
    bool telling = false;              // the UPDATE under way is for that
    uint32_t tell_tries = 0;
    MonoTime tell_after = MonoTime::InfinitePast();  // not before
    bool ended = false;  // by its BYE, by ours, or never begun
    // Since when no media comes from it that should.
    std::optional<MonoTime> silent_since;
    // Since when its DTLS handshake is failed or its association closed.
    std::optional<MonoTime> unkeyed_since;
    bool owed_offer = false;  // it does not know the new relay yet
  };
  // An INVITE or UPDATE, or a PRACK with an offer, that is being carried over.
  struct Exchange {
    enum class Stage {
      kMediaForOffer,   // the relay makes the session
      kSent,            // the other leg has the request
      kMediaForAnswer,  // the relay learns the answer; `held` waits
      kLateOffer,       // our 2xx carries the offer; the ACK will answer it
      kMediaForAck,     // the relay learns the answer of that ACK
      kMediaForPrack,   // the same, of the PRACK to a reliable late offer
      kMediaForAlone,   // the relay learns what it shall play
      kMediaForPickUp,  // the relay learns of who picks the call up
      kTakerAck,        // who picks it up owes the ACK to our 2xx
      kMediaForTaker,   // the relay learns the answer of that ACK
    };
    LegSide from = LegSide::kA;
    SipMethod method = SipMethod::kInvite;
    TransactionId transaction = 0;
    SipMessage request;
    Stage stage = Stage::kSent;
    bool initial = false;
    bool own = false;      // nobody asked for it: `transaction` is none
    bool telling = false;  // only to tell how secure the call is
    bool late_offer = false;
    // The caller's offer was made up for it, and it is asked with the answer.
    bool early = false;
    // The called leg is that of who picks the call up, which has our 2xx, and
    // the caller has no answer yet.
    bool taken = false;
    bool declined = false;  // that 2xx has refused its offer: it gets another
    // Both sides know the answer already, by reliable provisional responses.
    bool settled = false;
    // Of the first INVITE: what its sender was told of the media; secret.
    std::string described;
    bool reliable = false;           // the caller knows PRACK
    bool reliable_required = false;  // and wants nothing else
    uint32_t tries = 0;              // how often it was sent on
    std::string rack;                // of a PRACK, on the other leg
    TransactionId prack = 0;         // of the stage kMediaForPrack
    SipMessage prack_request;
    bool refused = false;      // the requester has its final answer
    bool sent = false;         // the other leg has the request
    bool provisional = false;  // and has given a sign of life
    // Of the response to the first INVITE that is being carried over.
    ChargingHeaders charging;
    bool cancel_sent = false;
    uint32_t cseq = 0;           // on the other leg
    uint32_t late_ack_cseq = 0;  // of the ACK that is still owed there
    MonoTime give_up = MonoTime::InfiniteFuture();
    std::optional<SipMessage> held;
  };
  // A 2xx of ours that has no ACK yet (RFC 3261 section 13.3.1.4).
  struct Unacknowledged {
    TransactionId transaction = 0;
    SipMessage response;
    absl::Duration gap;
    MonoTime again;
    MonoTime give_up;
  };
  // A provisional response of ours that has no PRACK yet (RFC 3262 section 3).
  struct Reliable {
    uint32_t rseq = 0;
    TransactionId transaction = 0;
    SipMessage response;
    bool described = false;  // it holds a description
    std::string rack;        // of the PRACK that the other leg waits for
    absl::Duration gap;
    MonoTime again;
    MonoTime give_up;
  };
  // An INVITE that takes the called leg over while it rings.
  struct Taking {
    Leg leg;
    TransactionId transaction = 0;
    SipMessage invite;
    bool cancelled = false;               // and answered so
    std::optional<std::string> declined;  // what refuses its offer
  };
  // One that has taken it over, and whose answer the caller's ACK will bring.
  struct LateTaker {
    TransactionId transaction = 0;
    SipMessage invite;
  };
  // A request that is passed on as it is: INFO and the like.
  struct Passing {
    LegSide from;
    TransactionId transaction;
    SipMessage request;
    uint32_t cseq;  // on the other leg
  };

  static CallMedia::LegPolicy MediaPolicyOf(const LegSetup& leg,
                                            const LegSetup& other);
  Leg& leg(LegSide side) { return legs_[IndexOf(side)]; }
  LegRecord& leg_record(LegSide side) { return record_.legs[IndexOf(side)]; }

  // What the called party's response says of charging, for our own to the first
  // INVITE.
  void AddCharging(SipMessage& response);
  // Call-Info with the security status, for a leg that is told.
  void AddSecurity(LegSide to, SipMessage& message);
  // Tells by a refresh of its session who has last been told otherwise, when
  // nothing else is under way.
  void TellSecurity(MonoTime now);
  bool OwesSecurity(LegSide side) const;
  // It was refused with `code`; 0: there was no way.
  void TellAgain(LegSide side, int code, MonoTime now);
  SipMessage MakeLegResponse(LegSide to, const SipMessage& request, int code,
                             std::string_view body);
  void Respond(LegSide to, TransactionId transaction, const SipMessage& request,
               int code, std::string_view body = {});
  // Answers a request within a dialog, and tells of it. `code`: instead of that
  // of the reason.
  void RefuseRequest(LegSide from, TransactionId transaction,
                     const SipMessage& request, const absl::Status& why,
                     int code = 0);
  // With a description that the relay may have to prepare first.
  void SendOffer(MonoTime now);
  void SendInvite(MonoTime now);
  void CarryOver(MonoTime now);
  // The caller's offer, where nobody else is.
  void AnswerAlone(MonoTime now);
  void DeliverAlone(MonoTime now);
  void OnExchangeRequest(LegSide from, const SipMessage& request,
                         TransactionId transaction, MonoTime now);
  // The exchange is over; the INVITE within which it was goes on.
  void CloseExchange();
  // Gives up an UPDATE or PRACK within an INVITE that ends.
  void DropInner();
  void OnPrack(LegSide from, const SipMessage& request,
               TransactionId transaction, MonoTime now);
  void SendPrack(LegSide side, const std::string& rack, std::string_view body);
  // Sends a provisional response that the caller must confirm.
  void RespondReliably(int code, std::string_view body, std::string rack,
                       MonoTime now);
  // Of a reliable provisional response: whether it is the next one.
  bool TakeReliable(LegSide from, const SipMessage& request,
                    const SipMessage& response);
  void OnReliableDeadline(MonoTime now);
  // The relay knows, or not, the answer that came with a PRACK.
  void OnPrackMedia(const absl::Status& error, MonoTime now);
  // Of a provisional response to the first INVITE: another branch may be picked
  // up as well.
  void NoteEarlyBranch(const Leg& called, const SipMessage& response);
  void Postpone(const SipMessage& response);
  // An offer of ours on a leg: what the other side has said last, or we in its
  // place.
  bool StartOwnOffer(LegSide to, MonoTime now,
                     SipMethod method = SipMethod::kInvite);
  void RefreshLegs(MonoTime now);
  void Refresh(LegSide side, MonoTime now);
  // By UPDATE where the party allows it, else by re-INVITE; false while that
  // cannot be.
  bool SendRefresh(LegSide side, MonoTime now);
  CallActions OnRefreshed(LegSide from, const SipMessage& request,
                          const SipMessage& response, MonoTime now);
  void OnBye(LegSide from, const SipMessage& request, TransactionId transaction,
             MonoTime now);
  void PassOn(LegSide from, const SipMessage& request,
              TransactionId transaction);
  void OnExchangeResponse(LegSide from, const SipMessage& response,
                          MonoTime now);
  void OnProvisional(LegSide from, const SipMessage& response, MonoTime now);
  void OnSuccess(LegSide from, const SipMessage& response, MonoTime now);
  void OnFailure(LegSide from, int code, MonoTime now);
  void Forward(const SipMessage& response, MonoTime now);
  void DeliverSuccess(const SipMessage& response, MonoTime now);
  // Our 2xx to the one who asked, with this description.
  void AnswerExchange(std::string body, int code, MonoTime now);
  // Sends a 2xx to an INVITE, and again until it is acknowledged.
  void RespondUntilAck(LegSide to, TransactionId transaction,
                       SipMessage response, MonoTime now);
  void AckFor(LegSide side, uint32_t cseq, std::string_view body = {});
  void RefuseExchange(const absl::Status& status, LegSide offender,
                      MonoTime now);
  // Of exchange_.
  CallRefused::What WhatIsRefused() const {
    return exchange_->initial ? CallRefused::What::kCall
                              : CallRefused::What::kMediaChange;
  }
  void AnswerFinally(int code, std::string_view reason,
                     CallDisposition disposition, MonoTime now);
  void CancelOther(MonoTime now);
  void SendBye(LegSide side);
  // Whether a request that we sent was of the leg's dialog.
  static bool IsOfDialog(const Leg& leg, const SipMessage& request);
  void End(std::string_view reason, CallDisposition disposition, MonoTime now);
  void EndBoth(std::string_view reason, CallDisposition disposition,
               MonoTime now);
  void SetState(CallState state);
  // Answered, or on hold.
  void SetAnswered(MonoTime now);
  // When media's silence, the longest time or a new relay want something.
  MonoTime WatchDeadline() const;
  void OnWatchDeadline(MonoTime now);
  // Takes media to another relay, a leg at a time.
  void Reanchor(MonoTime now);
  // The same before the answer: by UPDATE, if both legs are ready for that.
  void ReanchorEarly(MonoTime now);
  // Sets the times of Reanchor(), if it has anything to do.
  void ReanchorFrom(MonoTime answered);
  void ReanchorAtOnce(MonoTime now);
  // The relay of a call whose first INVITE is under way is gone. What is told
  // from now on is of another one, which is asked for with the next answer; who
  // has been told of the old one is owed an offer.
  void ForgetRelay(MonoTime now);
  // The relay shall have what is wanted, or make it; OnMediaReply() goes on.
  void TellRelay(MonoTime now);
  void DeleteMedia(std::string reason);
  void UpdateSuites();
  // What came while something else had to be done first.
  void TakeWaiting(MonoTime now);
  bool MustWait() const {
    return media_busy_ || reliable_.has_value() ||
           (exchange_.has_value() &&
            exchange_->stage == Exchange::Stage::kTakerAck);
  }
  CallActions Take();
  void Take(LegSide side, HandedLeg handed);
  // The leg of an INVITE that takes over that of a side, by this flow.
  absl::StatusOr<Leg> LegOfTaker(LegSide side, const SipMessage& invite,
                                 Flow flow, std::string contact);
  absl::Status TakeDescriptionOfTaker();
  void OnPickUpMedia(const absl::Status& error, MonoTime now);
  void RefusePickUp(const absl::Status& status);
  // The ACK of who has picked up, to a 2xx that had an offer or refused one.
  void OnTakerAck(const SipMessage& ack, MonoTime now);
  void OnTakerMedia(const absl::Status& error, MonoTime now);
  // Our 200 to who has picked up, with this description.
  void AnswerTaker(TransactionId transaction, const SipMessage& invite,
                   std::string_view body, MonoTime now);
  // A late offer gets no answer: whose it was is told, the taker with `code`.
  void EndLateOffer(int code);
  // It is a message of what was cancelled for a pick up.
  bool IsLeftBehind(LegSide from, const SipMessage& request) const;
  bool acknowledged() const {
    return !unacknowledged_[0].has_value() && !unacknowledged_[1].has_value();
  }
  void FinishReplacing(LegSide side);
  void UndoReplacing(LegSide side);

  const Timers timers_;
  RandomSource& random_;
  std::array<Leg, 2> legs_;
  const LegSetup called_;
  const bool caller_said_before_;
  const Rel1xx caller_rel1xx_;
  const bool charging_;  // both legs may know of it
  std::string alone_;    // the prompt
  std::string called_call_id_;
  std::string caller_tag_;
  std::string called_tag_;
  CallMedia media_;
  bool media_busy_ = false;
  bool media_deleted_ = false;
  CallRecord record_;
  std::optional<Exchange> exchange_;
  std::optional<Exchange> outer_;   // the INVITE that exchange_ is within
  std::deque<SipMessage> waiting_;  // responses to it that must wait
  std::optional<Reliable> reliable_;
  uint32_t last_rseq_ = 0;
  std::array<std::optional<Unacknowledged>, 2> unacknowledged_;  // by leg
  std::optional<Taking> taking_;  // while the relay is asked
  std::optional<LateTaker> late_taker_;
  std::vector<std::string> early_tags_;  // of further branches of a fork
  // Of the called leg, whose INVITE is cancelled for a pick up.
  std::optional<Flow> left_behind_;
  std::vector<Passing> passing_;
  MonoTime linger_until_ = MonoTime::InfiniteFuture();
  bool over_ = false;
  uint32_t cause_ = 0;  // what the parties are told of the end
  uint32_t forks_ = 0;
  std::vector<std::string> redirects_;
  std::optional<LegSide> realign_;  // gets an offer next
  std::optional<Leg> replaced_;     // comes back if the exchange fails
  MonoTime unheld_;                 // media was expected at the latest then
  bool relay_lost_ = false;
  MonoTime tell_at_ = MonoTime::InfiniteFuture();
  MonoTime reanchor_at_ = MonoTime::InfiniteFuture();
  MonoTime reanchor_until_ = MonoTime::InfiniteFuture();
  CallActions actions_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_H_
