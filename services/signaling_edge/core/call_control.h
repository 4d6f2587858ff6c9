// All calls of one loop: routes new ones, finds the call of every message, and
// performs what calls ask for.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_CONTROL_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_CONTROL_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/attempt.h"
#include "services/signaling_edge/core/call.h"
#include "services/signaling_edge/core/call_ladder.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/given_leg.h"
#include "services/signaling_edge/core/gruu.h"
#include "services/signaling_edge/core/keyed_places.h"
#include "services/signaling_edge/core/loop_news.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/core/ring_plan.h"
#include "services/signaling_edge/core/shared_total.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/tenant_counts.h"
#include "services/signaling_edge/core/toll_guard.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

// Which leg of which call a client transaction works for; call 0: none.
struct CallLeg {
  uint64_t call = 0;
  LegSide side = LegSide::kA;
};

// What calls need of the edge around them. None of these calls back.
class CallPort {
 public:
  virtual ~CallPort() = default;

  // Adds Via and starts a client transaction. UNAVAILABLE when there is no
  // way; nothing was sent then.
  virtual absl::Status SendRequest(const Flow& flow, SipMessage request,
                                   CallLeg owner, MonoTime now,
                                   std::string_view mark = {}) = 0;
  virtual void SendAck(const Flow& flow, SipMessage ack, CallLeg owner,
                       MonoTime now) = 0;
  // CANCEL for the INVITE that `owner` sent with this CSeq number.
  virtual void CancelInvite(CallLeg owner, uint32_t cseq,
                            std::string_view reason, MonoTime now) = 0;
  // The call is no more: what its INVITEs still wait for comes too late
  // (RFC 3261 section 9.1).
  virtual void CallGone(uint64_t call) = 0;
  virtual void Respond(TransactionId transaction, SipMessage response,
                       MonoTime now) = 0;
  // Whether the connection is still there (always true for UDP).
  virtual bool IsAlive(const Flow& flow) const = 0;
  // A way to a peer: the connection that we have to it, or a new one to the
  // first of `addresses` that answers.
  virtual absl::StatusOr<Flow> FlowTo(
      const PeerEntry& peer, const std::vector<SocketAddress>& addresses,
      MonoTime now) = 0;
  // The address at the other end, if the connection is open (or there is none
  // to open).
  virtual std::optional<SocketAddress> ConnectedTo(const Flow& flow) const = 0;
  // Whether OPTIONS to this server of a peer's are not answered.
  virtual bool IsDown(const PeerEntry& peer, std::string_view host,
                      uint32_t port) const = 0;
  // Nothing that was sent to this contact by its flow has arrived; or it was
  // `refused` there with 430, which is true wherever the flow is.
  virtual void FlowFailed(uint64_t registration, bool refused,
                          MonoTime now) = 0;
  // The way to a contact that may be at another edge.
  virtual absl::StatusOr<Flow> FlowOf(const Binding& binding, MonoTime now) = 0;
  // Where registrations are shared, brings those of `user` up to date;
  // OnLookedUp follows. False: they are.
  virtual bool LookUp(const std::string& user, uint64_t attempt,
                      MonoTime now) = 0;
  // A fresh tag for a dialog of ours.
  virtual std::string NewTag() = 0;
  // Our names on a flow.
  virtual const EdgeListener& ListenerOf(const Flow& flow) const = 0;
  virtual void Perform(EdgeAction action) = 0;
  // Whether a new call of a proven caller fits in: OVERLOADED,
  // TENANT_RATE_LIMITED. One for help does, and counts.
  virtual absl::Status MayBegin(const Party& caller, bool for_help,
                                MonoTime now) = 0;
  // The voicemail ports that are registered for a line, here or at another
  // loop.
  struct Port {
    Party party;
    Flow flow;
    std::string contact;
  };
  virtual std::vector<Port> PortsOf(const std::string& line, MonoTime now) = 0;
  // The other loop of this edge that has made a tag, if one has.
  virtual std::optional<NodeId> OtherOwnerOf(std::string_view tag) const = 0;
  // A flow as another loop would know it, and one of another loop's here.
  virtual RemoteFlow ExportFlow(const Flow& flow) const = 0;
  virtual absl::StatusOr<Flow> ImportFlow(const RemoteFlow& flow,
                                          MonoTime now) = 0;
  // A call to a message waiting number, for the mailbox of `number`.
  virtual absl::Status OnMessageWaitingNumber(
      const MessageWaitingNumberEntry& entry, std::string_view number,
      MonoTime now) = 0;
};

