// SRTP and SRTCP in one direction: RFC 3711. RTP goes through RtpProtector,
// RTCP through libsrtp2 on BoringSSL.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_SESSION_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_SESSION_H_

#include <srtp2/srtp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/memory/block_pool.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/rtp_protector.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"

namespace sallyport::media_relay {

// libsrtp2 started up; main makes it once, and it outlives every session.
// Immutable.
class SrtpLibrary {
 public:
  static absl::StatusOr<std::unique_ptr<SrtpLibrary>> Create();
  ~SrtpLibrary();
  SrtpLibrary(const SrtpLibrary&) = delete;
  SrtpLibrary& operator=(const SrtpLibrary&) = delete;

 private:
  SrtpLibrary() = default;
};

// Protects or unprotects the packets of one direction under one master key.
// Every SSRC has its own rollover counter and replay list of 1024 packets; a
// new SSRC is taken up only with a packet that authenticates, and at most
// kMaxSources of them, as forgetting one would let its packets be replayed.
// Thread-compatible.
class SrtpSession final : public Pooled<SrtpSession> {
 public:
  static constexpr size_t kMaxSources = 64;
  static constexpr size_t kMaxMkiSize = 128;
  enum class Direction : uint8_t { kUnprotect, kProtect };

  // `key_salt` is the master key followed by the salt; `mki` may be empty.
  // INVALID_ARGUMENT when a size is wrong, or for an MKI with the 32-bit tag.
  // `library` must outlive the session.
  static absl::StatusOr<std::unique_ptr<SrtpSession>> Create(
      const SrtpLibrary& library, SrtpSuite suite, ByteSpan key_salt,
      ByteSpan mki, Direction direction);
  ~SrtpSession();
  SrtpSession(const SrtpSession&) = delete;
  SrtpSession& operator=(const SrtpSession&) = delete;

  // In place. On anything but kOk the packet is not to be used.
  SrtpResult ProtectRtp(Packet& packet);
  SrtpResult ProtectRtcp(Packet& packet);
  SrtpResult UnprotectRtp(Packet& packet);
  SrtpResult UnprotectRtcp(Packet& packet);

  // See RtpProtector::Foresee().
  bool ForeseeRtp(const Packet& packet, HmacSha1Job& job) const {
    return rtp_.Foresee(packet, job);
  }

  // Same master key and MKI, compared in constant time: a repeated offer must
  // not reset rollover counters and replay lists.
  bool HasKey(ByteSpan key_salt, ByteSpan mki) const;
  // Fetches into the cache what the next RTP packet needs.
  void Prefetch() const { rtp_.Prefetch(); }
  SrtpSuite suite() const { return suite_; }
  size_t source_count() const { return sources_.size(); }

 private:
  SrtpSession(SrtpSuite suite, ByteSpan key_salt, ByteSpan mki);

  bool KnowsSource(uint32_t ssrc) const;

  template <typename Call>
  SrtpResult Apply(Packet& packet, size_t ssrc_offset, size_t minimum,
                   size_t growth, Call call);

  template <typename Call>
  SrtpResult ApplyRtp(Packet& packet, Call call);

  SrtpSuite suite_;
  Secret key_salt_;
  Secret mki_;
  RtpProtector rtp_;
  srtp_t context_ = nullptr;
  std::vector<uint32_t> sources_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_SRTP_SESSION_H_
