#include "services/media_relay/core/rtp_protector.h"

#include <openssl/aead.h>
#include <openssl/aes.h>
#include <openssl/mem.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"
#include "services/media_relay/core/tag_batch.h"

namespace sallyport::media_relay {
namespace {

constexpr size_t kAuthKeySize = 20;  // RFC 3711 section 5.2
constexpr uint64_t kLastIndex = (uint64_t{1} << 48) - 1;

uint32_t Load32(const uint8_t* p) {
  return (static_cast<uint32_t>(p[0]) << 24) |
         (static_cast<uint32_t>(p[1]) << 16) |
         (static_cast<uint32_t>(p[2]) << 8) | static_cast<uint32_t>(p[3]);
}

void Xor(uint8_t* out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    out[i] ^= static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
  }
}

// The head with contributing sources and extension; 0 when it is cut.
size_t HeadSize(const Packet& packet) {
  if (packet.size < 12) return 0;
  size_t size = 12 + 4 * static_cast<size_t>(packet.data[0] & 0x0F);
  if ((packet.data[0] & 0x10) != 0) {
    if (packet.size < size + 4) return 0;
    const uint8_t* const extension = packet.data + size;
    size += 4 + 4 * static_cast<size_t>((extension[2] << 8) | extension[3]);
  }
  return size <= packet.size ? size : 0;
}

// RFC 3711 section 4.3.3: AES in counter mode over the salt with the label.
void Derive(const AES_KEY& master, const std::array<uint8_t, 14>& salt,
            uint8_t label, uint8_t* out, size_t size) {
  std::array<uint8_t, 16> iv = {};
  std::copy(salt.begin(), salt.end(), iv.begin());
  iv[7] ^= label;
  std::array<uint8_t, 16> stream;
  unsigned used = 0;
  std::memset(out, 0, size);
  AES_ctr128_encrypt(out, out, size, &master, iv.data(), stream.data(), &used);
  OPENSSL_cleanse(stream.data(), stream.size());
}

}  // namespace

uint64_t PacketIndex::Guess(uint16_t sequence) const {
  if (!started_) return sequence;
  const uint64_t rollovers = highest_ >> 16;
  const uint16_t last = static_cast<uint16_t>(highest_);
  uint64_t guess = rollovers;
  if (last < 0x8000) {
    // Before the first rollover there is nothing to be behind.
    if (sequence > last + 0x8000 && rollovers > 0) --guess;
  } else if (last - 0x8000 > sequence) {
    ++guess;
  }
  return (guess << 16) | sequence;
}

bool PacketIndex::IsReplay(uint64_t index) const {
  if (!started_ || index > highest_) return false;
  if (highest_ - index >= kWindow) return true;
  return (seen_[index % kWindow / 64] >> (index % 64) & 1) != 0;
}

void PacketIndex::Add(uint64_t index) {
  if (!started_ || index > highest_) {
    if (!started_ || index - highest_ >= kWindow) {
      seen_.fill(0);
    } else {
      for (uint64_t i = highest_ + 1; i <= index; ++i) {
        seen_[i % kWindow / 64] &= ~(uint64_t{1} << (i % 64));
      }
    }
    highest_ = index;
    started_ = true;
  }
  seen_[index % kWindow / 64] |= uint64_t{1} << (index % 64);
}

