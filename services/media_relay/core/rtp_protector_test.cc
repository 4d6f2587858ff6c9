#include "services/media_relay/core/rtp_protector.h"

#include <srtp2/srtp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/media_relay/core/foreseen_tags.h"
#include "services/media_relay/core/hmac_sha1_batch.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"
#include "services/media_relay/core/tag_batch.h"

namespace sallyport::media_relay {
namespace {

// libsrtp2 in one direction, as the reference.
class Reference {
 public:
  Reference(SrtpSuite suite, const std::string& key, bool outbound) {
    static const bool ready = srtp_init() == srtp_err_status_ok;
    EXPECT_TRUE(ready);
    srtp_policy_t policy = {};
    switch (suite) {
      case SrtpSuite::kAesCm128HmacSha1_80:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        break;
      case SrtpSuite::kAesCm128HmacSha1_32:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp);
        break;
      case SrtpSuite::kAes256CmHmacSha1_80:
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy.rtp);
        break;
      case SrtpSuite::kAeadAes128Gcm:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        break;
      case SrtpSuite::kAeadAes256Gcm:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
        break;
    }
    policy.rtcp = policy.rtp;
    policy.ssrc.type = outbound ? ssrc_any_outbound : ssrc_any_inbound;
    policy.window_size = 1024;
    policy.key =
        reinterpret_cast<unsigned char*>(const_cast<char*>(key.data()));
    EXPECT_EQ(srtp_create(&context_, &policy), srtp_err_status_ok);
  }
  ~Reference() { srtp_dealloc(context_); }

  std::string Protect(const std::string& packet) {
    return Through(packet, srtp_protect);
  }
  std::string Unprotect(const std::string& packet) {
    return Through(packet, srtp_unprotect);
  }

 private:
  template <typename Call>
  std::string Through(const std::string& packet, Call call) {
    std::vector<uint8_t> buffer(packet.begin(), packet.end());
    buffer.resize(packet.size() + 200);
    int size = static_cast<int>(packet.size());
    if (call(context_, buffer.data(), &size) != srtp_err_status_ok) return "";
    return std::string(buffer.begin(), buffer.begin() + size);
  }

  srtp_t context_ = nullptr;
};

template <typename Call>
std::string Through(const std::string& bytes, Call call) {
  std::vector<uint8_t> buffer(bytes.begin(), bytes.end());
  buffer.resize(bytes.size() + kPacketTailroom);
  Packet packet{buffer.data(), bytes.size(), 0, kPacketTailroom};
  if (call(packet) != SrtpResult::kOk) return "";
  return ToString(packet.bytes());
}

std::string Rtp(uint32_t index, size_t payload, bool extension, size_t csrcs) {
  std::string packet(12, '\0');
  packet[0] = static_cast<char>(0x80 | (extension ? 0x10 : 0) | csrcs);
  packet[2] = static_cast<char>(index >> 8);
  packet[3] = static_cast<char>(index);
  packet[10] = 5;
  packet[11] = static_cast<char>(index % 2);
  packet.append(4 * csrcs, 'c');
  if (extension) packet += std::string("\xBE\xDE\0\1abcd", 8);
  for (size_t i = 0; i < payload; ++i) {
    packet.push_back(static_cast<char>(index * 31 + i));
  }
  return packet;
}

class EveryRtpSuite : public testing::TestWithParam<SrtpSuite> {
 protected:
  EveryRtpSuite() {
    for (size_t i = 0; i < KeySaltSize(GetParam()); ++i) {
      key_.push_back(static_cast<char>(i * 17 + 3));
    }
  }
  std::string key_;
};

// Two sources, heads of all kinds, over more than one rollover.
TEST_P(EveryRtpSuite, IsLibsrtpsOctetForOctet) {
  RtpProtector own_out(GetParam(), AsBytes(key_), {});
  RtpProtector own_in(GetParam(), AsBytes(key_), {});
  Reference out(GetParam(), key_, true);
  Reference in(GetParam(), key_, false);
  for (uint32_t index = 1000; index < 150'000; index += 7) {
    const std::string plain =
        Rtp(index, index % 190, index % 5 == 0, index % 3);
    const std::string reference = out.Protect(plain);
    ASSERT_FALSE(reference.empty()) << index;
    const std::string own =
        Through(plain, [&](Packet& p) { return own_out.Protect(p); });
    ASSERT_EQ(own, reference) << index;
    ASSERT_EQ(
        Through(reference, [&](Packet& p) { return own_in.Unprotect(p); }),
        plain)
        << index;
    ASSERT_EQ(in.Unprotect(own), plain) << index;
  }
}

