// What is told of a call to operators while it lives and when it ends: the
// rows of ListCalls and the call detail record.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_RECORD_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_RECORD_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/party.h"
#include "services/signaling_edge/core/sdes.h"

namespace sallyport::signaling_edge {

enum class CallState : uint8_t {
  kProceeding,
  kRinging,
  kAnswered,
  kHeld,
  kQueued,  // answered by us, until a member of a hunt pilot is free
  kEnded,
};

enum class CallDisposition : uint8_t {
  kAnswered,
  kBusy,
  kNoAnswer,
  kCancelled,
  kRefused,  // by a rule of ours
  kFailed,
};

struct LegRecord {
  bool incoming = false;
  Party party;
  Flow flow;
  // Empty: RTP, or a DTLS handshake that is not complete.
  std::optional<SrtpSuite> suite;
  bool dtls = false;   // the keys are those of a DTLS handshake
  std::string called;  // as on this leg
  std::string calling;
  std::string sip_call_id;
  CallState state = CallState::kProceeding;
  int sip_status = 0;  // the last final one
  LegStatistics statistics;
};

// How secure a call is (CUC-63); the weakest first.
enum class CallSecurity : uint8_t {
  kNotAuthenticated,  // SIP in clear
  kAuthenticated,     // SIP over TLS, RTP
  kEncrypted,         // SIP over TLS, SRTP
};

struct CallRecord {
  uint64_t id = 0;
  std::string tenant;
  CallState state = CallState::kProceeding;
  // The one that came in, then the other; of a call that was over before
  // anybody was called there is no other.
  std::vector<LegRecord> legs;
  std::string called;  // as dialled
  std::string calling;
  std::string matched_resource;
  std::string matched_pattern;
  int64_t snapshot_version = 0;
  std::string relay;
  std::string media_session;
  MonoTime started;
  std::optional<MonoTime> answered;
  std::optional<MonoTime> ended;
  std::string reason;  // of its end: NORMAL_CLEARING, SECURITY_MODE_..., ...
  CallDisposition disposition = CallDisposition::kFailed;
  // The hunt pilot that it waits at, or has waited; or empty.
  std::string queue;
  std::optional<MonoTime> queued;
  std::optional<MonoTime> unqueued;
  size_t queue_position = 0;  // from 1; 0: it does not wait

  // That of its weakest leg.
  CallSecurity security() const {
    auto out = legs.empty() ? CallSecurity::kNotAuthenticated
                            : CallSecurity::kEncrypted;
    for (const LegRecord& leg : legs) {
      if (leg.party.kind == Party::Kind::kNobody) continue;
      out =
          std::min(out, !leg.flow.is_tls() ? CallSecurity::kNotAuthenticated
                        : leg.suite.has_value() ? CallSecurity::kEncrypted
                                                : CallSecurity::kAuthenticated);
    }
    return out;
  }
  // The lock may be shown.
  bool secure() const { return security() == CallSecurity::kEncrypted; }
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_RECORD_H_
