#include "services/signaling_edge/core/sip_framer.h"

#include <algorithm>
#include <cstdint>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_header_id.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kNpos = std::string_view::npos;
constexpr std::string_view kCrlf = "\r\n";

absl::Status Bad(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status BadLength(std::string_view message) {
  return Bad("SIP_CONTENT_LENGTH_INVALID", message);
}

// Takes a field with its folding off the front; with the last CRLF.
std::string_view TakeField(std::string_view& fields) {
  size_t end = 0;
  do {
    end = fields.find(kCrlf, end);
    end = end == kNpos ? fields.size() : end + 2;
  } while (end < fields.size() && IsLws(fields[end]));
  const std::string_view field = fields.substr(0, end);
  fields.remove_prefix(end);
  return field;
}

std::string_view TrimFolded(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == kNpos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// The body length that a header section (without its blank line) announces.
absl::StatusOr<uint32_t> ReadContentLength(std::string_view head,
                                           uint32_t max_body) {
  const std::string_view whole = head;
  TakeField(head);  // the start line
  std::optional<std::string_view> value;
  size_t line = 0;  // of the value, for operators
  const auto bad = [&](std::string_view what) {
    return BadLength(Cat("Content-Length: ", what, ", line ", line));
  };
  while (!head.empty()) {
    const size_t before = whole.size() - head.size();
    const std::string_view field = TakeField(head);
    const size_t name_size = PrefixInClass(field, kTokenClass);
    if (HeaderIdFrom(field.substr(0, name_size)) != HeaderId::kContentLength) {
      continue;
    }
    line = 1 + static_cast<size_t>(
                   std::count(whole.begin(), whole.begin() + before, '\n'));
    const size_t colon = field.find(':', name_size);
    if (colon == kNpos ||
        !TrimFolded(field.substr(name_size, colon - name_size)).empty()) {
      return bad("no colon");
    }
    if (value.has_value()) {
      return Bad("SIP_HEADER_DUPLICATE", Cat("Content-Length, line ", line));
    }
    value = TrimFolded(field.substr(colon + 1));
  }
  if (!value.has_value()) return BadLength("Content-Length: none on a stream");
  const auto length = ParseContentLength(*value, max_body);
  if (length.has_value()) return *length;
  return ParseUintSaturating(*value, max_body).has_value()
             ? Bad("SIP_MESSAGE_TOO_LARGE",
                   Cat("Content-Length: body, line ", line))
             : bad("not a number");
}

}  // namespace

void SipFramer::Append(std::string_view octets) {
  Wait();
  if (begin_ == buffer_.size()) {
    buffer_ = std::string();  // an idle connection holds no buffer
    begin_ = 0;
    borrowed_ = octets;
    return;
  }
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(octets);
}

void SipFramer::Take(size_t octets) {
  if (borrowed_.empty()) {
    begin_ += octets;
  } else {
    borrowed_.remove_prefix(octets);
  }
}

std::nullopt_t SipFramer::Wait() {
  if (!borrowed_.empty()) {
    buffer_.assign(borrowed_);
    begin_ = 0;
    borrowed_ = {};
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<SipFrame>> SipFramer::Next() {
  if (!failure_.ok()) return failure_;
  const std::string_view all = pending();
  if (all.empty()) return std::nullopt;

  if (all.substr(0, 2) == kCrlf) {
    if (after_crlf_ || all.substr(2, 2) == kCrlf) {
      Take(after_crlf_ ? 2 : 4);
      after_crlf_ = false;
      return SipFrame{SipFrame::Kind::kPing, {}};
    }
    // A lone CR after it may yet become the second CRLF.
    Take(2);
    after_crlf_ = true;
    return SipFrame{SipFrame::Kind::kCrlf, {}};
  }
  if (all == "\r") return Wait();
  after_crlf_ = false;

  if (frame_size_ == 0) {
    const size_t from = scanned_ > 3 ? scanned_ - 3 : 0;
    const size_t end = all.find("\r\n\r\n", from);
    scanned_ = all.size();
    const std::string_view head = all.substr(0, end);
    failure_ = CheckHead(head, end != kNpos);
    if (!failure_.ok()) return failure_;
    if (end == kNpos) return Wait();
    const auto length =
        ReadContentLength(all.substr(0, end + 2), policy_.max_body);
    if (!length.ok()) {
      failure_ = length.status();
      return failure_;
    }
    frame_size_ = end + 4 + *length;
  }
  if (all.size() < frame_size_) return Wait();
  const SipFrame frame{SipFrame::Kind::kMessage, all.substr(0, frame_size_)};
  Take(frame_size_);
  frame_size_ = 0;
  scanned_ = 0;
  return frame;
}

// What can be told of a header section that has not ended: the sooner garbage
// (another protocol, a flood) is known, the less of it is kept.
absl::Status SipFramer::CheckHead(std::string_view head, bool whole) const {
  if (!IsTokenChar(head.front())) {
    return Bad("SIP_START_LINE_MALFORMED", "no SIP");
  }
  // With the last field's CRLF, as the parser counts. Of a section that has
  // not ended, up to three octets may be of its end.
  const size_t size = whole ? head.size() + 2 : head.size() - 1;
  if (size > policy_.max_header_bytes && (whole || head.size() > 3)) {
    return Bad("SIP_MESSAGE_TOO_LARGE", "header section");
  }
  const std::string_view start =
      head.substr(0, size_t{policy_.max_start_line} + 2);
  if (start.size() > policy_.max_start_line + size_t{1} &&
      start.find('\n') == kNpos) {
    return Bad("SIP_MESSAGE_TOO_LARGE", "start line");
  }
  return absl::OkStatus();
}

}  // namespace sallyport::signaling_edge
