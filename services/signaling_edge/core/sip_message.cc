#include "services/signaling_edge/core/sip_message.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "services/signaling_edge/core/sip_text.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kMaxNameSize = 0xffff;
constexpr size_t kSpareSize = 2048;
constexpr size_t kMaxSpareSize = 16 * 1024;

// Of one thread. Thread-compatible.
struct Spares {
  std::array<std::string, 32> texts;
  size_t count = 0;
};

Spares& ThreadSpares() {
  thread_local Spares spares;
  return spares;
}

}  // namespace

SipMessage::~SipMessage() {
  const size_t size = text_.capacity();
  if (size < kSpareSize || size > kMaxSpareSize) return;
  Spares& spares = ThreadSpares();
  if (spares.count == spares.texts.size()) return;
  text_.clear();
  spares.texts[spares.count++] = std::move(text_);
}

std::string SipMessage::SpareText() {
  Spares& spares = ThreadSpares();
  if (spares.count > 0) return std::move(spares.texts[--spares.count]);
  std::string text;
  text.reserve(kSpareSize);
  return text;
}

SipMessage SipMessage::Request(SipMethod method, std::string_view uri) {
  return Request(MethodName(method), uri);
}

SipMessage SipMessage::Request(std::string_view method, std::string_view uri) {
  SipMessage message;
  message.text_ = SpareText();
  message.method_text_ = message.Store(method);
  message.method_ = MethodFrom(method);
  message.request_uri_ = message.Store(uri);
  return message;
}

SipMessage SipMessage::Response(int status_code,
                                std::string_view reason_phrase) {
  SipMessage message;
  message.text_ = SpareText();
  message.status_code_ = status_code;
  message.reason_phrase_ = message.Store(reason_phrase);
  return message;
}

SipMessage::Header SipMessage::header(size_t index) const {
  const Field& field = headers_[index];
  return {field.id,
          field.id == HeaderId::kOther
              ? Text({field.name_offset, field.name_size})
              : HeaderName(field.id),
          Text(field.value)};
}

size_t SipMessage::IndexOf(HeaderId id) const {
  size_t i = 0;
  while (i < headers_.size() && headers_[i].id != id) ++i;
  return i;
}

std::optional<std::string_view> SipMessage::First(HeaderId id) const {
  const size_t i = IndexOf(id);
  if (i == headers_.size()) return std::nullopt;
  return Text(headers_[i].value);
}

std::string_view SipMessage::FirstItem(HeaderId id) const {
  ListReader reader(Value(id));
  std::string_view item;
  return reader.Next(item) ? item : std::string_view();
}

std::string_view SipMessage::Value(HeaderId id) const {
  return First(id).value_or(std::string_view());
}

size_t SipMessage::Count(HeaderId id) const {
  return static_cast<size_t>(
      std::count_if(headers_.begin(), headers_.end(),
                    [id](const Field& field) { return field.id == id; }));
}

SipMessage::Values SipMessage::All(HeaderId id) const {
  Values values;
  for (const Field& field : headers_) {
    if (field.id == id) values.push_back(Text(field.value));
  }
  return values;
}

SipMessage::Values SipMessage::Items(HeaderId id) const {
  Values items;
  for (const Field& field : headers_) {
    if (field.id != id) continue;
    ListReader reader(Text(field.value));
    for (std::string_view item; reader.Next(item);) items.push_back(item);
  }
  return items;
}

std::optional<std::string_view> SipMessage::FirstNamed(
    std::string_view name) const {
  const HeaderId id = HeaderIdFrom(name);
  if (id != HeaderId::kOther) return First(id);
  for (const Field& field : headers_) {
    if (field.id == HeaderId::kOther &&
        EqualsIgnoreCase(Text({field.name_offset, field.name_size}), name)) {
      return Text(field.value);
    }
  }
  return std::nullopt;
}

SipMessage::Piece SipMessage::Store(std::string_view text) {
  const Piece piece{static_cast<uint32_t>(text_.size()),
                    static_cast<uint32_t>(text.size())};
  text_.append(text);
  if (MayHoldControl(Text(piece))) {
    std::replace_if(text_.begin() + piece.offset, text_.end(), IsControl, ' ');
  }
  return piece;
}

