#include "services/common/http/http_url.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/common/status/check.h"

// URLs of servers that certificates name: nothing of them begins a header of
// its own, and what is read is read so again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sallyport;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = ParseHttpUrl(text);
  if (!url.has_value()) return 0;
  SP_CHECK(!url->host.empty() && url->port != 0 && url->path[0] == '/');
  for (const std::string& part : {url->host, url->path}) {
    for (const char c : part) SP_CHECK(c > ' ' && c < 0x7f);
  }
  const auto again = ParseHttpUrl((url->tls ? "https://" : "http://") +
                                  HostHeader(*url) + url->path);
  SP_CHECK(again.has_value() && *again == *url);
  return 0;
}
