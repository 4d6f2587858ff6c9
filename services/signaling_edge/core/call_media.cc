#include "services/signaling_edge/core/call_media.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/security_mode.h"
#include "services/signaling_edge/core/text_pieces.h"
#include "services/signaling_edge/core/v150_filter.h"

namespace sallyport::signaling_edge {
namespace {

// The tag of the suite at a place of an offer of ours.
constexpr uint32_t TagOf(size_t place) {
  return static_cast<uint32_t>(place + 1);
}

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
    const LegPolicy& policy = policies_[i];
    RelayLeg& leg = legs_[i];
    leg.ice = policy.ice && !policy.pass_through;
    if (policy.mode == SecurityMode::kSecured) {
      leg.suites = policy.suites;
      leg.dtls = policy.keying == SrtpKeying::kDtls && !policy.pass_through;
      if (!leg.dtls) leg.suite = policy.suites.first();
    }
    leg.rtcp_mux = leg.mux_only();
  }
}

absl::Status CallMedia::Check(LegSide from, const SdpSession& session,
                              bool is_answer) const {
  const LegPolicy& policy = policies_[IndexOf(from)];
  return CheckReceived(policy.mode, policy.is_tls, session,
                       {.keying = policy.keying,
                        .suites = policy.suites.view(),
                        .is_answer = is_answer});
}

absl::Status CallMedia::ReceiveOffer(LegSide from, std::string_view body,
                                     bool said_before) {
  if (exchange_.has_value()) {
    return Failed("OFFER_PENDING", "another offer is not answered yet");
  }
  if (passes_through()) return PassOffer(from, body);
  const size_t i = IndexOf(from);
  SP_ASSIGN_OR_RETURN(SdpSession offer, ParseSdp(body));
  SP_RETURN_IF_ERROR(Check(from, offer, said_before));
  SP_ASSIGN_OR_RETURN(const size_t line, AnchoredLine(offer));
  const SdpMedia& media = offer.media[line];
  RelayLeg next = legs_[i];
  Association association = associations_[i];
  // Of what it has said before, DTLS and ICE of another relay's session are of
  // no use: it is asked anew.
  if (!said_before || !next.mux_only()) {
    SP_RETURN_IF_ERROR(TakeTransport(from, offer, line, /*is_answer=*/false,
                                     next, association));
  }
  next.direction =
      next.ice ? DirectionSaid(offer, media) : DirectionOf(offer, media);
  std::optional<SdesCrypto> crypto;
  if (next.suite.has_value()) {
    SP_ASSIGN_OR_RETURN(
        crypto, ChooseCryptoByPolicy(media, policies_[i].suites.view()));
    next.suite = crypto->suite;
    next.remote_key = crypto->keys[0].key_salt;
  }
  spoken_[i] = media.protocol;
  exchange_ = Exchange{.from = from,
                       .offer = std::move(offer),
                       .line = line,
                       .crypto = std::move(crypto),
                       .answer = std::nullopt,
                       .before = legs_,
                       .associations_before = associations_,
                       .texts = {}};
  exchange_->texts[i] = body;
  legs_[i] = std::move(next);
  associations_[i] = std::move(association);
  return absl::OkStatus();
}

absl::Status CallMedia::ReceiveAnswer(LegSide from, std::string_view body) {
  if (!exchange_.has_value() || exchange_->from == from) {
    return Failed("NO_OFFER", "an answer without an offer");
  }
  if (passes_through()) return PassAnswer(from, body);
  const size_t i = IndexOf(from);
  SP_ASSIGN_OR_RETURN(SdpSession answer, ParseSdp(body));
  SP_RETURN_IF_ERROR(Check(from, answer, /*is_answer=*/true));
  const size_t line = exchange_->line;
  if (answer.media.size() != exchange_->offer.media.size()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SDP_MALFORMED",
                     "the answer has another number of m= lines");
  }
  const SdpMedia& media = answer.media[line];
  if (media.port == 0) {
    return Failed("MEDIA_REFUSED", "the audio line was refused");
  }
  RelayLeg next = legs_[i];
  Association association = associations_[i];
  SP_RETURN_IF_ERROR(
      TakeTransport(from, answer, line, /*is_answer=*/true, next, association));
  if (unaware_[i] && next.mux_only()) {
    next = legs_[i];
    association = associations_[i];
  }
  next.direction =
      next.ice ? DirectionSaid(answer, media) : DirectionOf(answer, media);
  if (next.suite.has_value()) {
    std::vector<OfferedSuite> offered;
    for (const SrtpSuite suite : next.suites.view()) {
      offered.push_back({TagOf(offered.size()), suite});
    }
    SP_ASSIGN_OR_RETURN(const SdesCrypto crypto,
                        AnsweredCrypto(media, offered));
    next.suite = crypto.suite;
    next.remote_key = crypto.keys[0].key_salt;
  }
  spoken_[i] = media.protocol;
  legs_[i] = std::move(next);
  associations_[i] = std::move(association);
  exchange_->answer = std::move(answer);
  exchange_->texts[i] = body;
  SetMusic();
  return absl::OkStatus();
}

