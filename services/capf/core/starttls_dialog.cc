#include "services/capf/core/starttls_dialog.h"

#include <cctype>
#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

constexpr size_t kMaxInput = 16 * 1024;

// ExtendedRequest with message id 1 and the OID of StartTLS.
constexpr std::string_view kLdapRequest{
    "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
    "1.3.6.1.4.1.1466.20037",
    31};

absl::Status Refused(std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, "STARTTLS_REFUSED", message);
}

}  // namespace

absl::StatusOr<StartTlsProtocol> StartTlsByName(std::string_view name) {
  if (name.empty()) return StartTlsProtocol::kNone;
  if (name == "smtp") return StartTlsProtocol::kSmtp;
  if (name == "xmpp") return StartTlsProtocol::kXmpp;
  if (name == "ldap") return StartTlsProtocol::kLdap;
  if (name == "imap") return StartTlsProtocol::kImap;
  if (name == "ftp") return StartTlsProtocol::kFtp;
  return MakeError(absl::StatusCode::kInvalidArgument, "STARTTLS_UNKNOWN",
                   "STARTTLS is known for smtp, xmpp, ldap, imap and ftp");
}

StartTlsDialog::StartTlsDialog(StartTlsProtocol protocol, std::string_view host)
    : protocol_(protocol) {
  switch (protocol_) {
    case StartTlsProtocol::kNone:
      state_ = State::kDone;
      break;
    case StartTlsProtocol::kSmtp:
    case StartTlsProtocol::kImap:
    case StartTlsProtocol::kFtp:
      break;
    case StartTlsProtocol::kXmpp:
      output_ = "<?xml version='1.0'?><stream:stream to='" + std::string(host) +
                "' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>";
      break;
    case StartTlsProtocol::kLdap:
      output_ = kLdapRequest;
      state_ = State::kAsked;
      break;
  }
}

std::string StartTlsDialog::TakeOutput() { return std::exchange(output_, {}); }

absl::Status StartTlsDialog::OnSmtpLine(std::string_view line) {
  if (line.size() < 3) return Refused("the server does not speak SMTP");
  const bool more = line.size() > 3 && line[3] == '-';
  const std::string_view code = line.substr(0, 3);
  if (code.front() != '2') return Refused("the server says no");
  if (more) return absl::OkStatus();
  switch (state_) {
    case State::kGreeting:
      output_ = "EHLO sallyport.invalid\r\n";
      state_ = State::kHello;
      break;
    case State::kHello:
      output_ = "STARTTLS\r\n";
      state_ = State::kAsked;
      break;
    case State::kAsked:
      state_ = State::kDone;
      break;
    case State::kDone:
      break;
  }
  return absl::OkStatus();
}

// RFC 3501 section 6.2.1.
absl::Status StartTlsDialog::OnImapLine(std::string_view line) {
  if (state_ == State::kGreeting) {
    if (line.substr(0, 4) != "* OK") {
      return Refused("the server does not greet as IMAP does");
    }
    output_ = "a STARTTLS\r\n";
    state_ = State::kAsked;
    return absl::OkStatus();
  }
  if (line.substr(0, 2) == "* ") return absl::OkStatus();
  if (line.substr(0, 4) != "a OK") return Refused("the server says no");
  state_ = State::kDone;
  return absl::OkStatus();
}

// RFC 4217 section 4.
absl::Status StartTlsDialog::OnFtpLine(std::string_view line) {
  const bool greeting = state_ == State::kGreeting;
  if (line.size() > 3 && line[3] == '-') return absl::OkStatus();
  // A greeting of several lines has lines without a code.
  if (greeting && line.substr(0, 3) != "220") {
    const bool code = line.size() >= 3 && line[0] >= '1' && line[0] <= '5' &&
                      (line.size() == 3 || line[3] == ' ');
    return code ? Refused("the server says no") : absl::OkStatus();
  }
  if (!greeting && line.substr(0, 3) != "234") {
    return Refused("the server says no");
  }
  if (greeting) output_ = "AUTH TLS\r\n";
  state_ = greeting ? State::kAsked : State::kDone;
  return absl::OkStatus();
}

