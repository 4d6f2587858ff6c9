#include "services/media_relay/core/stream_admission.h"

#include <cstddef>
#include <string>
#include <utility>

#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/allocation_quota.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"

namespace sallyport::media_relay {
namespace {

// An IPv6 host has its /64 to itself.
std::string PrefixOf(const IpAddress& source) {
  ByteSpan bytes = source.bytes();
  if (source.is_v6()) bytes = bytes.first(8);
  return ToString(bytes);
}

}  // namespace

AllocationLimits ConnectionLimits(size_t all, size_t per_source) {
  return {all, all, per_source};
}

bool StreamAdmission::Admit(SocketId stream, const IpAddress& source,
                            MonoTime now) {
  std::string prefix = PrefixOf(source);
  // Sources are the quota's tenants too: so loops meet by source only.
  if (quota_->Take(prefix, prefix) != QuotaVerdict::kGranted) return false;
  sources_[stream] = std::move(prefix);
  deadlines_.Set(stream, now + kStreamPatience);
  return true;
}

void StreamAdmission::Settle(SocketId stream) { deadlines_.Erase(stream); }

void StreamAdmission::Unsettle(SocketId stream, MonoTime now) {
  if (!sources_.contains(stream)) return;
  deadlines_.Set(stream, now + kStreamPatience);
}

void StreamAdmission::Remove(SocketId stream) {
  const auto it = sources_.find(stream);
  if (it == sources_.end()) return;
  quota_->GiveBack(it->second, it->second);
  sources_.erase(it);
  deadlines_.Erase(stream);
}

}  // namespace sallyport::media_relay
