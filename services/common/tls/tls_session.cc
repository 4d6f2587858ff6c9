#include "services/common/tls/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

uint8_t AlertFor(std::string_view reason) {
  if (reason == "PEER_CERTIFICATE_EXPIRED" ||
      reason == "PEER_CERTIFICATE_NOT_YET_VALID") {
    return SSL_AD_CERTIFICATE_EXPIRED;
  }
  if (reason == "PEER_CERTIFICATE_UNTRUSTED") return SSL_AD_UNKNOWN_CA;
  if (reason == "PEER_CERTIFICATE_MALFORMED") return SSL_AD_BAD_CERTIFICATE;
  if (reason == "PEER_CERTIFICATE_WRONG_USAGE") {
    return SSL_AD_UNSUPPORTED_CERTIFICATE;
  }
  if (reason == "PEER_CERTIFICATE_REVOKED") return SSL_AD_CERTIFICATE_REVOKED;
  return SSL_AD_CERTIFICATE_UNKNOWN;
}

// The host name of a server_name extension (RFC 6066 section 3); empty if
// absent or malformed, which BoringSSL itself then refuses.
std::string ServerNameOf(const SSL_CLIENT_HELLO* hello) {
  const uint8_t* data;
  size_t size;
  if (!SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_server_name,
                                            &data, &size)) {
    return "";
  }
  CBS extension, list, name;
  uint8_t type;
  CBS_init(&extension, data, size);
  if (!CBS_get_u16_length_prefixed(&extension, &list) ||
      !CBS_get_u8(&list, &type) || type != TLSEXT_NAMETYPE_host_name ||
      !CBS_get_u16_length_prefixed(&list, &name) || CBS_len(&name) > 255) {
    return "";
  }
  std::string out = ToString({CBS_data(&name), CBS_len(&name)});
  absl::AsciiStrToLower(&out);
  return out;
}

// The client offers nothing but suites without encryption ("authenticated"
// mode), RFC 9150's for TLS 1.3 included.
bool OffersNullCiphersOnly(const SSL_CLIENT_HELLO* hello) {
  constexpr std::array<uint16_t, 25> kNull = {
      0x0000, 0x0001, 0x0002, 0x002C, 0x002D, 0x002E, 0x003B, 0x0082, 0x0083,
      0x00B0, 0x00B1, 0x00B4, 0x00B5, 0x00B8, 0x00B9, 0xC001, 0xC006, 0xC00B,
      0xC010, 0xC015, 0xC039, 0xC03A, 0xC03B, 0xC0B4, 0xC0B5};
  constexpr uint16_t kRenegotiationInfo = 0x00FF;
  constexpr uint16_t kFallback = 0x5600;
  CBS suites;
  CBS_init(&suites, hello->cipher_suites, hello->cipher_suites_len);
  bool any = false;
  uint16_t suite;
  while (CBS_get_u16(&suites, &suite)) {
    if (suite == kRenegotiationInfo || suite == kFallback) continue;
    if (std::find(kNull.begin(), kNull.end(), suite) == kNull.end()) {
      return false;
    }
    any = true;
  }
  return any;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context)
    : context_(std::move(context)) {}

TlsSession::~TlsSession() = default;

int TlsSession::ReadInput(BIO* bio, char* out, int size) {
  auto& self = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.input_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t count = std::min(self.input_.size(), static_cast<size_t>(size));
  std::memcpy(out, self.input_.data(), count);
  self.input_.remove_prefix(count);
  return static_cast<int>(count);
}

int TlsSession::WriteOutput(BIO* bio, const char* data, int size) {
  auto& self = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  self.output_.append(data, static_cast<size_t>(size));
  return size;
}

const BIO_METHOD* TlsSession::Memory() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "session");
    SP_CHECK(method != nullptr);
    BIO_meth_set_read(method, ReadInput);
    BIO_meth_set_write(method, WriteOutput);
    BIO_meth_set_ctrl(method, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return method;
  }();
  return kMethod;
}

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::Create(
    std::shared_ptr<const TlsContext> context, std::string_view server_name,
    const TlsBounds& bounds) {
  SP_CHECK(context != nullptr);
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(context)));
  SP_RETURN_IF_ERROR(session->Init(server_name, bounds));
  return session;
}