RtpProtector::RtpProtector(SrtpSuite suite, ByteSpan key_salt, ByteSpan mki)
    : mki_(mki) {
  const SrtpSuiteInfo info = InfoOf(suite);
  const bool gcm =
      suite == SrtpSuite::kAeadAes128Gcm || suite == SrtpSuite::kAeadAes256Gcm;
  AES_KEY master;
  AES_set_encrypt_key(key_salt.data(), static_cast<unsigned>(info.key_size * 8),
                      &master);
  // RFC 7714 section 11: a salt of 96 bits is filled up with zeros.
  std::array<uint8_t, 14> master_salt = {};
  std::memcpy(master_salt.data(), key_salt.data() + info.key_size,
              info.salt_size);
  std::array<uint8_t, 32> key;
  std::array<uint8_t, kAuthKeySize> auth_key = {};
  Derive(master, master_salt, 0x00, key.data(), info.key_size);
  Derive(master, master_salt, 0x02, salt_.data(), info.salt_size);
  EVP_AEAD_CTX_zero(&aead_);
  if (gcm) {
    aead_size_ = static_cast<uint8_t>(info.rtp_tag_size);
    (void)EVP_AEAD_CTX_init(
        &aead_,
        info.key_size == 16 ? EVP_aead_aes_128_gcm() : EVP_aead_aes_256_gcm(),
        key.data(), info.key_size, aead_size_, nullptr);
  } else {
    tag_size_ = static_cast<uint8_t>(info.rtp_tag_size);
    Derive(master, master_salt, 0x01, auth_key.data(), auth_key.size());
  }
  AES_set_encrypt_key(key.data(), static_cast<unsigned>(info.key_size * 8),
                      &aes_);
  hmac_ = HmacSha1Key::Of(auth_key);
  OPENSSL_cleanse(&master, sizeof(master));
  OPENSSL_cleanse(master_salt.data(), master_salt.size());
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(auth_key.data(), auth_key.size());
}

RtpProtector::~RtpProtector() {
  EVP_AEAD_CTX_cleanup(&aead_);
  OPENSSL_cleanse(&aes_, sizeof(aes_));
  hmac_.Cleanse();
  OPENSSL_cleanse(salt_.data(), salt_.size());
}

const RtpProtector::Source* RtpProtector::FindOther(uint32_t ssrc) const {
  for (const Source& source : others_) {
    if (source.ssrc == ssrc) return &source;
  }
  return nullptr;
}

void RtpProtector::Remember(Source* source, uint32_t ssrc, uint64_t index) {
  if (source == nullptr) {
    if (!has_first_) {
      has_first_ = true;
      source = &first_;
    } else {
      source = &others_.emplace_back();
    }
    source->ssrc = ssrc;
  }
  source->index.Add(index);
}

// RFC 3711 section 4.1.1.
void RtpProtector::Crypt(uint8_t* data, size_t size, uint32_t ssrc,
                         uint64_t index) {
  std::array<uint8_t, 16> iv = {};
  std::copy(salt_.begin(), salt_.end(), iv.begin());
  Xor(iv.data() + 4, ssrc, 4);
  Xor(iv.data() + 8, index, 6);
  std::array<uint8_t, 16> stream;
  unsigned used = 0;
  AES_ctr128_encrypt(data, data, size, &aes_, iv.data(), stream.data(), &used);
}

// RFC 7714 section 8.1.
std::array<uint8_t, 12> RtpProtector::Nonce(uint32_t ssrc,
                                            uint64_t index) const {
  std::array<uint8_t, 12> nonce;
  std::copy(salt_.begin(), salt_.begin() + 12, nonce.begin());
  Xor(nonce.data() + 2, ssrc, 4);
  Xor(nonce.data() + 6, index, 6);
  return nonce;
}

SrtpResult RtpProtector::Protect(Packet& packet) {
  const size_t head = HeadSize(packet);
  if (head == 0) return SrtpResult::kMalformed;
  const size_t growth = size_t{tag_size_} + aead_size_ + mki_.size();
  if (packet.tailroom < growth) return SrtpResult::kNoRoom;
  uint8_t* const data = packet.data;
  const uint32_t ssrc = Load32(data + 8);
  const uint16_t sequence = static_cast<uint16_t>((data[2] << 8) | data[3]);
  Source* const source = Find(ssrc);
  const uint64_t index =
      source == nullptr ? sequence : source->index.Guess(sequence);
  // A packet protected twice would reuse its key stream.
  if (source != nullptr && source->index.IsReplay(index)) {
    return SrtpResult::kReplayed;
  }
  if (index > kLastIndex) return SrtpResult::kFailed;
  uint8_t* const end = data + packet.size;
  if (is_gcm()) {
    const std::array<uint8_t, 12> nonce = Nonce(ssrc, index);
    size_t tag_size = 0;
    if (EVP_AEAD_CTX_seal_scatter(&aead_, data + head, end, &tag_size,
                                  aead_size_, nonce.data(), nonce.size(),
                                  data + head, packet.size - head, nullptr, 0,
                                  data, head) != 1) {
      return SrtpResult::kFailed;
    }
    // RFC 7714 section 13: the MKI comes last.
    if (!mki_.empty()) std::memcpy(end + tag_size, mki_.data(), mki_.size());
  } else {
    Crypt(data + head, packet.size - head, ssrc, index);
    // RFC 3711 section 3.1: the MKI stands before the tag, which does not
    // cover it.
    if (!mki_.empty()) std::memcpy(end, mki_.data(), mki_.size());
    uint8_t* const tag = end + mki_.size();
    // Section 4.2: over the packet and the rollover counter.
    const uint32_t rollovers = static_cast<uint32_t>(index >> 16);
    if (packet.tags != nullptr) {
      packet.tags->Add(hmac_, data, packet.size, rollovers, tag, tag_size_);
    } else {
      HmacSha1Job job = {hmac_, data, packet.size, rollovers, {}};
      ComputeHmacSha1(job);
      std::memcpy(tag, job.digest.data(), tag_size_);
    }
  }
  Remember(source, ssrc, index);
  packet.size += growth;
  packet.tailroom -= growth;
  return SrtpResult::kOk;
}

