#include "services/common/tls/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/files/secret_file.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

// Forward secrecy and AEAD only. TLS 1.3 has its own fixed list.
// Of the whole process, so that no context escapes it; see the header.
std::atomic<bool> g_approved_only = false;

constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// What phones of 2005 to 2015 speak besides.
constexpr char kApprovedCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kLegacyCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:AES128-SHA:AES256-SHA";

// Octets of certificates that a peer may send.
constexpr size_t kMaxPeerCertificates = 64 * 1024;
constexpr size_t kMaxFile = size_t{16} << 20;

absl::Status Invalid(std::string_view what) {
  const uint32_t error = ERR_peek_last_error();
  const char* const detail =
      error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  std::string text(what);
  if (detail != nullptr) text += absl::StrCat(": ", detail);
  return absl::InvalidArgumentError(text);
}

// A key file must not make the process ask a terminal.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status UseKeyPair(const std::vector<std::string>& chain,
                        const Secret& key_pem, SSL_CTX* context) {
  const std::string_view pem = key_pem.DangerousText();
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return Invalid("the private key is unreadable");

  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> buffers;
  std::vector<CRYPTO_BUFFER*> pointers;
  for (const std::string& der : chain) {
    buffers.emplace_back(CRYPTO_BUFFER_new(AsBytes(der).data(), der.size(),
                                           /*pool=*/nullptr));
    pointers.push_back(buffers.back().get());
  }
  // Also checks that the two belong together.
  if (!SSL_CTX_set_chain_and_key(context, pointers.data(), pointers.size(),
                                 key.get(), /*privkey_method=*/nullptr)) {
    return Invalid("the private key does not fit the certificate");
  }
  return absl::OkStatus();
}

// The slot of an SSL that points to its TlsCallbacks.
int CallbacksIndex() {
  static const int kIndex =
      SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}

TlsCallbacks* CallbacksOf(const SSL* ssl) {
  return static_cast<TlsCallbacks*>(SSL_get_ex_data(ssl, CallbacksIndex()));
}

ssl_select_cert_result_t SelectCertificate(const SSL_CLIENT_HELLO* hello) {
  return CallbacksOf(hello->ssl)->OnClientHello(hello);
}

ssl_verify_result_t VerifyPeer(SSL* ssl, uint8_t* out_alert) {
  return CallbacksOf(ssl)->OnVerify(out_alert);
}

void NoteAlert(const SSL* ssl, int type, int value) {
  if ((type & SSL_CB_ALERT) == 0) {
    if (TlsCallbacks* const callbacks = CallbacksOf(ssl)) {
      callbacks->OnState(type);
    }
    return;
  }
  const int level = value >> 8;
  const auto description = static_cast<uint8_t>(value & 0xFF);
  TlsCallbacks* const callbacks = CallbacksOf(ssl);
  if (callbacks == nullptr || level != SSL3_AL_FATAL) return;
  callbacks->OnAlert((type & SSL_CB_WRITE) != 0, description);
}

void NoteMessage(int sent, int /*version*/, int content_type, const void* data,
                 size_t size, SSL* ssl, void* /*argument*/) {
  if (TlsCallbacks* const callbacks = CallbacksOf(ssl)) {
    callbacks->OnMessage(sent != 0, content_type,
                         {static_cast<const uint8_t*>(data), size});
  }
}

// ProtocolNameList of RFC 7301 section 3.1, without its own length; nullopt if
// a name has a length that it cannot have.
std::optional<std::string> AlpnWire(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) return std::nullopt;
    out.push_back(static_cast<char>(name.size()));
    out += name;
  }
  return out;
}

