#include "services/signaling_edge/io/cluster_link.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/hmac.h"
#include "services/common/net/destruction_watch.h"
#include "services/common/net/tcp_stream.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_stream.h"
#include "services/signaling_edge/core/cluster_message.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kMagic = "SPCL\x01";
constexpr size_t kNonceSize = 16;
constexpr size_t kMacSize = 32;
constexpr size_t kMaxHello = 1024;

absl::Status Bad(std::string_view what) {
  return MakeError(absl::StatusCode::kUnauthenticated, "CLUSTER_PEER_REFUSED",
                   what);
}

// Over both nonces, and which end it is, so that no proof can be sent back.
Sha256Digest Proof(const Secret& key, bool of_dialler, std::string_view dialler,
                   std::string_view acceptor, ByteSpan said) {
  return HmacSha256(key.DangerousBytes(),
                    {AsBytes(of_dialler ? std::string_view("cluster dials")
                                        : std::string_view("cluster accepts")),
                     AsBytes(dialler), AsBytes(acceptor), said});
}

std::string Nonce(RandomSource& random) {
  std::array<uint8_t, kNonceSize> out;
  random.Fill(absl::MakeSpan(out));
  return ToString(out);
}

TcpStream::Options TcpOptions(const ClusterLink::Options& options) {
  TcpStream::Options out;
  out.max_write_buffer = options.max_queue;
  out.connect_timeout = options.handshake_timeout;
  return out;
}

TlsStream::Options TlsOptions(const ClusterLink::Options& options) {
  TlsStream::Options out;
  out.tcp = TcpOptions(options);
  out.handshake_timeout = options.handshake_timeout;
  return out;
}

}  // namespace

ClusterLink::ClusterLink(EventLoop& loop, bool dialled,
                         const SocketAddress& remote, const Options& options,
                         const Self& self, RandomSource& random, Owner& owner)
    : loop_(loop),
      dialled_(dialled),
      remote_(remote),
      options_(options),
      self_(self),
      owner_(owner),
      timer_(loop.AddTimer([this](MonoTime now) { OnTimer(now); })),
      own_nonce_(Nonce(random)) {
  loop.SetTimer(timer_, loop.RefreshNow() + options.handshake_timeout);
}

ClusterLink::~ClusterLink() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  loop_.RemoveTimer(timer_);
}

absl::StatusOr<std::unique_ptr<ClusterLink>> ClusterLink::Dial(
    EventLoop& loop, const SocketAddress& to,
    std::shared_ptr<const TlsContext> tls, const Options& options,
    const Self& self, RandomSource& random, Owner& owner) {
  auto out = absl::WrapUnique(
      new ClusterLink(loop, true, to, options, self, random, owner));
  if (tls == nullptr) {
    SP_ASSIGN_OR_RETURN(
        out->stream_, TcpStream::Connect(loop, to, TcpOptions(options), *out));
  } else {
    SP_ASSIGN_OR_RETURN(out->stream_,
                        TlsStream::Connect(loop, to, std::move(tls),
                                           TlsOptions(options), *out));
  }
  return out;
}

absl::StatusOr<std::unique_ptr<ClusterLink>> ClusterLink::Accept(
    EventLoop& loop, UniqueFd fd, const SocketAddress& from,
    std::shared_ptr<const TlsContext> tls, const Options& options,
    const Self& self, RandomSource& random, Owner& owner) {
  auto out = absl::WrapUnique(
      new ClusterLink(loop, false, from, options, self, random, owner));
  if (tls == nullptr) {
    SP_ASSIGN_OR_RETURN(out->stream_,
                        TcpStream::Accept(loop, std::move(fd), from,
                                          TcpOptions(options), *out));
  } else {
    SP_ASSIGN_OR_RETURN(
        out->stream_,
        TlsStream::Accept(loop, std::move(fd), from, std::move(tls),
                          TlsOptions(options), *out));
  }
  return out;
}

absl::Status ClusterLink::SendFrame(std::string_view payload) {
  ByteBuilder out;
  out.WriteU32(static_cast<uint32_t>(payload.size()));
  out.WriteText(payload);
  return stream_->Write(out.written());
}

absl::Status ClusterLink::Send(std::string_view frame) {
  if (state_ != State::kUp || !dialled_) {
    return absl::FailedPreconditionError("the link is not up");
  }
  SP_RETURN_IF_ERROR(stream_->Write(AsBytes(frame)));
  sent_ += frame.size();
  if (stream_->buffered() == 0) {
    waiting_.clear();
  } else {
    waiting_.push_back(sent_);
    ForgetWritten();
  }
  return absl::OkStatus();
}

void ClusterLink::ForgetWritten() {
  // With TLS what waits is a little longer than what was said, which counts
  // a message that has just gone out as lost rather than the other way round.
  const size_t buffered = stream_->buffered();
  while (!waiting_.empty() && waiting_.front() + buffered <= sent_) {
    waiting_.pop_front();
  }
}

// Acceptor: magic and nonce. Dialler: nonce, what it is, proof. Acceptor: what
// it is, proof.
void ClusterLink::OnOpen() {
  state_ = State::kNonce;
  if (dialled_) return;
  state_ = State::kHello;
  std::string first(kMagic);
  first += own_nonce_;
  if (const absl::Status sent = SendFrame(first); !sent.ok()) Fail(sent);
}

