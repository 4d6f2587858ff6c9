#include "services/signaling_edge/core/sip_headers.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "absl/status/status.h"
#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kNpos = std::string_view::npos;
constexpr uint32_t kMaxCseq = 0x7fffffff;  // RFC 3261 section 8.1.1.5

constexpr std::array<std::string_view, 7> kTransportNames = {
    "", "UDP", "TCP", "TLS", "SCTP", "WS", "WSS"};

absl::Status Malformed() {
  return absl::Status(absl::StatusCode::kInvalidArgument, "");
}

std::string_view TakeToken(std::string_view& text) {
  const size_t n = PrefixInClass(text, kTokenClass);
  const std::string_view token = text.substr(0, n);
  text.remove_prefix(n);
  return token;
}

void SkipLws(std::string_view& text) {
  while (!text.empty() && IsLws(text.front())) text.remove_prefix(1);
}

// `c` with white space around it.
bool TakeChar(std::string_view& text, char c) {
  SkipLws(text);
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  SkipLws(text);
  return true;
}

// *(token LWS): a display name without quotes. UTF-8 is let through, as many
// phones send it so; anything that could end or open something else is not.
bool IsPlainDisplayName(std::string_view text) {
  for (char c : text) {
    if (!IsTokenChar(c) && !IsLws(c) && static_cast<uint8_t>(c) < 0x80) {
      return false;
    }
  }
  return true;
}

}  // namespace

SipTransport TransportFrom(std::string_view name) {
  for (size_t i = 1; i < kTransportNames.size(); ++i) {
    if (EqualsIgnoreCase(kTransportNames[i], name)) {
      return static_cast<SipTransport>(i);
    }
  }
  return SipTransport::kOther;
}

std::string_view TransportName(SipTransport transport) {
  return kTransportNames[static_cast<size_t>(transport)];
}

bool IsReliable(SipTransport transport) {
  return transport != SipTransport::kUdp && transport != SipTransport::kOther;
}

std::string_view Via::branch() const {
  return FindParam(params, "branch").value_or(std::string_view());
}

std::optional<std::string_view> Via::received() const {
  return FindParam(params, "received");
}

std::optional<std::string_view> Via::rport() const {
  return FindParam(params, "rport");
}

uint16_t Via::sent_by_port() const {
  if (port.has_value()) return *port;
  return transport == SipTransport::kTls ? 5061 : 5060;
}

std::string Via::ToString() const {
  std::string text;
  AppendTo(text);
  text.append(params);
  return text;
}

void Via::AppendTo(std::string& text) const {
  text.append("SIP/");
  text.append(version);
  text.push_back('/');
  text.append(transport_text.empty() ? TransportName(transport)
                                     : transport_text);
  text.push_back(' ');
  text.append(host);
  if (port.has_value()) {
    text.push_back(':');
    text.append(std::to_string(*port));
  }
}

absl::StatusOr<Via> ParseVia(std::string_view item) {
  Via via;
  SkipLws(item);
  // sent-protocol, in which white space may surround each slash.
  if (!EqualsIgnoreCase(TakeToken(item), "SIP") || !TakeChar(item, '/')) {
    return Malformed();
  }
  via.version = TakeToken(item);
  if (via.version.empty() || !TakeChar(item, '/')) return Malformed();
  via.transport_text = TakeToken(item);
  if (via.transport_text.empty()) return Malformed();
  via.transport = TransportFrom(via.transport_text);
  if (item.empty() || !IsLws(item.front())) return Malformed();
  SkipLws(item);
  // sent-by, in which white space may surround the colon.
  const size_t end = std::min(item.find(';'), item.size());
  const std::string_view sent_by = TrimLws(item.substr(0, end));
  via.params = item.substr(end);
  if (const auto plain = ParseHostPort(sent_by)) {
    via.host = plain->host;
    via.host_kind = plain->kind;
    via.port = plain->port;
  } else {
    const size_t colon = sent_by.rfind(':');
    if (colon == kNpos) return Malformed();
    via.host = TrimLws(sent_by.substr(0, colon));
    via.host_kind = ClassifyHost(via.host);
    const auto port = ParseUint(TrimLws(sent_by.substr(colon + 1)), 65535);
    if (via.host_kind == HostKind::kNone || !port || *port == 0) {
      return Malformed();
    }
    via.port = static_cast<uint16_t>(*port);
  }
  if (!ValidParams(via.params)) return Malformed();
  return via;
}

std::string NameAddr::DisplayName() const { return Unquote(display_name); }

std::string_view NameAddr::tag() const {
  return FindParam(params, "tag").value_or(std::string_view());
}

std::optional<std::string_view> NameAddr::Param(std::string_view name) const {
  return FindParam(params, name);
}

std::string NameAddr::ToString() const {
  std::string text;
  text.reserve(display_name.size() + uri.size() + params.size() + 3);
  text.append(display_name);
  if (!display_name.empty()) text.push_back(' ');
  text.push_back('<');
  text.append(uri);
  text.push_back('>');
  text.append(params);
  return text;
}

