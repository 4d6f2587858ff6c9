#include "services/signaling_edge/core/session_timer.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

// Longer ones would not find a dead call within a day.
constexpr absl::Duration kLongest = absl::Hours(24);

std::optional<absl::Duration> SecondsOf(const SipMessage& message,
                                        HeaderId id) {
  if (!message.Has(id)) return std::nullopt;
  const auto seconds = ParseLeadingSeconds(message.Value(id));
  if (!seconds.has_value()) return std::nullopt;
  return std::min(absl::Seconds(int64_t{*seconds}), kLongest);
}

std::string_view RefresherOf(const SipMessage& message) {
  const auto value =
      ParseValueWithParams(message.Value(HeaderId::kSessionExpires));
  if (!value.ok()) return {};
  return value->Param("refresher").value_or(std::string_view());
}

bool Supports(const SipMessage& message) {
  for (const HeaderId id : {HeaderId::kSupported, HeaderId::kRequire}) {
    for (const std::string_view list : message.All(id)) {
      if (ListHasToken(list, "timer")) return true;
    }
  }
  return false;
}

}  // namespace

void SessionTimer::AddToRequest(SipMessage& request) const {
  const absl::Duration asked =
      std::max(agreed_ ? interval_ : options_.interval, asked_minimum_);
  request.Add(HeaderId::kSessionExpires, Cat(absl::ToInt64Seconds(asked),
                                             !agreed_      ? ""
                                             : we_refresh_ ? ";refresher=uac"
                                                           : ";refresher=uas"));
  const absl::Duration least = std::max(options_.minimum, asked_minimum_);
  request.Add(HeaderId::kMinSe, Cat(absl::ToInt64Seconds(least)));
}

bool SessionTimer::OnTooSmall(const SipMessage& response) {
  const auto least = SecondsOf(response, HeaderId::kMinSe);
  if (!least.has_value() || *least <= asked_minimum_) return false;
  asked_minimum_ = *least;
  return true;
}

SessionTimer::Parts SessionTimer::parts() const {
  return {options_,  asked_minimum_, agreed_,    we_refresh_,
          interval_, refresh_at_,    expires_at_};
}

SessionTimer SessionTimer::FromParts(const Parts& parts) {
  SessionTimer out(parts.options);
  out.asked_minimum_ = parts.asked_minimum;
  out.agreed_ = parts.agreed;
  out.we_refresh_ = parts.we_refresh;
  out.interval_ = parts.interval;
  out.refresh_at_ = parts.refresh_at;
  out.expires_at_ = parts.expires_at;
  return out;
}

void SessionTimer::Start(absl::Duration interval, bool we_refresh,
                         MonoTime now) {
  agreed_ = true;
  we_refresh_ = we_refresh;
  interval_ = interval;
  // Section 10: half way; and a BYE a while before the end.
  refresh_at_ = we_refresh ? now + interval / 2 : MonoTime::InfiniteFuture();
  expires_at_ = now + interval - std::min(absl::Seconds(32), interval / 3);
}

void SessionTimer::OnResponse(const SipMessage& response, MonoTime now) {
  const auto interval = SecondsOf(response, HeaderId::kSessionExpires);
  if (!interval.has_value() || *interval < absl::Seconds(1)) {
    // It has no session timers: we find out by ourselves whether it lives.
    Start(std::max(options_.interval, asked_minimum_), true, now);
    return;
  }
  // Nobody may make us refresh more often than we had said.
  Start(std::max(*interval, options_.minimum),
        !EqualsIgnoreCase(RefresherOf(response), "uas"), now);
}

absl::Status SessionTimer::Check(const SipMessage& request) const {
  const auto asked = SecondsOf(request, HeaderId::kSessionExpires);
  if (asked.has_value() && *asked < options_.minimum) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "SESSION_INTERVAL_TOO_SMALL",
                     "the session would have to be refreshed too often");
  }
  return absl::OkStatus();
}

void SessionTimer::OnRequest(const SipMessage& request, SipMessage& response,
                             MonoTime now) {
  const bool supports = Supports(request);
  const auto asked = SecondsOf(request, HeaderId::kSessionExpires);
  const absl::Duration least =
      std::max(options_.minimum,
               SecondsOf(request, HeaderId::kMinSe).value_or(absl::Duration()));
  // It may be made shorter, not below what the other side can bear.
  absl::Duration interval = std::max(options_.interval, least);
  if (asked.has_value()) interval = std::min(interval, *asked);
  const bool we_refresh =
      !supports || EqualsIgnoreCase(RefresherOf(request), "uas");
  Start(interval, we_refresh, now);
  if (!supports && !asked.has_value()) return;
  response.Add(HeaderId::kSessionExpires,
               Cat(absl::ToInt64Seconds(interval),
                   ";refresher=", we_refresh ? "uas" : "uac"));
  if (supports) response.Add(HeaderId::kRequire, "timer");
}

void SessionTimer::AddMinimum(SipMessage& response) const {
  response.Add(HeaderId::kMinSe, Cat(absl::ToInt64Seconds(options_.minimum)));
}

void SessionTimer::Stop() {
  refresh_at_ = expires_at_ = MonoTime::InfiniteFuture();
}

}  // namespace sallyport::signaling_edge
