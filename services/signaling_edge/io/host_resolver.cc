#include "services/signaling_edge/io/host_resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/dns/srv_order.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

// Of one name that are tried.
constexpr size_t kMaxServers = 16;

// What getaddrinfo() returns; 0 fills `out`.
int AddressesOf(const std::string& host, int family,
                HostResolver::Addresses& out) {
  addrinfo hints = {};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return error;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const auto address =
        SocketAddress::FromSockaddr(each->ai_addr, each->ai_addrlen);
    if (!address.has_value()) continue;
    const SocketAddress bare = address->WithPort(0);
    if (std::find(out.begin(), out.end(), bare) == out.end()) {
      out.push_back(bare);
    }
  }
  freeaddrinfo(found);
  return 0;
}

// Both come in the order of RFC 6724, as the system has sorted them.
absl::StatusOr<HostResolver::Addresses> Lookup(const std::string& host,
                                               AddressFamily family) {
  const bool v6 = family == AddressFamily::kIpv6Only;
  const bool any = family == AddressFamily::kAny;
  HostResolver::Addresses out;
  int error = AddressesOf(host, any ? AF_UNSPEC : v6 ? AF_INET6 : AF_INET, out);
  if (!any &&
      (error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY)) {
    error = AddressesOf(host, v6 ? AF_INET : AF_INET6, out);
  }
  if (error != 0) {
    return MakeError(absl::StatusCode::kUnavailable, "HOST_NOT_FOUND",
                     gai_strerror(error));
  }
  return out;
}

// Of a name's addresses those that `family` says.
HostResolver::Addresses OfFamily(const HostResolver::Addresses& all,
                                 AddressFamily family) {
  if (family == AddressFamily::kAny) return all;
  HostResolver::Addresses out;
  for (const SocketAddress& each : all) {
    if (each.is_v6() == (family == AddressFamily::kIpv6Only)) {
      out.push_back(each);
    }
  }
  return out.empty() ? all : out;
}

// "2001:db8::1", with or without brackets, or "192.0.2.1".
absl::StatusOr<SocketAddress> Literal(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return SocketAddress::FromIp(host, 0);
}

// What NAPTR calls the transport that an SRV name prefix stands for.
absl::string_view NaptrServiceOf(absl::string_view service) {
  if (service == "_sips._tcp") return "SIPS+D2T";
  return service == "_sip._tcp" ? "SIP+D2T" : "SIP+D2U";
}

}  // namespace

HostResolver::HostResolver(EventLoop& loop, Options options,
                           RandomSource& random)
    : loop_(loop),
      options_(std::move(options)),
      random_(random),
      timer_(loop.AddTimer([this](MonoTime now) { OnTimer(now); })) {}

absl::StatusOr<std::unique_ptr<HostResolver>> HostResolver::Create(
    EventLoop& loop, Options options, RandomSource& random) {
  if (!options.lookup) options.lookup = Lookup;
  if (!options.source) options.source = SourceFor;
  auto out =
      absl::WrapUnique(new HostResolver(loop, std::move(options), random));
  if (out->options_.dns.has_value()) {
    SP_ASSIGN_OR_RETURN(out->dns_, DnsClient::Create(loop, *out->options_.dns));
  }
  HostResolver* const self = out.get();
  SP_ASSIGN_OR_RETURN(
      out->answers_,
      // Lookups that were given up may still answer, so twice as many.
      Mailbox<Answer>::Create(
          loop, 2 * out->options_.max_waiting + 64, [self](Answer answer) {
            self->Finish(answer.query, std::move(answer.addresses));
          }));
  out->threads_ = std::make_unique<TaskThread>(out->options_.max_waiting,
                                               out->options_.threads);
  return out;
}

HostResolver::~HostResolver() {
  dns_.reset();
  threads_.reset();
  loop_.RemoveTimer(timer_);
}

void HostResolver::Resolve(const std::string& host, const std::string& service,
                           AddressFamily family, Done done) {
  const uint64_t query = ++last_query_;
  const auto answer_later = [&](absl::StatusOr<Addresses> addresses) {
    waiting_.emplace(query, Waiting{family, std::move(done)});
    loop_.Defer([this, query, addresses = std::move(addresses)]() mutable {
      Finish(query, std::move(addresses));
    });
  };
  const std::string name = absl::AsciiStrToLower(host);
  if (const auto literal = Literal(name); literal.ok()) {
    return answer_later(Addresses{*literal});
  }
  if (const auto it = options_.static_hosts.find(name);
      it != options_.static_hosts.end()) {
    return answer_later(OfFamily(it->second, family));
  }
  if (waiting_.size() >= options_.max_waiting) {
    return answer_later(MakeError(absl::StatusCode::kResourceExhausted,
                                  "HOST_LOOKUP_OVERLOAD",
                                  "too many host names are being resolved"));
  }
  waiting_.emplace(query, Waiting{family, std::move(done)});
  deadlines_.Set(query, loop_.now() + options_.deadline);
  loop_.SetTimer(timer_, deadlines_.next());
  if (dns_ != nullptr && !service.empty()) {
    dns_->Ask({name, DnsType::kNaptr},
              [this, query, name, service](const DnsAnswer& answer) {
                OnPointers(query, name, service, answer);
              });
  } else if (dns_ != nullptr && !options_.dns->servers.empty()) {
    AskAddresses(query, {{.name = name}});
  } else {
    LookUp(query, name);
  }
}

