// The media of one call: offer and answer (RFC 3264) on two legs that never
// see each other, each held to its own security mode, with a relay session
// between them. Knows descriptions and modes, nothing of SIP messages.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_MEDIA_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_MEDIA_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/leg_media.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// One exchange goes
//   ReceiveOffer(x) -> [first time: the owner makes a session of wanted() and
//   calls SetSession()] -> OfferFor(other) -> ReceiveAnswer(other) -> [the
//   owner updates the session to wanted()] -> AnswerFor(x) -> Finish()
// ReceiveAnswer may come again until Finish(): early media, then the final
// answer. Abandon() forgets an exchange that was refused, and what was agreed
// before holds on. x may be either side: a late offer comes from the called.
// Thread-compatible.
class CallMedia {
 public:
  struct LegPolicy {
    SecurityMode mode = SecurityMode::kSecured;
    bool is_tls = false;
    SuiteList suites;  // of a SECURED leg
    // Descriptions go from end to end and there is no relay (of both legs, or
    // of none, and both of one mode).
    bool pass_through = false;
  };

  // `random` is used at once, for the session ids of our o= lines.
  CallMedia(LegPolicy a, LegPolicy b, RandomSource& random);

  // Errors of both: those of ParseSdp(), CheckReceived(), AnchoredLine() and
  // MediaAddressOf(); kFailedPrecondition with OFFER_PENDING when an offer is
  // under way, NO_OFFER when none is, MEDIA_REFUSED when the audio line was.
  // After an error nothing has changed.
  absl::Status ReceiveOffer(LegSide from, std::string_view body);
  absl::Status ReceiveAnswer(LegSide from, std::string_view body);

  // What the relay shall have now.
  const RelayLegs& wanted() const { return legs_; }

  // No relay takes part; the owner gives an empty session for one.
  bool passes_through() const { return policies_[0].pass_through; }
  bool has_session() const { return session_.has_value(); }
  const RelaySession& session() const { return *session_; }
  void SetSession(RelaySession session) { session_ = std::move(session); }
  // The relay has it no more. What was agreed stays, and the next offer makes a
  // session anew. No exchange is under way.
  void LoseSession() { session_.reset(); }

  // The text to send: the pending offer as the other leg sees it, and the
  // answer as the offerer sees it. Need a session. kInternal if the text would
  // break the leg's security mode (CheckSent); it must then not be sent.
  absl::StatusOr<std::string> OfferFor(LegSide to);
  absl::StatusOr<std::string> AnswerFor(LegSide to);

  bool offer_pending() const { return exchange_.has_value(); }
  // Who made the pending offer.
  LegSide offerer() const { return exchange_->from; }
  // An answer to the pending offer was received.
  bool answered() const {
    return exchange_.has_value() && exchange_->answer.has_value();
  }
  void Finish();
  void Abandon();
  // What a side has said in the last exchange that was finished; or empty.
  const std::string& agreed(LegSide side) const {
    return agreed_[IndexOf(side)];
  }
  // Whether the relay has to be told of the pending exchange.
  bool changed() const {
    return exchange_.has_value() && legs_ != exchange_->before;
  }

  // For CDRs: what is agreed on a leg.
  const LegPolicy& policy(LegSide side) const {
    return policies_[IndexOf(side)];
  }
  // Media was stopped in at least one direction by either side.
  bool on_hold() const;

 private:
  struct Exchange {
    LegSide from = LegSide::kA;
    SdpSession offer;
    size_t line = 0;                   // the anchored one
    std::optional<SdesCrypto> crypto;  // the chosen one of a secured offer
    std::optional<SdpSession> answer;
    RelayLegs before;                  // to go back to
    std::array<std::string, 2> texts;  // as received; secret
  };
  // What we said last on a leg.
  struct Said {
    std::string session_id;
    uint64_t version = 0;
    std::string text_without_origin;
  };

  absl::Status Check(LegSide from, const SdpSession& session) const;
  absl::Status PassOffer(LegSide from, std::string_view body);
  absl::Status PassAnswer(LegSide from, std::string_view body);
  // What the other side has said, as `to` may have it.
  absl::StatusOr<std::string> Passed(LegSide to) const;
  // The text for a leg, with the o= version raised only when it changed.
  absl::StatusOr<std::string> Describe(LegSide to, const SdpSession& other,
                                       size_t line, LegMedia leg);
  SdesCrypto OurCrypto(LegSide side, uint32_t tag) const;

  std::array<LegPolicy, 2> policies_;
  std::array<Said, 2> said_;
  RelayLegs legs_;
  std::array<std::string, 2> agreed_;  // secret
  std::optional<RelaySession> session_;
  std::optional<Exchange> exchange_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_MEDIA_H_
