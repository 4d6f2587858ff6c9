// What edges, and the loops of one edge, say to each other. Between edges it
// goes over mutual TLS as frames of a length and this; between loops as it is.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CLUSTER_MESSAGE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CLUSTER_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/core/tls_facts.h"

namespace sallyport::signaling_edge {

struct ClusterMessage {
  enum class Kind : uint8_t {
    // A SIP message that belongs to the receiver, with where it came from.
    kMessage = 1,
    // Octets for a flow of the receiver's.
    kSend = 2,
    // A connection of the sender's is gone, or never was.
    kClosed = 3,
    // As kMessage, of a CANCEL whose INVITE may be anybody's.
    kAsk = 4,
    // The answer to kAsk of who does not have it. Who has it answers the
    // CANCEL itself.
    kNotMine = 5,
    // The sender has taken away or over a contact of the receiver's in the
    // registry that they share; `text` is the user.
    kRegistryChanged = 6,
    // The sender's call `ask` is to be joined with a side of one of the
    // receiver's; `text` says which (given_leg.h).
    kLegWanted = 7,
    // The answer, for the receiver's call `ask`: that side, or why not.
    kLegGiven = 8,
  };

  Kind kind = Kind::kMessage;
  NodeId from;
  NodeId to;
  // Of the holder: the sender, for kSend the receiver; a third node for what
  // follows a leg that has moved.
  RemoteFlow flow;
  // Of kAsk, kNotMine and the two of legs: the asker's number, echoed.
  uint64_t ask = 0;
  // Of kMessage and kAsk: what the sender knows of the connection.
  bool incoming = true;
  std::string dialled;  // the peer that was dialled
  std::optional<TlsFacts> tls;
  std::string text;  // SIP, as it came or as it is to go; or as above
};

// Octets of one frame, its length included, and what they must not exceed.
inline constexpr size_t kClusterLengthSize = 4;
inline constexpr size_t kMaxClusterFrame = size_t{2} << 20;

// A frame without the edges' numbers: the link stands for those.
std::string WriteClusterFrame(const ClusterMessage& message);

// What comes after the length. `from` and `to` get `sender` and `receiver`
// for their edges. INVALID_ARGUMENT, CLUSTER_FRAME_INVALID, for anything that
// WriteClusterFrame does not make.
absl::StatusOr<ClusterMessage> ReadClusterFrame(ByteSpan payload,
                                                uint64_t sender,
                                                uint64_t receiver);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_CLUSTER_MESSAGE_H_
