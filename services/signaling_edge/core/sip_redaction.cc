#include "services/signaling_edge/core/sip_redaction.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "services/signaling_edge/core/sip_header_id.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kRemoved = "[removed]";

// The line that begins at `from`, without its end; `from` moves behind it.
std::string_view NextLine(std::string_view text, size_t& from) {
  size_t end = text.find('\n', from);
  if (end == std::string_view::npos) end = text.size();
  std::string_view line = text.substr(from, end - from);
  from = std::min(end + 1, text.size());
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool StartsWithName(std::string_view line, std::string_view name) {
  return line.size() >= name.size() &&
         EqualsIgnoreCase(line.substr(0, name.size()), name);
}

template <size_t N>
bool IsOneOf(std::string_view name,
             const std::array<std::string_view, N>& names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view one) {
    return EqualsIgnoreCase(one, name);
  });
}

// Fields that hold proof of somebody's password or identity.
constexpr std::array<std::string_view, 7> kCredentials = {
    "Authorization",
    "Proxy-Authorization",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Authentication-Info",
    "Identity",
    "Proxy-Authentication-Info"};

// Fields that say nothing of persons and devices.
constexpr std::array<std::string_view, 36> kPlain = {"CSeq",
                                                     "Max-Forwards",
                                                     "Max-Breadth",
                                                     "Content-Length",
                                                     "Content-Type",
                                                     "Content-Encoding",
                                                     "Content-Disposition",
                                                     "Accept",
                                                     "Accept-Encoding",
                                                     "Allow",
                                                     "Allow-Events",
                                                     "Supported",
                                                     "Require",
                                                     "Proxy-Require",
                                                     "Unsupported",
                                                     "Expires",
                                                     "Min-Expires",
                                                     "Session-Expires",
                                                     "Min-SE",
                                                     "RSeq",
                                                     "RAck",
                                                     "Event",
                                                     "Subscription-State",
                                                     "Retry-After",
                                                     "Refer-Sub",
                                                     "Privacy",
                                                     "User-Agent",
                                                     "Server",
                                                     "MIME-Version",
                                                     "Date",
                                                     "Timestamp",
                                                     "Priority",
                                                     "Recv-Info",
                                                     "Info-Package",
                                                     "Answer-Mode",
                                                     "P-Early-Media"};

// Parameters of URIs and header fields whose values are harmless or random.
constexpr std::array<std::string_view, 20> kPlainParameters = {
    "tag",       "branch",  "transport",  "lr",    "ob",
    "rport",     "expires", "q",          "index", "reason",
    "to-tag",    "counter", "early-only", "alias", "user",
    "refresher", "cause",   "privacy",    "limit", "from-tag"};

// Until one of `ends`, not within brackets.
std::string_view TakeUntil(std::string_view& rest, std::string_view ends) {
  size_t i = 0;
  bool bracket = false;
  for (; i < rest.size(); ++i) {
    if (rest[i] == '[') bracket = true;
    if (rest[i] == ']') bracket = false;
    if (!bracket && ends.find(rest[i]) != std::string_view::npos) break;
  }
  const std::string_view taken = rest.substr(0, i);
  rest.remove_prefix(i);
  return taken;
}

// host[:port], whose port stays.
std::string HostPort(std::string_view text, const Pseudonym& pseudonym) {
  std::string_view rest = text;
  const std::string_view host = TakeUntil(rest, ":");
  return host.empty() ? std::string(rest) : Cat(pseudonym(host), rest);
}

// Behind "scheme:".
std::string UriRest(std::string_view text, const Pseudonym& pseudonym) {
  std::string out;
  const size_t at = text.find('@');
  if (at != std::string_view::npos) {
    CatTo(out, pseudonym(text.substr(0, at)), "@");
    text.remove_prefix(at + 1);
  }
  CatTo(out, HostPort(text, pseudonym));
  return out;
}

bool IsSchemeEnd(std::string_view word) {
  return EqualsIgnoreCase(word, "sip") || EqualsIgnoreCase(word, "sips") ||
         EqualsIgnoreCase(word, "tel");
}

