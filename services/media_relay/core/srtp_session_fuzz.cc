// Any bytes as SRTP and SRTCP of every suite: nothing authenticates but what
// was protected with the key, and no byte outside the lent room is touched.

#include "services/media_relay/core/srtp_session.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

std::unique_ptr<SrtpSession> Make(SrtpSuite suite,
                                  SrtpSession::Direction direction) {
  const std::string key(KeySaltSize(suite), 'k');
  return SrtpSession::Create(Library(), suite, AsBytes(key), {}, direction)
      .value();
}

void Run(absl::Span<const uint8_t> bytes) {
  if (bytes.empty() || bytes.size() > kMaxPacketSize) return;
  const SrtpSuite suite = static_cast<SrtpSuite>(bytes[0] % 5);
  const bool rtcp = (bytes[0] & 0x80) != 0;
  bytes.remove_prefix(1);
  auto unprotect = Make(suite, SrtpSession::Direction::kUnprotect);
  std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
  buffer.resize(bytes.size() + kPacketTailroom);
  Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
  const SrtpResult forged =
      rtcp ? unprotect->UnprotectRtcp(packet) : unprotect->UnprotectRtp(packet);
  // Forging a tag by chance would take 2^32 tries for the shortest one, and
  // the fuzzer does not know the key; E-bit-clear SRTCP still has its tag.
  Require(forged != SrtpResult::kOk || unprotect->source_count() == 1);

  // What can be protected comes back as it was.
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  packet = Packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
  auto protect = Make(suite, SrtpSession::Direction::kProtect);
  auto fresh = Make(suite, SrtpSession::Direction::kUnprotect);
  const SrtpResult done =
      rtcp ? protect->ProtectRtcp(packet) : protect->ProtectRtp(packet);
  if (done != SrtpResult::kOk) return;
  Require(packet.size <= buffer.size());
  const SrtpResult back =
      rtcp ? fresh->UnprotectRtcp(packet) : fresh->UnprotectRtp(packet);
  Require(back == SrtpResult::kOk);
  Require(packet.bytes() == bytes);
}

}  // namespace
}  // namespace sallyport::media_relay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::media_relay::Run(absl::MakeConstSpan(data, size));
  return 0;
}
