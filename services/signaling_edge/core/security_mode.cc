#include "services/signaling_edge/core/security_mode.h"

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/media_setup.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status SrtpRequired(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   "SECURITY_MODE_SRTP_REQUIRED", what);
}

bool Holds(const SdpSession& session, std::string_view attribute) {
  if (session.Find(attribute) != nullptr) return true;
  for (const SdpMedia& media : session.media) {
    if (media.Find(attribute) != nullptr) return true;
  }
  return false;
}

absl::Status CheckSecuredLine(const SdpSession& session, const SdpMedia& media,
                              const SrtpRules& rules) {
  const MediaProfile profile = ProfileOf(media.protocol);
  const bool dtls = profile == MediaProfile::kDtlsSrtp;
  if (!dtls && profile != MediaProfile::kSdesSrtp) {
    return SrtpRequired("media without SRTP on a secured dial plan");
  }
  if (dtls != (rules.keying == SrtpKeying::kDtls)) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "SRTP_KEYING_NOT_ALLOWED",
                     dtls ? "DTLS-SRTP on a dial plan whose keys are in SDP"
                          : "keys in SDP on a dial plan with DTLS-SRTP");
  }
  if (dtls) return DtlsOf(session, media).status();
  if (rules.is_answer) {
    return media.Find("crypto") != nullptr
               ? absl::OkStatus()
               : SrtpRequired("the answer holds no SRTP key");
  }
  return ChooseOfferedCrypto(media, rules.suites).status();
}

}  // namespace

MediaProfile ProfileOf(std::string_view protocol) {
  if (protocol == "RTP/AVP" || protocol == "RTP/AVPF") {
    return MediaProfile::kRtp;
  }
  if (protocol == "RTP/SAVP" || protocol == "RTP/SAVPF") {
    return MediaProfile::kSdesSrtp;
  }
  if (protocol == "UDP/TLS/RTP/SAVP" || protocol == "UDP/TLS/RTP/SAVPF") {
    return MediaProfile::kDtlsSrtp;
  }
  return MediaProfile::kOther;
}

absl::Status CheckTransport(SecurityMode mode, bool is_tls) {
  if (mode == SecurityMode::kUnsecured) {
    if (!is_tls) return absl::OkStatus();
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "SECURITY_MODE_TLS_NOT_ALLOWED",
                     "an unsecured dial plan was reached by TLS");
  }
  if (is_tls) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied,
                   "SECURITY_MODE_TLS_REQUIRED",
                   "the dial plan asks for mutual TLS");
}

