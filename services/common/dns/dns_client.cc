#include "services/common/dns/dns_client.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/select.h>
#include <sys/time.h>

#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/dns/dns_reply.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr size_t kMaxName = 253;

int NumberOf(DnsType type) {
  switch (type) {
    case DnsType::kA:
      return ns_t_a;
    case DnsType::kAaaa:
      return ns_t_aaaa;
    case DnsType::kSrv:
      return ns_t_srv;
    case DnsType::kNaptr:
      return ns_t_naptr;
  }
  return ns_t_a;
}

absl::Status Unavailable(int code) {
  return MakeError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                   ares_strerror(code));
}

// c-ares wants to be initialised once, by one thread.
int InitLibrary() {
  static std::once_flag once;
  static int result = ARES_SUCCESS;
  std::call_once(once, [] { result = ares_library_init(ARES_LIB_INIT_ALL); });
  return result;
}

}  // namespace

// What c-ares gives back with a reply.
struct DnsClient::Pending {
  DnsClient* client;
  DnsQuestion question;
};

DnsClient::DnsClient(EventLoop& loop, const Options& options)
    : loop_(loop),
      options_(options),
      cache_(options.cache),
      timer_(loop.AddTimer([this](MonoTime) {
        ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        Arm();
      })) {}

absl::StatusOr<std::unique_ptr<DnsClient>> DnsClient::Create(
    EventLoop& loop, const Options& options) {
  if (const int code = InitLibrary(); code != ARES_SUCCESS) {
    return Unavailable(code);
  }
  std::unique_ptr<DnsClient> self(new DnsClient(loop, options));
  ares_options ares = {};
  ares.sock_state_cb = &DnsClient::OnSocketState;
  ares.sock_state_cb_data = self.get();
  ares.timeout =
      static_cast<int>(absl::ToInt64Milliseconds(options.try_timeout));
  ares.tries = options.tries;
  // A name is asked as it is, and the hosts file is not for these types.
  ares.ndots = 0;
  ares.ndomains = 0;
  const int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS |
                   ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_DOMAINS;
  int code = ares_init_options(&self->channel_, &ares, mask);
  if (code != ARES_SUCCESS) return Unavailable(code);
  if (!options.servers.empty()) {
    const std::string list = absl::StrJoin(
        options.servers, ",", [](std::string* out, const SocketAddress& one) {
          out->append(one.ToString());
        });
    code = ares_set_servers_ports_csv(self->channel_, list.c_str());
    if (code != ARES_SUCCESS) return Unavailable(code);
  }
  return self;
}

DnsClient::~DnsClient() {
  *alive_ = false;
  loop_.RemoveTimer(timer_);
  // Replies that are waited for come now, as cancelled, and find no one.
  waiting_.clear();
  if (channel_ != nullptr) ares_destroy(channel_);
  for (const int fd : watched_) loop_.Remove(fd);
}

void DnsClient::Ask(DnsQuestion question, Done done) {
  absl::AsciiStrToLower(&question.name);
  if (!question.name.empty() && question.name.back() == '.') {
    question.name.pop_back();
  }
  if (question.name.empty() || question.name.size() > kMaxName) {
    DnsAnswer none;
    none.outcome = DnsOutcome::kNone;
    AnswerLater(std::move(done), std::make_shared<const DnsAnswer>(none));
    return;
  }
  if (auto known = cache_.Find(question, loop_.now()); known != nullptr) {
    AnswerLater(std::move(done), std::move(known));
    return;
  }
  if (const auto it = waiting_.find(question); it != waiting_.end()) {
    it->second.push_back(std::move(done));
    return;
  }
  if (waiting_.size() >= options_.max_waiting) {
    AnswerLater(std::move(done), std::make_shared<const DnsAnswer>());
    return;
  }
  waiting_[question].push_back(std::move(done));
  auto pending = std::make_unique<Pending>(Pending{this, question});
  // It may answer from within, so that what it answers is sent later.
  ares_query(channel_, question.name.c_str(), ns_c_in, NumberOf(question.type),
             &DnsClient::OnReply, pending.release());
  Arm();
}

void DnsClient::OnReply(void* arg, int status, int /*timeouts*/,
                        unsigned char* reply, int size) {
  const std::unique_ptr<Pending> pending(static_cast<Pending*>(arg));
  DnsAnswer answer;
  if (reply != nullptr && size > 0) {
    answer = ReadDnsReply(ByteSpan(reply, static_cast<size_t>(size)),
                          pending->question.type);
  } else if (status == ARES_ENOTFOUND || status == ARES_ENODATA ||
             status == ARES_EBADNAME) {
    answer.outcome = DnsOutcome::kNone;
  }
  pending->client->Finish(pending->question, std::move(answer));
}

void DnsClient::Finish(const DnsQuestion& question, DnsAnswer answer) {
  const auto it = waiting_.find(question);
  if (it == waiting_.end()) return;
  const std::vector<Done> asked = std::move(it->second);
  waiting_.erase(it);
  cache_.Store(question, answer, loop_.now());
  const auto shared = std::make_shared<const DnsAnswer>(std::move(answer));
  for (const Done& done : asked) AnswerLater(done, shared);
}

void DnsClient::AnswerLater(Done done,
                            std::shared_ptr<const DnsAnswer> answer) {
  loop_.Defer(
      [alive = alive_, done = std::move(done), answer = std::move(answer)] {
        if (*alive) done(*answer);
      });
}

void DnsClient::OnSocketState(void* arg, int fd, int readable, int writable) {
  auto* const self = static_cast<DnsClient*>(arg);
  if (readable == 0 && writable == 0) {
    if (self->watched_.erase(fd) != 0) self->loop_.Remove(fd);
    return;
  }
  const IoEvents interest = {
      .readable = readable != 0, .writable = writable != 0, .failed = false};
  if (self->watched_.contains(fd)) {
    self->loop_.Modify(fd, interest).IgnoreError();
    return;
  }
  // Without a watch the question times out, which is an answer too.
  if (self->loop_
          .Add(fd, interest,
               [self, fd](IoEvents ready) { self->OnIo(fd, ready); })
          .ok()) {
    self->watched_.insert(fd);
  }
}

void DnsClient::OnIo(int fd, IoEvents ready) {
  ares_process_fd(channel_,
                  ready.readable || ready.failed ? fd : ARES_SOCKET_BAD,
                  ready.writable ? fd : ARES_SOCKET_BAD);
  Arm();
}

void DnsClient::Arm() {
  timeval wait = {};
  if (ares_timeout(channel_, nullptr, &wait) == nullptr) {
    loop_.SetTimer(timer_, MonoTime::InfiniteFuture());
    return;
  }
  // Counted from a fresh reading, and a little late: woken too early, c-ares
  // finds nothing to do, and the loop would turn until it does.
  loop_.SetTimer(timer_, loop_.RefreshNow() + absl::DurationFromTimeval(wait) +
                             absl::Milliseconds(1));
}

}  // namespace sallyport
