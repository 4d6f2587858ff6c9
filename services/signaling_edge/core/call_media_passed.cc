// Descriptions that go from end to end, for ICE and DTLS-SRTP between the
// parties (dial plans with MEDIA_MODE_PASS_THROUGH). They are read, so that the
// security mode holds, and passed on as they came but for keys where there
// must be none, and modem relay in offers to trunks that are not to see it.
#include <optional>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call_media.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/v150_filter.h"

namespace sallyport::signaling_edge {
namespace {

// Of the first line with a port.
SdpDirection DirectionIn(const SdpSession& session) {
  for (const SdpMedia& media : session.media) {
    if (media.port != 0) return DirectionOf(session, media);
  }
  return SdpDirection::kInactive;
}

std::optional<SrtpSuite> SuiteIn(const SdpSession& session) {
  for (const SdpMedia& media : session.media) {
    const SdpAttribute* const crypto = media.Find("crypto");
    if (media.port == 0 || crypto == nullptr || !crypto->value.has_value()) {
      continue;
    }
    const auto parsed = ParseSdesCrypto(*crypto->value);
    if (parsed.ok()) return parsed->suite;
  }
  return std::nullopt;
}

}  // namespace

absl::Status CallMedia::PassOffer(LegSide from, std::string_view body) {
  const size_t i = IndexOf(from);
  SP_ASSIGN_OR_RETURN(SdpSession offer, ParseSdp(body));
  SP_RETURN_IF_ERROR(
      CheckPassed(policies_[i].mode, policies_[i].is_tls, offer));
  exchange_ = Exchange{.from = from,
                       .offer = std::move(offer),
                       .line = 0,
                       .crypto = std::nullopt,
                       .answer = std::nullopt,
                       .before = legs_,
                       .associations_before = associations_,
                       .texts = {}};
  exchange_->texts[i] = body;
  legs_[i].direction = DirectionIn(exchange_->offer);
  return absl::OkStatus();
}

absl::Status CallMedia::PassAnswer(LegSide from, std::string_view body) {
  const size_t i = IndexOf(from);
  SP_ASSIGN_OR_RETURN(SdpSession answer, ParseSdp(body));
  SP_RETURN_IF_ERROR(
      CheckPassed(policies_[i].mode, policies_[i].is_tls, answer));
  if (answer.media.size() != exchange_->offer.media.size()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SDP_MALFORMED",
                     "the answer has another number of m= lines");
  }
  legs_[i].direction = DirectionIn(answer);
  // One key schedule for both legs; of DTLS-SRTP nobody but the parties knows.
  legs_[0].suite = legs_[1].suite = SuiteIn(answer);
  exchange_->answer = std::move(answer);
  exchange_->texts[i] = body;
  return absl::OkStatus();
}

absl::StatusOr<std::string> CallMedia::Passed(LegSide to, bool is_offer) const {
  const LegPolicy& policy = policies_[IndexOf(to)];
  const std::string& text = exchange_->texts[IndexOf(Other(to))];
  // The last look, as CheckSent() is for what we write ourselves.
  SP_ASSIGN_OR_RETURN(const SdpSession session, ParseSdp(text));
  if (!CheckPassed(policy.mode, policy.is_tls, session).ok()) {
    return MakeError(absl::StatusCode::kInternal, "SECURITY_MODE_VIOLATION",
                     "a description that the other leg's mode forbids");
  }
  const V150Filtering v150 =
      is_offer ? policy.v150 : V150Filtering::kNoFiltering;
  if (!RemovesV150(v150)) {
    return policy.mode == SecurityMode::kSecured ? text : WithoutKeying(text);
  }
  const std::string told = WithoutV150(text, session, v150);
  return policy.mode == SecurityMode::kSecured ? told : WithoutKeying(told);
}

}  // namespace sallyport::signaling_edge
