#include "services/media_relay/core/srtp_session.h"

#include <srtp2/srtp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/secret.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"

namespace sallyport::media_relay {
namespace {

constexpr unsigned long kReplayWindow = 1024;
constexpr size_t kRtpSsrc = 8;
constexpr size_t kRtcpSsrc = 4;
constexpr size_t kSrtcpIndex = 4;

void SetCryptoPolicy(SrtpSuite suite, srtp_policy_t& policy) {
  switch (suite) {
    case SrtpSuite::kAesCm128HmacSha1_80:
      srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
      srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
      break;
    case SrtpSuite::kAesCm128HmacSha1_32:
      srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp);
      srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
      break;
    case SrtpSuite::kAes256CmHmacSha1_80:
      srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtp);
      srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtcp);
      break;
    case SrtpSuite::kAeadAes128Gcm:
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
      break;
    case SrtpSuite::kAeadAes256Gcm:
      srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp);
      break;
  }
}

SrtpResult ResultOf(srtp_err_status_t status) {
  switch (status) {
    case srtp_err_status_ok:
      return SrtpResult::kOk;
    case srtp_err_status_auth_fail:
    case srtp_err_status_bad_mki:
    case srtp_err_status_cipher_fail:
      return SrtpResult::kAuthFailed;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
      return SrtpResult::kReplayed;
    case srtp_err_status_parse_err:
    case srtp_err_status_bad_param:
      return SrtpResult::kMalformed;
    default:
      return SrtpResult::kFailed;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SrtpLibrary>> SrtpLibrary::Create() {
  if (srtp_init() != srtp_err_status_ok) {
    return absl::InternalError("libsrtp2 failed its start-up tests");
  }
  return std::unique_ptr<SrtpLibrary>(new SrtpLibrary());
}

SrtpLibrary::~SrtpLibrary() { srtp_shutdown(); }

SrtpSession::SrtpSession(SrtpSuite suite, ByteSpan key_salt, ByteSpan mki)
    : suite_(suite),
      key_salt_(Secret::CopyOf(key_salt)),
      mki_(Secret::CopyOf(mki)),
      rtp_(suite, key_salt_.DangerousBytes(), mki_.DangerousBytes()) {
  sources_.reserve(4);
}

SrtpSession::~SrtpSession() {
  if (context_ != nullptr) srtp_dealloc(context_);
}

absl::StatusOr<std::unique_ptr<SrtpSession>> SrtpSession::Create(
    const SrtpLibrary& library, SrtpSuite suite, ByteSpan key_salt,
    ByteSpan mki, Direction direction) {
  (void)library;  // taken as proof that srtp_init() was called
  if (key_salt.size() != KeySaltSize(suite)) {
    return absl::InvalidArgumentError("SRTP key and salt of the wrong size");
  }
  static_assert(kMaxMkiSize <= SRTP_MAX_MKI_LEN);
  if (mki.size() > kMaxMkiSize) {
    return absl::InvalidArgumentError("SRTP MKI is too long");
  }
  if (!mki.empty() &&
      InfoOf(suite).rtp_tag_size != InfoOf(suite).rtcp_tag_size) {
    // libsrtp2 looks for the MKI of SRTCP where that of SRTP would be.
    return absl::InvalidArgumentError("this SRTP suite cannot have an MKI");
  }
  std::unique_ptr<SrtpSession> session(new SrtpSession(suite, key_salt, mki));

  srtp_policy_t policy = {};
  SetCryptoPolicy(suite, policy);
  policy.ssrc.type =
      direction == Direction::kProtect ? ssrc_any_outbound : ssrc_any_inbound;
  policy.window_size = kReplayWindow;
  // A packet protected twice would reuse its key stream.
  policy.allow_repeat_tx = 0;
  // libsrtp2 only reads these.
  auto* key =
      const_cast<unsigned char*>(session->key_salt_.DangerousBytes().data());
  srtp_master_key_t master = {};
  srtp_master_key_t* masters[] = {&master};
  if (mki.empty()) {
    policy.key = key;
  } else {
    master.key = key;
    master.mki_id =
        const_cast<unsigned char*>(session->mki_.DangerousBytes().data());
    master.mki_size = static_cast<unsigned int>(mki.size());
    policy.keys = masters;
    policy.num_master_keys = 1;
  }
  if (srtp_create(&session->context_, &policy) != srtp_err_status_ok) {
    session->context_ = nullptr;
    return absl::InternalError("libsrtp2 refused a session");
  }
  return session;
}

bool SrtpSession::KnowsSource(uint32_t ssrc) const {
  return std::find(sources_.begin(), sources_.end(), ssrc) != sources_.end();
}

template <typename Call>
SrtpResult SrtpSession::Apply(Packet& packet, size_t ssrc_offset,
                              size_t minimum, size_t growth, Call call) {
  if (packet.size < minimum) return SrtpResult::kMalformed;
  if (packet.tailroom < growth) return SrtpResult::kNoRoom;
  const uint8_t* p = packet.data + ssrc_offset;
  const uint32_t ssrc = (static_cast<uint32_t>(p[0]) << 24) |
                        (static_cast<uint32_t>(p[1]) << 16) |
                        (static_cast<uint32_t>(p[2]) << 8) |
                        static_cast<uint32_t>(p[3]);
  const bool known = KnowsSource(ssrc);
  if (!known && sources_.size() >= kMaxSources) {
    return SrtpResult::kTooManySources;
  }
  int size = static_cast<int>(packet.size);
  const SrtpResult result = ResultOf(call(packet.data, &size));
  if (result != SrtpResult::kOk) return result;
  if (!known) sources_.push_back(ssrc);
  const size_t after = static_cast<size_t>(size);
  packet.tailroom = packet.tailroom + packet.size - after;
  packet.size = after;
  return SrtpResult::kOk;
}

template <typename Call>
SrtpResult SrtpSession::ApplyRtp(Packet& packet, Call call) {
  if (packet.size < kRtpSsrc + 4) return SrtpResult::kMalformed;
  const uint8_t* p = packet.data + kRtpSsrc;
  const uint32_t ssrc = (static_cast<uint32_t>(p[0]) << 24) |
                        (static_cast<uint32_t>(p[1]) << 16) |
                        (static_cast<uint32_t>(p[2]) << 8) |
                        static_cast<uint32_t>(p[3]);
  // RTCP may have brought the source already.
  const bool known = rtp_.Knows(ssrc) || KnowsSource(ssrc);
  if (!known && sources_.size() >= kMaxSources) {
    return SrtpResult::kTooManySources;
  }
  const SrtpResult result = call(packet);
  if (result == SrtpResult::kOk && !known) sources_.push_back(ssrc);
  return result;
}

SrtpResult SrtpSession::ProtectRtp(Packet& packet) {
  return ApplyRtp(packet, [this](Packet& p) { return rtp_.Protect(p); });
}

SrtpResult SrtpSession::ProtectRtcp(Packet& packet) {
  const unsigned int use_mki = mki_.empty() ? 0 : 1;
  return Apply(packet, kRtcpSsrc, 8,
               InfoOf(suite_).rtcp_tag_size + kSrtcpIndex + mki_.size(),
               [&](void* data, int* size) {
                 return srtp_protect_rtcp_mki(context_, data, size, use_mki, 0);
               });
}

SrtpResult SrtpSession::UnprotectRtp(Packet& packet) {
  return ApplyRtp(packet, [this](Packet& p) { return rtp_.Unprotect(p); });
}

SrtpResult SrtpSession::UnprotectRtcp(Packet& packet) {
  const unsigned int use_mki = mki_.empty() ? 0 : 1;
  return Apply(packet, kRtcpSsrc,
               8 + kSrtcpIndex + InfoOf(suite_).rtcp_tag_size + mki_.size(), 0,
               [&](void* data, int* size) {
                 return srtp_unprotect_rtcp_mki(context_, data, size, use_mki);
               });
}

bool SrtpSession::HasKey(ByteSpan key_salt, ByteSpan mki) const {
  return ConstantTimeEquals(key_salt_.DangerousBytes(), key_salt) &&
         ConstantTimeEquals(mki_.DangerousBytes(), mki);
}

}  // namespace sallyport::media_relay
