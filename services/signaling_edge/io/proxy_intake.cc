#include "services/signaling_edge/io/proxy_intake.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/proxy_header.h"
#include "services/signaling_edge/core/source_prefix.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Missing(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PROXY_HEADER_MISSING",
                   what);
}

}  // namespace

ProxyIntake::ProxyIntake(EventLoop& loop, Options options, Accepted accepted,
                         Refused refused)
    : loop_(loop),
      options_(std::move(options)),
      accepted_(std::move(accepted)),
      refused_(std::move(refused)),
      timer_(loop.AddTimer([this](MonoTime now) { OnTimer(now); })) {}

ProxyIntake::~ProxyIntake() {
  for (const auto& [id, waiting] : waiting_) loop_.Remove(waiting->fd.get());
  loop_.RemoveTimer(timer_);
}

bool ProxyIntake::IsProxy(const SocketAddress& from) const {
  return std::any_of(
      options_.prefixes.begin(), options_.prefixes.end(),
      [&](const std::string& prefix) { return InPrefix(from, prefix); });
}

void ProxyIntake::Take(ListenerId listener, UniqueFd fd,
                       const SocketAddress& from) {
  if (waiting_.size() >= options_.max_waiting) {
    return refused_(
        listener, from,
        MakeError(absl::StatusCode::kResourceExhausted, "PROXY_LIMIT",
                  "too many connections wait for a header"));
  }
  const uint64_t id = ++last_;
  auto waiting = std::make_unique<Waiting>(
      Waiting{listener, std::move(fd), from, {}, kProxyPrefixSize});
  const absl::Status added = loop_.Add(
      waiting->fd.get(), kReadable, [this, id](IoEvents) { OnReadable(id); },
      Rank::kLast);
  if (!added.ok()) return refused_(listener, from, added);
  waiting_[id] = std::move(waiting);
  const MonoTime deadline = loop_.now() + options_.timeout;
  if (deadlines_.empty()) loop_.SetTimer(timer_, deadline);
  deadlines_.emplace_back(id, deadline);
}

void ProxyIntake::OnReadable(uint64_t id) {
  Waiting& waiting = *waiting_.find(id)->second;
  while (waiting.header.size() < waiting.wanted) {
    std::array<char, 512> buffer;
    const size_t room = waiting.wanted - waiting.header.size();
    const ssize_t size =
        recv(waiting.fd.get(), buffer.data(), std::min(room, buffer.size()), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size <= 0) {
      // A balancer that only asks whether we are there says nothing.
      if (waiting.header.empty()) {
        loop_.Remove(waiting.fd.get());
        waiting_.erase(id);
        return;
      }
      return Refuse(id, Missing("it ended within the PROXY header"));
    }
    waiting.header.append(buffer.data(), static_cast<size_t>(size));
    if (waiting.header.size() != kProxyPrefixSize ||
        waiting.wanted != kProxyPrefixSize) {
      continue;
    }
    const auto wanted = ProxyHeaderSize(AsBytes(waiting.header));
    if (!wanted.ok()) {
      return Refuse(id, LooksLikeProxyHeader(waiting.header)
                            ? wanted.status()
                            : Missing("no PROXY header came first"));
    }
    waiting.wanted = *wanted;
  }
  const auto header = ParseProxyHeader(AsBytes(waiting.header));
  if (!header.ok()) return Refuse(id, header.status());
  const auto node = waiting_.extract(id);
  Waiting& done = *node.mapped();
  loop_.Remove(done.fd.get());
  accepted_(done.listener, std::move(done.fd),
            header->source.value_or(done.from));
}

void ProxyIntake::Refuse(uint64_t id, const absl::Status& why) {
  const auto node = waiting_.extract(id);
  const Waiting& gone = *node.mapped();
  loop_.Remove(gone.fd.get());
  refused_(gone.listener, gone.from, why);
}

void ProxyIntake::OnTimer(MonoTime now) {
  while (!deadlines_.empty() && deadlines_.front().second <= now) {
    const uint64_t id = deadlines_.front().first;
    deadlines_.pop_front();
    if (!waiting_.contains(id)) continue;
    Refuse(id, MakeError(absl::StatusCode::kDeadlineExceeded,
                         "PROXY_HEADER_TIMEOUT",
                         "the PROXY header did not come in time"));
  }
  loop_.SetTimer(timer_, deadlines_.empty() ? MonoTime::InfiniteFuture()
                                            : deadlines_.front().second);
}

}  // namespace sallyport::signaling_edge
