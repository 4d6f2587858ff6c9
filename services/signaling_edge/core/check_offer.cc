#include "services/signaling_edge/core/check_offer.h"

#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/types/span.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/leg_media.h"
#include "services/signaling_edge/core/media_setup.h"
#include "services/signaling_edge/core/sdp.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// RFC 863: the offer is inactive, so nothing is ever sent there.
constexpr uint16_t kDiscardPort = 9;

std::string Drawn(RandomSource& random, size_t octets) {
  std::string out(octets, '\0');
  random.Fill(
      absl::MakeSpan(reinterpret_cast<uint8_t*>(out.data()), out.size()));
  return out;
}

// Of no certificate: whoever shook hands by it would be refused.
std::string DrawnFingerprint(RandomSource& random) {
  std::string out = "sha-256";
  char separator = ' ';
  for (const char c : Drawn(random, 32)) {
    std::string octet = HexEncode(AsBytes(std::string_view(&c, 1)));
    absl::AsciiStrToUpper(&octet);
    out += separator;
    out += octet;
    separator = ':';
  }
  return out;
}

absl::Status NotAccepted(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "SRTP_NOT_ACCEPTED",
                   what);
}

}  // namespace

CheckOffer CheckOffer::Make(const DialPlanEntry& plan, const std::string& host,
                            RandomSource& random) {
  CheckOffer out;
  out.keying_ = plan.srtp_keying;
  out.ice_ = plan.ice;
  LegMedia leg;
  const bool v6 = host.find(':') != std::string::npos;
  leg.origin = {"-", "1", "1", v6 ? "IP6" : "IP4", host};
  leg.relay = {host, kDiscardPort, 0};
  if (plan.ice) {
    leg.ice = IceDescription{HexEncode(AsBytes(Drawn(random, 4))),
                             HexEncode(AsBytes(Drawn(random, 16)))};
  }
  if (out.keying_ == SrtpKeying::kDtls) {
    leg.protocol = plan.ice ? "UDP/TLS/RTP/SAVPF" : "UDP/TLS/RTP/SAVP";
    leg.dtls = SdpDtls{DrawnFingerprint(random), DtlsSetup::kActPass, ""};
  } else {
    leg.protocol = "RTP/SAVP";
    const SuiteList suites = SuitesOf(plan);
    for (const SrtpSuite suite : suites.view()) {
      SdesCrypto& crypto = leg.cryptos.emplace_back();
      crypto.tag = static_cast<uint32_t>(leg.cryptos.size());
      crypto.suite_name = SrtpSuiteName(suite);
      crypto.suite = suite;
      crypto.keys.push_back({.key_salt = Drawn(random, KeySaltLength(suite))});
      out.suites_.push_back({crypto.tag, suite});
    }
  }
  leg.rtcp_mux = leg.rtcp_mux_only =
      plan.ice || out.keying_ == SrtpKeying::kDtls;
  SdpSession codecs;
  SdpMedia& audio = codecs.media.emplace_back();
  audio.type = "audio";
  audio.formats = {"0", "8"};
  audio.attributes = {{"rtpmap", "0 PCMU/8000"},
                      {"rtpmap", "8 PCMA/8000"},
                      {"inactive", std::nullopt}};
  out.sdp_ = WriteSdp(DescribeForLeg(codecs, 0, leg));
  return out;
}

absl::StatusOr<std::string> CheckOffer::Judge(std::string_view body) const {
  const auto answer = ParseSdp(body);
  if (!answer.ok() || answer->media.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SRTP_NOT_PROVEN",
                     "its answer is no session description");
  }
  const SdpMedia& media = answer->media[0];
  const auto refused = [&](std::string_view why) {
    return NotAccepted(Cat("it answers with ", media.protocol,
                           media.port == 0 ? " and port 0" : "",
                           ", which does not take the SRTP offer", why));
  };
  if (media.port == 0) return refused("");
  std::string ice;
  if (ice_) {
    if (const auto theirs = IceUfragOf(*answer, media); !theirs.ok()) {
      return refused(Cat(": ", StdView(theirs.status().message())));
    }
    ice = ", ICE";
  }
  if (keying_ == SrtpKeying::kDtls) {
    if (ProfileOf(media.protocol) != MediaProfile::kDtlsSrtp) {
      return refused(" by DTLS");
    }
    const auto dtls = DtlsOf(*answer, media);
    if (!dtls.ok()) {
      return refused(Cat(": ", StdView(dtls.status().message())));
    }
    if (dtls->setup == DtlsSetup::kActPass) {
      return refused(": its answer leaves open who begins");  // RFC 5763 5
    }
    return Cat("it answers with ", media.protocol, ", DTLS-SRTP ",
               DtlsSetupName(dtls->setup), ", ",
               std::string_view(dtls->fingerprint)
                   .substr(0, dtls->fingerprint.find(' ')),
               ice);
  }
  const auto crypto = AnsweredCrypto(media, suites_);
  if (!crypto.ok()) return refused("");
  return Cat("it answers with ", media.protocol, ", ", crypto->suite_name, ice);
}

}  // namespace sallyport::signaling_edge
