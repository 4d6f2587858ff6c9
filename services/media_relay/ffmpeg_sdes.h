// ffmpeg as a speaker and a listener of SDES-SRTP, PCMU.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_FFMPEG_SDES_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_FFMPEG_SDES_H_

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {

// Writes a second of what comes to `address`:`port` to `file`, 16 bits a
// sample, and ends with 0. `suite` as RFC 4568 names it.
inline std::unique_ptr<PeerProgram> SdesListener(const std::string& suite,
                                                 const std::string& key_salt,
                                                 const std::string& address,
                                                 uint16_t port,
                                                 const std::string& file) {
  const std::string sdp = absl::StrCat(file, ".sdp");
  std::ofstream(sdp) << "v=0\no=- 0 0 IN IP4 " << address << "\ns=-\nc=IN IP4 "
                     << address << "\nt=0 0\nm=audio " << port
                     << " RTP/SAVP 0\na=rtpmap:0 PCMU/8000\n"
                     << "a=crypto:1 " << suite
                     << " inline:" << absl::Base64Escape(key_salt) << "\n";
  return std::make_unique<PeerProgram>(std::vector<std::string>{
      "ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-protocol_whitelist",
      "file,rtp,srtp,udp", "-i", sdp, "-t", "1", "-f", "s16le", file});
}

// Says a tone of 400 Hz for 8 s.
inline std::unique_ptr<PeerProgram> SdesSpeaker(const std::string& suite,
                                                const std::string& key_salt,
                                                const std::string& address,
                                                uint32_t port) {
  return std::make_unique<PeerProgram>(std::vector<std::string>{
      "ffmpeg",
      "-nostdin",
      "-loglevel",
      "error",
      "-re",
      "-f",
      "lavfi",
      "-i",
      "sine=frequency=400:sample_rate=8000:duration=8",
      "-c:a",
      "pcm_mulaw",
      "-ac",
      "1",
      "-f",
      "rtp",
      "-srtp_out_suite",
      suite,
      "-srtp_out_params",
      absl::Base64Escape(key_salt),
      absl::StrCat("srtp://", address, ":", port, "?pkt_size=172")});
}

// Of what a listener wrote: the loudest sample, 0 when it is shorter than half
// a second.
inline int LoudestHeard(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string samples((std::istreambuf_iterator<char>(in)),
                            std::istreambuf_iterator<char>());
  if (samples.size() < 8000) return 0;
  int loudest = 0;
  for (size_t i = 0; i + 1 < samples.size(); i += 2) {
    const int sample = static_cast<int16_t>(
        static_cast<uint8_t>(samples[i]) |
        static_cast<uint16_t>(static_cast<uint8_t>(samples[i + 1])) << 8);
    loudest = std::max(loudest, std::abs(sample));
  }
  return loudest;
}

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_FFMPEG_SDES_H_
