// One connection of a voicemail port (protocols.md section 14.1): it registers,
// says what it can, is kept alive, and has calls.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_SESSION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/sccp_action.h"
#include "services/signaling_edge/core/sccp_call.h"
#include "services/signaling_edge/core/sccp_message.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// What sessions ask. None of these calls back.
class SccpHost {
 public:
  virtual ~SccpHost() = default;

  // The port that may be registered by this name over this connection.
  virtual absl::StatusOr<SccpPort> AdmitPort(ConnectionId connection,
                                             std::string_view device_name) = 0;
  // How long to wait for another digit; zero: the number is whole.
  virtual absl::Duration WaitForDigit(const SccpPort& port,
                                      std::string_view digits) = 0;
  virtual absl::Time WallTime(MonoTime now) const = 0;
};

// Each input returns what the owner must do, in order, before the next one. A
// port that breaks a rule is told no more than RegisterReject, and its
// connection is closed. Thread-compatible.
class SccpSession {
 public:
  static constexpr absl::Duration kKeepalive = absl::Seconds(30);
  // A port that says nothing for three of them is gone.
  static constexpr absl::Duration kSilence = absl::Seconds(90);
  // Of one port: two of a transfer, and what has not ended yet.
  static constexpr size_t kMaxCalls = 4;

  // `host` and `random` must outlive this object.
  SccpSession(ConnectionId connection, SccpHost& host, RandomSource& random)
      : connection_(connection), host_(host), random_(random) {}

  SccpActions OnData(std::string_view octets, MonoTime now);
  // A message that the SIP core sends to the port's user agent.
  SccpActions OnSip(std::string_view text, MonoTime now);
  // A new plan: a port that is another one now, or none, is told to register
  // anew.
  SccpActions OnPlan(MonoTime now);
  // Its registration was removed.
  SccpActions OnRemoved(MonoTime now);
  // The connection is gone: its calls end.
  SccpActions OnClosed(MonoTime now);
  SccpActions OnDeadline(MonoTime now);
  MonoTime deadline() const;

  // It can be called.
  bool in_service() const { return in_service_; }
  // nullptr before it registers.
  const SccpPort* port() const {
    return line_.has_value() ? &line_->port : nullptr;
  }
  size_t calls() const { return calls_.size(); }

 private:
  void OnMessage(const SccpMessage& message, MonoTime now);
  void OnRegister(const SccpRegister& request, MonoTime now);
  void OnCapabilities(const SccpCapabilities& capabilities);
  void OnQuery(SccpId id, MonoTime now);
  void OnOffHook(const SccpOffHook& message, MonoTime now);
  void OnOnHook(const SccpOnHook& message, MonoTime now);
  void OnDigit(const SccpKeypadButton& message, MonoTime now);
  void OnNumber(const SccpEnblocCall& message, MonoTime now);
  void OnKey(uint32_t event, uint32_t call, MonoTime now);
  void OnTransferKey(MonoTime now);
  void OnMwi(const SccpMwiNotification& message);
  void OnNewCall(const SipMessage& invite, MonoTime now);

  void Send(std::string octets);
  void Refuse(const absl::Status& status, bool registration);
  void Reject(const absl::Status& status, std::string_view text);
  void DropCalls(MonoTime now);
  SccpCall* NewCall();
  // By its reference, or, for zero, the one that the port means.
  SccpCall* Find(uint32_t reference);
  SccpCall* FindCallId(std::string_view call_id);
  SccpCall* InState(SccpCall::State state);
  void Dial(SccpCall& call, MonoTime now);
  void CompleteTransfer(MonoTime now);
  // What has ended, and what was waited for.
  void Settle(MonoTime now);
  SccpActions Take(MonoTime now);

  const ConnectionId connection_;
  SccpHost& host_;
  RandomSource& random_;
  SccpFramer framer_;
  std::optional<SccpLine> line_;
  bool in_service_ = false;
  bool closed_ = false;
  uint32_t last_reference_ = 0;
  // In the order in which they began.
  std::map<uint32_t, std::unique_ptr<SccpCall>> calls_;
  uint32_t dialling_ = 0;       // the call that digits are for
  uint32_t transfer_from_ = 0;  // the call that is being transferred
  bool transfer_due_ = false;
  MonoTime digit_until_ = MonoTime::InfiniteFuture();
  MonoTime silent_until_ = MonoTime::InfiniteFuture();
  // Message waiting that is not answered yet: the target, by Call-ID.
  absl::flat_hash_map<std::string, std::string> lamps_;
  SccpActions actions_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SCCP_SESSION_H_
