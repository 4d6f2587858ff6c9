#include "services/media_relay/io/kernel_ports.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "services/common/files/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kMaxTable = 64 << 20;
constexpr char kTimeWait[] = "06";

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

std::vector<uint16_t> HeldPorts(const std::vector<std::string>& tables,
                                uint16_t first, uint16_t last) {
  std::set<uint16_t> held;
  for (const std::string& table : tables) {
    for (const absl::string_view line : absl::StrSplit(table, '\n')) {
      // "  12: 0100007F:C350 00000000:0000 0A ...", numbers in hex.
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (words.size() < 4 || words[3] == kTimeWait) continue;
      const size_t colon = words[1].rfind(':');
      if (colon == absl::string_view::npos) continue;
      uint32_t port = 0;
      if (!absl::SimpleHexAtoi(words[1].substr(colon + 1), &port)) continue;
      if (port >= first && port <= last) {
        held.insert(static_cast<uint16_t>(port));
      }
    }
  }
  return {held.begin(), held.end()};
}

absl::Status CheckKernelPorts(uint16_t first, uint16_t last, bool exclusive) {
  const auto read = [](const char* path) {
    return ReadWholeFile(path, kMaxTable).value_or("");
  };
  const int unreserved = UnreservedPorts(
      read("/proc/sys/net/ipv4/ip_local_port_range"),
      read("/proc/sys/net/ipv4/ip_local_reserved_ports"), first, last);
  const std::vector<uint16_t> held =
      HeldPorts({read("/proc/net/udp"), read("/proc/net/udp6"),
                 read("/proc/net/tcp"), read("/proc/net/tcp6")},
                first, last);
  if (unreserved == 0 && held.empty()) return absl::OkStatus();
  if (exclusive) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "RELAY_PORTS_NOT_EXCLUSIVE",
        absl::StrCat(
            "relay ports ", first, " to ", last, ": the kernel may give ",
            unreserved,
            " to other sockets (reserve them in "
            "net.ipv4.ip_local_reserved_ports), and other sockets hold ",
            held.size(),
            held.empty() ? "" : absl::StrCat(", the first is ", held[0])));
  }
  if (unreserved > 0) {
    LogWarning(
        "the kernel may give relay ports to other sockets; reserve them in "
        "net.ipv4.ip_local_reserved_ports",
        {{"ports", unreserved}, {"first", first}, {"last", last}});
  }
  if (!held.empty()) {
    LogWarning("other sockets hold relay ports",
               {{"ports", held.size()}, {"first_of_them", held[0]}});
  }
  return absl::OkStatus();
}

}  // namespace sallyport::media_relay
