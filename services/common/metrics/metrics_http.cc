#include "services/common/metrics/metrics_http.h"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "civetweb.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"

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

// Connects to a port of ours and says nothing.
void Knock(const SocketAddress& address) {
  const UniqueFd fd(socket(address.is_v6() ? AF_INET6 : AF_INET,
                           SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_storage storage = {};
  const uint32_t size = address.ToSockaddr(storage);
  static_cast<void>(
      connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size));
}

// At once; between two the time is looked at.
constexpr size_t kPiece = 4096;
constexpr double kLeastRate = 32 * 1024;  // octets a second

}  // namespace

void MetricsHttp::Write(mg_connection* connection, const HttpAnswer& answer,
                        bool body) const {
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
  if (mg_write(connection, head.data(), head.size()) <= 0) return;
  if (!body || unchanged) return;
  // mg_write() waits anew after each octet that goes.
  const MonoTime begin = Clock::Real().MonoNow();
  for (size_t at = 0; at < answer.body.size(); at += kPiece) {
    const size_t size = std::min(kPiece, answer.body.size() - at);
    if (mg_write(connection, answer.body.data() + at, size) !=
        static_cast<int>(size)) {
      return;
    }
    if (Clock::Real().MonoNow() - begin >
        options_.patience +
            absl::Seconds(static_cast<double>(at) / kLeastRate)) {
      return;
    }
  }
}

int MetricsHttp::OnLog(const mg_connection* connection, const char* message) {
  auto* const self =
      static_cast<MetricsHttp*>(mg_get_user_data(mg_get_context(connection)));
  if (self == nullptr) return 1;
  absl::MutexLock lock(&self->mutex_);
  if (self->starting_) self->error_ = message;
  return 1;
}

HttpAnswer MetricsHttp::Find(const mg_connection* connection) const {
  const mg_request_info* const request = mg_get_request_info(connection);
  const std::string_view method = request->request_method;
  if (method != "GET" && method != "HEAD") {
    return {.code = 405, .body = "only GET and HEAD\n"};
  }
  const std::string path =
      request->local_uri == nullptr ? "" : request->local_uri;
  std::optional<HttpAnswer> found;
  if (const auto it = handlers_.find(path); it != handlers_.end()) {
    found = it->second();
  } else if (fallback_) {
    const char* const known = mg_get_header(connection, "If-None-Match");
    found = fallback_({.path = path,
                       .peer = request->remote_addr,
                       .if_none_match = known == nullptr ? "" : known});
  }
  if (found) return *std::move(found);
  return {.code = 404, .body = "not found\n"};
}

int MetricsHttp::OnRequest(mg_connection* connection) {
  const auto* const self = static_cast<const MetricsHttp*>(
      mg_get_user_data(mg_get_context(connection)));
  const HttpAnswer answer = self->Find(connection);
  self->Write(connection, answer,
              std::string_view(
                  mg_get_request_info(connection)->request_method) != "HEAD");
  // Nothing more is read: the rest of a body could take for ever.
  mg_disable_connection_keep_alive(connection);
  return answer.code;
}

absl::StatusOr<std::unique_ptr<MetricsHttp>> MetricsHttp::Start(
    const std::string& address, Handlers handlers, Fallback fallback,
    const Options& own) {
  // One library use per process; never undone, as civetweb counts.
  static const unsigned features = mg_init_library(0);
  static_cast<void>(features);
  std::unique_ptr<MetricsHttp> server(
      new MetricsHttp(std::move(handlers), std::move(fallback), own));
  const std::string ports = absl::StartsWith(address, "localhost:")
                                ? absl::StrCat("127.0.0.1", address.substr(9))
                                : address;
  const std::string threads = absl::StrCat(own.threads);
  const std::string patience =
      absl::StrCat(absl::ToInt64Milliseconds(own.patience));
  const char* options[] = {"listening_ports",
                           ports.c_str(),
                           "num_threads",
                           threads.c_str(),
                           "enable_directory_listing",
                           "no",
                           "request_timeout_ms",
                           patience.c_str(),
                           nullptr};
  mg_callbacks callbacks = {};
  callbacks.log_message = OnLog;
  // Before civetweb does anything with a request.
  callbacks.begin_request = OnRequest;
  server->context_ = mg_start(&callbacks, server.get(), options);
  std::string error;
  {
    absl::MutexLock lock(&server->mutex_);
    server->starting_ = false;
    error = server->error_;
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
  if (const auto parsed = SocketAddress::Parse(ports); parsed.ok()) {
    server->address_ = parsed->WithPort(static_cast<uint16_t>(server->port_));
  }
  return server;
}

MetricsHttp::~MetricsHttp() {
  if (context_ == nullptr) return;
  // civetweb looks whether it is to stop every two seconds, and when somebody
  // connects.
  std::atomic<bool> stopped = false;
  std::thread waker([this, &stopped] {
    while (!stopped && address_.has_value()) {
      Knock(*address_);
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  mg_stop(context_);
  stopped = true;
  waker.join();
}

}  // namespace sallyport
