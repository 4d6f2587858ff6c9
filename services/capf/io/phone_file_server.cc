#include "services/capf/io/phone_file_server.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/log/log.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// More than TFTP has requests that wait for a file (Options::max_transfers), so
// that each of them gets its answer.
constexpr size_t kMailboxCapacity = 10000;
constexpr absl::Duration kHttpWait = absl::Seconds(3);
// A slow client holds one of them for five seconds, and they cost little.
constexpr int kHttpThreads = 64;
constexpr char kOctets[] = "application/octet-stream";

// What an HTTP request waits for; outlives whoever gives up.
struct Pending {
  absl::Notification ready;
  std::shared_ptr<const std::string> content;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PhoneFileServer>> PhoneFileServer::Create(
    Options options, const Parts& parts) {
  std::unique_ptr<PhoneFileServer> self(new PhoneFileServer(options, parts));
  PhoneFileServer* const raw = self.get();
  SP_ASSIGN_OR_RETURN(self->mailbox_,
                      Mailbox<Task>::Create(parts.loop, kMailboxCapacity,
                                            [](Task task) { task(); }));
  if (options.tftp) {
    options.tftp->on_sent = [raw](const std::string& name,
                                  const Content& content) {
      raw->Record(name, content);
    };
    SP_ASSIGN_OR_RETURN(
        self->tftp_,
        TftpServer::Create(
            parts.loop, *options.tftp,
            [raw](const std::string& name, std::function<void(Content)> done) {
              raw->Look(name, std::move(done));
            },
            parts.random, parts.metrics));
  }
  if (!options.http_address.empty()) {
    SP_ASSIGN_OR_RETURN(self->http_,
                        MetricsHttp::Start(options.http_address, {},
                                           [raw](const HttpRequest& request) {
                                             return raw->Answer(request);
                                           },
                                           {.threads = kHttpThreads}));
  }
  return self;
}

void PhoneFileServer::Look(const std::string& name,
                           std::function<void(Content)> done) {
  if (const auto list = ParseTrustListName(name); list.has_value()) {
    if (list->device.empty()) {
      done(parts_.files.Find(parts_.publisher.default_tenant(), list->kind));
      return;
    }
  } else if (!ParsePhoneConfigName(name)) {
    done(nullptr);
    return;
  }
  const absl::Status posted = parts_.work.Post([this, name, done] {
    const Content content = parts_.maker.Make("", name).value_or(nullptr);
    mailbox_->Send([done, content] { done(content); }).IgnoreError();
  });
  if (!posted.ok()) done(nullptr);
}

std::optional<HttpAnswer> PhoneFileServer::Answer(const HttpRequest& request) {
  const absl::StatusOr<SocketAddress> source =
      SocketAddress::FromIp(request.peer, 0);
  bool allowed = true;
  if (source.ok()) {
    absl::MutexLock lock(&mutex_);
    allowed = static_cast<bool>(
        sources_.Take(source->Canonical().ip_bytes(), clock_.MonoNow()));
  }
  if (!allowed) {
    requests_total_.Increment(PhoneHttpRequest::kLimited);
    return HttpAnswer{.code = 429, .body = "too many requests\n"};
  }
  std::optional<HttpAnswer> answer = File(request.path);
  requests_total_.Increment(!answer               ? PhoneHttpRequest::kNotFound
                            : answer->code == 200 ? PhoneHttpRequest::kSent
                                                  : PhoneHttpRequest::kBusy);
  return answer;
}

std::optional<HttpAnswer> PhoneFileServer::File(const std::string& path) {
  if (path.empty() || path[0] != '/') return std::nullopt;
  const std::string name = path.substr(1);
  const std::optional<TrustListRequest> list = ParseTrustListName(name);
  if (!list && !ParsePhoneConfigName(name)) return std::nullopt;
  if (list && list->device.empty()) {
    const Content general =
        parts_.files.Find(parts_.publisher.default_tenant(), list->kind);
    if (general == nullptr) return std::nullopt;
    return HttpAnswer{.code = 200, .content_type = kOctets, .body = *general};
  }
  const auto pending = std::make_shared<Pending>();
  const absl::Status posted = parts_.work.Post([this, name, pending] {
    pending->content = parts_.maker.Make("", name).value_or(nullptr);
    pending->ready.Notify();
  });
  if (!posted.ok() ||
      !pending->ready.WaitForNotificationWithTimeout(kHttpWait)) {
    return HttpAnswer{.code = 503, .body = "busy\n"};
  }
  if (pending->content == nullptr) return std::nullopt;
  if (list) Record(name, pending->content);
  return HttpAnswer{
      .code = 200, .content_type = kOctets, .body = *pending->content};
}

void PhoneFileServer::Record(const std::string& name, const Content& content) {
  const std::optional<TrustListRequest> request = ParseTrustListName(name);
  if (!request || request->device.empty()) return;
  const absl::Status posted =
      parts_.work.Post([this, request = *request, content] {
        const absl::Status recorded = parts_.publisher.RecordFetch(
            request.device, request.kind, HexEncode(Sha1(AsBytes(*content))));
        if (!recorded.ok()) {
          SALLYPORT_LOG_LIMITED(kWarning, "a fetched list was not recorded",
                                {{"status", recorded}});
        }
      });
  if (!posted.ok()) {
    SALLYPORT_LOG_LIMITED(kWarning, "a fetched list was not recorded",
                          {{"status", posted}});
  }
}

}  // namespace sallyport::capf
