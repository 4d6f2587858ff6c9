#include "services/media_relay/core/prompt_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {
namespace {

absl::Status Invalid(std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PROMPT_FILE_INVALID",
                   why);
}

uint32_t Little(ByteSpan bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = count; i-- > 0;) value = value << 8 | bytes[at + i];
  return value;
}

uint32_t Big32(ByteSpan bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | bytes[at + i];
  return value;
}

bool HasText(ByteSpan bytes, size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin() + at,
                    [](char c, uint8_t octet) {
                      return static_cast<uint8_t>(c) == octet;
                    });
}

enum class Form : uint8_t { kMuLaw, kALaw, kG722, kLinearLittle, kLinearBig };

struct Format {
  Form form;
  uint32_t rate;
  uint32_t channels;
};

std::string Text(ByteSpan bytes) {
  return std::string(bytes.begin(), bytes.end());
}

absl::StatusOr<std::vector<PromptAudio>> AudioOf(const Format& format,
                                                 ByteSpan data) {
  if (format.channels != 1) return Invalid("it has not one channel");
  const uint32_t rate = format.form == Form::kG722 ? 16000 : 8000;
  if (format.rate != rate) return Invalid("it has another sample rate");
  if (data.empty()) return Invalid("it has no audio");
  switch (format.form) {
    case Form::kMuLaw:
      return std::vector<PromptAudio>{{PromptCodec::kPcmu, Text(data)}};
    case Form::kALaw:
      return std::vector<PromptAudio>{{PromptCodec::kPcma, Text(data)}};
    case Form::kG722:
      return std::vector<PromptAudio>{{PromptCodec::kG722, Text(data)}};
    default:
      break;
  }
  if (data.size() % 2 != 0) return Invalid("half a sample is at its end");
  const size_t low = format.form == Form::kLinearLittle ? 0 : 1;
  std::vector<int16_t> samples;
  samples.reserve(data.size() / 2);
  for (size_t i = 0; i < data.size(); i += 2) {
    samples.push_back(static_cast<int16_t>(
        static_cast<uint16_t>(data[i + low] | data[i + 1 - low] << 8)));
  }
  return std::vector<PromptAudio>{
      {PromptCodec::kPcmu, EncodeG711(PromptCodec::kPcmu, samples)},
      {PromptCodec::kPcma, EncodeG711(PromptCodec::kPcma, samples)}};
}

// The registered numbers of mmreg.h, and the one that ffmpeg writes for G.722.
absl::StatusOr<Format> WavFormat(ByteSpan chunk) {
  if (chunk.size() != 16 && chunk.size() != 18) {
    return Invalid("its format chunk has another size");
  }
  if (chunk.size() == 18 && Little(chunk, 16, 2) != 0) {
    return Invalid("its format has an extension");
  }
  Format format = {Form::kMuLaw, Little(chunk, 4, 4), Little(chunk, 2, 2)};
  uint32_t bits = 8;
  switch (Little(chunk, 0, 2)) {
    case 0x0001:
      format.form = Form::kLinearLittle;
      bits = 16;
      break;
    case 0x0006:
      format.form = Form::kALaw;
      break;
    case 0x0007:
      break;
    case 0x0065:
    case 0x028F:
      format.form = Form::kG722;
      return format;  // writers disagree on its bits
    default:
      return Invalid("its codec is another one");
  }
  if (Little(chunk, 14, 2) != bits) {
    return Invalid("its samples have another size");
  }
  return format;
}

absl::StatusOr<std::vector<PromptAudio>> ParseWav(ByteSpan file) {
  if (!HasText(file, 0, "RIFF") || !HasText(file, 8, "WAVE")) {
    return Invalid("it is not WAV");
  }
  if (Little(file, 4, 4) != file.size() - 8) {
    return Invalid("its length is not that of its head");
  }
  std::optional<Format> format;
  std::optional<ByteSpan> data;
  size_t at = 12;
  while (at < file.size()) {
    if (file.size() - at < 8) return Invalid("a chunk has no whole head");
    const size_t size = Little(file, at + 4, 4);
    if (size > file.size() - at - 8) return Invalid("a chunk runs past it");
    const ByteSpan chunk = file.subspan(at + 8, size);
    if (HasText(file, at, "fmt ")) {
      if (format.has_value()) return Invalid("it has two formats");
      SP_ASSIGN_OR_RETURN(format, WavFormat(chunk));
    } else if (HasText(file, at, "data")) {
      if (data.has_value()) return Invalid("it has two data chunks");
      if (!format.has_value()) return Invalid("data precede its format");
      data = chunk;
    }
    at += 8 + size;
    // Chunks are even; some writers leave the last one odd.
    if (size % 2 != 0 && at < file.size()) ++at;
  }
  if (!data.has_value()) return Invalid("it has no data");
  return AudioOf(*format, *data);
}

absl::StatusOr<std::vector<PromptAudio>> ParseAu(ByteSpan file) {
  constexpr size_t kHead = 24;
  constexpr uint32_t kUnknownSize = 0xFFFFFFFF;
  if (file.size() < kHead || !HasText(file, 0, ".snd")) {
    return Invalid("it is not AU");
  }
  const size_t offset = Big32(file, 4);
  const uint32_t size = Big32(file, 8);
  if (offset < kHead || offset > file.size()) {
    return Invalid("its data begin outside of it");
  }
  if (size != kUnknownSize && size != file.size() - offset) {
    return Invalid("its length is not that of its head");
  }
  Format format = {Form::kMuLaw, Big32(file, 16), Big32(file, 20)};
  switch (Big32(file, 12)) {
    case 1:
      break;
    case 3:
      format.form = Form::kLinearBig;
      break;
    case 24:
      format.form = Form::kG722;
      break;
    case 27:
      format.form = Form::kALaw;
      break;
    default:
      return Invalid("its codec is another one");
  }
  return AudioOf(format, file.subspan(offset));
}

}  // namespace

std::optional<PromptFileKind> PromptFileKindOf(std::string_view extension) {
  constexpr std::array<std::pair<std::string_view, PromptFileKind>, 7> kKinds =
      {{{"wav", PromptFileKind::kWav},
        {"au", PromptFileKind::kAu},
        {"pcmu", PromptFileKind::kPcmu},
        {"ulaw", PromptFileKind::kPcmu},
        {"pcma", PromptFileKind::kPcma},
        {"alaw", PromptFileKind::kPcma},
        {"g722", PromptFileKind::kG722}}};
  for (const auto& [name, kind] : kKinds) {
    if (name == extension) return kind;
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<PromptAudio>> ParsePromptFile(PromptFileKind kind,
                                                         ByteSpan file) {
  switch (kind) {
    case PromptFileKind::kWav:
      return ParseWav(file);
    case PromptFileKind::kAu:
      return ParseAu(file);
    case PromptFileKind::kPcmu:
      return AudioOf({Form::kMuLaw, 8000, 1}, file);
    case PromptFileKind::kPcma:
      return AudioOf({Form::kALaw, 8000, 1}, file);
    case PromptFileKind::kG722:
      return AudioOf({Form::kG722, 16000, 1}, file);
  }
  return Invalid("it is of no known kind");
}

}  // namespace sallyport::media_relay