// Thread-compatible.
class CallControl {
 public:
  // All must outlive this object.
  CallControl(const EdgeOptions& options, CallPort& port,
              const Registrar& registrar, TenantCounts& tenants,
              RandomSource& random);

  void SetPlan(std::shared_ptr<const Resolver> plan) {
    plan_ = std::move(plan);
  }
  // From now on new calls are refused with 503.
  void Drain() { draining_ = true; }

  // A new INVITE of a proven party; its 100 was sent.
  void OnInvite(const SipMessage& invite, TransactionId transaction,
                const Flow& flow, const Party& caller, std::string mark,
                MonoTime now);
  // The same, refused before it is known where it would go: answers it.
  //
  // An INVITE that is refused before anybody is called is a call with one leg:
  // it has a number, a record and a ladder. It is one if, and only if,
  //
  //  - its sender is a Party: RequestAuth has found a peer or a user of the
  //    plan, by certificate, password, or an address that the plan takes for
  //    proof. Who was asked for a password and has shown none or a wrong one,
  //    who says to be a scanner, who was turned away for its source's sake or
  //    by the overload gate before that, and whose certificate is nobody's,
  //    has proven nothing: of those nothing is kept but the refusal, or any
  //    stranger could fill memory and disk.
  //  - it is not about a call that exists: what a transfer or a queue calls is
  //    refused in the name of the call that is sent on, and where branches
  //    were begun, their records tell of it.
  //  - there were not too many of the kind: 20 a second of one caller and 200
  //    of all, after a rest ten times as many at once. Of the rest there is
  //    the refusal alone, as a caller whom we know may go mad too.
  //
  // At most a quarter of the history is theirs.
  void RefuseInvite(const SipMessage& invite, TransactionId transaction,
                    const Flow& flow, const Party& caller,
                    const absl::Status& why, MonoTime now);
  // One that replaces a dialog (RFC 3891).
  void OnReplaces(const SipMessage& invite, TransactionId transaction,
                  const Flow& flow, const Party& sender, MonoTime now);
  // Whether a request with a To tag belongs to a call and comes from its
  // party. `sender` is the resource that the connection has
  // proven, or empty.
  bool IsInDialog(const SipMessage& request, const Flow& flow,
                  std::string_view sender);
  // Such a request.
  void OnInDialog(const SipMessage& request, TransactionId transaction,
                  const Flow& flow, std::string_view sender, MonoTime now);
  // A REFER outside of any dialog, of a proven party.
  void OnRefer(const SipMessage& request, TransactionId transaction,
               const Flow& flow, const Party& sender, MonoTime now);
  void OnAck(const SipMessage& ack, const Flow& flow, std::string_view sender,
             MonoTime now);
  void OnCancel(TransactionId invite, MonoTime now);
  // The call of a dialog, by its Call-ID and our tag; 0: none that lives.
  uint64_t CallOf(std::string_view call_id, std::string_view tag) const;
  // The call that an INVITE is of, of several the latest; 0: none that lives.
  uint64_t CallOfInvite(TransactionId invite);

