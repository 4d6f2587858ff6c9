// Which connections of clients are let in, and how long they may stay without
// having proved anything.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_ADMISSION_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_ADMISSION_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {

// From accept to the allocation, TLS handshake and authentication included; and
// again from the end of the allocation on.
inline constexpr absl::Duration kStreamPatience = absl::Seconds(15);

// Limits for connections: `all`, and `per_subject`, which is a source prefix
// here: an IPv4 address or an IPv6 /64.
AllocationLimits ConnectionLimits(size_t all, size_t per_source);

// Counts connections by source and ends those that come to nothing.
// Thread-compatible.
class StreamAdmission {
 public:
  // `quota` counts together with other loops and must outlive this object.
  void SetQuota(AllocationQuota& quota) { quota_ = &quota; }

  // False: too many, of all or of its source.
  bool Admit(SocketId stream, const IpAddress& source, MonoTime now);
  // It has an allocation, or carries data of one: it may stay.
  void Settle(SocketId stream);
  // It has none any more.
  void Unsettle(SocketId stream, MonoTime now);
  // It is gone; nothing happens if it was not admitted.
  void Remove(SocketId stream);

  MonoTime deadline() const { return deadlines_.next(); }
  // A connection whose time is up; it still has to be removed.
  std::optional<SocketId> TakeExpired(MonoTime now) {
    return deadlines_.PopExpired(now);
  }

  size_t size() const { return sources_.size(); }

 private:
  LocalQuota own_quota_{ConnectionLimits(10'000, 100)};
  AllocationQuota* quota_ = &own_quota_;
  absl::flat_hash_map<SocketId, std::string> sources_;
  DeadlineQueue<SocketId> deadlines_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_STREAM_ADMISSION_H_
