#include "services/signaling_edge/core/sip_parser.h"

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kNpos = std::string_view::npos;
// Of the name of a field that is told in an error.
constexpr size_t kMaxName = 40;

absl::Status Bad(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

// RFC 3261's TEXT has no control character but the tab; a quoted pair may.
bool ControlsAllowed(std::string_view line, bool accept_escaped) {
  if (!MayHoldControl(line)) return true;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '\\' && i + 1 < line.size()) {
      ++i;
      if (IsControl(line[i]) && !accept_escaped) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (IsControl(c)) {
      return false;
    }
  }
  return true;
}

// "SIP/2.0", or nothing of the kind, or another version of SIP.
absl::Status CheckVersion(std::string_view version) {
  if (EqualsIgnoreCase(version, "SIP/2.0")) return absl::OkStatus();
  if (!EqualsIgnoreCase(version.substr(0, 4), "SIP/")) {
    return Bad("SIP_START_LINE_MALFORMED", "line 1: no SIP version");
  }
  version.remove_prefix(4);
  const size_t dot = version.find('.');
  if (dot == kNpos || dot == 0 || dot + 1 == version.size() ||
      version.find_first_not_of("0123456789.") != kNpos) {
    return Bad("SIP_START_LINE_MALFORMED", "line 1: no SIP version");
  }
  return Bad("SIP_VERSION_UNSUPPORTED", "line 1: only SIP/2.0 is spoken here");
}

// The inside of a URI whose scheme we know; others only as absolute URIs.
bool ValidUri(std::string_view uri) {
  return HasSipScheme(uri) ? ParseSipUri(uri).ok() : IsAbsoluteUri(uri);
}

bool ValidNameAddr(std::string_view item) {
  const auto addr = ParseNameAddr(item);
  return addr.ok() && ValidUri(addr->uri);
}

// word [ "@" word ]: no space, nothing outside ASCII.
bool ValidCallId(std::string_view value) {
  if (value.empty()) return false;
  size_t ats = 0;
  for (char c : value) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == ',' || c == ';') return false;
    if (c == '@') ++ats;
  }
  return ats <= 1 && value.front() != '@' && value.back() != '@';
}

}  // namespace

// Fills one message. Not anonymous, as SipMessage names it its friend.
// Thread-compatible.
class SipMessageReader {
 public:
  SipMessageReader(std::string_view datagram, const ParsePolicy& policy,
                   bool salvage)
      : datagram_(datagram), policy_(policy), salvage_(salvage) {}

  absl::StatusOr<SipMessage> Read() {
    // CRLFs before the start line are ignored (section 7.5).
    while (datagram_.substr(0, 2) == "\r\n") datagram_.remove_prefix(2);
    if (datagram_.size() > uint64_t{policy_.max_message()} + 65536) {
      return TooLarge("datagram");
    }
    message_.text_ = SipMessage::SpareText();
    message_.text_.assign(datagram_.data(), datagram_.size());
    SP_RETURN_IF_ERROR(ReadStartLine());
    SP_RETURN_IF_ERROR(ReadFields());
    if (salvage_) {
      SP_RETURN_IF_ERROR(CheckEssentials());
      return std::move(message_);
    }
    SP_RETURN_IF_ERROR(ReadBody());
    SP_RETURN_IF_ERROR(CheckEssentials());
    SP_RETURN_IF_ERROR(CheckOthers());
    return std::move(message_);
  }

 private:
  using Piece = SipMessage::Piece;

  static absl::Status TooLarge(std::string_view what) {
    return Bad("SIP_MESSAGE_TOO_LARGE", what);
  }

  // Where something is wrong, for operators: in which line, from 1 on, and of
  // which field, but never what it holds.
  std::string At(std::string_view what, size_t offset) const {
    const auto lines =
        std::count(datagram_.begin(), datagram_.begin() + offset, '\n');
    return Cat(what, ", line ", static_cast<uint64_t>(lines) + 1);
  }

  // The same of the field, whatever it is, that begins there.
  std::string FieldAt(std::string_view what, size_t begin) const {
    const std::string_view line =
        std::string_view(message_.text_).substr(begin, kMaxName);
    const std::string_view name =
        line.substr(0, PrefixInClass(line, kTokenClass));
    return At(name.empty() ? std::string(what) : Cat(name, ": ", what), begin);
  }

  absl::Status BadField(const SipMessage::Field& field) const {
    return Bad("SIP_HEADER_MALFORMED",
               At(HeaderName(field.id), field.value.offset));
  }

