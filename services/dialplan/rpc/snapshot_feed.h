// What one kind of consumer is sent, encoded once for all of them.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_SNAPSHOT_FEED_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_SNAPSHOT_FEED_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/record_map.h"
#include "services/dialplan/io/plan_board.h"

namespace sallyport::dialplan {

// One version whole, in parts that are encoded when the first stream comes to
// them and kept for those that follow closely. Thread-safe.
class SnapshotImage {
 public:
  // How many encoded parts are kept; older ones are encoded again for who is
  // slow.
  static constexpr size_t kKeptParts = 32;

  SnapshotImage(PlanBoard::View view, const PlanBoard::Tenants& tenants,
                bool with_secrets, size_t part_bytes);

  int64_t version() const { return head_.version; }

  struct Part {
    grpc::ByteBuffer message;
    bool last = false;
  };
  // Parts from 0; one past the last must not be asked for.
  Part Get(size_t index);

 private:
  const PlanBoard::Head head_;
  const bool with_secrets_;
  const size_t part_bytes_;
  // Either everything, or those of the tenants asked for.
  const RecordMap all_;
  std::vector<RecordPtr> chosen_;
  const bool filtered_;

  struct Place {
    RecordMap::Iterator at;
    size_t chosen = 0;
  };
  bool AtEnd(const Place& place) const;
  Part Encode(Place& place) const;

  absl::Mutex mutex_;
  // Where each part begins, as far as that is known.
  std::vector<Place> places_ ABSL_GUARDED_BY(mutex_);
  std::map<size_t, Part> kept_ ABSL_GUARDED_BY(mutex_);
};

// What streams of one audience (the same tenants, with or without secrets) are
// sent. It stands at one version of the board, to which it brings them all by
// one message each; streams that come from the same version are handed the
// same octets. Thread-safe.
class SnapshotFeed {
 public:
  struct Options {
    PlanBoard::Tenants tenants;
    bool with_secrets = false;
    size_t part_bytes = 1 << 20;       // about how large a part is
    size_t max_delta_bytes = 3 << 20;  // else everything is sent
  };

  // `board` must outlive this object.
  SnapshotFeed(const PlanBoard& board, Options options);

  // Takes up the board's newest version.
  void Advance();

  // How a stream gets from the version it holds to the newest. Both empty:
  // it is there.
  struct Step {
    int64_t version = 0;  // afterwards
    std::optional<grpc::ByteBuffer> delta;
    std::shared_ptr<SnapshotImage> image;
  };
  // `checksum` as in PlanBoard::NamesSince.
  Step Next(int64_t version, std::string_view checksum);

 private:
  // Nothing: it is too large.
  std::optional<grpc::ByteBuffer> EncodeDelta(
      int64_t base, const std::set<std::string>& names) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<SnapshotImage> Image() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PlanBoard& board_;
  const Options options_;
  absl::Mutex mutex_;
  PlanBoard::View view_ ABSL_GUARDED_BY(mutex_);
  // To view_, by the version from which it leads; empty: everything has to be
  // sent.
  std::map<int64_t, std::optional<grpc::ByteBuffer>> deltas_
      ABSL_GUARDED_BY(mutex_);
  // For streams that come while others are being sent it.
  std::weak_ptr<SnapshotImage> image_ ABSL_GUARDED_BY(mutex_);
};

// A sign of life at a version.
grpc::ByteBuffer EncodeHeartbeat(int64_t version);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_SNAPSHOT_FEED_H_
