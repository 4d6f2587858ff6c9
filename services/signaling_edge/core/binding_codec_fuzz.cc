#include "services/signaling_edge/core/binding_codec.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

using sallyport::MonoTime;
using sallyport::signaling_edge::DecodeBindings;
using sallyport::signaling_edge::EncodeBindings;
using sallyport::signaling_edge::Moment;

// What is read is written as something that reads the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Moment now = {MonoTime::FromOrigin(absl::Hours(1)),
                      absl::FromUnixSeconds(1)};
  const auto read = DecodeBindings(text, "u", now);
  if (!read.ok()) return 0;
  const std::string written = EncodeBindings(*read, now);
  const auto again = DecodeBindings(written, "u", now);
  if (!again.ok() || EncodeBindings(*again, now) != written) abort();
  return 0;
}
