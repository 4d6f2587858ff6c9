#include "services/signaling_edge/io/edge_loop.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/log/log.h"
#include "services/common/net/rank.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/overload_gate.h"
#include "services/signaling_edge/core/peer_identity.h"
#include "services/signaling_edge/io/peer_trust.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kOutsideTasks = 1024;
// More than the replies that max_calls calls can wait for.
constexpr size_t kOwnTasks = size_t{1} << 20;
// Connections that are found to be of no concern, for each look at the clock.
constexpr size_t kPassedAtOnce = 32;
// Octets of a stream, some eight messages, that are heard before others that
// are urgent are looked at: with half of it an edge does a tenth less.
constexpr size_t kHeardAtOnce = 8192;
constexpr absl::Duration kBetweenBreaths = absl::Microseconds(200);
// What the two clocks may differ by when they are read one after the other.
constexpr absl::Duration kClockWasSet = absl::Milliseconds(50);
// Messages of other loops; a caller whose does not fit gets 503.
constexpr size_t kPeerTasks = size_t{1} << 16;

CertificatePurpose PurposeOf(const ConnectionIo& connection) {
  return connection.incoming() ? CertificatePurpose::kSipClient
                               : CertificatePurpose::kSipServer;
}

}  // namespace

// ------------------------------------------------------------ life and tasks

EdgeLoop::EdgeLoop(EventLoop& loop, Options options, RandomSource& random)
    : loop_(loop),
      options_(std::move(options)),
      random_(random),
      core_timer_(
          loop.AddTimer([this](MonoTime now) { Do(core_->OnDeadline(now)); })),
      linger_timer_(
          loop.AddTimer([this](MonoTime now) { OnLingerTimer(now); })),
      load_timer_(loop.AddTimer([this](MonoTime now) { OnLoadTimer(now); })),
      judge_timer_(loop.AddTimer([this](MonoTime) { JudgeSome(); })) {}

absl::StatusOr<std::unique_ptr<EdgeLoop>> EdgeLoop::Create(
    EventLoop& loop, Options options, RandomSource& random) {
  auto out = absl::WrapUnique(new EdgeLoop(loop, std::move(options), random));
  SP_RETURN_IF_ERROR(out->Init(random));
  return out;
}

absl::Status EdgeLoop::Init(RandomSource& random) {
  const auto run = [this](Task task) { task(*this); };
  SP_ASSIGN_OR_RETURN(outside_,
                      Mailbox<Task>::Create(loop_, kOutsideTasks, run));
  SP_ASSIGN_OR_RETURN(own_, Mailbox<Task>::Create(loop_, kOwnTasks, run));
  SP_ASSIGN_OR_RETURN(peers_, Mailbox<Task>::Create(loop_, kPeerTasks, run));
  SP_ASSIGN_OR_RETURN(hosts_,
                      HostResolver::Create(loop_, options_.hosts, random));
  proxies_ = std::make_unique<ProxyIntake>(
      loop_,
      ProxyIntake::Options{.prefixes = options_.proxies,
                           .timeout = options_.core.handshake_timeout},
      [this](ListenerId listener, UniqueFd fd, const SocketAddress& client) {
        OnClient(listener, std::move(fd), client);
      },
      [this](ListenerId listener, const SocketAddress& from,
             const absl::Status& why) {
        Do(core_->OnConnectionRefused(listener, from, why, now()));
      });
  SP_ASSIGN_OR_RETURN(listeners_,
                      ListenerSet::Bind(loop_, options_.listeners,
                                        options_.max_datagram, *this));
  options_.core.listeners = listeners_->Names();
  options_.core.shared_registry =
      options_.registry.has_value() || options_.fetch_bindings != nullptr;
  options_.core.wall_time = loop_.clock().Now();
  options_.core.wall_time_at = loop_.now();
  clock_offset_ = ClockOffset();
  options_.core.to_shared_time = clock_offset_;
  core_ = std::make_unique<EdgeCore>(options_.core, random_);
  if (options_.media != nullptr) media_calls_ = options_.media->CallsOn(loop_);
  StartRegistry();
  load_due_ = loop_.clock().MonoNow() + options_.core.overload.interval;
  loop_.SetTimer(load_timer_, load_due_);
  return absl::OkStatus();
}

