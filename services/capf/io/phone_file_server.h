// The two ports where phones fetch their files: TFTP and HTTP.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PHONE_FILE_SERVER_H_
#define SALLYPORT_SERVICES_CAPF_IO_PHONE_FILE_SERVER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/capf/io/metrics_table.h"
#include "services/capf/io/phone_files.h"
#include "services/capf/io/tftp_server.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/capf/io/work_thread.h"
#include "services/common/metrics/metrics.h"
#include "services/common/metrics/metrics_http.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/mailbox.h"
#include "services/common/random/random_source.h"
#include "services/common/rate_limit/gcra.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// The lists by their general names come from memory, what a phone asks for by
// its own name from the work thread. What
// a phone fetched by its own name is recorded, as the next list depends on it.
// Loop thread only, but for the HTTP port's own threads.
class PhoneFileServer {
 public:
  struct Options {
    std::optional<TftpServer::Options> tftp;
    std::string http_address;  // "host:port"; empty: none
    // Requests of one address by HTTP; a branch's phones may share one.
    GcraLimit http_per_source = GcraLimit::PerSecond(50, 500);
    const Clock* clock = &Clock::Real();
  };
  // All must outlive this object; `work` must have stopped before it goes.
  struct Parts {
    EventLoop& loop;
    WorkThread& work;
    const TrustListFiles& files;
    PhoneFileMaker& maker;
    TrustListPublisher& publisher;
    RandomSource& random;
    MetricsRegistry& metrics;
  };

  static absl::StatusOr<std::unique_ptr<PhoneFileServer>> Create(
      Options options, const Parts& parts);

  // Zero: there is no such port.
  int tftp_port() const { return tftp_ ? tftp_->port() : 0; }
  int http_port() const { return http_ ? http_->port() : 0; }

 private:
  using Content = TftpServer::Content;
  using Task = std::function<void()>;

  PhoneFileServer(const Options& options, const Parts& parts)
      : parts_(parts),
        clock_(*options.clock),
        requests_total_(parts.metrics.Counter(kCapfPhoneHttpRequestsTotal)),
        sources_(options.http_per_source, kSources, parts.random) {}

  void Look(const std::string& name, std::function<void(Content)> done);
  // On the HTTP port's threads.
  std::optional<HttpAnswer> Answer(const HttpRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<HttpAnswer> File(const std::string& path);
  void Record(const std::string& name, const Content& content);

  // Sources whose rate is remembered.
  static constexpr size_t kSources = 65536;

  const Parts parts_;
  const Clock& clock_;
  CounterFamily requests_total_;
  absl::Mutex mutex_;
  GcraTable sources_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Mailbox<Task>> mailbox_;
  std::unique_ptr<TftpServer> tftp_;
  std::unique_ptr<MetricsHttp> http_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PHONE_FILE_SERVER_H_
