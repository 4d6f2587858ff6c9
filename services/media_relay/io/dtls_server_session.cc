#include "services/media_relay/io/dtls_server_session.h"

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/rolling_keys.h"

namespace sallyport::media_relay {
namespace {

// Forward secrecy and authenticated encryption alone, by our order.
constexpr char kPriorities[] =
    "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+ECDHE-RSA:+AES-128-GCM:+AES-256-GCM:"
    "+CHACHA20-POLY1305:+AEAD:+SIGN-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:"
    "-SIGN-DSA-SHA1:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
    "+COMP-NULL:+CTYPE-X509:%SERVER_PRECEDENCE";
// Of handshake datagrams; what is written later is as long as it is.
constexpr unsigned kHandshakeMtu = 1200;
constexpr unsigned kRecordOverhead = 64;
constexpr unsigned kRepeatMilliseconds = 1000;  // RFC 6347 section 4.2.4.1
constexpr unsigned kTotalMilliseconds = 15'000;
// Warnings and the like that one datagram may cause.
constexpr int kMostSteps = 16;

absl::Status GnutlsError(const char* what, int code) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": ", gnutls_strerror(code)));
}

std::array<uint8_t, 18> NameOf(const Endpoint& client) {
  std::array<uint8_t, 18> name = {};
  const absl::Span<const uint8_t> ip = client.ip.bytes();
  std::copy(ip.begin(), ip.end(), name.begin());
  name[16] = static_cast<uint8_t>(client.port >> 8);
  name[17] = static_cast<uint8_t>(client.port);
  return name;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const DtlsServerCredentials>>
DtlsServerCredentials::FromFiles(const std::string& certificate_file,
                                 const std::string& key_file) {
  std::shared_ptr<DtlsServerCredentials> made(new DtlsServerCredentials());
  int code = gnutls_certificate_allocate_credentials(&made->credentials_);
  if (code < 0) return GnutlsError("DTLS credentials", code);
  code = gnutls_certificate_set_x509_key_file2(
      made->credentials_, certificate_file.c_str(), key_file.c_str(),
      GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (code < 0) return GnutlsError("DTLS certificate", code);
  return made;
}

DtlsServerCredentials::~DtlsServerCredentials() {
  if (credentials_ != nullptr) {
    gnutls_certificate_free_credentials(credentials_);
  }
}

namespace {

gnutls_datum_t CookieKey(RollingKeys::Key key,
                         std::array<uint8_t, GNUTLS_COOKIE_KEY_SIZE>& out) {
  static_assert(sizeof(key) >= GNUTLS_COOKIE_KEY_SIZE);
  std::copy_n(key.begin(), out.size(), out.begin());
  return {out.data(), static_cast<unsigned>(out.size())};
}

}  // namespace

DtlsCookies::DtlsCookies(const RollingKeys::Key& secret)
    : keys_(secret, "DTLS cookie", kKeyLifetime) {}

std::optional<gnutls_dtls_prestate_st> DtlsCookies::Verify(
    ByteSpan hello, const Endpoint& client, MonoTime now) {
  keys_.Advance(now);
  std::array<uint8_t, 18> name = NameOf(client);
  for (const RollingKeys::Key* key : {&keys_.current(), &keys_.former()}) {
    std::array<uint8_t, GNUTLS_COOKIE_KEY_SIZE> octets;
    gnutls_datum_t datum = CookieKey(*key, octets);
    gnutls_dtls_prestate_st prestate = {};
    // It only reads, but its parameters are not const.
    if (gnutls_dtls_cookie_verify(&datum, name.data(), name.size(),
                                  const_cast<uint8_t*>(hello.data()),
                                  hello.size(), &prestate) >= 0) {
      return prestate;
    }
  }
  return std::nullopt;
}

std::string DtlsCookies::Challenge(const Endpoint& client, MonoTime now) {
  keys_.Advance(now);
  std::array<uint8_t, 18> name = NameOf(client);
  std::array<uint8_t, GNUTLS_COOKIE_KEY_SIZE> octets;
  gnutls_datum_t datum = CookieKey(keys_.current(), octets);
  gnutls_dtls_prestate_st prestate = {};
  std::string datagram;
  const auto push = [](gnutls_transport_ptr_t out, const void* data,
                       size_t size) {
    static_cast<std::string*>(out)->append(static_cast<const char*>(data),
                                           size);
    return static_cast<ssize_t>(size);
  };
  const int code = gnutls_dtls_cookie_send(&datum, name.data(), name.size(),
                                           &prestate, &datagram, push);
  if (code < 0) datagram.clear();
  return datagram;
}

absl::StatusOr<std::unique_ptr<DtlsServerSession>> DtlsServerSession::Create(
    std::shared_ptr<const DtlsServerCredentials> credentials,
    const gnutls_dtls_prestate_st& prestate,
    std::function<void(ByteSpan)> send) {
  std::unique_ptr<DtlsServerSession> made(
      new DtlsServerSession(std::move(send)));
  made->credentials_ = std::move(credentials);
  int code =
      gnutls_init(&made->session_, GNUTLS_SERVER | GNUTLS_DATAGRAM |
                                       GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);
  if (code < 0) return GnutlsError("DTLS session", code);
  const gnutls_session_t session = made->session_;
  code = gnutls_priority_set_direct(session, kPriorities, nullptr);
  if (code < 0) return GnutlsError("DTLS priorities", code);
  code = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                made->credentials_->credentials_);
  if (code < 0) return GnutlsError("DTLS certificate", code);
  gnutls_certificate_server_set_request(session, GNUTLS_CERT_IGNORE);
  gnutls_dtls_prestate_st from = prestate;
  gnutls_dtls_prestate_set(session, &from);
  gnutls_dtls_set_mtu(session, kHandshakeMtu);
  gnutls_dtls_set_timeouts(session, kRepeatMilliseconds, kTotalMilliseconds);
  gnutls_transport_set_ptr(session, made.get());
  gnutls_transport_set_push_function(session, Push);
  gnutls_transport_set_pull_function(session, Pull);
  gnutls_transport_set_pull_timeout_function(session, PullTimeout);
  return made;
}

DtlsServerSession::~DtlsServerSession() {
  if (session_ != nullptr) gnutls_deinit(session_);
}

ssize_t DtlsServerSession::Push(gnutls_transport_ptr_t self, const void* data,
                                size_t size) {
  static_cast<DtlsServerSession*>(self)->send_(
      ByteSpan(static_cast<const uint8_t*>(data), size));
  return static_cast<ssize_t>(size);
}

ssize_t DtlsServerSession::Pull(gnutls_transport_ptr_t self, void* data,
                                size_t size) {
  auto& session = *static_cast<DtlsServerSession*>(self);
  const ByteSpan datagram = std::exchange(session.incoming_, ByteSpan());
  if (datagram.empty()) {
    gnutls_transport_set_errno(session.session_, EAGAIN);
    return -1;
  }
  const size_t count = std::min(size, datagram.size());
  std::memcpy(data, datagram.data(), count);
  return static_cast<ssize_t>(count);
}

int DtlsServerSession::PullTimeout(gnutls_transport_ptr_t self, unsigned int) {
  return static_cast<DtlsServerSession*>(self)->incoming_.empty() ? 0 : 1;
}

void DtlsServerSession::Handshake() {
  for (int i = 0; i < kMostSteps && state_ == State::kHandshaking; ++i) {
    const int code = gnutls_handshake(session_);
    if (code == GNUTLS_E_SUCCESS) {
      state_ = State::kEstablished;
      gnutls_dtls_set_mtu(session_, kMaxPacketSize + kRecordOverhead);
    } else if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED) {
      return;
    } else if (gnutls_error_is_fatal(code) != 0) {
      (void)gnutls_alert_send_appropriate(session_, code);
      state_ = State::kFailed;
    }
  }
}