void EdgeLoop::StartRegistry() {
  if (!options_.registry.has_value()) {
    // Another loop is always within reach.
    if (options_.fetch_bindings) Do(core_->OnRegistryState(true, now()));
    return;
  }
  RedisClient::Options registry = *options_.registry;
  registry.resolve = [this, host = registry.host](auto done) {
    hosts_->Resolve(host, "", AddressFamily::kAny, std::move(done));
  };
  registry.on_state = [this](bool up) {
    if (up) {
      LogInfo("the shared registrar can be reached");
    } else {
      SALLYPORT_LOG_LIMITED(kError,
                            "the shared registrar is out of reach: "
                            "registrations are answered 503");
    }
    Do(core_->OnRegistryState(up, now()));
  };
  registry_ = std::make_unique<RegistryClient>(loop_, std::move(registry));
}

EdgeLoop::~EdgeLoop() {
  ending_ = true;
  registry_.reset();
  lingering_.clear();
  connections_.clear();
  listeners_.reset();
  proxies_.reset();
  hosts_.reset();
  loop_.RemoveTimer(core_timer_);
  loop_.RemoveTimer(linger_timer_);
  loop_.RemoveTimer(load_timer_);
  loop_.RemoveTimer(judge_timer_);
  media_calls_.reset();  // calls back, unheard
}

absl::Status EdgeLoop::Post(Task task) {
  if (outside_->Send(std::move(task)).ok()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, "EDGE_BUSY",
                   "too many commands wait for the edge");
}

void EdgeLoop::PostOwn(Task task) {
  if (!own_->Send(std::move(task)).ok()) {
    SALLYPORT_LOG_LIMITED(kError, "the loop's mailbox overflowed");
  }
}

bool EdgeLoop::PostPeer(Task task) {
  return peers_->Send(std::move(task)).ok();
}

// ------------------------------------------------------------------- actions

void EdgeLoop::Do(EdgeActions actions) {
  const bool nested = std::exchange(doing_, true);
  for (EdgeAction& action : actions) Perform(action);
  if (nested) return;  // the outer call goes on
  while (!later_.empty()) {
    const std::function<void()> next = std::move(later_.front());
    later_.pop_front();
    next();
  }
  doing_ = false;
  loop_.SetTimer(core_timer_, core_->deadline());
}

void EdgeLoop::Perform(EdgeAction& action) {
  std::visit([this](auto& each) { Perform(each); }, action);
}

void EdgeLoop::Perform(SendDatagram& action) {
  listeners_->Send(action.listener, action.to, std::move(action.bytes));
}

void EdgeLoop::Perform(const SendBytes& action) {
  const auto it = connections_.find(action.connection);
  if (it == connections_.end()) return;
  const bool waits = it->second->waits_for_flush();
  if (const absl::Status status = it->second->Write(action.bytes);
      !status.ok()) {
    core_->OnSendFailed(action.connection);
    // It does not read: waiting for it would hold memory without bound.
    return LoseLater(action.connection, status);
  }
  if (!waits && it->second->waits_for_flush()) FlushLater(action.connection);
}

void EdgeLoop::FlushLater(ConnectionId id) {
  if (to_flush_.empty()) {
    loop_.Defer([this, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) FlushConnections();
    });
  }
  to_flush_.push_back(id);
}

void EdgeLoop::FlushConnections() {
  for (const ConnectionId id : std::exchange(to_flush_, {})) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) continue;  // it was sent before its end
    const absl::Status status = it->second->Flush();
    if (status.ok()) continue;
    core_->OnSendFailed(id);
    Lost(id, status, std::nullopt);
  }
}

