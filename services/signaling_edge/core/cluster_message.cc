#include "services/signaling_edge/core/cluster_message.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/peer_identity.h"

namespace sallyport::signaling_edge {
namespace {

using Kind = ClusterMessage::Kind;

constexpr size_t kMaxNames = 1024;  // of one certificate
// A kMessage whose flow a third node holds: it follows a leg that has moved.
constexpr uint8_t kPassedOn = 9;

// Reads what Writer writes; once something is wrong, everything is.
class Reader {
 public:
  explicit Reader(ByteSpan bytes) : reader_(bytes) {}

  uint8_t U8() { return Take(reader_.ReadU8()); }
  uint16_t U16() { return Take(reader_.ReadU16()); }
  uint32_t U32() { return Take(reader_.ReadU32()); }
  uint64_t U64() { return Take(reader_.ReadU64()); }
  // A flag is 0 or 1 and nothing else, so that each message has one form.
  bool Flag() {
    const uint8_t value = U8();
    if (value > 1) ok_ = false;
    return value == 1;
  }
  // So many flags and nothing else.
  uint8_t Bits(size_t count) {
    const uint8_t value = U8();
    if (value >> count != 0) ok_ = false;
    return value;
  }
  std::string Text() {
    const auto bytes = reader_.ReadU16Prefixed();
    if (!bytes.has_value()) ok_ = false;
    return bytes.has_value() ? ToString(*bytes) : std::string();
  }
  template <size_t kSize>
  void Into(std::array<uint8_t, kSize>& out) {
    const auto bytes = reader_.ReadBytes(kSize);
    if (!bytes.has_value()) {
      ok_ = false;
    } else {
      std::copy(bytes->begin(), bytes->end(), out.begin());
    }
  }
  SocketAddress Address() {
    const auto ip = reader_.ReadU8Prefixed();
    const uint16_t port = U16();
    const auto address = ip.has_value() ? SocketAddress::FromBytes(*ip, port)
                                        : std::optional<SocketAddress>();
    if (!address.has_value()) ok_ = false;
    return address.value_or(SocketAddress());
  }
  std::string Rest() { return ToString(reader_.ReadRest()); }
  void Fail() { ok_ = false; }
  bool ok() const { return ok_; }

 private:
  template <typename T>
  T Take(std::optional<T> value) {
    if (!value.has_value()) ok_ = false;
    return value.value_or(T{0});
  }

