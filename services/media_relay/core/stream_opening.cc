#include "services/media_relay/core/stream_opening.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/random_source.h"
#include "services/media_relay/core/stream_framer.h"

namespace sallyport::media_relay {
namespace {

constexpr uint8_t kTlsHandshake = 22;

// The record and handshake heads, and the version. A real ClientHello of this
// length would offer one suite and no extension: no TLS client sends it.
constexpr std::array<uint8_t, 11> kHelloBegin = {
    0x16, 0x03, 0x01, 0x00, 0x2D, 0x01, 0x00, 0x00, 0x29, 0x03, 0x01};
// No session id; one suite, RC4 with MD5 of old; no compression. Behind time
// and random.
constexpr size_t kHelloEndAt = 43;
constexpr std::array<uint8_t, 7> kHelloEnd = {0x00, 0x00, 0x02, 0x00,
                                              0x18, 0x01, 0x00};

}  // namespace

StreamOpening ReadStreamOpening(ByteSpan first) {
  if (first.empty()) return StreamOpening::kMore;
  switch (first[0]) {
    case 0x00:  // every STUN request and indication that a client sends
      return StreamOpening::kTurn;
    case kMsTurnControl:
      if (first.size() < 2) return StreamOpening::kMore;
      return first[1] == 0 ? StreamOpening::kMsTurn : StreamOpening::kUnknown;
    case kTlsHandshake:
      break;
    default:
      return StreamOpening::kUnknown;
  }
  const size_t begin = std::min(first.size(), kHelloBegin.size());
  if (!std::equal(first.begin(), first.begin() + static_cast<ptrdiff_t>(begin),
                  kHelloBegin.begin())) {
    return StreamOpening::kTls;
  }
  if (first.size() < kPseudoTlsClientHello) return StreamOpening::kMore;
  return std::equal(kHelloEnd.begin(), kHelloEnd.end(),
                    first.begin() + kHelloEndAt)
             ? StreamOpening::kPseudoTls
             : StreamOpening::kTls;
}

std::array<uint8_t, kPseudoTlsServerHello> WritePseudoTlsServerHello(
    RandomSource& random) {
  std::array<uint8_t, kPseudoTlsServerHello> hello = {
      0x16, 0x03, 0x01, 0x00, 0x4E, 0x02, 0x00, 0x00, 0x46, 0x03, 0x01};
  random.Fill(absl::MakeSpan(&hello[11], 32));  // time and random
  hello[43] = 0x20;
  random.Fill(absl::MakeSpan(&hello[44], 32));  // session id
  constexpr std::array<uint8_t, 7> kEnd = {0x00, 0x18, 0x00, 0x0E,
                                           0x00, 0x00, 0x00};
  std::copy(kEnd.begin(), kEnd.end(), hello.begin() + 76);
  return hello;
}

}  // namespace sallyport::media_relay
