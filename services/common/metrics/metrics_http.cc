#include "services/common/metrics/metrics_http.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "civetweb.h"

namespace sallyport {
namespace {

const char* Reason(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 429:
      return "Too Many Requests";
    default:
      return "Service Unavailable";
  }
}

void Write(mg_connection* connection, const HttpAnswer& answer, bool body) {
  // A 304 speaks of the answer that it stands for (RFC 9110 section 15.4.5).
  const bool unchanged = answer.code == 304;
  const std::string content =
      unchanged
          ? ""
          : absl::StrCat("Content-Type: ", answer.content_type,
                         "\r\nContent-Length: ", answer.body.size(), "\r\n");
  const std::string head = absl::StrCat(
      "HTTP/1.1 ", answer.code, " ", Reason(answer.code), "\r\n", content,
      "Cache-Control: ", answer.cache_control, "\r\nConnection: close\r\n",
      answer.headers, answer.code == 405 ? "Allow: GET, HEAD\r\n" : "", "\r\n");
  mg_write(connection, head.data(), head.size());
  if (body && !unchanged) {
    mg_write(connection, answer.body.data(), answer.body.size());
  }
}

// civetweb calls this from any of its threads, for as long as it runs; only
// what it says while it starts is of use.
int OnLog(const mg_connection* connection, const char* message) {
  const mg_context* context = mg_get_context(connection);
  auto* const log =
      static_cast<MetricsHttp::StartLog*>(mg_get_user_data(context));
  if (log == nullptr) return 1;
  absl::MutexLock lock(&log->mutex);
  if (log->starting) log->error = message;
  return 1;
}

}  // namespace

int MetricsHttp::OnRequest(mg_connection* connection, void* self) {
  const MetricsHttp& server = *static_cast<MetricsHttp*>(self);
  const mg_request_info* const request = mg_get_request_info(connection);
  const std::string_view method = request->request_method;
  HttpAnswer answer;
  if (method != "GET" && method != "HEAD") {
    answer.code = 405;
    answer.body = "only GET and HEAD\n";
  } else {
    const std::string path = request->local_uri;
    const auto it = server.handlers_.find(path);
    std::optional<HttpAnswer> found;
    if (it != server.handlers_.end()) {
      found = it->second();
    } else if (server.fallback_) {
      const char* const known = mg_get_header(connection, "If-None-Match");
      found =
          server.fallback_({.path = path,
                            .peer = request->remote_addr,
                            .if_none_match = known == nullptr ? "" : known});
    }
    if (found) {
      answer = *std::move(found);
    } else {
      answer.code = 404;
      answer.body = "not found\n";
    }
  }
  Write(connection, answer, method != "HEAD");
  return answer.code;
}

absl::StatusOr<std::unique_ptr<MetricsHttp>> MetricsHttp::Start(
    const std::string& address, Handlers handlers, Fallback fallback,
    int threads) {
  // One library use per process; never undone, as civetweb counts.
  static const unsigned features = mg_init_library(0);
  static_cast<void>(features);
  std::unique_ptr<MetricsHttp> server(
      new MetricsHttp(std::move(handlers), std::move(fallback)));
  const std::string ports = absl::StartsWith(address, "localhost:")
                                ? absl::StrCat("127.0.0.1", address.substr(9))
                                : address;
  const std::string thread_count = absl::StrCat(threads);
  const char* options[] = {"listening_ports",
                           ports.c_str(),
                           "num_threads",
                           thread_count.c_str(),
                           "enable_directory_listing",
                           "no",
                           "request_timeout_ms",
                           "5000",
                           nullptr};
  mg_callbacks callbacks = {};
  callbacks.log_message = OnLog;
  StartLog& log = *server->start_log_;
  server->context_ = mg_start(&callbacks, &log, options);
  std::string error;
  {
    absl::MutexLock lock(&log.mutex);
    log.starting = false;
    error = log.error;
  }
  if (server->context_ == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", address, error.empty() ? "" : ": ", error));
  }
  mg_server_port bound[1] = {};
  if (mg_get_server_ports(server->context_, 1, bound) < 1) {
    mg_stop(std::exchange(server->context_, nullptr));
    return absl::InternalError("no port bound");
  }
  server->port_ = bound[0].port;
  mg_set_request_handler(server->context_, "**", &MetricsHttp::OnRequest,
                         server.get());
  return server;
}

MetricsHttp::~MetricsHttp() {
  if (context_ != nullptr) mg_stop(context_);
}

}  // namespace sallyport