// Peers in clear are known by their address, and so are we: what we dial comes
// from where we listen, unless that is everywhere or not of the same network.
std::optional<SocketAddress> EdgeLoop::SourceFor(
    ListenerId listener, const SocketAddress& to) const {
  const SocketAddress own = listeners_->bound(listener).Canonical();
  const SocketAddress far = to.Canonical();
  if (own.is_unspecified() || own.is_v4() != far.is_v4() ||
      (own.is_loopback() && !far.is_loopback())) {
    return std::nullopt;
  }
  return own.WithPort(0);
}

void EdgeLoop::Perform(const Connect& action) {
  // An earlier attempt under this id, to another address, is over.
  connections_.erase(action.connection);
  expiries_.Erase(action.connection);
  std::shared_ptr<const TlsContext> tls;
  if (action.transport == SipTransport::kTls) {
    tls = contexts_.ClientFor(action.to);
    if (tls == nullptr) {
      return LoseLater(
          action.connection,
          MakeError(absl::StatusCode::kUnavailable, "TLS_NOT_CONFIGURED",
                    "there is no certificate to show"));
    }
  }
  auto connection = ConnectionIo::Connect(
      loop_, action.to, std::move(tls), {action.server_name, action.tls},
      {.handshake_timeout = options_.core.handshake_timeout + absl::Seconds(1),
       .max_write_buffer = options_.max_write_buffer,
       .source = SourceFor(action.listener, action.to)},
      action.connection, *this);
  if (!connection.ok()) {
    return LoseLater(action.connection, connection.status());
  }
  connections_[action.connection] = *std::move(connection);
}

void EdgeLoop::Perform(const CloseConnection& action) {
  const auto it = connections_.find(action.connection);
  if (it == connections_.end()) return;
  std::unique_ptr<ConnectionIo> connection = std::move(it->second);
  connections_.erase(it);
  expiries_.Erase(action.connection);
  if (!connection->open()) {
    // It may be what is calling.
    loop_.Defer([gone = std::shared_ptr<ConnectionIo>(
                     std::move(connection))]() mutable { gone.reset(); });
    return;
  }
  connection->Finish();
  lingering_.push_back({std::move(connection), loop_.now() + options_.linger});
  loop_.SetTimer(linger_timer_, lingering_.front().deadline);
}

void EdgeLoop::Perform(const ResolveHost& action) {
  hosts_->Resolve(action.host, action.service, action.family,
                  [this, query = action.query](auto found) {
                    Do(core_->OnHostResolved(query, std::move(found), now()));
                  });
}

void EdgeLoop::Perform(const CreateMediaSession& action) {
  if (options_.media == nullptr) {
    later_.push_back([this, request = action.request] {
      Do(core_->OnMediaReply(
          request,
          MakeError(absl::StatusCode::kUnavailable, "MEDIA_RELAY_UNAVAILABLE",
                    "no media relay is configured"),
          now()));
    });
    return;
  }
  media_asked_ = true;
  ++media_waits_;
  options_.media->Create(
      *media_calls_, action.tenant,
      absl::StrCat(action.tenant, "/calls/", action.call), action.legs,
      [this, request = action.request](auto session) {
        --media_waits_;
        OnMediaReply(request, std::move(session));
      },
      index());
}

void EdgeLoop::Perform(const UpdateMediaSession& action) {
  if (options_.media == nullptr) return;  // there can be no session
  options_.media->Update(*media_calls_, action.relay, action.session,
                         action.legs,
                         [this, request = action.request](auto session) {
                           OnMediaReply(request, std::move(session));
                         });
}

void EdgeLoop::Perform(const DeleteMediaSession& action) {
  if (options_.media == nullptr) return;
  options_.media->Delete(
      *media_calls_, action.relay, action.session, action.reason,
      [this, call = action.call](std::array<LegStatistics, 2> legs) {
        Hear([this, call, legs] {
          Do(core_->OnMediaDeleted(call, legs, now()));
          if (options_.on_media_deleted) options_.on_media_deleted(*this, call);
        });
      });
}

