// The whole SIP edge of one loop without a socket: bytes, time and replies in,
// actions out. The one type that the io ring knows.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_CORE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_CORE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/admission.h"
#include "services/signaling_edge/core/call_control.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/connection_table.h"
#include "services/signaling_edge/core/digest_auth.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/gruu.h"
#include "services/signaling_edge/core/long_requests.h"
#include "services/signaling_edge/core/loop_news.h"
#include "services/signaling_edge/core/mwi.h"
#include "services/signaling_edge/core/options_monitor.h"
#include "services/signaling_edge/core/overload_gate.h"
#include "services/signaling_edge/core/peer_check.h"
#include "services/signaling_edge/core/peer_check_result.h"
#include "services/signaling_edge/core/peer_health.h"
#include "services/signaling_edge/core/refusal_steps.h"
#include "services/signaling_edge/core/registrar.h"
#include "services/signaling_edge/core/registration_desk.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/core/request_auth.h"
#include "services/signaling_edge/core/sccp_ports.h"
#include "services/signaling_edge/core/sccp_session.h"
#include "services/signaling_edge/core/shared_registry.h"
#include "services/signaling_edge/core/shared_total.h"
#include "services/signaling_edge/core/sip_message.h"
#include "services/signaling_edge/core/source_watch.h"
#include "services/signaling_edge/core/tenant_counts.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

