#include "services/media_relay/io/key_client.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/config/proto_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/rpc/access_policy.h"
#include "services/common/rpc/stream_watch.h"
#include "services/common/status/error_reason.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;

constexpr size_t kMaxCacheBytes = size_t{16} << 20;
constexpr absl::Duration kReportInterval = absl::Seconds(5);
constexpr absl::Duration kReportDeadline = absl::Seconds(2);

bool IsHeartbeat(const pb::WatchVerificationKeysResponse& step) {
  return !step.full() && step.keys().empty() &&
         step.removed_key_ids().empty() && step.revocations().empty() &&
         !step.has_tenant_limits();
}

}  // namespace

absl::Status MergeKeys(const pb::WatchVerificationKeysResponse& step,
                       pb::WatchVerificationKeysResponse& whole) {
  if (step.full()) {
    whole = step;
    return absl::OkStatus();
  }
  if (!whole.full()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "KEYS_OUT_OF_STEP",
                     "a part came before the whole");
  }
  for (const pb::VerificationKey& key : step.keys()) {
    pb::VerificationKey* into = nullptr;
    for (pb::VerificationKey& old : *whole.mutable_keys()) {
      if (old.key_id() == key.key_id()) into = &old;
    }
    if (into == nullptr) into = whole.add_keys();
    *into = key;
  }
  const std::set<uint32_t> removed(step.removed_key_ids().begin(),
                                   step.removed_key_ids().end());
  auto& keys = *whole.mutable_keys();
  keys.erase(std::remove_if(keys.begin(), keys.end(),
                            [&](const pb::VerificationKey& key) {
                              return removed.contains(key.key_id());
                            }),
             keys.end());
  whole.mutable_revocations()->MergeFrom(step.revocations());
  if (step.has_tenant_limits()) {
    *whole.mutable_tenant_limits() = step.tenant_limits();
  }
  whole.set_version(step.version());
  *whole.mutable_create_time() = step.create_time();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const CredentialKeys>> KeysFromProto(
    const pb::WatchVerificationKeysResponse& whole) {
  std::vector<VerificationKey> keys;
  for (const pb::VerificationKey& key : whole.keys()) {
    if (key.secret().size() != kTurnKeySize) {
      return MakeError(absl::StatusCode::kInvalidArgument, "KEYS_INVALID",
                       "a verification key has the wrong size");
    }
    keys.push_back({key.key_id(), Secret::CopyOf(key.secret()),
                    FromProto(key.not_before_time()),
                    FromProto(key.not_after_time())});
  }
  Revocations revocations;
  for (const pb::Revocation& revocation : whole.revocations()) {
    switch (revocation.target_case()) {
      case pb::Revocation::kCredentialId:
        revocations.credential_ids.insert(revocation.credential_id());
        break;
      case pb::Revocation::kOpaqueSubject:
        revocations.subjects.insert(RevokedSubjectKey(
            TenantOfName(revocation.name()), revocation.opaque_subject()));
        break;
      case pb::Revocation::kKeyId:
        revocations.key_ids.insert(revocation.key_id());
        break;
      case pb::Revocation::TARGET_NOT_SET:
        break;
    }
  }
  return std::make_shared<const CredentialKeys>(
      whole.version(), std::move(keys), std::move(revocations));
}

std::shared_ptr<const TenantLimits> TenantLimitsFromProto(
    const pb::WatchVerificationKeysResponse& whole) {
  TenantLimits::Map limits;
  for (const pb::TenantMediaLimits& one : whole.tenant_limits().tenants()) {
    TenantLimit& limit = limits[std::string(TenantOfName(one.tenant()))];
    limit.allocation_bytes_per_second = one.max_allocation_bytes_per_second();
    limit.subject_bytes_per_second = one.max_subject_bytes_per_second();
    limit.tenant_bytes_per_second = one.max_tenant_bytes_per_second();
    limit.max_allocations = one.max_allocations();
    limit.max_allocations_per_subject = one.max_allocations_per_subject();
  }
  return std::make_shared<const TenantLimits>(std::move(limits));
}

KeyClient::KeyClient(Options options)
    : options_(std::move(options)),
      stub_(pb::CredentialIssuerService::NewStub(options_.channel)) {
  addresses_ = options_.addresses;
  RestoreFromDisk();
  StreamWatch<Response>::Options watch;
  watch.open = [this](grpc::ClientContext* context) { return Open(context); };
  watch.on_message = [this](const Response& message) {
    return OnMessage(message);
  };
  watch.on_state = [this](bool connected, const absl::Status& why) {
    {
      absl::MutexLock lock(&mutex_);
      status_.connected = connected;
      status_.last_error = connected ? "" : ReasonOf(why);
      if (!connected && status_.last_error.empty()) {
        status_.last_error = absl::StatusCodeToString(why.code());
      }
    }
    if (options_.on_state) options_.on_state(connected);
  };
  watch.max_backoff = options_.max_backoff;
  watch_ = std::make_unique<StreamWatch<Response>>(std::move(watch));
  reporter_ = std::thread([this] {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        const auto wake = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
          return stopping_ || report_wanted_;
        };
        mutex_.AwaitWithTimeout(absl::Condition(&wake), kReportInterval);
        if (stopping_) return;
        report_wanted_ = false;
        if (!status_.connected) continue;
      }
      Report();
    }
  });
}