// Tags that are left to a batch are those that are written at once, whatever
// becomes of the protector meanwhile.
TEST_P(EveryRtpSuite, TagsMayBeLeftToABatch) {
  RtpProtector at_once(GetParam(), AsBytes(key_), {});
  auto later =
      std::make_unique<RtpProtector>(GetParam(), AsBytes(key_), ByteSpan());
  TagBatch tags;
  std::vector<std::vector<uint8_t>> buffers;
  std::vector<size_t> sizes;
  std::vector<std::string> expected;
  for (uint32_t index = 65500; index < 65560; ++index) {
    const std::string plain = Rtp(index, index % 190, index % 5 == 0, 1);
    expected.push_back(
        Through(plain, [&](Packet& p) { return at_once.Protect(p); }));
    ASSERT_FALSE(expected.back().empty());
    std::vector<uint8_t>& buffer =
        buffers.emplace_back(plain.begin(), plain.end());
    buffer.resize(plain.size() + kPacketTailroom);
    Packet packet{buffer.data(), plain.size(), 0, kPacketTailroom, &tags};
    ASSERT_EQ(later->Protect(packet), SrtpResult::kOk);
    sizes.push_back(packet.size);
  }
  later.reset();
  tags.Finish();
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(
        std::string(buffers[i].begin(),
                    buffers[i].begin() + static_cast<ptrdiff_t>(sizes[i])),
        expected[i])
        << i;
  }
}

