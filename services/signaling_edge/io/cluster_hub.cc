#include "services/signaling_edge/io/cluster_hub.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "absl/memory/memory.h"
#include "services/common/digit_analysis/peer_entries.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/common/time/mono_time.h"

namespace sallyport::signaling_edge {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(200);

}  // namespace

ClusterHub::ClusterHub(Options options, RandomSource& random)
    : options_(std::move(options)), random_(random) {}

absl::StatusOr<std::unique_ptr<ClusterHub>> ClusterHub::Create(
    Options options, RandomSource& random) {
  auto out = absl::WrapUnique(new ClusterHub(std::move(options), random));
  SP_RETURN_IF_ERROR(out->Init());
  return out;
}

absl::Status ClusterHub::Init() {
  SP_ASSIGN_OR_RETURN(loop_, EventLoop::Create());
  SP_ASSIGN_OR_RETURN(
      outgoing_, Mailbox<ClusterMessage>::Create(
                     *loop_, options_.max_waiting,
                     [this](ClusterMessage message) { Forward(message); }));
  SP_ASSIGN_OR_RETURN(hosts_,
                      HostResolver::Create(*loop_, options_.hosts, random_));
  SP_ASSIGN_OR_RETURN(tls_, options_.make_tls());
  SP_ASSIGN_OR_RETURN(
      listener_,
      TcpListener::Listen(*loop_, options_.listen, {},
                          [this](UniqueFd fd, const SocketAddress& from) {
                            OnAccept(std::move(fd), from);
                          }));
  timer_ = loop_->AddTimer([this](MonoTime now) { OnTimer(now); });
  return absl::OkStatus();
}

ClusterHub::~ClusterHub() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
  targets_.clear();
  accepted_.clear();
  if (timer_.has_value()) loop_->RemoveTimer(*timer_);
}

void ClusterHub::Start() {
  tls_at_ = loop_->RefreshNow() + options_.tls_refresh;
  loop_->SetTimer(*timer_, loop_->now());
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "edge_cluster");
    loop_->Run();
  });
}

bool ClusterHub::Send(ClusterMessage message) {
  if (outgoing_->Send(std::move(message)).ok()) return true;
  ++dropped_;
  return false;
}

void ClusterHub::Forward(const ClusterMessage& message) {
  const auto it = by_edge_.find(message.to.edge);
  if (it == by_edge_.end() ||
      !it->second->Send(WriteClusterFrame(message)).ok()) {
    // It fell between the loss of the link and the news of it, or the other
    // edge does not read: SIP's own timers tell the rest.
    ++dropped_;
  }
}

// --------------------------------------------------------------- who is there

void ClusterHub::OnTimer(MonoTime now) {
  if (now >= tls_at_) {
    tls_at_ = now + options_.tls_refresh;
    RefreshTls();
  }
  if (now >= resolve_at_) {
    resolve_at_ = now + options_.refresh;
    Resolve();
  }
  DialAll();
  loop_->SetTimer(*timer_, now + kTick);
}

void ClusterHub::RefreshTls() {
  auto made = options_.make_tls();
  if (made.ok()) {
    tls_ = *std::move(made);
  } else {
    SALLYPORT_LOG_LIMITED(kWarning,
                          "the certificate for other edges cannot be read");
  }
}

void ClusterHub::Resolve() {
  for (const std::string& peer : options_.peers) {
    const size_t colon = peer.rfind(':');
    std::string host = peer.substr(0, colon);
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const uint16_t port =
        static_cast<uint16_t>(std::atoi(peer.c_str() + colon + 1));
    hosts_->Resolve(
        host, "", AddressFamily::kAny,
        [this, peer, port](absl::StatusOr<HostResolver::Addresses> addresses) {
          // A name server that fails is no reason to forget who is there.
          if (!addresses.ok()) return;
          for (SocketAddress& each : *addresses) each = each.WithPort(port);
          OnResolved(peer, *addresses);
        });
  }
}

void ClusterHub::OnResolved(const std::string& peer,
                            const std::vector<SocketAddress>& addresses) {
  found_[peer] = addresses;
  for (auto& [address, target] : targets_) target.wanted = false;
  for (const auto& [name, all] : found_) {
    for (const SocketAddress& address : all) targets_[address].wanted = true;
  }
  absl::erase_if(targets_, [](const auto& each) {
    return !each.second.wanted && each.second.link == nullptr;
  });
  DialAll();
}