KeyClient::~KeyClient() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  reporter_.join();
  watch_.reset();
}

void KeyClient::ReportNow() {
  absl::MutexLock lock(&mutex_);
  report_wanted_ = true;
}

void KeyClient::RestoreFromDisk() {
  if (options_.cache_file.empty()) return;
  absl::StatusOr<std::string> saved =
      ReadWholeFile(options_.cache_file, kMaxCacheBytes);
  if (absl::IsNotFound(saved.status())) return;
  Response whole;
  absl::StatusOr<std::shared_ptr<const CredentialKeys>> keys =
      absl::DataLossError("not a ring of keys");
  if (!saved.ok()) {
    keys = saved.status();
  } else {
    if (whole.ParseFromString(*saved) && whole.full()) {
      keys = KeysFromProto(whole);
    }
    Cleanse(*saved);
  }
  if (!keys.ok()) {
    LogWarning("the verification keys kept on disk are not used",
               {{"error", keys.status()}});
    return;
  }
  if (options_.on_limits) options_.on_limits(TenantLimitsFromProto(whole));
  {
    absl::MutexLock lock(&mutex_);
    whole_ = std::move(whole);
    status_.version = (*keys)->version();
    status_.active_time = absl::Now();
    status_.from_cache = true;
    status_.key_ids = (*keys)->key_ids();
  }
  options_.on_keys(*std::move(keys));
}

std::unique_ptr<grpc::ClientReader<KeyClient::Response>> KeyClient::Open(
    grpc::ClientContext* context) {
  pb::WatchVerificationKeysRequest request;
  request.set_consumer(options_.consumer);
  absl::MutexLock lock(&mutex_);
  request.set_known_version(whole_.version());
  return stub_->WatchVerificationKeys(context, request);
}

absl::Status KeyClient::OnMessage(const Response& message) {
  if (IsHeartbeat(message)) return absl::OkStatus();
  Response whole;
  {
    absl::MutexLock lock(&mutex_);
    whole = whole_;
  }
  absl::Status merged = MergeKeys(message, whole);
  std::shared_ptr<const CredentialKeys> keys;
  if (merged.ok()) {
    auto made = KeysFromProto(whole);
    merged = made.status();
    if (made.ok()) keys = *std::move(made);
  }
  if (!merged.ok()) {
    // What is in force stays; the next attempt asks for everything.
    absl::MutexLock lock(&mutex_);
    whole_.Clear();
    return merged;
  }
  bool warn = false;
  {
    absl::MutexLock lock(&mutex_);
    whole_ = whole;
    status_.version = keys->version();
    status_.active_time = absl::Now();
    status_.from_cache = false;
    status_.key_ids = keys->key_ids();
    warn = !whole.realm().empty() && whole.realm() != options_.realm &&
           !realm_warned_;
    realm_warned_ = realm_warned_ || warn;
  }
  if (warn) {
    LogWarning("the issuer announces another realm than this relay",
               {{"issuer_realm", whole.realm()}, {"realm", options_.realm}});
  }
  if (options_.on_limits && (message.full() || message.has_tenant_limits())) {
    options_.on_limits(TenantLimitsFromProto(whole));
  }
  options_.on_keys(std::move(keys));
  Report();
  if (options_.cache_file.empty()) return absl::OkStatus();
  std::string bytes = whole.SerializeAsString();
  const absl::Status saved = WriteDurableFile(options_.cache_file, bytes);
  Cleanse(bytes);
  if (!saved.ok()) {
    LogWarning("the verification keys cannot be kept on disk",
               {{"error", saved}});
  }
  return absl::OkStatus();
}

void KeyClient::SetAddresses(std::vector<Options::Address> addresses) {
  {
    absl::MutexLock lock(&mutex_);
    addresses_ = std::move(addresses);
  }
  ReportNow();
}

void KeyClient::Report() {
  pb::ReportKeysVersionRequest request;
  request.set_consumer(options_.consumer);
  {
    absl::MutexLock lock(&mutex_);
    request.set_active_version(status_.version);
    *request.mutable_active_time() = ToProto(status_.active_time);
    request.set_from_cache(status_.from_cache);
    for (const Options::Address& address : addresses_) {
      pb::ReportedRelayAddress& reported = *request.add_addresses();
      reported.set_uri(address.uri);
      reported.set_internal(address.internal);
    }
  }
  request.set_location(options_.location);
  if (options_.load) {
    const Load load = options_.load();
    request.set_load(load.share);
    request.set_allocation_count(load.allocations);
    request.set_allocation_capacity(load.allocation_capacity);
    request.set_draining(load.draining);
  }
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kReportDeadline));
  pb::ReportKeysVersionResponse response;
  // Unheard reports are made good by the next one; there is nothing to do.
  (void)stub_->ReportKeysVersion(&context, request, &response);
}

KeyClient::Status KeyClient::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

}  // namespace sallyport::media_relay
