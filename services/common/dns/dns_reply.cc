#include "services/common/dns/dns_reply.h"

#include <ares.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "services/common/bytes/byte_reader.h"

namespace sallyport {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxRecords = 64;
constexpr uint16_t kInternet = 1;
constexpr uint8_t kNoSuchName = 3;

enum RecordType : uint16_t {
  kTypeA = 1,
  kTypeSoa = 6,
  kTypeAaaa = 28,
  kTypeSrv = 33,
  kTypeNaptr = 35,
};

uint16_t NumberOf(DnsType type) {
  switch (type) {
    case DnsType::kA:
      return kTypeA;
    case DnsType::kAaaa:
      return kTypeAaaa;
    case DnsType::kSrv:
      return kTypeSrv;
    case DnsType::kNaptr:
      return kTypeNaptr;
  }
  return 0;
}

// Walks over a message; names may point back into all of it.
class ReplyReader {
 public:
  explicit ReplyReader(ByteSpan message)
      : message_(message), reader_(message) {}

  ByteReader& reader() { return reader_; }

  // A domain name in lower case without final dot; nullopt if it is broken.
  std::optional<std::string> ReadName() {
    char* text = nullptr;
    long size = 0;
    if (ares_expand_name(message_.data() + reader_.offset(), message_.data(),
                         static_cast<int>(message_.size()), &text,
                         &size) != ARES_SUCCESS) {
      return std::nullopt;
    }
    std::string out = text;
    ares_free_string(text);
    if (size < 0 || !reader_.Skip(static_cast<size_t>(size))) {
      return std::nullopt;
    }
    absl::AsciiStrToLower(&out);
    return out;
  }

 private:
  ByteSpan message_;
  ByteReader reader_;
};

std::optional<std::string> ReadText(ByteReader& reader) {
  const std::optional<ByteSpan> text = reader.ReadU8Prefixed();
  if (!text) return std::nullopt;
  return ToString(*text);
}

// One record's data into `out`; false if it is broken.
bool TakeRecord(ReplyReader& reply, ByteSpan data, DnsType type,
                DnsAnswer& out) {
  ByteReader& at = reply.reader();
  switch (type) {
    case DnsType::kA:
    case DnsType::kAaaa: {
      if (data.size() != (type == DnsType::kA ? 4u : 16u)) return false;
      const std::optional<SocketAddress> address =
          SocketAddress::FromBytes(data, 0);
      if (!address) return false;
      out.addresses.push_back(*address);
      return at.Skip(data.size());
    }
    case DnsType::kSrv: {
      SrvRecord record;
      const auto priority = at.ReadU16();
      const auto weight = at.ReadU16();
      const auto port = at.ReadU16();
      std::optional<std::string> target;
      if (!priority || !weight || !port || !(target = reply.ReadName()))
        return false;
      out.services.push_back({*priority, *weight, *port, *std::move(target)});
      return true;
    }
    case DnsType::kNaptr: {
      const auto order = at.ReadU16();
      const auto preference = at.ReadU16();
      std::optional<std::string> flags, service, regexp, replacement;
      if (!order || !preference || !(flags = ReadText(at)) ||
          !(service = ReadText(at)) || !(regexp = ReadText(at)) ||
          !(replacement = reply.ReadName())) {
        return false;
      }
      out.pointers.push_back({*order, *preference, *std::move(flags),
                              *std::move(service), *std::move(regexp),
                              *std::move(replacement)});
      return true;
    }
  }
  return false;
}

}  // namespace

DnsAnswer ReadDnsReply(ByteSpan message, DnsType type) {
  const DnsAnswer failure;
  ReplyReader reply(message);
  ByteReader& at = reply.reader();
  if (message.size() < kHeaderSize) return failure;
  at.Skip(3);
  const uint8_t code = *at.ReadU8() & 0x0f;
  const uint16_t questions = *at.ReadU16();
  const uint16_t answers = *at.ReadU16();
  const uint16_t authorities = *at.ReadU16();
  at.Skip(2);
  if (code != 0 && code != kNoSuchName) return failure;
  for (uint16_t i = 0; i < questions; ++i) {
    if (!reply.ReadName() || !at.Skip(4)) return failure;
  }

  DnsAnswer out;
  out.time_to_live = absl::InfiniteDuration();
  const auto shorten = [&out](uint32_t seconds) {
    // A time of 2^31 s and more counts as none (RFC 2181 section 8).
    const absl::Duration life =
        seconds >= 0x80000000u ? absl::ZeroDuration() : absl::Seconds(seconds);
    out.time_to_live = std::min(out.time_to_live, life);
  };
  std::optional<uint32_t> negative;
  const size_t records = static_cast<size_t>(answers) + authorities;
  for (size_t i = 0; i < records; ++i) {
    if (!reply.ReadName()) return failure;
    const auto number = at.ReadU16();
    const auto klass = at.ReadU16();
    const auto life = at.ReadU32();
    const auto size = at.ReadU16();
    if (!number || !klass || !life || !size || at.remaining() < *size) {
      return failure;
    }
    const size_t end = at.offset() + *size;
    const ByteSpan data = message.subspan(at.offset(), *size);
    if (i < answers) {
      // What lies on the way, such as CNAME, shortens the life too.
      shorten(*life);
      const size_t taken =
          out.addresses.size() + out.services.size() + out.pointers.size();
      if (*klass == kInternet && *number == NumberOf(type) &&
          taken < kMaxRecords) {
        if (!TakeRecord(reply, data, type, out) || at.offset() != end) {
          return failure;
        }
        continue;
      }
    } else if (*number == kTypeSoa && *size >= 4) {
      negative = std::min(*life, *ByteReader(data.last(4)).ReadU32());
    }
    at.Skip(*size);
  }
  const bool found =
      !out.addresses.empty() || !out.services.empty() || !out.pointers.empty();
  out.outcome = found ? DnsOutcome::kFound : DnsOutcome::kNone;
  if (!found) {
    out.time_to_live = absl::ZeroDuration();
    if (negative) {
      out.time_to_live = absl::InfiniteDuration();
      shorten(*negative);
    }
  }
  return out;
}

}  // namespace sallyport
