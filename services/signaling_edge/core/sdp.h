// Session descriptions (RFC 8866, which replaces RFC 4566): the text form and
// a plain value. No rule about calls lives here: sdp_leg makes the description
// that one leg sees, security_mode decides what is allowed.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SDP_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SDP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sallyport::signaling_edge {

// Limits of what ParseSdp() reads; more is refused, not cut.
inline constexpr size_t kMaxSdpBytes = 32 * 1024;
inline constexpr size_t kMaxSdpLines = 1024;
inline constexpr size_t kMaxSdpMedia = 16;
inline constexpr size_t kMaxSdpFormats = 64;

// The o= line. The numbers are kept as the digits that came.
struct SdpOrigin {
  std::string username;
  std::string session_id;
  std::string session_version;
  std::string address_type;  // "IP4" or "IP6"; the network type is always IN
  std::string address;

  bool operator==(const SdpOrigin&) const = default;
};

// A c= line. `address` may be a literal of its type or a domain name, and
// carries a multicast suffix ("/ttl/count") as it came.
struct SdpConnection {
  std::string address_type;
  std::string address;

  bool operator==(const SdpConnection&) const = default;
};

// An a= line: a property ("sendonly") or a value ("rtpmap:0 PCMU/8000").
struct SdpAttribute {
  std::string name;
  std::optional<std::string> value;

  bool operator==(const SdpAttribute&) const = default;
};

// Which way media may flow, seen from who wrote the description (RFC 8866
// section 6.7).
enum class SdpDirection { kSendRecv, kSendOnly, kRecvOnly, kInactive };

// One m= section.
struct SdpMedia {
  std::string type;   // "audio", "video", "image", ...
  uint16_t port = 0;  // 0: offered but not used, or refused
  uint16_t port_count = 1;
  std::string protocol;  // "RTP/AVP", "RTP/SAVP", ...
  std::vector<std::string> formats;
  std::optional<SdpConnection> connection;
  std::vector<std::string> bandwidths;  // b= values
  std::vector<SdpAttribute> attributes;

  bool operator==(const SdpMedia&) const = default;

  // The first attribute of that name (case-sensitive), or nullptr.
  const SdpAttribute* Find(std::string_view name) const;
};

// One whole description. i=, u=, e=, p=, k=, r= and z= lines are checked for
// shape and not kept: nothing of one side's private text crosses to the other
// (topology hiding), and k= is a key in clear (RFC 8866 section 5.12).
struct SdpSession {
  SdpOrigin origin;
  std::string name = "-";
  std::optional<SdpConnection> connection;
  std::vector<std::string> bandwidths;
  std::vector<SdpAttribute> attributes;
  std::vector<SdpMedia> media;

  bool operator==(const SdpSession&) const = default;

  const SdpAttribute* Find(std::string_view name) const;
};

// Reads a body of type application/sdp. Lines may end in CRLF or bare LF.
//
// Within a session or media section the order of lines is not enforced, since
// deployed phones vary; v= must come first and o= and s= must be present.
// Returns kInvalidArgument with reason SDP_MALFORMED or SDP_TOO_LARGE.
absl::StatusOr<SdpSession> ParseSdp(std::string_view body);

// The text of `session`, lines ending in CRLF, in the order of RFC 8866
// section 5. Time is always "t=0 0", as offer/answer asks (RFC 3264 5).
std::string WriteSdp(const SdpSession& session);

// The connection that holds for `media`: its own, else the session's.
const SdpConnection* ConnectionOf(const SdpSession& session,
                                  const SdpMedia& media);

// The direction that holds for `media`: its own, else the session's, else
// sendrecv. An address of 0.0.0.0 counts as on hold by the old way (RFC 3264
// section 8.4) and turns sendrecv into sendonly.
SdpDirection DirectionOf(const SdpSession& session, const SdpMedia& media);

// The same without that rule, which is none where ICE says where media goes.
SdpDirection DirectionSaid(const SdpSession& session, const SdpMedia& media);

std::string_view SdpDirectionName(SdpDirection direction);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SDP_H_