void CallMedia::SetMusic() {
  for (size_t i = 0; i < 2; ++i) {
    RelayLeg& leg = legs_[i];
    leg.prompt.clear();
    leg.prompt_formats.clear();
    // What is agreed at first is as the parties want it.
    if (policies_[i].music.empty() || agreed_[0].empty()) continue;
    if (Receives(legs_[1 - i].direction) || !Receives(leg.direction)) continue;
    leg.prompt_formats =
        PromptFormatsOf(exchange_->answer->media[exchange_->line]);
    if (leg.prompt_formats.empty()) continue;
    leg.prompt = policies_[i].music;
    leg.prompted = true;
  }
}

bool CallMedia::OffersMusic(LegSide to) const {
  return !policies_[IndexOf(to)].music.empty() && !agreed_[0].empty() &&
         exchange_->from != to &&
         legs_[IndexOf(exchange_->from)].direction == SdpDirection::kInactive;
}

absl::Status CallMedia::Play(const SdpMedia& said, const std::string& prompt) {
  RelayLeg& leg = legs_[IndexOf(LegSide::kA)];
  leg.prompt_formats = PromptFormatsOf(said);
  if (leg.prompt_formats.empty()) {
    return Failed("MEDIA_NOT_SUPPORTED", "no codec that a relay can play");
  }
  leg.prompt = prompt;
  leg.prompted = true;
  return absl::OkStatus();
}

absl::Status CallMedia::PlayAlone(const std::string& prompt) {
  SP_CHECK(answered() && exchange_->from == LegSide::kB);
  alone_said_ = exchange_->offer;
  alone_line_ = exchange_->line;
  return Play(exchange_->answer->media[exchange_->line], prompt);
}

void CallMedia::OfferAlone() {
  if (alone_said_.media.empty()) {
    MakeUpOffer(LegSide::kB);
    return;
  }
  SP_CHECK(!exchange_.has_value());
  exchange_ = Exchange{.from = LegSide::kB,
                       .offer = alone_said_,
                       .line = alone_line_,
                       .crypto = std::nullopt,
                       .answer = std::nullopt,
                       .before = legs_,
                       .associations_before = associations_,
                       .texts = {}};
}

absl::Status CallMedia::AnswerAlone(const std::string& prompt) {
  SP_CHECK(exchange_.has_value() && exchange_->from == LegSide::kA);
  const SdpMedia& offered = exchange_->offer.media[exchange_->line];
  const RelayLeg& leg = legs_[IndexOf(LegSide::kA)];
  SP_RETURN_IF_ERROR(Play(offered, prompt));
  SdpSession answer;
  for (const SdpMedia& theirs : exchange_->offer.media) {
    SdpMedia& ours = answer.media.emplace_back();
    ours.type = theirs.type;
    ours.protocol = theirs.protocol;
    if (&theirs != &offered) {
      ours.formats = theirs.formats;  // refused by port 0
      continue;
    }
    ours.port = 9;  // until a relay's is known
    for (const PromptFormat& format : leg.prompt_formats) {
      ours.formats.push_back(Cat(uint32_t{format.payload_type}));
      for (const SdpAttribute& attribute : theirs.attributes) {
        if (attribute.name == "rtpmap" && attribute.value.has_value() &&
            attribute.value->starts_with(Cat(ours.formats.back(), " "))) {
          ours.attributes.push_back(attribute);
        }
      }
    }
    if (!Receives(leg.direction)) {
      ours.attributes.push_back(
          {leg.direction == SdpDirection::kSendOnly ? "recvonly" : "inactive",
           std::nullopt});
    } else if (!Sends(leg.direction)) {
      ours.attributes.push_back({"sendonly", std::nullopt});
    }
  }
  alone_said_ = answer;
  alone_line_ = exchange_->line;
  exchange_->answer = std::move(answer);
  return absl::OkStatus();
}

