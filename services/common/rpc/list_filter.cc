#include "services/common/rpc/list_filter.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A value of a field as text, which is how values are compared. `index` is -1
// for a singular field.
std::string ValueText(const Message& message, const FieldDescriptor& field,
                      int index) {
  const auto* r = message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return index < 0 ? r->GetString(message, &field)
                       : r->GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_BOOL:
      return (index < 0 ? r->GetBool(message, &field)
                        : r->GetRepeatedBool(message, &field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat(
          index < 0 ? r->GetEnumValue(message, &field)
                    : r->GetRepeatedEnumValue(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(index < 0
                              ? r->GetInt32(message, &field)
                              : r->GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(index < 0
                              ? r->GetUInt32(message, &field)
                              : r->GetRepeatedUInt32(message, &field, index));
    default:
      return "";
  }
}

bool IsComparable(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_BOOL:
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_UINT32:
      return true;
    default:
      return false;
  }
}

// Takes a filter's text apart from left to right. Thread-compatible.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool AtEnd() {
    SkipSpace();
    return at_ == text_.size();
  }

  absl::Status Fault(std::string_view what) const {
    const std::string text =
        absl::StrCat("character ", at_ + 1, ": ", AbslView(what));
    return MakeError(absl::StatusCode::kInvalidArgument, "FILTER_INVALID",
                     "filter: " + text, {{"filter", text}});
  }

  // Letters, digits, '_', '.' and '-'; empty if there is none here.
  std::string_view Word() {
    SkipSpace();
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (absl::ascii_isalnum(static_cast<unsigned char>(text_[at_])) ||
            text_[at_] == '_' || text_[at_] == '.' || text_[at_] == '-')) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  bool Take(std::string_view token) {
    SkipSpace();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  // What stands between quotes.
  absl::StatusOr<std::string> Quoted() {
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c != '\\') {
        out.push_back(c);
      } else if (at_ < text_.size() &&
                 (text_[at_] == '"' || text_[at_] == '\\')) {
        out.push_back(text_[at_++]);
      } else {
        return Fault("a backslash stands before a quotation mark or another");
      }
    }
    return Fault("the quotation mark is not closed");
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
};

absl::StatusOr<std::vector<const FieldDescriptor*>> ReadPath(
    Reader& reader, const Descriptor& resource) {
  std::string_view word = reader.Word();
  if (word.empty()) return reader.Fault("a field name must come here");
  std::vector<const FieldDescriptor*> path;
  const Descriptor* in = &resource;
  for (;;) {
    const size_t dot = word.find('.');
    const std::string name(word.substr(0, dot));
    const FieldDescriptor* field =
        in == nullptr ? nullptr : in->FindFieldByName(name);
    // Credentials are in no answer, and so in no filter.
    if (field == nullptr || name == "password" || name == "ha1") {
      return reader.Fault(absl::StrCat("there is no field ", name));
    }
    path.push_back(field);
    if (dot == std::string_view::npos) break;
    if (field->is_repeated()) {
      return reader.Fault(absl::StrCat(name, " is a list: it has no fields"));
    }
    in = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
             ? field->message_type()
             : nullptr;
    word.remove_prefix(dot + 1);
  }
  if (!IsComparable(*path.back())) {
    return reader.Fault(
        absl::StrCat(path.back()->name(), " cannot be compared"));
  }
  return path;
}

absl::StatusOr<std::string> ReadValue(Reader& reader,
                                      const FieldDescriptor& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    if (!reader.Take("\"")) {
      return reader.Fault("a string in quotation marks must come here");
    }
    return reader.Quoted();
  }
  const std::string word(reader.Word());
  int64_t number = 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (word == "true" || word == "false") return word;
      return reader.Fault("true or false must come here");
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field.enum_type()->FindValueByName(word);
      if (value == nullptr) {
        return reader.Fault(absl::StrCat(
            "a value of ", field.enum_type()->name(), " must come here"));
      }
      return absl::StrCat(value->number());
    }
    default:
      if (!absl::SimpleAtoi(word, &number)) {
        return reader.Fault("a whole number must come here");
      }
      return absl::StrCat(number);
  }
}

}  // namespace

absl::StatusOr<ListFilter> ListFilter::Parse(std::string_view text,
                                             const Descriptor& resource) {
  ListFilter out;
  Reader reader(text);
  if (text.size() > kMaxText) return reader.Fault("too long");
  if (reader.AtEnd()) return out;
  for (;;) {
    Term term;
    SP_ASSIGN_OR_RETURN(term.path, ReadPath(reader, resource));
    term.equal = !reader.Take("!=");
    if (term.equal && !reader.Take("=")) {
      return reader.Fault("= or != must come here");
    }
    SP_ASSIGN_OR_RETURN(term.value, ReadValue(reader, *term.path.back()));
    out.terms_.push_back(std::move(term));
    if (reader.AtEnd()) return out;
    if (out.terms_.size() == kMaxTerms) {
      return reader.Fault("too many comparisons");
    }
    if (reader.Word() != "AND") return reader.Fault("AND must come here");
  }
}

bool ListFilter::Matches(const Message& resource) const {
  for (const Term& term : terms_) {
    const Message* in = &resource;
    for (size_t i = 0; i + 1 < term.path.size(); ++i) {
      in = &in->GetReflection()->GetMessage(*in, term.path[i]);
    }
    const FieldDescriptor& field = *term.path.back();
    bool equal = false;
    if (field.is_repeated()) {
      const int size = in->GetReflection()->FieldSize(*in, &field);
      for (int i = 0; i < size && !equal; ++i) {
        equal = ValueText(*in, field, i) == term.value;
      }
    } else {
      equal = ValueText(*in, field, -1) == term.value;
    }
    if (equal != term.equal) return false;
  }
  return true;
}

}  // namespace sallyport
