// SRTP for RTP packets of one master key, straight on BoringSSL's primitives:
// RFC 3711 with AES-CM and HMAC-SHA1, RFC 6188, RFC 7714. The hot half of
// SrtpSession; its keys lie in one piece of memory.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTP_PROTECTOR_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTP_PROTECTOR_H_

#include <openssl/aead.h>
#include <openssl/aes.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"

namespace sallyport::media_relay {

// Which packets of a source have been seen: RFC 3711 sections 3.3.1 and 3.3.2,
// with a window of 1024 packets. Thread-compatible.
class PacketIndex {
 public:
  static constexpr uint64_t kWindow = 1024;

  // The index that a packet of this sequence number most likely has.
  uint64_t Guess(uint16_t sequence) const;
  // True when it has been seen, or is too old to tell.
  bool IsReplay(uint64_t index) const;
  void Add(uint64_t index);

 private:
  bool started_ = false;
  uint64_t highest_ = 0;
  std::array<uint64_t, kWindow / 64> seen_ = {};
};

// One direction. The caller bounds the number of sources. Thread-compatible.
class alignas(64) RtpProtector {
 public:
  // `key_salt` has the size of the suite. `mki` must outlive it.
  RtpProtector(SrtpSuite suite, ByteSpan key_salt, ByteSpan mki);
  ~RtpProtector();
  RtpProtector(const RtpProtector&) = delete;
  RtpProtector& operator=(const RtpProtector&) = delete;

  // In place; on anything but kOk the packet is not to be used, and nothing is
  // remembered of it. Protect() leaves a tag to `packet.tags` where there is
  // one.
  SrtpResult Protect(Packet& packet);
  SrtpResult Unprotect(Packet& packet);

  // Whether Unprotect() of this packet will most likely need an HMAC, which
  // `job` then describes: it may be computed with those of others and lent as
  // `packet.foreseen`.
  bool Foresee(const Packet& packet, HmacSha1Job& job) const;

  // Whether a packet of this source has passed.
  bool Knows(uint32_t ssrc) const {
    return (has_first_ && first_.ssrc == ssrc) ||
           (!others_.empty() && FindOther(ssrc) != nullptr);
  }

  // Fetches into the cache what the next call needs.
  void Prefetch() const {
    const char* const begin = reinterpret_cast<const char*>(this);
    const char* const end = is_gcm() ? reinterpret_cast<const char*>(this + 1)
                                     : reinterpret_cast<const char*>(&aead_);
    for (const char* line = begin; line < end; line += 64) {
      __builtin_prefetch(line);
    }
  }

 private:
  struct Source {
    uint32_t ssrc;
    PacketIndex index;
  };

  const Source* Find(uint32_t ssrc) const {
    return has_first_ && first_.ssrc == ssrc ? &first_ : FindOther(ssrc);
  }
  Source* Find(uint32_t ssrc) {
    return const_cast<Source*>(std::as_const(*this).Find(ssrc));
  }
  const Source* FindOther(uint32_t ssrc) const;
  void Remember(Source* source, uint32_t ssrc, uint64_t index);
  bool is_gcm() const { return aead_size_ != 0; }
  void Crypt(uint8_t* data, size_t size, uint32_t ssrc, uint64_t index);
  std::array<uint8_t, 12> Nonce(uint32_t ssrc, uint64_t index) const;

  // In the order of use; the first line ends where the window begins.
  std::array<uint8_t, 14> salt_ = {};
  uint8_t tag_size_ = 0;
  uint8_t aead_size_ = 0;  // of the tag; 0: AES-CM
  ByteSpan mki_;
  bool has_first_ = false;
  Source first_ = {};  // most sessions have no other
  HmacSha1Key hmac_;
  AES_KEY aes_;
  EVP_AEAD_CTX aead_;
  std::vector<Source> others_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_RTP_PROTECTOR_H_