absl::Status TlsSession::Bind(const TlsBounds& bounds) {
  if (bounds == TlsBounds()) return absl::OkStatus();
  const auto empty = [](std::string_view what) {
    return MakeError(absl::StatusCode::kInvalidArgument, "TLS_BOUNDS_EMPTY",
                     what);
  };
  const uint16_t low =
      std::max(bounds.minimum_version, SSL_get_min_proto_version(ssl_.get()));
  uint16_t high = SSL_get_max_proto_version(ssl_.get());
  if (bounds.maximum_version != 0) {
    high = std::min(high, bounds.maximum_version);
  }
  if (low > high || !SSL_set_min_proto_version(ssl_.get(), low) ||
      !SSL_set_max_proto_version(ssl_.get(), high)) {
    ERR_clear_error();
    return empty("no version of TLS is left");
  }
  if (bounds.ciphers.empty()) return absl::OkStatus();
  std::string list;
  const STACK_OF(SSL_CIPHER)* const allowed = SSL_get_ciphers(ssl_.get());
  for (const std::string& wanted : bounds.ciphers) {
    for (size_t i = 0; i < sk_SSL_CIPHER_num(allowed); ++i) {
      if (wanted != SSL_CIPHER_get_name(sk_SSL_CIPHER_value(allowed, i))) {
        continue;
      }
      absl::StrAppend(&list, list.empty() ? "" : ":", wanted);
      break;
    }
  }
  if (list.empty() || !SSL_set_strict_cipher_list(ssl_.get(), list.c_str())) {
    ERR_clear_error();
    return empty("no suite of TLS 1.2 is left");
  }
  return absl::OkStatus();
}

absl::Status TlsSession::Init(std::string_view server_name,
                              const TlsBounds& bounds) {
  ssl_ = context_->NewConnection(*this);
  bssl::UniquePtr<BIO> memory(BIO_new(Memory()));
  if (ssl_ == nullptr || memory == nullptr) {
    ERR_clear_error();
    return absl::ResourceExhaustedError("cannot make a TLS session");
  }
  BIO_set_data(memory.get(), this);
  BIO_set_init(memory.get(), 1);
  BIO* const both = memory.release();
  SSL_set_bio(ssl_.get(), both, both);
  SP_RETURN_IF_ERROR(Bind(bounds));
  // What only the handshake needs goes with it.
  SSL_set_shed_handshake_config(ssl_.get(), 1);
  if (context_->role() == TlsRole::kServer) {
    SSL_set_accept_state(ssl_.get());
    return absl::OkStatus();  // the client speaks first
  }
  server_name_ = std::string(server_name);
  absl::AsciiStrToLower(&server_name_);
  if (!server_name_.empty() &&
      !SSL_set_tlsext_host_name(ssl_.get(), server_name_.c_str())) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the server name is not a host name");
  }
  SSL_set_connect_state(ssl_.get());
  return Pump();
}

ssl_select_cert_result_t TlsSession::OnClientHello(
    const SSL_CLIENT_HELLO* hello) {
  server_name_ = ServerNameOf(hello);
  if (OffersNullCiphersOnly(hello)) {
    // The handshake fails by itself; this is why.
    verify_failure_ =
        MakeError(absl::StatusCode::kInvalidArgument, "NULL_CIPHER_NOT_ALLOWED",
                  "the client offers ciphers without encryption only");
  }
  const auto& select = context_->options().select_by_server_name;
  if (select == nullptr || server_name_.empty()) {
    return ssl_select_cert_success;
  }
  std::shared_ptr<const TlsContext> chosen = select(server_name_);
  if (chosen == nullptr) return ssl_select_cert_success;
  SP_CHECK(chosen->role() == TlsRole::kServer);
  if (!chosen->SwitchTo(hello->ssl)) return ssl_select_cert_error;
  context_ = std::move(chosen);
  return ssl_select_cert_success;
}

ssl_verify_result_t TlsSession::OnVerify(uint8_t* out_alert) {
  absl::Status status = JudgePeer();
  if (status.ok()) return ssl_verify_ok;
  *out_alert = AlertFor(ReasonOf(status));
  verify_failure_ = std::move(status);
  return ssl_verify_invalid;
}

void TlsSession::OnAlert(bool sent, uint8_t description) {
  if (!alert_.has_value()) alert_ = TlsAlert{description, sent};
  if (IsTraced(TlsTraceKind::kError)) {
    Tell(TlsTraceKind::kError,
         absl::StrCat(sent ? "sent alert " : "received alert ",
                      TlsAlertName(description)));
  }
}

bool TlsSession::IsTraced(TlsTraceKind kind) const {
  const auto& trace = context_->options().trace;
  return trace != nullptr && trace->IsOn(kind);
}

