// What another node says of a leg is read without harm, and what was read is
// written the same way again.
#include "services/signaling_edge/core/given_leg.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/common/status/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto now = sallyport::MonoTime::FromOrigin(absl::Hours(1));
  const auto given = edge::ReadLegGiven(text, now);
  if (given.ok()) {
    const std::string again = edge::WriteLegGiven(given, now);
    SP_CHECK(again == text);
  }
  const auto wanted = edge::ReadLegWanted(text);
  if (wanted.ok()) SP_CHECK(edge::WriteLegWanted(*wanted) == text);
  return 0;
}