  void OnResponse(CallLeg owner, const SipMessage& request,
                  const SipMessage& response, MonoTime now);
  void OnRequestFailed(CallLeg owner, const SipMessage& request, bool timed_out,
                       MonoTime now);
  void OnMediaReply(uint64_t request, absl::StatusOr<RelaySession> session,
                    MonoTime now);
  void OnMediaEvent(const MediaEvent& event, MonoTime now);
  // The final statistics of a call's session, a while after its end.
  void OnMediaDeleted(uint64_t call, const std::array<LegStatistics, 2>& legs);
  void OnHostResolved(uint64_t query,
                      absl::StatusOr<std::vector<SocketAddress>> addresses,
                      MonoTime now);

  // A LookUp is done, or was in vain.
  void OnLookedUp(uint64_t attempt, MonoTime now);

  // NotFound unless it lives.
  absl::Status EndCall(uint64_t id, std::string_view reason, MonoTime now,
                       uint32_t cause = 0);
  void EndAll(std::string_view reason, MonoTime now);

  void OnDeadline(MonoTime now);
  MonoTime deadline() const {
    return std::min({deadlines_.next(), attempt_deadlines_.next(),
                     join_deadlines_.next(), queue_check_});
  }

  size_t live() const { return calls_.size(); }
  // What happened here to hunts, and what did at another loop.
  std::vector<HuntMemory::News> TakeHuntNews() { return hunts_.TakeNews(); }
  void OnHuntNews(const HuntMemory::News& news) { hunts_.OnNews(news); }
  // Whether a user takes calls of queues; all do until this is said of them.
  void SetAgentReady(const std::string& user, bool ready);
  bool HasUser(const std::string& name) const {
    return plan_ != nullptr && plan_->index().User(name) != nullptr;
  }
  bool IsAgentReady(const std::string& user) const {
    return !unready_agents_.contains(user);
  }
  // Another node wants a leg of a call here, for its transfer; or has given one
  // that was wanted here.
  void OnLegWanted(const ClusterMessage& message, MonoTime now);
  void OnLegGiven(const ClusterMessage& message, MonoTime now);
  // One of the two found no room.
  void OnLegMessageLost(const ClusterMessage& message, MonoTime now);
  // Where the dialog of this request has gone.
  std::optional<NodeId> MovedTo(const SipMessage& request) const;
  uint32_t CallsOf(std::string_view peer) const;
  // Who is at the other end of a leg; nullptr if there is no such call.
  const Party* PartyOf(CallLeg leg) const;
  // Calls that use a connection keep it open.
  bool Uses(ConnectionId connection) const;
  // Live ones, then those ended a short while ago; nullptr if unknown.
  std::vector<const CallRecord*> Records() const;
  const CallRecord* Find(uint64_t id) const;

  // Calls that ended before anybody was called and of which neither record nor
  // ladder was kept, as there were too many: of their caller, or of all.
  struct NotKept {
    uint64_t of_caller = 0;
    uint64_t of_all = 0;
  };
  const NotKept& not_kept() const { return not_kept_; }

  // The last messages of calls; the owner, who sees them, adds them.
  CallLadder& ladder() { return ladder_; }
  const CallLadder& ladder() const { return ladder_; }
  // Of the leg whose dialog a request is of; 0 if there is none.
  LegTraceId LadderOf(const SipMessage& request);

 private:
  // See RefuseInvite().
  static constexpr GcraLimit kRefusedOfCaller = {absl::Milliseconds(50), 200};
  static constexpr GcraLimit kRefusedOfAll = {absl::Milliseconds(5), 2000};
  static constexpr size_t kRefusedCallers = 1024;

  struct Host {
    std::vector<SocketAddress> addresses;
    MonoTime expires;

    // With `port` where the name gave none.
    std::vector<SocketAddress> At(uint16_t port) const {
      std::vector<SocketAddress> out = addresses;
      for (SocketAddress& each : out) {
        if (each.port() == 0) each = each.WithPort(port);
      }
      return out;
    }
  };
  // Peers that want the same name by other families have addresses of their
  // own.
  static std::string HostKey(std::string_view host, std::string_view service,
                             AddressFamily family);