void CallMedia::MakeUpOffer(LegSide from) {
  SP_CHECK(!exchange_.has_value() && !passes_through());
  SdpMedia audio;
  audio.type = "audio";
  audio.port = 9;  // never told: the relay's is
  audio.protocol = "RTP/AVP";
  audio.formats = {"9", "0", "8", "101"};
  for (const char* value : {"9 G722/8000", "0 PCMU/8000", "8 PCMA/8000",
                            "101 telephone-event/8000"}) {
    audio.attributes.push_back({"rtpmap", value});
  }
  audio.attributes.push_back({"fmtp", "101 0-15"});
  SdpSession offer;
  offer.media.push_back(std::move(audio));
  exchange_ = Exchange{.from = from,
                       .offer = std::move(offer),
                       .line = 0,
                       .crypto = std::nullopt,
                       .answer = std::nullopt,
                       .before = legs_,
                       .associations_before = associations_,
                       .texts = {}};
}

void CallMedia::OfferAnswer() {
  SP_CHECK(answered());
  Exchange& exchange = *exchange_;
  exchange.from = Other(exchange.from);
  exchange.offer = *std::move(exchange.answer);
  exchange.answer.reset();
}

absl::Status CallMedia::TakeTransport(LegSide from, const SdpSession& session,
                                      size_t line, bool is_answer,
                                      RelayLeg& next,
                                      Association& association) const {
  const SdpMedia& media = session.media[line];
  const bool anew = !is_answer && anew_[IndexOf(from)];
  const bool mux = HasRtcpMux(media);
  if (next.mux_only() && !mux) {
    return Failed("RTCP_MUX_REQUIRED",
                  "RTCP has no port of its own with DTLS and ICE");
  }
  // An answer can only take what was offered (RFC 5761 section 5.1.1).
  next.rtcp_mux = mux && (!is_answer || next.rtcp_mux);
  if (next.ice) {
    SP_ASSIGN_OR_RETURN(std::string ufrag, IceUfragOf(session, media));
    // RFC 8839 section 4.4.1.1.1. An answer with other credentials than before
    // is that of another far side, which has ours by our offer.
    if (!is_answer &&
        (anew || (!next.remote_ufrag.empty() && next.remote_ufrag != ufrag))) {
      next.restart_ice = true;
    }
    next.remote_ufrag = std::move(ufrag);
  } else {
    SP_ASSIGN_OR_RETURN(next.remote, MediaAddressOf(session, line));
    if (next.rtcp_mux) next.remote->rtcp_port = next.remote->rtp_port;
  }
  if (!next.dtls) return absl::OkStatus();
  return TakeDtls(session, media, is_answer, anew, next, association);
}

absl::Status CallMedia::TakeDtls(const SdpSession& session,
                                 const SdpMedia& media, bool is_answer,
                                 bool anew, RelayLeg& next,
                                 Association& association) const {
  SP_ASSIGN_OR_RETURN(const SdpDtls theirs, DtlsOf(session, media));
  // It must; but some answer a later offer so (baresip), which changes nothing.
  const bool open = is_answer && theirs.setup == DtlsSetup::kActPass;
  if (open && (!association.role.has_value() ||
               theirs.fingerprint != next.remote_fingerprint)) {
    return Failed("DTLS_SETUP_INVALID", "an answer must say who begins");
  }
  // RFC 5763 section 5: who answers actpass should begin.
  const DtlsSetup role = theirs.setup == DtlsSetup::kActive
                             ? DtlsSetup::kPassive
                             : DtlsSetup::kActive;
  // RFC 8842 section 4: the same association goes on unless the fingerprint,
  // the roles or the identifiers change.
  const bool other_id = !theirs.tls_id.empty() && !association.tls_id.empty() &&
                        theirs.tls_id != association.tls_id;
  association.tls_id = theirs.tls_id;
  const bool same_role =
      theirs.setup == DtlsSetup::kActPass || association.role == role;
  if (association.role.has_value() && !anew && !other_id && same_role &&
      theirs.fingerprint == next.remote_fingerprint) {
    return absl::OkStatus();
  }
  if (association.role.has_value() && (anew || other_id || !is_answer)) {
    next.restart_dtls = true;
  }
  association.role = role;
  next.remote_fingerprint = theirs.fingerprint;
  next.remote_setup = theirs.setup;
  return absl::OkStatus();
}