absl::Status CheckReceived(SecurityMode mode, bool is_tls,
                           const SdpSession& session, const SrtpRules& rules) {
  SP_RETURN_IF_ERROR(CheckTransport(mode, is_tls));
  for (const SdpMedia& media : session.media) {
    if (media.port == 0) continue;
    const MediaProfile profile = ProfileOf(media.protocol);
    if (mode == SecurityMode::kSecured) {
      SP_RETURN_IF_ERROR(CheckSecuredLine(session, media, rules));
    } else if (profile == MediaProfile::kSdesSrtp ||
               profile == MediaProfile::kDtlsSrtp) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "SECURITY_MODE_SRTP_NOT_ALLOWED",
                       "SRTP on a dial plan whose media is RTP");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSent(SecurityMode mode, bool is_tls, SrtpKeying keying,
                       const SdpSession& session) {
  const auto violation = [](std::string_view what) {
    return MakeError(absl::StatusCode::kInternal, "SECURITY_MODE_VIOLATION",
                     what);
  };
  if (!CheckTransport(mode, is_tls).ok()) {
    return violation("a description for a leg of the wrong transport");
  }
  const bool dtls = keying == SrtpKeying::kDtls;
  const bool secured = mode == SecurityMode::kSecured;
  if ((!secured || dtls) && Holds(session, "crypto")) {
    return violation("a key for a leg that has none in SDP");
  }
  if ((!secured || !dtls) && Holds(session, "fingerprint")) {
    return violation("a fingerprint for a leg without DTLS");
  }
  if (!secured) {
    for (const SdpMedia& media : session.media) {
      if (media.port != 0 && ProfileOf(media.protocol) != MediaProfile::kRtp) {
        return violation("media other than RTP for a leg without SRTP");
      }
    }
    return absl::OkStatus();
  }
  for (const SdpMedia& media : session.media) {
    if (media.port == 0) continue;
    if (ProfileOf(media.protocol) !=
            (dtls ? MediaProfile::kDtlsSrtp : MediaProfile::kSdesSrtp) ||
        media.Find(dtls ? "fingerprint" : "crypto") == nullptr) {
      return violation("media without SRTP for a secured leg");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPassed(SecurityMode mode, bool is_tls,
                         const SdpSession& session) {
  SP_RETURN_IF_ERROR(CheckTransport(mode, is_tls));
  for (const SdpMedia& media : session.media) {
    if (media.port == 0) continue;
    const MediaProfile profile = ProfileOf(media.protocol);
    if (mode != SecurityMode::kSecured) {
      if (profile == MediaProfile::kSdesSrtp ||
          profile == MediaProfile::kDtlsSrtp) {
        return MakeError(absl::StatusCode::kFailedPrecondition,
                         "SECURITY_MODE_SRTP_NOT_ALLOWED",
                         "SRTP on a dial plan whose media is RTP");
      }
      continue;
    }
    const SdpAttribute* const crypto = media.Find("crypto");
    const bool keyed = profile == MediaProfile::kSdesSrtp
                           ? crypto != nullptr && crypto->value.has_value() &&
                                 ParseSdesCrypto(*crypto->value).ok()
                           : profile == MediaProfile::kDtlsSrtp &&
                                 (media.Find("fingerprint") != nullptr ||
                                  session.Find("fingerprint") != nullptr);
    if (!keyed) {
      return SrtpRequired("media without SRTP on a secured dial plan");
    }
  }
  return absl::OkStatus();
}

std::string WithoutKeying(std::string_view sdp) {
  std::string out;
  while (!sdp.empty()) {
    size_t end = sdp.find('\n');
    end = end == std::string_view::npos ? sdp.size() : end + 1;
    const std::string_view line = sdp.substr(0, end);
    sdp.remove_prefix(end);
    bool keying = line.starts_with("k=");
    for (const std::string_view name :
         {"a=crypto:", "a=key-mgmt:", "a=fingerprint:", "a=setup:",
          "a=tls-id:"}) {
      keying |= line.starts_with(name);
    }
    if (!keying) out.append(line);
  }
  return out;
}

SuiteList SuitesOf(const DialPlanEntry& plan) {
  SuiteList out;
  for (const PlanSrtpSuite suite : plan.srtp_suites) {
    switch (suite) {
      case PlanSrtpSuite::kAesCm128HmacSha1_80:
        out.Add(SrtpSuite::kAesCm128HmacSha1_80);
        break;
      case PlanSrtpSuite::kAesCm128HmacSha1_32:
        out.Add(SrtpSuite::kAesCm128HmacSha1_32);
        break;
      case PlanSrtpSuite::kAeadAes128Gcm:
        out.Add(SrtpSuite::kAeadAes128Gcm);
        break;
      case PlanSrtpSuite::kAeadAes256Gcm:
        out.Add(SrtpSuite::kAeadAes256Gcm);
        break;
      case PlanSrtpSuite::kAes256CmHmacSha1_80:
        out.Add(SrtpSuite::kAesCm256HmacSha1_80);
        break;
    }
  }
  return out;
}

std::string_view SecurityModeName(SecurityMode mode) {
  switch (mode) {
    case SecurityMode::kUnsecured:
      return "UNSECURED";
    case SecurityMode::kSipSecured:
      return "SIP_SECURED";
    case SecurityMode::kSecured:
      return "SECURED";
  }
  return "UNSECURED";
}

}  // namespace sallyport::signaling_edge
