// However octets are cut, the same frames come of them, and every body is read
// or refused by each version's layouts.
#include "services/signaling_edge/core/sccp_message.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace edge = sallyport::signaling_edge;

namespace {

struct Cut {
  std::vector<std::string> frames;
  bool lost = false;
};

Cut Frames(std::string_view octets, size_t piece) {
  edge::SccpFramer framer;
  Cut out;
  while (!octets.empty() && !out.lost) {
    const std::string_view next = octets.substr(0, piece);
    octets.remove_prefix(next.size());
    framer.Append(next);
    for (;;) {
      const auto frame = framer.Next();
      if (!frame.ok()) out.lost = true;
      if (!frame.ok() || !frame->has_value()) break;
      if ((*frame)->body.size() + 4 > edge::kSccpMaxLength) abort();
      for (const uint8_t version : {uint8_t{3}, uint8_t{17}}) {
        const auto message = edge::ParseSccp(**frame, version);
        if (!message.ok()) continue;
        const auto* reg = std::get_if<edge::SccpRegister>(&*message);
        if (reg != nullptr &&
            (reg->device_name.empty() || reg->device_name.size() > 16)) {
          abort();
        }
      }
      out.frames.emplace_back((*frame)->body);
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const Cut whole = Frames(octets, size == 0 ? 1 : size);
  const Cut pieces = Frames(octets, 3);
  if (whole.frames != pieces.frames || whole.lost != pieces.lost) abort();
  return 0;
}
