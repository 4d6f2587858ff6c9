#include "services/signaling_edge/core/sccp_media.h"

#include <algorithm>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/leg_media.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

struct Known {
  std::string_view name;  // of rtpmap, with its clock
  uint32_t payload;       // static (RFC 3551)
  SccpCodec codec;
};
// Best first.
constexpr Known kKnown[] = {{"PCMU/8000", 0, SccpCodec::kPcmu},
                            {"PCMA/8000", 8, SccpCodec::kPcma},
                            {"G722/8000", 9, SccpCodec::kG722},
                            {"G729/8000", 18, SccpCodec::kG729}};
// What SCCP has keys for (protocols.md section 14.2, EncryptionInfo).
constexpr SrtpSuite kSuites[] = {SrtpSuite::kAesCm128HmacSha1_80,
                                 SrtpSuite::kAesCm128HmacSha1_32};
constexpr size_t kKeyOctets = 16;

absl::Status NotSupported(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "MEDIA_NOT_SUPPORTED",
                   what);
}

bool Has(absl::Span<const SccpCapability> capabilities, SccpCodec codec) {
  return std::any_of(
      capabilities.begin(), capabilities.end(),
      [&](const SccpCapability& each) {
        return each.codec == static_cast<uint32_t>(codec) ||
               (codec == SccpCodec::kG729 &&
                each.codec == static_cast<uint32_t>(SccpCodec::kG729a));
      });
}

// The name that a payload type has in `media`: by rtpmap, else by RFC 3551.
std::string NameOf(const SdpMedia& media, std::string_view payload) {
  for (const SdpAttribute& attribute : media.attributes) {
    if (attribute.name != "rtpmap" || !attribute.value.has_value()) continue;
    const std::vector<std::string_view> words = Words(*attribute.value);
    if (words.size() == 2 && words[0] == payload) return std::string(words[1]);
  }
  for (const Known& known : kKnown) {
    if (ParseUint(payload, 127) == known.payload) {
      return std::string(known.name);
    }
  }
  return "";
}

absl::StatusOr<SccpFormat> FormatOf(
    const SdpMedia& media, absl::Span<const SccpCapability> capabilities) {
  SccpFormat out;
  bool found = false;
  for (const std::string& payload : media.formats) {
    const auto number = ParseUint(payload, 127);
    if (!number.has_value()) continue;
    std::string name = NameOf(media, payload);
    // PCMU/8000/1 is the same.
    if (name.size() > 2 && name.ends_with("/1")) name.resize(name.size() - 2);
    if (EqualsIgnoreCase(name, "telephone-event/8000")) {
      if (out.telephone_event == 0) out.telephone_event = *number;
      continue;
    }
    if (found) continue;
    for (const Known& known : kKnown) {
      if (EqualsIgnoreCase(name, known.name) &&
          Has(capabilities, known.codec)) {
        out.codec = known.codec;
        out.payload = *number;
        found = true;
      }
    }
  }
  if (!found) return NotSupported("no codec that the port has");
  if (const SdpAttribute* ptime = media.Find("ptime");
      ptime != nullptr && ptime->value.has_value()) {
    const auto ms = ParseUint(*ptime->value, 60);
    if (ms.has_value() && *ms >= 10) out.packet_ms = *ms;
  }
  return out;
}

void Fill(const SccpFormat& format, const SccpPortMedia& media, SdpMedia& out) {
  out.type = "audio";
  out.port = media.port;
  out.protocol = media.crypto.has_value() ? "RTP/SAVP" : "RTP/AVP";
  out.formats = {Cat(format.payload)};
  for (const Known& known : kKnown) {
    if (known.codec == format.codec) {
      out.attributes.push_back(
          {"rtpmap", Cat(format.payload, " ", known.name)});
    }
  }
  if (format.telephone_event != 0) {
    out.formats.push_back(Cat(format.telephone_event));
    out.attributes.push_back(
        {"rtpmap", Cat(format.telephone_event, " telephone-event/8000")});
    out.attributes.push_back({"fmtp", Cat(format.telephone_event, " 0-15")});
  }
  out.attributes.push_back({"ptime", Cat(format.packet_ms)});
  if (media.crypto.has_value()) {
    out.attributes.push_back({"crypto", WriteSdesCrypto(*media.crypto)});
  }
  out.attributes.push_back(
      {std::string(SdpDirectionName(media.direction)), std::nullopt});
}

