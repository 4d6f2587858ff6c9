#include "services/signaling_edge/core/sdp.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "SDP_MALFORMED", what);
}

bool IsSdpToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (IsDigit(c) || IsAlpha(c)) ||
           std::string_view("!#$%&'*+-.^_`{|}~").find(c) !=
               std::string_view::npos;
  });
}

bool IsDigits(std::string_view text, size_t limit) {
  return !text.empty() && text.size() <= limit &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsDigit(c); });
}

// No control character but tab may stand in a line, and no space in a word.
bool IsCleanLine(std::string_view line) {
  return std::none_of(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

bool IsAddressType(std::string_view text) {
  return text == "IP4" || text == "IP6";
}

// Letters, digits and what addresses, names and multicast suffixes contain.
bool IsAddress(std::string_view text) {
  return !text.empty() && text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (IsDigit(c) || IsAlpha(c)) || c == '.' || c == ':' ||
                  c == '-' || c == '_' || c == '/' || c == '%';
         });
}

absl::Status ParseOrigin(std::string_view value, SdpOrigin& out) {
  const std::vector<std::string_view> words = Split(value, ' ');
  if (words.size() != 6 || words[0].empty() || words[3] != "IN") {
    return Malformed("o= line");
  }
  if (!IsDigits(words[1], 20) || !IsDigits(words[2], 20)) {
    return Malformed("o= numbers");
  }
  if (!IsAddressType(words[4]) || !IsAddress(words[5])) {
    return Malformed("o= address");
  }
  out.username = words[0];
  out.session_id = words[1];
  out.session_version = words[2];
  out.address_type = words[4];
  out.address = words[5];
  return absl::OkStatus();
}

absl::Status ParseConnection(std::string_view value,
                             std::optional<SdpConnection>& out) {
  const std::vector<std::string_view> words = Split(value, ' ');
  if (words.size() != 3 || words[0] != "IN" || !IsAddressType(words[1]) ||
      !IsAddress(words[2])) {
    return Malformed("c= line");
  }
  // A media section may list several multicast addresses; the first is kept.
  if (!out.has_value()) {
    out = SdpConnection{std::string(words[1]), std::string(words[2])};
  }
  return absl::OkStatus();
}

absl::Status ParseBandwidth(std::string_view value,
                            std::vector<std::string>& out) {
  const size_t colon = value.find(':');
  if (colon == std::string_view::npos || !IsSdpToken(value.substr(0, colon)) ||
      !IsDigits(value.substr(colon + 1), 19)) {
    return Malformed("b= line");
  }
  out.emplace_back(value);
  return absl::OkStatus();
}

absl::Status ParseAttribute(std::string_view value,
                            std::vector<SdpAttribute>& out) {
  const size_t colon = value.find(':');
  const std::string_view name = value.substr(0, colon);
  if (!IsSdpToken(name)) return Malformed("a= name");
  SdpAttribute attribute{.name = std::string(name), .value = std::nullopt};
  if (colon != std::string_view::npos) {
    attribute.value = std::string(value.substr(colon + 1));
  }
  out.push_back(std::move(attribute));
  return absl::OkStatus();
}

absl::Status ParseMedia(std::string_view value, SdpMedia& out) {
  const std::vector<std::string_view> words = Words(value);
  if (words.size() < 4 || !IsSdpToken(words[0])) return Malformed("m= line");
  if (words.size() - 3 > kMaxSdpFormats) return Malformed("m= formats");
  std::string_view port = words[1];
  std::string_view count = "1";
  if (const size_t slash = port.find('/'); slash != std::string_view::npos) {
    count = port.substr(slash + 1);
    port = port.substr(0, slash);
  }
  const std::optional<uint32_t> number = ParseUint(port, 0xFFFF);
  if (!number.has_value()) return Malformed("m= port");
  out.port = static_cast<uint16_t>(*number);
  const std::optional<uint32_t> ports = ParseUint(count, 0xFFFF);
  if (!ports.has_value() || *ports == 0) return Malformed("m= port count");
  out.port_count = static_cast<uint16_t>(*ports);
  const std::vector<std::string_view> parts = Split(words[2], '/');
  if (!std::all_of(parts.begin(), parts.end(), IsSdpToken)) {
    return Malformed("m= protocol");
  }
  out.type = words[0];
  out.protocol = words[2];
  for (size_t i = 3; i < words.size(); ++i) {
    if (!IsSdpToken(words[i])) return Malformed("m= format");
    out.formats.emplace_back(words[i]);
  }
  return absl::OkStatus();
}

const SdpAttribute* FindIn(const std::vector<SdpAttribute>& attributes,
                           std::string_view name) {
  for (const SdpAttribute& attribute : attributes) {
    if (attribute.name == name) return &attribute;
  }
  return nullptr;
}

std::optional<SdpDirection> DirectionIn(
    const std::vector<SdpAttribute>& attributes) {
  for (const SdpAttribute& attribute : attributes) {
    if (attribute.value.has_value()) continue;
    if (attribute.name == "sendrecv") return SdpDirection::kSendRecv;
    if (attribute.name == "sendonly") return SdpDirection::kSendOnly;
    if (attribute.name == "recvonly") return SdpDirection::kRecvOnly;
    if (attribute.name == "inactive") return SdpDirection::kInactive;
  }
  return std::nullopt;
}

void AppendConnection(const std::optional<SdpConnection>& connection,
                      std::string& out) {
  if (!connection.has_value()) return;
  CatTo(out, "c=IN ", connection->address_type, " ", connection->address,
        "\r\n");
}

void AppendCommon(const std::vector<std::string>& bandwidths,
                  std::string& out) {
  for (const std::string& bandwidth : bandwidths) {
    CatTo(out, "b=", bandwidth, "\r\n");
  }
}

