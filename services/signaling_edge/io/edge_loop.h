// Feeds an EdgeCore from sockets, timers and replies, and performs its actions.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_EDGE_LOOP_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_EDGE_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/pooled_random.h"
#include "services/common/random/random_source.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/core/edge_core.h"
#include "services/signaling_edge/core/edge_event.h"
#include "services/signaling_edge/core/edge_options.h"
#include "services/signaling_edge/core/loop_news.h"
#include "services/signaling_edge/core/peer_check_result.h"
#include "services/signaling_edge/io/connection_io.h"
#include "services/signaling_edge/io/credential_client.h"
#include "services/signaling_edge/io/host_resolver.h"
#include "services/signaling_edge/io/listener_set.h"
#include "services/signaling_edge/io/media_client.h"
#include "services/signaling_edge/io/proxy_intake.h"
#include "services/signaling_edge/io/redis_client.h"
#include "services/signaling_edge/io/registry_client.h"
#include "services/signaling_edge/io/tls_contexts.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {

// One turn: an input comes, all actions are performed, the timer is set to the
// core's deadline. Post... are for any thread while the loop lives;
// all else is Loop thread only.
class EdgeLoop final : private ConnectionIo::Owner, private ListenerSet::Owner {
 public:
  struct Options {
    EdgeOptions core;  // its `listeners` come from `listeners` below
    std::vector<ListenerSpec> listeners;
    // Prefixes of the balancers that speak the PROXY protocol.
    std::vector<std::string> proxies;
    HostResolver::Options hosts;
    size_t max_datagram = 65'535;
    size_t max_write_buffer = size_t{1} << 20;  // of one connection
    // How long a connection that we close may take to take the rest.
    absl::Duration linger = absl::Seconds(2);
    // How long a turn may judge connections after a change of trust, and the
    // time that all else has until the next such turn.
    absl::Duration judging = absl::Milliseconds(4);
    absl::Duration between_judging = absl::Milliseconds(1);
    // Makes sessions at the relays, and outlives the loop. Null: media is
    // refused.
    MediaClient* media = nullptr;
    // Answers users' MRAS requests. Null: they are refused. Its callbacks end
    // before the loop does.
    CredentialClient* credentials = nullptr;
    // The registry that is shared with other edges; `resolve` and `on_state`
    // are put in here.
    std::optional<RedisClient::Options> registry;
    // Takes a message to another loop or edge; false when it cannot be queued.
    // Null: there are none.
    std::function<bool(ClusterMessage message)> hand_over;
    // The registrar that the loops of this edge share, when there is no other:
    // `done` is called once, on this loop and not before this returns. Null:
    // this loop has its own.
    using RegistryDone = std::function<void(absl::StatusOr<RegistryReply>)>;
    std::function<void(FetchBindings, RegistryDone done)> fetch_bindings;
    std::function<void(StoreBindings, RegistryDone done)> store_bindings;
    // Tells all other loops of this edge. Null: there are none.
    std::function<void(const LoopNews& news)> tell_loops;
    // What the core reports. Called on the loop; must not block.
    std::function<void(EdgeLoop&, EdgeEvent)> on_event;
    // The final statistics of a call, after the core has them.
    std::function<void(EdgeLoop&, uint64_t call)> on_media_deleted;
  };
  using Task = std::function<void(EdgeLoop&)>;

  // Binds the listeners. TLS connections are refused until SetTrust. `loop` and
  // `random` outlive it.
  static absl::StatusOr<std::unique_ptr<EdgeLoop>> Create(EventLoop& loop,
                                                          Options options,
                                                          RandomSource& random);
  ~EdgeLoop() override;

  // For callers from outside: RESOURCE_EXHAUSTED (EDGE_BUSY) when too many
  // wait; the task is then not run.
  absl::Status Post(Task task);
  // For what we ourselves have a bounded number of: plans, trust, replies.
  void PostOwn(Task task);
  // For other loops of this edge: false when too much waits, and the task is
  // then not run.
  bool PostPeer(Task task);

  // Which loop of its edge it is.
  size_t index() const { return options_.core.node.loop; }
  MonoTime now() const { return loop_.now(); }
  absl::Time wall_now() const { return loop_.clock().Now(); }
  EventLoop& event_loop() const { return loop_; }
  EdgeCore& core() { return *core_; }
  const EdgeCore& core() const { return *core_; }
  // Performs what an input of the core returned.
  void Do(EdgeActions actions);

  // Tries to reach a peer as a call would (UM-108). `done` is called once, on
  // the loop, perhaps before this returns.
  using CheckDone = std::function<void(absl::StatusOr<PeerCheckResult>)>;
  void CheckPeer(PeerCheckRequest request, CheckDone done);

  // A new plan is in force when this returns.
  void SetPlan(std::shared_ptr<const Resolver> plan);
  // New connections use these from now on; live ones are judged anew: one that
  // says something before what it says is heard, the others by and by, so that
  // very many do not hold the loop up. `done` is called once all are. The same
  // becomes of a connection when a certificate on its path expires, and of all
  // when the clock is set.
  void SetTrust(std::shared_ptr<const TrustBundle> trust, TlsContexts contexts,
                std::function<void()> done = nullptr);

  // What the core does not keep of a connection; null when it is gone.
  const ConnectionIo* Find(ConnectionId id) const;
  const ListenerSet& listeners() const { return *listeners_; }
  const TrustBundle* trust() const { return trust_.get(); }
  const TlsContexts& contexts() const { return contexts_; }

 private:
  // A connection that the core has let go of, sending what is left.
  struct Lingering {
    std::unique_ptr<ConnectionIo> connection;
    MonoTime deadline;
  };