// A value made of addresses and parameters.
std::string Addresses(std::string_view rest, const Pseudonym& pseudonym) {
  std::string out;
  while (!rest.empty()) {
    const char c = rest[0];
    if (c == '"') {  // a display name or quoted parameter
      size_t end = 1;
      while (end < rest.size() && rest[end] != '"') {
        end += rest[end] == '\\' ? 2 : 1;
      }
      end = std::min(end + 1, rest.size());
      CatTo(out, "\"", pseudonym(rest.substr(0, end)), "\"");
      rest.remove_prefix(end);
    } else if (c == '<' || c == '>' || c == ',' || c == ' ' || c == '\t') {
      out.push_back(c);
      rest.remove_prefix(1);
    } else if (c == '?') {  // header fields within a URI, a Replaces perhaps
      CatTo(out, "?", pseudonym(TakeUntil(rest, ">, \t")));
    } else if (c == ';') {
      rest.remove_prefix(1);
      const std::string_view name = TakeUntil(rest, "=;>?, \t");
      CatTo(out, ";", name);
      if (rest.empty() || rest[0] != '=') continue;
      rest.remove_prefix(1);
      out.push_back('=');
      if (!rest.empty() && rest[0] == '"') continue;
      const std::string_view value = TakeUntil(rest, ";>?, \t");
      CatTo(out, IsOneOf(name, kPlainParameters) ? std::string(value)
                                                 : pseudonym(value));
    } else {
      std::string_view after = rest;
      const std::string_view word = TakeUntil(after, ":;<>?, \t\"");
      if (!after.empty() && after[0] == ':' && IsSchemeEnd(word)) {
        after.remove_prefix(1);
        // A user part may hold ';' and '?' (section 25.1).
        const size_t end = after.find_first_of(">, \t\"");
        const std::string_view uri = after.substr(0, end);
        const size_t at = uri.rfind('@');
        const size_t host = at == std::string_view::npos ? 0 : at;
        const size_t size = std::min(uri.find_first_of(";?", host), uri.size());
        CatTo(out, word, ":", UriRest(uri.substr(0, size), pseudonym));
        rest = after.substr(size);
      } else if (word.empty()) {
        out.push_back(after[0]);
        rest = after.substr(1);
      } else {
        CatTo(out, pseudonym(word));
        rest = after;
      }
    }
  }
  return out;
}

std::string Via(std::string_view value, const Pseudonym& pseudonym) {
  std::string_view rest = value;
  const std::string_view protocol = TakeUntil(rest, " \t");
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) {
    rest.remove_prefix(1);
  }
  const std::string_view sent_by = TakeUntil(rest, "; \t,");
  std::string out = Cat(protocol, " ", HostPort(sent_by, pseudonym));
  out.append(Addresses(rest, pseudonym));
  return out;
}

// Protocol and cause, not the text.
std::string Reason(std::string_view value) {
  std::string out;
  for (const std::string_view part : Split(value, ';')) {
    if (StartsWithName(part, "text=")) continue;
    CatTo(out, out.empty() ? "" : ";", part);
  }
  return out;
}

std::string HeaderLine(std::string_view line, const Pseudonym& pseudonym) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return pseudonym(line);
  std::string_view name = TrimLws(line.substr(0, colon));
  const std::string_view value = TrimLws(line.substr(colon + 1));
  const HeaderId id = HeaderIdFrom(name);
  if (id != HeaderId::kOther) name = HeaderName(id);
  if (value.empty() || IsOneOf(name, kPlain)) return Cat(name, ": ", value);
  if (value == kRemoved) return Cat(name, ": ", value);
  switch (id) {
    case HeaderId::kVia:
      return Cat(name, ": ", Via(value, pseudonym));
    case HeaderId::kReason:
      return Cat(name, ": ", Reason(value));
    case HeaderId::kFrom:
    case HeaderId::kTo:
    case HeaderId::kContact:
    case HeaderId::kRoute:
    case HeaderId::kRecordRoute:
    case HeaderId::kReferTo:
    case HeaderId::kReferredBy:
    case HeaderId::kPAssertedIdentity:
    case HeaderId::kDiversion:
    case HeaderId::kHistoryInfo:
      return Cat(name, ": ", Addresses(value, pseudonym));
    default:
      break;
  }
  if (id == HeaderId::kReplaces || EqualsIgnoreCase(name, "Target-Dialog")) {
    std::string_view rest = value;
    const std::string_view call = TakeUntil(rest, ";");
    return Cat(name, ": ", pseudonym(call), Addresses(rest, pseudonym));
  }
  return Cat(name, ": ", pseudonym(value));
}

constexpr std::array<std::string_view, 13> kPlainAttributes = {
    "rtpmap",   "fmtp",     "ptime",    "maxptime",    "sendrecv",
    "sendonly", "recvonly", "inactive", "silenceSupp", "setup",
    "mid",      "rtcp-mux", "ice-lite"};

std::string AttributeLine(std::string_view line, const Pseudonym& pseudonym) {
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(2, colon - 2);
  if (colon == std::string_view::npos || IsOneOf(name, kPlainAttributes)) {
    return std::string(line);
  }
  const std::string_view value = line.substr(colon + 1);
  // Its key is gone already.
  if (name == "crypto" || value == kRemoved) return std::string(line);
  std::string_view rest = value;
  if (name == "fingerprint") {
    const std::string_view algorithm = TakeUntil(rest, " ");
    return Cat("a=fingerprint:", algorithm, " ", pseudonym(rest));
  }
  if (name == "rtcp") {
    const std::string_view port = TakeUntil(rest, " ");
    const size_t address = rest.rfind(' ');
    if (address == std::string_view::npos) return Cat("a=rtcp:", port);
    return Cat("a=rtcp:", port, rest.substr(0, address + 1),
               pseudonym(rest.substr(address + 1)));
  }
  return Cat("a=", name, ":", pseudonym(value));
}

