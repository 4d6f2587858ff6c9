// The lite side of ICE on one media leg: RFC 8445 sections 2.5, 7.3 and 8.2,
// with consent by RFC 7675. It answers checks and makes none, so it never needs
// the far side's password.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ICE_LITE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ICE_LITE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"

namespace sallyport::media_relay {

// 4 to 256 of the characters that RFC 8839 section 5.4 allows.
bool IsIceUfrag(std::string_view text);

// One component: RTP with RTCP multiplexed. An address is valid while checks
// with the right password come from it; media goes to the pair that the far
// side selected by USE-CANDIDATE, before that to the address that was checked
// last. It is always the controlled side. Thread-compatible.
class IceLite {
 public:
  // Consent ends this long after the last check (RFC 7675 section 5.1).
  static constexpr absl::Duration kConsent = absl::Seconds(30);
  // A selected pair without checks for this time gives way to a nomination of
  // lower priority: the far side has left it.
  static constexpr absl::Duration kStale = absl::Seconds(5);
  // Addresses of one far side at a time.
  static constexpr size_t kMaxAddresses = 16;

  enum class State : uint8_t {
    kWaiting,      // no check yet
    kChecked,      // an address is valid, none is selected
    kSelected,     // the far side nominated one
    kConsentLost,  // no check for 30 s: nothing is sent
  };

  // Draws user fragment and password.
  explicit IceLite(RandomSource& random);

  // The far side's user fragment. Another than before is another far side that
  // answers the same offer (RFC 3264 section 10.2 for forks): nothing that the
  // former had checked is valid any more.
  void SetRemoteUfrag(std::string_view ufrag);
  // An ICE restart (RFC 8445 section 9): new local credentials are drawn, the
  // far side's user fragment is unknown, and the former credentials go on being
  // answered until a check with the new ones arrives.
  void Restart(RandomSource& random);

  struct Answer {
    DropReason drop = DropReason::kNone;
    // In the lent buffer; to be sent to where the check came from.
    absl::Span<const uint8_t> reply;
  };
  // A STUN message from `from`. Without the right user name and password, and
  // FINGERPRINT, nothing is answered and nothing remembered.
  Answer OnPacket(ByteSpan bytes, const Endpoint& from,
                  absl::Span<uint8_t> reply, MonoTime now);

  // Whether packets may come from there.
  bool IsValid(const Endpoint& from) const;
  // Where packets go; none: nowhere.
  std::optional<Endpoint> destination() const;

  // When an address expires; InfiniteFuture() without one.
  MonoTime deadline() const;
  // True when consent was lost just now.
  bool OnDeadline(MonoTime now);

  State state() const { return state_; }
  const std::string& local_ufrag() const { return local_.ufrag; }
  const Secret& local_password() const { return local_.password; }
  const std::string& remote_ufrag() const { return local_.remote_ufrag; }

 private:
  struct Credentials {
    std::string ufrag;
    Secret password;
    std::string remote_ufrag;  // empty: not known yet
  };
  struct Remote {
    Endpoint address;
    MonoTime last_check;
    uint32_t priority = 0;
    bool nominated = false;
  };

  static Credentials Draw(RandomSource& random);
  // By constant-time comparison; the whole user name is not secret.
  static bool Matches(const Credentials& credentials, std::string_view user);
  static Answer Error(const StunMessage& request, StunError code,
                      StunIntegrity how, const Secret& password,
                      absl::Span<uint8_t> reply);
  void OnCheck(const StunMessage& request, const Endpoint& from,
               bool may_nominate, MonoTime now);
  Remote* Find(const Endpoint& address);

  Credentials local_;
  std::optional<Credentials> former_;
  std::vector<Remote> remotes_;
  std::optional<Endpoint> selected_;
  State state_ = State::kWaiting;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_ICE_LITE_H_
