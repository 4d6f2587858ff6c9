#include "services/signaling_edge/io/loop_set.h"

#include <pthread.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/log/log.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/dialog_token.h"

namespace sallyport::signaling_edge {
namespace {

// Connection ids: the loop on top, then a start drawn at random, so that an id
// of another loop or of an earlier process is nobody's.
ConnectionId FirstConnection(size_t loop, RandomSource& random) {
  return static_cast<ConnectionId>(loop) << 52 | (random.NextU64() & 0xffff)
                                                     << 36;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoopSet>> LoopSet::Create(Options options,
                                                         RandomSource& random) {
  auto out = absl::WrapUnique(new LoopSet);
  SP_RETURN_IF_ERROR(out->Init(std::move(options), random));
  return out;
}

absl::Status LoopSet::Init(Options options, RandomSource& random) {
  edge_ = EdgeNumber(options.edge_id);
  for (size_t i = 0; i < options.loops; ++i) {
    SP_ASSIGN_OR_RETURN(std::unique_ptr<EventLoop> events, EventLoop::Create());
    events_.push_back(std::move(events));
    EdgeLoop::Options each = options.each;
    for (size_t k = 0; k < each.listeners.size(); ++k) {
      // One port for all: the kernel shares out what comes.
      each.listeners[k].reuse_port = options.loops > 1;
      if (i > 0) {
        each.listeners[k].bind =
            first().listeners().bound(static_cast<ListenerId>(k));
      }
    }
    each.core.node = {edge_, static_cast<uint32_t>(i)};
    each.core.last_connection = FirstConnection(i, random);
    each.hand_over = [this](ClusterMessage message) {
      return HandOver(std::move(message));
    };
    SP_ASSIGN_OR_RETURN(
        std::unique_ptr<EdgeLoop> loop,
        EdgeLoop::Create(*events_.back(), std::move(each), random));
    loops_.push_back(std::move(loop));
  }
  if (options.cluster.has_value()) {
    ClusterHub::Options& cluster = *options.cluster;
    cluster.self.edge_id = options.edge_id;
    cluster.self.loops = static_cast<uint32_t>(options.loops);
    cluster.self.keys = options.each.core.token_keys;
    cluster.on_message = [this](ClusterMessage message) {
      Deliver(std::move(message));
    };
    cluster.on_edges = [this](const std::vector<EdgePresence>& edges) {
      TellEdges(edges);
    };
    cluster.on_link = [](const std::string& edge_id, bool up,
                         const std::string& reason) {
      if (up) {
        SALLYPORT_LOG_LIMITED(kInfo, "linked to another edge",
                              {{"edge", edge_id}});
      } else {
        SALLYPORT_LOG_LIMITED(kWarning, "no link to another edge",
                              {{"edge", edge_id}, {"reason", reason}});
      }
    };
    SP_ASSIGN_OR_RETURN(hub_, ClusterHub::Create(std::move(cluster), random));
  }
  TellEdges({});
  return absl::OkStatus();
}

LoopSet::~LoopSet() { Stop(); }

void LoopSet::Start() {
  for (size_t i = 0; i < loops_.size(); ++i) {
    threads_.emplace_back([this, i] {
      pthread_setname_np(pthread_self(), absl::StrCat("edge_loop", i).c_str());
      events_[i]->Run();
    });
  }
  if (hub_ != nullptr) hub_->Start();
}

void LoopSet::Stop() {
  // Its thread posts to the loops, which it must not outlive.
  for (const auto& events : events_) events->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  hub_.reset();
}

bool LoopSet::HandOver(ClusterMessage message) {
  if (message.to.edge != edge_) {
    return hub_ != nullptr && hub_->Send(std::move(message));
  }
  Deliver(std::move(message));
  return true;
}

void LoopSet::Deliver(ClusterMessage message) {
  if (message.to.loop >= loops_.size()) return;
  loops_[message.to.loop]->PostOwn(
      [message = std::move(message)](EdgeLoop& loop) {
        loop.Do(loop.core().OnClusterMessage(message, loop.now()));
      });
}

void LoopSet::TellEdges(std::vector<EdgePresence> edges) {
  edges.push_back({.edge = edge_,
                   .loops = static_cast<uint32_t>(loops_.size()),
                   .up = true});
  for (const auto& each : loops_) {
    each->PostOwn([edges](EdgeLoop& loop) {
      loop.Do(loop.core().OnEdges(edges, loop.now()));
    });
  }
}

}  // namespace sallyport::signaling_edge