bool CallMedia::PrepareOffer(LegSide to) {
  const size_t i = IndexOf(to);
  RelayLeg& leg = legs_[i];
  if (!anew_[i] || !session_.has_value() || !leg.mux_only()) return false;
  anew_[i] = false;
  associations_[i] = {};
  leg.restart_dtls = leg.dtls;
  leg.restart_ice = leg.ice;
  leg.remote_fingerprint.clear();
  leg.remote_setup.reset();
  leg.remote_ufrag.clear();
  return true;
}

void CallMedia::ForgetRestarts(RelayLegs& legs) {
  for (RelayLeg& leg : legs) leg.restart_dtls = leg.restart_ice = false;
}

void CallMedia::SetSession(RelaySession session) {
  session_ = std::move(session);
  ForgetRestarts(legs_);
}

void CallMedia::OnUpdated(const RelaySession& session) {
  for (size_t i = 0; i < 2; ++i) {
    if (legs_[i].ice) session_->legs[i].ice = session.legs[i].ice;
  }
  ForgetRestarts(legs_);
}

void CallMedia::LoseSession(std::array<bool, 2> told) {
  session_.reset();
  anew_ = {false, false};
  for (size_t i = 0; i < 2; ++i) {
    if (!told[i]) continue;
    unaware_[i] = true;
    RelayLeg& leg = legs_[i];
    leg.remote_fingerprint.clear();
    leg.remote_setup.reset();
    leg.remote_ufrag.clear();
    if (leg.mux_only()) leg.remote.reset();
    associations_[i] = {};
  }
}

void CallMedia::Finish() {
  if (answered()) {
    agreed_ = std::move(exchange_->texts);
    anew_ = {false, false};
  }
  exchange_.reset();
  picked_up_.reset();
}

void CallMedia::Abandon() {
  anew_ = {false, false};
  picked_up_.reset();
  if (!exchange_.has_value()) return;
  for (size_t i = 0; i < 2; ++i) {
    exchange_->before[i].prompted |= legs_[i].prompted;
  }
  legs_ = exchange_->before;
  associations_ = exchange_->associations_before;
  exchange_.reset();
}

bool CallMedia::on_hold() const {
  return legs_[0].direction != SdpDirection::kSendRecv ||
         legs_[1].direction != SdpDirection::kSendRecv;
}

SdesCrypto CallMedia::OurCrypto(LegSide side, uint32_t tag,
                                SrtpSuite suite) const {
  const size_t i = IndexOf(side);
  const absl::Span<const SrtpSuite> suites = legs_[i].suites.view();
  const size_t at = static_cast<size_t>(
      std::find(suites.begin(), suites.end(), suite) - suites.begin());
  const std::vector<std::string>& keys = session_->legs[i].local_keys;
  SP_CHECK(at < keys.size());
  SdesCrypto crypto;
  crypto.tag = tag;
  crypto.suite = suite;
  crypto.suite_name = SrtpSuiteName(suite);
  crypto.keys.push_back({.key_salt = keys[at]});
  return crypto;
}

