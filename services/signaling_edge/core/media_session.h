// What a core says to a media relay and hears from it, as plain values. The io
// ring carries it by gRPC (media_client).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MEDIA_SESSION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MEDIA_SESSION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/signaling_edge/core/leg_media.h"
#include "services/signaling_edge/core/media_setup.h"
#include "services/signaling_edge/core/sdes.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

// The two legs of a call: who called, and who is called.
enum class LegSide : uint8_t { kA = 0, kB = 1 };

inline constexpr LegSide Other(LegSide side) {
  return side == LegSide::kA ? LegSide::kB : LegSide::kA;
}
inline constexpr size_t IndexOf(LegSide side) {
  return static_cast<size_t>(side);
}

// One leg as the relay shall have it.
struct RelayLeg {
  // Of SDES the one in force; empty on RTP, and on DTLS-SRTP, whose handshake
  // agrees on it.
  std::optional<SrtpSuite> suite;
  SuiteList suites;  // what an SRTP leg may have; a session keeps them
  std::optional<MediaAddress> remote;  // empty: not known yet, or ICE finds it
  std::string remote_key;              // key and salt of the far side; secret
  SdpDirection direction = SdpDirection::kSendRecv;
  bool rtcp_mux = false;
  bool dtls = false;
  bool ice = false;
  // Of DTLS and ICE; empty: not known yet.
  std::string remote_fingerprint;
  std::optional<DtlsSetup> remote_setup;
  std::string remote_ufrag;
  // What the next update begins anew, with or without a far side to know.
  bool restart_dtls = false;
  bool restart_ice = false;
  // What the far side hears of the relay itself; empty: nothing.
  std::string prompt;
  std::vector<PromptFormat> prompt_formats;
  bool prompted = false;  // something has been played to it

  bool is_srtp() const { return dtls || suite.has_value(); }
  // There is no port for RTCP alone.
  bool mux_only() const { return dtls || ice; }
  bool operator==(const RelayLeg&) const = default;
};
using RelayLegs = std::array<RelayLeg, 2>;  // by IndexOf(side)

// A session that a relay has made.
struct RelaySession {
  struct Leg {
    MediaAddress local;  // to be told to the far side
    // Of SDES: the relay's key and salt for each suite of the leg; secret.
    std::vector<std::string> local_keys;
    std::string fingerprint;  // of DTLS-SRTP
    IceDescription ice;       // of ICE; secret
  };
  std::string name;   // tenants/{t}/sessions/{s}
  std::string relay;  // which relay has it, as io names it
  std::array<Leg, 2> legs;
};

// What one leg carried, as the relay counted it.
struct LegStatistics {
  uint64_t packets_received = 0;
  uint64_t packets_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t packets_lost = 0;
  uint64_t authentication_failures = 0;
  uint64_t replayed_packets = 0;
  uint64_t rtcp_packets_received = 0;
  uint64_t rtcp_packets_sent = 0;
  double jitter_ms = 0;
  double added_delay_p50_ms = 0;
  double added_delay_p99_ms = 0;
  double round_trip_ms = 0;         // 0: not known
  double remote_fraction_lost = 0;  // as the far side reported last
  double mean_opinion_score = 0;    // 0: not known
};

// What a relay tells of a session by itself.
struct MediaEvent {
  enum class Kind : uint8_t {
    kStatistics,
    kSilent,  // no packet comes on the leg, though the far side should send
    kHeard,   // packets come, perhaps again
    kLost,    // the session is gone, and nobody had asked for that
    kKeyed,   // the leg's DTLS handshake is complete
    kKeyingFailed,  // it failed; another one may follow
  };
  Kind kind = Kind::kStatistics;
  std::string relay;
  std::string session;
  LegSide leg = LegSide::kA;  // of all but kStatistics and kLost
  std::optional<std::array<LegStatistics, 2>> statistics;
  // In force, as the relay has them.
  std::array<std::optional<SrtpSuite>, 2> suites;
  size_t loop = 0;  // whose session it is
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_MEDIA_SESSION_H_
