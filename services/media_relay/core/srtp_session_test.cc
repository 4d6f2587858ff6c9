#include "services/media_relay/core/srtp_session.h"

#include <openssl/aead.h>
#include <openssl/aes.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/hmac.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

std::string Bytes(const char* hex) { return absl::HexStringToBytes(hex); }

std::string Hex(const std::string& bytes) {
  return absl::BytesToHexString(bytes);
}

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

// A packet in a buffer with room around it, as the loop lends it.
class Lent {
 public:
  explicit Lent(const std::string& bytes)
      : buffer_(kPacketHeadroom + bytes.size() + kPacketTailroom) {
    std::memcpy(buffer_.data() + kPacketHeadroom, bytes.data(), bytes.size());
    packet.data = buffer_.data() + kPacketHeadroom;
    packet.size = bytes.size();
    packet.headroom = kPacketHeadroom;
    packet.tailroom = kPacketTailroom;
  }
  std::string text() const { return ToString(packet.bytes()); }

  Packet packet;

 private:
  std::vector<uint8_t> buffer_;
};

std::unique_ptr<SrtpSession> Make(SrtpSuite suite, const std::string& key,
                                  SrtpSession::Direction direction,
                                  const std::string& mki = "") {
  auto session = SrtpSession::Create(Library(), suite, AsBytes(key),
                                     AsBytes(mki), direction);
  EXPECT_TRUE(session.ok()) << session.status();
  return *std::move(session);
}

std::string Rtp(uint16_t sequence, uint32_t ssrc, size_t payload = 160) {
  std::string packet = Bytes("800000000000000000000000");
  packet[2] = static_cast<char>(sequence >> 8);
  packet[3] = static_cast<char>(sequence);
  for (int i = 0; i < 4; ++i) {
    packet[8 + i] = static_cast<char>(ssrc >> (24 - 8 * i));
  }
  packet.append(payload, 'v');
  return packet;
}

std::string Rtcp(uint32_t ssrc) {
  std::string packet = Bytes("80c9000100000000");
  for (int i = 0; i < 4; ++i) {
    packet[4 + i] = static_cast<char>(ssrc >> (24 - 8 * i));
  }
  return packet;
}

// --- An independent SRTP, checked by the RFCs' own vectors and then used as
// the oracle, since a wrapper takes master keys and the RFCs give session
// keys.

// AES in counter mode from `iv` (RFC 3711 section 4.1.1).
std::string AesCm(const std::string& key, std::string iv, size_t size) {
  AES_KEY schedule;
  AES_set_encrypt_key(reinterpret_cast<const uint8_t*>(key.data()),
                      static_cast<unsigned>(key.size() * 8), &schedule);
  std::string out;
  while (out.size() < size) {
    uint8_t block[16];
    AES_encrypt(reinterpret_cast<const uint8_t*>(iv.data()), block, &schedule);
    out.append(reinterpret_cast<char*>(block), 16);
    for (int i = 15; i >= 0 && ++iv[i] == 0; --i) {
    }
  }
  out.resize(size);
  return out;
}

// RFC 3711 section 4.3.1, key derivation rate 0.
std::string Derive(const std::string& master, std::string salt, uint8_t label,
                   size_t size) {
  salt.resize(14, '\0');  // RFC 7714 section 11: 96-bit salts are padded
  salt[7] = static_cast<char>(salt[7] ^ label);
  return AesCm(master, salt + std::string(2, '\0'), size);
}

std::string Xor(std::string a, const std::string& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] ^= b[i];
  return a;
}

std::string ReferenceCm(const std::string& master_salt, size_t key_size,
                        size_t tag_size, const std::string& packet,
                        uint32_t roc) {
  const std::string master = master_salt.substr(0, key_size);
  const std::string salt = master_salt.substr(key_size);
  const std::string key = Derive(master, salt, 0, key_size);
  const std::string auth = Derive(master, salt, 1, 20);
  std::string iv = Derive(master, salt, 2, 14) + std::string(2, '\0');
  for (int i = 0; i < 4; ++i) iv[4 + i] ^= packet[8 + i];  // SSRC
  for (int i = 0; i < 4; ++i) {
    iv[8 + i] ^= static_cast<char>(roc >> (24 - 8 * i));
  }
  iv[12] ^= packet[2];  // sequence
  iv[13] ^= packet[3];
  std::string out = packet.substr(0, 12) +
                    Xor(packet.substr(12), AesCm(key, iv, packet.size() - 12));
  std::string with_roc = out;
  for (int i = 0; i < 4; ++i) {
    with_roc.push_back(static_cast<char>(roc >> (24 - 8 * i)));
  }
  const auto tag = HmacSha1(AsBytes(auth), AsBytes(with_roc));
  out.append(reinterpret_cast<const char*>(tag.data()), tag_size);
  return out;
}

