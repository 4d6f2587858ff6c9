// What a leg's security mode allows (UM-91, UM-95 to UM-100; design.md section
// 6): by which transport it signals, and what descriptions it may carry. Every
// offer and answer of a call passes here, in both directions. There is no
// "try SRTP, else RTP": a mode holds or the call is refused.
//
//   mode          signalling   media
//   kUnsecured    clear        RTP, and a key never
//   kSipSecured   TLS          RTP, and a key never
//   kSecured      TLS          SRTP keyed by a=crypto, or by DTLS and a
//                              fingerprint that came over TLS, as the dial plan
//                              says, in every active m= line
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SECURITY_MODE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SECURITY_MODE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/tenant_entries.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// What an m= line's protocol promises.
enum class MediaProfile { kRtp, kSdesSrtp, kDtlsSrtp, kOther };
MediaProfile ProfileOf(std::string_view protocol);

// Whether a leg of `mode` may be signalled this way at all. Returns
// kPermissionDenied with SECURITY_MODE_TLS_REQUIRED, or, for an unsecured plan
// reached by TLS (UM-100), SECURITY_MODE_TLS_NOT_ALLOWED.
absl::Status CheckTransport(SecurityMode mode, bool is_tls);

// Whether a leg of `mode` may say this to us: offer or answer. Includes
// CheckTransport(). m= lines with port 0 do not count. Returns
// kFailedPrecondition with SECURITY_MODE_SRTP_REQUIRED,
// SECURITY_MODE_SRTP_NOT_ALLOWED, SRTP_KEYING_NOT_ALLOWED where it is SRTP with
// keys of the other kind, and errors of ChooseOfferedCrypto() and DtlsOf().
//
// A stray a=crypto in an RTP/AVP line is not refused (some peers offer keys to
// everybody); it is never read nor passed on.
struct SrtpRules {
  SrtpKeying keying = SrtpKeying::kSdes;
  absl::Span<const SrtpSuite> suites;  // those that our relay has
  // An answer's a=crypto is AnsweredCrypto()'s to judge.
  bool is_answer = false;
};
absl::Status CheckReceived(SecurityMode mode, bool is_tls,
                           const SdpSession& session, const SrtpRules& rules);

// The last look at what we are about to say on a leg of `mode`: a key only on
// TLS and only in mode kSecured, and there in every active m= line, as `keying`
// says and in no other way. A failure is a bug of ours (kInternal,
// SECURITY_MODE_VIOLATION) and nothing is sent.
absl::Status CheckSent(SecurityMode mode, bool is_tls, SrtpKeying keying,
                       const SdpSession& session);

// Of a description that goes from end to end, without a relay: as
// CheckReceived(), but DTLS-SRTP with a fingerprint is SRTP too (RFC 5763), and
// lines other than RTP may pass where media is not protected.
absl::Status CheckPassed(SecurityMode mode, bool is_tls,
                         const SdpSession& session);

// `sdp` without what would key SRTP: a=crypto, k=, a=key-mgmt, a=fingerprint,
// a=setup. For legs whose media is not protected.
std::string WithoutKeying(std::string_view sdp);

// The suites that the plan's legs may have, the best first.
SuiteList SuitesOf(const DialPlanEntry& plan);

std::string_view SecurityModeName(SecurityMode mode);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SECURITY_MODE_H_