void DtlsServerSession::Feed(ByteSpan datagram) {
  incoming_ = datagram;
  if (state_ != State::kHandshaking) return;
  Handshake();
  // What was not taken must not be, once the lender has it back.
  if (state_ != State::kEstablished) incoming_ = ByteSpan();
}

absl::Duration DtlsServerSession::until_timer() const {
  return absl::Milliseconds(std::max(1u, gnutls_dtls_get_timeout(session_)));
}

size_t DtlsServerSession::Read(absl::Span<uint8_t> out) {
  for (int i = 0; i < kMostSteps && state_ == State::kEstablished; ++i) {
    const ssize_t size = gnutls_record_recv(session_, out.data(), out.size());
    if (size > 0) return static_cast<size_t>(size);
    if (size == 0) {
      state_ = State::kPeerClosed;
    } else if (size == GNUTLS_E_AGAIN || size == GNUTLS_E_INTERRUPTED) {
      break;
    } else if (size == GNUTLS_E_REHANDSHAKE) {
      (void)gnutls_alert_send(session_, GNUTLS_AL_WARNING,
                              GNUTLS_A_NO_RENEGOTIATION);
    } else if (gnutls_error_is_fatal(static_cast<int>(size)) != 0) {
      state_ = State::kFailed;
    }
  }
  incoming_ = ByteSpan();
  return 0;
}

bool DtlsServerSession::Write(ByteSpan bytes) {
  return state_ == State::kEstablished &&
         gnutls_record_send(session_, bytes.data(), bytes.size()) ==
             static_cast<ssize_t>(bytes.size());
}

void DtlsServerSession::Close() {
  if (state_ == State::kEstablished || state_ == State::kPeerClosed) {
    (void)gnutls_bye(session_, GNUTLS_SHUT_WR);
  }
  state_ = State::kFailed;
}

}  // namespace sallyport::media_relay
