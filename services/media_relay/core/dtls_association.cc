#include "services/media_relay/core/dtls_association.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

// RFC 5764 section 4.2.
constexpr std::string_view kExporterLabel = "EXTRACTOR-dtls_srtp";
// Datagrams that wait while the fingerprint is not known; more are lost, and
// sent again by the far side.
constexpr size_t kMaxWaiting = 16;

std::string_view ProfileName(SrtpSuite suite) {
  switch (suite) {
    case SrtpSuite::kAeadAes256Gcm:
      return "SRTP_AEAD_AES_256_GCM";
    case SrtpSuite::kAeadAes128Gcm:
      return "SRTP_AEAD_AES_128_GCM";
    case SrtpSuite::kAesCm128HmacSha1_80:
      return "SRTP_AES128_CM_SHA1_80";
    case SrtpSuite::kAesCm128HmacSha1_32:
      return "SRTP_AES128_CM_SHA1_32";
    case SrtpSuite::kAes256CmHmacSha1_80:
      return "";
  }
  return "";
}

std::optional<SrtpSuite> SuiteOf(const SRTP_PROTECTION_PROFILE* profile) {
  if (profile == nullptr) return std::nullopt;
  for (const SrtpSuite suite : SrtpProfiles::kOrder) {
    if (ProfileName(suite) == profile->name) return suite;
  }
  return std::nullopt;
}

}  // namespace

SrtpProfiles SrtpProfiles::Default() {
  SrtpProfiles out;
  for (const SrtpSuite suite : kOrder) {
    if (suite != SrtpSuite::kAesCm128HmacSha1_32) out.Add(suite);
  }
  return out;
}

bool SrtpProfiles::Add(SrtpSuite suite) {
  if (ProfileName(suite).empty()) return false;
  bits_ = static_cast<uint8_t>(bits_ | 1 << static_cast<int>(suite));
  return true;
}

bool SrtpProfiles::Has(SrtpSuite suite) const {
  return (bits_ >> static_cast<int>(suite) & 1) != 0;
}

std::string SrtpProfiles::ToString() const {
  std::string out;
  for (const SrtpSuite suite : kOrder) {
    if (!Has(suite)) continue;
    if (!out.empty()) out.push_back(':');
    out.append(ProfileName(suite));
  }
  return out;
}

bool IsClientHello(ByteSpan datagram) {
  // RFC 6347 sections 4.1 and 4.2.2: handshake, epoch 0, type 1.
  return datagram.size() > 25 && datagram[0] == SSL3_RT_HANDSHAKE &&
         datagram[1] == 0xFE && datagram[3] == 0 && datagram[4] == 0 &&
         datagram[13] == SSL3_MT_CLIENT_HELLO;
}

std::optional<HelloRandom> ClientHelloRandom(ByteSpan datagram) {
  constexpr size_t kOffset = 13 + 12 + 2;  // record, fragment, version
  HelloRandom random;
  if (!IsClientHello(datagram) || datagram.size() < kOffset + random.size() ||
      datagram[19] != 0 || datagram[20] != 0 || datagram[21] != 0) {
    return std::nullopt;
  }
  std::copy_n(datagram.begin() + kOffset, random.size(), random.begin());
  return random;
}

struct DatagramBio {
  static DtlsAssociation& Of(BIO* bio) {
    return *static_cast<DtlsAssociation*>(BIO_get_data(bio));
  }
  static int Write(BIO* bio, const char* data, int size) {
    Of(bio).outgoing_.emplace_back(data, static_cast<size_t>(size));
    return size;
  }
  static int Read(BIO* bio, char* data, int size) {
    BIO_clear_retry_flags(bio);
    std::deque<std::string>& incoming = Of(bio).incoming_;
    if (incoming.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::string datagram = std::move(incoming.front());
    incoming.pop_front();
    const size_t count = std::min(datagram.size(), static_cast<size_t>(size));
    std::memcpy(data, datagram.data(), count);
    return static_cast<int>(count);
  }
  static long Control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static int Create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams");
      if (made == nullptr) return made;
      BIO_meth_set_write(made, Write);
      BIO_meth_set_read(made, Read);
      BIO_meth_set_ctrl(made, Control);
      BIO_meth_set_create(made, Create);
      return made;
    }();
    return method;
  }
};

