#include "services/signaling_edge/core/gruu.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/bytes/string_view.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/digest.h"
#include "services/common/crypto/hmac.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kPrefix = "tgruu.";
constexpr size_t kNonceSize = 8;
constexpr size_t kTagSize = 16;
// User names are hidden up to a multiple of this.
constexpr size_t kPad = 16;
constexpr size_t kMaxUsername = 128;

// Nonce, hidden text and tag, or their like the other way round.
std::string Hidden(const Secret& key, ByteSpan nonce, std::string_view text) {
  std::string out(text);
  Sha256Digest stream;
  for (size_t i = 0; i < out.size(); ++i) {
    if (i % stream.size() == 0) {
      const std::array<uint8_t, 1> block = {
          static_cast<uint8_t>(i / stream.size())};
      stream = HmacSha256(key.DangerousBytes(),
                          {AsBytes("temporary gruu"), nonce, block});
    }
    out[i] = static_cast<char>(out[i] ^ stream[i % stream.size()]);
  }
  return out;
}

Sha256Digest TagOf(const Secret& key, ByteSpan nonce, std::string_view hidden) {
  return HmacSha256(key.DangerousBytes(),
                    {AsBytes("temporary gruu tag"), nonce, AsBytes(hidden)});
}

GruuDevice::Mark MarkOf(std::string_view text) {
  const Sha256Digest digest = Sha256(AsBytes(text));
  GruuDevice::Mark out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

GruuDevice::Mark ReadMark(ByteReader& reader) {
  const auto bytes = reader.ReadBytes(GruuDevice::Mark().size());
  GruuDevice::Mark out = {};
  if (bytes.has_value()) std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

}  // namespace

std::string InstanceParam(std::string_view instance) {
  if (instance.starts_with('<') && instance.ends_with('>') &&
      instance.size() >= 2) {
    instance = instance.substr(1, instance.size() - 2);
  }
  return PercentEncode(instance, "[]/:&+$");
}

std::string PublicGruu(std::string_view username, std::string_view domain,
                       std::string_view instance) {
  return Cat("sip:", PercentEncode(username, "+"), "@", domain,
             ";gr=", InstanceParam(instance));
}

std::string TemporaryGruus::Make(std::string_view username,
                                 std::string_view domain,
                                 const Binding& binding) {
  if (keys_ == nullptr || binding.instance.empty() || binding.bulk ||
      username.empty() || username.size() > kMaxUsername) {
    return {};
  }
  ByteBuilder nonce;
  nonce.WriteU64(random_.NextU64());
  ByteBuilder plain;
  plain.WriteBytes(MarkOf(binding.instance));
  plain.WriteBytes(MarkOf(binding.call_id));
  plain.WriteU8(static_cast<uint8_t>(username.size()));
  plain.WriteText(username);
  std::string text(AsText(plain.written()));
  text.append((kPad - (1 + username.size()) % kPad) % kPad, '\0');
  const Secret& key = keys_->first();
  const std::string hidden = Hidden(key, nonce.written(), text);
  const Sha256Digest tag = TagOf(key, nonce.written(), hidden);
  const std::string whole = Cat(AsText(nonce.written()), hidden,
                                AsText(ByteSpan(tag).first(kTagSize)));
  return Cat("sip:", kPrefix, absl::WebSafeBase64Escape(whole), "@", domain,
             ";gr");
}

std::optional<GruuDevice> TemporaryGruus::Read(const SipUri& uri) const {
  const auto param = uri.Param("gr");
  if (!param.has_value()) return std::nullopt;
  if (!param->empty()) return GruuDevice{.urn = std::string(*param)};
  const std::string user = uri.DecodedUser();
  std::string whole;
  if (keys_ == nullptr || user.size() > 512 ||
      !std::string_view(user).starts_with(kPrefix) ||
      !absl::WebSafeBase64Unescape(user.substr(kPrefix.size()), &whole) ||
      whole.size() < kNonceSize + kTagSize) {
    return std::nullopt;
  }
  const ByteSpan nonce = AsBytes(whole).first(kNonceSize);
  const std::string_view hidden = std::string_view(whole).substr(
      kNonceSize, whole.size() - kNonceSize - kTagSize);
  const ByteSpan tag = AsBytes(whole).subspan(whole.size() - kTagSize);
  for (const Secret& key : keys_->all()) {
    const Sha256Digest want = TagOf(key, nonce, hidden);
    if (!ConstantTimeEquals(ByteSpan(want).first(kTagSize), tag)) continue;
    const std::string plain = Hidden(key, nonce, hidden);
    ByteReader reader(AsBytes(plain));
    GruuDevice device;
    device.instance = ReadMark(reader);
    device.registration = ReadMark(reader);
    const auto username = reader.ReadU8Prefixed();
    if (!username.has_value() || username->empty()) return std::nullopt;
    device.username = ToString(*username);
    return device;
  }
  return std::nullopt;
}

bool TemporaryGruus::IsOf(const GruuDevice& device,
                          const Binding& binding) const {
  if (binding.instance.empty() || binding.bulk) return false;
  if (!device.temporary()) {
    return EqualsIgnoreCase(InstanceParam(binding.instance), device.urn);
  }
  return MarkOf(binding.instance) == device.instance &&
         MarkOf(binding.call_id) == device.registration;
}

}  // namespace sallyport::signaling_edge
