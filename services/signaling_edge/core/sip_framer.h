// A byte stream (TCP, TLS) cut into SIP messages and keep-alives: RFC 3261
// section 18.3, RFC 5626 section 4.4.1.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_FRAMER_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_FRAMER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/signaling_edge/core/parse_policy.h"

namespace sallyport::signaling_edge {

struct SipFrame {
  enum class Kind {
    kMessage,
    kPing,  // a double CRLF: answer it with one CRLF
    kCrlf,  // one CRLF: the answer to our ping, or nothing
  };
  Kind kind = Kind::kMessage;
  // One whole message by its Content-Length; lives until the next call.
  std::string_view text;
};

// One per connection. It holds at most policy.max_message() octets and one
// read, and looks at each octet of a header section once, however slowly they
// come. When a double CRLF arrives in two reads, a kCrlf precedes the kPing.
// Thread-compatible.
class SipFramer {
 public:
  explicit SipFramer(const ParsePolicy& policy) : policy_(policy) {}

  // E.g. more room once the peer has proven who it is.
  void set_policy(const ParsePolicy& policy) { policy_ = policy; }

  // Call Next() until it yields nothing before appending again; until then
  // `octets` has to live. Only what is left of them then is copied.
  void Append(std::string_view octets);

  // The next whole frame; nothing when more octets are needed. After an error
  // the stream has no more message boundaries: it stays failed, and the
  // connection must be closed, after a 400 if SalvageRequest(pending()) gives
  // something to answer. Reasons as of ParseSipMessage.
  absl::StatusOr<std::optional<SipFrame>> Next();

  // What has come in and is not yet taken.
  std::string_view pending() const {
    return borrowed_.empty() ? std::string_view(buffer_).substr(begin_)
                             : borrowed_;
  }
  // True inside a message: a peer that stays silent now is a slow one.
  bool mid_message() const { return !pending().empty(); }

 private:
  absl::Status CheckHead(std::string_view head, bool whole) const;
  void Take(size_t octets);  // of what is pending
  std::nullopt_t Wait();     // for more: nothing is borrowed any longer

  ParsePolicy policy_;
  std::string buffer_;
  std::string_view borrowed_;  // instead of buffer_
  size_t begin_ = 0;           // of what is not yet taken
  size_t scanned_ = 0;         // from begin_: holds no end of a header section
  size_t frame_size_ = 0;      // of the message at begin_, once it is known
  bool after_crlf_ = false;
  absl::Status failure_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_FRAMER_H_