SdpSession SessionOf(const SccpPortMedia& media) {
  SdpSession out;
  out.origin = media.origin;
  const bool v6 = media.ip.find(':') != std::string::npos;
  out.connection = SdpConnection{v6 ? "IP6" : "IP4", media.ip};
  return out;
}

}  // namespace

absl::StatusOr<SccpStream> ReadSccpStream(
    std::string_view body, absl::Span<const SccpCapability> capabilities,
    bool encrypted, const std::optional<SdesCrypto>& answered) {
  SccpStream out;
  SP_ASSIGN_OR_RETURN(out.session, ParseSdp(body));
  SP_ASSIGN_OR_RETURN(out.line, AnchoredLine(out.session));
  const SdpMedia& media = out.session.media[out.line];
  SP_RETURN_IF_ERROR(CheckReceived(
      encrypted ? SecurityMode::kSecured : SecurityMode::kUnsecured,
      /*is_tls=*/encrypted, out.session,
      {.suites = kSuites, .is_answer = answered.has_value()}));
  if (encrypted) {
    if (answered.has_value()) {
      const OfferedSuite offered[] = {{answered->tag, *answered->suite}};
      SP_ASSIGN_OR_RETURN(out.crypto, AnsweredCrypto(media, offered));
    } else {
      SP_ASSIGN_OR_RETURN(out.crypto, ChooseOfferedCrypto(media, kSuites));
    }
  }
  SP_ASSIGN_OR_RETURN(const MediaAddress address,
                      MediaAddressOf(out.session, out.line));
  out.ip = address.ip;
  out.port = address.rtp_port;
  out.direction = DirectionOf(out.session, media);
  SP_ASSIGN_OR_RETURN(out.format, FormatOf(media, capabilities));
  return out;
}

std::string WriteSccpAnswer(const SccpStream& offer,
                            const SccpPortMedia& media) {
  SdpSession out = SessionOf(media);
  for (size_t i = 0; i < offer.session.media.size(); ++i) {
    SdpMedia& ours = out.media.emplace_back();
    if (i == offer.line) {
      Fill(offer.format, media, ours);
      continue;
    }
    const SdpMedia& theirs = offer.session.media[i];
    ours.type = theirs.type;
    ours.protocol = theirs.protocol;
    ours.formats = theirs.formats;
  }
  return WriteSdp(out);
}

std::string WriteSccpOffer(const SccpFormat& format,
                           const SccpPortMedia& media) {
  SdpSession out = SessionOf(media);
  Fill(format, media, out.media.emplace_back());
  return WriteSdp(out);
}

SccpFormat PreferredFormat(absl::Span<const SccpCapability> capabilities) {
  SccpFormat out;
  out.telephone_event = 101;
  for (const Known& known : kKnown) {
    if (!Has(capabilities, known.codec)) continue;
    out.codec = known.codec;
    out.payload = known.payload;
    break;
  }
  return out;
}

SdpDirection Mirrored(SdpDirection direction) {
  switch (direction) {
    case SdpDirection::kSendOnly:
      return SdpDirection::kRecvOnly;
    case SdpDirection::kRecvOnly:
      return SdpDirection::kSendOnly;
    case SdpDirection::kSendRecv:
    case SdpDirection::kInactive:
      break;
  }
  return direction;
}

SccpEncryption EncryptionOf(const std::optional<SdesCrypto>& crypto) {
  SccpEncryption out;
  if (!crypto.has_value() || crypto->keys.empty()) return out;
  out.algorithm = crypto->suite == SrtpSuite::kAesCm128HmacSha1_32
                      ? SccpEncryption::Algorithm::kAesCm128HmacSha1_32
                      : SccpEncryption::Algorithm::kAesCm128HmacSha1_80;
  const std::string& key_salt = crypto->keys[0].key_salt;
  out.key = key_salt.substr(0, kKeyOctets);
  out.salt = key_salt.substr(kKeyOctets);
  return out;
}

}  // namespace sallyport::signaling_edge
