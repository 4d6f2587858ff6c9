// The offer of SRTP by which a check finds out whether a peer takes what calls
// to it would offer (UM-108).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CHECK_OFFER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CHECK_OFFER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/digit_analysis/tenant_entries.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/sdes.h"

namespace sallyport::signaling_edge {

// One inactive line of audio with the kind of keys that the plan has: SDES with
// all its suites, or DTLS-SRTP, with ICE if it wants that. Keys, fingerprint
// and credentials are drawn and never used, as no media flows. Immutable.
class CheckOffer {
 public:
  // `host`: an IP literal of ours.
  static CheckOffer Make(const DialPlanEntry& plan, const std::string& host,
                         RandomSource& random);

  const std::string& sdp() const { return sdp_; }

  // What of it a description of the peer's takes, in words; else
  // SRTP_NOT_PROVEN when it is none, SRTP_NOT_ACCEPTED with what it says
  // instead.
  absl::StatusOr<std::string> Judge(std::string_view body) const;

 private:
  SrtpKeying keying_ = SrtpKeying::kSdes;
  bool ice_ = false;
  std::vector<OfferedSuite> suites_;
  std::string sdp_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CHECK_OFFER_H_