  // What a call has left in the tables below, to be taken out at its end, and
  // the state that was last told of it.
  struct Traces {
    std::vector<std::string> dialogs;
    std::vector<TransactionId> invites;
    std::vector<std::string> lines;  // that it keeps busy
    std::optional<CallState> told;
    std::string session;  // its key in by_session_
    std::string mark;     // of the INVITE that it began with
    // Of an attempt: its INVITE, and whether another branch has taken it, so
    // that the caller is told nothing more by this one.
    TransactionId initial = 0;
    bool orphan = false;
    bool withheld = false;  // the caller is not to be shown (RFC 3323)
    TollGuard::Places tolls;
    KeyedPlaces tenant;  // of its calls
  };
  // A REFER that is being served.
  struct Transfer {
    LegSide referrer = LegSide::kA;
    bool quiet = false;  // nobody wants to hear of it
    bool referrer_gone = false;
    uint64_t attempt = 0;  // 0: a leg of another loop is awaited
    int told = 0;
  };
  struct ReferKind {
    bool quiet = false;    // nobody wants to hear of its progress
    bool outside = false;  // not of the call's own dialog
  };
  // A call that waits at a hunt pilot (CCE-63, CCE-64).
  struct Waiting {
    std::string pilot;
    RouteQuery query;    // as the caller dialled
    std::string target;  // URI that it dialled
    MonoTime until;
    MonoTime not_before;   // nobody answered a moment ago
    bool served = false;   // an attempt is under way
    bool leaving = false;  // it has waited long enough
  };
  // How a branch of an attempt ended.
  struct BranchEnd {
    CallRecord record;
    SipMessage response;
    std::vector<std::string> redirects;
  };