SipMessage::Field SipMessage::MakeField(HeaderId id, std::string_view value) {
  Field field;
  field.id = id;
  field.value = Store(TrimLws(value));
  return field;
}

void SipMessage::Add(HeaderId id, std::string_view value) {
  headers_.push_back(MakeField(id, value));
}

void SipMessage::AddNamed(std::string_view name, std::string_view value) {
  const HeaderId id = HeaderIdFrom(name);
  if (id != HeaderId::kOther) return Add(id, value);
  const std::string own_name(name.substr(0, kMaxNameSize));
  Field field = MakeField(id, value);  // `name` may be dead after this
  const Piece piece = Store(own_name);
  field.name_offset = piece.offset;
  field.name_size = static_cast<uint16_t>(piece.size);
  headers_.push_back(field);
}

void SipMessage::AddFirst(HeaderId id, std::string_view value) {
  const Field field = MakeField(id, value);
  size_t i = IndexOf(id);
  if (i == headers_.size()) i = 0;
  headers_.insert(headers_.begin() + static_cast<ptrdiff_t>(i), field);
}

void SipMessage::ReplaceFirstItem(HeaderId id, std::string_view value) {
  const size_t i = IndexOf(id);
  if (i == headers_.size()) return Add(id, value);
  const Field field = MakeField(id, value);
  ListReader reader(Text(headers_[i].value));
  std::string_view item;
  if (!reader.Next(item) || !reader.Next(item)) {
    headers_[i] = field;
    return;
  }
  RemoveFirstItem(id);
  headers_.insert(headers_.begin() + static_cast<ptrdiff_t>(i), field);
}

void SipMessage::Set(HeaderId id, std::string_view value) {
  const Field field = MakeField(id, value);
  const size_t first = IndexOf(id);
  if (first == headers_.size()) {
    headers_.push_back(field);
    return;
  }
  headers_[first] = field;
  headers_.erase(
      std::remove_if(headers_.begin() + static_cast<ptrdiff_t>(first) + 1,
                     headers_.end(),
                     [id](const Field& other) { return other.id == id; }),
      headers_.end());
}

void SipMessage::SetUint(HeaderId id, uint32_t value) {
  Set(id, std::to_string(value));
}

size_t SipMessage::Remove(HeaderId id) {
  const size_t before = headers_.size();
  headers_.erase(
      std::remove_if(headers_.begin(), headers_.end(),
                     [id](const Field& field) { return field.id == id; }),
      headers_.end());
  return before - headers_.size();
}

bool SipMessage::RemoveFirstItem(HeaderId id) {
  const size_t i = IndexOf(id);
  if (i == headers_.size()) return false;
  ListReader reader(Text(headers_[i].value));
  std::string_view item;
  reader.Next(item);
  if (!reader.Next(item)) {
    headers_.erase(headers_.begin() + static_cast<ptrdiff_t>(i));
    return true;
  }
  Piece& value = headers_[i].value;
  const auto start = static_cast<uint32_t>(item.data() - text_.data());
  value.size -= start - value.offset;
  value.offset = start;
  return true;
}

size_t SipMessage::RemoveNamed(std::string_view name) {
  const HeaderId id = HeaderIdFrom(name);
  if (id != HeaderId::kOther) return Remove(id);
  const size_t before = headers_.size();
  headers_.erase(
      std::remove_if(headers_.begin(), headers_.end(),
                     [&](const Field& field) {
                       return field.id == HeaderId::kOther &&
                              EqualsIgnoreCase(
                                  Text({field.name_offset, field.name_size}),
                                  name);
                     }),
      headers_.end());
  return before - headers_.size();
}

void SipMessage::SetBody(std::string_view body) {
  body_ = {static_cast<uint32_t>(text_.size()),
           static_cast<uint32_t>(body.size())};
  text_.append(body);
}

}  // namespace sallyport::signaling_edge
