#include "services/credential_issuer/core/mras_message.h"

#include <expat.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/bytes/xml_text.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/error_reason.h"

namespace sallyport::credential_issuer {
namespace {

constexpr std::string_view kNamespace =
    "http://schemas.microsoft.com/2006/09/sip/mrasp";
constexpr std::string_view kServerVersion = "2.0";
// Between a namespace and a name; in neither.
constexpr char kSeparator = '\n';
constexpr size_t kMaxId = 64;
constexpr size_t kMaxUri = 1024;
constexpr size_t kMaxText = 2048;
constexpr int kMaxDepth = 16;
// A duration of more minutes is read as this: it is clamped to 8 hours anyway.
constexpr uint32_t kMaxMinutes = 60 * 24 * 365;

absl::Status BodyInvalid(std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, "MRAS_BODY_INVALID", why,
                   {{"body", std::string(why)}});
}

std::string Trimmed(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

// Reads one body. Everything that expat calls back is here; it is told to stop
// at the first thing that is no request. Thread-compatible.
class Reader {
 public:
  Reader() : parser_(XML_ParserCreateNS("UTF-8", kSeparator), &XML_ParserFree) {
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(
        parser_.get(),
        [](void* self, const char* name, const char** attributes) {
          static_cast<Reader*>(self)->OnStart(name, attributes);
        },
        [](void* self, const char*) { static_cast<Reader*>(self)->OnEnd(); });
    XML_SetCharacterDataHandler(
        parser_.get(), [](void* self, const char* text, int size) {
          static_cast<Reader*>(self)->OnText(
              std::string_view(text, static_cast<size_t>(size)));
        });
    XML_SetStartDoctypeDeclHandler(
        parser_.get(),
        [](void* self, const char*, const char*, const char*, int) {
          static_cast<Reader*>(self)->Stop("a document type is not accepted");
        });
  }

  absl::StatusOr<ParsedMras> Read(std::string_view body) {
    const XML_Status status =
        XML_Parse(parser_.get(), body.data(), static_cast<int>(body.size()),
                  /*isFinal=*/1);
    if (!stopped_.empty()) return BodyInvalid(stopped_);
    if (status != XML_STATUS_OK) return BodyInvalid("the body is no XML");
    if (out_.request.credentials.empty()) {
      Fault(MrasReason::kRequestMalformed);
    }
    return std::move(out_);
  }

 private:
  enum class Element {
    kOther,
    kRequest,
    kCredentialsRequest,
    kIdentity,
    kLocation,
    kDuration,
  };

  void Stop(std::string_view why) {
    if (stopped_.empty()) stopped_ = std::string(why);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  // The first one counts.
  void Fault(MrasReason reason) {
    if (out_.reason == MrasReason::kOk) out_.reason = reason;
  }

  // The name without our namespace; empty for those of others.
  static std::string_view LocalName(std::string_view name) {
    const size_t separator = name.find(kSeparator);
    if (separator == std::string_view::npos) return "";
    if (name.substr(0, separator) != kNamespace) return "";
    return name.substr(separator + 1);
  }

  Element Kind(std::string_view name) const {
    const Element parent = open_.empty() ? Element::kOther : open_.back();
    if (parent == Element::kRequest && name == "credentialsRequest") {
      return Element::kCredentialsRequest;
    }
    if (parent == Element::kCredentialsRequest) {
      if (name == "identity") return Element::kIdentity;
      if (name == "location") return Element::kLocation;
      if (name == "duration") return Element::kDuration;
    }
    return Element::kOther;
  }

  void OnStart(std::string_view full_name, const char** attributes) {
    const std::string_view name = LocalName(full_name);
    if (open_.empty()) {
      if (name != "request") return Stop("the root is no MRAS request");
      open_.push_back(Element::kRequest);
      return ReadRequest(attributes);
    }
    if (open_.size() >= kMaxDepth) return Stop("the body is nested too deep");
    const Element element = Kind(name);
    // Of our namespace, and not where it may be.
    if (element == Element::kOther && !name.empty()) {
      Fault(MrasReason::kRequestMalformed);
    }
    open_.push_back(element);
    text_.clear();
    if (element == Element::kCredentialsRequest) {
      ReadCredentialsRequest(attributes);
    }
  }

  // The attribute, or nothing when it is too long.
  std::string Take(std::string_view value, size_t most) {
    if (value.size() <= most) return std::string(value);
    Fault(MrasReason::kRequestMalformed);
    return "";
  }

  void ReadRequest(const char** attributes) {
    MrasRequest& request = out_.request;
    std::string route = "loadbalanced";
    for (; *attributes != nullptr; attributes += 2) {
      const std::string_view name = attributes[0];
      const std::string_view value = attributes[1];
      if (name == "requestID") request.request_id = Take(value, kMaxId);
      if (name == "version") request.version = Take(value, kMaxId);
      if (name == "to") request.to = Take(value, kMaxUri);
      if (name == "from") request.from = Take(value, kMaxUri);
      if (name == "route") route = Take(value, kMaxId);
    }
    if (request.request_id.empty() || request.version.empty()) {
      return Fault(MrasReason::kRequestMalformed);
    }
    if (request.version != "1.0" && request.version != "2.0") {
      return Fault(MrasReason::kVersionMismatch);
    }
    request.direct_ip = route == "directip";
    if (!request.direct_ip && route != "loadbalanced") {
      Fault(MrasReason::kRequestMalformed);
    }
  }

  void ReadCredentialsRequest(const char** attributes) {
    if (out_.request.credentials.size() == kMaxMrasCredentials) {
      overflow_ = MrasCredentialsRequest();
      too_many_ = true;
      return Fault(MrasReason::kRequestTooLarge);
    }
    MrasCredentialsRequest& one = out_.request.credentials.emplace_back();
    for (; *attributes != nullptr; attributes += 2) {
      if (std::string_view(attributes[0]) != "credentialsRequestID") continue;
      one.id = Take(attributes[1], kMaxId);
    }
    if (one.id.empty()) Fault(MrasReason::kRequestMalformed);
  }

  // What the open credentialsRequest is read into.
  MrasCredentialsRequest& current() {
    return too_many_ ? overflow_ : out_.request.credentials.back();
  }

  void OnText(std::string_view text) {
    if (text_.size() + text.size() > kMaxText) {
      // Of an element that is passed over it may be any length.
      if (!open_.empty() && open_.back() != Element::kOther) {
        Fault(MrasReason::kRequestMalformed);
      }
      return;
    }
    text_.append(text);
  }

  void OnEnd() {
    if (open_.empty()) return;
    const Element element = open_.back();
    open_.pop_back();
    const std::string text = Trimmed(text_);
    text_.clear();
    switch (element) {
      case Element::kIdentity:
        if (!current().identity.empty() || text.empty()) {
          Fault(MrasReason::kRequestMalformed);
        }
        current().identity = text;
        break;
      case Element::kLocation:
        ReadLocation(text);
        break;
      case Element::kDuration:
        ReadDuration(text);
        break;
      case Element::kCredentialsRequest:
        if (current().identity.empty()) Fault(MrasReason::kRequestMalformed);
        break;
      case Element::kRequest:
      case Element::kOther:
        break;
    }
  }

  void ReadLocation(const std::string& text) {
    if (current().location.has_value()) Fault(MrasReason::kRequestMalformed);
    if (text == "intranet") {
      current().location = ClientNetwork::kIntranet;
    } else if (text == "internet") {
      current().location = ClientNetwork::kInternet;
    } else {
      Fault(MrasReason::kRequestMalformed);
    }
  }

  void ReadDuration(const std::string& text) {
    const bool digits =
        !text.empty() && text.size() <= 20 &&
        std::all_of(text.begin(), text.end(),
                    [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (!digits || current().duration.has_value()) {
      return Fault(MrasReason::kRequestMalformed);
    }
    uint32_t minutes = 0;
    if (!absl::SimpleAtoi(text, &minutes)) minutes = kMaxMinutes;
    minutes = std::min(minutes, kMaxMinutes);
    if (minutes == 0) return Fault(MrasReason::kRequestMalformed);
    current().duration = absl::Minutes(minutes);
  }

  const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser_;
  std::vector<Element> open_;
  std::string text_;  // of the innermost element
  std::string stopped_;
  MrasCredentialsRequest overflow_;
  bool too_many_ = false;
  ParsedMras out_;
};

// A SIP URI's user and host, or nothing.
struct SipUser {
  std::string_view user;
  std::string_view host;
};

std::optional<SipUser> SplitSipUser(std::string_view text) {
  for (const std::string_view scheme : {"sip:", "sips:"}) {
    if (absl::StartsWithIgnoreCase(AbslView(text), AbslView(scheme))) {
      text.remove_prefix(scheme.size());
      break;
    }
  }
  text = text.substr(0, text.find_first_of(";?"));
  const size_t at = text.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == text.size() ||
      text.find('@', at + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return SipUser{text.substr(0, at), text.substr(at + 1)};
}

void AppendElement(std::string_view name, std::string_view text,
                   std::string* out) {
  absl::StrAppend(out, "<", AbslView(name), ">", AbslView(text), "</",
                  AbslView(name), ">");
}

// base64url without padding to base64.
std::string PlainBase64(std::string_view base64url) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(AbslView(base64url), &bytes)) return "";
  std::string out = absl::Base64Escape(bytes);
  Cleanse(bytes);
  return out;
}

std::string_view LocationName(ClientNetwork network) {
  return network == ClientNetwork::kIntranet ? "intranet" : "internet";
}

bool IsLiteral(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || c == '.';
         });
}

void AppendRelay(const MrasRelay& relay, std::string* out) {
  *out += "<mediaRelay>";
  AppendElement("location", LocationName(relay.location), out);
  AppendElement(relay.direct_ip ? "directIPAddress" : "hostName",
                XmlText(relay.host), out);
  if (relay.udp_port != 0) {
    AppendElement("udpPort", std::to_string(relay.udp_port), out);
  }
  if (relay.tcp_port != 0) {
    AppendElement("tcpPort", std::to_string(relay.tcp_port), out);
  }
  *out += "</mediaRelay>";
}

void AppendCredentials(const MrasCredentials& one, std::string_view realm,
                       std::string* out) {
  absl::StrAppend(out, "<credentialsResponse credentialsRequestID=\"",
                  XmlText(one.id), "\"><credentials>");
  AppendElement("username", PlainBase64(one.credential->username), out);
  std::string password = PlainBase64(one.credential->password.DangerousText());
  AppendElement("password", password, out);
  Cleanse(password);
  // Expiry is in whole seconds, so that 480 minutes are up to a second less.
  const int64_t minutes =
      absl::ToInt64Minutes(one.credential->lifetime + absl::Seconds(1));
  AppendElement("duration", std::to_string(minutes), out);
  AppendElement("realm", XmlText(realm), out);
  *out += "</credentials><mediaRelayList>";
  for (const MrasRelay& relay : one.relays) AppendRelay(relay, out);
  *out += "</mediaRelayList></credentialsResponse>";
}

}  // namespace

std::string_view MrasReasonPhrase(MrasReason reason) {
  static constexpr std::array<std::string_view, kMrasReasonCount> kPhrases = {
      "OK",
      "Request Malformed",
      "Request Too Large",
      "Not Supported",
      "Server Busy",
      "Time Out",
      "Forbidden",
      "Internal Server Error",
      "Other Failure",
      "Version Mismatch"};
  return kPhrases[static_cast<size_t>(reason)];
}

absl::StatusOr<ParsedMras> ParseMrasRequest(std::string_view body) {
  if (body.size() > kMaxMrasBody) {
    ParsedMras out;
    out.reason = MrasReason::kRequestTooLarge;
    return out;
  }
  Reader reader;
  return reader.Read(body);
}

bool IsSameSipUser(std::string_view identity, std::string_view subject) {
  const auto a = SplitSipUser(identity);
  const auto b = SplitSipUser(subject);
  return a.has_value() && b.has_value() && a->user == b->user &&
         absl::EqualsIgnoreCase(AbslView(a->host), AbslView(b->host));
}

std::vector<MrasRelay> MrasRelaysOf(absl::Span<const RelayAddress> addresses,
                                    std::optional<ClientNetwork> asked,
                                    bool direct_ip) {
  std::vector<MrasRelay> out;
  std::vector<std::string> relays;  // whose each is
  const bool literals =
      std::any_of(addresses.begin(), addresses.end(),
                  [](const RelayAddress& a) { return IsLiteral(a.uri.host); });
  for (const RelayAddress& address : addresses) {
    const bool literal = IsLiteral(address.uri.host);
    if (direct_ip && literals && !literal) continue;
    // These clients have no DTLS, and the answer has no place for it.
    if (address.uri.transport == TurnTransport::kDtls) continue;
    const ClientNetwork network =
        address.network != ClientNetwork::kUnknown
            ? address.network
            : asked.value_or(ClientNetwork::kInternet);
    size_t i = 0;
    while (i < out.size() &&
           (relays[i] != address.relay || out[i].host != address.uri.host ||
            out[i].location != network)) {
      ++i;
    }
    if (i == out.size()) {
      MrasRelay& relay = out.emplace_back();
      relay.location = network;
      relay.host = address.uri.host;
      relay.direct_ip = direct_ip && literal;
      relays.push_back(address.relay);
    }
    switch (address.uri.transport) {
      case TurnTransport::kUdp:
        out[i].udp_port = address.uri.port;
        break;
      case TurnTransport::kTls:
        out[i].tcp_port = address.uri.port;
        break;
      case TurnTransport::kTcp:
        if (out[i].tcp_port == 0) out[i].tcp_port = address.uri.port;
        break;
      case TurnTransport::kDtls:
        break;
    }
  }
  return out;
}

std::string WriteMrasResponse(const MrasRequest& request, MrasReason reason,
                              std::string_view realm,
                              absl::Span<const MrasCredentials> credentials) {
  std::string out = "<?xml version=\"1.0\"?><response";
  const auto attribute = [&](std::string_view name, std::string_view value) {
    absl::StrAppend(&out, " ", AbslView(name), "=\"", XmlText(value), "\"");
  };
  attribute("requestID", request.request_id);
  attribute("version", request.version);
  attribute("serverVersion", kServerVersion);
  attribute("to", request.to);
  attribute("from", request.from);
  attribute("reasonPhrase", MrasReasonPhrase(reason));
  attribute("xmlns", kNamespace);
  out += ">";
  // So that no copy of a password is left behind by growing.
  constexpr size_t kRoomForOne = 8192;
  out.reserve(out.size() + credentials.size() * kRoomForOne);
  for (const MrasCredentials& one : credentials) {
    AppendCredentials(one, realm, &out);
  }
  out += "</response>";
  return out;
}

bool SurvivesTrimming(const IssuedCredential& credential) {
  const auto survives = [](std::string_view base64url) {
    std::string octets;
    if (!absl::WebSafeBase64Unescape(AbslView(base64url), &octets) ||
        octets.empty()) {
      return false;
    }
    const auto trimmed = [](char c) { return c == '"' || c == '\0'; };
    const bool out = !trimmed(octets.front()) && !trimmed(octets.back());
    Cleanse(octets);
    return out;
  };
  return survives(credential.username) &&
         survives(credential.password.DangerousText());
}

}  // namespace sallyport::credential_issuer
