// One DTLS-SRTP handshake and the association that it makes: RFC 5764 over
// DTLS 1.2. Datagrams in, datagrams and keys out.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_ASSOCIATION_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_ASSOCIATION_H_

#include <openssl/base.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {

enum class DtlsRole : uint8_t { kServer, kClient };

// The profiles of RFC 5764 and 7714 that a leg may agree on, as a set; of those
// that both sides have the relay takes the first in this order.
class SrtpProfiles {
 public:
  static constexpr std::array<SrtpSuite, 4> kOrder = {
      SrtpSuite::kAeadAes256Gcm, SrtpSuite::kAeadAes128Gcm,
      SrtpSuite::kAesCm128HmacSha1_80, SrtpSuite::kAesCm128HmacSha1_32};

  // All but the one with the 32-bit tag.
  static SrtpProfiles Default();
  // False for a suite that DTLS-SRTP has no profile for.
  bool Add(SrtpSuite suite);
  bool Has(SrtpSuite suite) const;
  bool empty() const { return bits_ == 0; }
  // As BoringSSL names them.
  std::string ToString() const;

  friend bool operator==(const SrtpProfiles&, const SrtpProfiles&) = default;

 private:
  uint8_t bits_ = 0;
};

// True if `datagram` begins with a ClientHello, or a fragment of one: all that
// a new association of the server is made for.
bool IsClientHello(ByteSpan datagram);
// By which one is told from another; only its first fragment has it.
using HelloRandom = std::array<uint8_t, 32>;
std::optional<HelloRandom> ClientHelloRandom(ByteSpan datagram);

// The far side's certificate is compared with its fingerprint inside the
// handshake; while the fingerprint is not known yet the handshake waits, so
// that no key exists before. Fragments may come in any order. After every call
// send what TakeDatagrams() returns. Thread-compatible.
class DtlsAssociation {
 public:
  enum class State : uint8_t { kHandshaking, kOpen, kClosed, kFailed };
  enum class Failure : uint8_t {
    kNone,
    kFingerprintMismatch,
    kNoCommonProfile,  // no use_srtp, or none of our profiles in it
    kAlert,            // the far side refused us
    kTimeout,          // nothing came after all retransmissions
    kProtocol,
  };
  struct Keys {
    SrtpSuite suite;
    Secret local;   // with which the relay protects; key, then salt
    Secret remote;  // with which the far side does
  };

  // Largest datagram sent; fits a path of 1280 with a tunnel on it.
  static constexpr unsigned kMtu = 1200;
  // Before the first retransmission; doubled each time (RFC 6347 section 4.2.4
  // allows less than a second where the application needs it).
  static constexpr unsigned kFirstTimeoutMs = 200;

  // INTERNAL if memory is short. `identity` is kept. A client's first flight is
  // ready at once.
  static absl::StatusOr<std::unique_ptr<DtlsAssociation>> Create(
      std::shared_ptr<const DtlsIdentity> identity, DtlsRole role,
      SrtpProfiles profiles, std::optional<CertificateFingerprint> fingerprint,
      MonoTime now);
  ~DtlsAssociation();
  DtlsAssociation(const DtlsAssociation&) = delete;
  DtlsAssociation& operator=(const DtlsAssociation&) = delete;

  void OnDatagram(ByteSpan datagram, MonoTime now);
  // The far side's, once it is known.
  void SetFingerprint(const CertificateFingerprint& fingerprint, MonoTime now);
  MonoTime deadline() const { return deadline_; }
  void OnDeadline(MonoTime now);

  std::vector<std::string> TakeDatagrams();
  // Once, after the handshake.
  std::optional<Keys> TakeKeys();

  DtlsRole role() const { return role_; }
  State state() const { return state_; }
  Failure failure() const { return failure_; }

 private:
  // Datagrams between BoringSSL and us: it has no BIO in memory that keeps
  // their bounds.
  friend struct DatagramBio;

  DtlsAssociation(std::shared_ptr<const DtlsIdentity> identity, DtlsRole role,
                  std::optional<CertificateFingerprint> fingerprint);
  static ssl_verify_result_t Judge(SSL* ssl, uint8_t* out_alert);
  void Pump(MonoTime now);
  void Fail(int result);
  void Fail(Failure failure);
  void ExportKeys();
  void Rearm(MonoTime now);

  const std::shared_ptr<const DtlsIdentity> identity_;
  const DtlsRole role_;
  std::optional<CertificateFingerprint> fingerprint_;
  std::deque<std::string> incoming_;
  std::vector<std::string> outgoing_;
  bssl::UniquePtr<SSL> ssl_;
  State state_ = State::kHandshaking;
  Failure failure_ = Failure::kNone;
  std::optional<Keys> keys_;
  MonoTime deadline_ = MonoTime::InfiniteFuture();
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_DTLS_ASSOCIATION_H_
