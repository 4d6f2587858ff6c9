// DTLS 1.2 of clients, by GnuTLS over memory: BoringSSL, which does all other
// TLS here, has no stateless cookies.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_DTLS_SERVER_SESSION_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_DTLS_SERVER_SESSION_H_

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/rolling_keys.h"

namespace sallyport::media_relay {

// A certificate and its key. Immutable.
class DtlsServerCredentials {
 public:
  // PEM files that belong together, or INVALID_ARGUMENT.
  static absl::StatusOr<std::shared_ptr<const DtlsServerCredentials>> FromFiles(
      const std::string& certificate_file, const std::string& key_file);
  ~DtlsServerCredentials();
  DtlsServerCredentials(const DtlsServerCredentials&) = delete;
  DtlsServerCredentials& operator=(const DtlsServerCredentials&) = delete;

 private:
  friend class DtlsServerSession;
  DtlsServerCredentials() = default;

  gnutls_certificate_credentials_t credentials_ = nullptr;
};

// The cookies of RFC 6347 section 4.2.1: what proves that a client receives
// what is sent to its address, without anything kept for it. Bound to address
// and port under a key of the hour; the one before stays
// good. Loop thread only.
class DtlsCookies {
 public:
  static constexpr absl::Duration kKeyLifetime = absl::Hours(1);

  // `secret`: the same in each loop of a relay.
  explicit DtlsCookies(const RollingKeys::Key& secret);

  // What a session goes on from, where `hello` has a cookie for `client`.
  std::optional<gnutls_dtls_prestate_st> Verify(ByteSpan hello,
                                                const Endpoint& client,
                                                MonoTime now);
  // The HelloVerifyRequest that gives one to `client`: 44 octets.
  std::string Challenge(const Endpoint& client, MonoTime now);

 private:
  RollingKeys keys_;
};

// One association. Loop thread only.
class DtlsServerSession {
 public:
  enum class State : uint8_t {
    kHandshaking,
    kEstablished,
    kPeerClosed,
    kFailed,
  };

  // `send` takes each datagram at once.
  static absl::StatusOr<std::unique_ptr<DtlsServerSession>> Create(
      std::shared_ptr<const DtlsServerCredentials> credentials,
      const gnutls_dtls_prestate_st& prestate,
      std::function<void(ByteSpan)> send);
  ~DtlsServerSession();
  DtlsServerSession(const DtlsServerSession&) = delete;
  DtlsServerSession& operator=(const DtlsServerSession&) = delete;

  State state() const { return state_; }

  // A datagram, or no news but the time: handshakes go on, what was lost is
  // repeated. Read() until it yields nothing before the next one.
  void Feed(ByteSpan datagram);
  void OnTimer() { Handshake(); }
  // When to call it: only while handshaking.
  absl::Duration until_timer() const;

  // One record of the client, its size; 0 when there is none. Records that do
  // not authenticate are dropped (RFC 6347 section 4.1.2.7).
  size_t Read(absl::Span<uint8_t> out);
  // False when it is not established or too long.
  bool Write(ByteSpan bytes);
  // Sends close_notify.
  void Close();

 private:
  explicit DtlsServerSession(std::function<void(ByteSpan)> send)
      : send_(std::move(send)) {}
  void Handshake();

  static ssize_t Push(gnutls_transport_ptr_t self, const void* data,
                      size_t size);
  static ssize_t Pull(gnutls_transport_ptr_t self, void* data, size_t size);
  static int PullTimeout(gnutls_transport_ptr_t self, unsigned int ms);

  const std::function<void(ByteSpan)> send_;
  std::shared_ptr<const DtlsServerCredentials> credentials_;
  gnutls_session_t session_ = nullptr;
  State state_ = State::kHandshaking;
  ByteSpan incoming_;  // lent by Feed()
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_DTLS_SERVER_SESSION_H_