void EdgeLoop::OnMediaReply(uint64_t request,
                            absl::StatusOr<RelaySession> session) {
  Hear([this, request, session = std::move(session)] {
    Do(core_->OnMediaReply(request, session, now()));
  });
}

void EdgeLoop::Hear(std::function<void()> input) {
  if (ending_) return;
  later_.push_back(std::move(input));
  if (!doing_) Do({});
}

void EdgeLoop::Perform(const IssueCredentials& action) {
  if (options_.credentials == nullptr) {
    later_.push_back([this, request = action.request] {
      Do(core_->OnCredentials(
          request,
          MakeError(absl::StatusCode::kUnavailable, "CREDENTIALS_UNAVAILABLE",
                    "no credential_issuer is configured"),
          now()));
    });
    return;
  }
  options_.credentials->AnswerMras(
      action.tenant, action.subject, action.body,
      [this, request = action.request](absl::StatusOr<std::string> body) {
        PostOwn([request, body = std::move(body)](EdgeLoop& loop) {
          loop.Do(loop.core_->OnCredentials(request, body, loop.now()));
        });
      });
}

void EdgeLoop::Perform(const FetchBindings& action) {
  auto done = [this, request = action.request](auto reply) {
    Do(core_->OnRegistryReply(request, std::move(reply), now()));
  };
  if (registry_ != nullptr) {
    registry_->Fetch(action, std::move(done));
  } else if (options_.fetch_bindings) {
    options_.fetch_bindings(action, std::move(done));
  }
}

void EdgeLoop::Perform(const StoreBindings& action) {
  auto done = [this, request = action.request](auto reply) {
    Do(core_->OnRegistryReply(request, std::move(reply), now()));
  };
  if (registry_ != nullptr) {
    registry_->Store(action, std::move(done));
  } else if (options_.store_bindings) {
    options_.store_bindings(action, std::move(done));
  }
}

void EdgeLoop::Perform(PeerChecked& action) {
  const auto it = checks_.find(action.result.id);
  if (it == checks_.end()) return;
  const CheckDone done = std::move(it->second);
  checks_.erase(it);
  done(std::move(action.result));
}

void EdgeLoop::Perform(HandOver& action) {
  // The copy is for the answer to who sent it.
  if (options_.hand_over && options_.hand_over(action.message)) return;
  later_.push_back([this, message = std::move(action.message)] {
    Do(core_->OnHandOverFailed(message, now()));
  });
}

void EdgeLoop::Perform(const TellLoops& action) {
  if (options_.tell_loops) options_.tell_loops(action.news);
}

void EdgeLoop::Perform(Report& action) {
  if (options_.on_event) options_.on_event(*this, std::move(action.event));
}

// -------------------------------------------------------------------- inputs

bool EdgeLoop::IsKnown(ListenerId listener, const SocketAddress& from) {
  return core_->ClassOf({.transport = SipTransport::kUdp,
                         .listener = listener,
                         .remote = from},
                        now()) != LoadClass::kStranger;
}

void EdgeLoop::OnDatagram(ListenerId listener, const SocketAddress& from,
                          std::string_view octets) {
  Do(core_->OnDatagram(listener, from, octets, now()));
  Breathe();
}

void EdgeLoop::OnAccept(ListenerId listener, UniqueFd fd,
                        const SocketAddress& remote) {
  const SocketAddress from = remote.Canonical();
  if (proxies_->IsProxy(from)) {
    return proxies_->Take(listener, std::move(fd), from);
  }
  OnClient(listener, std::move(fd), from);
}

