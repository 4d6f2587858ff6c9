// What the relay itself says on a leg: a prompt as a stream of RTP.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PLAYBACK_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PLAYBACK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "services/common/random/random_source.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/prompt_audio.h"

namespace sallyport::media_relay {

// One prompt as one leg has negotiated it.
struct PlaybackSource {
  std::string prompt;  // its name
  std::shared_ptr<const PromptAudio> audio;
  uint8_t payload_type = 0;
  uint32_t times = 0;  // 0: until it is stopped
};

// Rounds are of 20 ms and counted by the owner; packets are written for those
// that it names, so that a round which was missed leaves a gap in time and
// none in the sequence. SSRC, sequence and clock are those of the leg and go
// on from one prompt to the next: an SRTP context keeps every source that it
// has seen, and must see none of their indices twice. Thread-compatible.
class Playback {
 public:
  explicit Playback(RandomSource& random);

  // From the beginning, whatever it played before.
  void Start(PlaybackSource source);
  void Stop() { playing_ = false; }
  bool playing() const { return playing_; }

  // The packet of `round` into `packet`, which has 172 octets of room; false,
  // and not playing any more, when the prompt is over.
  bool Write(uint64_t round, Packet& packet);
  // Whether a report is due in `round`, about every five seconds (RFC 3550
  // section 6.2).
  bool ReportIsDue(uint64_t round) const { return round >= next_report_; }
  // A sender report with CNAME (RFC 3550 sections 6.4.1 and 6.5.1), 64 octets.
  void WriteReport(uint64_t round, Now now, Packet& packet);

  const PlaybackSource& source() const { return source_; }
  uint32_t ssrc() const { return ssrc_; }
  uint64_t packets() const { return packets_; }
  uint64_t octets() const { return packets_ * kPromptFrame; }

 private:
  // Of an RTP packet of `round`.
  uint32_t TimestampAt(uint64_t round) const;

  RandomSource& random_;
  PlaybackSource source_;
  bool playing_ = false;
  bool begins_ = false;  // with the next packet
  uint32_t ssrc_;
  uint16_t sequence_;
  uint32_t timestamp_base_;
  uint64_t first_round_ = 0;  // of this prompt
  uint64_t next_report_ = 0;
  uint64_t packets_ = 0;
  std::string cname_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_PLAYBACK_H_