  void NoteDialog(uint64_t call, LegSide side, std::string_view call_id,
                  std::string_view tag);
  void NoteInvite(uint64_t call, TransactionId invite);
  // Of attempts. What takes one by reference may end it, and then it is gone.
  void Resolve(Attempt& attempt, MonoTime now);
  absl::Status Admit(Attempt& attempt, MonoTime now);
  // The caller's line has a call from now on: LINE_CALL_LIMIT.
  absl::Status TakeLine(Attempt& attempt);
  void Proceed(Attempt& attempt, MonoTime now);
  void StartRinging(Attempt& attempt, MonoTime now);
  void Ring(Attempt& attempt, std::optional<RingStep> step, MonoTime now);
  // To the target that is being tried; if that cannot be, to the next.
  void ToPeer(Attempt& attempt, MonoTime now);
  // What keeps the target from being called, or OK: there is a call then, or
  // the attempt waits for an address.
  absl::Status TryTarget(Attempt& attempt, MonoTime now);
  absl::Status Begin(Attempt& attempt, Call::LegSetup called, std::string line,
                     size_t breadth, MonoTime now);
  // Whether the next target shall be tried, as this one has failed.
  static bool GoesOn(const Attempt& attempt, const CallRecord& record);
  void OnBranchWon(uint64_t attempt, uint64_t call, MonoTime now);
  void OnBranchFailed(uint64_t attempt, uint64_t call, BranchEnd end,
                      MonoTime now);
  void GiveUpBranches(Attempt& attempt, int code, std::string_view reason,
                      CallDisposition disposition, MonoTime now);
  // One more branch: the voicemail port that is registered for a line.
  void RingPort(Attempt& attempt, const LineEntry& line, CallPort::Port port,
                size_t breadth, MonoTime now);
  // One more branch, by the first of these flows of one contact.
  absl::Status RingContact(Attempt& attempt, const RingTarget& target,
                           std::vector<Binding> flows, size_t breadth,
                           MonoTime now);
  // False when there is none that works.
  bool RingByAnotherFlow(Attempt& attempt, SpareFlows spare, bool refused,
                         MonoTime now);
  // Tries the next server of the same name, after one that was overloaded or
  // could not be reached (RFC 3263 section 4.3); false if there is none.
  bool NextServer(Attempt& attempt, int code, std::string_view reason,
                  MonoTime now);
  // After the last branch of a step has failed.
  void Advance(Attempt& attempt, MonoTime now);
  // Takes the caller of an attempt that nobody answers into the queue of its
  // hunt pilot; false if there is none, or no room. The attempt is gone then.
  bool Enqueue(Attempt& attempt, MonoTime now);
  void ServeQueues(MonoTime now);
  void ServeWaiting(uint64_t id, Waiting& waiting, MonoTime now);
  // Rings members, or who else there is when it leaves.
  void BeginServing(uint64_t id, Waiting& waiting, MonoTime now);
  void OnServingFailed(uint64_t id, MonoTime now);
  // Its call ends, or goes on without the queue.
  void LeaveQueue(uint64_t id, MonoTime now);
  // Whether the line's member is free: registered, ready, without a call.
  bool IsAgentFree(const LineEntry& line, MonoTime now) const;
  bool HasFreeAgent(const Resolution& resolution, MonoTime now) const;
  bool IsServing(const Attempt& attempt) const {
    return attempt.transfer != 0 && waiting_.contains(attempt.transfer);
  }
  // To where the line or hunt pilot forwards to, if it does.
  void Forwarded(Attempt& attempt, MonoTime now);
  // Whether a contact of the user, with all its flows, is meant.
  bool MayTake(const std::vector<const Binding*>& flows, const UserEntry& user,
               const Attempt& attempt) const;
  // Finds out which device alone is called, and of a temporary GRUU whose.
  void NameDevice(Attempt& attempt);
  // A device is asked by its contact, though it has shown its GRUU as that
  // (RFC 5627 section 5.1).
  void ReplaceGruu(const Party& party, SipMessage& request) const;
  // To where the called party has pointed; false if that leads nowhere.
  bool Redirected(Attempt& attempt, const BranchEnd& end, MonoTime now);
  void OnAttemptCancelled(Attempt& attempt, MonoTime now);
  void OnAttemptDeadline(Attempt& attempt, MonoTime now);
  void Conclude(Attempt& attempt, MonoTime now);
  void Refuse(const Attempt& attempt, const absl::Status& status, MonoTime now);
  // Its caller gave it up before anybody was called: that too is a record.
  void NoteGivenUp(const Attempt& attempt, MonoTime now);
  // An INVITE that is over, with its caller's leg alone.
  struct OneLeg {
    const SipMessage& invite;
    TransactionId transaction;
    const Flow& flow;
    const Party& caller;
    MonoTime came;
    const Attempt* attempt = nullptr;  // what is known of its way
  };
  // Keeps its record, and its ladder under that number; nothing if there are
  // too many. To be called before it is answered with `code`.
  std::optional<CallRecord> KeepOneLeg(const OneLeg& one, int code,
                                       std::string_view reason,
                                       CallDisposition disposition,
                                       MonoTime now);
  void RefuseOneLeg(const OneLeg& one, const absl::Status& status,
                    std::vector<std::string> steps, MonoTime now);
  // `call`: that it is about; `record`: of one that is over by it.
  void ReportRefused(EdgeEvent event, uint64_t call,
                     std::optional<CallRecord> record,
                     std::vector<std::string> steps);
  void ReportCallRefused(const Call& call, const CallRefused& refused,
                         MonoTime now);
  void Forget(const Attempt& attempt);
  Attempt* FindAttempt(uint64_t id);
  // The final answer of an attempt, to whoever waits for it.
  void Answer(const Attempt& attempt, SipMessage response, MonoTime now);

