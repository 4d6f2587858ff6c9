#include "services/common/net/private_address.h"

#include "services/common/bytes/byte_span.h"

namespace sallyport {

bool IsPrivateAddress(const SocketAddress& given) {
  const SocketAddress address = given.Canonical();
  if (address.is_loopback() || address.is_unspecified() ||
      address.is_multicast()) {
    return true;
  }
  const ByteSpan ip = address.ip_bytes();
  if (address.is_v6()) {
    return (ip[0] & 0xfe) == 0xfc ||                   // fc00::/7
           (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);  // fe80::/10
  }
  return ip[0] == 0 || ip[0] == 10 ||  // RFC 1918
         (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
         (ip[0] == 192 && ip[1] == 168) ||
         (ip[0] == 169 && ip[1] == 254) ||        // RFC 3927
         (ip[0] == 100 && (ip[1] & 0xc0) == 64);  // RFC 6598
}

}  // namespace sallyport
