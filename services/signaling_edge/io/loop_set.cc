#include "services/signaling_edge/io/loop_set.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "services/common/log/log.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/dialog_token.h"

namespace sallyport::signaling_edge {
namespace {

// The processors that this process may run on.
std::vector<int> Processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> out;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return out;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) out.push_back(i);
  }
  return out;
}

// What cgroup v2 allows: "200000 100000" of cpu.max is two processors' time;
// any number where it says "max", or nothing.
size_t ProcessorQuota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) {
    return std::numeric_limits<size_t>::max();
  }
  return static_cast<size_t>(std::ceil(quota / period));
}

// One loop a processor; where there are more loops, or it is not allowed, the
// kernel places them.
void PinTo(const std::vector<int>& processors, size_t loop) {
  if (loop >= processors.size()) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processors[loop], &one);
  if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one) != 0) {
    LogWarning("a loop is not bound to a processor", {{"loop", loop}});
  }
}

}  // namespace

size_t ProcessorCount() {
  return std::max<size_t>(std::min(Processors().size(), ProcessorQuota()), 1);
}

absl::StatusOr<std::unique_ptr<LoopSet>> LoopSet::Create(Options options,
                                                         RandomSource& random) {
  auto out = absl::WrapUnique(new LoopSet);
  SP_RETURN_IF_ERROR(out->Init(std::move(options), random));
  return out;
}

absl::Status LoopSet::Init(Options options, RandomSource& random) {
  edge_ = EdgeNumber(options.edge_id);
  pinned_ = options.pinned;
  const bool several = options.loops > 1;
  if (several) {
    share_ = std::make_shared<LoopShare>(options.each.core, random);
    registries_ = std::vector<LoopRegistry>(options.loops);
  }
  for (size_t i = 0; i < options.loops; ++i) {
    SP_ASSIGN_OR_RETURN(std::unique_ptr<EventLoop> events, EventLoop::Create());
    events->SetBusyPoll(options.busy_poll);
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
    each.core.last_id = static_cast<uint64_t>(i) << kLoopShift;
    // A start drawn at random: an id of an earlier process is nobody's.
    each.core.last_connection = each.core.last_id | (random.NextU64() & 0xffff)
                                                        << 36;
    if (several) {
      each.core.share = share_;
      each.core.told_health = i > 0;
      each.core.max_transactions /= options.loops;
      each.core.ladder.max_bytes /= options.loops;
      each.tell_loops = [this, i](const LoopNews& news) {
        for (size_t k = 0; k < loops_.size(); ++k) {
          if (k == i) continue;
          loops_[k]->PostOwn([news](EdgeLoop& loop) {
            loop.Do(loop.core().OnLoopNews(news, loop.now()));
          });
        }
      };
      if (!each.registry.has_value()) {
        each.fetch_bindings = [this, i](FetchBindings action, auto done) {
          Ask(i, std::move(action), std::move(done));
        };
        each.store_bindings = [this, i](StoreBindings action, auto done) {
          Ask(i, std::move(action), std::move(done));
        };
      }
    }
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
      // What a loop has no room for is lost as on the way.
      if (!Deliver(std::move(message))) {
        SALLYPORT_LOG_LIMITED(kWarning, "a loop's mailbox is full");
      }
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
  // One loop alone leaves the choice to the kernel, as before.
  const std::vector<int> processors =
      pinned_ && loops_.size() > 1 ? Processors() : std::vector<int>();
  for (size_t i = 0; i < loops_.size(); ++i) {
    threads_.emplace_back([this, i, processors] {
      pthread_setname_np(pthread_self(), absl::StrCat("edge_loop", i).c_str());
      PinTo(processors, i);
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
  return Deliver(std::move(message));
}

bool LoopSet::Deliver(ClusterMessage message) {
  if (message.to.loop >= loops_.size()) return true;  // nobody misses it
  EdgeLoop& to = *loops_[message.to.loop];
  return to.PostPeer([message = std::move(message)](EdgeLoop& loop) {
    loop.Do(loop.core().OnClusterMessage(message, loop.now()));
  });
}

void LoopSet::PostAll(const EdgeLoop::Task& task, EdgeLoop::Task last) {
  const auto left = std::make_shared<std::atomic<size_t>>(loops_.size());
  for (const auto& each : loops_) {
    each->PostOwn([task, last, left](EdgeLoop& loop) {
      task(loop);
      if (left->fetch_sub(1) == 1 && last) last(loop);
    });
  }
}

// ----------------------------------------------------------- registrations

size_t LoopSet::KeeperOf(const std::string& user) const {
  return absl::Hash<std::string>{}(user) % loops_.size();
}

template <typename Action>
void LoopSet::Ask(size_t asker, Action action,
                  EdgeLoop::Options::RegistryDone done) {
  const size_t keeper = KeeperOf(action.user);
  EdgeLoop& from = *loops_[asker];
  if (keeper == asker) {
    from.event_loop().Defer(
        [this, asker, action = std::move(action), done = std::move(done)] {
          done(Answer(asker, action, loops_[asker]->now()));
        });
    return;
  }
  const bool asked = loops_[keeper]->PostPeer(
      [this, asker, keeper, action = std::move(action), done](EdgeLoop& loop) {
        // The answer has its place: there is one for each question.
        loops_[asker]->PostOwn(
            [done, reply = Answer(keeper, action, loop.now())](EdgeLoop&) {
              done(reply);
            });
      });
  if (asked) return;
  from.event_loop().Defer([done = std::move(done)] {
    done(MakeError(absl::StatusCode::kUnavailable, "REGISTRY_UNAVAILABLE",
                   "too much waits for the loop that keeps this user"));
  });
}

void LoopSet::TellEdges(std::vector<EdgePresence> edges) {
  edges.push_back({.edge = edge_,
                   .loops = static_cast<uint32_t>(loops_.size()),
                   .up = true});
  PostAll([edges](EdgeLoop& loop) {
    loop.Do(loop.core().OnEdges(edges, loop.now()));
  });
}

}  // namespace sallyport::signaling_edge
