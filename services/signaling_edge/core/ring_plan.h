// In which order the users of a call ring: one user, the users of a line, or
// the lines of a hunt (protocols.md section 12).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_RING_PLAN_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_RING_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"
#include "services/common/time/mono_time.h"

namespace sallyport::signaling_edge {

// What of lines outlives a call: who is in one, who was last, and where a
// circular group goes on. Grows with the lines that were ever called, not
// with calls. Thread-compatible.
class HuntMemory {
 public:
  // What other loops are to know as well.
  struct News {
    enum class Kind : uint8_t {
      kCallBegan,
      kCallEnded,
      kNext,
      // Of a queue: `next` is a call.
      kQueued,
      kServed,
      kWaits,  // again, as nobody answered
      kUnqueued,
    };
    Kind kind = Kind::kCallBegan;
    std::string name;  // of the line, group or hunt pilot
    size_t next = 0;
    MonoTime at;
  };

  // With `tells`, all that happens here is kept for TakeNews().
  explicit HuntMemory(bool tells = false) : tells_(tells) {}

  std::vector<News> TakeNews() { return std::exchange(news_, {}); }
  void OnNews(const News& news);

  void OnCallBegan(const std::string& line);
  void OnCallEnded(const std::string& line, MonoTime now);
  uint32_t CallsOf(const std::string& line) const;
  // Since when it has no call; the beginning of time if it never had one.
  MonoTime IdleSince(const std::string& line) const;

  // Who waits at a hunt pilot, at all loops, who came first first; one that is
  // being served keeps its place.
  void Queue(News::Kind kind, const std::string& pilot, uint64_t call,
             MonoTime now) {
    Apply({.kind = kind, .name = pilot, .next = call, .at = now});
  }
  size_t QueueLength(const std::string& pilot) const;
  // From 1; 0: it does not wait there.
  size_t QueuePosition(const std::string& pilot, uint64_t call) const;
  // Whether it is the first of those that are not being served.
  bool IsNextInQueue(const std::string& pilot, uint64_t call) const;

  size_t NextOf(const std::string& group) const;
  void SetNext(const std::string& group, size_t index);

 private:
  struct Line {
    uint32_t calls = 0;
    MonoTime idle_since;
  };
  struct Waiting {
    uint64_t call = 0;
    MonoTime since;
    bool served = false;
  };
  void Apply(News news);
  void OnQueueNews(const News& news);

  const bool tells_;
  absl::flat_hash_map<std::string, Line> lines_;
  absl::flat_hash_map<std::string, size_t> next_;
  absl::flat_hash_map<std::string, std::vector<Waiting>> queues_;
  std::vector<News> news_;
};

// Why nobody took a step.
enum class RingOutcome : uint8_t { kBusy, kNoAnswer, kNotAvailable };

struct RingTarget {
  const UserEntry* user = nullptr;
  const LineEntry* line = nullptr;  // by which it is called, or null
};
// These ring at once.
struct RingStep {
  std::vector<RingTarget> targets;
  // Whose voicemail ports ring as well.
  std::vector<const LineEntry*> lines;
  absl::Duration no_answer = absl::InfiniteDuration();
};

// Pointers are into the plan of the resolution. Thread-compatible.
class RingPlan {
 public:
  // Whether a line of a hunt may ring now; of none: by its group's algorithm
  // and its own busy trigger.
  using MayRing = std::function<bool(const LineEntry& line)>;

  // `resolution` is kUser, kLine or kHunt.
  RingPlan(const Resolution& resolution, const PlanIndex& index,
           MayRing may_ring = nullptr);

  // The first step, or nothing: then outcome() says why.
  std::optional<RingStep> First(HuntMemory& memory);
  // The step after one that nobody took.
  std::optional<RingStep> After(RingOutcome outcome, HuntMemory& memory);

  // Of the whole, once there is no step left: busy if all were.
  RingOutcome outcome() const {
    return all_busy_         ? RingOutcome::kBusy
           : none_available_ ? RingOutcome::kNotAvailable
                             : RingOutcome::kNoAnswer;
  }
  // Who may send the call on: a line or hunt pilot, or empty.
  const std::string& forwarder() const { return forwarder_; }

 private:
  std::optional<RingStep> EnterGroup(HuntMemory& memory);
  std::optional<RingStep> NextMember(HuntMemory& memory);
  void Note(RingOutcome outcome);
  RingStep StepFor(const LineEntry& line, absl::Duration no_answer) const;

  const PlanIndex& index_;
  const MayRing may_ring_;
  std::string forwarder_;
  std::optional<RingStep> single_;  // of no hunt
  const LineEntry* line_ = nullptr;
  std::vector<HuntStage> stages_;
  size_t stage_ = 0;
  std::vector<const LineEntry*> order_;  // of the stage
  size_t next_ = 0;                      // in order_
  bool all_busy_ = true;
  bool none_available_ = true;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_RING_PLAN_H_
