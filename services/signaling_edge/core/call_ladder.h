// The last SIP messages of calls, for the operator who asks what happened: a
// ring in memory, bounded for each call and for all. Keys and credentials are
// not even kept; numbers and addresses are taken out when somebody looks
// (sip_redaction.h).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_LADDER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_LADDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/byte_ring.h"
#include "services/signaling_edge/core/flow.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/transaction_table.h"

namespace sallyport::signaling_edge {

// The messages of one leg, which several calls may share: the caller's, when
// many places were called. 0 is none.
using LegTraceId = uint64_t;

struct LadderMessage {
  MonoTime at;
  LegSide leg = LegSide::kA;
  bool sent = false;  // by us
  SipTransport transport = SipTransport::kUdp;
  ConnectionId connection = 0;
  std::string text;    // without secrets
  std::string reason;  // of ours, for which it refuses something; or empty
};

// Thread-compatible.
class CallLadder {
 public:
  struct Options {
    uint32_t one_in = 1;  // of so many calls one is kept; 0: none
    size_t max_bytes = size_t{32} << 20;
    // Of one leg. What is between its first half and its last is left out, as
    // how a call began says more than what came in its middle.
    size_t max_leg_bytes = size_t{64} << 10;
  };

  explicit CallLadder(const Options& options)
      : options_(options), ring_(options.max_bytes - options.max_bytes / 4) {}

  // An INVITE that may become calls. Release() when its transaction is over.
  LegTraceId Begin(TransactionId invite);
  void Release(TransactionId invite);
  // A call that it became: its caller's leg is that of the INVITE.
  void Attach(uint64_t call, TransactionId invite);
  // A leg that goes to another call takes its past along.
  void Move(uint64_t from, LegSide side, uint64_t to, LegSide to_side);
  // 0 when the call is not kept.
  LegTraceId Of(uint64_t call, LegSide side);
  void Forget(uint64_t call);

  // `flow` is that of the message. Does nothing for trace 0.
  void Add(LegTraceId leg, const Flow& flow, bool sent, std::string_view text,
           MonoTime now);
  // Why the next final response that we send there refuses; what repeats that
  // response bears it too.
  void SetReason(LegTraceId leg, std::string_view reason);

  // Those of both legs in order; `dropped` is how many are missing.
  struct View {
    std::vector<LadderMessage> messages;
    uint64_t dropped = 0;
    bool kept = false;  // the call is one of those that are kept
  };
  View Look(uint64_t call) const;

  // That messages take; those of legs that are gone are overwritten in time.
  size_t bytes() const { return ring_.size() + in_rest_; }
  size_t legs() const { return legs_.size(); }

 private:
  // Before its text and its reason in the ring.
  struct Record {
    uint64_t before = kNone;  // of the same leg
    uint64_t sequence = 0;
    MonoTime at;
    ConnectionId connection = 0;
    uint32_t text = 0;  // octets
    uint32_t reason = 0;
    SipTransport transport = SipTransport::kUdp;
    bool sent = false;
  };
  struct Entry {
    uint64_t sequence = 0;
    LadderMessage message;
  };
  struct Rest {
    std::deque<Entry> entries;
    size_t bytes = 0;
  };
  struct Leg {
    uint32_t owners = 0;    // calls, and the INVITE
    uint64_t last = kNone;  // in the ring
    uint64_t added = 0;     // messages
    size_t in_ring = 0;     // octets
    // What came when its half was used up.
    std::unique_ptr<Rest> rest;
    std::string reason;
    size_t refusal = 0;  // hash of the response that bears it; 0: none yet
  };
  static constexpr uint64_t kNone = UINT64_MAX;

  static size_t SizeOf(const Entry& entry);
  void Append(Leg& leg, const Record& record, std::string_view text,
              std::string_view reason);
  void AppendToRest(Leg& leg, Entry entry);
  void Disown(LegTraceId id);
  void Read(const Leg& leg, LegSide side, std::vector<Entry>& out) const;

  const Options options_;
  uint64_t begun_ = 0;
  LegTraceId last_leg_ = 0;
  uint64_t last_sequence_ = 0;
  ByteRing ring_;       // three quarters of all
  size_t in_rest_ = 0;  // octets; a quarter at most
  std::string text_;    // of one message, to be filled anew
  absl::flat_hash_map<LegTraceId, Leg> legs_;
  absl::flat_hash_map<TransactionId, LegTraceId> by_invite_;
  absl::flat_hash_map<uint64_t, std::array<LegTraceId, 2>> by_call_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CALL_LADDER_H_
