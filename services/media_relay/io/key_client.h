// The relay's view of credential_issuer: verification keys and revocations as
// they stream in, kept on disk.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_KEY_CLIENT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_KEY_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/rpc/stream_watch.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/tenant_limits.h"

namespace sallyport::media_relay {

// Puts one step into `whole`, which stays a full state. FAILED_PRECONDITION
// with KEYS_OUT_OF_STEP when a partial step comes first.
absl::Status MergeKeys(
    const credential_issuer::v1::WatchVerificationKeysResponse& step,
    credential_issuer::v1::WatchVerificationKeysResponse& whole);

// The ring of a full state. INVALID_ARGUMENT with KEYS_INVALID when a secret
// has the wrong size.
absl::StatusOr<std::shared_ptr<const CredentialKeys>> KeysFromProto(
    const credential_issuer::v1::WatchVerificationKeysResponse& whole);

// What the tenants' policies in a full state say of allocations.
std::shared_ptr<const TenantLimits> TenantLimitsFromProto(
    const credential_issuer::v1::WatchVerificationKeysResponse& whole);

// Watches WatchVerificationKeys and hands on every complete ring. Starts from
// the one on disk while the issuer is down, and goes on verifying with what it
// has for as long as the keys themselves allow (design.md section 5).
// Thread-safe.
class KeyClient {
 public:
  // What the issuer chooses relays by.
  struct Load {
    double share = 0;  // 0 to 1
    uint32_t allocations = 0;
    uint32_t allocation_capacity = 0;
    bool draining = false;
  };
  struct Options {
    std::shared_ptr<grpc::Channel> channel;
    std::string consumer;    // instance id
    std::string cache_file;  // mode 0600; empty: nothing is kept
    std::string realm;       // ours; another one from the issuer is warned of
    absl::Duration max_backoff = absl::Seconds(5);
    // Every new ring, from the constructor's thread (the one on disk) and then
    // from the stream's. Must not block: it posts to the loops.
    std::function<void(std::shared_ptr<const CredentialKeys>)> on_keys;
    // The limits of single tenants: when they come and when they change; may
    // be null. The same holds for it.
    std::function<void(std::shared_ptr<const TenantLimits>)> on_limits;
    std::function<void(bool connected)> on_state;
    // What the issuer gives to clients: asked for with each report.
    struct Address {
      std::string uri;
      bool internal = false;
    };
    std::vector<Address> addresses;  // at first: see SetAddresses()
    std::string location;            // site, as the configuration calls it
    std::function<Load()> load;
  };

  explicit KeyClient(Options options);
  ~KeyClient();

  // The next report goes out now, as when a drain begins. Does not wait.
  void ReportNow();
  // From now on clients are given these.
  void SetAddresses(std::vector<Options::Address> addresses);

  struct Status {
    int64_t version = 0;
    absl::Time active_time = absl::InfinitePast();
    bool connected = false;
    bool from_cache = false;
    std::string last_error;
    std::vector<uint32_t> key_ids;
  };
  Status status() const;

 private:
  using Response = credential_issuer::v1::WatchVerificationKeysResponse;

  void RestoreFromDisk();
  std::unique_ptr<grpc::ClientReader<Response>> Open(
      grpc::ClientContext* context);
  absl::Status OnMessage(const Response& message);
  void Report();

  const Options options_;
  std::unique_ptr<credential_issuer::v1::CredentialIssuerService::Stub> stub_;
  mutable absl::Mutex mutex_;
  Response whole_ ABSL_GUARDED_BY(mutex_);
  Status status_ ABSL_GUARDED_BY(mutex_);
  std::vector<Options::Address> addresses_ ABSL_GUARDED_BY(mutex_);
  bool realm_warned_ ABSL_GUARDED_BY(mutex_) = false;
  bool report_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<StreamWatch<Response>> watch_;
  std::thread reporter_;  // last: it uses all of the above
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_KEY_CLIENT_H_
