// The prompts of a relay by name.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_SET_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_SET_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {

// Plays where nothing else was prepared: PromptMelody().
inline constexpr std::string_view kDefaultPrompt = "default";

// 1 to 64 of a-z, 0-9, '-' and '_'.
bool IsPromptName(std::string_view name);

// Immutable once it is shared.
class PromptSet {
 public:
  // One with kDefaultPrompt alone, which takes some milliseconds to compute.
  PromptSet();
  // The same, computed once for all.
  static std::shared_ptr<const PromptSet> OutOfTheBox();

  // Tenant empty: for all tenants. A recording in one law of G.711 gives the
  // other as well, which one that was made in that law replaces.
  void Add(std::string_view tenant, std::string_view name,
           const std::vector<PromptAudio>& audio);

  // Whether there is such a prompt, of the tenant or for all.
  bool Has(std::string_view tenant, std::string_view name) const;
  // Null when there is none in this codec. A tenant's own comes before one of
  // the same name for all.
  std::shared_ptr<const PromptAudio> Find(std::string_view tenant,
                                          std::string_view name,
                                          PromptCodec codec) const;

  size_t size() const { return prompts_.size(); }
  size_t octets() const { return octets_; }

 private:
  struct Prompt {
    std::array<std::shared_ptr<const PromptAudio>, kPromptCodecs> audio;
    std::array<bool, kPromptCodecs> derived = {};
  };

  static std::string Key(std::string_view tenant, std::string_view name);
  void Put(Prompt& prompt, PromptAudio audio, bool derived);

  absl::flat_hash_map<std::string, Prompt> prompts_;
  size_t octets_ = 0;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PROMPT_SET_H_
