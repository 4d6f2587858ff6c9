#include "services/capf/io/tftp_server.h"

#include <utility>

#include "services/capf/core/tftp_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// Sources whose rate is remembered.
constexpr size_t kSources = 65536;

}  // namespace

struct TftpServer::Transfer {
  std::string name;
  Content content;
  TftpTransfer core;
  SocketAddress client;
  // Which of our addresses was asked; the answer comes from it.
  std::optional<SocketAddress> local;
  // Its own, unless there is a single port.
  std::optional<UdpSocket> socket;
};

TftpServer::TftpServer(EventLoop& loop, const Options& options, Lookup lookup,
                       UdpSocket socket, RandomSource& random,
                       MetricsRegistry& metrics)
    : loop_(loop),
      options_(options),
      lookup_(std::move(lookup)),
      socket_(std::move(socket)),
      sources_(options.requests_per_source, kSources, random),
      requests_total_(metrics.Counter(kCapfTftpRequestsTotal)),
      transfers_total_(metrics.Counter(kCapfTftpTransfersTotal)),
      timer_(loop.AddTimer([this](MonoTime now) { OnTimer(now); })) {}

absl::StatusOr<std::unique_ptr<TftpServer>> TftpServer::Create(
    EventLoop& loop, const Options& options, Lookup lookup,
    RandomSource& random, MetricsRegistry& metrics) {
  UdpSocket::Options socket_options;
  socket_options.packet_info = true;
  SP_ASSIGN_OR_RETURN(UdpSocket socket,
                      UdpSocket::Bind(options.address, socket_options));
  std::unique_ptr<TftpServer> self(new TftpServer(
      loop, options, std::move(lookup), std::move(socket), random, metrics));
  SP_RETURN_IF_ERROR(
      loop.Add(self->socket_.fd(), kReadable,
               [raw = self.get()](IoEvents) { raw->OnReadable(); }));
  return self;
}

TftpServer::~TftpServer() {
  *alive_ = false;
  loop_.RemoveTimer(timer_);
  loop_.Remove(socket_.fd());
  for (const auto& [client, transfer] : transfers_) {
    if (transfer->socket) loop_.Remove(transfer->socket->fd());
  }
}

void TftpServer::OnReadable() {
  const absl::StatusOr<absl::Span<ReceivedDatagram>> batch =
      socket_.Receive(buffer_);
  if (!batch.ok()) return;
  for (const ReceivedDatagram& datagram : *batch) OnDatagram(datagram);
  Arm();
}

void TftpServer::OnDatagram(const ReceivedDatagram& datagram) {
  if (datagram.peer.port() == 0) return;
  const auto running = transfers_.find(datagram.peer);
  const TftpRequestResult parsed = ParseTftpRequest(datagram.payload);
  if (parsed.refusal.silent && !parsed.request) {
    // With a single port, what belongs to a transfer arrives here too.
    if (options_.single_port && running != transfers_.end()) {
      Transfer& transfer = *running->second;
      SendTo(transfer, transfer.core.OnPacket(datagram.payload, loop_.now()));
      Settle(datagram.peer);
    } else {
      requests_total_.Increment(TftpRequest::kNoRequest);
    }
    return;
  }
  if (!sources_.Take(datagram.peer.Canonical().ip_bytes(), loop_.now())) {
    requests_total_.Increment(TftpRequest::kLimited);
    return;
  }
  if (!parsed.request) {
    requests_total_.Increment(TftpRequest::kRefused);
    Refuse(datagram.peer, datagram.local, parsed.refusal.code,
           parsed.refusal.message);
    return;
  }
  if (running != transfers_.end()) {
    Transfer& transfer = *running->second;
    SendTo(transfer, transfer.core.OnRepeatedRequest());
    Settle(datagram.peer);
    return;
  }
  if (looking_.contains(datagram.peer)) return;
  if (transfers_.size() + looking_.size() >= options_.max_transfers) {
    requests_total_.Increment(TftpRequest::kLimited);
    Refuse(datagram.peer, datagram.local, TftpErrorCode::kUndefined,
           "Too many transfers");
    return;
  }
  looking_.insert(datagram.peer);
  lookup_(parsed.request->file_name,
          [this, alive = alive_, request = *parsed.request,
           client = datagram.peer, local = datagram.local](Content content) {
            if (!*alive) return;
            looking_.erase(client);
            Start(request, client, local, std::move(content));
            Arm();
          });
}

