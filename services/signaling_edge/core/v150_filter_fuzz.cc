// What is taken out of a text is what is taken out of its value, once for all.
#include "services/signaling_edge/core/v150_filter.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "services/common/digit_analysis/peer_entries.h"
#include "services/signaling_edge/core/sdp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace edge = sallyport::signaling_edge;
  using sallyport::V150Filtering;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto offer = edge::ParseSdp(text);
  if (!offer.ok()) return 0;
  for (const V150Filtering filter :
       {V150Filtering::kNoFiltering, V150Filtering::kRemoveMer,
        V150Filtering::kRemovePreMer}) {
    const std::string told = edge::WithoutV150(text, *offer, filter);
    const auto read = edge::ParseSdp(told);
    // It grows by nothing, so it can be read as well.
    if (!read.ok() || told.size() > text.size()) abort();
    if (!(*read == edge::WithoutV150(*offer, filter))) abort();
    if (filter == V150Filtering::kNoFiltering && told != text) abort();
    if (edge::WithoutV150(told, *read, filter) != told) abort();
  }
  return 0;
}
