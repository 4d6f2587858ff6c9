#include "services/capf/io/tvs_server.h"

#include <optional>
#include <utility>

#include "services/capf/core/tvs_message.h"
#include "services/capf/io/metrics_table.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxWriteBuffer = 16 * 1024;
constexpr size_t kMailboxCapacity = 10000;
constexpr size_t kSources = 10000;
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);

}  // namespace

class TvsServer::Connection final : public StreamHandler {
 public:
  Connection(TvsServer& owner, Id id) : owner_(owner), id_(id) {}

  void OnOpen() override {}
  void OnData(ByteSpan data) override { owner_.OnData(id_, data); }
  void OnEnd() override { owner_.Erase(id_); }
  void OnClosed(absl::Status) override { owner_.Erase(id_); }

  std::unique_ptr<TlsStream> stream;
  std::string input;
  bool working = false;

 private:
  TvsServer& owner_;
  const Id id_;
};

TvsServer::TvsServer(EventLoop& loop, Options options, TrustVouching& vouching,
                     WorkThread& work, RandomSource& random,
                     MetricsRegistry& metrics)
    : loop_(loop),
      options_(std::move(options)),
      vouching_(vouching),
      work_(work),
      sources_(options_.per_source, kSources, random),
      answers_total_(metrics.Counter(kCapfTvsAnswersTotal)),
      timer_(loop.AddTimer([this](MonoTime now) {
        while (const std::optional<Id> id = idle_.PopExpired(now)) Erase(*id);
        loop_.SetTimer(timer_, idle_.next());
      })) {}

TvsServer::~TvsServer() { loop_.RemoveTimer(timer_); }

absl::StatusOr<std::unique_ptr<TvsServer>> TvsServer::Create(
    EventLoop& loop, Options options, TrustVouching& vouching, WorkThread& work,
    RandomSource& random, MetricsRegistry& metrics) {
  std::unique_ptr<TvsServer> self(
      new TvsServer(loop, std::move(options), vouching, work, random, metrics));
  SP_ASSIGN_OR_RETURN(
      self->mailbox_,
      Mailbox<Task>::Create(loop, kMailboxCapacity, [](Task task) { task(); }));
  TvsServer* const raw = self.get();
  SP_ASSIGN_OR_RETURN(
      self->listener_,
      TcpListener::Listen(loop, raw->options_.address, {},
                          [raw](UniqueFd fd, const SocketAddress& peer) {
                            raw->OnAccept(std::move(fd), peer);
                          }));
  self->port_ = self->listener_->local_address().port();
  return self;
}

absl::Status TvsServer::SetTls(std::shared_ptr<const TlsContext> tls) {
  return mailbox_->Send([this, tls = std::move(tls)]() mutable {
    options_.tls = std::move(tls);
  });
}

void TvsServer::OnAccept(UniqueFd fd, const SocketAddress& peer) {
  if (connections_.size() >= options_.max_connections ||
      !sources_.Take(peer.Canonical().ip_bytes(), loop_.now())) {
    answers_total_.Increment(TvsAnswerKind::kLimited);
    return;  // closes as it goes out of scope
  }
  const Id id = next_++;
  auto connection = std::make_unique<Connection>(*this, id);
  TlsStream::Options stream_options;
  stream_options.tcp.max_write_buffer = kMaxWriteBuffer;
  stream_options.handshake_timeout = kHandshakeTimeout;
  absl::StatusOr<std::unique_ptr<TlsStream>> stream = TlsStream::Accept(
      loop_, std::move(fd), peer, options_.tls, stream_options, *connection);
  if (!stream.ok()) return;
  connection->stream = *std::move(stream);
  connections_.emplace(id, std::move(connection));
  idle_.Set(id, loop_.now() + options_.idle_timeout);
  loop_.SetTimer(timer_, idle_.next());
}

void TvsServer::OnData(Id id, ByteSpan data) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = *it->second;
  if (connection.input.size() + data.size() >
      2 * (kTvsHeaderSize + kTvsMaxPayload)) {
    answers_total_.Increment(TvsAnswerKind::kMalformed);
    Erase(id);
    return;
  }
  connection.input.append(AsText(data));
  Next(id);
}

void TvsServer::Next(Id id) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || it->second->working) return;
  Connection& connection = *it->second;
  auto parsed = ParseTvsRequest(AsBytes(connection.input));
  if (!parsed.ok()) {
    answers_total_.Increment(TvsAnswerKind::kMalformed);
    Erase(id);
    return;
  }
  if (!parsed->has_value()) return;
  connection.input.erase(0, (*parsed)->consumed);
  connection.working = true;
  const absl::Status posted =
      work_.Post([this, id, request = std::move((*parsed)->request)] {
        const TvsAnswer answer = vouching_.Answer(request);
        answers_total_.Increment(answer.valid ? TvsAnswerKind::kValid
                                              : TvsAnswerKind::kInvalid);
        std::string wire = WriteTvsResponse(request.request_id, answer);
        mailbox_
            ->Send([this, id, wire = std::move(wire)] { OnAnswer(id, wire); })
            .IgnoreError();
      });
  // Too busy: the phone asks again, or another node.
  if (!posted.ok()) Erase(id);
}

void TvsServer::OnAnswer(Id id, const std::string& wire) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  it->second->working = false;
  if (!it->second->stream->Write(AsBytes(wire)).ok()) {
    Erase(id);
    return;
  }
  idle_.Set(id, loop_.now() + options_.idle_timeout);
  loop_.SetTimer(timer_, idle_.next());
  Next(id);
}

void TvsServer::Erase(Id id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  idle_.Erase(id);
  // The handler may be what is calling us, so it goes at the turn's end.
  std::shared_ptr<Connection> gone = std::move(it->second);
  gone->stream->Close();
  connections_.erase(it);
  loop_.Defer([gone] {});
  loop_.SetTimer(timer_, idle_.next());
}

}  // namespace sallyport::capf
