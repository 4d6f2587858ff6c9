// The HTTP port of a service: /metrics, /healthz, /readyz.

#ifndef SALLYPORT_SERVICES_COMMON_METRICS_METRICS_HTTP_H_
#define SALLYPORT_SERVICES_COMMON_METRICS_METRICS_HTTP_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

struct mg_connection;
struct mg_context;

namespace sallyport {

// What one path answers.
struct HttpAnswer {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string cache_control = "no-store";
  // Further header fields, each with its CRLF. A 304 has no body and no type.
  std::string headers;
};

// What one who asks says.
struct HttpRequest {
  std::string path;
  std::string peer;           // the address, without its port
  std::string if_none_match;  // that header field; empty: none
};

// A small server for GET and HEAD; for scrapers and probes, and for those who
// fetch files which are signed, so it has no TLS, and reads no body and no
// disk. Everything else is 404 or 405. Thread-safe.
class MetricsHttp {
 public:
  using Handlers = std::map<std::string, std::function<HttpAnswer()>>;
  // For paths without a handler; nullopt is 404.
  using Fallback =
      std::function<std::optional<HttpAnswer>(const HttpRequest& request)>;

  // `address` is "host:port" or "[v6]:port"; port 0 takes a free one. Handlers
  // run on the server's `threads`, of which whoever asks slowly holds one for
  // five seconds. UNAVAILABLE when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsHttp>> Start(
      const std::string& address, Handlers handlers, Fallback fallback = {},
      int threads = 2);
  ~MetricsHttp();
  MetricsHttp(const MetricsHttp&) = delete;
  MetricsHttp& operator=(const MetricsHttp&) = delete;

  int port() const { return port_; }

  // What civetweb says while it starts. It keeps the address and writes from
  // its own threads later on, so this lives as long as the server. Private to
  // the implementation. Thread-safe by `mutex`.
  struct StartLog {
    absl::Mutex mutex;
    bool starting ABSL_GUARDED_BY(mutex) = true;
    std::string error ABSL_GUARDED_BY(mutex);
  };

 private:
  MetricsHttp(Handlers handlers, Fallback fallback)
      : handlers_(std::move(handlers)), fallback_(std::move(fallback)) {}
  static int OnRequest(mg_connection* connection, void* self);

  const Handlers handlers_;
  const Fallback fallback_;
  const std::unique_ptr<StartLog> start_log_ = std::make_unique<StartLog>();
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_METRICS_METRICS_HTTP_H_
