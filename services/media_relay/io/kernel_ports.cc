#include "services/media_relay/io/kernel_ports.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMaxSysctl = 1 << 20;

// The numbers of a text, with what stands between two of them lost.
struct Range {
  int first;
  int last;
};

// "32768\t60999" or "8080,9000-9100\n".
std::vector<Range> ParseRanges(std::string_view text, bool pair) {
  std::vector<Range> ranges;
  int number = -1;
  int pending = -1;
  const auto flush = [&](bool joins) {
    if (number < 0) return;
    if (pending >= 0) {
      ranges.push_back({pending, number});
      pending = -1;
    } else if (joins) {
      pending = number;
    } else {
      ranges.push_back({number, number});
    }
    number = -1;
  };
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      number = (number < 0 ? 0 : number) * 10 + (c - '0');
      if (number > 65535) number = 65535;
    } else {
      flush(pair || c == '-');
    }
  }
  flush(false);
  return ranges;
}

}  // namespace

int UnreservedPorts(std::string_view range, std::string_view reserved,
                    uint16_t first, uint16_t last) {
  const std::vector<Range> local = ParseRanges(range, /*pair=*/true);
  const std::vector<Range> kept = ParseRanges(reserved, /*pair=*/false);
  const auto inside = [](const std::vector<Range>& ranges, int port) {
    for (const Range& one : ranges) {
      if (port >= one.first && port <= one.last) return true;
    }
    return false;
  };
  int count = 0;
  for (int port = first; port <= last; ++port) {
    if (inside(local, port) && !inside(kept, port)) ++count;
  }
  return count;
}

void WarnOfKernelPorts(uint16_t first, uint16_t last) {
  const absl::StatusOr<std::string> range =
      ReadWholeFile("/proc/sys/net/ipv4/ip_local_port_range", kMaxSysctl);
  const absl::StatusOr<std::string> reserved =
      ReadWholeFile("/proc/sys/net/ipv4/ip_local_reserved_ports", kMaxSysctl);
  if (!range.ok()) return;
  const int count = UnreservedPorts(
      *range, reserved.ok() ? *reserved : std::string(), first, last);
  if (count == 0) return;
  LogWarning(
      "the kernel may give relay ports to other sockets; reserve them in "
      "net.ipv4.ip_local_reserved_ports",
      {{"ports", count}, {"first", first}, {"last", last}});
}

}  // namespace sallyport::media_relay
