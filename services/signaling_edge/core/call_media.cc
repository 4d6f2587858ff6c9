#include "services/signaling_edge/core/call_media.h"

#include <utility>

#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr uint32_t kOurTag = 1;

absl::Status Failed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, what);
}

// An o= session id: at most 19 digits, so that it fits any 64-bit reader.
std::string NewSessionId(RandomSource& random) {
  return Cat(random.NextU64() >> 1);
}

}  // namespace

CallMedia::CallMedia(LegPolicy a, LegPolicy b, RandomSource& random)
    : policies_({a, b}) {
  for (size_t i = 0; i < 2; ++i) {
    said_[i].session_id = NewSessionId(random);
    if (policies_[i].mode == SecurityMode::kSecured) {
      legs_[i].suite = policies_[i].suites.first();
    }
  }
}

absl::Status CallMedia::Check(LegSide from, const SdpSession& session) const {
  const LegPolicy& policy = policies_[IndexOf(from)];
  return CheckReceived(policy.mode, policy.is_tls, session,
                       policy.suites.view());
}

absl::Status CallMedia::ReceiveOffer(LegSide from, std::string_view body) {
  if (exchange_.has_value()) {
    return Failed("OFFER_PENDING", "another offer is not answered yet");
  }
  if (passes_through()) return PassOffer(from, body);
  SP_ASSIGN_OR_RETURN(SdpSession offer, ParseSdp(body));
  SP_RETURN_IF_ERROR(Check(from, offer));
  SP_ASSIGN_OR_RETURN(const size_t line, AnchoredLine(offer));
  RelayLeg& leg = legs_[IndexOf(from)];
  RelayLeg next = leg;
  SP_ASSIGN_OR_RETURN(next.remote, MediaAddressOf(offer, line));
  next.direction = DirectionOf(offer, offer.media[line]);
  std::optional<SdesCrypto> crypto;
  if (leg.suite.has_value()) {
    // A session that exists keeps its suite.
    absl::Span<const SrtpSuite> allowed =
        policies_[IndexOf(from)].suites.view();
    if (session_.has_value()) allowed = absl::MakeConstSpan(&*leg.suite, 1);
    SP_ASSIGN_OR_RETURN(crypto,
                        ChooseCryptoByPolicy(offer.media[line], allowed));
    next.suite = crypto->suite;
    next.remote_key = crypto->keys[0].key_salt;
  }
  exchange_ = Exchange{.from = from,
                       .offer = std::move(offer),
                       .line = line,
                       .crypto = std::move(crypto),
                       .answer = std::nullopt,
                       .before = legs_,
                       .texts = {}};
  exchange_->texts[IndexOf(from)] = body;
  leg = std::move(next);
  return absl::OkStatus();
}

absl::Status CallMedia::ReceiveAnswer(LegSide from, std::string_view body) {
  if (!exchange_.has_value() || exchange_->from == from) {
    return Failed("NO_OFFER", "an answer without an offer");
  }
  if (passes_through()) return PassAnswer(from, body);
  SP_ASSIGN_OR_RETURN(SdpSession answer, ParseSdp(body));
  SP_RETURN_IF_ERROR(Check(from, answer));
  const size_t line = exchange_->line;
  if (answer.media.size() != exchange_->offer.media.size()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SDP_MALFORMED",
                     "the answer has another number of m= lines");
  }
  if (answer.media[line].port == 0) {
    return Failed("MEDIA_REFUSED", "the audio line was refused");
  }
  RelayLeg& leg = legs_[IndexOf(from)];
  RelayLeg next = leg;
  SP_ASSIGN_OR_RETURN(next.remote, MediaAddressOf(answer, line));
  next.direction = DirectionOf(answer, answer.media[line]);
  if (leg.suite.has_value()) {
    SP_ASSIGN_OR_RETURN(
        const SdesCrypto crypto,
        AnsweredCrypto(answer.media[line], kOurTag, *leg.suite));
    next.remote_key = crypto.keys[0].key_salt;
  }
  leg = std::move(next);
  exchange_->answer = std::move(answer);
  exchange_->texts[IndexOf(from)] = body;
  return absl::OkStatus();
}

void CallMedia::Finish() {
  if (answered()) agreed_ = std::move(exchange_->texts);
  exchange_.reset();
}

void CallMedia::Abandon() {
  if (!exchange_.has_value()) return;
  legs_ = exchange_->before;
  exchange_.reset();
}

bool CallMedia::on_hold() const {
  return legs_[0].direction != SdpDirection::kSendRecv ||
         legs_[1].direction != SdpDirection::kSendRecv;
}

SdesCrypto CallMedia::OurCrypto(LegSide side, uint32_t tag) const {
  const size_t i = IndexOf(side);
  SdesCrypto crypto;
  crypto.tag = tag;
  crypto.suite = legs_[i].suite;
  crypto.suite_name = SrtpSuiteName(*legs_[i].suite);
  crypto.keys.push_back({.key_salt = session_->legs[i].local_key});
  return crypto;
}

absl::StatusOr<std::string> CallMedia::OfferFor(LegSide to) {
  SP_CHECK(exchange_.has_value() && session_.has_value());
  if (passes_through()) return Passed(to);
  LegMedia leg;
  leg.protocol = legs_[IndexOf(to)].suite.has_value() ? "RTP/SAVP" : "RTP/AVP";
  if (legs_[IndexOf(to)].suite.has_value()) leg.crypto = OurCrypto(to, kOurTag);
  return Describe(to, exchange_->offer, exchange_->line, std::move(leg));
}

absl::StatusOr<std::string> CallMedia::AnswerFor(LegSide to) {
  SP_CHECK(answered() && session_.has_value());
  if (passes_through()) return Passed(to);
  LegMedia leg;
  // The answer speaks the very protocol that was offered (RFC 3264 6.1).
  leg.protocol = exchange_->offer.media[exchange_->line].protocol;
  if (exchange_->crypto.has_value()) {
    leg.crypto = OurCrypto(to, exchange_->crypto->tag);
  }
  return Describe(to, *exchange_->answer, exchange_->line, std::move(leg));
}

absl::StatusOr<std::string> CallMedia::Describe(LegSide to,
                                                const SdpSession& other,
                                                size_t line, LegMedia leg) {
  const size_t i = IndexOf(to);
  leg.relay = session_->legs[i].local;
  SdpSession out = DescribeForLeg(other, line, leg);
  const LegPolicy& policy = policies_[i];
  SP_RETURN_IF_ERROR(CheckSent(policy.mode, policy.is_tls, out));
  out.origin = {};
  std::string without_origin = WriteSdp(out);
  Said& said = said_[i];
  if (without_origin != said.text_without_origin) {
    said.text_without_origin = std::move(without_origin);
    ++said.version;
  }
  out.origin = {.username = "-",
                .session_id = said.session_id,
                .session_version = Cat(said.version),
                .address_type = out.connection->address_type,
                .address = out.connection->address};
  return WriteSdp(out);
}

}  // namespace sallyport::signaling_edge