std::string SealGcm(const std::string& key, const std::string& nonce,
                    const std::string& aad, const std::string& plain) {
  bssl::ScopedEVP_AEAD_CTX context;
  const EVP_AEAD* aead =
      key.size() == 16 ? EVP_aead_aes_128_gcm() : EVP_aead_aes_256_gcm();
  EXPECT_TRUE(EVP_AEAD_CTX_init(context.get(), aead,
                                reinterpret_cast<const uint8_t*>(key.data()),
                                key.size(), 16, nullptr));
  std::string out(plain.size() + 16, '\0');
  size_t size = 0;
  EXPECT_TRUE(EVP_AEAD_CTX_seal(
      context.get(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size(),
      reinterpret_cast<const uint8_t*>(nonce.data()), nonce.size(),
      reinterpret_cast<const uint8_t*>(plain.data()), plain.size(),
      reinterpret_cast<const uint8_t*>(aad.data()), aad.size()));
  out.resize(size);
  return out;
}

// RFC 7714 section 8.1: 0000 | SSRC | ROC | SEQ, XOR salt.
std::string GcmNonce(std::string salt, const std::string& packet,
                     uint32_t roc) {
  for (int i = 0; i < 4; ++i) salt[2 + i] ^= packet[8 + i];
  for (int i = 0; i < 4; ++i) {
    salt[6 + i] ^= static_cast<char>(roc >> (24 - 8 * i));
  }
  salt[10] ^= packet[2];
  salt[11] ^= packet[3];
  return salt;
}

std::string ReferenceGcm(const std::string& master_salt, size_t key_size,
                         const std::string& packet, uint32_t roc) {
  const std::string master = master_salt.substr(0, key_size);
  const std::string salt = master_salt.substr(key_size);
  const std::string key = Derive(master, salt, 0, key_size);
  const std::string session_salt = Derive(master, salt, 2, 12);
  return packet.substr(0, 12) +
         SealGcm(key, GcmNonce(session_salt, packet, roc), packet.substr(0, 12),
                 packet.substr(12));
}

// --- The vectors of the RFCs on the oracle.

TEST(Rfc3711AppendixB, B2AesCounterMode) {
  const std::string stream =
      AesCm(Bytes("2b7e151628aed2a6abf7158809cf4f3c"),
            Bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"), 0xFF02 * 16);
  EXPECT_EQ(Hex(stream.substr(0, 48)),
            "e03ead0935c95e80e166b16dd92b4eb4"
            "d23513162b02d0f72a43a2fe4a5f97ab"
            "41e95b3bb0a2e8dd477901e4fca894c0");
  EXPECT_EQ(Hex(stream.substr(0xFEFF * 16, 48)),
            "ec8cdf7398607cb0f2d21675ea9ea1e4"
            "362b7c3c6773516318a077d7fc5073ae"
            "6a2cc3787889374fbeb4c81b17ba6c44");
}

TEST(Rfc3711AppendixB, B3KeyDerivation) {
  const std::string master = Bytes("e1f97a0d3e018be0d64fa32c06de4139");
  const std::string salt = Bytes("0ec675ad498afeebb6960b3aabe6");
  EXPECT_EQ(Hex(Derive(master, salt, 0, 16)),
            "c61e7a93744f39ee10734afe3ff7a087");
  EXPECT_EQ(Hex(Derive(master, salt, 2, 14)), "30cbbc08863d8c85d49db34a9ae1");
  EXPECT_EQ(Hex(Derive(master, salt, 1, 94)),
            "cebe321f6ff7716b6fd4ab49af256a156d38baa4"
            "8f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098"
            "6371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e"
            "474035766b68642c59bbfc2f34db60dbdfb2");
}

TEST(Rfc6188, Section71Aes256CounterMode) {
  const std::string stream =
      AesCm(Bytes("57f82fe3613fd170a85ec93c40b1f092"
                  "2ec4cb0dc025b58272147cc438944a98"),
            Bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"), 0xFF02 * 16);
  EXPECT_EQ(Hex(stream.substr(0, 48)),
            "92bdd28a93c3f52511c677d08b5515a4"
            "9da71b2378a854f67050756ded165bac"
            "63c4868b7096d88421b563b8c94c9a31");
  EXPECT_EQ(Hex(stream.substr(0xFEFF * 16, 48)),
            "cea518c90fd91ced9cbb18c078a54711"
            "3dbc4814f4da5f00a08772b63c6a046d"
            "6eb246913062a16891433e97dd01a57f");
}

constexpr char kRfc6188Key[] =
    "f0f04914b513f2763a1b1fa130f10e29"
    "98f6f6e43e4309d1e622a0e332b9f1b6";
constexpr char kRfc6188Salt[] = "3b04803de51ee7c96423ab5b78d2";

TEST(Rfc6188, Section72KeyDerivation) {
  const std::string master = Bytes(kRfc6188Key);
  const std::string salt = Bytes(kRfc6188Salt);
  EXPECT_EQ(Hex(Derive(master, salt, 0, 32)),
            "5ba1064e30ec51613cad926c5a28ef73"
            "1ec7fb397f70a960653caf06554cd8c4");
  EXPECT_EQ(Hex(Derive(master, salt, 2, 14)), "fa31791685ca444a9e07c6c64e93");
  EXPECT_EQ(Hex(Derive(master, salt, 1, 20)),
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
}

constexpr char kGcmPacket[] =
    "8040f17b8041f8d35501a0b2"
    "47616c6c696120657374206f6d6e6973206469766973612069"
    "6e207061727465732074726573";
constexpr char kGcmSalt[] = "517569642070726f2071756f";

// RFC 7714 section 16.1.1.
TEST(Rfc7714Section16, Aes128Gcm) {
  const std::string packet = Bytes(kGcmPacket);
  const std::string nonce = GcmNonce(Bytes(kGcmSalt), packet, 0);
  EXPECT_EQ(Hex(nonce), "51753c6580c2726f20718414");
  EXPECT_EQ(Hex(SealGcm(Bytes("000102030405060708090a0b0c0d0e0f"), nonce,
                        packet.substr(0, 12), packet.substr(12))),
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b"
            "36de3adf8833899d7f27beb16a9152cf765ee4390cce");
}

// RFC 7714 section 16.2.1.
TEST(Rfc7714Section16, Aes256Gcm) {
  const std::string packet = Bytes(kGcmPacket);
  EXPECT_EQ(Hex(SealGcm(Bytes("000102030405060708090a0b0c0d0e0f"
                              "101112131415161718191a1b1c1d1e1f"),
                        GcmNonce(Bytes(kGcmSalt), packet, 0),
                        packet.substr(0, 12), packet.substr(12))),
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f"
            "1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13");
}

// The known answer that libsrtp2's own driver uses (srtp_validate).
TEST(SrtpSessionTest, LibsrtpReferencePacket) {
  const std::string key =
      Bytes("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
  const std::string plain =
      Bytes("800f1234decafbadcafebabeabababababababababababababababab");
  const std::string expected = Bytes(
      "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402"
      "b78d6acc99ea179b8dbb");
  EXPECT_EQ(ReferenceCm(key, 16, 10, plain, 0), expected);
  auto protect = Make(SrtpSuite::kAesCm128HmacSha1_80, key,
                      SrtpSession::Direction::kProtect);
  Lent lent(plain);
  ASSERT_EQ(protect->ProtectRtp(lent.packet), SrtpResult::kOk);
  EXPECT_EQ(lent.text(), expected);
  auto unprotect = Make(SrtpSuite::kAesCm128HmacSha1_80, key,
                        SrtpSession::Direction::kUnprotect);
  ASSERT_EQ(unprotect->UnprotectRtp(lent.packet), SrtpResult::kOk);
  EXPECT_EQ(lent.text(), plain);
}

// The same of srtp_validate_aes_256, whose master key is RFC 6188's.
TEST(SrtpSessionTest, LibsrtpReferencePacketOfAes256) {
  const std::string key = Bytes(kRfc6188Key) + Bytes(kRfc6188Salt);
  const std::string plain =
      Bytes("800f1234decafbadcafebabeabababababababababababababababab");
  const std::string expected = Bytes(
      "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40d"
      "a08d9d9a5b3a55d8873b");
  EXPECT_EQ(ReferenceCm(key, 32, 10, plain, 0), expected);
  auto protect = Make(SrtpSuite::kAes256CmHmacSha1_80, key,
                      SrtpSession::Direction::kProtect);
  Lent lent(plain);
  ASSERT_EQ(protect->ProtectRtp(lent.packet), SrtpResult::kOk);
  EXPECT_EQ(lent.text(), expected);
}

class EverySuite : public testing::TestWithParam<SrtpSuite> {
 protected:
  std::string Key(char first = 1) const {
    std::string key(KeySaltSize(GetParam()), '\0');
    for (size_t i = 0; i < key.size(); ++i) {
      key[i] = static_cast<char>(first + static_cast<char>(i));
    }
    return key;
  }
  std::unique_ptr<SrtpSession> Protect() const {
    return Make(GetParam(), Key(), SrtpSession::Direction::kProtect);
  }
  std::unique_ptr<SrtpSession> Unprotect() const {
    return Make(GetParam(), Key(), SrtpSession::Direction::kUnprotect);
  }
};

// AVE-53, AVE-55.
TEST_P(EverySuite, AgreesWithTheOracle) {
  auto session = Protect();
  const SrtpSuiteInfo info = InfoOf(GetParam());
  uint32_t roc = 0;
  uint16_t sequence = 65530;  // across the wrap (RFC 3711 section 3.3.1)
  for (int i = 0; i < 20; ++i) {
    const std::string plain = Rtp(sequence, 0xCAFEBABE);
    const std::string expected =
        info.salt_size == 12
            ? ReferenceGcm(Key(), info.key_size, plain, roc)
            : ReferenceCm(Key(), info.key_size, info.rtp_tag_size, plain, roc);
    Lent lent(plain);
    ASSERT_EQ(session->ProtectRtp(lent.packet), SrtpResult::kOk);
    EXPECT_EQ(Hex(lent.text()), Hex(expected)) << sequence;
    if (++sequence == 0) ++roc;
  }
  EXPECT_EQ(roc, 1u);
}

TEST_P(EverySuite, RoundTripRtpAndRtcpWithMki) {
  for (const std::string& mki : {std::string(), std::string("\x01\x02", 2)}) {
    if (!mki.empty() && GetParam() == SrtpSuite::kAesCm128HmacSha1_32) {
      EXPECT_FALSE(SrtpSession::Create(Library(), GetParam(), AsBytes(Key()),
                                       AsBytes(mki),
                                       SrtpSession::Direction::kProtect)
                       .ok());
      continue;
    }
    auto protect =
        Make(GetParam(), Key(), SrtpSession::Direction::kProtect, mki);
    auto unprotect =
        Make(GetParam(), Key(), SrtpSession::Direction::kUnprotect, mki);
    for (uint16_t i = 0; i < 50; ++i) {
      Lent rtp(Rtp(i, 7));
      ASSERT_EQ(protect->ProtectRtp(rtp.packet), SrtpResult::kOk);
      EXPECT_EQ(rtp.packet.size,
                172 + InfoOf(GetParam()).rtp_tag_size + mki.size());
      ASSERT_EQ(unprotect->UnprotectRtp(rtp.packet), SrtpResult::kOk);
      EXPECT_EQ(rtp.text(), Rtp(i, 7));
      Lent rtcp(Rtcp(7));
      ASSERT_EQ(protect->ProtectRtcp(rtcp.packet), SrtpResult::kOk);
      ASSERT_EQ(unprotect->UnprotectRtcp(rtcp.packet), SrtpResult::kOk);
      EXPECT_EQ(rtcp.text(), Rtcp(7));
    }
  }
}

// AVE-56: nothing can be injected. AVE-57: what fails is an error of one
// packet.
TEST_P(EverySuite, EveryFlippedBitFails) {
  auto protect = Protect();
  Lent lent(Rtp(1, 7, 20));
  ASSERT_EQ(protect->ProtectRtp(lent.packet), SrtpResult::kOk);
  const std::string good = lent.text();
  auto unprotect = Unprotect();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    Lent changed(bad);
    EXPECT_NE(unprotect->UnprotectRtp(changed.packet), SrtpResult::kOk) << bit;
  }
  // None of them took up a source or moved the replay list.
  EXPECT_EQ(unprotect->source_count(), 0u);
  EXPECT_EQ(unprotect->UnprotectRtp(lent.packet), SrtpResult::kOk);
}

TEST_P(EverySuite, ReplayAndWrongKeyAreTold) {
  auto protect = Protect();
  auto unprotect = Unprotect();
  auto other = Make(GetParam(), Key(99), SrtpSession::Direction::kUnprotect);
  Lent first(Rtp(100, 7));
  ASSERT_EQ(protect->ProtectRtp(first.packet), SrtpResult::kOk);
  const std::string wire = first.text();
  Lent wrong(wire);
  EXPECT_EQ(other->UnprotectRtp(wrong.packet), SrtpResult::kAuthFailed);
  ASSERT_EQ(unprotect->UnprotectRtp(first.packet), SrtpResult::kOk);
  Lent again(wire);
  EXPECT_EQ(unprotect->UnprotectRtp(again.packet), SrtpResult::kReplayed);
  // Protecting the same sequence twice would reuse the key stream.
  Lent repeated(Rtp(100, 7));
  EXPECT_EQ(protect->ProtectRtp(repeated.packet), SrtpResult::kReplayed);
}

TEST_P(EverySuite, WindowOf1024AllowsReordering) {
  auto protect = Protect();
  auto unprotect = Unprotect();
  std::vector<std::string> wire;
  for (uint16_t i = 0; i < 1100; ++i) {
    Lent lent(Rtp(i, 7, 20));
    ASSERT_EQ(protect->ProtectRtp(lent.packet), SrtpResult::kOk);
    wire.push_back(lent.text());
  }
  Lent newest(wire[1099]);
  ASSERT_EQ(unprotect->UnprotectRtp(newest.packet), SrtpResult::kOk);
  Lent late(wire[1099 - 1000]);
  EXPECT_EQ(unprotect->UnprotectRtp(late.packet), SrtpResult::kOk);
  Lent too_late(wire[10]);
  EXPECT_EQ(unprotect->UnprotectRtp(too_late.packet), SrtpResult::kReplayed);
}

TEST_P(EverySuite, NumberOfSourcesIsBounded) {
  auto protect = Protect();
  auto unprotect = Unprotect();
  for (uint32_t ssrc = 1; ssrc <= SrtpSession::kMaxSources; ++ssrc) {
    Lent lent(Rtp(1, ssrc, 20));
    ASSERT_EQ(protect->ProtectRtp(lent.packet), SrtpResult::kOk);
    ASSERT_EQ(unprotect->UnprotectRtp(lent.packet), SrtpResult::kOk);
  }
  Lent more(Rtp(1, 1000, 20));
  EXPECT_EQ(protect->ProtectRtp(more.packet), SrtpResult::kTooManySources);
  Lent known(Rtp(2, 1, 20));
  EXPECT_EQ(protect->ProtectRtp(known.packet), SrtpResult::kOk);
}

TEST_P(EverySuite, ShortAndTightPacketsAreRefused) {
  auto protect = Protect();
  auto unprotect = Unprotect();
  for (size_t size = 0; size < 12; ++size) {
    Lent lent(std::string(size, '\x80'));
    EXPECT_EQ(protect->ProtectRtp(lent.packet), SrtpResult::kMalformed);
    EXPECT_EQ(unprotect->UnprotectRtp(lent.packet), SrtpResult::kMalformed);
    EXPECT_EQ(unprotect->UnprotectRtcp(lent.packet), SrtpResult::kMalformed);
  }
  Lent tight(Rtp(1, 7));
  tight.packet.tailroom = 3;
  EXPECT_EQ(protect->ProtectRtp(tight.packet), SrtpResult::kNoRoom);
}

INSTANTIATE_TEST_SUITE_P(Suites, EverySuite,
                         testing::Values(SrtpSuite::kAesCm128HmacSha1_80,
                                         SrtpSuite::kAesCm128HmacSha1_32,
                                         SrtpSuite::kAes256CmHmacSha1_80,
                                         SrtpSuite::kAeadAes128Gcm,
                                         SrtpSuite::kAeadAes256Gcm),
                         [](const auto& info) {
                           return std::string(InfoOf(info.param).name);
                         });

TEST(SrtpSessionTest, WrongKeySizesAreRefused) {
  for (const size_t size : {0u, 16u, 29u, 31u, 46u}) {
    EXPECT_FALSE(SrtpSession::Create(Library(), SrtpSuite::kAesCm128HmacSha1_80,
                                     AsBytes(std::string(size, 'k')), {},
                                     SrtpSession::Direction::kProtect)
                     .ok());
  }
}

TEST(SrtpSessionTest, HasKeyTellsKeysAndMkisApart) {
  const std::string key(30, 'k');
  const std::string mki = "m";
  auto session = Make(SrtpSuite::kAesCm128HmacSha1_80, key,
                      SrtpSession::Direction::kUnprotect, mki);
  EXPECT_TRUE(session->HasKey(AsBytes(key), AsBytes(mki)));
  EXPECT_FALSE(session->HasKey(AsBytes(key), {}));
  const std::string other(30, 'j');
  EXPECT_FALSE(session->HasKey(AsBytes(other), AsBytes(mki)));
}

}  // namespace
}  // namespace sallyport::media_relay