void AppendAttributes(const std::vector<SdpAttribute>& attributes,
                      std::string& out) {
  for (const SdpAttribute& attribute : attributes) {
    CatTo(out, "a=", attribute.name);
    if (attribute.value.has_value()) {
      CatTo(out, ":", *attribute.value);
    }
    out += "\r\n";
  }
}

// The line kinds that are known and not kept.
bool IsDroppedKind(char kind, bool in_media) {
  if (in_media) return kind == 'i' || kind == 'k';
  return std::string_view("iueptrzk").find(kind) != std::string_view::npos;
}

}  // namespace

const SdpAttribute* SdpMedia::Find(std::string_view name) const {
  return FindIn(attributes, name);
}

const SdpAttribute* SdpSession::Find(std::string_view name) const {
  return FindIn(attributes, name);
}

absl::StatusOr<SdpSession> ParseSdp(std::string_view body) {
  if (body.size() > kMaxSdpBytes) {
    return MakeError(absl::StatusCode::kInvalidArgument, "SDP_TOO_LARGE",
                     "session description too large");
  }
  SdpSession session;
  bool saw_version = false;
  bool saw_origin = false;
  bool saw_name = false;
  size_t lines = 0;
  while (!body.empty()) {
    const size_t end = body.find('\n');
    std::string_view line = body.substr(0, end);
    body = end == std::string_view::npos ? std::string_view()
                                         : body.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      // Blank lines may only close the body.
      if (body.find_first_not_of("\r\n") == std::string_view::npos) break;
      return Malformed("blank line");
    }
    if (++lines > kMaxSdpLines) {
      return MakeError(absl::StatusCode::kInvalidArgument, "SDP_TOO_LARGE",
                       "session description has too many lines");
    }
    if (line.size() < 2 || line[1] != '=' || !IsCleanLine(line)) {
      return Malformed("line shape");
    }
    const char kind = line[0];
    const std::string_view value = line.substr(2);
    if (!saw_version) {
      if (kind != 'v' || value != "0") return Malformed("v= line");
      saw_version = true;
      continue;
    }
    SdpMedia* media = session.media.empty() ? nullptr : &session.media.back();
    absl::Status status;
    if (kind == 'm') {
      if (session.media.size() == kMaxSdpMedia) {
        return MakeError(absl::StatusCode::kInvalidArgument, "SDP_TOO_LARGE",
                         "session description has too many media");
      }
      status = ParseMedia(value, session.media.emplace_back());
    } else if (kind == 'c') {
      status = ParseConnection(
          value, media != nullptr ? media->connection : session.connection);
    } else if (kind == 'b') {
      status = ParseBandwidth(
          value, media != nullptr ? media->bandwidths : session.bandwidths);
    } else if (kind == 'a') {
      status = ParseAttribute(
          value, media != nullptr ? media->attributes : session.attributes);
    } else if (kind == 'o' && media == nullptr && !saw_origin) {
      saw_origin = true;
      status = ParseOrigin(value, session.origin);
    } else if (kind == 's' && media == nullptr && !saw_name) {
      saw_name = true;
      session.name = value.empty() ? "-" : std::string(value);
    } else if (!IsDroppedKind(kind, media != nullptr)) {
      status = Malformed("unexpected line");
    }
    if (!status.ok()) return status;
  }
  if (!saw_version || !saw_origin || !saw_name) {
    return Malformed("v=, o= or s= line missing");
  }
  return session;
}

std::string WriteSdp(const SdpSession& session) {
  const SdpOrigin& origin = session.origin;
  std::string out =
      Cat("v=0\r\no=", origin.username, " ", origin.session_id, " ",
          origin.session_version, " IN ", origin.address_type, " ",
          origin.address, "\r\ns=", session.name, "\r\n");
  AppendConnection(session.connection, out);
  AppendCommon(session.bandwidths, out);
  out += "t=0 0\r\n";
  AppendAttributes(session.attributes, out);
  for (const SdpMedia& media : session.media) {
    CatTo(out, "m=", media.type, " ", media.port);
    if (media.port_count != 1) CatTo(out, "/", media.port_count);
    CatTo(out, " ", media.protocol);
    for (const std::string& format : media.formats) CatTo(out, " ", format);
    out += "\r\n";
    AppendConnection(media.connection, out);
    AppendCommon(media.bandwidths, out);
    AppendAttributes(media.attributes, out);
  }
  return out;
}

const SdpConnection* ConnectionOf(const SdpSession& session,
                                  const SdpMedia& media) {
  if (media.connection.has_value()) return &*media.connection;
  if (session.connection.has_value()) return &*session.connection;
  return nullptr;
}

SdpDirection DirectionSaid(const SdpSession& session, const SdpMedia& media) {
  if (const auto own = DirectionIn(media.attributes)) return *own;
  return DirectionIn(session.attributes).value_or(SdpDirection::kSendRecv);
}

SdpDirection DirectionOf(const SdpSession& session, const SdpMedia& media) {
  const SdpDirection direction = DirectionSaid(session, media);
  const SdpConnection* connection = ConnectionOf(session, media);
  if (direction == SdpDirection::kSendRecv && connection != nullptr &&
      connection->address == "0.0.0.0") {
    return SdpDirection::kSendOnly;
  }
  return direction;
}

std::string_view SdpDirectionName(SdpDirection direction) {
  switch (direction) {
    case SdpDirection::kSendRecv:
      return "sendrecv";
    case SdpDirection::kSendOnly:
      return "sendonly";
    case SdpDirection::kRecvOnly:
      return "recvonly";
    case SdpDirection::kInactive:
      return "inactive";
  }
  return "inactive";
}

}  // namespace sallyport::signaling_edge
