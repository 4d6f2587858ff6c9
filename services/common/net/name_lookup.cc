#include "services/common/net/name_lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <utility>

#include "absl/memory/memory.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

constexpr size_t kMaxAnswers = 100'000;  // that wait to be looked at

}  // namespace

std::vector<SocketAddress> LookUp(const HostPort& of) {
  std::vector<SocketAddress> out;
  if (const auto literal = SocketAddress::FromIp(of.host, of.port);
      literal.ok()) {
    out.push_back(*literal);
    return out;
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (getaddrinfo(of.host.c_str(), nullptr, &hints, &found) != 0) return out;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (const auto address =
            SocketAddress::FromSockaddr(one->ai_addr, one->ai_addrlen)) {
      out.push_back(address->WithPort(of.port));
    }
  }
  return out;
}

absl::StatusOr<std::unique_ptr<NameLookup>> NameLookup::Create(
    EventLoop& loop, OnAnswer on_answer) {
  auto lookup = absl::WrapUnique(new NameLookup);
  SP_ASSIGN_OR_RETURN(
      lookup->box_,
      Mailbox<Answer>::Create(loop, kMaxAnswers,
                              [tell = std::move(on_answer)](Answer answer) {
                                tell(answer.of, std::move(answer.addresses));
                              }));
  lookup->thread_ = std::thread([l = lookup.get()] { l->Run(); });
  return lookup;
}

NameLookup::~NameLookup() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void NameLookup::Ask(HostPort of) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(of));
}

void NameLookup::Run() {
  pthread_setname_np(pthread_self(), "name-lookup");
  for (;;) {
    HostPort next;
    {
      auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !queue_.empty();
      };
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    std::vector<SocketAddress> addresses = LookUp(next);
    (void)box_->Send({std::move(next), std::move(addresses)});
  }
}

}  // namespace sallyport
