#include "services/common/tls/tls_trace.h"

#include "absl/strings/str_cat.h"
#include "services/common/tls/tls_alert.h"

namespace sallyport {
namespace {

// RFC 8446 section 5.1.
constexpr int kChangeCipherSpec = 20;
constexpr int kAlert = 21;
constexpr int kHandshake = 22;

// RFC 8446 section 4, RFC 5246 section 7.4.
std::string HandshakeName(uint8_t type) {
  switch (type) {
    case 0:
      return "HelloRequest";
    case 1:
      return "ClientHello";
    case 2:
      return "ServerHello";
    case 4:
      return "NewSessionTicket";
    case 8:
      return "EncryptedExtensions";
    case 11:
      return "Certificate";
    case 12:
      return "ServerKeyExchange";
    case 13:
      return "CertificateRequest";
    case 14:
      return "ServerHelloDone";
    case 15:
      return "CertificateVerify";
    case 16:
      return "ClientKeyExchange";
    case 20:
      return "Finished";
    case 22:
      return "CertificateStatus";
    case 24:
      return "KeyUpdate";
    default:
      return absl::StrCat("handshake message ", type);
  }
}

}  // namespace

const char* TlsTraceKindName(TlsTraceKind kind) {
  switch (kind) {
    case TlsTraceKind::kError:
      return "error";
    case TlsTraceKind::kMessage:
      return "message";
    case TlsTraceKind::kState:
      return "state";
  }
  return "";
}

void TlsTrace::Set(const Switches& switches) {
  const auto bit = [](bool on, TlsTraceKind kind) {
    return on ? static_cast<uint8_t>(kind) : uint8_t{0};
  };
  bits_.store(
      static_cast<uint8_t>(bit(switches.errors, TlsTraceKind::kError) |
                           bit(switches.messages, TlsTraceKind::kMessage) |
                           bit(switches.states, TlsTraceKind::kState)),
      std::memory_order_relaxed);
}

TlsTrace::Switches TlsTrace::switches() const {
  return {IsOn(TlsTraceKind::kError), IsOn(TlsTraceKind::kMessage),
          IsOn(TlsTraceKind::kState)};
}

std::string TlsMessageText(bool sent, int content_type, ByteSpan message) {
  const char* const way = sent ? "sent " : "received ";
  if (message.empty()) return "";
  switch (content_type) {
    case kHandshake:
      return absl::StrCat(way, HandshakeName(message[0]), ", ", message.size(),
                          " octets");
    case kAlert:
      return message.size() < 2
                 ? ""
                 : absl::StrCat(way, "alert ", TlsAlertName(message[1]));
    case kChangeCipherSpec:
      return absl::StrCat(way, "ChangeCipherSpec");
    default:
      return "";
  }
}

}  // namespace sallyport
