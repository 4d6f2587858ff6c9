#include "services/capf/core/tftp_message.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"

namespace sallyport::capf {
namespace {

enum Opcode : uint16_t {
  kReadRequest = 1,
  kWriteRequest = 2,
  kData = 3,
  kAck = 4,
  kError = 5,
  kOptionAck = 6,
};

constexpr size_t kMaxRequest = 512;  // RFC 2347
constexpr size_t kMaxOptions = 16;
constexpr size_t kMaxFileName = 128;

// The text up to the next NUL, which must be there.
std::optional<std::string_view> ReadText(ByteReader& reader) {
  ByteReader ahead = reader;
  const std::string_view rest = AsText(ahead.ReadRest());
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  reader.Skip(end + 1);
  return rest.substr(0, end);
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string Lower(std::string_view text) {
  std::string out(text);
  absl::AsciiStrToLower(&out);
  return out;
}

TftpRequestResult Refuse(TftpErrorCode code, std::string_view message) {
  return {.request = std::nullopt,
          .refusal = {.code = code, .message = message, .silent = false}};
}

TftpRequestResult Silent() {
  return {
      .request = std::nullopt,
      .refusal = {
          .code = TftpErrorCode::kUndefined, .message = "", .silent = true}};
}

}  // namespace

TftpRequestResult ParseTftpRequest(ByteSpan packet) {
  ByteReader reader(packet);
  const std::optional<uint16_t> opcode = reader.ReadU16();
  if (!opcode || *opcode < kReadRequest || *opcode > kWriteRequest) {
    return Silent();
  }
  if (packet.size() > kMaxRequest) {
    return Refuse(TftpErrorCode::kIllegalOperation, "Request too long");
  }
  if (*opcode == kWriteRequest) {
    return Refuse(TftpErrorCode::kAccessViolation, "Access violation");
  }
  const std::optional<std::string_view> name = ReadText(reader);
  const std::optional<std::string_view> mode = ReadText(reader);
  if (!name || !mode) {
    return Refuse(TftpErrorCode::kIllegalOperation, "Malformed request");
  }
  if (name->empty() || name->size() > kMaxFileName || !IsPrintable(*name)) {
    return Refuse(TftpErrorCode::kFileNotFound, "File not found");
  }
  if (Lower(*mode) != "octet") {
    return Refuse(TftpErrorCode::kIllegalOperation, "Only octet mode");
  }
  TftpReadRequest request;
  request.file_name = std::string(*name);
  while (!reader.empty()) {
    const std::optional<std::string_view> option = ReadText(reader);
    // Some clients pad the packet with NULs.
    if (option && option->empty()) break;
    const std::optional<std::string_view> value = ReadText(reader);
    if (!option || !value || request.options.size() == kMaxOptions) {
      return Refuse(TftpErrorCode::kIllegalOperation, "Malformed request");
    }
    TftpOption parsed = {.name = Lower(*option), .value = std::string(*value)};
    for (const TftpOption& other : request.options) {
      if (other.name == parsed.name) {
        return Refuse(TftpErrorCode::kOptionRefused, "Option given twice");
      }
    }
    request.options.push_back(std::move(parsed));
  }
  return {.request = std::move(request), .refusal = {}};
}

std::optional<uint16_t> ParseTftpAck(ByteSpan packet) {
  ByteReader reader(packet);
  if (reader.ReadU16() != kAck) return std::nullopt;
  return reader.ReadU16();
}

bool IsTftpError(ByteSpan packet) {
  return ByteReader(packet).ReadU16() == kError;
}

std::string WriteTftpData(uint16_t block, std::string_view data) {
  ByteBuilder out;
  out.WriteU16(kData);
  out.WriteU16(block);
  out.WriteText(data);
  return out.Take();
}

std::string WriteTftpOptionAck(const std::vector<TftpOption>& options) {
  ByteBuilder out;
  out.WriteU16(kOptionAck);
  for (const TftpOption& option : options) {
    out.WriteText(option.name);
    out.WriteU8(0);
    out.WriteText(option.value);
    out.WriteU8(0);
  }
  return out.Take();
}

std::string WriteTftpError(TftpErrorCode code, std::string_view message) {
  ByteBuilder out;
  out.WriteU16(kError);
  out.WriteU16(static_cast<uint16_t>(code));
  out.WriteText(message);
  out.WriteU8(0);
  return out.Take();
}

}  // namespace sallyport::capf