absl::Status StartTlsDialog::OnLine(std::string_view line) {
  switch (protocol_) {
    case StartTlsProtocol::kImap:
      return OnImapLine(line);
    case StartTlsProtocol::kFtp:
      return OnFtpLine(line);
    default:
      return OnSmtpLine(line);
  }
}

absl::Status StartTlsDialog::OnXmpp() {
  if (state_ == State::kGreeting) {
    if (input_.find("</stream:features>") == std::string::npos &&
        input_.find("<stream:features/>") == std::string::npos) {
      return absl::OkStatus();
    }
    if (input_.find("urn:ietf:params:xml:ns:xmpp-tls") == std::string::npos) {
      return Refused("the server offers no STARTTLS");
    }
    output_ = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    input_.clear();
    state_ = State::kAsked;
    return absl::OkStatus();
  }
  const size_t end = input_.find('>');
  if (end == std::string::npos) return absl::OkStatus();
  if (input_.rfind("<proceed", 0) != 0) return Refused("the server says no");
  input_.erase(0, end + 1);
  if (input_.rfind("</proceed>", 0) == 0) input_.erase(0, 10);
  state_ = State::kDone;
  return absl::OkStatus();
}

absl::Status StartTlsDialog::OnLdap() {
  // One LDAPMessage with a length of one octet: what servers answer here.
  if (input_.size() < 2) return absl::OkStatus();
  const auto octet = [this](size_t i) {
    return static_cast<unsigned char>(input_[i]);
  };
  if (octet(0) != 0x30) return Refused("the server does not speak LDAP");
  size_t header = 2;
  size_t length = octet(1);
  if ((length & 0x80) != 0) {
    const size_t octets = length & 0x7f;
    if (octets == 0 || octets > 4) return Refused("a length is malformed");
    header += octets;
    if (input_.size() < header) return absl::OkStatus();
    length = 0;
    for (size_t i = 2; i < header; ++i) length = length << 8 | octet(i);
  }
  if (length > kMaxInput) return Refused("the answer is too long");
  if (input_.size() < header + length) return absl::OkStatus();
  // messageID 1, then ExtendedResponse [APPLICATION 24] with resultCode.
  const std::string_view body = std::string_view(input_).substr(header, length);
  if (body.substr(0, 4) != std::string_view("\x02\x01\x01\x78", 4)) {
    return Refused("the answer is another one's");
  }
  const size_t code = body.find("\x0a\x01", 4, 2);
  if (code == std::string_view::npos || code + 2 >= body.size() ||
      body[code + 2] != 0) {
    return Refused("the server says no");
  }
  input_.erase(0, header + length);
  state_ = State::kDone;
  return absl::OkStatus();
}

absl::Status StartTlsDialog::OnData(std::string_view data) {
  if (input_.size() + data.size() > kMaxInput) {
    return Refused("the server says too much");
  }
  input_ += data;
  while (!done()) {
    const State before = state_;
    const size_t size = input_.size();
    absl::Status status;
    if (protocol_ == StartTlsProtocol::kXmpp) {
      status = OnXmpp();
    } else if (protocol_ == StartTlsProtocol::kLdap) {
      status = OnLdap();
    } else {
      const size_t end = input_.find('\n');
      if (end == std::string::npos) return absl::OkStatus();
      std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      while (!line.empty() &&
             std::isspace(static_cast<unsigned char>(line.back())) != 0) {
        line.pop_back();
      }
      status = OnLine(line);
    }
    if (!status.ok()) return status;
    if (state_ == before && input_.size() == size) return absl::OkStatus();
  }
  if (!input_.empty()) {
    return Refused("something in clear follows the permission");
  }
  return absl::OkStatus();
}

}  // namespace sallyport::capf
