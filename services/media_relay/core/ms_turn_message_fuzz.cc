// Any octets as an MS-TURN message: what parses can be asked for everything.

#include "services/media_relay/core/ms_turn_message.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "services/common/bytes/byte_span.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::media_relay;  // NOLINT(build/namespaces)
  const sallyport::ByteSpan bytes(data, size);
  const auto message = ParseMsTurnMessage(bytes);
  if (!message.ok()) return 0;
  if (!IsMsTurn(bytes)) std::abort();
  for (uint32_t type = 0; type < 0x10000; type += type < 0x20 ? 1 : 0x10) {
    const auto value = message->Find(static_cast<uint16_t>(type));
    if (value.has_value() &&
        (value->data() < data || value->data() + value->size() > data + size)) {
      std::abort();
    }
    (void)message->FindUint32(static_cast<uint16_t>(type));
    (void)message->FindAddress(static_cast<uint16_t>(type));
  }
  if (const auto unknown = message->FirstUnknown()) {
    if (*unknown >= 0x8000 || !message->Find(*unknown).has_value()) {
      std::abort();
    }
  }
  // Nobody has this key.
  constexpr std::array<uint8_t, 16> kKey = {1, 2, 3};
  for (const MsTurnIntegrity form :
       {MsTurnIntegrity::kSha1, MsTurnIntegrity::kSha256Filled,
        MsTurnIntegrity::kSha256}) {
    if (message->VerifyIntegrity(kKey, form) &&
        (!message->has_integrity() ||
         message->has_sha256() == (form == MsTurnIntegrity::kSha1))) {
      std::abort();
    }
  }
  return 0;
}
