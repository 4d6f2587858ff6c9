// One TLS connection over memory: octets in, octets out, no socket.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_TLS_SESSION_H_
#define SALLYPORT_SERVICES_COMMON_TLS_TLS_SESSION_H_

#include <openssl/base.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_alert.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_trace.h"

namespace sallyport {

// What one session may use of what its context allows.
struct TlsBounds {
  // Suites of TLS 1.2, best first, by OpenSSL's names; empty: all. Those that
  // the context does not allow are passed over.
  std::vector<std::string> ciphers;
  uint16_t minimum_version = 0;  // 0x0303 or 0x0304; 0: that of the context
  uint16_t maximum_version = 0;

  bool operator==(const TlsBounds&) const = default;
};

// How to drive it: after construction and after every call, send what
// TakeCiphertext() returns; after Feed, deliver what TakePlaintext() returns.
// No plaintext of the peer appears before the handshake is complete, which
// includes the check of its certificate. Renegotiation and early data do not
// exist.
//
// A TLS 1.3 client is open before the server has judged its certificate; a
// refusal then arrives as an error of a later Feed.
//
// Thread-compatible.
class TlsSession final : private TlsCallbacks {
 public:
  enum class State {
    kHandshaking,
    kOpen,
    kPeerClosed,  // the peer sent close_notify; we may still write
    kFailed,      // error() says why; an alert may wait to be sent
  };

  // As the role of `context` says. `server_name`, for clients, is sent as SNI
  // and is not compared with the certificate: see accept_peer.
  // INVALID_ARGUMENT, TLS_BOUNDS_EMPTY, if `bounds` leave nothing of what the
  // context allows.
  static absl::StatusOr<std::unique_ptr<TlsSession>> Create(
      std::shared_ptr<const TlsContext> context,
      std::string_view server_name = {}, const TlsBounds& bounds = {});

  ~TlsSession() override;
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Takes octets of the peer; any fragmentation, none included. An error is
  // final. Its reasons: those of TrustAnchors::Verify and of accept_peer,
  // PEER_CERTIFICATE_MISSING, TLS_ALERT_RECEIVED (the peer refused us),
  // TLS_HANDSHAKE_FAILED, and TLS_RECORD_INVALID once open.
  absl::Status Feed(ByteSpan ciphertext);

  // Encrypts. FAILED_PRECONDITION unless open, and after Close.
  absl::Status Write(ByteSpan plaintext);

  // Sends close_notify, if the handshake got that far; then no Write.
  void Close();

  // What is to be sent to the peer, and what the peer said. Each empties.
  std::string TakeCiphertext();
  std::string TakePlaintext();

  State state() const { return state_; }
  const absl::Status& error() const { return error_; }  // OK unless kFailed

  // What the peer presented; nullopt if nothing (yet). Set even when that is
  // why the handshake failed. Of a resumed session: from the ticket,
  // judged anew.
  const std::optional<PeerCertificate>& peer() const { return peer_; }
  // "TLSv1.2", and "ECDHE-ECDSA-AES128-GCM-SHA256" by its IANA name; empty
  // before the handshake is complete.
  std::string version() const;
  std::string cipher() const;
  // Of the key exchange: "X25519", "P-256"; empty likewise.
  std::string group() const;
  bool resumed() const;
  // What ALPN agreed on, "h2"; empty if nothing (yet).
  std::string application_protocol() const;
  // The name the client asked for, lower case; empty if none.
  const std::string& server_name() const { return server_name_; }
  // The fatal alert that ended it, the first if there were several.
  const std::optional<TlsAlert>& alert() const { return alert_; }
  // The one in force: chosen by server name, if there was a choice.
  const TlsContext& context() const { return *context_; }

 private:
  explicit TlsSession(std::shared_ptr<const TlsContext> context);

  ssl_verify_result_t OnVerify(uint8_t* out_alert) override;
  void OnAlert(bool sent, uint8_t description) override;
  void OnState(int type) override;
  void OnMessage(bool sent, int content_type, ByteSpan message) override;
  ssl_select_cert_result_t OnClientHello(
      const SSL_CLIENT_HELLO* hello) override;

  absl::Status Init(std::string_view server_name, const TlsBounds& bounds);
  absl::Status Bind(const TlsBounds& bounds);
  absl::Status Pump();
  absl::Status Handshake();
  absl::Status ReadAll();
  // Judges the chain; remembers it in peer_ either way.
  absl::Status JudgePeer();
  absl::Status JudgeResumed();
  void RememberPeer();
  absl::Status Fail(absl::Status error);
  bool IsTraced(TlsTraceKind kind) const;
  void Tell(TlsTraceKind kind, std::string text);

  // What BoringSSL reads from and writes to: input_ and output_ themselves, so
  // that an idle session keeps no buffer.
  static const BIO_METHOD* Memory();
  static int ReadInput(BIO* bio, char* out, int size);
  static int WriteOutput(BIO* bio, const char* data, int size);

  std::shared_ptr<const TlsContext> context_;
  ByteSpan input_;  // not yet read; of the Feed at hand
  std::string output_;
  bssl::UniquePtr<SSL> ssl_;
  State state_ = State::kHandshaking;
  absl::Status error_;
  absl::Status verify_failure_;  // why OnVerify refused
  std::optional<PeerCertificate> peer_;
  std::string plaintext_;
  std::string server_name_;
  std::optional<TlsAlert> alert_;
  bool closed_ = false;    // Close was called
  uint64_t trace_id_ = 0;  // in lines of the trace; 0: none yet
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_TLS_SESSION_H_
