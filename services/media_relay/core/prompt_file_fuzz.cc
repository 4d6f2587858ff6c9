// Any bytes as a file of any kind: what is read is never more than the file
// has, and never nothing.

#include "services/media_relay/core/prompt_file.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/prompt_audio.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace relay = sallyport::media_relay;
  if (size == 0) return 0;
  const auto kind = static_cast<relay::PromptFileKind>(data[0] % 5);
  const auto read =
      relay::ParsePromptFile(kind, sallyport::ByteSpan(data + 1, size - 1));
  if (!read.ok()) return 0;
  if (read->empty()) abort();
  for (const relay::PromptAudio& audio : *read) {
    if (audio.octets.empty() || audio.octets.size() > size) abort();
  }
  return 0;
}
