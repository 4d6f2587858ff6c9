// The HTTP port of a service: /metrics, /healthz, /readyz.

#ifndef SALLYPORT_SERVICES_COMMON_METRICS_METRICS_HTTP_H_
#define SALLYPORT_SERVICES_COMMON_METRICS_METRICS_HTTP_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/net/socket_address.h"

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
// disk. Everything else is 404 or 405: civetweb's own answers to WebSocket and
// to CORS are not reached. Thread-safe.
class MetricsHttp {
 public:
  struct Options {
    // That handlers run on.
    int threads = 2;
    // How long a head may take, and how long an answer may be read beyond what
    // 32 kB a second takes: so long whoever is slow holds a thread.
    absl::Duration patience = absl::Seconds(5);
  };
  using Handlers = std::map<std::string, std::function<HttpAnswer()>>;
  // For paths without a handler; nullopt is 404.
  using Fallback =
      std::function<std::optional<HttpAnswer>(const HttpRequest& request)>;

  // `address` is "host:port" or "[v6]:port"; port 0 takes a free one.
  // UNAVAILABLE when it cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsHttp>> Start(
      const std::string& address, Handlers handlers, Fallback fallback,
      const Options& options);
  static absl::StatusOr<std::unique_ptr<MetricsHttp>> Start(
      const std::string& address, Handlers handlers) {
    return Start(address, std::move(handlers), {}, Options());
  }
  ~MetricsHttp();
  MetricsHttp(const MetricsHttp&) = delete;
  MetricsHttp& operator=(const MetricsHttp&) = delete;

  int port() const { return port_; }

 private:
  MetricsHttp(Handlers handlers, Fallback fallback, const Options& options)
      : handlers_(std::move(handlers)),
        fallback_(std::move(fallback)),
        options_(options) {}
  // civetweb calls these from any of its threads, for as long as it runs.
  static int OnRequest(mg_connection* connection);
  static int OnLog(const mg_connection* connection, const char* message);

  HttpAnswer Find(const mg_connection* connection) const;
  void Write(mg_connection* connection, const HttpAnswer& answer,
             bool body) const;

  const Handlers handlers_;
  const Fallback fallback_;
  const Options options_;
  absl::Mutex mutex_;
  bool starting_ ABSL_GUARDED_BY(mutex_) = true;
  std::string error_ ABSL_GUARDED_BY(mutex_);  // why it does not start
  mg_context* context_ = nullptr;
  int port_ = 0;
  std::optional<SocketAddress> address_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_METRICS_METRICS_HTTP_H_
