// One phone's conversation with us, from AUTH_REQUEST to END_SESSION.
//
//   Securing --TLS up--> Asking --AUTH_RESPONSE--> Judging
//   Judging --install--> KeyWait --KEY_GENERATE_RESPONSE--> Issuing
//   Issuing --issued--> StoreWait --STORE_CERT_RESPONSE--> Recording
//   Judging --delete--> DeleteWait --DELETE_CERT_RESPONSE--> Recording
//   Judging --troubleshoot--> FetchWait --FETCH_CERT_RESPONSE for the LSC, then
//   for the MIC--> Recording
//   Recording --recorded--> (END_SESSION 1) Over
//   any refusal --> Refusing --delay--> (END_SESSION 7) Over
//
// What takes time or must be durable goes out as an action and comes back as
// an input. Nothing is recorded as done before the phone has confirmed it.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_CAPF_SESSION_H_
#define SALLYPORT_SERVICES_CAPF_CORE_CAPF_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/capf/core/capf_message.h"
#include "services/capf/core/enrollment.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"

namespace sallyport::capf {

struct CapfSessionOptions {
  // From accept until TLS is up, and from then until AUTH_RESPONSE is whole.
  absl::Duration pre_auth_timeout = absl::Seconds(10);
  // Key generation, after the phone has proved itself: old phones take more
  // than half an hour. REQUEST_IN_PROGRESS does not extend it.
  absl::Duration key_generation_timeout = absl::Minutes(45);
  // Any other answer of the phone.
  absl::Duration answer_timeout = absl::Seconds(60);
  // From AUTH_RESPONSE until a refusal is told, whatever its cause was: the
  // time says nothing, and guessing is slow.
  absl::Duration refusal_delay = absl::Seconds(1);
  // Largest payload taken from a phone.
  size_t max_payload = 16 * 1024;
  // Element 8 in AUTH_REQUEST, as the open server sends it; a call manager
  // leaves it out.
  bool send_auth_type = true;
  // Tells reason 9 for unknown devices as a call manager does. That tells
  // which devices exist, so it is off unless somebody needs it.
  bool dangerous_tell_unknown_device = false;
};

// The judgement of a claim, from whoever holds the enrollments.
struct Admission {
  Verdict verdict = Verdict::kRefused;
  std::string enrollment;  // resource name; empty when refused
  KeyChoice key;           // for kInstall
};

// An LSC as issued.
struct IssuedLsc {
  std::string serial;  // hex
  std::string der;
};

// Thread-compatible.
class CapfSession {
 public:
  struct Send {
    std::string wire;  // one write
  };
  // Judge this claim; answer by OnAdmission(). The whole message, as modes to
  // come need its other elements.
  struct Authenticate {
    CapfMessage claim;  // of this session: its id is what a proof may bind to
  };
  // Issue for this SubjectPublicKeyInfo; answer by OnIssued().
  struct IssueLsc {
    std::string enrollment;
    uint8_t protocol_version;
    std::string spki;
  };
  // Record durably, then OnRecorded().
  struct RecordStored {
    std::string enrollment;
    std::string serial;
  };
  struct RecordDeleted {
    std::string enrollment;
  };
  // What the phone holds, DER; empty: none.
  struct RecordFetched {
    std::string enrollment;
    std::string lsc_der;
    std::string mic_der;
  };
  // Record; no answer is awaited.
  struct RecordFailure {
    std::string enrollment;
    std::string serial;  // refused by the phone, so of no use; empty if none
    FailureReason reason;
  };
  struct Close {};  // after what was sent has gone out
  using Action =
      std::variant<Send, Authenticate, IssueLsc, RecordStored, RecordDeleted,
                   RecordFetched, RecordFailure, Close>;
  using Actions = std::vector<Action>;

  enum class State {
    kSecuring,
    kAsking,
    kJudging,
    kKeyWait,
    kIssuing,
    kStoreWait,
    kDeleteWait,
    kFetchWait,
    kRecording,
    kRefusing,
    kOver,
  };

  // `session_id` is random. `now` is when the connection was accepted.
  CapfSession(const CapfSessionOptions& options, uint32_t session_id,
              MonoTime now);

  Actions OnSecured(MonoTime now);
  Actions OnData(ByteSpan bytes, MonoTime now);
  Actions OnAdmission(const Admission& admission, MonoTime now);
  Actions OnIssued(const absl::StatusOr<IssuedLsc>& issued, MonoTime now);
  Actions OnRecorded(const absl::Status& status, MonoTime now);
  // The connection is gone; nothing can be sent.
  Actions OnClosed(MonoTime now);
  Actions OnDeadline(MonoTime now);

  State state() const { return state_; }
  MonoTime deadline() const { return deadline_; }
  // The reason told in END_SESSION; for statistics.
  CapfReason end_reason() const { return end_reason_; }

 private:
  Actions OnMessage(CapfMessage message, MonoTime now);
  Actions OnAuthResponse(CapfMessage message, MonoTime now);
  Actions OnKey(CapfMessage message, MonoTime now);
  Actions OnStoreResponse(const CapfMessage& message, MonoTime now);
  Actions OnDeleteResponse(const CapfMessage& message, MonoTime now);
  Actions OnFetchResponse(CapfMessage message, MonoTime now);
  Send Fetch(CapfCertificateType type) const;

  CapfMessage Compose(CapfOpcode opcode) const;
  Send SendMessage(const CapfMessage& message) const;
  // END_SESSION with `reason`, then the end.
  Actions End(CapfReason reason);
  // A refusal that tells nothing, at the time that tells nothing.
  Actions Refuse(CapfReason reason, MonoTime now);
  // The peer broke the protocol, or went away.
  Actions Fail(FailureReason reason);
  Actions Over();
  void Enter(State state, MonoTime deadline);

  const CapfSessionOptions options_;
  const uint32_t session_id_;
  State state_ = State::kSecuring;
  MonoTime deadline_;
  MonoTime refuse_at_;
  std::string buffer_;  // at most one message and one read
  uint8_t protocol_version_ = 3;
  std::string enrollment_;  // once admitted
  std::string serial_;      // once issued
  bool fetching_mic_ = false;
  std::string lsc_der_;  // once fetched
  CapfReason end_reason_ = CapfReason::kNoAction;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_CAPF_SESSION_H_