void TlsSession::Tell(TlsTraceKind kind, std::string text) {
  TlsTrace& trace = *context_->options().trace;
  if (trace_id_ == 0) trace_id_ = trace.NextSession();
  trace.Tell({.kind = kind,
              .session = trace_id_,
              .server = context_->role() == TlsRole::kServer,
              .text = std::move(text)});
}

void TlsSession::OnState(int type) {
  if (!IsTraced(TlsTraceKind::kState)) return;
  if ((type & SSL_CB_HANDSHAKE_START) != 0) {
    Tell(TlsTraceKind::kState, "handshake started");
  } else if ((type & SSL_CB_HANDSHAKE_DONE) != 0) {
    Tell(TlsTraceKind::kState, "handshake done");
  } else if ((type & SSL_CB_LOOP) != 0) {
    Tell(TlsTraceKind::kState, SSL_state_string_long(ssl_.get()));
  }
}

void TlsSession::OnMessage(bool sent, int content_type, ByteSpan message) {
  if (!IsTraced(TlsTraceKind::kMessage)) return;
  std::string text = TlsMessageText(sent, content_type, message);
  if (!text.empty()) Tell(TlsTraceKind::kMessage, std::move(text));
}

void TlsSession::RememberPeer() {
  const STACK_OF(CRYPTO_BUFFER)* const chain =
      SSL_get0_peer_certificates(ssl_.get());
  if (chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0) return;
  peer_.emplace();
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); ++i) {
    const CRYPTO_BUFFER* const buffer = sk_CRYPTO_BUFFER_value(chain, i);
    peer_->chain.push_back(
        ToString({CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer)}));
  }
}

absl::Status TlsSession::JudgePeer() {
  RememberPeer();
  if (!peer_.has_value()) {
    return MakeError(absl::StatusCode::kUnauthenticated,
                     "PEER_CERTIFICATE_MISSING", "no certificate");
  }
  auto leaf = ParseCertificate(AsBytes(peer_->chain[0]));
  if (!leaf.ok()) {
    peer_->verify_error =
        MakeError(absl::StatusCode::kUnauthenticated,
                  "PEER_CERTIFICATE_MALFORMED", "unreadable certificate");
    return peer_->verify_error;
  }
  peer_->leaf = *std::move(leaf);
  const TlsContextOptions& options = context_->options();
  const bool from_client = options.role == TlsRole::kServer;
  const CertificatePurpose purpose =
      options.sip_domains ? (from_client ? CertificatePurpose::kSipClient
                                         : CertificatePurpose::kSipServer)
      : from_client       ? CertificatePurpose::kTlsClient
                          : CertificatePurpose::kTlsServer;
  peer_->verify_error = options.trust_anchors->Verify(peer_->chain, purpose,
                                                      options.clock->Now());
  peer_->verified = peer_->verify_error.ok();
  if (!peer_->verified) {
    return options.unverified_peer == UnverifiedPeer::kRefuse
               ? peer_->verify_error
               : absl::OkStatus();
  }
  return options.accept_peer == nullptr ? absl::OkStatus()
                                        : options.accept_peer(*peer_);
}

absl::Status TlsSession::Fail(absl::Status error) {
  state_ = State::kFailed;
  error_ = std::move(error);
  if (IsTraced(TlsTraceKind::kError)) {
    // BoringSSL's own words beside ours; names of parties are in the refusal.
    const char* const words = ERR_reason_error_string(ERR_peek_error());
    Tell(TlsTraceKind::kError,
         absl::StrCat(ReasonOf(error_), words == nullptr ? "" : ": ",
                      words == nullptr ? "" : words));
  }
  ERR_clear_error();
  return error_;
}

absl::Status TlsSession::Feed(ByteSpan ciphertext) {
  if (state_ == State::kFailed) return error_;
  input_ = ciphertext;
  const absl::Status status = Pump();
  input_ = {};  // nothing but what came after an end can be left
  return status;
}

absl::Status TlsSession::Pump() {
  ERR_clear_error();
  if (state_ == State::kHandshaking) SP_RETURN_IF_ERROR(Handshake());
  if (state_ == State::kOpen) return ReadAll();
  return absl::OkStatus();
}

