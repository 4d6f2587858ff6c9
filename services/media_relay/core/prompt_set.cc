#include "services/media_relay/core/prompt_set.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {

bool IsPromptName(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

PromptSet::PromptSet() {
  const std::vector<int16_t> melody = PromptMelody();
  Add("", kDefaultPrompt,
      {{PromptCodec::kPcmu, EncodeG711(PromptCodec::kPcmu, melody)},
       {PromptCodec::kPcma, EncodeG711(PromptCodec::kPcma, melody)}});
  // What is prepared under this name is better than what is computed.
  for (auto& [key, prompt] : prompts_) prompt.derived.fill(true);
}

std::shared_ptr<const PromptSet> PromptSet::OutOfTheBox() {
  static const auto* const set =
      new std::shared_ptr<const PromptSet>(std::make_shared<const PromptSet>());
  return *set;
}

std::string PromptSet::Key(std::string_view tenant, std::string_view name) {
  std::string key(tenant);
  key.push_back('/');  // in neither part
  key.append(name);
  return key;
}

void PromptSet::Put(Prompt& prompt, PromptAudio audio, bool derived) {
  const size_t at = static_cast<size_t>(audio.codec);
  if (prompt.audio[at] != nullptr) {
    if (derived && !prompt.derived[at]) return;
    octets_ -= prompt.audio[at]->octets.size();
  }
  octets_ += audio.octets.size();
  prompt.derived[at] = derived;
  prompt.audio[at] = std::make_shared<const PromptAudio>(std::move(audio));
}

void PromptSet::Add(std::string_view tenant, std::string_view name,
                    const std::vector<PromptAudio>& audio) {
  Prompt& prompt = prompts_[Key(tenant, name)];
  for (const PromptAudio& one : audio) {
    Put(prompt, one, /*derived=*/false);
    if (one.codec == PromptCodec::kG722) continue;
    const PromptCodec other = one.codec == PromptCodec::kPcmu
                                  ? PromptCodec::kPcma
                                  : PromptCodec::kPcmu;
    Put(prompt, {other, TranscodeG711(one, other)}, /*derived=*/true);
  }
}

bool PromptSet::Has(std::string_view tenant, std::string_view name) const {
  return prompts_.contains(Key(tenant, name)) ||
         prompts_.contains(Key("", name));
}

std::shared_ptr<const PromptAudio> PromptSet::Find(std::string_view tenant,
                                                   std::string_view name,
                                                   PromptCodec codec) const {
  auto it = prompts_.find(Key(tenant, name));
  if (it == prompts_.end()) it = prompts_.find(Key("", name));
  if (it == prompts_.end()) return nullptr;
  return it->second.audio[static_cast<size_t>(codec)];
}

}  // namespace sallyport::media_relay
