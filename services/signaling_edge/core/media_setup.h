// What a description says of DTLS-SRTP, ICE and multiplexed RTCP: a=fingerprint
// (RFC 8122), a=setup (RFC 4145, RFC 5763), a=tls-id (RFC 8842), a=ice-* (RFC
// 8839) and a=rtcp-mux (RFC 5761). Text and value only; whether a leg may have
// them is security_mode's question.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MEDIA_SETUP_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MEDIA_SETUP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// Who begins the DTLS handshake.
enum class DtlsSetup : uint8_t { kActPass, kActive, kPassive };

std::string_view DtlsSetupName(DtlsSetup setup);

// The DTLS side of an m= line.
struct SdpDtls {
  std::string fingerprint;  // "sha-256 AB:CD:...", in this spelling
  DtlsSetup setup = DtlsSetup::kActPass;
  std::string tls_id;  // of the association, or empty

  bool operator==(const SdpDtls&) const = default;
};

// Of several fingerprints the first of the strongest hash is taken. Returns
// kFailedPrecondition with SECURITY_MODE_SRTP_REQUIRED when there is none,
// DTLS_FINGERPRINT_INVALID when none is by sha-256, sha-384 or sha-512 or one
// of these is malformed, DTLS_SETUP_INVALID without a=setup, or with one that
// says "holdconn" or is unknown.
absl::StatusOr<SdpDtls> DtlsOf(const SdpSession& session,
                               const SdpMedia& media);

// The ICE user fragment of an m= line whose far side does the checks: we answer
// them and make none (RFC 8445 section 2.5), so that the rest is of no use to
// us. Returns kFailedPrecondition with ICE_REQUIRED without credentials or with
// a=ice-mismatch, ICE_MALFORMED when they are no credentials, and
// ICE_FULL_AGENT_REQUIRED when the far side makes no checks either.
absl::StatusOr<std::string> IceUfragOf(const SdpSession& session,
                                       const SdpMedia& media);

// Our side of ICE, of one candidate.
struct IceDescription {
  std::string ufrag;
  std::string password;

  bool operator==(const IceDescription&) const = default;
};

// The attributes of `media` for RTP and RTCP at `ip` and `port`; the session
// says a=ice-lite.
void AddIce(const IceDescription& ice, std::string_view ip, uint16_t port,
            SdpMedia& media);

bool HasRtcpMux(const SdpMedia& media);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MEDIA_SETUP_H_