void CallMedia::AddTransport(LegSide to, bool is_offer, LegMedia& leg) const {
  const size_t i = IndexOf(to);
  const RelayLeg& mine = legs_[i];
  const RelaySession::Leg& made = session_->legs[i];
  leg.rtcp_mux = mine.rtcp_mux;
  leg.rtcp_mux_only = is_offer && mine.mux_only();
  if (mine.ice) leg.ice = made.ice;
  if (!mine.dtls) return;
  // RFC 5763 section 5: a first offer leaves it to the other side. A later one
  // says what is in force (RFC 8842 section 5.5), as some answer anything else
  // with the other role, and then neither side would begin.
  leg.dtls = SdpDtls{made.fingerprint,
                     associations_[i].role.value_or(
                         is_offer ? DtlsSetup::kActPass : DtlsSetup::kActive),
                     ""};
}

absl::StatusOr<std::string> CallMedia::OfferFor(LegSide to) {
  SP_CHECK(exchange_.has_value() && session_.has_value());
  if (passes_through()) return Passed(to, /*is_offer=*/true);
  unaware_[IndexOf(to)] = false;
  const RelayLeg& mine = legs_[IndexOf(to)];
  LegMedia leg;
  if (mine.dtls) {
    // Browsers want feedback, phones know the plain profile.
    const std::string& spoken = spoken_[IndexOf(to)];
    leg.protocol = ProfileOf(spoken) == MediaProfile::kDtlsSrtp ? spoken
                   : mine.ice ? "UDP/TLS/RTP/SAVPF"
                              : "UDP/TLS/RTP/SAVP";
  } else if (mine.suite.has_value()) {
    leg.protocol = "RTP/SAVP";
    for (const SrtpSuite suite : mine.suites.view()) {
      leg.cryptos.push_back(OurCrypto(to, TagOf(leg.cryptos.size()), suite));
    }
  }
  AddTransport(to, /*is_offer=*/true, leg);
  // Who holds by "inactive" would silence our music as well.
  if (OffersMusic(to)) leg.direction = SdpDirection::kSendOnly;
  const V150Filtering v150 = policies_[IndexOf(to)].v150;
  if (!RemovesV150(v150)) {
    return Describe(to, exchange_->offer, exchange_->line, std::move(leg));
  }
  const SdpSession told = WithoutV150(exchange_->offer, v150);
  if (told.media[exchange_->line].port == 0) {
    return Failed("MEDIA_NOT_SUPPORTED",
                  "nothing but modem relay, which the trunk is not to see");
  }
  return Describe(to, told, exchange_->line, std::move(leg));
}

absl::StatusOr<std::string> CallMedia::AnswerFor(LegSide to) {
  SP_CHECK(answered() && session_.has_value());
  if (passes_through()) return Passed(to, /*is_offer=*/false);
  LegMedia leg;
  // The answer speaks the very protocol that was offered (RFC 3264 6.1).
  leg.protocol = exchange_->offer.media[exchange_->line].protocol;
  if (exchange_->crypto.has_value()) {
    leg.cryptos = {
        OurCrypto(to, exchange_->crypto->tag, *exchange_->crypto->suite)};
  }
  AddTransport(to, /*is_offer=*/false, leg);
  // RFC 3264 section 6.1: what the other side said to our "sendonly" is no
  // answer to that.
  if (OffersMusic(Other(to))) leg.direction = SdpDirection::kInactive;
  return Describe(to, *exchange_->answer, exchange_->line, std::move(leg));
}

absl::StatusOr<std::string> CallMedia::Describe(LegSide to,
                                                const SdpSession& other,
                                                size_t line, LegMedia leg) {
  const size_t i = IndexOf(to);
  leg.relay = session_->legs[i].local;
  SdpSession out = DescribeForLeg(other, line, leg);
  const LegPolicy& policy = policies_[i];
  SP_RETURN_IF_ERROR(CheckSent(policy.mode, policy.is_tls, policy.keying, out));
  out.origin = {};
  std::string without_origin = WriteSdp(out);
  Said& said = said_[i];
  if (without_origin != said.text_without_origin) {
    said.text_without_origin = std::move(without_origin);
    ++said.version;
  }
  // Some want a word there (sipp's "regexp"), though "-" would say the same.
  out.origin = {.username = "edge",
                .session_id = said.session_id,
                .session_version = Cat(said.version),
                .address_type = out.connection->address_type,
                .address = out.connection->address};
  return WriteSdp(out);
}

}  // namespace sallyport::signaling_edge