absl::Status TlsSession::Handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    if (SSL_in_init(ssl_.get())) return absl::OkStatus();
    state_ = State::kOpen;
    // A resumed session verified nothing now; it stands by its first time.
    if (!peer_.has_value() && SSL_session_reused(ssl_.get())) {
      return JudgeResumed();
    }
    return absl::OkStatus();
  }
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) {
    return absl::OkStatus();
  }
  if (!verify_failure_.ok()) return Fail(verify_failure_);
  const uint32_t error = ERR_peek_error();
  const int reason = ERR_GET_REASON(error);
  const char* const text = ERR_reason_error_string(error);
  const std::string detail = text == nullptr ? "unknown" : text;
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    return Fail(MakeError(absl::StatusCode::kUnauthenticated,
                          "PEER_CERTIFICATE_MISSING", "no certificate"));
  }
  if (reason > SSL_AD_REASON_OFFSET) {
    return Fail(MakeError(absl::StatusCode::kFailedPrecondition,
                          "TLS_ALERT_RECEIVED", detail));
  }
  return Fail(MakeError(absl::StatusCode::kInvalidArgument,
                        "TLS_HANDSHAKE_FAILED", detail));
}

absl::Status TlsSession::JudgeResumed() {
  const bool asked =
      context_->role() == TlsRole::kClient ||
      context_->options().client_certificate != ClientCertificateMode::kNone;
  RememberPeer();
  if (!asked || !peer_.has_value()) {
    peer_.reset();
    return absl::OkStatus();
  }
  // Certificates expire while tickets live: the same judgement again.
  const absl::Status status = JudgePeer();
  return status.ok() ? status : Fail(status);
}

absl::Status TlsSession::ReadAll() {
  std::array<uint8_t, 16 * 1024> buffer;
  for (;;) {
    const int size = SSL_read(ssl_.get(), buffer.data(), buffer.size());
    if (size > 0) {
      plaintext_.append(AsText({buffer.data(), static_cast<size_t>(size)}));
      continue;
    }
    switch (SSL_get_error(ssl_.get(), size)) {
      case SSL_ERROR_WANT_READ:
        return absl::OkStatus();
      case SSL_ERROR_ZERO_RETURN:
        state_ = State::kPeerClosed;
        return absl::OkStatus();
      default:
        break;
    }
    const uint32_t error = ERR_peek_error();
    const char* const text = ERR_reason_error_string(error);
    const bool alert = ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET;
    return Fail(MakeError(alert ? absl::StatusCode::kFailedPrecondition
                                : absl::StatusCode::kInvalidArgument,
                          alert ? "TLS_ALERT_RECEIVED" : "TLS_RECORD_INVALID",
                          text == nullptr ? "unknown" : text));
  }
}

absl::Status TlsSession::Write(ByteSpan plaintext) {
  if (closed_ || (state_ != State::kOpen && state_ != State::kPeerClosed)) {
    return absl::FailedPreconditionError("the TLS session is not open");
  }
  ERR_clear_error();
  while (!plaintext.empty()) {
    constexpr size_t kChunk = size_t{1} << 20;
    const ByteSpan part = plaintext.subspan(0, kChunk);
    const int written =
        SSL_write(ssl_.get(), part.data(), static_cast<int>(part.size()));
    // Memory takes everything, so less is an error.
    if (written <= 0) {
      return Fail(absl::InternalError("TLS could not encrypt"));
    }
    plaintext.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

void TlsSession::Close() {
  if (closed_) return;
  closed_ = true;
  if (state_ == State::kOpen || state_ == State::kPeerClosed) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());  // 0: sent, the peer's own is not here yet
    ERR_clear_error();
  }
}

std::string TlsSession::TakeCiphertext() {
  return std::exchange(output_, std::string());
}

std::string TlsSession::TakePlaintext() {
  return std::exchange(plaintext_, std::string());
}

std::string TlsSession::version() const {
  if (state_ == State::kHandshaking || SSL_in_init(ssl_.get())) return "";
  return SSL_get_version(ssl_.get());
}

std::string TlsSession::cipher() const {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl_.get());
  if (cipher == nullptr || SSL_in_init(ssl_.get())) return "";
  return SSL_CIPHER_standard_name(cipher);
}

std::string TlsSession::group() const {
  if (state_ == State::kHandshaking || SSL_in_init(ssl_.get())) return "";
  const uint16_t id = SSL_get_curve_id(ssl_.get());
  const char* const name = id == 0 ? nullptr : SSL_get_curve_name(id);
  return name == nullptr ? "" : name;
}

std::string TlsSession::application_protocol() const {
  const uint8_t* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return size == 0 ? "" : ToString({name, size});
}

bool TlsSession::resumed() const { return SSL_session_reused(ssl_.get()) != 0; }

}  // namespace sallyport