std::string SdpLine(std::string_view line, const Pseudonym& pseudonym) {
  if (line.size() < 2 || line[1] != '=') return pseudonym(line);
  switch (line[0]) {
    case 'v':
    case 't':
    case 'm':
    case 'b':
      return std::string(line);
    case 'a':
      return AttributeLine(line, pseudonym);
    case 'c': {
      const size_t space = line.rfind(' ');
      if (space == std::string_view::npos) return Cat("c=", pseudonym(line));
      return Cat(line.substr(0, space + 1), pseudonym(line.substr(space + 1)));
    }
    default:
      break;
  }
  const std::string_view value = line.substr(2);
  if (value == "-" || value == kRemoved) return std::string(line);
  return Cat(line.substr(0, 2), pseudonym(value));
}

std::string Body(std::string_view body, std::string_view type,
                 const Pseudonym& pseudonym) {
  std::string out;
  if (StartsWithName(type, "application/sdp")) {
    for (size_t i = 0; i < body.size();) {
      CatTo(out, SdpLine(NextLine(body, i), pseudonym), "\r\n");
    }
    return out;
  }
  if (StartsWithName(type, "message/sipfrag")) {
    size_t i = 0;
    const std::string_view line = NextLine(body, i);
    return Cat(RedactStartLine(line, pseudonym), "\r\n");
  }
  return body.empty() ? "" : Cat("[", body.size(), " octets]\r\n");
}

// Of "a=crypto:1 SUITE inline:KEY|2^20 UNENCRYPTED_SRTP" the keys alone.
void WithoutInlineKeys(std::string_view line, std::string& out) {
  constexpr std::string_view kInline = "inline:";
  for (;;) {
    const size_t key = line.find(kInline);
    if (key == std::string_view::npos) break;
    CatTo(out, line.substr(0, key + kInline.size()), kRemoved);
    line.remove_prefix(key + kInline.size());
    TakeUntil(line, " |;\t\r\n");
  }
  out.append(line);
}

}  // namespace

std::string WithoutSecrets(std::string_view text) {
  std::string out;
  AppendWithoutSecrets(text, out);
  return out;
}

void AppendWithoutSecrets(std::string_view text, std::string& out) {
  out.reserve(out.size() + text.size());
  bool removing = false;  // a folded credential goes on
  size_t kept = 0;        // up to here `text` is copied, or left out
  for (size_t i = 0; i < text.size();) {
    const size_t start = i;
    const std::string_view line = NextLine(text, i);
    const auto leave_out = [&] {
      out.append(text.substr(kept, start - kept));
      kept = i;
    };
    if (removing && !line.empty() && (line[0] == ' ' || line[0] == '\t')) {
      leave_out();
      continue;
    }
    removing = false;
    if (line.size() < 3) continue;
    if (line[1] == '=') {
      if (line[0] == 'k') {
        leave_out();
        CatTo(out, "k=", kRemoved, "\r\n");
      } else if (line.starts_with("a=crypto:")) {
        leave_out();
        WithoutInlineKeys(text.substr(start, i - start), out);
      } else if (StartsWithName(line, "a=ice-pwd:")) {
        leave_out();
        CatTo(out, "a=ice-pwd:", kRemoved, "\r\n");
      }
      continue;
    }
    const char first = ToLower(line[0]);
    if (first != 'a' && first != 'p' && first != 'w' && first != 'i') continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = TrimLws(line.substr(0, colon));
    if (!IsOneOf(name, kCredentials)) continue;
    leave_out();
    CatTo(out, name, ": ", kRemoved, "\r\n");
    removing = true;
  }
  out.append(text.substr(kept));
}

std::string RedactStartLine(std::string_view line, const Pseudonym& pseudonym) {
  if (StartsWithName(line, "SIP/2.0 ")) {
    // Whatever a far side may have made of the phrase is not shown.
    std::string_view rest = line.substr(8);
    const std::string_view code = TakeUntil(rest, " ");
    return Cat("SIP/2.0 ", code, rest.size() <= 48 ? rest : rest.substr(0, 48));
  }
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return pseudonym(line);
  const size_t last = line.rfind(' ');
  std::string out(line.substr(0, space + 1));
  if (last == space) {
    CatTo(out, Addresses(line.substr(space + 1), pseudonym));
  } else {
    CatTo(out, Addresses(line.substr(space + 1, last - space - 1), pseudonym),
          line.substr(last));
  }
  return out;
}

std::string RedactSip(std::string_view text, const Pseudonym& pseudonym) {
  std::string out;
  size_t i = 0;
  CatTo(out, RedactStartLine(NextLine(text, i), pseudonym), "\r\n");
  std::string_view type;
  while (i < text.size()) {
    const std::string_view line = NextLine(text, i);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') {  // folded
      CatTo(out, " ", pseudonym(line), "\r\n");
      continue;
    }
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos &&
        HeaderIdFrom(TrimLws(line.substr(0, colon))) ==
            HeaderId::kContentType) {
      type = TrimLws(line.substr(colon + 1));
    }
    CatTo(out, HeaderLine(line, pseudonym), "\r\n");
  }
  CatTo(out, "\r\n", Body(text.substr(i), type, pseudonym));
  return out;
}

}  // namespace sallyport::signaling_edge
