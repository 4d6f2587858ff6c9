// How one dialog notices that its other end is gone: session timers of RFC
// 4028, in both roles. A peer that knows nothing of them is refreshed by us.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SESSION_TIMER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SESSION_TIMER_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// Thread-compatible.
class SessionTimer {
 public:
  struct Options {
    absl::Duration interval = absl::Minutes(30);  // what we ask for
    // The shortest that we take (section 5: not below 90 s).
    absl::Duration minimum = absl::Seconds(90);
  };

  // One that another node goes on with.
  struct Parts {
    Options options;
    absl::Duration asked_minimum;
    bool agreed = false;
    bool we_refresh = false;
    absl::Duration interval;
    MonoTime refresh_at = MonoTime::InfiniteFuture();
    MonoTime expires_at = MonoTime::InfiniteFuture();
  };

  SessionTimer() = default;
  explicit SessionTimer(const Options& options) : options_(options) {}

  Parts parts() const;
  static SessionTimer FromParts(const Parts& parts);

  // What an INVITE or UPDATE of ours says (section 7.1, 7.4).
  void AddToRequest(SipMessage& request) const;
  // A 422 to it: whether asking again, for longer, makes sense (section 7.3).
  bool OnTooSmall(const SipMessage& response);
  // Its 2xx: the session lives until then (section 7.2).
  void OnResponse(const SipMessage& response, MonoTime now);

  // Whether an INVITE or UPDATE of the peer asks for too short an interval:
  // SESSION_INTERVAL_TOO_SMALL (answer 422 with Min-SE, section 9).
  absl::Status Check(const SipMessage& request) const;
  // It is accepted by `response`, which is told so (section 9, table 2).
  void OnRequest(const SipMessage& request, SipMessage& response, MonoTime now);
  void AddMinimum(SipMessage& response) const;

  // When we are to refresh; never if the peer does.
  MonoTime refresh_at() const { return refresh_at_; }
  // When the session is over unless it was refreshed (section 10).
  MonoTime expires_at() const { return expires_at_; }
  // A refresh is under way, or could not be sent: the next try is then.
  void TryAgain(MonoTime at) { refresh_at_ = at; }
  void Stop();

  bool we_refresh() const { return we_refresh_; }
  absl::Duration interval() const { return interval_; }

 private:
  void Start(absl::Duration interval, bool we_refresh, MonoTime now);

  Options options_;
  absl::Duration asked_minimum_;  // by 422s of the peer
  bool agreed_ = false;
  bool we_refresh_ = false;
  absl::Duration interval_;
  MonoTime refresh_at_ = MonoTime::InfiniteFuture();
  MonoTime expires_at_ = MonoTime::InfiniteFuture();
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SESSION_TIMER_H_
