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
#include "services/common/digit_analysis/tenant_entries.h"
#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/leg_media.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/media_setup.h"
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
    SrtpKeying keying = SrtpKeying::kSdes;
    bool ice = false;
    // Descriptions go from end to end and there is no relay (of both legs, or
    // of none, and both of one mode).
    bool pass_through = false;
    std::string music;  // what it hears while the other side holds
    // What offers to it do not show; of answers nothing is taken out.
    V150Filtering v150 = V150Filtering::kUseDefault;
  };

  // `random` is used at once, for the session ids of our o= lines.
  CallMedia(LegPolicy a, LegPolicy b, RandomSource& random);

  // Errors of both: those of ParseSdp(), CheckReceived(), AnchoredLine(),
  // MediaAddressOf(), AnsweredCrypto(), DtlsOf() and IceUfragOf();
  // kFailedPrecondition with OFFER_PENDING when an offer is under way, NO_OFFER
  // when none is, MEDIA_REFUSED when the audio line was, RTCP_MUX_REQUIRED
  // where RTCP has no port of its own. After an error nothing has changed.
  // `said_before`: the side has not sent it now, it is but what the other one
  // shall hear.
  absl::Status ReceiveOffer(LegSide from, std::string_view body,
                            bool said_before = false);
  absl::Status ReceiveAnswer(LegSide from, std::string_view body);

  // In place of ReceiveOffer() of a side that has said nothing yet: G.722,
  // G.711 and DTMF are offered in its name. No exchange is under way, and no
  // description passes from end to end.
  void MakeUpOffer(LegSide from);
  // Needs answered(), by the other side: from now on its answer is an offer of
  // its own, which the side that had said nothing answers.
  void OfferAnswer();

  // Nobody is at side B. The pending offer of the caller is answered by us, and
  // it hears `prompt`. MEDIA_NOT_SUPPORTED when it offers nothing that a relay
  // can play.
  absl::Status AnswerAlone(const std::string& prompt);
  // In place of ReceiveOffer() of B: what we have said to the caller before, or
  // as MakeUpOffer().
  void OfferAlone();
  // The caller has answered that, and hears `prompt`; errors likewise.
  absl::Status PlayAlone(const std::string& prompt);

  // While B is called, another device of B takes the call. All errors as of
  // ReceiveOffer(); UndoPickUp() takes it back.
  //
  // In place of ReceiveAnswer(): it offers, and so has the caller; both offers
  // are answered by what the two have in common, or MEDIA_NOT_SUPPORTED.
  // Nothing passes from end to end.
  absl::Status PickUp(std::string_view body);
  // The answer to that device; as AnswerFor().
  absl::StatusOr<std::string> AnswerForTaker();
  // It offers, and the caller has not: it is the caller who answers that. What
  // was made up for the caller is forgotten.
  absl::Status PickUpByOffer(std::string_view body);
  // It makes no offer, and answers the caller's: that which is pending, or what
  // was agreed on early; or one that is made up where there is none, which
  // cannot be where descriptions pass from end to end.
  absl::Status PickUpByAnswer();
  // The same of one that has offered where descriptions pass from end to end:
  // what refuses each line of its offer, so that the caller's can follow (RFC
  // 3264 sections 6 and 8). MEDIA_NOT_SUPPORTED if that cannot follow.
  absl::StatusOr<std::string> DeclineTaker(std::string_view body) const;
  void UndoPickUp();

  // Somebody else is at that side from now on: DTLS and ICE begin anew with the
  // next offer of that side or to it. Abandon() takes it back.
  void Replace(LegSide side) { anew_[IndexOf(side)] = true; }
  // Before an offer of ours to a side. True: the relay has to be updated to
  // wanted() first, as the offer tells what that makes.
  bool PrepareOffer(LegSide to);

  // What the relay shall have now.
  const RelayLegs& wanted() const { return legs_; }

  // No relay takes part; the owner gives an empty session for one.
  bool passes_through() const { return policies_[0].pass_through; }
  bool has_session() const { return session_.has_value(); }
  const RelaySession& session() const { return *session_; }
  void SetSession(RelaySession session);
  // The relay was updated to wanted(), and this is what it is now.
  void OnUpdated(const RelaySession& session);
  // The relay has it no more. What was agreed stays, and so does a pending
  // exchange; its owner makes a session anew. Sides that were `told` of the old
  // one need an offer of the new one: until then their keys of DTLS and their
  // ICE are no use.
  void LoseSession(std::array<bool, 2> told = {true, true});

  // The text to send: the pending offer as the other leg sees it, and the
  // answer as the offerer sees it. Need a session. kInternal if the text would
  // break the leg's security mode (CheckSent); it must then not be sent.
  // MEDIA_NOT_SUPPORTED if the leg's filter leaves nothing of an offer.
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
  // The DTLS association of a leg (RFC 8842).
  struct Association {
    std::optional<DtlsSetup> role;  // ours; empty: there is none yet
    std::string tls_id;             // the far side's, if it has told one
  };
  struct Exchange {
    LegSide from = LegSide::kA;
    SdpSession offer;
    size_t line = 0;                   // the anchored one
    std::optional<SdesCrypto> crypto;  // the chosen one of a secured offer
    std::optional<SdpSession> answer;
    RelayLegs before;  // to go back to
    std::array<Association, 2> associations_before;
    std::array<std::string, 2> texts;  // as received; secret
  };
  // What to go back to when another device of B does not take the call after
  // all; and if it has made an offer beside the caller's, what answers that.
  struct PickedUp {
    SdpSession answer;  // as the caller would have said it
    size_t line = 0;
    std::string protocol;
    std::optional<SdesCrypto> crypto;
    std::optional<Exchange> exchange_before;
    RelayLegs legs_before;
    std::array<Association, 2> associations_before;
    std::array<std::string, 2> spoken_before;
  };
  // What we said last on a leg.
  struct Said {
    std::string session_id;
    uint64_t version = 0;
    std::string text_without_origin;
  };

  absl::Status Check(LegSide from, const SdpSession& session,
                     bool is_answer) const;
  // What a description says of a leg's addresses, DTLS and ICE.
  absl::Status TakeTransport(LegSide from, const SdpSession& session,
                             size_t line, bool is_answer, RelayLeg& next,
                             Association& association) const;
  absl::Status TakeDtls(const SdpSession& session, const SdpMedia& media,
                        bool is_answer, bool anew, RelayLeg& next,
                        Association& association) const;
  // What of it must be told in `leg`, apart from keys of SDES.
  void AddTransport(LegSide to, bool is_offer, LegMedia& leg) const;
  void ForgetRestarts(RelayLegs& legs);
  // The caller hears it in what `said` has of it, if it can.
  absl::Status Play(const SdpMedia& said, const std::string& prompt);
  // Who holds neither hears nor needs what the other one has to say; that one
  // hears music (CCE-63).
  void SetMusic();
  // Whether `to` shall hear music while the pending offer holds.
  bool OffersMusic(LegSide to) const;
  void BeginPickUp();
  absl::Status AnswerBoth(std::string_view body);
  absl::Status PassOffer(LegSide from, std::string_view body);
  absl::Status PassAnswer(LegSide from, std::string_view body);
  // What the other side has said, as `to` may have it.
  absl::StatusOr<std::string> Passed(LegSide to, bool is_offer) const;
  // The text for a leg, with the o= version raised only when it changed.
  absl::StatusOr<std::string> Describe(LegSide to, const SdpSession& other,
                                       size_t line, LegMedia leg);
  SdesCrypto OurCrypto(LegSide side, uint32_t tag, SrtpSuite suite) const;

  std::array<LegPolicy, 2> policies_;
  std::array<Association, 2> associations_;
  std::array<bool, 2> anew_ = {false, false};
  // What it was offered last was a session that is lost.
  std::array<bool, 2> unaware_ = {false, false};
  std::array<std::string, 2> spoken_;  // the protocol of the far side's line
  std::array<Said, 2> said_;
  RelayLegs legs_;
  std::array<std::string, 2> agreed_;  // secret
  std::optional<RelaySession> session_;
  std::optional<Exchange> exchange_;
  std::optional<PickedUp> picked_up_;
  SdpSession alone_said_;  // by nobody at B, and its anchored line
  size_t alone_line_ = 0;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_MEDIA_H_
