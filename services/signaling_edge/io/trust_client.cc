#include "services/signaling_edge/io/trust_client.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::capf::v1;

constexpr size_t kMaxCacheBytes = size_t{256} << 20;
constexpr absl::Duration kReportDeadline = absl::Seconds(2);

struct Report {
  grpc::ClientContext context;
  pb::ReportTrustVersionRequest request;
  pb::ReportTrustVersionResponse response;
};

// Puts one step into `whole`, which stays a full state. FAILED_PRECONDITION
// when a partial step comes first.
absl::Status Merge(const pb::WatchTrustBundleResponse& step,
                   pb::WatchTrustBundleResponse& whole) {
  if (step.full()) {
    whole = step;
    return absl::OkStatus();
  }
  if (!whole.full()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "TRUST_OUT_OF_STEP",
                     "a part came before the whole");
  }
  for (const pb::TrustStoreContents& store : step.stores()) {
    pb::TrustStoreContents* into = nullptr;
    for (pb::TrustStoreContents& old : *whole.mutable_stores()) {
      if (old.name() == store.name()) into = &old;
    }
    if (into == nullptr) into = whole.add_stores();
    *into = store;
  }
  if (!step.restored().empty()) {
    std::set<std::tuple<std::string, std::string, std::string>> gone;
    for (const pb::RevokedCertificate& one : step.restored()) {
      gone.emplace(one.issuer(), one.serial(), one.crl_issuer());
    }
    auto& revoked = *whole.mutable_revoked();
    revoked.erase(
        std::remove_if(revoked.begin(), revoked.end(),
                       [&](const pb::RevokedCertificate& one) {
                         return gone.contains(
                             {one.issuer(), one.serial(), one.crl_issuer()});
                       }),
        revoked.end());
  }
  whole.mutable_revoked()->MergeFrom(step.revoked());
  for (const pb::RevocationCoverage& one : step.coverage()) {
    pb::RevocationCoverage* into = nullptr;
    for (pb::RevocationCoverage& old : *whole.mutable_coverage()) {
      if (old.issuer() == one.issuer() &&
          old.crl_issuer() == one.crl_issuer()) {
        into = &old;
      }
    }
    if (into == nullptr) into = whole.add_coverage();
    *into = one;
  }
  for (const pb::TrustListContents& list : step.trust_lists()) {
    *whole.add_trust_lists() = list;
  }
  whole.set_version(step.version());
  *whole.mutable_create_time() = step.create_time();
  return absl::OkStatus();
}

bool IsHeartbeat(const pb::WatchTrustBundleResponse& step) {
  return !step.full() && step.stores().empty() && step.revoked().empty() &&
         step.restored().empty() && step.coverage().empty() &&
         step.trust_lists().empty();
}

}  // namespace

struct TrustClient::Rpc {
  std::unique_ptr<pb::CapfService::Stub> stub;
};

absl::StatusOr<std::unique_ptr<TrustClient>> TrustClient::Create(
    Options options) {
  std::unique_ptr<TrustClient> out(new TrustClient(std::move(options)));
  SP_RETURN_IF_ERROR(out->Start());
  return out;
}

TrustClient::TrustClient(Options options) : options_(std::move(options)) {}

TrustClient::~TrustClient() = default;

absl::Status TrustClient::Start() {
  std::shared_ptr<const TrustBundle> fixed;
  SP_ASSIGN_OR_RETURN(fixed, TrustBundle::Make({}, options_.fixed));
  last_ = fixed;
  options_.on_trust(std::move(fixed), false);
  RestoreFromDisk();
  if (options_.channel != nullptr) Watch();
  return absl::OkStatus();
}

void TrustClient::RestoreFromDisk() {
  if (options_.cache_file.empty()) return;
  const absl::StatusOr<std::string> saved =
      ReadWholeFile(options_.cache_file, kMaxCacheBytes);
  if (absl::IsNotFound(saved.status())) return;
  Response whole;
  absl::StatusOr<std::shared_ptr<const TrustBundle>> bundle =
      absl::DataLossError("not a trust bundle");
  if (!saved.ok()) {
    bundle = saved.status();
  } else if (whole.ParseFromString(*saved) && whole.full()) {
    bundle = TrustBundle::Make(whole, options_.fixed, last_.get());
  }
  if (!bundle.ok()) {
    LogWarning("the trust kept on disk is not used",
               {{"error", bundle.status()}});
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    whole_ = std::move(whole);
    from_cache_ = true;
  }
  last_ = *bundle;
  options_.on_trust(*std::move(bundle), true);
}

void TrustClient::Watch() {
  rpc_.reset(new Rpc{pb::CapfService::NewStub(options_.channel)});
  StreamWatch<Response>::Options watch;
  watch.open = [this](grpc::ClientContext* context) {
    pb::WatchTrustBundleRequest request;
    request.set_consumer(options_.consumer);
    {
      absl::MutexLock lock(&mutex_);
      request.set_known_version(whole_.version());
    }
    return rpc_->stub->WatchTrustBundle(context, request);
  };
  watch.on_message = [this](const Response& message) {
    return OnMessage(message);
  };
  watch.on_state = [this](bool connected, const absl::Status& why) {
    bool changed;
    {
      absl::MutexLock lock(&mutex_);
      changed = connected_ != connected;
      connected_ = connected;
    }
    if (changed && options_.on_state) options_.on_state(connected, why);
  };
  watch.max_backoff = options_.max_backoff;
  watch_ = std::make_unique<StreamWatch<Response>>(std::move(watch));
}

absl::Status TrustClient::OnMessage(const Response& message) {
  if (IsHeartbeat(message)) return absl::OkStatus();
  Response whole;
  {
    absl::MutexLock lock(&mutex_);
    whole = whole_;
  }
  absl::Status merged = Merge(message, whole);
  std::shared_ptr<const TrustBundle> bundle;
  if (merged.ok()) {
    auto made = TrustBundle::Make(whole, options_.fixed, last_.get());
    merged = made.status();
    if (made.ok()) last_ = bundle = *std::move(made);
  }
  if (!merged.ok()) {
    // What is in force stays; the next attempt asks for everything.
    absl::MutexLock lock(&mutex_);
    whole_.Clear();
    return merged;
  }
  {
    absl::MutexLock lock(&mutex_);
    whole_ = whole;
    from_cache_ = false;
  }
  options_.on_trust(std::move(bundle), false);
  if (options_.cache_file.empty()) return absl::OkStatus();
  const absl::Status saved =
      WriteDurableFile(options_.cache_file, whole.SerializeAsString());
  if (!saved.ok()) {
    LogWarning("the trust cannot be kept on disk", {{"error", saved}});
  }
  return absl::OkStatus();
}

void TrustClient::ReportActive(int64_t version) {
  if (rpc_ == nullptr) return;
  auto report = std::make_shared<Report>();
  report->request.set_consumer(options_.consumer);
  report->request.set_active_version(version);
  {
    absl::MutexLock lock(&mutex_);
    report->request.set_from_cache(from_cache_);
  }
  const absl::Time now = absl::Now();
  *report->request.mutable_active_time() = ToProto(now);
  report->context.set_deadline(absl::ToChronoTime(now + kReportDeadline));
  // Unheard reports are made good by the next one; there is nothing to do.
  rpc_->stub->async()->ReportTrustVersion(
      &report->context, &report->request, &report->response,
      [report](const grpc::Status& /*status*/) {});
}

TrustClient::Status TrustClient::status() const {
  absl::MutexLock lock(&mutex_);
  return {whole_.version(), connected_, from_cache_};
}

}  // namespace sallyport::signaling_edge
