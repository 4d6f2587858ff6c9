// The media of a call that another device of the called party takes while it
// rings. If only one of the two has offered, the other one answers. If both
// have, each gets what the two have in common for an answer; where media goes
// end to end there is nobody to say that, and the taker is asked anew.
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/call_media.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr LegSide kCaller = LegSide::kA;
constexpr LegSide kTaker = LegSide::kB;

// What `one` can do with what the other one allows (RFC 3264 section 6.1).
SdpDirection Towards(SdpDirection one, SdpDirection other) {
  const bool sends = Sends(one) && Receives(other);
  const bool receives = Receives(one) && Sends(other);
  if (sends) {
    return receives ? SdpDirection::kSendRecv : SdpDirection::kSendOnly;
  }
  return receives ? SdpDirection::kRecvOnly : SdpDirection::kInactive;
}

// An answer to `offer` of this line; all others are refused by what describes
// it.
SdpSession AnswerTo(const SdpSession& offer, size_t line, SdpMedia media) {
  SdpSession answer;
  answer.media = offer.media;
  answer.media[line] = std::move(media);
  return answer;
}

}  // namespace

void CallMedia::BeginPickUp() {
  picked_up_ = PickedUp{.answer = {},
                        .line = 0,
                        .protocol = {},
                        .crypto = std::nullopt,
                        .exchange_before = exchange_,
                        .legs_before = legs_,
                        .associations_before = associations_,
                        .spoken_before = spoken_};
}

absl::Status CallMedia::PickUp(std::string_view body) {
  SP_CHECK(!passes_through());
  BeginPickUp();
  absl::Status status = AnswerBoth(body);
  if (!status.ok()) UndoPickUp();
  return status;
}

absl::Status CallMedia::AnswerBoth(std::string_view body) {
  const size_t i = IndexOf(kTaker);
  SP_ASSIGN_OR_RETURN(SdpSession offer, ParseSdp(body));
  SP_RETURN_IF_ERROR(Check(kTaker, offer, /*is_answer=*/false));
  SP_ASSIGN_OR_RETURN(const size_t line, AnchoredLine(offer));
  // Both know what was agreed on early; what is changed is told later.
  if (!exchange_.has_value()) {
    SP_RETURN_IF_ERROR(ReceiveOffer(kCaller, agreed_[IndexOf(kCaller)],
                                    /*said_before=*/true));
  }
  Exchange& exchange = *exchange_;
  const SdpMedia& media = offer.media[line];
  RelayLeg next = legs_[i];
  Association association = associations_[i];
  anew_[i] = true;
  const absl::Status status = TakeTransport(
      kTaker, offer, line, /*is_answer=*/false, next, association);
  anew_[i] = false;
  SP_RETURN_IF_ERROR(status);
  next.direction =
      next.ice ? DirectionSaid(offer, media) : DirectionOf(offer, media);
  if (next.suite.has_value()) {
    SP_ASSIGN_OR_RETURN(
        picked_up_->crypto,
        ChooseCryptoByPolicy(media, policies_[i].suites.view()));
    next.suite = picked_up_->crypto->suite;
    next.remote_key = picked_up_->crypto->keys[0].key_salt;
  }
  const SdpMedia& heard = exchange.offer.media[exchange.line];
  const SdpDirection caller = legs_[IndexOf(kCaller)].direction;
  SdpMedia for_caller = CommonOf(media, heard, Towards(next.direction, caller));
  SdpMedia for_taker = CommonOf(heard, media, Towards(caller, next.direction));
  if (for_caller.formats.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "MEDIA_NOT_SUPPORTED", "the two have no codec in common");
  }
  exchange.answer =
      AnswerTo(exchange.offer, exchange.line, std::move(for_caller));
  exchange.texts[i] = body;
  picked_up_->answer = AnswerTo(offer, line, std::move(for_taker));
  picked_up_->line = line;
  picked_up_->protocol = media.protocol;
  spoken_[i] = media.protocol;
  legs_[i] = std::move(next);
  associations_[i] = std::move(association);
  return absl::OkStatus();
}

absl::Status CallMedia::PickUpByOffer(std::string_view body) {
  BeginPickUp();
  exchange_.reset();
  // Of who rings, the relay may have an association already.
  anew_[IndexOf(kTaker)] = session_.has_value();
  absl::Status status = ReceiveOffer(kTaker, body);
  anew_[IndexOf(kTaker)] = false;
  if (!status.ok()) UndoPickUp();
  return status;
}

absl::Status CallMedia::PickUpByAnswer() {
  BeginPickUp();
  if (!exchange_.has_value() && agreed_[IndexOf(kCaller)].empty()) {
    MakeUpOffer(kCaller);
  } else if (!exchange_.has_value()) {
    absl::Status status = ReceiveOffer(kCaller, agreed_[IndexOf(kCaller)],
                                       /*said_before=*/true);
    if (!status.ok()) {
      UndoPickUp();
      return status;
    }
  }
  SP_CHECK(exchange_->from == kCaller);
  exchange_->answer.reset();
  Replace(kTaker);
  PrepareOffer(kTaker);
  anew_[IndexOf(kTaker)] = false;
  return absl::OkStatus();
}

absl::StatusOr<std::string> CallMedia::DeclineTaker(
    std::string_view body) const {
  SP_CHECK(passes_through() && exchange_.has_value());
  const LegPolicy& policy = policies_[IndexOf(kTaker)];
  SP_ASSIGN_OR_RETURN(const SdpSession offer, ParseSdp(body));
  SP_RETURN_IF_ERROR(CheckPassed(policy.mode, policy.is_tls, offer));
  const SdpSession& next = exchange_->offer;
  const std::string& version = next.origin.session_version;
  uint64_t number = 0;
  const auto read =
      std::from_chars(version.data(), version.data() + version.size(), number);
  if (read.ec != std::errc() || number == 0 ||
      next.media.size() < offer.media.size()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "MEDIA_NOT_SUPPORTED",
        "the caller's offer cannot follow that of who picks the call up");
  }
  // It is a later version of the same that comes next.
  SdpSession answer;
  answer.origin = next.origin;
  answer.origin.session_version = Cat(number - 1);
  answer.connection = SdpConnection{
      .address_type = next.origin.address_type,
      .address = next.origin.address_type == "IP6" ? "::" : "0.0.0.0"};
  for (const SdpMedia& theirs : offer.media) {
    SdpMedia& ours = answer.media.emplace_back();
    ours.type = theirs.type;
    ours.protocol = theirs.protocol;
    ours.formats = theirs.formats;
  }
  return WriteSdp(answer);
}

void CallMedia::UndoPickUp() {
  if (!picked_up_.has_value()) return;
  exchange_ = std::move(picked_up_->exchange_before);
  legs_ = std::move(picked_up_->legs_before);
  associations_ = picked_up_->associations_before;
  spoken_ = std::move(picked_up_->spoken_before);
  picked_up_.reset();
}

absl::StatusOr<std::string> CallMedia::AnswerForTaker() {
  SP_CHECK(picked_up_.has_value() && session_.has_value());
  LegMedia leg;
  leg.protocol = picked_up_->protocol;
  if (picked_up_->crypto.has_value()) {
    leg.cryptos = {
        OurCrypto(kTaker, picked_up_->crypto->tag, *picked_up_->crypto->suite)};
  }
  AddTransport(kTaker, /*is_offer=*/false, leg);
  return Describe(kTaker, picked_up_->answer, picked_up_->line, std::move(leg));
}

}  // namespace sallyport::signaling_edge
