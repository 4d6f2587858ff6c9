#include "services/dialplan/core/source_prefix.h"

#include <algorithm>

#include "services/common/bytes/hex.h"
#include "services/common/net/socket_address.h"
#include "services/dialplan/core/host_text.h"

namespace sallyport::dialplan {
namespace {

constexpr int kMappedBits = 96;
constexpr size_t kMappedOctets = 12;

// Sets all bits behind the first `length`.
template <typename Octets>
void SetRest(Octets& octets, int length, uint8_t filler) {
  for (int i = 0; i < 16; ++i) {
    const int kept = std::clamp(length - 8 * i, 0, 8);
    const auto mask = static_cast<uint8_t>(0xff00 >> kept);
    octets[static_cast<size_t>(i)] = static_cast<uint8_t>(
        (octets[static_cast<size_t>(i)] & mask) | (filler & ~mask));
  }
}

}  // namespace

std::optional<SourcePrefix> SourcePrefix::Parse(std::string_view text) {
  if (!IsAddressOrPrefix(text)) return std::nullopt;
  const size_t slash = text.find('/');
  const auto address = SocketAddress::FromIp(text.substr(0, slash), 0);
  if (!address.ok()) return std::nullopt;
  SourcePrefix out;
  const ByteSpan octets = address->ip_bytes();
  if (address->is_v4()) {
    out.first_[10] = out.first_[11] = 0xff;
    std::copy(octets.begin(), octets.end(), out.first_.begin() + kMappedOctets);
  } else {
    std::copy(octets.begin(), octets.end(), out.first_.begin());
  }
  if (slash == std::string_view::npos) return out;
  int length = 0;
  for (const char c : text.substr(slash + 1)) length = 10 * length + (c - '0');
  return out.Widened(address->is_v4() ? kMappedBits + length : length);
}

std::optional<SourcePrefix> SourcePrefix::FromKey(std::string_view key) {
  if (key.size() < kKeySize) return std::nullopt;
  key.remove_prefix(key.size() - kKeySize);
  const auto octets = HexDecode(key.substr(0, 32));
  const auto length = HexDecode(key.substr(33));
  if (!octets.ok() || !length.ok() || key[32] != '/') return std::nullopt;
  SourcePrefix out;
  for (size_t i = 0; i < 16; ++i) {
    out.first_[i] = static_cast<uint8_t>((*octets)[i]);
  }
  out.length_ = static_cast<uint8_t>((*length)[0]);
  return out;
}

SourcePrefix SourcePrefix::Widened(int length) const {
  SourcePrefix out = *this;
  out.length_ = std::clamp(length, 0, 128);
  SetRest(out.first_, out.length_, 0);
  return out;
}

std::string SourcePrefix::Last() const {
  Octets last = first_;
  SetRest(last, length_, 0xff);
  return KeyOf(last, 128);
}

bool SourcePrefix::is_v4() const {
  return length_ >= kMappedBits &&
         std::all_of(first_.begin(), first_.begin() + 10,
                     [](uint8_t octet) { return octet == 0; }) &&
         first_[10] == 0xff && first_[11] == 0xff;
}

std::string SourcePrefix::KeyOf(const Octets& octets, int length) {
  const std::array<uint8_t, 1> bits = {static_cast<uint8_t>(length)};
  return HexEncode(octets) + "/" + HexEncode(bits);
}

}  // namespace sallyport::dialplan
