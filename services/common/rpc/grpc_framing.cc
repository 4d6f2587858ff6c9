#include "services/common/rpc/grpc_framing.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";
constexpr std::string_view kContentType = "application/grpc";
constexpr size_t kTimeoutDigits = 8;

struct TimeoutUnit {
  char letter;
  absl::Duration length;
};

// From the finest.
std::array<TimeoutUnit, 6> TimeoutUnits() {
  return {{{'n', absl::Nanoseconds(1)},
           {'u', absl::Microseconds(1)},
           {'m', absl::Milliseconds(1)},
           {'S', absl::Seconds(1)},
           {'M', absl::Minutes(1)},
           {'H', absl::Hours(1)}}};
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

void AppendGrpcMessage(std::string_view message, std::string& out) {
  const auto size = static_cast<uint32_t>(message.size());
  out.reserve(out.size() + 5 + message.size());
  out.push_back(0);
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(size >> shift & 0xff));
  }
  out.append(message);
}

absl::StatusOr<std::optional<std::string>> GrpcMessageReader::Read(
    ByteSpan& data) {
  if (prefix_size_ < kPrefix) {
    const size_t take = std::min(kPrefix - prefix_size_, data.size());
    std::copy_n(data.begin(), take, prefix_ + prefix_size_);
    prefix_size_ += take;
    data.remove_prefix(take);
    if (prefix_size_ < kPrefix) return std::nullopt;
    if (prefix_[0] == 1) {
      return MakeError(absl::StatusCode::kUnimplemented,
                       "COMPRESSION_NOT_SUPPORTED",
                       "messages must not be compressed");
    }
    if (prefix_[0] != 0) {
      return MakeError(absl::StatusCode::kInvalidArgument, "MESSAGE_MALFORMED",
                       "a message begins with neither 0 nor 1");
    }
    length_ = size_t{prefix_[1]} << 24 | size_t{prefix_[2]} << 16 |
              size_t{prefix_[3]} << 8 | prefix_[4];
    if (length_ > max_message_) {
      return MakeError(
          absl::StatusCode::kResourceExhausted, "MESSAGE_TOO_LONG",
          absl::StrCat("a message has ", length_, " octets, and at most ",
                       max_message_, " are taken"));
    }
  }
  // No more is set aside than has come.
  const size_t take = std::min(length_ - body_.size(), data.size());
  body_.append(AsText(data.subspan(0, take)));
  data.remove_prefix(take);
  if (body_.size() < length_) return std::nullopt;
  prefix_size_ = 0;
  return std::exchange(body_, std::string());
}

std::optional<absl::Duration> ParseGrpcTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kTimeoutDigits + 1) return std::nullopt;
  int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
    value = value * 10 + (c - '0');
  }
  for (const TimeoutUnit& unit : TimeoutUnits()) {
    if (unit.letter == text.back()) return value * unit.length;
  }
  return std::nullopt;
}

std::string FormatGrpcTimeout(absl::Duration timeout) {
  constexpr int64_t kMost = 99'999'999;
  timeout = std::max(timeout, absl::ZeroDuration());
  for (const TimeoutUnit& unit : TimeoutUnits()) {
    if (timeout > kMost * unit.length) continue;
    const int64_t value = absl::Ceil(timeout, unit.length) / unit.length;
    return absl::StrCat(value, std::string(1, unit.letter));
  }
  return absl::StrCat(kMost, "H");
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c >= 0x20 && c <= 0x7e && c != '%') {
      out.push_back(c);
      continue;
    }
    const auto octet = static_cast<uint8_t>(c);
    out.push_back('%');
    out.push_back(kHex[octet >> 4]);
    out.push_back(kHex[octet & 15]);
  }
  return out;
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) << 4 |
                                      HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string EncodeBinaryHeader(std::string_view octets) {
  std::string out = absl::Base64Escape(AbslView(octets));
  while (!out.empty() && out.back() == '=') out.pop_back();
  return out;
}

std::optional<std::string> DecodeBinaryHeader(std::string_view text) {
  std::string out;
  if (!absl::Base64Unescape(AbslView(text), &out)) return std::nullopt;
  return out;
}

bool IsGrpcContentType(std::string_view content_type) {
  if (content_type.substr(0, kContentType.size()) != kContentType) return false;
  content_type.remove_prefix(kContentType.size());
  constexpr std::string_view kProto = "+proto";
  if (content_type.substr(0, kProto.size()) == kProto) {
    content_type.remove_prefix(kProto.size());
  }
  return content_type.empty() || content_type[0] == ';';
}

}  // namespace sallyport