void ClusterHub::DialAll() {
  for (auto& [address, target] : targets_) {
    if (target.link != nullptr || !target.wanted || target.is_self ||
        loop_->now() < target.again) {
      continue;
    }
    target.again = loop_->now() + options_.refresh;
    auto link = ClusterLink::Dial(*loop_, address, tls_.client, options_.link,
                                  options_.self, random_, *this);
    if (link.ok()) target.link = *std::move(link);
  }
}

void ClusterHub::OnAccept(UniqueFd fd, const SocketAddress& from) {
  if (accepted_.size() >= options_.max_accepted) return;
  auto link = ClusterLink::Accept(*loop_, std::move(fd), from, tls_.server,
                                  options_.link, options_.self, random_, *this);
  if (!link.ok()) return;
  ClusterLink* const key = link->get();
  accepted_[key] = *std::move(link);
}

ClusterHub::Target* ClusterHub::TargetOf(const ClusterLink& link) {
  const auto it = targets_.find(link.remote());
  return it == targets_.end() || it->second.link.get() != &link ? nullptr
                                                                : &it->second;
}

void ClusterHub::OnLinkUp(ClusterLink& link) {
  if (!link.dialled()) return TellEdges();
  Target* const target = TargetOf(link);
  if (link.edge_id() == options_.self.edge_id) {
    target->is_self = true;
    // It is what is calling.
    loop_->Defer([gone = std::shared_ptr<ClusterLink>(
                      std::move(target->link))]() mutable { gone.reset(); });
    return;
  }
  const bool known = !by_edge_.emplace(link.edge(), &link).second;
  if (known) return;  // by another address of it
  if (options_.on_link) options_.on_link(link.edge_id(), true, "");
  TellEdges();
}

void ClusterHub::OnLinkFrame(ClusterLink& link, ByteSpan payload) {
  auto message =
      ReadClusterFrame(payload, link.edge(), EdgeNumber(options_.self.edge_id));
  if (!message.ok() || message->to.loop >= options_.self.loops) {
    ++dropped_;
    return;
  }
  options_.on_message(*std::move(message));
}

void ClusterHub::OnLinkDown(ClusterLink& link, const absl::Status& why) {
  dropped_ += link.lost();
  const std::string reason = ReasonOf(why);
  if (const auto it = accepted_.find(&link); it != accepted_.end()) {
    if (link.edge_id().empty() && options_.on_link && !reason.empty()) {
      options_.on_link("", false, reason);
    }
    loop_->Defer([gone = std::shared_ptr<ClusterLink>(
                      std::move(it->second))]() mutable { gone.reset(); });
    accepted_.erase(it);
    TellEdges();
    return;
  }
  Target* const target = TargetOf(link);
  if (target == nullptr) return;
  const bool was_up = [&] {
    const auto it = by_edge_.find(link.edge());
    return it != by_edge_.end() && it->second == &link;
  }();
  // At first at once: a restart is quick.
  target->again = loop_->now() + (was_up ? kTick : options_.refresh);
  const bool changed = target->reason != reason;
  target->reason = reason;
  if (options_.on_link && (was_up || changed)) {
    options_.on_link(link.edge_id(), false, reason);
  }
  if (was_up) {
    by_edge_.erase(link.edge());
    for (const auto& [address, other] : targets_) {
      if (other.link != nullptr && other.link.get() != &link &&
          other.link->up() && other.link->edge() == link.edge()) {
        by_edge_[link.edge()] = other.link.get();
      }
    }
    TellEdges();
  }
  loop_->Defer([gone = std::shared_ptr<ClusterLink>(
                    std::move(target->link))]() mutable { gone.reset(); });
}

void ClusterHub::TellEdges() {
  // Who cannot reach us could not hand over the answers to what we send by it.
  const auto heard = [this](uint64_t edge) {
    return std::any_of(accepted_.begin(), accepted_.end(),
                       [edge](const auto& each) {
                         return each.first->up() && each.first->edge() == edge;
                       });
  };
  std::vector<EdgePresence> edges;
  for (const auto& [edge, link] : by_edge_) {
    if (!heard(edge)) continue;
    edges.push_back({.edge = edge, .loops = link->loops(), .up = true});
  }
  options_.on_edges(edges);
}

}  // namespace sallyport::signaling_edge
