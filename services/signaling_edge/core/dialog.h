// One SIP dialog: RFC 3261 section 12, for both roles.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIALOG_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIALOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/signaling_edge/core/sip_message.h"

namespace sallyport::signaling_edge {

// What a message must carry to belong to a dialog.
struct DialogId {
  std::string call_id;
  std::string local_tag;
  std::string remote_tag;  // empty: a peer of RFC 2543

  friend bool operator==(const DialogId&, const DialogId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const DialogId& id) {
    return H::combine(std::move(h), id.call_id, id.local_tag, id.remote_tag);
  }
};

// The dialog that a request from the peer names, as we see it: its To tag is
// ours. Empty local_tag when it is out of any dialog.
DialogId DialogIdOfRequest(const SipMessage& request);
// The dialog that a response to a request of ours names: its From tag is ours.
DialogId DialogIdOfResponse(const SipMessage& response);

// Thread-compatible.
class Dialog {
 public:
  enum class State { kEarly, kConfirmed, kTerminated };

  // A confirmed dialog that another node takes over.
  struct Parts {
    DialogId id;
    bool caller = false;
    bool secure = false;
    std::string local;
    std::string remote;
    std::string remote_target;
    std::vector<std::string> routes;
    uint32_t local_cseq = 0;
    std::optional<uint32_t> remote_cseq;
  };
  Parts parts() const;
  static Dialog FromParts(Parts parts);

  // The peer called: `request` is the INVITE (or SUBSCRIBE, REFER) and
  // `local_tag` the To tag of our response. `secure` is whether the request
  // came over TLS. INVALID_ARGUMENT (SIP_HEADER_MISSING) when it has no
  // Contact to call back.
  static absl::StatusOr<Dialog> AsCallee(const SipMessage& request,
                                         std::string_view local_tag,
                                         bool secure);
  // We called: `response` is a 101 to 299 with a To tag. INVALID_ARGUMENT
  // (SIP_HEADER_MISSING) when it has none, or a 2xx without Contact.
  static absl::StatusOr<Dialog> AsCaller(const SipMessage& request,
                                         const SipMessage& response,
                                         bool secure);

  // Any request of the peer within this dialog, before it is acted upon.
  // CSEQ_OUT_OF_ORDER (answer 500) when it is older than one seen. An INVITE,
  // UPDATE, SUBSCRIBE or NOTIFY moves the remote target, if it is accepted:
  // then call AcceptTarget(). ACK and CANCEL pass unnumbered.
  absl::Status OnRequest(const SipMessage& request);
  void AcceptTarget(const SipMessage& message);

  // A response to a request of ours within this dialog, or another of those
  // to the one that made it. A 2xx confirms it and, the first time, sets the
  // route set anew (section 13.2.2.4); 408 and 481 end it (section 12.2.1.2).
  void OnResponse(const SipMessage& request, const SipMessage& response);

  void Confirm();    // we answered 2xx
  void Terminate();  // BYE, a refusal of the first request, or a timeout

  // The next request: Request-URI and Route by the route set, To, From,
  // Call-ID, CSeq, Max-Forwards. Via and Contact are the sender's. Not for
  // ACK and CANCEL.
  SipMessage MakeRequest(SipMethod method);
  // The ACK to a 2xx: the CSeq number of its INVITE (section 13.2.2.4).
  SipMessage MakeAck(uint32_t invite_cseq) const;

  // Where the next request goes: the first route, or the remote target.
  std::string_view next_hop() const;

  const DialogId& id() const { return id_; }
  State state() const { return state_; }
  bool secure() const { return secure_; }
  bool is_caller() const { return caller_; }
  std::string_view local_uri() const { return local_; }    // name-addr, tagged
  std::string_view remote_uri() const { return remote_; }  // likewise
  std::string_view remote_target() const { return remote_target_; }
  const std::vector<std::string>& route_set() const { return routes_; }
  uint32_t local_cseq() const { return local_cseq_; }
  std::optional<uint32_t> remote_cseq() const { return remote_cseq_; }

 private:
  Dialog() = default;

  SipMessage MakeNumbered(SipMethod method, uint32_t cseq) const;
  void TakeRoutesOf(const SipMessage& message, bool reversed);

  DialogId id_;
  State state_ = State::kEarly;
  bool caller_ = false;
  bool secure_ = false;
  std::string local_;
  std::string remote_;
  std::string remote_target_;        // a URI
  std::vector<std::string> routes_;  // name-addrs, nearest first
  uint32_t local_cseq_ = 0;
  std::optional<uint32_t> remote_cseq_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_DIALOG_H_
