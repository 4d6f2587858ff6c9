#include "services/common/net/host_port.h"

#include <cstddef>

#include "absl/strings/numbers.h"
#include "services/common/bytes/string_view.h"

namespace sallyport {

std::optional<HostPort> SplitHostPort(std::string_view text, uint16_t if_none) {
  HostPort out;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return std::nullopt;
  } else {
    const size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    port = colon == std::string_view::npos ? "" : text.substr(colon);
  }
  if (out.host.empty()) return std::nullopt;
  if (port.empty()) {
    if (if_none == 0) return std::nullopt;
    out.port = if_none;
    return out;
  }
  uint32_t number = 0;
  if (!absl::SimpleAtoi(AbslView(port.substr(1)), &number) || number == 0 ||
      number > 0xFFFF) {
    return std::nullopt;
  }
  out.port = static_cast<uint16_t>(number);
  return out;
}

}  // namespace sallyport
