#include "services/capf/core/starttls_dialog.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

// What a server says before TLS begins; the first octet chooses the protocol,
// the rest comes in parts of every size.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace capf = ::sallyport::capf;
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const size_t part : {size_t{1}, size_t{7}, size}) {
    capf::StartTlsDialog dialog(
        static_cast<capf::StartTlsProtocol>(data[0] % 6), "host.test");
    for (size_t at = 0; at < text.size() && !dialog.done(); at += part) {
      (void)dialog.TakeOutput();
      if (!dialog.OnData(text.substr(at, part)).ok()) break;
    }
  }
  return 0;
}