// Ours is the order of preference; `wire` is our std::string.
int SelectAlpn(SSL* /*ssl*/, const uint8_t** out, uint8_t* out_size,
               const uint8_t* offered, unsigned offered_size, void* wire) {
  const ByteSpan ours = AsBytes(*static_cast<const std::string*>(wire));
  uint8_t* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, ours.data(),
                            static_cast<unsigned>(ours.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

TlsContext::TlsContext(TlsContextOptions options,
                       bssl::UniquePtr<SSL_CTX> context,
                       std::optional<CertificateInfo> certificate)
    : options_(std::move(options)),
      alpn_wire_(*AlpnWire(options_.application_protocols)),
      context_(std::move(context)),
      certificate_(std::move(certificate)) {
  if (alpn_wire_.empty()) return;
  if (options_.role == TlsRole::kServer) {
    SSL_CTX_set_alpn_select_cb(context_.get(), SelectAlpn,
                               const_cast<std::string*>(&alpn_wire_));
  } else {
    // Fails only for want of memory, and then no protocol is agreed on.
    SSL_CTX_set_alpn_protos(context_.get(), AsBytes(alpn_wire_).data(),
                            alpn_wire_.size());
  }
}

TlsContext::~TlsContext() = default;

bssl::UniquePtr<SSL> TlsContext::NewConnection(TlsCallbacks& callbacks) const {
  bssl::UniquePtr<SSL> ssl(SSL_new(context_.get()));
  if (ssl == nullptr ||
      !SSL_set_ex_data(ssl.get(), CallbacksIndex(), &callbacks)) {
    return nullptr;
  }
  ApplyVerifyMode(ssl.get());
  return ssl;
}

void TlsContext::ApplyVerifyMode(SSL* ssl) const {
  int mode = SSL_VERIFY_PEER;
  if (options_.role == TlsRole::kServer) {
    switch (options_.client_certificate) {
      case ClientCertificateMode::kNone:
        mode = SSL_VERIFY_NONE;
        break;
      case ClientCertificateMode::kRequest:
        break;
      case ClientCertificateMode::kRequire:
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        break;
    }
  }
  SSL_set_custom_verify(ssl, mode, VerifyPeer);
}

bool TlsContext::SwitchTo(SSL* ssl) const {
  if (SSL_set_SSL_CTX(ssl, context_.get()) == nullptr) return false;
  ApplyVerifyMode(ssl);
  return true;
}

void RequireApprovedTls() { g_approved_only = true; }

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Create(
    TlsContextOptions options) {
  if (g_approved_only) options.approved_only = true;
  if (options.approved_only && options.legacy_phones) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "NOT_ALLOWED_IN_FIPS_MODE", "TLS for legacy phones");
  }
  const bool server = options.role == TlsRole::kServer;
  if (server && options.certificate_chain_pem.empty()) {
    return absl::InvalidArgumentError("a TLS server needs a certificate");
  }
  if (options.trust_anchors == nullptr &&
      (!server || options.client_certificate != ClientCertificateMode::kNone)) {
    return absl::InvalidArgumentError("trust anchors are missing");
  }
  if (!AlpnWire(options.application_protocols).has_value()) {
    return absl::InvalidArgumentError("an application protocol has no name");
  }

  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  if (context == nullptr) return Invalid("SSL_CTX_new");
  const bool legacy = options.legacy_phones;
  const uint16_t floor = options.only_tls13 && !options.approved_only
                             ? TLS1_3_VERSION
                         : legacy ? TLS1_VERSION
                                  : TLS1_2_VERSION;
  if (!SSL_CTX_set_min_proto_version(context.get(), floor) ||
      !SSL_CTX_set_max_proto_version(context.get(), options.approved_only
                                                        ? TLS1_2_VERSION
                                                        : TLS1_3_VERSION) ||
      !SSL_CTX_set_strict_cipher_list(context.get(), options.approved_only
                                                         ? kApprovedCiphers
                                                     : legacy ? kLegacyCiphers
                                                              : kCiphers) ||
      (options.approved_only &&
       !SSL_CTX_set1_curves_list(context.get(), "P-256:P-384"))) {
    return Invalid("TLS versions and ciphers");
  }
  SSL_CTX_set_max_cert_list(context.get(), kMaxPeerCertificates);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_early_data_enabled(context.get(), 0);
  SSL_CTX_set_info_callback(context.get(), NoteAlert);
  if (options.trace != nullptr) {
    SSL_CTX_set_msg_callback(context.get(), NoteMessage);
  }
  if (server) {
    SSL_CTX_set_select_certificate_cb(context.get(), SelectCertificate);
  }
  if (options.session_tickets) {
    // Of another role or context a ticket is worth nothing.
    static constexpr uint8_t kSessionContext[] = {'s', 'a', 'l', 'l', 'y'};
    SSL_CTX_set_session_id_context(context.get(), kSessionContext,
                                   sizeof(kSessionContext));
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_BOTH);
  } else {
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  }

  std::optional<CertificateInfo> certificate;
  if (!options.certificate_chain_pem.empty()) {
    SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                        CertificatesFromPem(options.certificate_chain_pem));
    SP_ASSIGN_OR_RETURN(certificate, ParseCertificate(AsBytes(chain[0])));
    SP_RETURN_IF_ERROR(
        UseKeyPair(chain, options.private_key_pem, context.get()));
    options.private_key_pem = Secret();
  }
  ERR_clear_error();
  return std::shared_ptr<const TlsContext>(new TlsContext(
      std::move(options), std::move(context), std::move(certificate)));
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::CreateFromFiles(
    const std::string& certificate_chain_file,
    const std::string& private_key_file, const std::string& trust_file,
    TlsContextOptions options) {
  if (!certificate_chain_file.empty()) {
    SP_ASSIGN_OR_RETURN(const Secret pem,
                        ReadSecretFile(certificate_chain_file, kMaxFile));
    options.certificate_chain_pem = std::string(pem.DangerousText());
  }
  if (!private_key_file.empty()) {
    SP_ASSIGN_OR_RETURN(options.private_key_pem,
                        ReadSecretFile(private_key_file, kMaxFile));
  }
  if (!trust_file.empty()) {
    SP_ASSIGN_OR_RETURN(const Secret pem, ReadSecretFile(trust_file, kMaxFile));
    SP_ASSIGN_OR_RETURN(options.trust_anchors,
                        TrustAnchors::FromPem(pem.DangerousText()));
  }
  return Create(std::move(options));
}

}  // namespace sallyport
