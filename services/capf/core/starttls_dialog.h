// What is said in clear before TLS begins: STARTTLS of SMTP (RFC 3207), XMPP
// (RFC 6120 section 5) and LDAP (RFC 4511 section 4.14).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_STARTTLS_DIALOG_H_
#define SALLYPORT_SERVICES_CAPF_CORE_STARTTLS_DIALOG_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport::capf {

enum class StartTlsProtocol { kNone, kSmtp, kXmpp, kLdap, kImap, kFtp };

// "", "smtp", "xmpp", "ldap", "imap", "ftp". kInvalidArgument, reason
// STARTTLS_UNKNOWN.
absl::StatusOr<StartTlsProtocol> StartTlsByName(std::string_view name);

// One dialog, from the client's side. Thread-compatible.
class StartTlsDialog {
 public:
  // `host` is named in the XMPP stream; it is a host name or an address.
  StartTlsDialog(StartTlsProtocol protocol, std::string_view host);

  // TLS may begin.
  bool done() const { return state_ == State::kDone; }
  // What is to be sent now; empties.
  std::string TakeOutput();
  // Octets of the server. kUnavailable, reason STARTTLS_REFUSED, when it will
  // not, says something else, or too much. What follows the permission in
  // clear is refused too: TLS begins with a clean slate (CVE-2011-0411).
  absl::Status OnData(std::string_view data);

 private:
  enum class State { kGreeting, kHello, kAsked, kDone };

  absl::Status OnLine(std::string_view line);
  absl::Status OnSmtpLine(std::string_view line);
  absl::Status OnImapLine(std::string_view line);
  absl::Status OnFtpLine(std::string_view line);
  absl::Status OnXmpp();
  absl::Status OnLdap();

  const StartTlsProtocol protocol_;
  State state_ = State::kGreeting;
  std::string input_;
  std::string output_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_STARTTLS_DIALOG_H_