  // Of a field that is there once, or is wrong in all of its places.
  absl::Status BadField(HeaderId id) const {
    for (const SipMessage::Field& field : message_.headers_) {
      if (field.id == id) return BadField(field);
    }
    return Bad("SIP_HEADER_MALFORMED", HeaderName(id));
  }

  absl::Status BadLength(std::string_view reason, std::string_view what) const {
    for (const SipMessage::Field& field : message_.headers_) {
      if (field.id != HeaderId::kContentLength) continue;
      return Bad(reason, At(Cat("Content-Length: ", what), field.value.offset));
    }
    return Bad(reason, what);
  }

  std::string_view Text(size_t begin, size_t end) const {
    return std::string_view(message_.text_).substr(begin, end - begin);
  }

  static Piece MakePiece(size_t begin, size_t end) {
    return {static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin)};
  }

  Piece PieceOf(std::string_view part) const {
    const auto begin = static_cast<size_t>(part.data() - message_.text_.data());
    return MakePiece(begin, begin + part.size());
  }

  // The place of the next LF at or after `from`; kNpos when there is none.
  size_t FindLineFeed(size_t from) const {
    return message_.text_.find('\n', from);
  }

  absl::Status ReadStartLine() {
    const size_t line_feed = FindLineFeed(0);
    if (line_feed == kNpos || line_feed == 0 ||
        message_.text_[line_feed - 1] != '\r') {
      return message_.text_.size() > policy_.max_start_line
                 ? TooLarge("start line")
                 : Bad("SIP_START_LINE_MALFORMED", "line 1: no line end");
    }
    if (line_feed - 1 > policy_.max_start_line) return TooLarge("start line");
    const std::string_view line = Text(0, line_feed - 1);
    position_ = line_feed + 1;
    if (MayHoldControl(line)) {
      return Bad("SIP_START_LINE_MALFORMED", "line 1: control character");
    }
    return EqualsIgnoreCase(line.substr(0, 4), "SIP/") ? ReadStatusLine(line)
                                                       : ReadRequestLine(line);
  }

  absl::Status ReadRequestLine(std::string_view line) {
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == kNpos || (first == last && !salvage_)) {
      return Bad("SIP_START_LINE_MALFORMED", "line 1: fewer than three parts");
    }
    const std::string_view method = line.substr(0, first);
    if (!IsToken(method))
      return Bad("SIP_START_LINE_MALFORMED", "line 1: method");
    message_.method_ = MethodFrom(method);
    message_.method_text_ = PieceOf(method);
    const std::string_view uri =
        line.substr(first + 1, std::max(last, first + 1) - first - 1);
    if (salvage_) {  // a response repeats no more of it
      if (ValidUri(uri)) message_.request_uri_ = PieceOf(uri);
      return absl::OkStatus();
    }
    SP_RETURN_IF_ERROR(CheckVersion(line.substr(last + 1)));
    if (uri.empty() || uri.find(' ') != kNpos) {
      return Bad("SIP_START_LINE_MALFORMED", "line 1: spaces");
    }
    // Header fields within a Request-URI would be ours to act on; none is
    // allowed (section 19.1.1, table 1).
    if (!ValidUri(uri) || HasUriHeaders(uri)) {
      return Bad("SIP_URI_MALFORMED", "Request-URI, line 1");
    }
    message_.request_uri_ = PieceOf(uri);
    return absl::OkStatus();
  }

  // A '?' in the user part is legal, so finding one is not enough.
  static bool HasUriHeaders(std::string_view uri) {
    if (uri.find('?') == kNpos) return false;
    const auto parsed = ParseSipUri(uri);
    return parsed.ok() && !parsed->headers.empty();
  }

  absl::Status ReadStatusLine(std::string_view line) {
    if (salvage_) return absl::NotFoundError("a response gets no answer");
    const size_t space = line.find(' ');
    if (space == kNpos)
      return Bad("SIP_START_LINE_MALFORMED", "line 1: no status");
    SP_RETURN_IF_ERROR(CheckVersion(line.substr(0, space)));
    const std::string_view rest = line.substr(space + 1);
    const auto code = ParseUint(rest.substr(0, 3), 699);
    if (rest.size() < 4 || rest[3] != ' ' || !code || *code < 100) {
      return Bad("SIP_START_LINE_MALFORMED", "line 1: status code");
    }
    message_.status_code_ = static_cast<int>(*code);
    message_.reason_phrase_ = PieceOf(rest.substr(4));
    return absl::OkStatus();
  }

  absl::Status ReadFields() {
    std::string& text = message_.text_;
    for (;;) {
      const size_t begin = position_;
      if (text.compare(begin, 2, "\r\n") == 0) {
        position_ = begin + 2;
        return absl::OkStatus();
      }
      size_t line_feed = FindLineFeed(begin);
      for (;;) {
        if (line_feed == kNpos) {
          return text.size() - begin > policy_.max_header_line
                     ? TooLarge(FieldAt("header field", begin))
                     : Bad("SIP_HEADER_MALFORMED", At("no blank line", begin));
        }
        if (line_feed + 1 > policy_.max_header_bytes) {
          return TooLarge("header section");
        }
        if (line_feed - begin > policy_.max_header_line) {
          return TooLarge(FieldAt("header field", begin));
        }
        if (line_feed == begin || text[line_feed - 1] != '\r') {
          return Bad("SIP_HEADER_MALFORMED", FieldAt("line feed alone", begin));
        }
        if (line_feed + 1 >= text.size() || !IsLws(text[line_feed + 1])) break;
        text[line_feed - 1] = ' ';  // folded: the line goes on
        text[line_feed] = ' ';
        line_feed = FindLineFeed(line_feed + 1);
      }
      position_ = line_feed + 1;
      SP_RETURN_IF_ERROR(ReadField(begin, line_feed - 1));
    }
  }

  // One whole field, unfolded, without its CRLF.
  absl::Status ReadField(size_t begin, size_t end) {
    const std::string_view line = Text(begin, end);
    const size_t name_size = PrefixInClass(line, kTokenClass);
    // HCOLON = *( SP / HTAB ) ":" SWS
    size_t colon = name_size;
    while (colon < line.size() && IsLws(line[colon])) ++colon;
    if (name_size == 0 || colon == line.size() || line[colon] != ':') {
      return Skip(Bad("SIP_HEADER_MALFORMED", At("no name and colon", begin)));
    }
    if (!ControlsAllowed(line.substr(colon), policy_.accept_escaped_controls)) {
      return Skip(
          Bad("SIP_HEADER_MALFORMED", FieldAt("control character", begin)));
    }
    if (message_.headers_.size() >= policy_.max_headers) {
      return TooLarge(At("header fields", begin));
    }
    SipMessage::Field field;
    field.id = HeaderIdFrom(line.substr(0, name_size));
    field.value = PieceOf(TrimLws(line.substr(colon + 1)));
    if (field.id == HeaderId::kOther) {
      field.name_offset = static_cast<uint32_t>(begin);
      field.name_size = static_cast<uint16_t>(name_size);
    }
    const auto bit = static_cast<size_t>(field.id);
    if (IsSingleton(field.id) && seen_.test(bit)) {
      return Skip(Bad("SIP_HEADER_DUPLICATE", At(HeaderName(field.id), begin)),
                  field.id);
    }
    seen_.set(bit);
    message_.headers_.push_back(field);
    return absl::OkStatus();
  }

  // While salvaging, a broken field is left out; but a second field of a kind
  // that the answer copies leaves no single truth to answer.
  absl::Status Skip(absl::Status fault, HeaderId id = HeaderId::kOther) const {
    const bool copied = id == HeaderId::kFrom || id == HeaderId::kTo ||
                        id == HeaderId::kCallId || id == HeaderId::kCseq;
    return salvage_ && !copied ? absl::OkStatus() : fault;
  }

  absl::Status ReadBody() {
    const size_t available = message_.text_.size() - position_;
    size_t length = available;
    if (const auto value = message_.First(HeaderId::kContentLength)) {
      const auto number = ParseContentLength(*value, UINT32_MAX);
      if (!number) {
        return value->find_first_not_of("0123456789") == kNpos &&
                       !value->empty()
                   ? BadLength("SIP_MESSAGE_TOO_LARGE", "body")
                   : BadLength("SIP_CONTENT_LENGTH_INVALID", "not a number");
      }
      if (*number > policy_.max_body) {
        return BadLength("SIP_MESSAGE_TOO_LARGE", "body");
      }
      if (*number > available) {
        return BadLength("SIP_CONTENT_LENGTH_INVALID", "past the end");
      }
      length = *number;
    } else if (length > policy_.max_body) {
      return TooLarge("body");
    }
    message_.body_ = MakePiece(position_, position_ + length);
    message_.text_.resize(position_ + length);
    return absl::OkStatus();
  }

  // What every message has, and every response copies.
  absl::Status CheckEssentials() {
    for (HeaderId id : {HeaderId::kVia, HeaderId::kFrom, HeaderId::kTo,
                        HeaderId::kCallId, HeaderId::kCseq}) {
      if (!seen_.test(static_cast<size_t>(id))) {
        return Bad("SIP_HEADER_MISSING", HeaderName(id));
      }
    }
    SP_RETURN_IF_ERROR(CheckList(
        HeaderId::kVia, policy_.max_vias, [this](std::string_view item) {
          const auto via = ParseVia(item);
          return via.ok() && (salvage_ || via->version == "2.0");
        }));
    // A response repeats both as they stand, so a peer whose URI is wrong in
    // one of them can still be told; what a response is matched by cannot.
    for (HeaderId id : {HeaderId::kFrom, HeaderId::kTo}) {
      if (!ValidNameAddr(message_.Value(id)) && !salvage_) return BadField(id);
    }
    if (!ValidCallId(message_.Value(HeaderId::kCallId))) {
      return BadField(HeaderId::kCallId);
    }
    const auto cseq = ParseCseq(message_.Value(HeaderId::kCseq));
    if (!cseq.ok()) return BadField(HeaderId::kCseq);
    if (message_.is_request() && cseq->method_text != message_.method_text()) {
      // A response would repeat this CSeq, so it matches no transaction, but
      // the peer still learns that it was understood so far (RFC
      // 4475 3.1.2.17).
      return Skip(BadField(HeaderId::kCseq));
    }
    return absl::OkStatus();
  }

  absl::Status CheckOthers() {
    if (const auto hops = message_.First(HeaderId::kMaxForwards)) {
      if (!ParseMaxForwards(*hops)) return BadField(HeaderId::kMaxForwards);
    }
    if (const auto seconds = message_.First(HeaderId::kExpires)) {
      if (!ParseDeltaSeconds(*seconds)) return BadField(HeaderId::kExpires);
    }
    if (message_.Has(HeaderId::kContact)) {
      SP_RETURN_IF_ERROR(CheckContacts());
    }
    for (HeaderId id : {HeaderId::kRoute, HeaderId::kRecordRoute}) {
      if (!seen_.test(static_cast<size_t>(id))) continue;
      SP_RETURN_IF_ERROR(CheckList(id, policy_.max_routes, ValidRoute));
    }
    return absl::OkStatus();
  }

  // Route and Record-Route are name-addr only: angle brackets always.
  static bool ValidRoute(std::string_view item) {
    return item.find('<') != kNpos && ValidNameAddr(item);
  }

  absl::Status CheckContacts() {
    size_t stars = 0;
    size_t items = 0;
    SP_RETURN_IF_ERROR(CheckList(HeaderId::kContact, policy_.max_contacts,
                                 [&](std::string_view item) {
                                   ++items;
                                   if (IsStar(item)) return ++stars > 0;
                                   return ValidNameAddr(item);
                                 }));
    if (stars > 0 && (items != 1 || message_.method_ != SipMethod::kRegister)) {
      return BadField(HeaderId::kContact);  // section 10.2.2
    }
    return absl::OkStatus();
  }

  template <typename Valid>
  absl::Status CheckList(HeaderId id, size_t max, Valid valid) const {
    size_t count = 0;
    for (const SipMessage::Field& field : message_.headers_) {
      if (field.id != id) continue;
      ListReader reader(message_.Text(field.value));
      for (std::string_view item; reader.Next(item);) {
        if (++count > max) {
          return TooLarge(At(HeaderName(id), field.value.offset));
        }
        if (!valid(item)) return BadField(field);
      }
      if (!reader.ok()) return BadField(field);
    }
    return absl::OkStatus();
  }

  std::string_view datagram_;
  const ParsePolicy& policy_;
  const bool salvage_;
  SipMessage message_;
  size_t position_ = 0;
  std::bitset<kHeaderIdCount> seen_;
};

absl::StatusOr<SipMessage> ParseSipMessage(std::string_view datagram,
                                           const ParsePolicy& policy) {
  return SipMessageReader(datagram, policy, false).Read();
}

absl::StatusOr<SipMessage> SalvageRequest(std::string_view datagram,
                                          const ParsePolicy& policy) {
  auto message = SipMessageReader(datagram, policy, true).Read();
  if (!message.ok() || message->method() == SipMethod::kAck) {
    return absl::NotFoundError("");
  }
  return message;
}

}  // namespace sallyport::signaling_edge