  EdgeLoop(EventLoop& loop, Options options, RandomSource& random);
  absl::Status Init(RandomSource& random);
  void StartRegistry();

  // ListenerSet::Owner.
  bool IsKnown(ListenerId listener, const SocketAddress& from) override;
  void OnDatagram(ListenerId listener, const SocketAddress& from,
                  std::string_view octets) override;
  void OnAccept(ListenerId listener, UniqueFd fd,
                const SocketAddress& remote) override;
  // The connection is `remote`'s, whoever brought it.
  void OnClient(ListenerId listener, UniqueFd fd, const SocketAddress& remote);
  // ConnectionIo::Owner.
  void OnStreamOpen(ConnectionIo& connection) override;
  void OnStreamData(ConnectionIo& connection, ByteSpan data) override;
  void OnStreamEnd(ConnectionIo& connection) override;
  void OnStreamClosed(ConnectionIo& connection, absl::Status reason) override;

  void Perform(EdgeAction& action);
  void Perform(SendDatagram& action);
  void Perform(const SendBytes& action);
  std::optional<SocketAddress> SourceFor(ListenerId listener,
                                         const SocketAddress& to) const;
  void Perform(const Connect& action);
  void Perform(const CloseConnection& action);
  void Perform(const ResolveHost& action);
  void Perform(const CreateMediaSession& action);
  void Perform(const UpdateMediaSession& action);
  void Perform(const DeleteMediaSession& action);
  void Perform(const IssueCredentials& action);
  void Perform(const FetchBindings& action);
  void Perform(const StoreBindings& action);
  void Perform(PeerChecked& action);
  void Perform(HandOver& action);
  void Perform(const TellLoops& action);
  void Perform(Report& action);

  void OnMediaReply(uint64_t request, absl::StatusOr<RelaySession> session);
  // `input` calls the core: now, or when the actions at hand are done.
  void Hear(std::function<void()> input);

  bool IsLive(const ConnectionIo& connection) const;
  // Sends what the connection has to send when this turn's inputs are done.
  void FlushLater(ConnectionId id);
  void FlushConnections();
  // Within a turn that takes long: callers do not wait for what else it reads.
  void Breathe();
  // Whoever has proven something by it is served before those that have not.
  void RankAnew(ConnectionId id);
  // The connection is over for us; tells the core.
  void Lost(ConnectionId id, const absl::Status& why,
            const std::optional<TlsFacts>& facts);
  // Lost, but not before the actions at hand are done.
  void LoseLater(ConnectionId id, absl::Status why);
  // Whether an open TLS connection's certificate is good, and for its party,
  // and until when.
  absl::StatusOr<absl::Time> Judge(ConnectionIo& connection, TlsFacts& facts);
  // Ends the connection if its chain no longer holds.
  void JudgeAnew(ConnectionId id, absl::Time at);
  // Has it judged anew once `until` is over.
  void JudgeAfter(ConnectionId id, absl::Time until);
  // Whether it must be judged before it is heard.
  bool IsToBeJudged(const ConnectionIo& connection) const;
  // Judges all anew, whatever was found before.
  void JudgeAll();
  // Does so to those that wait for it, as long as one turn may take: at first
  // to those that have expired, then to those whose issuer the change is about.
  void JudgeSome();
  bool IsSuspect(ConnectionId id) const;
  bool judging() const { return !to_judge_.empty() || !judge_last_.empty(); }
  std::optional<TlsFacts> FactsAtEnd(const ConnectionIo& connection) const;
  void OnLingerTimer(MonoTime now);
  // Tells the core how late the loop is and how full its sockets are.
  void OnLoadTimer(MonoTime now);
  // Civil time less monotonic time: changes when the clock is set.
  absl::Duration ClockOffset() const;

  EventLoop& loop_;
  Options options_;
  PooledRandom random_;  // some ten draws a call
  EventLoop::TimerId core_timer_;
  EventLoop::TimerId linger_timer_;
  EventLoop::TimerId load_timer_;
  EventLoop::TimerId judge_timer_;
  MonoTime load_due_;
  std::unique_ptr<EdgeCore> core_;
  std::shared_ptr<const TrustBundle> trust_;
  TlsContexts contexts_;
  std::vector<ConnectionId> to_flush_;
  // When a certificate on the path of each will have expired.
  DeadlineQueue<ConnectionId> expiries_;
  absl::Duration clock_offset_;  // when all were judged by the clock
  std::vector<ConnectionId> to_judge_;
  std::vector<ConnectionId> judge_last_;
  std::vector<std::function<void()>> when_judged_;
  std::unique_ptr<HostResolver> hosts_;
  std::unique_ptr<GrpcLoopClient> media_calls_;  // null without media
  bool media_asked_ = false;  // for a session, and it is not sent yet
  size_t media_waits_ = 0;    // sessions that were asked for
  MonoTime breathed_;         // when relays' answers were last looked for
  std::unique_ptr<ProxyIntake> proxies_;
  std::unique_ptr<ListenerSet> listeners_;
  absl::flat_hash_map<ConnectionId, std::unique_ptr<ConnectionIo>> connections_;
  std::deque<Lingering> lingering_;  // by deadline
  std::unique_ptr<RegistryClient> registry_;
  uint64_t last_check_ = 0;
  absl::flat_hash_map<uint64_t, CheckDone> checks_;
  std::deque<std::function<void()>> later_;
  bool doing_ = false;
  bool ending_ = false;
  std::unique_ptr<Mailbox<Task>> outside_;
  std::unique_ptr<Mailbox<Task>> own_;
  std::unique_ptr<Mailbox<Task>> peers_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // while it lives
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_EDGE_LOOP_H_
