// What TLS connections of one kind share: certificate, key, trust and rules.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_TLS_CONTEXT_H_
#define SALLYPORT_SERVICES_COMMON_TLS_TLS_CONTEXT_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/time/clock.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_trace.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport {

class TlsContext;

enum class TlsRole { kServer, kClient };

enum class ClientCertificateMode {
  kNone,     // not asked for
  kRequest,  // asked for; a client without one is accepted
  kRequire,  // a client without one is refused: PEER_CERTIFICATE_MISSING
};

// What becomes of a peer whose certificate does not verify.
enum class UnverifiedPeer {
  kRefuse,  // the handshake fails, with an alert
  // The handshake completes and PeerCertificate::verified is false. Only for
  // callers that look at it, such as an import of a peer's certificate.
  kDangerousAccept,
};

struct TlsContextOptions {
  TlsRole role = TlsRole::kServer;

  // Our certificate, then intermediates. Required of servers; a client without
  // one has none to show.
  std::string certificate_chain_pem;
  // Its private key, unencrypted: EC P-256 (preferred), P-384 or RSA.
  Secret private_key_pem;

  // Whom we trust. Required of clients, and of servers that ask for a
  // certificate. A set that trusts nobody is allowed, a null pointer is not.
  std::shared_ptr<const TrustAnchors> trust_anchors;
  ClientCertificateMode client_certificate = ClientCertificateMode::kNone;
  UnverifiedPeer unverified_peer = UnverifiedPeer::kRefuse;
  // Has the last word on a peer with a verified certificate, during the
  // handshake; an error refuses it and is what the session then fails with.
  // Nothing here compares names, so a client that is given a host must do it in
  // this hook (or after the handshake). Called on the session's thread.
  std::function<absl::Status(const PeerCertificate&)> accept_peer;

  // A certificate for SIP domains (id-kp-sipDomain, RFC 5924) is one for TLS.
  bool sip_domains = false;

  // Servers: the context for the server name that a client asks for, or null
  // to stay with this one. Of the chosen one count certificate, key, trust,
  // client_certificate, unverified_peer, accept_peer and sip_domains. Called on
  // the
  // session's thread, with a name in lower case.
  std::function<std::shared_ptr<const TlsContext>(std::string_view name)>
      select_by_server_name;

  // Application protocols (ALPN, RFC 7301) in order of preference: a server
  // takes the first of them that the client offers and refuses a client that
  // offers others alone; one that offers none is let in, see
  // TlsSession::application_protocol(). A client offers all. Each is 1 to 255
  // octets.
  std::vector<std::string> application_protocols;

  // Resumption by tickets. They die with this context, since each context has
  // ticket keys of its own, so a changed trust store never meets an old ticket.
  // A resumed session has the peer certificate of the first one, which is
  // judged again in full. Off unless asked for.
  bool session_tickets = false;

  // TLS 1.0 and static RSA with AES-CBC and SHA-1, for old phones on the CAPF
  // port and nothing else. Otherwise TLS 1.2 and 1.3, forward-secret AEAD only.
  bool legacy_phones = false;
  // Nothing below TLS 1.3; `approved_only` counts before it.
  bool only_tls13 = false;
  // TLS 1.2 by AES-GCM over P-256 and P-384 only, as FIPS mode asks: of TLS
  // 1.3's ciphers this library lets nobody choose.
  bool approved_only = false;

  // Sessions tell it what they do, as far as it is switched on. Null: nobody.
  std::shared_ptr<TlsTrace> trace;

  // Where "now" for validity comes from; must outlive the context.
  const Clock* clock = &Clock::Real();
  // Free for the caller, to tell snapshots apart in logs and status.
  uint64_t generation = 0;
};

// From now on every context of this process is as with `approved_only`, at
// whatever place it is made, and none is for legacy phones: FIPS mode (IMP-70).
// Before the first of them.
void RequireApprovedTls();

// By what BoringSSL's callbacks reach a TlsSession. Thread-compatible.
class TlsCallbacks {
 public:
  virtual ~TlsCallbacks() = default;
  virtual ssl_select_cert_result_t OnClientHello(
      const SSL_CLIENT_HELLO* hello) = 0;
  virtual ssl_verify_result_t OnVerify(uint8_t* out_alert) = 0;
  // A fatal alert went out or came in (RFC 8446 section 6.2).
  virtual void OnAlert(bool sent, uint8_t description) = 0;
  // A handshake entered a state, began or ended; a message went out or came in.
  // Both of contexts with a trace only.
  virtual void OnState(int type) = 0;
  virtual void OnMessage(bool sent, int content_type, ByteSpan message) = 0;
};

// One generation of settings. Reload by making a new one and handing it to new
// sessions; running ones keep theirs. Immutable.
class TlsContext {
 public:
  // INVALID_ARGUMENT if a required part is missing, the PEM is broken, or key
  // and certificate do not belong together.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Create(
      TlsContextOptions options);
  // The same, with certificate chain, key and trust anchors from PEM files; an
  // empty path leaves that part of `options` as it is. NOT_FOUND or
  // PERMISSION_DENIED if a file cannot be read.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> CreateFromFiles(
      const std::string& certificate_chain_file,
      const std::string& private_key_file, const std::string& trust_file,
      TlsContextOptions options);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  TlsRole role() const { return options_.role; }
  uint64_t generation() const { return options_.generation; }
  // Our own certificate; nullptr if there is none.
  const CertificateInfo* certificate() const {
    return certificate_.has_value() ? &*certificate_ : nullptr;
  }
  // Everything but the key, which BoringSSL holds.
  const TlsContextOptions& options() const { return options_; }

  // For TlsSession: a connection whose events go to `callbacks`, which must
  // outlive it. Null if memory is short.
  bssl::UniquePtr<SSL> NewConnection(TlsCallbacks& callbacks) const;
  // Asks the peer for a certificate as this context says.
  void ApplyVerifyMode(SSL* ssl) const;
  // Changes `ssl` over to this context's certificate and verify mode.
  bool SwitchTo(SSL* ssl) const;

 private:
  TlsContext(TlsContextOptions options, bssl::UniquePtr<SSL_CTX> context,
             std::optional<CertificateInfo> certificate);

  TlsContextOptions options_;
  const std::string alpn_wire_;  // application_protocols as on the wire
  bssl::UniquePtr<SSL_CTX> context_;
  std::optional<CertificateInfo> certificate_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_TLS_CONTEXT_H_
