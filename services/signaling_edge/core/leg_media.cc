#include "services/signaling_edge/core/leg_media.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// The attributes that describe codecs and not their speaker.
constexpr std::array<std::string_view, 5> kPassedOn = {
    "rtpmap", "fmtp", "ptime", "maxptime", "silenceSupp"};

// RFC 3551 section 6.
constexpr std::array<std::pair<std::string_view, std::string_view>, 11>
    kStaticTypes = {{{"0", "pcmu/8000"},
                     {"3", "gsm/8000"},
                     {"4", "g723/8000"},
                     {"5", "dvi4/8000"},
                     {"7", "lpc/8000"},
                     {"8", "pcma/8000"},
                     {"9", "g722/8000"},
                     {"12", "qcelp/8000"},
                     {"13", "cn/8000"},
                     {"15", "g728/8000"},
                     {"18", "g729/8000"}}};

absl::Status NotSupported(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "MEDIA_NOT_SUPPORTED",
                   what);
}

bool IsIpLiteral(const SdpConnection& connection) {
  if (connection.address_type == "IP4") {
    return ClassifyHost(connection.address) == HostKind::kIpv4;
  }
  return ClassifyHost(Cat("[", connection.address, "]")) == HostKind::kIpv6;
}

}  // namespace

absl::StatusOr<size_t> AnchoredLine(const SdpSession& session) {
  for (size_t i = 0; i < session.media.size(); ++i) {
    const SdpMedia& media = session.media[i];
    const MediaProfile profile = ProfileOf(media.protocol);
    if (media.type == "audio" && media.port != 0 && media.port_count == 1 &&
        profile != MediaProfile::kOther) {
      return i;
    }
  }
  return NotSupported("no audio line that the relay can carry");
}

absl::StatusOr<MediaAddress> MediaAddressOf(const SdpSession& session,
                                            size_t line) {
  const SdpMedia& media = session.media[line];
  const SdpConnection* connection = ConnectionOf(session, media);
  if (connection == nullptr || !IsIpLiteral(*connection)) {
    return NotSupported("the media address is not an IP literal");
  }
  MediaAddress address{.ip = connection->address, .rtp_port = media.port};
  // RTCP goes to the next port unless a=rtcp says otherwise (RFC 3605). Its
  // optional address is not believed: the relay talks to one host a leg.
  address.rtcp_port =
      media.port == 0xFFFF ? 0 : static_cast<uint16_t>(media.port + 1);
  if (const SdpAttribute* rtcp = media.Find("rtcp");
      rtcp != nullptr && rtcp->value.has_value()) {
    const std::vector<std::string_view> words = Words(*rtcp->value);
    const std::optional<uint32_t> port =
        words.empty() ? std::nullopt : ParseUint(words[0], 0xFFFF);
    if (port.has_value() && *port != 0) {
      address.rtcp_port = static_cast<uint16_t>(*port);
    }
  }
  return address;
}

std::string CodecOf(const SdpMedia& media, std::string_view format) {
  std::string name;
  for (const auto& [type, codec] : kStaticTypes) {
    if (format == type) name = codec;
  }
  for (const SdpAttribute& attribute : media.attributes) {
    if (attribute.name != "rtpmap" || !attribute.value.has_value()) continue;
    const std::string_view value = *attribute.value;
    const size_t space = value.find(' ');
    if (space != std::string_view::npos && value.substr(0, space) == format) {
      name = value.substr(space + 1);
    }
  }
  for (char& c : name) c = ToLower(c);
  // One channel is what nothing says as well.
  if (name.ends_with("/1")) name.resize(name.size() - 2);
  return name;
}

