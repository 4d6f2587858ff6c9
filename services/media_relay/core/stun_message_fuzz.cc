// Any bytes: parse, then read everything the parser calls well formed.

#include "services/media_relay/core/stun_message.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"
#include "services/media_relay/core/stun_integrity.h"

namespace sallyport::media_relay {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void Run(absl::Span<const uint8_t> bytes) {
  const auto message = ParseStunMessage(bytes);
  if (!message.ok()) {
    Require(message.status().message().empty());
    return;
  }
  Require(message->bytes().data() == bytes.data());
  Require(message->unknown_required().size() <= StunMessage::kMaxUnknown);
  for (uint32_t type = 0; type <= 0x30; ++type) {
    const auto found = message->Find(static_cast<uint16_t>(type));
    if (!found.has_value()) continue;
    Require(found->data() >= bytes.data() &&
            found->data() + found->size() <= bytes.data() + bytes.size());
    size_t seen = 0;
    message->ForEach(static_cast<uint16_t>(type),
                     [&](absl::Span<const uint8_t> value) {
                       if (seen++ == 0) Require(value.data() == found->data());
                       message->DecodeXorAddress(value);
                     });
    Require(seen > 0);
  }
  const uint8_t key[16] = {};
  const auto verified = VerifyIntegrity(*message, key);
  if (verified.has_value()) {
    Require(message->integrity_offset() != 0 ||
            message->integrity_sha256_offset() != 0);
  }
}

}  // namespace
}  // namespace sallyport::media_relay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::media_relay::Run(absl::MakeConstSpan(data, size));
  return 0;
}