// Batches whose tags are computed ahead are judged as libsrtp2 judges them one
// by one: two sources from their first packet over more than one rollover, with
// repeated packets, wrong tags and changed octets in the middle.
TEST_P(EveryRtpSuite, ForeseenTagsChangeNothing) {
  RtpProtector own(GetParam(), AsBytes(key_), {});
  Reference out(GetParam(), key_, true);
  Reference in(GetParam(), key_, false);
  ForeseenTags foreseen;
  size_t refused = 0;
  size_t used = 0;
  std::string before;
  uint32_t index = 65'400;
  for (int round = 0; round < 760; ++round) {
    std::vector<std::string> packets;
    while (packets.size() < 1 + static_cast<size_t>(round) % kMaxBatch) {
      std::string packet =
          out.Protect(Rtp(index, index % 190, index % 5 == 0, index % 3));
      ASSERT_FALSE(packet.empty()) << index;
      index += 3;
      if (index % 11 == 0) packets.push_back(before);
      before = packet;
      if (index % 13 == 0) packet.back() ^= 1;
      if (index % 17 == 0) packet[packet.size() / 2] ^= 1;
      packets.push_back(packet);
    }
    std::vector<std::vector<uint8_t>> buffers;
    std::vector<Packet> lent;
    for (const std::string& packet : packets) {
      std::vector<uint8_t>& buffer =
          buffers.emplace_back(packet.begin(), packet.end());
      buffer.resize(packet.size() + kPacketTailroom);
      lent.push_back({buffer.data(), packet.size(), 0, kPacketTailroom});
    }
    for (Packet& packet : lent) {
      foreseen.Add(packet,
                   [&](HmacSha1Job& job) { return own.Foresee(packet, job); });
    }
    foreseen.Compute();
    for (size_t i = 0; i < lent.size(); ++i) {
      used += lent[i].foreseen != nullptr ? 1 : 0;
      const bool passed = own.Unprotect(lent[i]) == SrtpResult::kOk;
      const std::string expected = in.Unprotect(packets[i]);
      ASSERT_EQ(passed ? ToString(lent[i].bytes()) : "", expected)
          << round << ", " << i;
      refused += passed ? 0 : 1;
    }
    foreseen.Clear();
    for (const Packet& packet : lent) EXPECT_EQ(packet.foreseen, nullptr);
  }
  EXPECT_GT(index, 65'536u + 65'536u);
  EXPECT_GT(refused, 4'000u);
  const bool gcm = InfoOf(GetParam()).rtp_tag_size == 16;
  if (gcm) {
    EXPECT_EQ(used, 0u);
  } else {
    EXPECT_GT(used, 20'000u);
  }
}

// What was foreseen with a key that has been changed since, or of octets that
// have, counts for nothing.
TEST(ForeseenTagsTest, AreOfTheirKeyAndPacketOnly) {
  const SrtpSuite suite = SrtpSuite::kAesCm128HmacSha1_80;
  const std::string key(KeySaltSize(suite), 'k');
  const std::string other_key(KeySaltSize(suite), 'o');
  RtpProtector out(suite, AsBytes(key), {});
  const std::string packet =
      Through(Rtp(7, 160, false, 0), [&](Packet& p) { return out.Protect(p); });
  std::vector<uint8_t> buffer(packet.begin(), packet.end());
  buffer.resize(packet.size() + kPacketTailroom);
  Packet lent{buffer.data(), packet.size(), 0, kPacketTailroom};
  // A digest that does verify, lent to who has another key.
  RtpProtector in(suite, AsBytes(key), {});
  RtpProtector other(suite, AsBytes(other_key), {});
  HmacSha1Job job;
  ASSERT_TRUE(in.Foresee(lent, job));
  ComputeHmacSha1(job);
  lent.foreseen = &job;
  EXPECT_EQ(other.Unprotect(lent), SrtpResult::kAuthFailed);
  // One that is wrong, of another rollover counter: it is not looked at.
  job.suffix = 1;
  job.digest = {};
  EXPECT_EQ(in.Unprotect(lent), SrtpResult::kOk);
  EXPECT_EQ(ToString(lent.bytes()), Rtp(7, 160, false, 0));
  // Replayed and cut packets need none.
  lent = {buffer.data(), packet.size(), 0, kPacketTailroom};
  EXPECT_FALSE(in.Foresee(lent, job));
  lent.size = 13;
  EXPECT_FALSE(in.Foresee(lent, job));
}

TEST_P(EveryRtpSuite, HeadsThatAreCutAreRefused) {
  RtpProtector protector(GetParam(), AsBytes(key_), {});
  std::string cut = Rtp(1, 0, true, 2);
  cut.resize(cut.size() - 1);
  std::vector<uint8_t> buffer(cut.begin(), cut.end());
  buffer.resize(cut.size() + kPacketTailroom);
  Packet packet{buffer.data(), cut.size(), 0, kPacketTailroom};
  EXPECT_EQ(protector.Protect(packet), SrtpResult::kMalformed);
  EXPECT_EQ(protector.Unprotect(packet), SrtpResult::kMalformed);
}

INSTANTIATE_TEST_SUITE_P(Suites, EveryRtpSuite,
                         testing::Values(SrtpSuite::kAesCm128HmacSha1_80,
                                         SrtpSuite::kAesCm128HmacSha1_32,
                                         SrtpSuite::kAes256CmHmacSha1_80,
                                         SrtpSuite::kAeadAes128Gcm,
                                         SrtpSuite::kAeadAes256Gcm));

// RFC 3711 section 3.3.1.
TEST(PacketIndexTest, GuessesAcrossRollovers) {
  PacketIndex index;
  EXPECT_EQ(index.Guess(65000), 65000u);
  index.Add(65000);
  EXPECT_EQ(index.Guess(65001), 65001u);
  EXPECT_EQ(index.Guess(64000), 64000u);
  EXPECT_EQ(index.Guess(10), 65546u);
  index.Add(65546);
  EXPECT_EQ(index.Guess(65535), 65535u);  // late, of before
  EXPECT_EQ(index.Guess(20), 65556u);
  PacketIndex low;
  low.Add(5);
  EXPECT_EQ(low.Guess(60000), 60000u);  // nothing is before the first rollover
}

TEST(PacketIndexTest, WindowOf1024) {
  PacketIndex index;
  EXPECT_FALSE(index.IsReplay(5000));
  index.Add(5000);
  EXPECT_TRUE(index.IsReplay(5000));
  EXPECT_FALSE(index.IsReplay(5000 - 1023));
  EXPECT_TRUE(index.IsReplay(5000 - 1024));
  index.Add(5000 - 1023);
  EXPECT_TRUE(index.IsReplay(5000 - 1023));
  index.Add(5100);
  EXPECT_TRUE(index.IsReplay(5000));
  EXPECT_FALSE(index.IsReplay(5001));
  EXPECT_TRUE(index.IsReplay(5100 - 1024));
  // What a slot was for a thousand packets ago is forgotten.
  EXPECT_FALSE(index.IsReplay(5050));
  index.Add(9000);
  for (uint64_t i = 9000 - 1023; i < 9000; ++i) {
    ASSERT_FALSE(index.IsReplay(i)) << i;
  }
}

}  // namespace
}  // namespace sallyport::media_relay