bool RtpProtector::Foresee(const Packet& packet, HmacSha1Job& job) const {
  if (is_gcm()) return false;  // one pass over the packet does it all
  const size_t growth = size_t{tag_size_} + mki_.size();
  const size_t head = HeadSize(packet);
  if (head == 0 || packet.size < head + growth) return false;
  const uint8_t* const data = packet.data;
  const uint16_t sequence = static_cast<uint16_t>((data[2] << 8) | data[3]);
  const Source* const source = Find(Load32(data + 8));
  uint64_t index = sequence;
  if (source != nullptr) {
    index = source->index.Guess(sequence);
    if (source->index.IsReplay(index)) return false;
  }
  job.key = hmac_;
  job.data = data;
  job.size = packet.size - growth;
  job.suffix = static_cast<uint32_t>(index >> 16);
  return true;
}

SrtpResult RtpProtector::Unprotect(Packet& packet) {
  const size_t growth = size_t{tag_size_} + aead_size_ + mki_.size();
  const size_t head = HeadSize(packet);
  if (head == 0 || packet.size < head + growth) return SrtpResult::kMalformed;
  uint8_t* const data = packet.data;
  const size_t size = packet.size - growth;
  uint8_t* const end = data + size;
  const uint8_t* const mki = is_gcm() ? end + aead_size_ : end;
  if (!mki_.empty() && !ConstantTimeEquals(ByteSpan(mki, mki_.size()), mki_)) {
    return SrtpResult::kAuthFailed;
  }
  const uint32_t ssrc = Load32(data + 8);
  const uint16_t sequence = static_cast<uint16_t>((data[2] << 8) | data[3]);
  Source* const source = Find(ssrc);
  const uint64_t index =
      source == nullptr ? sequence : source->index.Guess(sequence);
  if (source != nullptr && source->index.IsReplay(index)) {
    return SrtpResult::kReplayed;
  }
  if (index > kLastIndex) return SrtpResult::kAuthFailed;
  if (is_gcm()) {
    const std::array<uint8_t, 12> nonce = Nonce(ssrc, index);
    if (EVP_AEAD_CTX_open_gather(&aead_, data + head, nonce.data(),
                                 nonce.size(), data + head, size - head, end,
                                 aead_size_, data, head) != 1) {
      return SrtpResult::kAuthFailed;
    }
  } else {
    const uint32_t rollovers = static_cast<uint32_t>(index >> 16);
    HmacSha1Job own = {hmac_, data, size, rollovers, {}};
    const HmacSha1Job* job = packet.foreseen;
    // What came before it may have moved the counter, or changed the key.
    if (job == nullptr || !job->IsOf(hmac_, data, size, rollovers)) {
      ComputeHmacSha1(own);
      job = &own;
    }
    if (!ConstantTimeEquals(ByteSpan(job->digest.data(), tag_size_),
                            ByteSpan(end + mki_.size(), tag_size_))) {
      return SrtpResult::kAuthFailed;
    }
    Crypt(data + head, size - head, ssrc, index);
  }
  Remember(source, ssrc, index);
  packet.size = size;
  packet.tailroom += growth;
  return SrtpResult::kOk;
}

}  // namespace sallyport::media_relay
