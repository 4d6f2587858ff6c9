#include "services/media_relay/io/receive_batch.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>

#include "absl/types/span.h"
#include "services/media_relay/core/endpoint.h"

namespace sallyport::media_relay {

socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
  if (endpoint.ip.is_v6()) {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::memcpy(&address.sin6_addr, endpoint.ip.bytes().data(), 16);
    std::memcpy(&out, &address, sizeof(address));
    return sizeof(address);
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  if (endpoint.ip.is_v4()) {
    std::memcpy(&address.sin_addr, endpoint.ip.bytes().data(), 4);
  }
  std::memcpy(&out, &address, sizeof(address));
  return sizeof(address);
}

Endpoint FromSockaddr(const sockaddr_storage& address) {
  Endpoint endpoint;
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    endpoint.ip = IpAddress::FromBytes(absl::MakeConstSpan(
        reinterpret_cast<const uint8_t*>(&v6.sin6_addr), 16));
    endpoint.port = ntohs(v6.sin6_port);
  } else if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    endpoint.ip = IpAddress::FromBytes(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(&v4.sin_addr), 4));
    endpoint.port = ntohs(v4.sin_port);
  }
  return endpoint;
}

ReceiveBatch::ReceiveBatch()
    : memory_(std::make_unique<Memory>()),
      items_(absl::MakeSpan(memory_->items)) {}

size_t ReceiveBatch::RoomBefore(size_t i,
                                absl::Span<const uint8_t> bytes) const {
  const std::less<const uint8_t*> before;
  const absl::Span<uint8_t> buffer = items_[i].buffer;
  if (before(bytes.data(), buffer.data()) ||
      !before(bytes.data(), buffer.data() + buffer.size())) {
    return 0;
  }
  return static_cast<size_t>(bytes.data() - buffer.data());
}

}  // namespace sallyport::media_relay
