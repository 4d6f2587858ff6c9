// The loops of one edge, and its links to others: who a message for another
// node goes to.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LOOP_SET_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LOOP_SET_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/net/event_loop.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/cluster_message.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/io/cluster_hub.h"
#include "services/signaling_edge/io/edge_loop.h"

namespace sallyport::signaling_edge {

// Each loop has a thread, and a core with a number of its own; they share
// nothing. Messages from one to another go by the receiver's mailbox, to other
// edges by the hub. Made and destroyed by one thread; the loops' mailboxes are
// Thread-safe.
class LoopSet {
 public:
  struct Options {
    size_t loops = 1;
    // Of every loop; node, ports and hand_over are filled in.
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

 private:
  LoopSet() = default;
  absl::Status Init(Options options, RandomSource& random);
  bool HandOver(ClusterMessage message);
  void Deliver(ClusterMessage message);
  void TellEdges(std::vector<EdgePresence> edges);

  uint64_t edge_ = 0;
  std::vector<std::unique_ptr<EventLoop>> events_;
  std::vector<std::unique_ptr<EdgeLoop>> loops_;
  std::unique_ptr<ClusterHub> hub_;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_LOOP_SET_H_
