#include "services/signaling_edge/core/binding_codec.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/net/socket_address.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kMaxText = 0xFFFF;
constexpr size_t kMaxBindings = 1024;
constexpr size_t kMaxPath = 64;
constexpr uint8_t kBulk = 1;

absl::Status Malformed() {
  return MakeError(absl::StatusCode::kDataLoss, "REGISTRY_MALFORMED",
                   "the registry holds something that is no binding");
}

void WriteText(ByteBuilder& out, std::string_view text) {
  text = text.substr(0, kMaxText);
  out.WriteU16(static_cast<uint16_t>(text.size()));
  out.WriteText(text);
}
bool ReadText(ByteReader& in, std::string& out) {
  const auto text = in.ReadU16Prefixed();
  if (!text.has_value()) return false;
  out = AsText(*text);
  return true;
}

int64_t WallOf(MonoTime time, const Moment& now) {
  return absl::ToUnixMicros(now.wall + (time - now.mono));
}

void Write(ByteBuilder& out, const Binding& binding, const Moment& now) {
  const RemoteFlow owner = binding.owner.value_or(RemoteFlow{});
  out.WriteU64(owner.node.edge);
  out.WriteU32(owner.node.loop);
  out.WriteU64(owner.connection);
  out.WriteU8(static_cast<uint8_t>(owner.transport));
  out.WriteU32(owner.logical_port);
  WriteText(out, owner.remote.ToString());
  WriteText(out, binding.contact);
  WriteText(out, binding.call_id);
  out.WriteU32(binding.cseq);
  WriteText(out, binding.instance);
  out.WriteU32(binding.reg_id);
  out.WriteU8(binding.bulk ? kBulk : 0);
  out.WriteU8(static_cast<uint8_t>(binding.path.size()));
  for (const std::string& hop : binding.path) WriteText(out, hop);
  WriteText(out, binding.user_agent);
  WriteText(out, binding.authentication);
  WriteText(out, binding.phone);
  for (const MonoTime time :
       {binding.registered, binding.refreshed, binding.expires}) {
    out.WriteU64(static_cast<uint64_t>(WallOf(time, now)));
  }
}

bool Read(ByteReader& in, Binding& out, const Moment& now) {
  RemoteFlow owner;
  const auto edge = in.ReadU64();
  const auto loop = in.ReadU32();
  const auto connection = in.ReadU64();
  const auto transport = in.ReadU8();
  const auto port = in.ReadU32();
  std::string remote;
  if (!edge || !loop || !connection || !transport || !port ||
      *transport > static_cast<uint8_t>(SipTransport::kWss) ||
      !ReadText(in, remote)) {
    return false;
  }
  owner.node = {*edge, *loop};
  owner.connection = *connection;
  owner.transport = static_cast<SipTransport>(*transport);
  owner.logical_port = *port;
  const auto address = SocketAddress::Parse(remote);
  if (!address.ok()) return false;
  owner.remote = *address;
  out.owner = owner;
  if (!ReadText(in, out.contact) || !ReadText(in, out.call_id)) return false;
  const auto cseq = in.ReadU32();
  if (!cseq || !ReadText(in, out.instance)) return false;
  out.cseq = *cseq;
  const auto reg_id = in.ReadU32();
  const auto flags = in.ReadU8();
  const auto hops = in.ReadU8();
  if (!reg_id || !flags || !hops || *hops > kMaxPath) return false;
  out.reg_id = *reg_id;
  out.bulk = (*flags & kBulk) != 0;
  for (uint8_t i = 0; i < *hops; ++i) {
    if (!ReadText(in, out.path.emplace_back())) return false;
  }
  if (!ReadText(in, out.user_agent) || !ReadText(in, out.authentication) ||
      !ReadText(in, out.phone)) {
    return false;
  }
  for (MonoTime* time : {&out.registered, &out.refreshed, &out.expires}) {
    const auto micros = in.ReadU64();
    // Within a century either way, so that no sum can overflow.
    if (!micros || *micros > uint64_t{1} << 52) return false;
    *time = now.mono +
            (absl::FromUnixMicros(static_cast<int64_t>(*micros)) - now.wall);
  }
  return true;
}

}  // namespace

std::string EncodeBindings(const StoredBindings& stored, const Moment& now) {
  ByteBuilder out;
  out.WriteU8(kFormat);
  out.WriteU64(stored.epoch);
  out.WriteU64(stored.generation);
  out.WriteU16(static_cast<uint16_t>(stored.bindings.size()));
  for (const Binding& binding : stored.bindings) Write(out, binding, now);
  return out.Take();
}

absl::StatusOr<StoredBindings> DecodeBindings(std::string_view text,
                                              std::string_view user,
                                              const Moment& now) {
  ByteReader in(AsBytes(text));
  const auto format = in.ReadU8();
  const auto epoch = in.ReadU64();
  const auto generation = in.ReadU64();
  const auto count = in.ReadU16();
  if (format != kFormat || !epoch || !generation || !count ||
      *count > kMaxBindings) {
    return Malformed();
  }
  StoredBindings out;
  out.epoch = *epoch;
  out.generation = *generation;
  for (uint16_t i = 0; i < *count; ++i) {
    Binding binding;
    binding.user = user;
    if (!Read(in, binding, now)) return Malformed();
    if (binding.expires > now.mono) out.bindings.push_back(std::move(binding));
  }
  if (!in.empty()) return Malformed();
  return out;
}

}  // namespace sallyport::signaling_edge
