// SIP messages as people may see them who look for a fault: who talked to whom
// and by which key is taken out, everything else stays (design.md section 2.9
// of the style, issue "SIP ladder ... with numbers and keys redacted").
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_REDACTION_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_REDACTION_H_

#include <functional>
#include <string>
#include <string_view>

namespace sallyport::signaling_edge {

// What stands for a number, name or address: the same for the same text.
using Pseudonym = std::function<std::string(std::string_view)>;

// What must not even be kept: the keys of a=crypto, k= and ICE passwords, and
// credentials in header fields. `text` is any message, well-formed or not; the
// rest of it is untouched.
std::string WithoutSecrets(std::string_view text);
void AppendWithoutSecrets(std::string_view text, std::string& out);

// `text` of WithoutSecrets() for people. Header fields and SDP lines that are
// not known to be harmless are replaced whole; bodies other than SDP and
// message/sipfrag by their size.
std::string RedactSip(std::string_view text, const Pseudonym& pseudonym);

// The first line alone: "INVITE sip:#12@#34" or "SIP/2.0 200 OK".
std::string RedactStartLine(std::string_view line, const Pseudonym& pseudonym);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_REDACTION_H_
