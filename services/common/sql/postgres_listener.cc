#include "services/common/sql/postgres_listener.h"

#include <poll.h>
#include <postgresql/libpq-fe.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/check.h"

namespace sallyport {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackoff = absl::Seconds(2);

enum class Wake { kStop, kReady, kTimeout };

// `fd` may be -1: only the time passes.
Wake Wait(int stop, int fd, short events, absl::Duration time) {
  pollfd fds[] = {{stop, POLLIN, 0}, {fd, events, 0}};
  const int64_t ms = absl::ToInt64Milliseconds(
      absl::Ceil(std::clamp(time, absl::ZeroDuration(), absl::Hours(1)),
                 absl::Milliseconds(1)));
  const int ready = poll(fds, fd < 0 ? 1 : 2, static_cast<int>(ms));
  if (ready > 0 && fds[0].revents != 0) return Wake::kStop;
  return ready > 0 ? Wake::kReady : Wake::kTimeout;
}

// Null if it fails or takes too long, or on stop.
Connection Connect(const PostgresOptions& options, int stop) {
  Connection none(nullptr, &PQfinish);
  const absl::StatusOr<Secret> text = PostgresConnection(options);
  if (!text.ok()) return none;
  std::string whole(text->DangerousText());
  Connection out(PQconnectStart(whole.c_str()), &PQfinish);
  Cleanse(whole);
  if (out == nullptr || PQstatus(out.get()) == CONNECTION_BAD) return none;
  const absl::Time give_up = absl::Now() + options.timeout;
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK) {
    const short events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (Wait(stop, PQsocket(out.get()), events, give_up - absl::Now()) !=
        Wake::kReady) {
      return none;
    }
    wanted = PQconnectPoll(out.get());
    if (wanted == PGRES_POLLING_FAILED) return none;
  }
  return out;
}

bool Listen(PGconn* connection, const std::string& channel) {
  PGresult* const result =
      PQexec(connection, absl::StrCat("LISTEN ", channel).c_str());
  const bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return ok;
}

// True if there was at least one.
bool TakeNotifications(PGconn* connection) {
  bool any = false;
  while (PGnotify* const notify = PQnotifies(connection)) {
    PQfreemem(notify);
    any = true;
  }
  return any;
}

}  // namespace

PostgresListener::PostgresListener(Options options)
    : options_(std::move(options)), stop_(eventfd(0, EFD_CLOEXEC)) {
  SP_CHECK(stop_.get() >= 0);
  thread_ = std::thread([this] { Run(); });
}

PostgresListener::~PostgresListener() {
  const uint64_t one = 1;
  SP_CHECK(write(stop_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
}

void PostgresListener::Run() {
  absl::Duration backoff = kFirstBackoff;
  absl::Time next_poll = absl::Now();
  const auto say = [&] {
    next_poll = absl::Now() + options_.poll_period;
    options_.on_change();
  };
  for (;;) {
    Connection connection = Connect(options_.server, stop_.get());
    if (connection != nullptr && Listen(connection.get(), options_.channel)) {
      backoff = kFirstBackoff;
      connected_ = true;
      say();
      for (;;) {
        const Wake wake = Wait(stop_.get(), PQsocket(connection.get()), POLLIN,
                               next_poll - absl::Now());
        if (wake == Wake::kStop) return;
        if (wake == Wake::kReady && PQconsumeInput(connection.get()) == 0) {
          break;
        }
        if (TakeNotifications(connection.get()) || wake == Wake::kTimeout) {
          say();
        }
        if (PQstatus(connection.get()) == CONNECTION_BAD) break;
      }
      connected_ = false;
    }
    connection.reset();
    const absl::Time again = absl::Now() + backoff;
    backoff = std::min(backoff * 2, kLongestBackoff);
    while (absl::Now() < again) {
      const absl::Time until = std::min(again, next_poll);
      if (Wait(stop_.get(), -1, 0, until - absl::Now()) == Wake::kStop) return;
      if (absl::Now() >= next_poll) say();
    }
  }
}

}  // namespace sallyport