  void OnReferInCall(Call& call, LegSide side, const SipMessage& request,
                     TransactionId transaction, MonoTime now);
  absl::Status CanTransfer(const Call& call, const SipMessage& request) const;
  absl::Status StartTransfer(Call& call, LegSide referrer,
                             const SipMessage& request, ReferKind kind,
                             MonoTime now);
  absl::Status JoinCalls(Call& call, LegSide referrer,
                         std::string_view replaces, bool quiet, MonoTime now);
  void OnTransferProgress(uint64_t id, int code, MonoTime now);
  void OnTransferFailed(uint64_t id, int code, MonoTime now);
  void CompleteTransfer(uint64_t id, uint64_t target_call, MonoTime now);
  void Leave(uint64_t id, const Transfer& transfer, MonoTime now);
  void MoveDialog(uint64_t from, LegSide side, uint64_t to, LegSide to_side);
  // The call whose far side a transfer may take: DIALOG_NOT_FOUND,
  // REQUEST_PENDING.
  absl::StatusOr<Call*> JoinableCall(std::string_view replaces,
                                     std::string_view resource, LegSide& side);
  GivenLeg Give(Call& other, LegSide side) const;
  // Makes one call of a side of `call` and a leg. `moved`: the call that the
  // leg's dialog is still of; 0: it comes from another loop.
  void JoinLegs(Call& call, LegSide referrer, GivenLeg given, const Flow& flow,
                uint64_t moved, LegSide moved_side, MonoTime now);
  // Nobody wants a leg that was given.
  void EndGiven(GivenLeg& given, const Flow& flow, MonoTime now);
  // Dialogs of this loop's tokens that another one has now.
  void NoteMoved(std::string key, const NodeId& node);
  void SendToNode(ClusterMessage::Kind kind, const NodeId& to, uint64_t ask,
                  std::string text);
  void OnJoinDeadlines(MonoTime now);
  void OnTransferGiven(uint64_t id, absl::StatusOr<GivenLeg> given,
                       MonoTime now);
  // `call`: the one that was to be transferred; 0: none was found.
  void ReportTransferRefused(const Party& party, const Flow& flow,
                             const absl::Status& status, uint64_t call,
                             MonoTime now);
  // `early`: any branch at which it rings counts, not the first alone.
  Call* CallOfReplaces(std::string_view value, LegSide& side,
                       bool early = false);
  // The call of which the INVITE may take a side over, and which.
  absl::StatusOr<Call*> Replaceable(const SipMessage& invite, const Flow& flow,
                                    const Party& sender, LegSide& side);
  Call* CallOfDialog(const DialogId& id, LegSide& side);
  Call::Timers CallTimers(const Party& a, const Party& b) const;
  // The call whose session this is, from now on.
  void NoteSession(const Call& call);
  static std::string SessionKey(std::string_view relay,
                                std::string_view session);
  void SetMediaRules(Call::LegSetup& leg) const;
  void SetSipRules(const PlanIndex& index, Call::LegSetup& leg) const;
  // Whether the parties' media needs no relay: both plans say so, and it is
  // protected, or not, in one way.
  bool PassesThrough(const Party& a, const Party& b) const;
  static std::string DialogKey(std::string_view call_id, std::string_view tag);
  // Whether all loops have as many calls as they may.
  bool IsFull(size_t more = 0) const {
    return calls_.size() + total_.elsewhere() + more >= options_.max_calls;
  }
  // The calls that the plan allows a tenant; UINT32_MAX: any number.
  uint32_t MostCallsOf(std::string_view tenant) const;
  // TENANT_CALL_LIMIT.
  absl::Status MayHaveMore(std::string_view tenant) const;
  // The caller's tenant has one more, unless it has as many as it may:
  // TENANT_CALL_LIMIT. Of loops that want the last place at once one gets it.
  absl::StatusOr<KeyedPlaces> TakeTenantPlace(const Attempt& attempt);
  // Calls for help, and of callers who wait in a queue and have their place.
  bool IsUnbounded(const Attempt& attempt) const {
    return attempt.for_help || IsServing(attempt) ||
           attempt.resolution.toll_class == TollClass::kEmergency;
  }
  // The party, if it is a peer, has one call more, or one less.
  void CountPeer(const Party& party, bool begins);
  // The called party has one more, unless it is a peer that has as many as it
  // may; of loops that want the last place at once one gets it.
  absl::Status TakePlace(const Attempt& attempt, const Party& called);
  // At all loops.
  uint32_t AllCallsOf(std::string_view peer) const;
  Call* CallOf(const SipMessage& request, LegSide& side);
  bool IsParty(const Call& call, LegSide side, const Flow& flow,
               std::string_view sender) const;
  void FollowFlow(Call& call, LegSide side, const Flow& flow);
  void Do(Call& call, CallActions actions, MonoTime now);
  bool Reach(Call& call, LegSide side, MonoTime now);
  void ReportCall(const Call& call, MonoTime now);
  // A call that is over goes into `history`, which holds `most`.
  void Remember(CallRecord record, std::deque<uint64_t>& history, size_t most,
                MonoTime now);
  void Settle(uint64_t id, MonoTime now);
  std::string HomeDomain(std::string_view tenant) const;
  std::string DomainOf(const std::string& host) const;
  void AddRedirections(const Attempt& attempt, Call::LegSetup& called) const;

