// Sessions at the media relays, by gRPC.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_CLIENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_CLIENT_H_

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/relay_status.pb.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/rank.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/media_session.h"

namespace sallyport::signaling_edge {

// Makes, changes and ends sessions without blocking, renews the leases of all
// that live, and hears what happens to them. A relay that does not answer
// within the deadline is marked down for a while, and a new session goes to the
// next one. The loops ask for sessions by connections of their own, CallsOn(),
// at the port that a relay has for that, if it tells of one; all else goes by a
// thread's. Thread-safe.
class MediaClient {
 public:
  struct Options {
    // As configured; the targets name the relays from here on.
    std::vector<std::string> relays;
    std::string owner;  // "signaling_edge/<instance>"; whose leases they are
    absl::Duration deadline = absl::Seconds(2);
    absl::Duration lease = absl::Minutes(5);
    // How long a relay that failed is passed over.
    absl::Duration down_time = absl::Seconds(5);
    // How often live sessions tell what they carried.
    absl::Duration statistics_interval = absl::Seconds(10);
    // A relay of which nothing is heard for so long has lost its sessions.
    absl::Duration lost_after = absl::Seconds(3);
  };
  // The owner posts to its loop.
  using OnEvent = std::function<void(MediaEvent)>;

  using OnSession = std::function<void(absl::StatusOr<RelaySession>)>;
  using OnUpdated = std::function<void(absl::StatusOr<RelaySession>)>;
  using OnStatistics = std::function<void(std::array<LegStatistics, 2>)>;

  // `calls` has the relays as its servers, in the same order.
  MediaClient(Options options, std::unique_ptr<GrpcLoopClient> calls);
  // Those of CallsOn() are gone by then.
  ~MediaClient();

  // To be given to the following, on that loop. A caller waits for each answer.
  std::unique_ptr<GrpcLoopClient> CallsOn(EventLoop& loop) const {
    return calls_->On(loop, Rank::kUrgent);
  }

  // Callbacks come once, on the loop of `by`, at its end at the latest; perhaps
  // before this returns.
  // UNAVAILABLE with reason MEDIA_RELAY_UNAVAILABLE if no relay could. `loop`
  // comes back in the session's events.
  void Create(GrpcLoopClient& by, const std::string& tenant,
              const std::string& call, const RelayLegs& legs, OnSession done,
              size_t loop = 0);
  // Both legs as they shall be now; idempotent.
  void Update(GrpcLoopClient& by, const std::string& relay,
              const std::string& session, const RelayLegs& legs,
              OnUpdated done);
  // Not called back if the relay cannot be reached: the lease ends it.
  void Delete(GrpcLoopClient& by, const std::string& relay,
              const std::string& session, const std::string& reason,
              OnStatistics done);

  // Begins to listen to all relays, to what happens to sessions and to their
  // load. Once, at most. Events come from threads of this object.
  void Watch(OnEvent on_event);
  // Ends that, and the renewal of leases: no event comes any more.
  void Stop();

  struct RelayStatus {
    std::string target;
    bool available = true;
    std::string reason;  // why not
    size_t sessions = 0;
    double load = 0;  // of its busiest loop, 0 to 1
  };
  std::vector<RelayStatus> status() const;

 private:
  // How calls reach a relay.
  struct Way {
    size_t index = 0;            // in calls_
    std::string session_target;  // empty: its target
  };
  struct State {
    std::string target;
    Way way;
    absl::Time down_until = absl::InfinitePast();
    std::string reason;
    std::map<std::string, size_t> sessions;  // to the loop of each
    // Of its load, if it tells.
    double load = 0;
    bool refuses = false;  // draining, or full
    absl::Time load_time = absl::InfiniteFuture();
    absl::Time broken_since = absl::InfiniteFuture();
    // It answered. Its streams come back later than that.
    absl::Time heard = absl::InfinitePast();
  };
  struct Creation;

  // The available relay with the least load, and of those alike the fewest
  // sessions, that is not in `tried`; of those marked down, if all are, the one
  // that has been so the longest.
  State* Choose(const std::set<std::string>& tried)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  State* Find(const std::string& target) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TryNext(std::shared_ptr<Creation> creation);
  void Noticed(const std::string& target, const absl::Status& status);
  static std::string PathOf(std::string_view method);
  template <typename Response, typename Request>
  void Call(GrpcLoopClient& by, size_t relay, std::string_view method,
            const Request& request,
            std::function<void(absl::StatusOr<Response>)> done);
  // `by` goes it from now on. The relay's index.
  static size_t Take(GrpcLoopClient& by, const Way& way);
  void RenewLoop();
  // Those of all relays, or of one.
  void Renew(const std::string& only = "");
  // Reports those of `names` that are still believed to live.
  void Lose(const std::string& target, const std::vector<std::string>& names);
  void LoseSilentRelays();
  void OnSessionMessage(const std::string& target,
                        const media_relay::v1::WatchSessionsResponse& message);
  void Tell(MediaEvent event);
  void OnLoad(const std::string& target,
              const media_relay::v1::WatchLoadResponse& message);
  void OnStream(const std::string& target, bool connected,
                const absl::Status& why);

  const Options options_;
  mutable absl::Mutex mutex_;
  // Never resized after construction.
  std::vector<std::unique_ptr<State>> relays_ ABSL_GUARDED_BY(mutex_);
  OnEvent on_event_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread renewer_;
  const std::unique_ptr<GrpcLoopClient> calls_;  // last: it calls back
};

template <typename Response, typename Request>
void MediaClient::Call(GrpcLoopClient& by, size_t relay,
                       std::string_view method, const Request& request,
                       std::function<void(absl::StatusOr<Response>)> done) {
  by.Call(relay, PathOf(method), request.SerializeAsString(), options_.deadline,
          [done = std::move(done)](absl::StatusOr<std::string> answer) {
            if (!answer.ok()) return done(answer.status());
            Response response;
            if (!response.ParseFromString(*answer)) {
              return done(MakeError(absl::StatusCode::kInternal,
                                    "MEDIA_RELAY_ANSWER_INVALID",
                                    "the relay's answer cannot be read"));
            }
            done(std::move(response));
          });
}

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_MEDIA_CLIENT_H_
