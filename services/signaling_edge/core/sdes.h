// SDP security descriptions: the a=crypto attribute (RFC 4568, suites of RFC
// 6188 and RFC 7714). Text and value only; which leg may carry a key at all is
// security_mode's question.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SDES_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SDES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/signaling_edge/core/sdp.h"

namespace sallyport::signaling_edge {

enum class SrtpSuite {
  kAesCm128HmacSha1_80,
  kAesCm128HmacSha1_32,
  kAesCm256HmacSha1_80,
  kAesCm256HmacSha1_32,
  kAeadAes128Gcm,
  kAeadAes256Gcm,
};

// What a leg may have, best first. Never empty: RFC 4568's own suite is what
// a list without entries means.
class SuiteList {
 public:
  constexpr SuiteList() = default;

  // The first of a suite counts.
  void Add(SrtpSuite suite) {
    for (const SrtpSuite known : view()) {
      if (known == suite && count_ != 0) return;
    }
    if (count_ < suites_.size()) suites_[count_++] = suite;
  }
  absl::Span<const SrtpSuite> view() const {
    return absl::MakeConstSpan(suites_.data(), count_ == 0 ? 1 : count_);
  }
  SrtpSuite first() const { return suites_[0]; }
  size_t size() const { return view().size(); }
  bool operator==(const SuiteList&) const = default;

 private:
  std::array<SrtpSuite, 6> suites_ = {SrtpSuite::kAesCm128HmacSha1_80};
  size_t count_ = 0;
};

// Master key and salt together, in octets: 30, 46, 28 or 44.
size_t KeySaltLength(SrtpSuite suite);

// The name of the suite in SDP.
std::string_view SrtpSuiteName(SrtpSuite suite);
std::optional<SrtpSuite> SrtpSuiteFromName(std::string_view name);

// One "inline:" key. The octets are as secret as the call: they may be
// written to a TLS leg or handed to the relay, and never logged.
struct SdesKey {
  std::string key_salt;              // exactly KeySaltLength() octets
  std::optional<uint64_t> lifetime;  // packets, 1..2^48
  std::optional<uint32_t> mki;
  uint8_t mki_length = 0;  // octets, 1..128 when there is an MKI

  bool operator==(const SdesKey&) const = default;
};

// One a=crypto attribute.
struct SdesCrypto {
  uint32_t tag = 0;
  std::string suite_name;
  // Empty: a suite we do not know. Its keys are then not looked at.
  std::optional<SrtpSuite> suite;
  std::vector<SdesKey> keys;
  std::vector<std::string> session_parameters;

  bool operator==(const SdesCrypto&) const = default;
};

// Reads the value of an a=crypto attribute: what stands after "crypto:".
//
// The key must be base64 without line breaks and decode to exactly the length
// of its suite; nothing is read past its token. Returns kInvalidArgument with
// reason SDES_MALFORMED; the message never repeats the input.
absl::StatusOr<SdesCrypto> ParseSdesCrypto(std::string_view value);

// The attribute's value again.
std::string WriteSdesCrypto(const SdesCrypto& crypto);

// True when we can honour every part of it: a known suite from `allowed`, one
// key without MKI, and no session parameter that weakens the protection or
// that we would have to act on.
bool IsUsable(const SdesCrypto& crypto, absl::Span<const SrtpSuite> allowed);

// The first usable attribute of an offered `media`, in the offerer's order of
// preference (RFC 4568 section 5.1.2). Malformed or unusable ones are skipped,
// as that section asks. Fails with kFailedPrecondition,
// SECURITY_MODE_SRTP_REQUIRED when none is left, NULL_CIPHER_NOT_ALLOWED when
// one would be but for asking that media be not encrypted or authenticated, and
// with SDES_MALFORMED when two share a tag.
absl::StatusOr<SdesCrypto> ChooseOfferedCrypto(
    const SdpMedia& media, absl::Span<const SrtpSuite> allowed);

// The usable attribute of the suite that comes first in `allowed`: our policy
// orders, not the offerer. Errors as above.
absl::StatusOr<SdesCrypto> ChooseCryptoByPolicy(
    const SdpMedia& media, absl::Span<const SrtpSuite> allowed);

// One a=crypto of an offer of ours.
struct OfferedSuite {
  uint32_t tag = 0;
  SrtpSuite suite = SrtpSuite::kAesCm128HmacSha1_80;
};

// The one attribute of an answer to our offer (RFC 4568 section 5.1.2). Never
// falls back to another: two of them fail with SDES_ANSWER_AMBIGUOUS, a tag
// that was not offered with SDES_TAG_NOT_OFFERED, another suite than that of
// the tag with SDES_SUITE_NOT_OFFERED; SECURITY_MODE_SRTP_REQUIRED,
// NULL_CIPHER_NOT_ALLOWED and SDES_MALFORMED as above.
absl::StatusOr<SdesCrypto> AnsweredCrypto(
    const SdpMedia& media, absl::Span<const OfferedSuite> offered);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SDES_H_
