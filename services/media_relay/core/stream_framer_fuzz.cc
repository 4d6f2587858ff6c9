// Any octets, cut at any places: the same units as in one piece, and never more
// than one unit held.

#include "services/media_relay/core/stream_framer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/stream_opening.h"

namespace sallyport::media_relay {
namespace {

std::vector<std::string> Units(StreamFraming framing, ByteSpan stream,
                               size_t step) {
  StreamFramer framer(framing);
  std::vector<std::string> units;
  while (!stream.empty()) {
    ByteSpan input = stream.first(std::min(step, stream.size()));
    stream.remove_prefix(input.size());
    StreamUnit unit;
    for (;;) {
      const StreamFramer::Result result = framer.Next(input, unit);
      if (result == StreamFramer::Result::kMore) break;
      if (result == StreamFramer::Result::kBroken) {
        units.push_back("broken");
        return units;
      }
      units.push_back(ToString(unit.bytes));
    }
    if (framer.held() > kMaxStreamUnit) std::abort();
  }
  return units;
}

}  // namespace
}  // namespace sallyport::media_relay

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport::media_relay;  // NOLINT(build/namespaces)
  if (size < 1) return 0;
  const size_t step = 1 + data[0] % 64;
  const sallyport::ByteSpan stream(data + 1, size - 1);
  for (const StreamFraming framing :
       {StreamFraming::kTurn, StreamFraming::kMsTurn,
        StreamFraming::kRfc4571}) {
    if (Units(framing, stream, step) != Units(framing, stream, size)) {
      std::abort();
    }
  }
  // What is once decided stays so.
  StreamOpening before = StreamOpening::kMore;
  for (size_t i = 0; i <= std::min<size_t>(stream.size(), 60); ++i) {
    const StreamOpening now = ReadStreamOpening(stream.first(i));
    if (before != StreamOpening::kMore && now != before) std::abort();
    if (i >= kPseudoTlsClientHello && now == StreamOpening::kMore) std::abort();
    before = now;
  }
  return 0;
}
