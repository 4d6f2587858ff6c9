#include "services/signaling_edge/core/sip_header_id.h"

#include <array>

#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

struct Row {
  std::string_view name;
  char compact = 0;
  bool singleton = false;
};

// In the order of HeaderId.
constexpr std::array<Row, kHeaderIdCount> kRows = {{
    {""},
    {"Accept"},
    {"Accept-Contact", 'a'},
    {"Accept-Encoding"},
    {"Accept-Language"},
    {"Alert-Info"},
    {"Allow"},
    {"Allow-Events", 'u'},
    {"Authentication-Info", 0, true},
    {"Authorization"},
    {"Call-ID", 'i', true},
    {"Call-Info"},
    {"Contact", 'm'},
    {"Content-Disposition", 0, true},
    {"Content-Encoding", 'e'},
    {"Content-Language"},
    {"Content-Length", 'l', true},
    {"Content-Type", 'c', true},
    {"CSeq", 0, true},
    {"Date", 0, true},
    {"Diversion"},
    {"Error-Info"},
    {"Event", 'o', true},
    {"Expires", 0, true},
    {"Flow-Timer", 0, true},
    {"From", 'f', true},
    {"History-Info"},
    {"Identity", 'y'},
    {"In-Reply-To"},
    {"Join", 0, true},
    {"Max-Breadth", 0, true},
    {"Max-Forwards", 0, true},
    {"MIME-Version", 0, true},
    {"Min-Expires", 0, true},
    {"Min-SE", 0, true},
    {"Organization", 0, true},
    {"P-Asserted-Identity"},
    {"P-Charging-Function-Addresses"},
    {"P-Charging-Vector"},
    {"P-Preferred-Identity"},
    {"Path"},
    {"Priority", 0, true},
    {"Privacy"},
    {"Proxy-Authenticate"},
    {"Proxy-Authorization"},
    {"Proxy-Require"},
    {"RAck", 0, true},
    {"Reason"},
    {"Record-Route"},
    {"Refer-To", 'r', true},
    {"Referred-By", 'b', true},
    {"Reject-Contact", 'j'},
    {"Remote-Party-ID"},
    {"Replaces", 0, true},
    {"Reply-To", 0, true},
    {"Request-Disposition", 'd'},
    {"Require"},
    {"Retry-After", 0, true},
    {"Route"},
    {"RSeq", 0, true},
    {"Server", 0, true},
    {"Service-Route"},
    {"Session-Expires", 'x', true},
    {"SIP-ETag", 0, true},
    {"SIP-If-Match", 0, true},
    {"Subject", 's', true},
    {"Subscription-State", 0, true},
    {"Supported", 'k'},
    {"Timestamp", 0, true},
    {"To", 't', true},
    {"Unsupported"},
    {"User-Agent", 0, true},
    {"Via", 'v'},
    {"Warning"},
    {"WWW-Authenticate"},
}};
static_assert(kRows.back().name == "WWW-Authenticate");

constexpr size_t kSlots = 256;

// Folding by 0x20 keeps '-' and digits apart well enough for a hash.
constexpr size_t Hash(std::string_view name) {
  const auto at = [name](size_t i) {
    return static_cast<size_t>(static_cast<uint8_t>(name[i]) | 0x20);
  };
  const size_t n = name.size();
  return (n * 41 + at(0) * 7 + at(n / 2) * 29 + at(n - 1) * 13) % kSlots;
}

struct Tables {
  std::array<uint8_t, kSlots> by_hash{};  // 0 is empty
  std::array<uint8_t, 128> by_letter{};
};

constexpr Tables MakeTables() {
  Tables tables;
  for (size_t i = 1; i < kRows.size(); ++i) {
    size_t slot = Hash(kRows[i].name);
    while (tables.by_hash[slot] != 0) slot = (slot + 1) % kSlots;
    tables.by_hash[slot] = static_cast<uint8_t>(i);
    if (kRows[i].compact != 0) {
      const auto letter = static_cast<size_t>(kRows[i].compact);
      tables.by_letter[letter] = static_cast<uint8_t>(i);
      tables.by_letter[letter - 0x20] = static_cast<uint8_t>(i);
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

HeaderId HeaderIdFrom(std::string_view name) {
  if (name.empty()) return HeaderId::kOther;
  if (name.size() == 1) {
    const auto letter = static_cast<uint8_t>(name[0]);
    return letter < 128 ? static_cast<HeaderId>(kTables.by_letter[letter])
                        : HeaderId::kOther;
  }
  for (size_t slot = Hash(name); kTables.by_hash[slot] != 0;
       slot = (slot + 1) % kSlots) {
    const uint8_t row = kTables.by_hash[slot];
    // Most peers spell names as the RFCs do: compare whole words first.
    if (kRows[row].name == name || EqualsIgnoreCase(kRows[row].name, name)) {
      return static_cast<HeaderId>(row);
    }
  }
  return HeaderId::kOther;
}

std::string_view HeaderName(HeaderId id) {
  return kRows[static_cast<size_t>(id)].name;
}

bool IsSingleton(HeaderId id) {
  return kRows[static_cast<size_t>(id)].singleton;
}

}  // namespace sallyport::signaling_edge
