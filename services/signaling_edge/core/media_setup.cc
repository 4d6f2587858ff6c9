#include "services/signaling_edge/core/media_setup.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

struct Hash {
  std::string_view name;
  size_t octets;
};
// Weakest first.
constexpr Hash kHashes[] = {{"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}};

// RFC 8445 section 5.3, RFC 8839 section 5.4.
constexpr size_t kMinUfrag = 4;
constexpr size_t kMinPassword = 22;
constexpr size_t kMaxIceText = 256;
// Section 5.1.2.1: host, one address, component 1.
constexpr uint32_t kPriority = (126u << 24) | (65535u << 8) | 255u;

absl::Status Failed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
}

bool IsHex(char c) {
  return IsDigit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

// "AB:CD:..." of so many octets.
bool IsFingerprint(std::string_view text, size_t octets) {
  if (text.size() != 3 * octets - 1) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 2 ? text[i] != ':' : !IsHex(text[i])) return false;
  }
  return true;
}

bool IsIceText(std::string_view text, size_t least) {
  return text.size() >= least && text.size() <= kMaxIceText &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsDigit(c) || IsAlpha(c) || c == '+' || c == '/';
         });
}

// What holds for `media`: its own, else the session's.
std::optional<std::string_view> ValueOf(const SdpSession& session,
                                        const SdpMedia& media,
                                        std::string_view name) {
  const SdpAttribute* found = media.Find(name);
  if (found == nullptr) found = session.Find(name);
  if (found == nullptr || !found->value.has_value()) return std::nullopt;
  return TrimLws(*found->value);
}

absl::StatusOr<std::string> FingerprintOf(const SdpSession& session,
                                          const SdpMedia& media) {
  // RFC 8122 section 5: those of the media replace those of the session.
  const std::vector<SdpAttribute>& from = media.Find("fingerprint") != nullptr
                                              ? media.attributes
                                              : session.attributes;
  std::string best;
  size_t best_octets = 0;
  bool any = false;
  for (const SdpAttribute& attribute : from) {
    if (attribute.name != "fingerprint" || !attribute.value.has_value()) {
      continue;
    }
    any = true;
    const std::vector<std::string_view> words = Words(*attribute.value);
    for (const Hash& hash : kHashes) {
      if (words.empty() || !EqualsIgnoreCase(words[0], hash.name)) continue;
      if (words.size() != 2 || !IsFingerprint(words[1], hash.octets)) {
        return Failed("DTLS_FINGERPRINT_INVALID", "a malformed fingerprint");
      }
      if (hash.octets <= best_octets) continue;
      best_octets = hash.octets;
      best = Cat(hash.name, " ", words[1]);
      std::transform(
          best.begin() + static_cast<ptrdiff_t>(hash.name.size()), best.end(),
          best.begin() + static_cast<ptrdiff_t>(hash.name.size()), [](char c) {
            return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
          });
    }
  }
  if (!any) {
    return Failed("SECURITY_MODE_SRTP_REQUIRED",
                  "DTLS-SRTP without a fingerprint");
  }
  if (best.empty()) {
    return Failed("DTLS_FINGERPRINT_INVALID",
                  "no fingerprint by sha-256 or better");
  }
  return best;
}

}  // namespace

std::string_view DtlsSetupName(DtlsSetup setup) {
  switch (setup) {
    case DtlsSetup::kActPass:
      return "actpass";
    case DtlsSetup::kActive:
      return "active";
    case DtlsSetup::kPassive:
      return "passive";
  }
  return "actpass";
}

absl::StatusOr<SdpDtls> DtlsOf(const SdpSession& session,
                               const SdpMedia& media) {
  SdpDtls out;
  absl::StatusOr<std::string> fingerprint = FingerprintOf(session, media);
  if (!fingerprint.ok()) return fingerprint.status();
  out.fingerprint = *std::move(fingerprint);
  const auto setup = ValueOf(session, media, "setup");
  bool known = false;
  for (const DtlsSetup each :
       {DtlsSetup::kActPass, DtlsSetup::kActive, DtlsSetup::kPassive}) {
    if (setup != DtlsSetupName(each)) continue;
    out.setup = each;
    known = true;
  }
  if (!known) {
    return Failed("DTLS_SETUP_INVALID", "who begins DTLS is not said");
  }
  out.tls_id = ValueOf(session, media, "tls-id").value_or("");
  return out;
}

absl::StatusOr<std::string> IceUfragOf(const SdpSession& session,
                                       const SdpMedia& media) {
  const auto ufrag = ValueOf(session, media, "ice-ufrag");
  const auto password = ValueOf(session, media, "ice-pwd");
  if (!ufrag.has_value() || !password.has_value() ||
      media.Find("ice-mismatch") != nullptr) {
    return Failed("ICE_REQUIRED", "the dial plan's legs do ICE");
  }
  if (!IsIceText(*ufrag, kMinUfrag) || !IsIceText(*password, kMinPassword)) {
    return Failed("ICE_MALFORMED", "these are no ICE credentials");
  }
  if (session.Find("ice-lite") != nullptr) {
    return Failed("ICE_FULL_AGENT_REQUIRED",
                  "neither side would make connectivity checks");
  }
  return std::string(*ufrag);
}

void AddIce(const IceDescription& ice, std::string_view ip, uint16_t port,
            SdpMedia& media) {
  media.attributes.push_back({"ice-ufrag", ice.ufrag});
  media.attributes.push_back({"ice-pwd", ice.password});
  media.attributes.push_back({"candidate", Cat("1 1 UDP ", kPriority, " ", ip,
                                               " ", port, " typ host")});
}

bool HasRtcpMux(const SdpMedia& media) {
  return media.Find("rtcp-mux") != nullptr;
}

}  // namespace sallyport::signaling_edge
