// Hearing of what other replicas commit.

#ifndef SALLYPORT_SERVICES_COMMON_SQL_POSTGRES_LISTENER_H_
#define SALLYPORT_SERVICES_COMMON_SQL_POSTGRES_LISTENER_H_

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "services/common/net/unique_fd.h"
#include "services/common/sql/postgres_options.h"

namespace sallyport {

// LISTENs on a connection of its own, and says when there may be something
// new: at each notification, once after each connection (what was committed
// meanwhile was heard by nobody), and every poll period whatever happens, so
// that a notification that got lost costs that long and no more. Reconnects
// for ever, with pauses of 50 ms to 2 s. Thread-safe.
class PostgresListener {
 public:
  struct Options {
    PostgresOptions server;
    std::string channel;  // [a-z_]+
    absl::Duration poll_period = absl::Seconds(1);
    // Called on this object's thread.
    std::function<void()> on_change;
  };

  explicit PostgresListener(Options options);
  ~PostgresListener();
  PostgresListener(const PostgresListener&) = delete;
  PostgresListener& operator=(const PostgresListener&) = delete;

  bool connected() const { return connected_; }

 private:
  void Run();

  const Options options_;
  UniqueFd stop_;  // readable once it shall end
  std::atomic<bool> connected_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SQL_POSTGRES_LISTENER_H_