  ByteReader reader_;
  bool ok_ = true;
};

void WriteText(ByteBuilder& out, std::string_view text) {
  text = text.substr(0, 0xffff);
  out.WriteU16(static_cast<uint16_t>(text.size()));
  out.WriteText(text);
}

void WriteFlow(ByteBuilder& out, const RemoteFlow& flow) {
  out.WriteU64(flow.connection);
  out.WriteU8(static_cast<uint8_t>(flow.transport));
  out.WriteU32(flow.logical_port);
  const ByteSpan ip = flow.remote.ip_bytes();
  out.WriteU8(static_cast<uint8_t>(ip.size()));
  out.WriteBytes(ip);
  out.WriteU16(flow.remote.port());
}

RemoteFlow ReadFlow(Reader& in) {
  RemoteFlow flow;
  flow.connection = in.U64();
  switch (const uint8_t transport = in.U8()) {
    case static_cast<uint8_t>(SipTransport::kUdp):
    case static_cast<uint8_t>(SipTransport::kTcp):
    case static_cast<uint8_t>(SipTransport::kTls):
      flow.transport = static_cast<SipTransport>(transport);
      break;
    default:
      in.Fail();
  }
  flow.logical_port = in.U32();
  flow.remote = in.Address();
  return flow;
}

void WriteCertificate(ByteBuilder& out, const CertificateInfo& certificate) {
  const auto names = std::min(certificate.alt_names.size(), kMaxNames);
  out.WriteU16(static_cast<uint16_t>(names));
  for (size_t i = 0; i < names; ++i) {
    out.WriteU8(static_cast<uint8_t>(certificate.alt_names[i].type));
    WriteText(out, certificate.alt_names[i].value);
  }
  const auto common = std::min(certificate.common_names.size(), kMaxNames);
  out.WriteU16(static_cast<uint16_t>(common));
  for (size_t i = 0; i < common; ++i) {
    WriteText(out, certificate.common_names[i]);
  }
  WriteText(out, certificate.subject);
  WriteText(out, certificate.issuer);
  WriteText(out, certificate.serial_hex);
  out.WriteU64(
      static_cast<uint64_t>(absl::ToUnixSeconds(certificate.not_before)));
  out.WriteU64(
      static_cast<uint64_t>(absl::ToUnixSeconds(certificate.not_after)));
  out.WriteBytes(certificate.sha1);
  out.WriteBytes(certificate.sha256);
  out.WriteU8(certificate.is_ca);
  out.WriteU8(certificate.self_issued);
  out.WriteU8(certificate.server_auth);
  // An edge of before knows the first of these alone.
  out.WriteU8(static_cast<uint8_t>(certificate.client_auth |
                                   certificate.sip_domain << 1 |
                                   certificate.any_usage << 2));
}

absl::Time ReadDate(Reader& in) {
  // Years 1 to 9999, as certificates have them.
  const int64_t seconds = static_cast<int64_t>(in.U64());
  if (seconds < -62'135'596'800 || seconds > 253'402'300'799) in.Fail();
  return absl::FromUnixSeconds(in.ok() ? seconds : 0);
}

CertificateInfo ReadCertificate(Reader& in) {
  CertificateInfo out;
  const size_t names = in.U16();
  if (names > kMaxNames) in.Fail();
  for (size_t i = 0; i < names && in.ok(); ++i) {
    const uint8_t type = in.U8();
    if (type > static_cast<uint8_t>(SubjectAltName::Type::kOther)) in.Fail();
    out.alt_names.push_back(
        {static_cast<SubjectAltName::Type>(type), in.Text()});
  }
  const size_t common = in.U16();
  if (common > kMaxNames) in.Fail();
  for (size_t i = 0; i < common && in.ok(); ++i) {
    out.common_names.push_back(in.Text());
  }
  out.subject = in.Text();
  out.issuer = in.Text();
  out.serial_hex = in.Text();
  out.not_before = ReadDate(in);
  out.not_after = ReadDate(in);
  in.Into(out.sha1);
  in.Into(out.sha256);
  out.is_ca = in.Flag();
  out.self_issued = in.Flag();
  out.server_auth = in.Flag();
  const uint8_t usages = in.Bits(3);
  out.client_auth = (usages & 1) != 0;
  out.sip_domain = (usages & 2) != 0;
  out.any_usage = (usages & 4) != 0;
  return out;
}

void WriteFacts(ByteBuilder& out, const TlsFacts& facts) {
  WriteText(out, facts.version);
  WriteText(out, facts.cipher);
  WriteText(out, facts.server_name);
  WriteText(out, facts.trust_store);
  out.WriteU8(facts.resumed);
  // An edge of before knows the first of the stores of peers alone.
  out.WriteU8(
      static_cast<uint8_t>(facts.trusted.peers | facts.trusted.others << 1));
  out.WriteU8(facts.trusted.phones);
  out.WriteU8(facts.certificate.has_value());
  if (facts.certificate.has_value()) WriteCertificate(out, *facts.certificate);
}

TlsFacts ReadFacts(Reader& in) {
  TlsFacts out;
  out.version = in.Text();
  out.cipher = in.Text();
  out.server_name = in.Text();
  out.trust_store = in.Text();
  out.resumed = in.Flag();
  const uint8_t stores = in.Bits(kPeerTrustStores.size());
  out.trusted.peers = (stores & 1) != 0;
  out.trusted.others = stores >> 1;
  out.trusted.phones = in.Flag();
  if (in.Flag()) out.certificate = ReadCertificate(in);
  return out;
}

bool HasText(Kind kind) {
  return kind == Kind::kMessage || kind == Kind::kAsk || kind == Kind::kSend ||
         kind == Kind::kRegistryChanged || kind == Kind::kLegWanted ||
         kind == Kind::kLegGiven;
}

bool HasFacts(Kind kind) {
  return kind == Kind::kMessage || kind == Kind::kAsk;
}

}  // namespace

std::string WriteClusterFrame(const ClusterMessage& message) {
  ByteBuilder out;
  const bool passed =
      message.kind == Kind::kMessage && message.flow.node != message.from;
  out.WriteU8(passed ? kPassedOn : static_cast<uint8_t>(message.kind));
  out.WriteU32(message.from.loop);
  out.WriteU32(message.to.loop);
  out.WriteU64(message.ask);
  WriteFlow(out, message.flow);
  if (passed) {
    out.WriteU64(message.flow.node.edge);
    out.WriteU32(message.flow.node.loop);
  }
  if (HasFacts(message.kind)) {
    out.WriteU8(message.incoming);
    WriteText(out, message.dialled);
    out.WriteU8(message.tls.has_value());
    if (message.tls.has_value()) WriteFacts(out, *message.tls);
  }
  if (HasText(message.kind)) out.WriteText(message.text);
  ByteBuilder frame;
  frame.WriteU32(static_cast<uint32_t>(out.size()));
  frame.WriteBytes(out.written());
  return frame.Take();
}

absl::StatusOr<ClusterMessage> ReadClusterFrame(ByteSpan payload,
                                                uint64_t sender,
                                                uint64_t receiver) {
  Reader in(payload);
  ClusterMessage out;
  uint8_t kind = in.U8();
  const bool passed = kind == kPassedOn;
  if (passed) kind = static_cast<uint8_t>(Kind::kMessage);
  if (kind < static_cast<uint8_t>(Kind::kMessage) ||
      kind > static_cast<uint8_t>(Kind::kLegGiven)) {
    in.Fail();
  }
  out.kind = static_cast<Kind>(kind);
  out.from = {sender, in.U32()};
  out.to = {receiver, in.U32()};
  out.ask = in.U64();
  out.flow = ReadFlow(in);
  out.flow.node = out.kind == Kind::kSend ? out.to : out.from;
  if (passed) {
    out.flow.node = {in.U64(), in.U32()};
    if (out.flow.node == out.from) in.Fail();  // each message has one form
  }
  if (in.ok() && HasFacts(out.kind)) {
    out.incoming = in.Flag();
    out.dialled = in.Text();
    if (in.Flag()) out.tls = ReadFacts(in);
  }
  if (in.ok()) out.text = in.Rest();
  if (!in.ok() || out.text.empty() == HasText(out.kind)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "CLUSTER_FRAME_INVALID",
                     "a frame of the cluster is wrong");
  }
  return out;
}

}  // namespace sallyport::signaling_edge