SdpMedia CommonOf(const SdpMedia& media, const SdpMedia& other,
                  SdpDirection direction) {
  std::vector<std::string> known;
  for (const std::string& format : other.formats) {
    known.push_back(CodecOf(other, format));
  }
  SdpMedia out = media;
  bool speaks = false;
  std::erase_if(out.formats, [&](const std::string& format) {
    const std::string codec = CodecOf(media, format);
    if (codec.empty() ||
        std::find(known.begin(), known.end(), codec) == known.end()) {
      return true;
    }
    speaks |=
        !codec.starts_with("telephone-event/") && !codec.starts_with("cn/");
    return false;
  });
  if (!speaks) out.formats.clear();
  std::erase_if(out.attributes, [&](const SdpAttribute& attribute) {
    if (attribute.name == "sendrecv" || attribute.name == "sendonly" ||
        attribute.name == "recvonly" || attribute.name == "inactive") {
      return true;
    }
    if (attribute.name != "rtpmap" && attribute.name != "fmtp") return false;
    const std::string_view value =
        attribute.value.has_value() ? *attribute.value : std::string_view();
    return std::find(out.formats.begin(), out.formats.end(),
                     value.substr(0, value.find(' '))) == out.formats.end();
  });
  out.attributes.push_back(
      {std::string(SdpDirectionName(direction)), std::nullopt});
  return out;
}

std::vector<PromptFormat> PromptFormatsOf(const SdpMedia& media) {
  using Codec = PromptFormat::Codec;
  std::vector<PromptFormat> out;
  for (const std::string& format : media.formats) {
    const std::optional<uint32_t> type = ParseUint(format, 127);
    if (!type.has_value()) continue;
    const std::string codec = CodecOf(media, format);
    const auto payload_type = static_cast<uint8_t>(*type);
    if (codec == "pcmu/8000") {
      out.push_back({Codec::kPcmu, payload_type});
    } else if (codec == "pcma/8000") {
      out.push_back({Codec::kPcma, payload_type});
    } else if (codec == "g722/8000") {
      out.push_back({Codec::kG722, payload_type});
    }
  }
  return out;
}

SdpSession DescribeForLeg(const SdpSession& other, size_t line,
                          const LegMedia& leg) {
  SdpSession out;
  out.origin = leg.origin;
  out.connection =
      SdpConnection{leg.relay.ip.find(':') == std::string::npos ? "IP4" : "IP6",
                    leg.relay.ip};
  if (leg.ice.has_value()) out.attributes.push_back({"ice-lite", std::nullopt});
  for (size_t i = 0; i < other.media.size(); ++i) {
    const SdpMedia& theirs = other.media[i];
    SdpMedia& ours = out.media.emplace_back();
    ours.type = theirs.type;
    ours.formats = theirs.formats;
    if (i != line) {
      ours.protocol = theirs.protocol;
      continue;  // port 0: refused
    }
    ours.port = leg.relay.rtp_port;
    ours.protocol = leg.protocol;
    ours.bandwidths = theirs.bandwidths;
    for (const SdpAttribute& attribute : theirs.attributes) {
      if (std::find(kPassedOn.begin(), kPassedOn.end(), attribute.name) !=
          kPassedOn.end()) {
        ours.attributes.push_back(attribute);
      }
    }
    if (leg.rtcp_mux) ours.attributes.push_back({"rtcp-mux", std::nullopt});
    if (leg.rtcp_mux_only) {
      ours.attributes.push_back({"rtcp-mux-only", std::nullopt});
    }
    if (!leg.rtcp_mux && leg.relay.rtcp_port != 0 &&
        leg.relay.rtcp_port != leg.relay.rtp_port + 1) {
      ours.attributes.push_back({"rtcp", Cat(leg.relay.rtcp_port)});
    }
    for (const SdesCrypto& crypto : leg.cryptos) {
      ours.attributes.push_back({"crypto", WriteSdesCrypto(crypto)});
    }
    if (leg.dtls.has_value()) {
      ours.attributes.push_back({"fingerprint", leg.dtls->fingerprint});
      ours.attributes.push_back(
          {"setup", std::string(DtlsSetupName(leg.dtls->setup))});
    }
    if (leg.ice.has_value()) {
      AddIce(*leg.ice, leg.relay.ip, leg.relay.rtp_port, ours);
    }
    ours.attributes.push_back(
        {std::string(SdpDirectionName(
             leg.direction.value_or(DirectionOf(other, theirs)))),
         std::nullopt});
  }
  return out;
}

}  // namespace sallyport::signaling_edge