  const EdgeOptions& options_;
  CallPort& port_;
  const Registrar& registrar_;
  TenantCounts& tenants_;
  RandomSource& random_;
  TemporaryGruus gruus_;
  std::shared_ptr<const Resolver> plan_;
  bool draining_ = false;
  uint64_t last_call_;
  uint64_t last_query_ = 0;
  uint64_t last_media_request_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Call>> calls_;
  SharedTotal total_;  // of calls_
  // By Call-ID and our tag: which dialog a request belongs to.
  absl::flat_hash_map<std::string, CallLeg> by_dialog_;
  absl::flat_hash_map<TransactionId, uint64_t> by_invite_;
  absl::flat_hash_map<uint64_t, uint64_t> by_media_request_;
  absl::flat_hash_map<std::string, uint64_t> by_session_;
  uint64_t last_attempt_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Attempt>> attempts_;
  absl::flat_hash_map<TransactionId, uint64_t> attempt_of_invite_;
  absl::flat_hash_map<uint64_t, uint64_t> attempt_of_;  // by call
  absl::flat_hash_map<uint64_t, uint64_t> resolving_;   // by query
  DeadlineQueue<uint64_t> attempt_deadlines_;
  DeadlineQueue<uint64_t> join_deadlines_;  // of transfers that wait for a leg
  absl::flat_hash_map<uint64_t, Transfer> transfers_;  // by call
  absl::flat_hash_map<std::string, NodeId> moved_;     // by DialogKey
  std::deque<std::string> moved_order_;
  HuntMemory hunts_;
  std::map<uint64_t, Waiting> waiting_;  // by call; who came first first
  MonoTime queue_check_ = MonoTime::InfiniteFuture();
  absl::flat_hash_set<std::string> unready_agents_;
  // Lines that did not answer, and until when they are left alone.
  absl::flat_hash_map<std::string, MonoTime> resting_lines_;
  std::optional<TollGuard> own_tolls_;
  TollGuard& tolls_;  // or that of all loops
  uint32_t last_turn_ = 0;
  absl::flat_hash_map<std::string, Host> hosts_;
  absl::flat_hash_map<std::string, uint32_t> calls_of_peer_;
  absl::flat_hash_map<uint64_t, Traces> traces_;  // as calls_
  DeadlineQueue<uint64_t> deadlines_;
  absl::flat_hash_map<uint64_t, CallRecord> ended_;
  std::deque<uint64_t> history_;          // of ended_, newest last
  std::deque<uint64_t> one_leg_history_;  // the same, of those with one leg
  CallLadder ladder_;
  GcraTable refused_calls_;  // with one leg, by caller
  MonoTime refused_arrival_ = MonoTime::InfinitePast();  // of all of them
  NotKept not_kept_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_CONTROL_H_
