#include "services/signaling_edge/core/given_leg.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxRoutes = 64;
constexpr size_t kMaxText = 0xffff;
// Beyond what any timer of a session lasts, and told for "never".
constexpr uint64_t kNever = UINT64_MAX;
constexpr absl::Duration kLongest = absl::Hours(24 * 365);

absl::Status Invalid() {
  return MakeError(absl::StatusCode::kInvalidArgument, "CLUSTER_FRAME_INVALID",
                   "what another node says of a leg is wrong");
}

class Writer {
 public:
  void U8(uint64_t value) { out_.WriteU8(static_cast<uint8_t>(value)); }
  void U32(uint32_t value) { out_.WriteU32(value); }
  void U64(uint64_t value) { out_.WriteU64(value); }
  void Text(std::string_view text) {
    text = text.substr(0, kMaxText);
    out_.WriteU16(static_cast<uint16_t>(text.size()));
    out_.WriteText(text);
  }
  void Duration(absl::Duration d) {
    const int64_t ms = absl::ToInt64Milliseconds(d);
    U64(d > kLongest ? kNever : ms < 0 ? 0 : static_cast<uint64_t>(ms));
  }
  std::string Take() { return out_.Take(); }

 private:
  ByteBuilder out_;
};

// Once something is wrong, everything is.
class Reader {
 public:
  explicit Reader(std::string_view text) : reader_(AsBytes(text)) {}

  uint8_t U8() { return Take(reader_.ReadU8()); }
  uint32_t U32() { return Take(reader_.ReadU32()); }
  uint64_t U64() { return Take(reader_.ReadU64()); }
  bool Flag() { return Below<bool>(2); }
  template <typename Enum>
  Enum Below(uint8_t count) {
    const uint8_t value = U8();
    if (value >= count) ok_ = false;
    return static_cast<Enum>(ok_ ? value : 0);
  }
  std::string Text() {
    const auto bytes = reader_.ReadU16Prefixed();
    if (!bytes.has_value()) ok_ = false;
    return bytes.has_value() ? ToString(*bytes) : std::string();
  }
  absl::Duration Duration() {
    const uint64_t ms = U64();
    if (ms == kNever) return absl::InfiniteDuration();
    if (ms > static_cast<uint64_t>(absl::ToInt64Milliseconds(kLongest))) {
      ok_ = false;
    }
    return absl::Milliseconds(ok_ ? ms : 0);
  }
  SocketAddress Address() {
    const auto ip = reader_.ReadU8Prefixed();
    const uint16_t port = Take(reader_.ReadU16());
    const auto address = ip.has_value() ? SocketAddress::FromBytes(*ip, port)
                                        : std::optional<SocketAddress>();
    if (!address.has_value()) ok_ = false;
    return address.value_or(SocketAddress());
  }
  bool ok() const { return ok_; }
  bool Done() { return ok_ && reader_.ReadRest().empty(); }

 private:
  template <typename T>
  T Take(std::optional<T> value) {
    if (!value.has_value()) ok_ = false;
    return value.value_or(T{0});
  }

  ByteReader reader_;
  bool ok_ = true;
};

void WriteParty(const Party& party, Writer& out) {
  out.U8(static_cast<uint8_t>(party.kind));
  for (const std::string* text :
       {&party.resource, &party.tenant, &party.phone, &party.port,
        &party.identity, &party.dial_plan}) {
    out.Text(*text);
  }
  out.U8(static_cast<uint8_t>(party.mode));
  out.U8(static_cast<uint8_t>(party.authentication));
}

Party ReadParty(Reader& in) {
  Party out;
  out.kind = in.Below<Party::Kind>(2);
  for (std::string* text : {&out.resource, &out.tenant, &out.phone, &out.port,
                            &out.identity, &out.dial_plan}) {
    *text = in.Text();
  }
  out.mode = in.Below<SecurityMode>(3);
  out.authentication = in.Below<Authentication>(
      static_cast<uint8_t>(Authentication::kSourceAddress) + 1);
  return out;
}

void WriteFlow(const RemoteFlow& flow, Writer& out) {
  out.U64(flow.node.edge);
  out.U32(flow.node.loop);
  out.U64(flow.connection);
  out.U8(static_cast<uint8_t>(flow.transport));
  out.U32(flow.logical_port);
  const ByteSpan ip = flow.remote.ip_bytes();
  out.U8(ip.size());
  for (const uint8_t octet : ip) out.U8(octet);
  out.U8(flow.remote.port() >> 8);
  out.U8(flow.remote.port() & 0xff);
}

RemoteFlow ReadFlow(Reader& in) {
  RemoteFlow out;
  out.node.edge = in.U64();
  out.node.loop = in.U32();
  out.connection = in.U64();
  out.transport =
      in.Below<SipTransport>(static_cast<uint8_t>(SipTransport::kTls) + 1);
  out.logical_port = in.U32();
  out.remote = in.Address();
  return out;
}

