// The relay's end of DTLS-SRTP on one media leg: who begins, when a handshake
// may be made, and what a new fingerprint means. RFC 5763, RFC 8842.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_ENDPOINT_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_ENDPOINT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_association.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {

// The setup attribute of SDP (RFC 4145 section 4).
enum class DtlsSetup : uint8_t { kActive, kPassive, kActPass };

// The caller hands it only datagrams from where packets may come, and tells it
// when there is an address to send to: before, nothing is kept of a stranger's
// ClientHello. A handshake that fails does not end the leg: after kRetry
// another may be begun, by a client kMaxAttempts times. Nor does a forged
// ClientHello that came first: another one takes its place after kRetry.
// Thread-compatible.
class DtlsEndpoint {
 public:
  static constexpr absl::Duration kHandshakeTimeout = absl::Seconds(30);
  static constexpr absl::Duration kRetry = absl::Seconds(1);
  static constexpr int kMaxAttempts = 8;

  enum class State : uint8_t {
    kNew,          // no handshake begun
    kHandshaking,  // or waiting for the fingerprint
    kEstablished,
    kFailed,
    kClosed,  // by the far side
  };

  DtlsEndpoint(std::shared_ptr<const DtlsIdentity> identity,
               SrtpProfiles profiles);

  // What the far side's SDP says. Another fingerprint than before, or the
  // other role, is a new association (RFC 8842 section 4): the handshake begins
  // anew, and the keys in force stay until it is complete.
  void Update(const std::optional<CertificateFingerprint>& fingerprint,
              std::optional<DtlsSetup> setup, MonoTime now);
  // The same with the far side not known any more, until Update() tells.
  void Restart();
  // There is an address to send to: a client begins.
  void OnPath(MonoTime now);
  DropReason OnDatagram(ByteSpan datagram, MonoTime now);
  MonoTime deadline() const;
  void OnDeadline(MonoTime now);

  std::vector<std::string> TakeDatagrams();
  // Once for each handshake that completed.
  std::optional<DtlsAssociation::Keys> TakeKeys();
  // True once after each change of state().
  bool TakeChange();

  State state() const { return state_; }
  // Why, in kFailed: "FINGERPRINT_MISMATCH", "NO_COMMON_SRTP_PROFILE",
  // "ALERT_RECEIVED", "TIMEOUT", "PROTOCOL_ERROR". Else empty.
  std::string_view failure() const { return failure_; }
  const std::optional<CertificateFingerprint>& remote_fingerprint() const {
    return fingerprint_;
  }
  std::optional<DtlsSetup> remote_setup() const { return setup_; }
  // For our SDP; actpass until the far side has chosen.
  DtlsSetup local_setup() const;
  const DtlsIdentity& identity() const { return *identity_; }
  SrtpProfiles profiles() const { return profiles_; }

 private:
  DtlsRole role() const;
  bool MayBegin(MonoTime now) const;
  // Whatever was under way is over.
  void Forget();
  void GiveWayToAnother(ByteSpan datagram, MonoTime now);
  void Begin(DtlsRole role, MonoTime now);
  void Follow(MonoTime now);
  void Enter(State state, std::string_view failure = {});

  std::shared_ptr<const DtlsIdentity> identity_;
  SrtpProfiles profiles_;
  std::optional<CertificateFingerprint> fingerprint_;
  std::optional<DtlsSetup> setup_;
  bool has_path_ = false;
  std::unique_ptr<DtlsAssociation> association_;
  int attempts_ = 0;
  MonoTime begin_time_ = MonoTime::InfinitePast();
  std::optional<HelloRandom> hello_random_;
  MonoTime give_up_ = MonoTime::InfiniteFuture();
  MonoTime retry_ = MonoTime::InfiniteFuture();
  std::vector<std::string> outgoing_;
  std::optional<DtlsAssociation::Keys> keys_;
  State state_ = State::kNew;
  std::string_view failure_;
  bool changed_ = false;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_ENDPOINT_H_
