#include "services/media_relay/core/allocation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

bool Allocation::Permit(const IpAddress& peer, MonoTime now) {
  for (Permission& permission : permissions_) {
    if (permission.peer == peer) {
      permission.expiry = now + kPermissionLifetime;
      return true;
    }
  }
  if (permissions_.size() >= limits_.max_permissions) {
    std::erase_if(permissions_, [now](const Permission& permission) {
      return permission.expiry <= now;
    });
  }
  if (permissions_.size() >= limits_.max_permissions) return false;
  permissions_.push_back({peer, now + kPermissionLifetime});
  return true;
}

bool Allocation::IsPermitted(const IpAddress& peer, MonoTime now) const {
  for (const Permission& permission : permissions_) {
    if (permission.peer == peer) return permission.expiry > now;
  }
  return false;
}

MonoTime Allocation::PermittedUntil(const IpAddress& peer) const {
  for (const Permission& permission : permissions_) {
    if (permission.peer == peer) return permission.expiry;
  }
  return MonoTime::InfinitePast();
}

std::vector<Allocation::Channel> Allocation::TakeExpiredChannels(MonoTime now) {
  std::vector<Channel> expired;
  std::erase_if(channels_, [&](const Channel& channel) {
    if (channel.expiry > now) return false;
    expired.push_back(channel);
    return true;
  });
  return expired;
}

Allocation::Bind Allocation::BindChannel(uint16_t number, const Endpoint& peer,
                                         MonoTime now) {
  std::erase_if(channels_, [now](const Channel& channel) {
    return channel.expiry <= now;
  });
  for (Channel& channel : channels_) {
    if (channel.number == number && channel.peer == peer) {
      channel.expiry = now + kChannelLifetime;
      return Bind::kBound;
    }
    if (channel.number == number || channel.peer == peer) {
      return Bind::kConflict;
    }
  }
  if (channels_.size() >= limits_.max_channels) return Bind::kFull;
  channels_.push_back({number, peer, now + kChannelLifetime});
  return Bind::kBound;
}

const Allocation::Channel* Allocation::FindChannel(uint16_t number,
                                                   MonoTime now) const {
  for (const Channel& channel : channels_) {
    if (channel.number == number) {
      return channel.expiry > now ? &channel : nullptr;
    }
  }
  return nullptr;
}

const Allocation::Channel* Allocation::FindChannelTo(const Endpoint& peer,
                                                     MonoTime now) const {
  for (const Channel& channel : channels_) {
    if (channel.peer == peer && channel.expiry > now) return &channel;
  }
  return nullptr;
}

size_t Allocation::permission_count(MonoTime now) const {
  return static_cast<size_t>(
      std::count_if(permissions_.begin(), permissions_.end(),
                    [now](const Permission& p) { return p.expiry > now; }));
}

size_t Allocation::channel_count(MonoTime now) const {
  return static_cast<size_t>(
      std::count_if(channels_.begin(), channels_.end(),
                    [now](const Channel& c) { return c.expiry > now; }));
}

}  // namespace sallyport::media_relay