void EdgeLoop::OnClient(ListenerId listener, UniqueFd fd,
                        const SocketAddress& from) {
  const bool is_tls =
      options_.core.listeners[listener].transport == SipTransport::kTls;
  // Nothing to show and nobody to trust yet: closed without a word.
  if (is_tls && contexts_.server == nullptr) return;
  const ConnectionId id = core_->OnAccepted(listener, from, now());
  if (id != 0) {
    auto connection = ConnectionIo::Accept(
        loop_, std::move(fd), from,
        is_tls ? contexts_.ServerFor(from) : nullptr,
        {.handshake_timeout =
             options_.core.handshake_timeout + absl::Seconds(1),
         .max_write_buffer = options_.max_write_buffer},
        id, *this);
    if (connection.ok()) {
      connections_[id] = *std::move(connection);
    } else {
      LoseLater(id, connection.status());
    }
  }
  Do(core_->TakeActions());
}

bool EdgeLoop::IsLive(const ConnectionIo& connection) const {
  const auto it = connections_.find(connection.id());
  return it != connections_.end() && it->second.get() == &connection;
}

absl::StatusOr<absl::Time> EdgeLoop::Judge(ConnectionIo& connection,
                                           TlsFacts& facts) {
  const TlsSession& session = *connection.tls();
  const Connection* const known = core_->connections().Find(connection.id());
  const absl::Time at = wall_now();
  const CertificatePurpose purpose = PurposeOf(connection);
  facts = FactsOf(session, *trust_,
                  known == nullptr ? "" : TenantNameOf(known->dialled), purpose,
                  at);
  connection.set_trust_version(trust_->version());
  if (!session.peer().has_value()) return absl::InfiniteFuture();
  // Whose it is decides whose trust store counts; that nobody's certificate
  // is shown the core finds out by itself.
  std::optional<ConnectionIdentity> who;
  if (known != nullptr && known->incoming && core_->plan() != nullptr) {
    auto found =
        core_->IdentityOf(known->listener, session.peer()->leaf, facts.trusted);
    if (found.ok()) who = *std::move(found);
  }
  return CheckChain(*session.peer(), who.has_value() ? &*who : nullptr, *trust_,
                    purpose, at);
}

void EdgeLoop::OnStreamOpen(ConnectionIo& connection) {
  if (!IsLive(connection)) return;
  const ConnectionId id = connection.id();
  if (connection.tls() == nullptr) {
    Do(core_->OnConnectionOpened(id, std::nullopt, now()));
    return RankAnew(id);
  }
  const bool dialled = !connection.incoming();
  TlsFacts facts;
  const absl::StatusOr<absl::Time> until = Judge(connection, facts);
  if (!until.ok()) return Lost(id, until.status(), facts);
  JudgeAfter(id, *until);
  Do(core_->OnConnectionOpened(id, std::move(facts), now()));
  // Only now it is known which peer that is.
  if (dialled) JudgeAnew(id, wall_now());
  RankAnew(id);
}

void EdgeLoop::OnStreamData(ConnectionIo& connection, ByteSpan data) {
  if (!IsLive(connection)) return;
  const ConnectionId id = connection.id();
  if (IsToBeJudged(connection)) {
    JudgeAnew(id, wall_now());
    if (!connections_.contains(id)) return;
  }
  // Callers wait for what is ready to go; it does not wait for what comes.
  FlushConnections();
  if (!connections_.contains(id)) return;
  for (std::string_view rest = AsText(data); !rest.empty();) {
    Do(core_->OnData(id, rest.substr(0, kHeardAtOnce), now()));
    rest.remove_prefix(std::min(rest.size(), kHeardAtOnce));
    if (rest.empty()) break;
    Breathe();
    const auto it = connections_.find(id);
    if (it == connections_.end() || it->second.get() != &connection) return;
  }
  // Nor for the rest of the turn, as long as what came together goes together.
  if (std::exchange(media_asked_, false)) media_calls_->Flush();
  RankAnew(id);
}

