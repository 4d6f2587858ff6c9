// What parses must serialise, and parse again to the same message.

#include "services/capf/core/capf_message.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"

using sallyport::capf::ParseCapfMessage;
using sallyport::capf::SerializeCapfMessage;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto first = ParseCapfMessage({data, size});
  if (!first.ok() || !first->has_value()) return 0;
  if ((*first)->consumed > size) std::abort();
  const auto wire = SerializeCapfMessage((*first)->message);
  // Only a text that came without its NUL can make the message longer.
  if (!wire.ok()) return 0;
  const auto second = ParseCapfMessage(
      {reinterpret_cast<const uint8_t*>(wire->data()), wire->size()});
  if (!second.ok() || !second->has_value()) std::abort();
  if (!((*second)->message == (*first)->message)) std::abort();
  if ((*second)->consumed != wire->size()) std::abort();
  return 0;
}
