#include "services/media_relay/io/session_record.h"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/common/log/log.h"
#include "services/common/log/log_fields.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/ice_lite.h"
#include "services/media_relay/core/media_bridge.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/session_table.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

// "RTP", or the suite with how its keys came: "SDES AEAD_AES_128_GCM".
std::string Protection(const LegView& leg) {
  std::string out;
  if (leg.ice.has_value()) out = "ICE ";
  if (leg.dtls.has_value()) {
    out += "DTLS ";
  } else if (leg.suite.has_value()) {
    out += "SDES ";
  }
  return out + std::string(leg.suite.has_value()  ? InfoOf(*leg.suite).name
                           : leg.dtls.has_value() ? "none"
                                                  : "RTP");
}

uint64_t Drops(const MediaLegStats& stats) {
  return std::accumulate(stats.drops.begin(), stats.drops.end(), uint64_t{0});
}

// What was dropped most; "none".
std::string_view WorstDrop(const MediaLegStats& stats) {
  size_t worst = 0;
  for (size_t i = 1; i < stats.drops.size(); ++i) {
    if (stats.drops[i] > stats.drops[worst]) worst = i;
  }
  return DropReasonName(static_cast<DropReason>(worst));
}

void RecordEnd(const SessionView& session) {
  const LegView& a = session.legs[0];
  const LegView& b = session.legs[1];
  const auto round_trip = [](const LegView& leg) {
    return leg.stats.round_trip.value_or(absl::ZeroDuration());
  };
  LogInfo("a media session ended",
          {{"tenant", session.tenant},
           {"session", session.id},
           {"owner", session.owner},
           {"call", session.call},
           {"reason", session.end_reason},
           {"duration", session.end_time - session.create_time},
           {"a_protection", Protection(a)},
           {"a_received", a.stats.packets_received},
           {"a_sent", a.stats.packets_sent},
           {"a_lost", a.stats.stream.lost()},
           {"a_jitter", a.stats.stream.jitter()},
           {"a_round_trip", round_trip(a)},
           {"a_mos", a.stats.MeanOpinionScore().value_or(0)},
           {"a_auth_failures", a.stats.auth_failures},
           {"a_dropped", Drops(a.stats)},
           {"a_worst_drop", WorstDrop(a.stats)},
           {"a_added_delay_p99", a.stats.delay.Quantile(0.99)},
           {"b_protection", Protection(b)},
           {"b_received", b.stats.packets_received},
           {"b_sent", b.stats.packets_sent},
           {"b_lost", b.stats.stream.lost()},
           {"b_jitter", b.stats.stream.jitter()},
           {"b_round_trip", round_trip(b)},
           {"b_mos", b.stats.MeanOpinionScore().value_or(0)},
           {"b_auth_failures", b.stats.auth_failures},
           {"b_dropped", Drops(b.stats)},
           {"b_worst_drop", WorstDrop(b.stats)},
           {"b_added_delay_p99", b.stats.delay.Quantile(0.99)}});
}

std::string_view LegName(const SessionNotice& notice) {
  return notice.leg == LegSide::kB ? "b" : "a";
}

}  // namespace

void RecordNotice(const SessionNotice& notice) {
  const SessionView& session = notice.session;
  const LegView& leg = session.legs[notice.leg == LegSide::kB ? 1 : 0];
  switch (notice.kind) {
    case SessionNotice::Kind::kEnded:
      RecordEnd(session);
      return;
    case SessionNotice::Kind::kIceChanged:
      if (leg.ice.has_value() &&
          leg.ice->state == IceLite::State::kConsentLost) {
        SALLYPORT_LOG_LIMITED(kWarning, "consent was lost: a leg sends nothing",
                              {{"tenant", session.tenant},
                               {"session", session.id},
                               {"leg", LegName(notice)}});
      }
      return;
    case SessionNotice::Kind::kDtlsChanged:
      if (leg.dtls.has_value() &&
          leg.dtls->state == DtlsEndpoint::State::kFailed) {
        SALLYPORT_LOG_LIMITED(kWarning, "a DTLS handshake failed",
                              {{"tenant", session.tenant},
                               {"session", session.id},
                               {"leg", LegName(notice)},
                               {"reason", leg.dtls->failure}});
      }
      return;
    case SessionNotice::Kind::kMediaMissing:
    case SessionNotice::Kind::kMediaLost:
      SALLYPORT_LOG_LIMITED(
          kInfo, "a leg receives no media",
          {{"tenant", session.tenant},
           {"session", session.id},
           {"leg", LegName(notice)},
           {"ever", notice.kind == SessionNotice::Kind::kMediaLost}});
      return;
    default:
      return;
  }
}

}  // namespace sallyport::media_relay
