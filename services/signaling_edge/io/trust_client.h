// The edge's view of capf: trust stores and revocations as they stream in.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TRUST_CLIENT_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TRUST_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/rpc/stream_watch.h"
#include "services/signaling_edge/io/trust_bundle.h"

namespace sallyport::signaling_edge {

// Watches WatchTrustBundle; starts from the last bundle on disk while capf is
// down (design.md section 5). Without a channel the fixed trust alone counts.
// Thread-safe.
class TrustClient {
 public:
  struct Options {
    std::shared_ptr<grpc::Channel> channel;  // null: no capf
    std::string consumer;                    // instance id
    std::string cache_file;                  // empty: nothing is kept
    StaticTrustStores fixed;
    absl::Duration max_backoff = absl::Seconds(5);
    // Every generation, from the constructor's thread (fixed trust and disk)
    // and then from the stream's. Must not block.
    std::function<void(std::shared_ptr<const TrustBundle>, bool from_cache)>
        on_trust;
    std::function<void(bool connected, const absl::Status& why)> on_state;
  };

  // Calls on_trust before it returns. INVALID_ARGUMENT if the fixed trust does
  // not parse.
  static absl::StatusOr<std::unique_ptr<TrustClient>> Create(Options options);
  ~TrustClient();

  // Tells capf which version every loop now trusts by. Any thread.
  void ReportActive(int64_t version);

  struct Status {
    int64_t version = 0;
    bool connected = false;
    bool from_cache = false;
  };
  Status status() const;

 private:
  using Response = capf::v1::WatchTrustBundleResponse;
  struct Rpc;  // the generated stub: its header is a large one

  explicit TrustClient(Options options);
  absl::Status Start();
  void RestoreFromDisk();
  // Puts `message` into the whole; the result, for on_trust and for the disk.
  absl::Status OnMessage(const Response& message);
  void Watch();

  const Options options_;
  std::unique_ptr<const Rpc> rpc_;
  mutable absl::Mutex mutex_;
  // The last full state; its `full` is always true.
  // The last that was told; of Start() and then of the stream's thread.
  std::shared_ptr<const TrustBundle> last_;
  Response whole_ ABSL_GUARDED_BY(mutex_);
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  bool from_cache_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<StreamWatch<Response>> watch_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_TRUST_CLIENT_H_
