// One SIP message: start line, header fields in their order, body.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_MESSAGE_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "services/signaling_edge/core/sip_header_id.h"
#include "services/signaling_edge/core/sip_method.h"

namespace sallyport::signaling_edge {

// Owns its text in one buffer; header fields are offsets into it. Reading
// copies nothing. A change appends to the buffer and moves offsets, so EVERY
// VIEW TAKEN BEFORE A CHANGE IS DEAD AFTER IT; passing a view of a message to
// that same message's setters is safe.
//
// Values hold no line break and no folding. What a setter is given is made so:
// control characters but tabs become spaces, so that no text, escaped or not,
// can open a header field of its own.
// Thread-compatible.
class SipMessage {
 public:
  struct Header {
    HeaderId id;
    std::string_view name;  // the long name when the id is known
    std::string_view value;
  };

  // An empty message is a request without method; the parser fills it.
  SipMessage() = default;
  SipMessage(const SipMessage&) = default;
  SipMessage(SipMessage&&) = default;
  SipMessage& operator=(const SipMessage&) = default;
  SipMessage& operator=(SipMessage&&) = default;
  ~SipMessage();

  static SipMessage Request(SipMethod method, std::string_view uri);
  static SipMessage Request(std::string_view method, std::string_view uri);
  // `status_code` is 100 to 699.
  static SipMessage Response(int status_code, std::string_view reason_phrase);

  bool is_request() const { return status_code_ == 0; }
  bool is_response() const { return status_code_ != 0; }

  // Of a request; kOther and empty in a response.
  SipMethod method() const { return method_; }
  std::string_view method_text() const { return Text(method_text_); }
  std::string_view request_uri() const { return Text(request_uri_); }
  void set_request_uri(std::string_view uri) { request_uri_ = Store(uri); }

  // Of a response; 0 and empty in a request.
  int status_code() const { return status_code_; }
  std::string_view reason_phrase() const { return Text(reason_phrase_); }

  size_t header_count() const { return headers_.size(); }
  Header header(size_t index) const;

  // The first field with this id: its whole value, commas and all. `Value` is
  // empty when there is none.
  std::optional<std::string_view> First(HeaderId id) const;
  std::string_view Value(HeaderId id) const;
  // Of a field that is a list, its first element; empty when there is none.
  std::string_view FirstItem(HeaderId id) const;
  bool Has(HeaderId id) const { return IndexOf(id) < headers_.size(); }
  size_t Count(HeaderId id) const;

  using Values = absl::InlinedVector<std::string_view, 4>;
  // The values of all fields with this id, in order.
  Values All(HeaderId id) const;
  // As All(), with comma lists split (RFC 3261 section 7.3.1). Only for fields
  // that are lists: not for credentials, challenges, dates or free text.
  Values Items(HeaderId id) const;

  // A field by name, for those without an id.
  std::optional<std::string_view> FirstNamed(std::string_view name) const;

  void Add(HeaderId id, std::string_view value);  // after all others
  void AddNamed(std::string_view name, std::string_view value);
  // Before the first field of the same id, e.g. a Via or Record-Route.
  void AddFirst(HeaderId id, std::string_view value);
  // In place of the first comma-separated element of the first field with this
  // id; as Add() when there is none.
  void ReplaceFirstItem(HeaderId id, std::string_view value);
  // The only field with this id from now on, where the first one was.
  void Set(HeaderId id, std::string_view value);
  void SetUint(HeaderId id, uint32_t value);
  size_t Remove(HeaderId id);  // how many there were
  // Drops the first comma-separated element of the first field with this id,
  // and the field if it was the only one; false when there is none.
  bool RemoveFirstItem(HeaderId id);
  size_t RemoveNamed(std::string_view name);

  std::string_view body() const { return Text(body_); }
  // Does not touch Content-Type; Content-Length is the writer's.
  void SetBody(std::string_view body);

 private:
  friend class SipMessageReader;  // the parser's half: fills offsets

  struct Piece {
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  struct Field {
    Piece value;
    uint32_t name_offset = 0;
    uint16_t name_size = 0;  // 0 when the id says it
    HeaderId id = HeaderId::kOther;
  };

  std::string_view Text(Piece piece) const {
    return std::string_view(text_.data() + piece.offset, piece.size);
  }
  // An empty buffer of some 1 to 16 kB, from a message that is gone if there
  // was one: messages come and go too fast to ask the heap each time.
  static std::string SpareText();
  // Appends to the buffer, with control characters replaced.
  Piece Store(std::string_view text);
  Field MakeField(HeaderId id, std::string_view value);
  size_t IndexOf(HeaderId id) const;

  std::string text_;
  Piece method_text_;
  Piece request_uri_;
  Piece reason_phrase_;
  Piece body_;
  SipMethod method_ = SipMethod::kOther;
  int status_code_ = 0;
  absl::InlinedVector<Field, 24> headers_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_SIP_MESSAGE_H_