void EdgeLoop::Breathe() {
  if (media_waits_ == 0) return;
  const MonoTime last = std::max(breathed_, loop_.turn_start());
  if (loop_.RefreshNow() - last < kBetweenBreaths) return;
  if (std::exchange(media_asked_, false)) media_calls_->Flush();
  loop_.ServeUrgent();
  FlushConnections();
  breathed_ = loop_.RefreshNow();
}

void EdgeLoop::RankAnew(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || it->second->rank() == Rank::kFirst) return;
  if (core_->ClassOf(id, now()) != LoadClass::kStranger) {
    it->second->ServeFirst();
  }
}

void EdgeLoop::OnStreamEnd(ConnectionIo& connection) {
  // SIP has no use for half a connection.
  if (IsLive(connection)) Lost(connection.id(), absl::OkStatus(), std::nullopt);
}

void EdgeLoop::OnStreamClosed(ConnectionIo& connection, absl::Status reason) {
  if (IsLive(connection)) {
    return Lost(connection.id(), reason, FactsAtEnd(connection));
  }
  const auto it = std::find_if(lingering_.begin(), lingering_.end(),
                               [&](const Lingering& each) {
                                 return each.connection.get() == &connection;
                               });
  if (it != lingering_.end()) lingering_.erase(it);
}

std::optional<TlsFacts> EdgeLoop::FactsAtEnd(
    const ConnectionIo& connection) const {
  if (connection.tls() == nullptr || trust_ == nullptr ||
      (!connection.tls()->peer().has_value() &&
       !connection.tls()->alert().has_value())) {
    return std::nullopt;
  }
  return FactsOf(*connection.tls(), *trust_, "", PurposeOf(connection),
                 wall_now());
}

void EdgeLoop::Lost(ConnectionId id, const absl::Status& why,
                    const std::optional<TlsFacts>& facts) {
  // The core may use the id again at once, for the peer's next address.
  const auto it = connections_.find(id);
  std::unique_ptr<ConnectionIo> gone;
  if (it != connections_.end()) {
    gone = std::move(it->second);
    connections_.erase(it);
    expiries_.Erase(id);
  }
  Do(core_->OnConnectionClosed(id, why, facts, now()));
}

void EdgeLoop::LoseLater(ConnectionId id, absl::Status why) {
  later_.push_back(
      [this, id, why = std::move(why)] { Lost(id, why, std::nullopt); });
}

void EdgeLoop::OnLingerTimer(MonoTime now) {
  while (!lingering_.empty() && lingering_.front().deadline <= now) {
    lingering_.pop_front();
  }
  loop_.SetTimer(linger_timer_, lingering_.empty()
                                    ? MonoTime::InfiniteFuture()
                                    : lingering_.front().deadline);
}

void EdgeLoop::OnLoadTimer(MonoTime now) {
  const LoadSample sample = {.lag = now - load_due_,
                             .queue_fill = listeners_->QueueFill()};
  load_due_ = now + options_.core.overload.interval;
  loop_.SetTimer(load_timer_, load_due_);
  if (absl::AbsDuration(ClockOffset() - clock_offset_) > kClockWasSet) {
    JudgeAll();
  }
  Do(core_->OnLoad(sample, now));
}

// -------------------------------------------------------------------- checks

void EdgeLoop::CheckPeer(PeerCheckRequest request, CheckDone done) {
  request.id = ++last_check_;
  checks_[request.id] = std::move(done);
  absl::StatusOr<EdgeActions> actions = core_->OnCheckPeer(request, now());
  if (actions.ok()) return Do(*std::move(actions));
  const auto it = checks_.find(request.id);
  const CheckDone refused = std::move(it->second);
  checks_.erase(it);
  refused(actions.status());
}

// ------------------------------------------------------------- configuration

void EdgeLoop::SetPlan(std::shared_ptr<const Resolver> plan) {
  // The core ends what is now another party's, so no live connection moves to
  // a tenant whose trust was not asked.
  Do(core_->OnSnapshot(std::move(plan), now()));
}

