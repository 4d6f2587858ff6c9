#include "services/signaling_edge/core/dialog_token.h"

#include <array>

#include "absl/memory/memory.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/hmac.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kNonceSize = 8;
constexpr size_t kOwnerSize = 12;
constexpr size_t kTagSize = 8;
constexpr size_t kSize = kNonceSize + kOwnerSize + kTagSize;
static_assert(kTokenSize == 2 * kSize);

absl::Status BadKeys() {
  return MakeError(absl::StatusCode::kInvalidArgument, "TOKEN_KEY_INVALID",
                   "32 octets, or one or two lines of 64 hexadecimal digits, "
                   "are wanted");
}

// Hides the owner, or shows it.
std::array<uint8_t, kOwnerSize> Masked(const Secret& key, ByteSpan nonce,
                                       ByteSpan owner) {
  const Sha256Digest stream =
      HmacSha256(key.DangerousBytes(), {AsBytes("token owner"), nonce});
  std::array<uint8_t, kOwnerSize> out;
  for (size_t i = 0; i < kOwnerSize; ++i) {
    out[i] = static_cast<uint8_t>(owner[i] ^ stream[i]);
  }
  return out;
}

Sha256Digest TagOf(const Secret& key, ByteSpan nonce, ByteSpan hidden) {
  return HmacSha256(key.DangerousBytes(),
                    {AsBytes("token tag"), nonce, hidden});
}

}  // namespace

uint64_t EdgeNumber(std::string_view edge_id) {
  std::string text = "sallyport edge ";
  text.append(edge_id);
  const Sha256Digest digest = Sha256(AsBytes(text));
  const uint64_t number = *ByteReader(digest).ReadU64();
  return number == 0 ? 1 : number;
}

absl::StatusOr<std::shared_ptr<const TokenKeys>> TokenKeys::Parse(
    std::string_view text) {
  std::vector<Secret> keys;
  if (text.size() == kTokenKeySize) {
    keys.push_back(Secret::CopyOf(text));
    return absl::WrapUnique(new TokenKeys(std::move(keys)));
  }
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    if (line.size() != 2 * kTokenKeySize || keys.size() == 2) return BadKeys();
    auto key = HexDecode(line);
    if (!key.ok()) return BadKeys();
    keys.push_back(Secret::Take(*std::move(key)));
  }
  if (keys.empty()) return BadKeys();
  return absl::WrapUnique(new TokenKeys(std::move(keys)));
}

std::shared_ptr<const TokenKeys> TokenKeys::Random(RandomSource& random) {
  std::vector<Secret> keys;
  keys.push_back(Secret::Random(random, kTokenKeySize));
  return absl::WrapUnique(new TokenKeys(std::move(keys)));
}

std::string MintToken(const TokenKeys& keys, NodeId owner,
                      RandomSource& random) {
  ByteBuilder nonce;
  nonce.WriteU64(random.NextU64());
  ByteBuilder plain;
  plain.WriteU64(owner.edge);
  plain.WriteU32(owner.loop);
  const auto hidden = Masked(keys.first(), nonce.written(), plain.written());
  const Sha256Digest tag = TagOf(keys.first(), nonce.written(), hidden);
  ByteBuilder out;
  out.WriteBytes(nonce.written());
  out.WriteBytes(hidden);
  out.WriteBytes(ByteSpan(tag).first(kTagSize));
  return HexEncode(out.written());
}

std::optional<NodeId> OwnerOfToken(const TokenKeys& keys,
                                   std::string_view token) {
  if (token.size() != kTokenSize) return std::nullopt;
  const auto octets = HexDecode(token);
  if (!octets.ok()) return std::nullopt;
  ByteReader reader(AsBytes(*octets));
  const ByteSpan nonce = *reader.ReadBytes(kNonceSize);
  const ByteSpan hidden = *reader.ReadBytes(kOwnerSize);
  const ByteSpan tag = *reader.ReadBytes(kTagSize);
  for (const Secret& key : keys.all()) {
    const Sha256Digest want = TagOf(key, nonce, hidden);
    if (!ConstantTimeEquals(ByteSpan(want).first(kTagSize), tag)) continue;
    const auto plain = Masked(key, nonce, hidden);
    ByteReader owner(plain);
    NodeId out;
    out.edge = *owner.ReadU64();
    out.loop = *owner.ReadU32();
    return out;
  }
  return std::nullopt;
}

}  // namespace sallyport::signaling_edge
