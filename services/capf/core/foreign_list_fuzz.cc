#include "services/capf/core/foreign_list.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "services/common/status/check.h"

// What a web server that anybody may run answers as a revocation list.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace capf = ::sallyport::capf;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = capf::ReadFetchedList(text);
  if (!list.ok()) return 0;
  const absl::Time now = absl::FromUnixSeconds(1800000000);
  (void)capf::CheckReplaces(**list, list->get(), now);
  // Nobody is trusted, so nobody has signed it.
  SP_CHECK(!capf::SignerOfList(**list, {}).ok());
  const auto again = capf::ReadFetchedList((*list)->der);
  SP_CHECK(again.ok() && (*again)->entries == (*list)->entries);
  return 0;
}
