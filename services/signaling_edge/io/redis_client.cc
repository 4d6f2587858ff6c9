#include "services/signaling_edge/io/redis_client.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <utility>

#include "services/common/net/tcp_stream.h"
#include "services/common/status/error_reason.h"
#include "services/common/tls/tls_stream.h"

namespace sallyport::signaling_edge {
namespace {

// An idle connection is tried as often as that.
constexpr absl::Duration kPingInterval = absl::Seconds(2);

absl::Status Unavailable(std::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable, "REGISTRY_UNAVAILABLE",
                   what);
}

RedisReply Convert(const redisReply& in) {
  RedisReply out;
  out.is_null = in.type == REDIS_REPLY_NIL;
  if (in.type == REDIS_REPLY_INTEGER) out.number = in.integer;
  if (in.str != nullptr) out.text.assign(in.str, in.len);
  for (size_t i = 0; i < in.elements; ++i) {
    out.elements.push_back(Convert(*in.element[i]));
  }
  return out;
}

}  // namespace

RedisClient::RedisClient(EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      timer_(loop.AddTimer([this](MonoTime now) { OnTimer(now); })),
      next_try_(loop.now()),
      backoff_(options_.min_backoff) {
  loop_.SetTimer(timer_, next_try_);
}

RedisClient::~RedisClient() {
  *alive_ = false;
  loop_.RemoveTimer(timer_);
  stream_.reset();
  if (reader_ != nullptr) redisReaderFree(reader_);
}

void RedisClient::Dial() {
  next_try_ = loop_.now() + options_.timeout + backoff_;
  backoff_ = std::min(backoff_ * 2, options_.max_backoff);
  Rearm();
  options_.resolve([this, alive = alive_,
                    dial = ++dial_](absl::StatusOr<Addresses> addresses) {
    if (!*alive || dial != dial_ || stream_ != nullptr) return;
    if (!addresses.ok() || addresses->empty()) return;
    const SocketAddress to = (*addresses)[0].WithPort(options_.port);
    TcpStream::Options tcp;
    tcp.connect_timeout = options_.timeout;
    if (options_.tls == nullptr) {
      auto stream = TcpStream::Connect(loop_, to, tcp, *this);
      if (stream.ok()) stream_ = *std::move(stream);
      return;
    }
    TlsStream::Options tls;
    tls.tcp = tcp;
    tls.handshake_timeout = options_.timeout;
    tls.server_name = options_.host;
    auto stream = TlsStream::Connect(loop_, to, options_.tls, tls, *this);
    if (stream.ok()) stream_ = *std::move(stream);
  });
}

void RedisClient::OnOpen() {
  if (reader_ != nullptr) redisReaderFree(reader_);
  reader_ = redisReaderCreate();
  std::vector<std::string> first = {"PING"};
  if (!options_.password.empty()) {
    first = {"AUTH", options_.password};
    if (!options_.username.empty()) {
      first.insert(first.begin() + 1, options_.username);
    }
  }
  Send(first, [this](absl::StatusOr<RedisReply> reply) {
    if (reply.ok()) {
      SetUp();
    } else if (ReasonOf(reply.status()) == "REGISTRY_ERROR") {
      // Not the one that we may use (yet): it may be loading its data.
      Fail(reply.status());
    }
  });
}

void RedisClient::SetUp() {
  up_ = true;
  backoff_ = options_.min_backoff;
  next_ping_ = loop_.now() + kPingInterval;
  Rearm();
  if (options_.on_state) options_.on_state(true);
}

void RedisClient::Send(const std::vector<std::string>& words, Done done) {
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* wire = nullptr;
  const auto size = redisFormatCommandArgv(
      &wire, static_cast<int>(words.size()), texts.data(), sizes.data());
  if (size < 0) return Later(std::move(done), "memory is short");
  const absl::Status status = stream_->Write(ByteSpan(
      reinterpret_cast<const uint8_t*>(wire), static_cast<size_t>(size)));
  redisFreeCommand(wire);
  if (!status.ok()) return Later(std::move(done), "it takes no more");
  waiting_.push_back({std::move(done), loop_.now() + options_.timeout});
  if (waiting_.size() == 1) Rearm();
}

void RedisClient::Later(Done done, std::string_view why) {
  loop_.Defer([alive = alive_, done = std::move(done), why = Unavailable(why)] {
    if (*alive) done(why);
  });
}

void RedisClient::Command(const std::vector<std::string>& words, Done done) {
  if (!up_) return Later(std::move(done), "there is no connection to it");
  if (waiting_.size() >= options_.max_waiting) {
    return Later(std::move(done), "too much waits for it");
  }
  Send(words, std::move(done));
}

void RedisClient::OnData(ByteSpan data) {
  if (reader_ == nullptr) return;
  if (redisReaderFeed(reader_, reinterpret_cast<const char*>(data.data()),
                      data.size()) != REDIS_OK) {
    return Fail(Unavailable("its answer cannot be read"));
  }
  const std::shared_ptr<bool> alive = alive_;
  const uint64_t dial = dial_;
  for (;;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_, &raw) != REDIS_OK) {
      return Fail(Unavailable("its answer cannot be read"));
    }
    if (raw == nullptr) break;
    const auto reply = std::unique_ptr<redisReply, void (*)(void*)>(
        static_cast<redisReply*>(raw), freeReplyObject);
    if (waiting_.empty()) return Fail(Unavailable("it answers unasked"));
    const Done done = std::move(waiting_.front().done);
    waiting_.pop_front();
    if (reply->type == REDIS_REPLY_ERROR) {
      done(MakeError(absl::StatusCode::kInternal, "REGISTRY_ERROR",
                     std::string_view(reply->str, reply->len)));
    } else {
      done(Convert(*reply));
    }
    // What was called may have ended this connection, or this object.
    if (!*alive || dial != dial_ || stream_ == nullptr) return;
  }
  next_ping_ = loop_.now() + kPingInterval;
  Rearm();
}