DtlsAssociation::DtlsAssociation(
    std::shared_ptr<const DtlsIdentity> identity, DtlsRole role,
    std::optional<CertificateFingerprint> fingerprint)
    : identity_(std::move(identity)),
      role_(role),
      fingerprint_(std::move(fingerprint)) {}

DtlsAssociation::~DtlsAssociation() = default;

absl::StatusOr<std::unique_ptr<DtlsAssociation>> DtlsAssociation::Create(
    std::shared_ptr<const DtlsIdentity> identity, DtlsRole role,
    SrtpProfiles profiles, std::optional<CertificateFingerprint> fingerprint,
    MonoTime now) {
  std::unique_ptr<DtlsAssociation> made(
      new DtlsAssociation(std::move(identity), role, std::move(fingerprint)));
  made->ssl_ = made->identity_->NewConnection(Judge);
  const BIO_METHOD* const method = DatagramBio::Method();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
  if (made->ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    ERR_clear_error();
    return absl::InternalError("cannot make a DTLS association");
  }
  BIO_set_data(bio, made.get());
  SSL* const ssl = made->ssl_.get();
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, made.get());
  SSL_set_mtu(ssl, kMtu);
  DTLSv1_set_initial_timeout_duration(ssl, kFirstTimeoutMs);
  SSL_set_shed_handshake_config(ssl, 1);
  if (!SSL_set_srtp_profiles(ssl, profiles.ToString().c_str())) {
    ERR_clear_error();
    return absl::InternalError("cannot offer SRTP profiles");
  }
  if (role == DtlsRole::kServer) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  made->Pump(now);
  return made;
}

ssl_verify_result_t DtlsAssociation::Judge(SSL* ssl, uint8_t* out_alert) {
  auto& self = *static_cast<DtlsAssociation*>(SSL_get_app_data(ssl));
  if (!self.fingerprint_.has_value()) return ssl_verify_retry;
  const STACK_OF(CRYPTO_BUFFER)* const chain = SSL_get0_peer_certificates(ssl);
  if (chain != nullptr && sk_CRYPTO_BUFFER_num(chain) > 0) {
    const CRYPTO_BUFFER* const leaf = sk_CRYPTO_BUFFER_value(chain, 0);
    if (self.fingerprint_->Matches(
            {CRYPTO_BUFFER_data(leaf), CRYPTO_BUFFER_len(leaf)})) {
      return ssl_verify_ok;
    }
  }
  self.failure_ = Failure::kFingerprintMismatch;
  *out_alert = SSL_AD_BAD_CERTIFICATE;  // RFC 5763 section 5
  return ssl_verify_invalid;
}

void DtlsAssociation::OnDatagram(ByteSpan datagram, MonoTime now) {
  if (state_ != State::kHandshaking && state_ != State::kOpen) return;
  // An empty one would be the end of the stream to BoringSSL.
  if (datagram.empty() || incoming_.size() >= kMaxWaiting) return;
  incoming_.push_back(ToString(datagram));
  Pump(now);
}

void DtlsAssociation::SetFingerprint(const CertificateFingerprint& fingerprint,
                                     MonoTime now) {
  if (fingerprint_.has_value()) return;
  fingerprint_ = fingerprint;
  Pump(now);
}