void WriteDialog(const Dialog::Parts& dialog, Writer& out) {
  for (const std::string* text :
       {&dialog.id.call_id, &dialog.id.local_tag, &dialog.id.remote_tag,
        &dialog.local, &dialog.remote, &dialog.remote_target}) {
    out.Text(*text);
  }
  out.U8(dialog.caller);
  out.U8(dialog.secure);
  out.U8(dialog.routes.size());
  for (const std::string& route : dialog.routes) out.Text(route);
  out.U32(dialog.local_cseq);
  out.U8(dialog.remote_cseq.has_value());
  if (dialog.remote_cseq.has_value()) out.U32(*dialog.remote_cseq);
}

Dialog::Parts ReadDialog(Reader& in) {
  Dialog::Parts out;
  for (std::string* text :
       {&out.id.call_id, &out.id.local_tag, &out.id.remote_tag, &out.local,
        &out.remote, &out.remote_target}) {
    *text = in.Text();
  }
  out.caller = in.Flag();
  out.secure = in.Flag();
  const uint8_t routes = in.Below<uint8_t>(kMaxRoutes + 1);
  for (uint8_t i = 0; i < routes && in.ok(); ++i) {
    out.routes.push_back(in.Text());
  }
  out.local_cseq = in.U32();
  if (in.Flag()) out.remote_cseq = in.U32();
  return out;
}

void WriteTimer(const SessionTimer::Parts& timer, MonoTime now, Writer& out) {
  out.Duration(timer.options.interval);
  out.Duration(timer.options.minimum);
  out.Duration(timer.asked_minimum);
  out.U8(timer.agreed);
  out.U8(timer.we_refresh);
  out.Duration(timer.interval);
  out.Duration(timer.refresh_at - now);
  out.Duration(timer.expires_at - now);
}

SessionTimer::Parts ReadTimer(Reader& in, MonoTime now) {
  SessionTimer::Parts out;
  out.options.interval = in.Duration();
  out.options.minimum = in.Duration();
  out.asked_minimum = in.Duration();
  out.agreed = in.Flag();
  out.we_refresh = in.Flag();
  out.interval = in.Duration();
  out.refresh_at = now + in.Duration();
  out.expires_at = now + in.Duration();
  return out;
}

}  // namespace

std::string WriteLegWanted(const LegWanted& wanted) {
  Writer out;
  out.Text(wanted.replaces);
  out.Text(wanted.resource);
  return out.Take();
}

absl::StatusOr<LegWanted> ReadLegWanted(std::string_view text) {
  Reader in(text);
  LegWanted out;
  out.replaces = in.Text();
  out.resource = in.Text();
  if (!in.Done() || out.replaces.empty() || out.resource.empty()) {
    return Invalid();
  }
  return out;
}

std::string WriteLegGiven(const absl::StatusOr<GivenLeg>& given, MonoTime now) {
  Writer out;
  out.U8(given.ok());
  if (!given.ok()) {
    out.U8(static_cast<uint8_t>(given.status().code()));
    out.Text(ReasonOf(given.status()));
    out.Text(StdView(given.status().message()));
    return out.Take();
  }
  WriteParty(given->leg.party, out);
  WriteFlow(given->flow, out);
  WriteDialog(given->leg.dialog.parts(), out);
  WriteTimer(given->leg.timer.parts(), now, out);
  out.U8(given->leg.allows_update);
  for (const std::string* text :
       {&given->leg.offer, &given->called, &given->calling,
        &given->matched_resource, &given->matched_pattern}) {
    out.Text(*text);
  }
  return out.Take();
}

absl::StatusOr<GivenLeg> ReadLegGiven(std::string_view text, MonoTime now) {
  Reader in(text);
  if (!in.Flag()) {
    const auto code = in.Below<absl::StatusCode>(
        static_cast<uint8_t>(absl::StatusCode::kUnauthenticated) + 1);
    const std::string reason = in.Text();
    const std::string message = in.Text();
    if (!in.Done() || code == absl::StatusCode::kOk) return Invalid();
    return MakeError(code, reason, message);
  }
  Party party = ReadParty(in);
  RemoteFlow flow = ReadFlow(in);
  Dialog::Parts dialog = ReadDialog(in);
  const SessionTimer::Parts timer = ReadTimer(in, now);
  const bool allows_update = in.Flag();
  GivenLeg out{.leg = {.party = std::move(party),
                       .flow = {},
                       .contact = "",
                       .dialog = Dialog::FromParts(std::move(dialog)),
                       .timer = SessionTimer::FromParts(timer),
                       .allows_update = allows_update,
                       .offer = in.Text()},
               .flow = flow,
               .called = in.Text(),
               .calling = in.Text(),
               .matched_resource = in.Text(),
               .matched_pattern = in.Text()};
  if (!in.Done() || out.leg.dialog.id().call_id.empty() ||
      out.leg.dialog.id().local_tag.empty() || out.leg.party.resource.empty()) {
    return Invalid();
  }
  return out;
}

}  // namespace sallyport::signaling_edge
