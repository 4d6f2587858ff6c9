// Files with prompts: WAV (RIFF), AU (.snd), and bare octets of a codec.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_FILE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_FILE_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {

// What the end of a file's name says of its contents.
enum class PromptFileKind : uint8_t { kWav, kAu, kPcmu, kPcma, kG722 };

// "wav", "au", "pcmu" or "ulaw", "pcma" or "alaw", "g722"; none for others.
std::optional<PromptFileKind> PromptFileKindOf(std::string_view extension);

// Reads one channel of G.711, of G.722 at 64 kbit/s, or of 16 bits at 8000
// samples a second, which becomes mu-law and A-law. Several answers are the
// same audio in several codecs.
//
// INVALID_ARGUMENT, reason PROMPT_FILE_INVALID, when a length runs past the
// file, the whole is not filled, a chunk is missing or there twice, the format
// is another one, or there is no audio.
absl::StatusOr<std::vector<PromptAudio>> ParsePromptFile(PromptFileKind kind,
                                                         ByteSpan file);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_FILE_H_
