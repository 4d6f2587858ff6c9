#include "services/signaling_edge/core/sip_redaction.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

// Whatever comes: no crash, nothing kept that grows without bound, and no
// inline key survives.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string kept = edge::WithoutSecrets(text);
  if (kept.size() > 16 * size + 64) std::abort();
  for (size_t at = kept.find("\na=crypto:"); at != std::string::npos;
       at = kept.find("\na=crypto:", at + 1)) {
    const size_t end = kept.find('\n', at + 1);
    const std::string line = kept.substr(at, end - at);
    for (size_t key = line.find("inline:"); key != std::string::npos;
         key = line.find("inline:", key + 1)) {
      if (line.compare(key + 7, 9, "[removed]") != 0) std::abort();
    }
  }
  const auto pseudonym = [](std::string_view) { return std::string("#"); };
  const std::string shown = edge::RedactSip(kept, pseudonym);
  if (shown.size() > 32 * size + 256) std::abort();
  return 0;
}