absl::StatusOr<NameAddr> ParseNameAddr(std::string_view item) {
  item = TrimLws(item);
  NameAddr result;
  if (!item.empty() && item.front() == '"') {
    const size_t length = QuotedStringLength(item);
    if (length == kNpos) return Malformed();
    result.display_name = item.substr(0, length);
    item.remove_prefix(length);
    SkipLws(item);
    if (item.empty() || item.front() != '<') return Malformed();
  }
  const size_t open = item.find('<');
  if (open == kNpos) {
    // addr-spec: what follows the first ';' is the field's.
    const size_t semicolon = std::min(item.find(';'), item.size());
    result.uri = TrimLws(item.substr(0, semicolon));
    result.params = item.substr(semicolon);
    if (FindEither(result.uri, ',', '?') != result.uri.size())
      return Malformed();
  } else {
    if (open > 0) {
      result.display_name = TrimLws(item.substr(0, open));
      if (!IsPlainDisplayName(result.display_name)) return Malformed();
    }
    item.remove_prefix(open + 1);
    const size_t close = item.find('>');
    if (close == kNpos) return Malformed();
    result.uri = item.substr(0, close);
    result.params = TrimLws(item.substr(close + 1));
  }
  if (!IsAbsoluteUri(result.uri) ||
      (!result.params.empty() && !ValidParams(result.params))) {
    return Malformed();
  }
  return result;
}

bool IsStar(std::string_view contact_item) {
  return TrimLws(contact_item) == "*";
}

std::string Cseq::ToString() const {
  std::string text = std::to_string(number);
  text.push_back(' ');
  text.append(method_text.empty() ? MethodName(method) : method_text);
  return text;
}

absl::StatusOr<Cseq> ParseCseq(std::string_view value) {
  value = TrimLws(value);
  const size_t gap = FindEither(value, ' ', '\t');
  if (gap == value.size()) return Malformed();
  const auto number = ParseUint(value.substr(0, gap), kMaxCseq);
  Cseq cseq;
  cseq.method_text = TrimLws(value.substr(gap));
  if (!number || !IsToken(cseq.method_text)) return Malformed();
  cseq.number = *number;
  cseq.method = MethodFrom(cseq.method_text);
  return cseq;
}

absl::StatusOr<Rack> ParseRack(std::string_view value) {
  value = TrimLws(value);
  const size_t gap = FindEither(value, ' ', '\t');
  if (gap == value.size()) return Malformed();
  const auto number =
      ParseUint(value.substr(0, gap), std::numeric_limits<uint32_t>::max());
  if (!number) return Malformed();
  auto cseq = ParseCseq(value.substr(gap));
  if (!cseq.ok()) return cseq.status();
  return Rack{*number, *cseq};
}

std::optional<std::string> AuthValue::Get(std::string_view name) const {
  for (const Parameter& parameter : parameters) {
    if (EqualsIgnoreCase(parameter.name, name)) return Unquote(parameter.value);
  }
  return std::nullopt;
}

absl::StatusOr<AuthValue> ParseAuthValue(std::string_view value) {
  AuthValue auth;
  value = TrimLws(value);
  auth.scheme = TakeToken(value);
  if (auth.scheme.empty() || value.empty() || !IsLws(value.front())) {
    return Malformed();
  }
  ListReader reader(value);
  for (std::string_view item; reader.Next(item);) {
    const std::string_view name = TakeToken(item);
    if (name.empty() || !TakeChar(item, '=')) return Malformed();
    // Besides a token or quoted string, "uri" and old opaque values come bare.
    const bool quoted = !item.empty() && item.front() == '"';
    if (item.empty() || (quoted && QuotedStringLength(item) != item.size()) ||
        (!quoted && item.find_first_of("\" \t<>") != kNpos)) {
      return Malformed();
    }
    for (const AuthValue::Parameter& other : auth.parameters) {
      if (EqualsIgnoreCase(other.name, name)) return Malformed();
    }
    if (auth.parameters.size() == 32) return Malformed();
    auth.parameters.push_back({name, item});
  }
  if (!reader.ok()) return Malformed();
  return auth;
}

std::optional<std::string_view> ValueWithParams::Param(
    std::string_view name) const {
  return FindParam(params, name);
}

absl::StatusOr<ValueWithParams> ParseValueWithParams(std::string_view item) {
  const size_t semicolon = std::min(item.find(';'), item.size());
  ValueWithParams result;
  result.value = TrimLws(item.substr(0, semicolon));
  result.params = item.substr(semicolon);
  if (result.value.empty() || result.value.find('"') != kNpos ||
      !ValidParams(result.params)) {
    return Malformed();
  }
  return result;
}

std::optional<uint32_t> ParseContentLength(std::string_view value,
                                           uint32_t max_body) {
  return ParseUint(value, max_body);
}

std::optional<uint8_t> ParseMaxForwards(std::string_view value) {
  const auto hops = ParseUint(value, 255);
  if (!hops) return std::nullopt;
  return static_cast<uint8_t>(*hops);
}

std::optional<uint32_t> ParseDeltaSeconds(std::string_view value) {
  return ParseUintSaturating(value, std::numeric_limits<uint32_t>::max());
}

std::optional<uint32_t> ParseLeadingSeconds(std::string_view value) {
  value = TrimLws(value);
  const size_t end = std::min(value.find_first_of(" \t;("), value.size());
  return ParseDeltaSeconds(value.substr(0, end));
}

bool ListHasToken(std::string_view value, std::string_view token) {
  ListReader reader(value);
  for (std::string_view item; reader.Next(item);) {
    if (EqualsIgnoreCase(item, token)) return true;
  }
  return false;
}

}  // namespace sallyport::signaling_edge