void EdgeLoop::SetTrust(std::shared_ptr<const TrustBundle> trust,
                        TlsContexts contexts, std::function<void()> done) {
  trust_ = std::move(trust);
  contexts_ = std::move(contexts);
  if (done) when_judged_.push_back(std::move(done));
  JudgeAll();
}

void EdgeLoop::JudgeAll() {
  clock_offset_ = ClockOffset();
  to_judge_.clear();
  judge_last_.clear();
  if (trust_ != nullptr) {
    for (const auto& [id, connection] : connections_) {
      if (connection->tls() != nullptr) to_judge_.push_back(id);
    }
  }
  JudgeSome();
}

void EdgeLoop::JudgeSome() {
  const MonoTime begin = loop_.RefreshNow();
  const MonoTime end = begin + options_.judging;
  const absl::Time at = wall_now();
  size_t passed = 0;
  while (true) {
    if (const auto expired = expiries_.PopExpired(begin); expired.has_value()) {
      JudgeAnew(*expired, at);
      if (loop_.RefreshNow() >= end) break;
      continue;
    }
    if (!judging()) break;
    const bool first = !to_judge_.empty();
    std::vector<ConnectionId>& from = first ? to_judge_ : judge_last_;
    const ConnectionId id = from.back();
    from.pop_back();
    if (first && !IsSuspect(id)) {
      judge_last_.push_back(id);
      if (++passed % kPassedAtOnce != 0) continue;
    } else {
      JudgeAnew(id, at);
    }
    if (loop_.RefreshNow() >= end) break;
  }
  loop_.SetTimer(judge_timer_, judging() || expiries_.next() <= loop_.now()
                                   ? loop_.now() + options_.between_judging
                                   : expiries_.next());
  if (judging()) return;
  for (const auto& done : std::exchange(when_judged_, {})) done();
}

bool EdgeLoop::IsSuspect(ConnectionId id) const {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return false;
  const TlsSession* const tls = it->second->tls();
  return tls != nullptr && tls->peer().has_value() &&
         trust_->MayHaveChanged(tls->peer()->chain);
}

void EdgeLoop::JudgeAnew(ConnectionId id, absl::Time at) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  ConnectionIo& connection = *it->second;
  if (!connection.open() || connection.tls() == nullptr ||
      !connection.tls()->peer().has_value()) {
    return;
  }
  const PeerCertificate& peer = *connection.tls()->peer();
  const CertificatePurpose purpose = PurposeOf(connection);
  const Connection* const known = core_->connections().Find(id);
  const ConnectionIdentity* const who =
      known != nullptr && known->identity.has_value() ? &*known->identity
                                                      : nullptr;
  const absl::StatusOr<absl::Time> until =
      CheckChain(peer, who, *trust_, purpose, at);
  connection.set_trust_version(trust_->version());
  if (until.ok()) return JudgeAfter(id, *until);
  Do(core_->OnConnectionUntrusted(id, until.status(), now()));
}

void EdgeLoop::JudgeAfter(ConnectionId id, absl::Time until) {
  const absl::Time at = wall_now();
  // Fresh: what comes of a turn's older time would be early. Valid through
  // `until` (RFC 5280 section 4.1.2.5).
  const MonoTime due =
      loop_.clock().MonoNow() + (until - at) + absl::Milliseconds(1);
  expiries_.Set(id, due);
  if (!judging() && expiries_.next() == due) loop_.SetTimer(judge_timer_, due);
}

bool EdgeLoop::IsToBeJudged(const ConnectionIo& connection) const {
  if (judging() && connection.trust_version() != trust_->version()) return true;
  return expiries_.next() <= now() &&
         expiries_.deadline(connection.id()) <= now();
}

absl::Duration EdgeLoop::ClockOffset() const {
  return (wall_now() - absl::UnixEpoch()) -
         loop_.clock().MonoNow().since_origin();
}

const ConnectionIo* EdgeLoop::Find(ConnectionId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

}  // namespace sallyport::signaling_edge