absl::Status ClusterLink::SendHello() {
  ByteBuilder said;
  said.WriteU8(static_cast<uint8_t>(self_.edge_id.size()));
  said.WriteText(self_.edge_id);
  said.WriteU32(self_.loops);
  const Sha256Digest proof =
      Proof(self_.keys->first(), dialled_, dialled_ ? own_nonce_ : their_nonce_,
            dialled_ ? their_nonce_ : own_nonce_, said.written());
  ByteBuilder out;
  if (dialled_) out.WriteText(own_nonce_);
  out.WriteBytes(proof);
  out.WriteBytes(said.written());
  return SendFrame(AsText(out.written()));
}

absl::Status ClusterLink::OnHello(ByteSpan payload) {
  ByteReader reader(payload);
  if (!dialled_) {
    const auto nonce = reader.ReadBytes(kNonceSize);
    if (!nonce.has_value()) return Bad("it has sent no nonce");
    their_nonce_ = ToString(*nonce);
  }
  const auto proof = reader.ReadBytes(kMacSize);
  const ByteSpan said = payload.subspan(reader.offset());
  const auto edge_id = reader.ReadU8Prefixed();
  const auto loops = reader.ReadU32();
  if (!proof.has_value() || !edge_id.has_value() || edge_id->empty() ||
      !loops.has_value() || *loops == 0 || *loops > 1024 || !reader.empty()) {
    return Bad("its hello is malformed");
  }
  bool proven = false;
  for (const Secret& key : self_.keys->all()) {
    const Sha256Digest want =
        Proof(key, !dialled_, dialled_ ? own_nonce_ : their_nonce_,
              dialled_ ? their_nonce_ : own_nonce_, said);
    if (ConstantTimeEquals(want, *proof)) proven = true;
  }
  if (!proven) return Bad("it does not hold the token key of this cluster");
  edge_id_ = ToString(*edge_id);
  edge_ = EdgeNumber(edge_id_);
  loops_ = *loops;
  return absl::OkStatus();
}

absl::Status ClusterLink::OnFrame(ByteSpan payload) {
  switch (state_) {
    case State::kNonce: {
      const std::string_view first = AsText(payload);
      if (first.size() != kMagic.size() + kNonceSize ||
          !first.starts_with(kMagic)) {
        return Bad("it does not speak our protocol");
      }
      their_nonce_ = first.substr(kMagic.size());
      state_ = State::kHello;
      return SendHello();
    }
    case State::kHello: {
      SP_RETURN_IF_ERROR(OnHello(payload));
      if (!dialled_) SP_RETURN_IF_ERROR(SendHello());
      state_ = State::kUp;
      loop_.SetTimer(timer_,
                     loop_.now() + (dialled_ ? options_.ping : options_.dead));
      owner_.OnLinkUp(*this);
      return absl::OkStatus();
    }
    case State::kUp:
      if (payload.empty()) {
        return dialled_ ? absl::OkStatus() : SendFrame("");
      }
      if (dialled_) return Bad("it sends by a link that is ours");
      owner_.OnLinkFrame(*this, payload);
      return absl::OkStatus();
    case State::kConnecting:
    case State::kDown:
      break;
  }
  return absl::OkStatus();
}

void ClusterLink::OnData(ByteSpan data) {
  heard_ = loop_.now();
  input_.append(AsText(data));
  size_t used = 0;
  DestructionWatch watch(destroyed_);
  while (state_ != State::kDown) {
    ByteReader reader(AsBytes(input_).subspan(used));
    const auto size = reader.ReadU32();
    if (!size.has_value()) break;
    if (*size > (state_ == State::kUp ? kMaxClusterFrame : kMaxHello)) {
      return Fail(Bad("a frame is too long"));
    }
    const auto payload = reader.ReadBytes(*size);
    if (!payload.has_value()) break;
    used += kClusterLengthSize + *size;
    const absl::Status status = OnFrame(*payload);
    if (watch.destroyed()) return;
    if (!status.ok()) return Fail(status);
  }
  input_.erase(0, used);
}

void ClusterLink::OnEnd() {
  Fail(MakeError(absl::StatusCode::kUnavailable, "CLUSTER_PEER_LEFT",
                 "the other edge has ended the link"));
}

void ClusterLink::OnClosed(absl::Status why) { Fail(why); }

void ClusterLink::OnTimer(MonoTime now) {
  if (state_ != State::kUp || now - heard_ >= options_.dead) {
    return Fail(MakeError(absl::StatusCode::kDeadlineExceeded,
                          "CLUSTER_PEER_SILENT",
                          "the other edge gives no sign of life"));
  }
  if (dialled_) {
    // What waits already says more.
    if (stream_->buffered() == 0) {
      if (const absl::Status sent = SendFrame(""); !sent.ok()) {
        return Fail(sent);
      }
    }
    loop_.SetTimer(timer_, now + options_.ping);
  } else {
    loop_.SetTimer(timer_, heard_ + options_.dead);
  }
}

void ClusterLink::Fail(const absl::Status& why) {
  if (state_ == State::kDown) return;
  state_ = State::kDown;
  loop_.SetTimer(timer_, MonoTime::InfiniteFuture());
  if (stream_ != nullptr) {
    ForgetWritten();
    stream_->Close();
  }
  owner_.OnLinkDown(*this, why);
}

}  // namespace sallyport::signaling_edge
