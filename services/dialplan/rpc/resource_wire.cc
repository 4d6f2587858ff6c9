#include "services/dialplan/rpc/resource_wire.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/timestamp.pb.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/common/config/proto_time.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr uint32_t kLengthDelimited = 2;
constexpr int kMaxKind = 63;

// The numbers of the fields that a kind's body leaves out; 0: it has none.
struct LeftOut {
  int etag = 0;
  int create_time = 0;
  int update_time = 0;
  int ha1 = 0;
};

std::array<LeftOut, kMaxKind + 1> ReadNumbers() {
  std::array<LeftOut, kMaxKind + 1> out{};
  const auto number = [](const google::protobuf::Descriptor& type,
                         const char* name) {
    const google::protobuf::FieldDescriptor* field = type.FindFieldByName(name);
    return field == nullptr ? 0 : field->number();
  };
  const google::protobuf::Descriptor& resource = *pb::Resource::descriptor();
  for (int i = 0; i < resource.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& kind = *resource.field(i);
    const google::protobuf::Descriptor& type = *kind.message_type();
    out.at(static_cast<size_t>(kind.number())) = {
        number(type, "etag"), number(type, "create_time"),
        number(type, "update_time"), number(type, "ha1")};
  }
  return out;
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) {
    out.push_back(static_cast<char>(value | 0x80));
  }
  out.push_back(static_cast<char>(value));
}

void AppendHead(int field, size_t size, std::string& out) {
  AppendVarint((static_cast<uint64_t>(field) << 3) | kLengthDelimited, out);
  AppendVarint(size, out);
}

// Takes a varint off `bytes`, which we wrote; 0 at its end.
uint64_t TakeVarint(std::string_view& bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; !bytes.empty() && shift < 64; shift += 7) {
    const auto octet = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(octet & 0x7f) << shift;
    if (octet < 0x80) break;
  }
  return value;
}

void AppendTime(int field, absl::Time time, std::string& out) {
  if (field != 0) AppendBytes(field, ToProto(time).SerializeAsString(), out);
}

}  // namespace

void AppendBytes(int field, std::string_view bytes, std::string& out) {
  AppendHead(field, bytes.size(), out);
  out.append(bytes);
}

void AppendResource(int field, const PlanRecord& record, bool with_secrets,
                    std::string& out) {
  static const std::array<LeftOut, kMaxKind + 1>& numbers =
      *new std::array<LeftOut, kMaxKind + 1>(ReadNumbers());
  // A body is one field: the tag of its kind, a length, and the resource.
  std::string_view inner = record.body;
  const uint64_t tag = TakeVarint(inner);
  TakeVarint(inner);
  const uint64_t kind = tag >> 3;
  std::string tail;
  if (kind <= kMaxKind) {
    const LeftOut& left_out = numbers[kind];
    if (left_out.etag != 0) AppendBytes(left_out.etag, record.etag, tail);
    AppendTime(left_out.create_time, record.create_time, tail);
    AppendTime(left_out.update_time, record.update_time, tail);
    if (with_secrets && left_out.ha1 != 0) {
      if (const auto* user = std::get_if<UserEntry>(&record.entry)) {
        AppendBytes(left_out.ha1,
                    user->digest_algorithm == DigestAlgorithm::kMd5
                        ? user->ha1_md5
                        : user->ha1_sha256,
                    tail);
      }
    }
  }
  const size_t size = inner.size() + tail.size();
  AppendHead(field, VarintSize(tag) + VarintSize(size) + size, out);
  AppendVarint(tag, out);
  AppendVarint(size, out);
  out.append(inner).append(tail);
}

}  // namespace sallyport::dialplan