void HostResolver::LookUp(uint64_t query, const std::string& name) {
  const absl::Status posted =
      threads_->Post([box = answers_.get(), lookup = options_.lookup, query,
                      name, family = waiting_.at(query).family] {
        // A full box means that nobody has waited for this for long.
        box->Send(Answer{query, lookup(name, family)}).IgnoreError();
      });
  if (!posted.ok()) {
    loop_.Defer([this, query] {
      Finish(query, MakeError(absl::StatusCode::kResourceExhausted,
                              "HOST_LOOKUP_OVERLOAD",
                              "too many host names are being resolved"));
    });
  }
}

void HostResolver::OnPointers(uint64_t query, const std::string& name,
                              const std::string& service,
                              const DnsAnswer& answer) {
  if (!waiting_.contains(query)) return;
  const NaptrRecord* best = nullptr;
  for (const NaptrRecord& each : answer.pointers) {
    // Section 4.1: "s" leads to SRV records; others are not for us, nor are
    // those of another transport than the peer's own.
    if (!absl::EqualsIgnoreCase(each.flags, "s") ||
        !absl::EqualsIgnoreCase(each.service, NaptrServiceOf(service)) ||
        each.replacement.empty()) {
      continue;
    }
    if (best == nullptr || std::tie(each.order, each.preference) <
                               std::tie(best->order, best->preference)) {
      best = &each;
    }
  }
  const std::string where = best == nullptr
                                ? service + "." + name
                                : absl::AsciiStrToLower(best->replacement);
  dns_->Ask({where, DnsType::kSrv},
            [this, query, name](const DnsAnswer& services) {
              OnServices(query, name, services);
            });
}

void HostResolver::OnServices(uint64_t query, const std::string& name,
                              const DnsAnswer& answer) {
  if (!waiting_.contains(query)) return;
  if (answer.outcome != DnsOutcome::kFound || answer.services.empty()) {
    // Section 4.2: then the name itself.
    if (options_.dns->servers.empty()) return LookUp(query, name);
    return AskAddresses(query, {{.name = name}});
  }
  std::vector<Gathering::Server> servers;
  for (const SrvRecord& each : OrderServices(answer.services, random_)) {
    if (servers.size() == kMaxServers) break;
    servers.push_back({.name = each.target, .port = each.port});
  }
  // None: decidedly no such service.
  if (servers.empty()) return Finish(query, Addresses());
  AskAddresses(query, std::move(servers));
}

void HostResolver::AskAddresses(uint64_t query,
                                std::vector<Gathering::Server> servers) {
  const AddressFamily family = waiting_.at(query).family;
  const size_t count = servers.size();
  Gathering& gathering = gatherings_[query];
  gathering.servers = std::move(servers);
  gathering.open = family == AddressFamily::kAny ? 2 * count : count;
  for (size_t i = 0; i < count; ++i) {
    if (family != AddressFamily::kIpv6Only) AskAddress(query, i, DnsType::kA);
    if (family != AddressFamily::kIpv4Only) {
      AskAddress(query, i, DnsType::kAaaa);
    }
  }
}

void HostResolver::AskAddress(uint64_t query, size_t server, DnsType type) {
  dns_->Ask({gatherings_.at(query).servers[server].name, type},
            [this, query, server, type](const DnsAnswer& answer) {
              OnAddresses(query, server, type, answer);
            });
}

void HostResolver::OnAddresses(uint64_t query, size_t server, DnsType type,
                               const DnsAnswer& answer) {
  const auto it = gatherings_.find(query);
  if (it == gatherings_.end()) return;  // it was given up
  Gathering::Server& asked = it->second.servers[server];
  (type == DnsType::kA ? asked.v4 : asked.v6) = answer.addresses;
  const AddressFamily family = waiting_.at(query).family;
  const DnsType wanted =
      family == AddressFamily::kIpv6Only ? DnsType::kAaaa : DnsType::kA;
  // The name has not both. A question that failed does not say so.
  if (family != AddressFamily::kAny && type == wanted &&
      answer.outcome == DnsOutcome::kNone) {
    return AskAddress(query, server,
                      type == DnsType::kA ? DnsType::kAaaa : DnsType::kA);
  }
  if (--it->second.open > 0) return;
  Addresses out;
  for (const Gathering::Server& each : it->second.servers) {
    Addresses of_server = each.v4;
    of_server.insert(of_server.end(), each.v6.begin(), each.v6.end());
    if (!each.v4.empty() && !each.v6.empty()) {
      of_server = OrderAddresses(std::move(of_server), options_.source);
    }
    for (const SocketAddress& address : of_server) {
      out.push_back(address.WithPort(each.port));
    }
  }
  Finish(query, std::move(out));
}

void HostResolver::Finish(uint64_t query, absl::StatusOr<Addresses> addresses) {
  const auto it = waiting_.find(query);
  if (it == waiting_.end()) return;  // it came too late
  const Done done = std::move(it->second.done);
  waiting_.erase(it);
  gatherings_.erase(query);
  deadlines_.Erase(query);
  loop_.SetTimer(timer_, deadlines_.next());
  if (addresses.ok() && addresses->empty()) {
    addresses = MakeError(absl::StatusCode::kUnavailable, "HOST_NOT_FOUND",
                          "the name has no address");
  }
  done(std::move(addresses));
}

void HostResolver::OnTimer(MonoTime now) {
  while (const auto query = deadlines_.PopExpired(now)) {
    Finish(*query,
           MakeError(absl::StatusCode::kDeadlineExceeded, "HOST_LOOKUP_TIMEOUT",
                     "the name was not resolved in time"));
  }
  loop_.SetTimer(timer_, deadlines_.next());
}

}  // namespace sallyport::signaling_edge