void TftpServer::Start(const TftpReadRequest& request,
                       const SocketAddress& client,
                       const std::optional<SocketAddress>& local,
                       Content content) {
  if (content == nullptr) {
    requests_total_.Increment(TftpRequest::kNotFound);
    Refuse(client, local, TftpErrorCode::kFileNotFound, "File not found");
    return;
  }
  auto transfer = std::make_unique<Transfer>(Transfer{
      .name = request.file_name,
      .content = content,
      .core = TftpTransfer(std::move(content), request, options_.limits),
      .client = client,
      .local = local,
      .socket = std::nullopt});
  if (!options_.single_port) {
    const SocketAddress from = local.value_or(options_.address).WithPort(0);
    absl::StatusOr<UdpSocket> socket = UdpSocket::Bind(from);
    if (!socket.ok() ||
        !loop_
             .Add(socket->fd(), kReadable,
                  [this, client](IoEvents) { OnTransferReadable(client); })
             .ok()) {
      requests_total_.Increment(TftpRequest::kLimited);
      Refuse(client, local, TftpErrorCode::kUndefined, "No port is free");
      return;
    }
    transfer->socket = *std::move(socket);
  }
  requests_total_.Increment(TftpRequest::kStarted);
  Transfer& begun = *transfer;
  transfers_.emplace(client, std::move(transfer));
  SendTo(begun, begun.core.Begin(loop_.now()));
  Settle(client);
}

void TftpServer::OnTransferReadable(const SocketAddress& client) {
  const auto it = transfers_.find(client);
  if (it == transfers_.end()) return;
  Transfer& transfer = *it->second;
  const absl::StatusOr<absl::Span<ReceivedDatagram>> batch =
      transfer.socket->Receive(buffer_);
  if (!batch.ok()) return;
  for (const ReceivedDatagram& datagram : *batch) {
    if (datagram.peer != client) {
      // RFC 1350 section 4: told so, and nothing else is disturbed.
      transfer.socket
          ->SendOne(
              {.payload = AsBytes(WriteTftpError(
                   TftpErrorCode::kUnknownTransferId, "Unknown transfer ID")),
               .peer = datagram.peer,
               .local = std::nullopt})
          .IgnoreError();
      continue;
    }
    SendTo(transfer, transfer.core.OnPacket(datagram.payload, loop_.now()));
  }
  Settle(client);
  Arm();
}

void TftpServer::OnTimer(MonoTime now) {
  while (const std::optional<SocketAddress> client =
             deadlines_.PopExpired(now)) {
    const auto it = transfers_.find(*client);
    if (it == transfers_.end()) continue;
    SendTo(*it->second, it->second->core.OnDeadline(now));
    Settle(*client);
  }
  Arm();
}

void TftpServer::SendTo(Transfer& transfer,
                        const std::optional<std::string>& packet) {
  if (!packet) return;
  UdpSocket& socket = transfer.socket ? *transfer.socket : socket_;
  // Lost is lost: the timer sends it again.
  socket
      .SendOne({.payload = AsBytes(*packet),
                .peer = transfer.client,
                .local = transfer.socket ? std::nullopt : transfer.local})
      .IgnoreError();
}

void TftpServer::Refuse(const SocketAddress& client,
                        const std::optional<SocketAddress>& local,
                        TftpErrorCode code, std::string_view message) {
  socket_
      .SendOne({.payload = AsBytes(WriteTftpError(code, message)),
                .peer = client,
                .local = local})
      .IgnoreError();
}

void TftpServer::Settle(const SocketAddress& client) {
  const auto it = transfers_.find(client);
  if (it == transfers_.end()) return;
  const TftpTransfer& core = it->second->core;
  if (core.outcome() == TftpOutcome::kRunning) {
    deadlines_.Set(client, core.deadline());
    return;
  }
  transfers_total_.Increment(core.outcome());
  if (core.outcome() == TftpOutcome::kSent && options_.on_sent) {
    options_.on_sent(it->second->name, it->second->content);
  }
  deadlines_.Erase(client);
  if (it->second->socket) loop_.Remove(it->second->socket->fd());
  transfers_.erase(it);
}

void TftpServer::Arm() { loop_.SetTimer(timer_, deadlines_.next()); }

}  // namespace sallyport::capf