// Every On...() returns the actions to perform, in order, before the next
// input; then deadline() says when to call OnDeadline(). Memory is bounded by
// the options. Thread-compatible.
class EdgeCore final : private CallPort,
                       private PeerCheckPort,
                       private SharedRegistryPort,
                       private SccpHost {
 public:
  struct Stats {
    uint64_t requests = 0;
    uint64_t responses = 0;
    uint64_t malformed = 0;
    uint64_t unmatched_responses = 0;
    uint64_t rate_limited = 0;
    uint64_t challenges = 0;
    uint64_t registrations = 0;    // contacts ever added
    uint64_t calls = 0;            // ever begun
    uint64_t connections = 0;      // ever opened
    uint64_t send_failures = 0;    // connections that took no octets any more
    uint64_t remote_closures = 0;  // open ones that the far side ended
    uint64_t long_by_tcp = 0;      // requests too long for UDP
    uint64_t long_by_udp = 0;      // the same to who takes no TCP
    uint64_t handed_over = 0;      // messages, to their owner
    uint64_t taken_over = 0;       // messages, from where they had landed
    absl::flat_hash_map<std::string, uint64_t> refusals;  // by reason
  };

  // `random` must outlive this object.
  EdgeCore(EdgeOptions options, RandomSource& random);
  ~EdgeCore();
  EdgeCore(const EdgeCore&) = delete;
  EdgeCore& operator=(const EdgeCore&) = delete;

  // A connection that was accepted: its id, or 0 when it is refused and must
  // be closed without a word. OnConnectionOpened follows when it can be used.
  ConnectionId OnAccepted(ListenerId listener, const SocketAddress& remote,
                          MonoTime now);
  EdgeActions TakeActions();  // those of OnAccepted

  // TCP is up, and for TLS the handshake done. `tls` is there for TLS only.
  EdgeActions OnConnectionOpened(ConnectionId id, std::optional<TlsFacts> tls,
                                 MonoTime now);
  // One that was not taken at all: a PROXY header that was wrong or missing.
  EdgeActions OnConnectionRefused(ListenerId listener,
                                  const SocketAddress& remote,
                                  const absl::Status& why, MonoTime now);
  EdgeActions OnData(ConnectionId id, std::string_view octets, MonoTime now);
  // The end of a connection that we did not close, or that could not be
  // opened; `tls` is what a failed handshake had shown of the other side.
  EdgeActions OnConnectionClosed(ConnectionId id, const absl::Status& why,
                                 const std::optional<TlsFacts>& tls,
                                 MonoTime now);
  // What was to go out by it did not; OnConnectionClosed follows.
  void OnSendFailed(ConnectionId id);
  // Its certificate is no longer good (revoked, or its authority is gone).
  EdgeActions OnConnectionUntrusted(ConnectionId id, const absl::Status& why,
                                    MonoTime now);
  EdgeActions OnDatagram(ListenerId listener, const SocketAddress& from,
                         std::string_view octets, MonoTime now);

  EdgeActions OnHostResolved(
      uint64_t query, absl::StatusOr<std::vector<SocketAddress>> addresses,
      MonoTime now);
  EdgeActions OnMediaReply(uint64_t request,
                           absl::StatusOr<RelaySession> session, MonoTime now);
  EdgeActions OnMediaEvent(const MediaEvent& event, MonoTime now);
  // The answer to IssueCredentials: the body to send, or why there is none.
  EdgeActions OnCredentials(uint64_t request, absl::StatusOr<std::string> body,
                            MonoTime now);
  EdgeActions OnMediaDeleted(uint64_t call,
                             const std::array<LegStatistics, 2>& legs,
                             MonoTime now);
  // The answer to FetchBindings and StoreBindings, and whether the registry
  // that they ask can be reached. It cannot until this says so.
  EdgeActions OnRegistryReply(uint64_t request,
                              absl::StatusOr<RegistryReply> reply,
                              MonoTime now);
  EdgeActions OnRegistryState(bool up, MonoTime now);
  // A new plan is in force: every connection and registration is judged anew.
  EdgeActions OnSnapshot(std::shared_ptr<const Resolver> plan, MonoTime now);

  // Listeners of the other kind take nobody from now on (UM-104); none: all do.
  void SetStartMode(std::optional<bool> secured) { start_mode_ = secured; }

  // New calls are refused from now on; live ones go on.
  EdgeActions OnDrain(MonoTime now);
  // `cause` (ITU-T Q.850) is told to the parties, if there is one.
  EdgeActions OnEndCall(uint64_t call, std::string_view reason, MonoTime now,
                        uint32_t cause = 0);
  EdgeActions OnEndAllCalls(std::string_view reason, MonoTime now);
  EdgeActions OnRemoveRegistration(uint64_t id, MonoTime now);
  EdgeActions OnCloseConnection(ConnectionId id, MonoTime now);

  // Tries to reach a peer (UM-108). PeerChecked follows, with the actions of
  // this or of a later input; an error, as PeerChecks::Start says, instead.
  absl::StatusOr<EdgeActions> OnCheckPeer(const PeerCheckRequest& request,
                                          MonoTime now);

  // From another loop or edge that has proven to be one.
  EdgeActions OnClusterMessage(const ClusterMessage& message, MonoTime now);
  // A HandOver found no room.
  EdgeActions OnHandOverFailed(const ClusterMessage& message, MonoTime now);
  // All edges of the cluster, this one included.
  EdgeActions OnEdges(const std::vector<EdgePresence>& edges, MonoTime now);
  // What another loop of this edge has performed TellLoops of.
  EdgeActions OnLoopNews(const LoopNews& news, MonoTime now);
  // What a flow is to others, and what one of others' is here: UNAVAILABLE,
  // CONNECTION_LOST, when it is gone.
  RemoteFlow Export(const Flow& flow) const;
  absl::StatusOr<Flow> Import(const RemoteFlow& flow, MonoTime now);

  // What the loop has measured of itself, each OverloadGate::Options::interval.
  EdgeActions OnLoad(const LoadSample& sample, MonoTime now);

  EdgeActions OnDeadline(MonoTime now);
  MonoTime deadline() const;

  // Whose a connection of that listener would be. Needs a plan.
  absl::StatusOr<ConnectionIdentity> IdentityOf(
      ListenerId listener, const CertificateInfo& certificate,
      TrustedFor trusted) const;

  const ConnectionTable& connections() const { return connections_; }
  const Registrar& registrar() const { return registrar_; }
  const CallControl& calls() const { return calls_; }
  const TenantCounts& tenants() const { return tenants_; }
  bool HasUser(const std::string& name) const { return calls_.HasUser(name); }
  // See CallControl.
  void SetAgentReady(const std::string& user, bool ready) {
    calls_.SetAgentReady(user, ready);
  }
  CallLadder::View LadderOf(uint64_t call) const {
    return calls_.ladder().Look(call);
  }
  const PeerHealthTable& peer_health() const { return peer_health_; }
  const Resolver* plan() const { return plan_.get(); }
  const Stats& stats() const { return stats_; }
  size_t transactions() const { return transactions_.size(); }
  bool draining() const { return draining_; }
  double overload() const { return gate_.level(); }  // 0 to 1
  // Of who is at the other end, as far as is known by now; a connection that is
  // not there is a stranger's.
  LoadClass ClassOf(ConnectionId connection, MonoTime now) const;
  LoadClass ClassOf(const Flow& flow, MonoTime now) const;

 private:
  // What a sign of life may be late.
  static constexpr absl::Duration kFlowGrace = absl::Seconds(10);
  // Queries of ResolveHost that checks made have this bit.
  static constexpr uint64_t kCheckQuery = uint64_t{1} << 63;

  // Requests of which operators are told that they are refused, though they are
  // nobody's call: of those that are proven, together, and of all others. What
  // is of dialogs that are not there, and what else there is, count apart.
  static constexpr GcraLimit kRefusedOfProven = {absl::Milliseconds(100), 50};
  static constexpr GcraLimit kRefusedOfOthers = {absl::Seconds(1), 1};
  // The same of one that is proven, so that it hides nobody else's; and of how
  // many that is known.
  static constexpr GcraLimit kRefusedOfOne = {absl::Seconds(1), 20};
  static constexpr size_t kRefusedSenders = 1024;

  static constexpr std::string_view kAllow =
      "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, "
      "MESSAGE, REFER, SUBSCRIBE, NOTIFY, SERVICE";
  static constexpr std::string_view kMrasType =
      "application/msrtc-media-relay-auth+xml";

  // Where the response to a request goes.
  struct ServerSide {
    Flow flow;
    SocketAddress reply_to;  // UDP
    LegTraceId trace = 0;    // where it is kept for operators
  };
  // How a message came: by another node, which held it to be ours, and perhaps
  // only asks.
  struct Arrival {
    bool handed = false;
    uint64_t ask = 0;
    NodeId from;
  };
  struct EdgeState {
    bool up = false;
    bool was_up = false;
    uint32_t loops = 0;
    MonoTime lost;
  };
  // A CANCEL that others are asked about.
  struct Ask {
    Flow flow;
    SipMessage cancel;
    size_t open = 0;
  };
  struct ClientSide {
    CallLeg owner;
    Flow flow;
    std::shared_ptr<const SipMessage> request;  // never null
    uint64_t check = 0;  // the check that it works for, and then no call
  };

  // START_MODE_SECURED or START_MODE_NON_SECURE, if the listener takes nobody.
  absl::Status CheckStartMode(const EdgeListener& listener) const;

  UsagePolicy usage_policy() const {
    return options_.require_sip_domain_usage ? UsagePolicy::kSipDomain
                                             : UsagePolicy::kTlsOrSipDomain;
  }

  // CallPort.
  absl::Status SendRequest(const Flow& flow, SipMessage request, CallLeg owner,
                           MonoTime now, std::string_view mark) override;
  void SendAck(const Flow& flow, SipMessage ack, CallLeg owner,
               MonoTime now) override;
  void CancelInvite(CallLeg owner, uint32_t cseq, std::string_view reason,
                    MonoTime now) override;
  void CallGone(uint64_t call) override;
  void Respond(TransactionId transaction, SipMessage response,
               MonoTime now) override;
  bool IsAlive(const Flow& flow) const override;
  absl::StatusOr<Flow> FlowTo(const PeerEntry& peer,
                              const std::vector<SocketAddress>& addresses,
                              MonoTime now) override;
  std::optional<SocketAddress> ConnectedTo(const Flow& flow) const override;
  bool IsDown(const PeerEntry& peer, std::string_view host,
              uint32_t port) const override;
  const EdgeListener& ListenerOf(const Flow& flow) const override;
  void FlowFailed(uint64_t registration, bool refused, MonoTime now) override;
  absl::StatusOr<Flow> FlowOf(const Binding& binding, MonoTime now) override;
  bool LookUp(const std::string& user, uint64_t attempt, MonoTime now) override;
  void Perform(EdgeAction action) override;

  std::vector<Port> PortsOf(const std::string& line, MonoTime now) override;
  std::optional<NodeId> OtherOwnerOf(std::string_view tag) const override;
  absl::StatusOr<Flow> ImportFlow(const RemoteFlow& flow,
                                  MonoTime now) override {
    return Import(flow, now);
  }
  absl::Status MayBegin(const Party& caller, bool for_help,
                        MonoTime now) override;

  // SharedRegistryPort.
  RemoteFlow ExportFlow(const Flow& flow) const override;
  std::optional<Flow> FormerFlow(const RemoteFlow& flow) const override;
  void OnRegistered(uint64_t ticket, const absl::Status& status,
                    MonoTime now) override;
  void OnLookedUp(uint64_t attempt, MonoTime now) override;
  void OnSharedChanges(const Registrar::Changes& changes,
                       MonoTime now) override;
  void TellHolder(const NodeId& node, const std::string& user) override;

  // SccpHost.
  absl::StatusOr<SccpPort> AdmitPort(ConnectionId id,
                                     std::string_view device_name) override;
  absl::Duration WaitForDigit(const SccpPort& port,
                              std::string_view digits) override;
  absl::Time WallTime(MonoTime now) const override;

  // PeerCheckPort.
  void ResolveForCheck(uint64_t check, const std::string& host,
                       std::string_view service, AddressFamily family) override;
  absl::StatusOr<Way> OpenForCheck(uint64_t check, const PeerEntry& peer,
                                   const std::vector<SocketAddress>& addresses,
                                   MonoTime now) override;
  absl::Status SendForCheck(uint64_t check, const Flow& flow,
                            SipMessage request, MonoTime now) override;
  void CancelForCheck(uint64_t check, MonoTime now) override;
  void SendPlain(const Flow& flow, SipMessage message) override;
  void CloseForCheck(const Flow& flow, bool answered, MonoTime now) override;
  const EdgeListener& ListenerFor(const Flow& flow) const override;
  void CheckDone(PeerCheckResult result, MonoTime now) override;
  // The checks that are due by themselves.
  void StartDueChecks(MonoTime now);

  void OnText(const Flow& flow, std::string_view text, MonoTime now,
              const Arrival& arrival);
  // What could not be read, for `why`: told, and answered as far as it can be.
  void OnUnreadable(const Flow& flow, std::string_view text,
                    const absl::Status& why, MonoTime now);
  // An INVITE of a proven peer, as far as it could be read: a call that is over
  // at once. False if it is answered without a transaction.
  bool RefuseUnreadable(const Flow& flow, SipMessage invite,
                        const Party& sender, const absl::Status& why,
                        MonoTime now);
  void OnRequest(const Flow& flow, SipMessage request, MonoTime now,
                 const Arrival& arrival);
  void OnNewRequest(const Flow& flow, const SipMessage& request,
                    TransactionId transaction, MonoTime now);
  // One with a To tag, which is of a call or of nothing.
  void OnDialogRequest(const Flow& flow, const SipMessage& request,
                       TransactionId transaction, MonoTime now);
  // 481. Told of so often as kUnknownOf... say, and counted else.
  void RefuseUnknownDialog(const Flow& flow, const SipMessage& request,
                           TransactionId transaction, MonoTime now);
  void OnRegister(const Flow& flow, const SipMessage& request,
                  TransactionId transaction, MonoTime now);
  void OnInvite(const Flow& flow, const SipMessage& request,
                TransactionId transaction, MonoTime now);
  // A request for A/V credentials (MS-AVEDGEA).
  void OnService(const Flow& flow, const SipMessage& request,
                 TransactionId transaction, MonoTime now);
  // Protection (edge_protection.cc). False: it is dropped without a word.
  bool MayBeRead(const Flow& flow, MonoTime now);
  bool IsScanner(const Flow& flow, const SipMessage& request, MonoTime now);
  // Whether a request that begins something fits in. What is refused so is
  // counted, and reported once a second.
  absl::Status MayCome(const Flow& flow, const SipMessage& request,
                       MonoTime now);
  bool IsCallForHelp(const SipMessage& request);
  // Whether a password that came may be looked at, after all the wrong ones
  // for the user that it is said to be of.
  absl::Status MayTryPassword(const Flow& flow, const SipMessage& request,
                              MonoTime now) const;
  // 503 with Retry-After.
  void RefuseForNow(const Flow& flow, const SipMessage& request,
                    TransactionId transaction, const absl::Status& status,
                    MonoTime now);
  void ReportOverload(const Flow& flow, const absl::Status& status,
                      std::string_view method, MonoTime now);
  void OnUnproven(const Flow& flow, const SipMessage& request, bool failed,
                  MonoTime now);
  void OnProven(const Flow& flow, const SipMessage& request, MonoTime now);
  // The party, or nothing when the request was answered here.
  std::optional<Party> Prove(const Flow& flow, const SipMessage& request,
                             TransactionId transaction, MonoTime now);
  // False when it matches nothing.
  bool OnResponse(const Flow& flow, const SipMessage& response, MonoTime now);

  // Of messages that are another's: true when nothing is left to be done.
  std::optional<NodeId> OwnerOf(const SipMessage& request) const;
  bool HandOverRequest(const Flow& flow, const SipMessage& request,
                       std::string_view text, MonoTime now);
  // What was handed here, of a dialog that has gone to another loop since.
  bool PassOn(const Flow& flow, const SipMessage& request,
              std::string_view text);
  bool HandOverResponse(const Flow& flow, const SipMessage& response,
                        std::string_view text);
  // Whether any other may have the INVITE of a CANCEL: it will be answered.
  bool AskOthers(const Flow& flow, const SipMessage& cancel, MonoTime now);
  void OnNotMine(uint64_t ask, MonoTime now);
  void OnAskDeadlines(MonoTime now);
  const EdgeState* Reachable(const NodeId& node) const;  // nullptr: it is not
  ClusterMessage MessageFor(const NodeId& to, const Flow& flow,
                            std::string_view text);
  void OnHanded(const ClusterMessage& message, MonoTime now);
  void OnSendFor(const ClusterMessage& message);
  std::optional<ListenerId> ListenerAt(SipTransport transport,
                                       uint32_t logical_port) const;
  // Found or made; nullptr when there is no room or no such listener.
  Connection* MirrorOf(const RemoteFlow& of, MonoTime now);
  void SendByMirror(Connection& mirror, const SocketAddress& to,
                    std::string bytes);
  void TellMirrors(const Connection& gone);
  void SendClosed(const NodeId& to, const RemoteFlow& flow);
  void Refuse(const Flow& flow, const SipMessage& request,
              TransactionId transaction, const absl::Status& status,
              RefusalKind kind, MonoTime now, const Party* sender = nullptr);
  // The same of a request that begins nothing, or not what was asked for; told
  // as TellRefused() does.
  void RefuseRequest(const Flow& flow, const SipMessage& request,
                     TransactionId transaction, const absl::Status& status,
                     MonoTime now, const Party* sender = nullptr);
  // A request that is nobody's call was answered with `code`, as `why` says.
  // `sender`: who has proven to be there; null: whom the flow alone proves. Of
  // strangers nothing is told, of all others so much as the limits above let
  // through; the rest is counted.
  void TellRefused(const Flow& flow, const SipMessage& request,
                   const absl::Status& why, int code, MonoTime now,
                   const Party* sender = nullptr);
  bool MayTellRefused(const Flow& flow, const Party* sender, MonoTime now);
  // The final response that a refusal is, with what it must say beside. Returns
  // its code.
  int SendRefusal(const SipMessage& request, TransactionId transaction,
                  const absl::Status& status, MonoTime now);
  // What a CANCEL gets that comes too late, or of nothing.
  static absl::Status NothingToCancel();
  // Another copy of an INVITE, of which the first is of that transaction.
  void ReportMerged(const Flow& flow, TransactionId first, MonoTime now);
  EdgeEvent RefusalOf(RefusalKind kind, const Flow& flow,
                      const absl::Status& status, int sip_status,
                      std::string_view method, MonoTime now,
                      const TlsFacts* tls = nullptr,
                      ConnectionStage stage = ConnectionStage::kHandshake);
  void ReportRefusal(RefusalKind kind, const Flow& flow,
                     const absl::Status& status, int sip_status,
                     std::string_view method, MonoTime now,
                     const TlsFacts* tls = nullptr,
                     ConnectionStage stage = ConnectionStage::kHandshake);
  // What is refused by refusing such a request.
  static RefusalKind RefusalKindOf(SipMethod method);
  // The peer or voicemail port that a flow alone proves to be there.
  std::optional<Party> PeerOf(const Flow& flow) const;
  std::optional<ConnectionIdentity> IdentityOn(const Flow& flow) const;
  // The refusal is of what this sender sent; `otherwise` as of PartySteps().
  void NameSender(const Party& sender, std::string_view otherwise,
                  EdgeEvent& event) const;
  // The same of whom the flow alone proves to be there, if anybody.
  void NameSenderOf(const Flow& flow, std::string_view otherwise,
                    EdgeEvent& event) const;
  // The plan does not know whose certificate that is.
  void ReportUnidentified(const Connection& connection,
                          const absl::Status& status, MonoTime now);
  // Names the plan would have taken of who is at the other end; and where it
  // expects nobody there, returns how to say so.
  std::string_view NameExpected(const Flow& flow, std::string_view reason,
                                const TlsFacts* tls, Refusal& refusal) const;
  // The final response to a request that has proven nothing. Nothing of the
  // request is kept, and nothing is sent again of itself: or a datagram with a
  // forged source would make us send a dozen to its owner, and take for half
  // a minute a place that a peer needs.
  void RespondUnproven(TransactionId transaction, SipMessage response,
                       MonoTime now);
  // `trace`: where it is kept for operators, and when.
  void RespondStateless(const Flow& flow, const SipMessage& request, int code,
                        int retry_after = 0, LegTraceId trace = 0,
                        MonoTime now = MonoTime::InfinitePast());

  // What is too long for UDP (edge_long_requests.cc).
  // Puts our Via on top of a request and returns the way that it goes: `flow`,
  // or a connection in its stead.
  Flow AddViaFor(const Flow& flow, SipMessage& request, std::string_view branch,
                 CallLeg owner, MonoTime now);
  // The connection for what is too long for a flow over UDP to this party; none
  // where it is to have UDP.
  std::optional<Flow> StreamInsteadOf(const Flow& flow, CallLeg owner,
                                      MonoTime now);
  std::optional<ListenerId> StreamListenerBeside(const Flow& flow) const;
  bool MayHaveStream(const Flow& flow, const Party& party) const;
  // Nothing came back to a request by this flow.
  void NoteSilence(const Flow& flow, MonoTime now);
  // A request that a connection in stead of `udp` has not brought there.
  void SendAgainByUdp(TransactionId id, const Flow& udp, MonoTime now);
  void Transmit(const Flow& flow, std::string bytes);
  void TransmitTo(const ServerSide& side, std::string bytes);
  absl::Status OnMessageWaitingNumber(const MessageWaitingNumberEntry& entry,
                                      std::string_view number,
                                      MonoTime now) override {
    return mwi_.OnNumber(entry, number, now);
  }
  void OnNotify(const Flow& flow, const SipMessage& request,
                TransactionId transaction, MonoTime now);
  // The messages that a transaction wants sent or told.
  void DoServer(TransactionId id, TransactionActions actions, MonoTime now);
  void DoClient(TransactionId id, TransactionActions actions,
                const SipMessage* response, MonoTime now);
  void NoteClient(TransactionId id, ClientSide side);
  // Keeps a message for operators, if its call is one of those kept.
  void KeepReceived(LegTraceId trace, const Flow& flow,
                    const SipMessage& message, MonoTime now);
  ServerSide& ServerOf(TransactionId id);  // made if there is none
  void KeepInvite(const Flow& flow, const SipMessage& invite,
                  TransactionId transaction, MonoTime now);
  LegTraceId TraceOf(const ClientSide& side);
  void ForgetEnded(TransactionId id);

  // Voicemail ports.
  // The one at the end of a flow, if there is one.
  std::optional<Party> PortOf(const Flow& flow) const;
  std::optional<Party> PartyOf(const SccpPort& port) const;
  // The one of this connection has come, or gone.
  void TellPort(ConnectionId id, bool up);
  void OnPortNews(const PortNews& news, MonoTime now);
  bool IsSccp(const Connection& connection) const;
  SccpSession* SccpOf(ConnectionId id) const;
  void OpenSccp(ConnectionId id);
  void OnSccpData(Connection& connection, std::string_view octets,
                  MonoTime now);
  void DoSccp(ConnectionId id, SccpActions actions, MonoTime now);
  void OnPortUp(ConnectionId id, MonoTime now);
  void OnPortDown(ConnectionId id, MonoTime now);
  // The connection is about to go: its calls end.
  void CloseSccp(ConnectionId id, MonoTime now);
  void OnSccpRemoved(const Registrar::Changes& changes, MonoTime now);
  void OnSccpPlan(MonoTime now);
  void OnSccpDeadline(MonoTime now);
  // The end of every input.
  EdgeActions Finish(MonoTime now);

  // The listener whose names we bear on a transport towards an address: of its
  // family if there is one, which a datagram needs.
  absl::StatusOr<ListenerId> ListenerBy(SipTransport transport,
                                        const SocketAddress& to) const;
  // A way to a peer by UDP: to the first address for which there is a listener.
  absl::StatusOr<Flow> UdpFlowTo(
      const std::vector<SocketAddress>& addresses) const;
  // A connection to a peer that is being opened, to the first address.
  absl::StatusOr<Connection*> Dial(const PeerEntry& peer,
                                   SipTransport transport, ListenerId listener,
                                   const std::vector<SocketAddress>& addresses,
                                   MonoTime now);
  absl::Status Identify(Connection& connection, MonoTime now);
  bool TryNextAddress(Connection& connection, MonoTime now);
  // Everything that hung on it; `told` when io is to close it.
  void Drop(ConnectionId id, bool tell_io, std::string_view reason,
            MonoTime now);
  void ReportChanges(const Registrar::Changes& changes, MonoTime now);
  // The same, of what the registry knows already.
  void TellChanges(const Registrar::Changes& changes, MonoTime now);
  void RearmConnection(Connection& connection);
  // An accepted connection is not ready yet, or is now.
  void CountHandshake(bool begins) {
    begins ? ++handshakes_ : --handshakes_;
    total_handshakes_.Set(handshakes_);
  }
  // An accepted one begins or ends, for the limits of all loops.
  void CountSource(const Connection& connection, bool begins);
  bool MayStay(const Binding& binding) const;
  RegisterPolicy RegisterPolicyOf(const UserEntry& user, const Flow& flow);
  // How often a far side should show that it is there.
  absl::Duration FlowTimerOf(const Flow& flow) const;
  void OnStun(const Flow& flow, std::string_view datagram, MonoTime now);
  // When a connection that keeps registrations is given up without a sign of
  // life (RFC 5626 section 4.4).
  MonoTime FlowDeadline(const Connection& connection) const {
    return connection.last_activity + options_.flow_timer + kFlowGrace;
  }
  // A request by it came from a party that we know.
  void NoteProved(const Flow& flow);
  // The peer may want its connection used for what goes to it.
  void NoteAlias(const Flow& flow, const SipMessage& request);
  PeerScope ScopeOf(const Flow& flow) const;
  PeerScope ScopeOfResource(std::string_view resource);
  std::string_view ProvenResource(const Flow& flow) const;
  // For branches of ours and tags of dialogs: it names this loop.
  std::string NewToken();
  std::string NewTag() override { return NewToken(); }
  std::string PlainTag();
  PeerScope AddressScope(const SocketAddress& remote) const;
  static PeerScope ConnectionScope(ConnectionId id);
  std::string StatelessTag(const SipMessage& request) const;

  const EdgeOptions options_;
  RandomSource& random_;
  const uint64_t scope_key_;
  std::shared_ptr<const Resolver> plan_;
  bool draining_ = false;
  std::optional<bool> start_mode_;
  ConnectionTable connections_;
  DeadlineQueue<ConnectionId> connection_deadlines_;
  LongRequests long_requests_;
  TransactionTable transactions_;
  DigestAuth digest_;
  TemporaryGruus gruus_;
  RequestAuth auth_;
  std::optional<TenantCounts> own_tenants_;
  TenantCounts& tenants_;  // or those of all loops
  Registrar registrar_;
  // What judges sources; of all loops, or where there are none, its own.
  std::optional<Admission> own_admission_;
  Admission& admission_;
  std::optional<SourceWatch> own_sources_;
  SourceWatch& sources_;
  SharedTotal total_connections_;
  SharedTotal total_handshakes_;
  OverloadGate gate_;
  MonoTime overload_told_ = MonoTime::InfinitePast();
  // When what is told of refused requests has come, of others and of those that
  // are proven.
  std::array<MonoTime, 2> unknown_dialogs_ = {MonoTime::InfinitePast(),
                                              MonoTime::InfinitePast()};
  std::array<MonoTime, 2> refused_requests_ = {MonoTime::InfinitePast(),
                                               MonoTime::InfinitePast()};
  GcraTable refused_senders_;
  size_t handshakes_ = 0;  // of accepted connections that are not ready
  CallControl calls_;
  MessageWaiting mwi_;
  PeerChecks checks_;
  OptionsMonitor monitor_;
  PeerHealthTable peer_health_;
  // Apart, so that the map grows in a moment.
  absl::flat_hash_map<TransactionId, std::unique_ptr<ServerSide>> servers_;
  std::string kept_text_;  // of one message, to be filled anew
  absl::flat_hash_map<TransactionId, ClientSide> clients_;
  absl::flat_hash_map<uint64_t, TransactionId> invite_of_check_;
  // Client transactions of each call: few.
  absl::flat_hash_map<uint64_t, std::vector<TransactionId>> by_call_;
  absl::flat_hash_map<std::string, PeerScope> scopes_;
  // Requests for credentials that wait for the issuer.
  struct AwaitedCredentials {
    TransactionId transaction = 0;
    Flow flow;
    SipMessage request;
    Party sender;
  };
  // A REGISTER that waits for the registry.
  struct AwaitedRegistration {
    TransactionId transaction = 0;
    Flow flow;
    SipMessage request;
    Registration registration;
    Party sender;
  };
  void AnswerRegister(const AwaitedRegistration& awaited,
                      const absl::Status& status, MonoTime now);
  std::optional<SharedRegistry> shared_;
  uint64_t last_ticket_ = 0;
  absl::flat_hash_map<uint64_t, AwaitedRegistration> registering_;
  uint64_t last_credentials_ = 0;
  absl::flat_hash_map<uint64_t, AwaitedCredentials> credentials_;
  struct SccpConnection {
    std::unique_ptr<SccpSession> session;
    uint32_t cseq = 0;       // of its registrations
    std::string end_reason;  // of what was refused last
  };
  struct SccpText {
    ConnectionId connection = 0;
    std::string text;
  };
  SccpPorts sccp_ports_;  // of plan_
  // Ports that other loops have, by line.
  absl::flat_hash_map<std::string, PortNews> ports_elsewhere_;
  absl::flat_hash_map<ConnectionId, SccpConnection> sccp_;
  DeadlineQueue<ConnectionId> sccp_deadlines_;
  // SIP messages to user agents of ports, that are still to be told.
  std::deque<SccpText> sccp_texts_;
  absl::flat_hash_map<uint64_t, EdgeState> edges_;
  uint64_t last_ask_ = 0;
  absl::flat_hash_map<uint64_t, Ask> asks_;
  DeadlineQueue<uint64_t> ask_deadlines_;
  Stats stats_;
  EdgeActions actions_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_EDGE_CORE_H_