void RedisClient::OnEnd() { Fail(Unavailable("it closed the connection")); }

void RedisClient::OnClosed(absl::Status /*reason*/) {
  Fail(Unavailable("the connection to it was lost"));
}

void RedisClient::Fail(const absl::Status& why) {
  if (stream_ == nullptr) return;
  // It may be what is calling.
  stream_->Close();
  loop_.Defer([gone = std::shared_ptr<ByteStream>(std::move(stream_))]() {});
  const bool was_up = std::exchange(up_, false);
  ++dial_;
  next_try_ = loop_.now() + backoff_;
  const std::deque<Waiting> waiting = std::exchange(waiting_, {});
  Rearm();
  const std::shared_ptr<bool> alive = alive_;
  if (was_up && options_.on_state) options_.on_state(false);
  for (const Waiting& each : waiting) {
    if (!*alive) return;
    each.done(absl::IsUnavailable(why) ? why : Unavailable("it refuses us"));
  }
}

void RedisClient::Rearm() {
  MonoTime next = MonoTime::InfiniteFuture();
  if (!waiting_.empty()) {
    next = waiting_.front().deadline;
  } else if (up_) {
    next = next_ping_;
  }
  if (!up_) next = std::min(next, next_try_);
  loop_.SetTimer(timer_, next);
}

void RedisClient::OnTimer(MonoTime now) {
  if (!waiting_.empty() && waiting_.front().deadline <= now) {
    return Fail(Unavailable("it does not answer"));
  }
  if (up_) {
    if (waiting_.empty() && next_ping_ <= now) {
      next_ping_ = now + kPingInterval;
      Send({"PING"}, [](const absl::StatusOr<RedisReply>&) {});
    }
  } else if (next_try_ <= now) {
    if (stream_ != nullptr) {
      Fail(Unavailable("it is not ready in time"));
    } else {
      Dial();
      return;
    }
  }
  Rearm();
}

}  // namespace sallyport::signaling_edge