void DtlsAssociation::Pump(MonoTime now) {
  DtlsIdentity::SetTime(now);
  ERR_clear_error();
  if (state_ == State::kHandshaking) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      ExportKeys();
    } else {
      Fail(result);
    }
  }
  // Nothing is said on the association but alerts and, when our last flight
  // was lost, the far side's last one again: reading answers it.
  while (state_ == State::kOpen && !incoming_.empty()) {
    std::array<uint8_t, 2048> ignored;
    const int size = SSL_read(ssl_.get(), ignored.data(), ignored.size());
    if (size > 0) continue;
    switch (SSL_get_error(ssl_.get(), size)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_ZERO_RETURN:
        state_ = State::kClosed;
        break;
      default:
        // A fatal alert under the negotiated keys, so of the far side itself.
        state_ = State::kClosed;
        break;
    }
  }
  ERR_clear_error();
  Rearm(now);
}

void DtlsAssociation::Fail(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ ||
      error == SSL_ERROR_WANT_CERTIFICATE_VERIFY) {
    return;
  }
  if (failure_ != Failure::kNone) {
    Fail(failure_);
    return;
  }
  const int reason = ERR_GET_REASON(ERR_peek_error());
  if (reason == SSL_R_READ_TIMEOUT_EXPIRED) {
    Fail(Failure::kTimeout);
  } else if (reason > SSL_AD_REASON_OFFSET) {
    Fail(Failure::kAlert);
  } else {
    Fail(Failure::kProtocol);
  }
}

void DtlsAssociation::Fail(Failure failure) {
  failure_ = failure;
  state_ = State::kFailed;
  incoming_.clear();
}

void DtlsAssociation::ExportKeys() {
  const std::optional<SrtpSuite> suite =
      SuiteOf(SSL_get_selected_srtp_profile(ssl_.get()));
  if (!suite.has_value()) {
    Fail(Failure::kNoCommonProfile);
    return;
  }
  // RFC 5764 section 4.2: both keys, then both salts, the client's first.
  const size_t key = InfoOf(*suite).key_size;
  const size_t salt = InfoOf(*suite).salt_size;
  std::array<uint8_t, 2 * (32 + 14)> material;
  const size_t size = 2 * (key + salt);
  if (!SSL_export_keying_material(ssl_.get(), material.data(), size,
                                  kExporterLabel.data(), kExporterLabel.size(),
                                  nullptr, 0, 0)) {
    Fail(Failure::kProtocol);
    return;
  }
  const auto of = [&](size_t side) {
    std::array<uint8_t, 32 + 14> joined;
    std::memcpy(joined.data(), material.data() + side * key, key);
    std::memcpy(joined.data() + key, material.data() + 2 * key + side * salt,
                salt);
    Secret out = Secret::CopyOf(ByteSpan(joined.data(), key + salt));
    OPENSSL_cleanse(joined.data(), joined.size());
    return out;
  };
  const bool client = role_ == DtlsRole::kClient;
  keys_ = Keys{*suite, of(client ? 0 : 1), of(client ? 1 : 0)};
  OPENSSL_cleanse(material.data(), material.size());
  state_ = State::kOpen;
}

void DtlsAssociation::Rearm(MonoTime now) {
  deadline_ = MonoTime::InfiniteFuture();
  if (state_ != State::kHandshaking) return;
  timeval left;
  if (DTLSv1_get_timeout(ssl_.get(), &left)) {
    deadline_ = now + absl::DurationFromTimeval(left);
  }
}

void DtlsAssociation::OnDeadline(MonoTime now) {
  if (state_ != State::kHandshaking || now < deadline_) return;
  DtlsIdentity::SetTime(now);
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0) {
    Fail(Failure::kTimeout);
    ERR_clear_error();
  }
  Rearm(now);
}

std::vector<std::string> DtlsAssociation::TakeDatagrams() {
  return std::exchange(outgoing_, {});
}

std::optional<DtlsAssociation::Keys> DtlsAssociation::TakeKeys() {
  return std::exchange(keys_, std::nullopt);
}

}  // namespace sallyport::media_relay
