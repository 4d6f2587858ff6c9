// The loops of one edge, and its links to others: who a message for another
// node goes to.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LOOP_SET_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LOOP_SET_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/random_source.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/edge_action.h"
#include "services/signaling_edge/core/loop_registry.h"
#include "services/signaling_edge/core/loop_share.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/io/cluster_hub.h"
#include "services/signaling_edge/io/edge_loop.h"

namespace sallyport::signaling_edge {

// How many processors this process may use, by its mask and by the quota of its
// control group (a pod's limit); at least 1.
size_t ProcessorCount();

// Each loop has a thread, on a processor of its own where wanted, and a core
// with a number of its own; what they share is immutable, or the words of
// LoopShare. Messages from one to another go by the receiver's mailbox, to
// other edges by the hub. Without a registrar of several edges, what a user has
// registered is kept by one of the loops, whom the others ask. Made and
// destroyed by one thread; PostAll, Gather and the loops' mailboxes are
// Thread-safe.
class LoopSet {
 public:
  struct Options {
    size_t loops = 1;
    // Each of several has a processor to itself. Where others have no say in
    // how many there are, the kernel places them.
    bool pinned = true;
    absl::Duration busy_poll = absl::ZeroDuration();  // of each EventLoop
    // Of every loop; what is a loop's own is filled in. `on_event` and the like
    // are called on each.
    EdgeLoop::Options each;
    std::string edge_id;
    std::optional<ClusterHub::Options> cluster;  // none: this edge is alone
  };

  // `random` outlives it, and may be drawn from by any thread.
  static absl::StatusOr<std::unique_ptr<LoopSet>> Create(Options options,
                                                         RandomSource& random);
  ~LoopSet();
  LoopSet(const LoopSet&) = delete;
  LoopSet& operator=(const LoopSet&) = delete;

  void Start();
  // Ends the threads; nothing is posted to the loops any more.
  void Stop();

  size_t size() const { return loops_.size(); }
  EdgeLoop& at(size_t i) { return *loops_[i]; }
  EdgeLoop& first() { return *loops_.front(); }
  const ClusterHub* cluster() const { return hub_.get(); }
  // The loop whose id of a call, connection or registration this would be.
  EdgeLoop& OwnerOf(uint64_t id) {
    const uint64_t loop = id >> kLoopShift;
    return loop < loops_.size() ? *loops_[loop] : first();
  }

  // `task` on every loop, and then `last` on the one that was the last.
  void PostAll(const EdgeLoop::Task& task, EdgeLoop::Task last = nullptr);

  // What `look` says on each loop, by loop, to `done`, once: on the loop that
  // was last, or here with what EdgeLoop::Post() says.
  template <typename T>
  void Gather(std::function<T(EdgeLoop&)> look,
              std::function<void(absl::StatusOr<std::vector<T>>)> done) {
    using Look = std::function<T(EdgeLoop&)>;
    using Done = std::function<void(absl::StatusOr<std::vector<T>>)>;
    struct State {
      State(size_t loops, Look l, Done d)
          : look_of(std::move(l)),
            tell(std::move(d)),
            said(loops),
            left(loops) {}
      const Look look_of;
      const Done tell;
      std::vector<T> said;
      std::atomic<bool> failed = false;
      std::atomic<size_t> left;
    };
    const auto state = std::make_shared<State>(loops_.size(), std::move(look),
                                               std::move(done));
    const auto end = [](State& of, const absl::Status& status) {
      if (!status.ok()) of.failed = true;
      if (of.left.fetch_sub(1) > 1) return;
      if (of.failed) {
        of.tell(MakeError(absl::StatusCode::kResourceExhausted, "EDGE_BUSY",
                          "too many commands wait for the edge"));
      } else {
        of.tell(std::move(of.said));
      }
    };
    for (size_t i = 0; i < loops_.size(); ++i) {
      const absl::Status posted = loops_[i]->Post([state, end, i](auto& loop) {
        state->said[i] = state->look_of(loop);
        end(*state, absl::OkStatus());
      });
      if (!posted.ok()) end(*state, posted);
    }
  }

 private:
  LoopSet() = default;
  absl::Status Init(Options options, RandomSource& random);
  bool HandOver(ClusterMessage message);
  bool Deliver(ClusterMessage message);
  // What a loop asks of the registrar of all.
  size_t KeeperOf(const std::string& user) const;
  template <typename Action>
  void Ask(size_t asker, Action action, EdgeLoop::Options::RegistryDone done);
  RegistryReply Answer(size_t keeper, const FetchBindings& action,
                       MonoTime now) {
    return registries_[keeper].Fetch(action, now);
  }
  RegistryReply Answer(size_t keeper, const StoreBindings& action,
                       MonoTime now) {
    return registries_[keeper].Store(action, now);
  }
  void TellEdges(std::vector<EdgePresence> edges);

  // Ids have the number of their loop above this.
  static constexpr int kLoopShift = 52;

  uint64_t edge_ = 0;
  bool pinned_ = true;
  std::shared_ptr<LoopShare> share_;
  std::vector<LoopRegistry> registries_;  // each of its loop's thread
  std::vector<std::unique_ptr<EventLoop>> events_;
  std::vector<std::unique_ptr<EdgeLoop>> loops_;
  std::unique_ptr<ClusterHub> hub_;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LOOP_SET_H_
