#include "services/common/rpc/list_filter.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

using Comparison = ListFilter::Comparison;
using Value = ListFilter::Value;

bool IsTime(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Timestamp";
}

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

bool IsNumber(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

bool IsOrdered(const FieldDescriptor& field) {
  return IsNumber(field) || IsTime(field) || IsDuration(field);
}

bool IsComparable(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_BOOL:
    case FieldDescriptor::CPPTYPE_ENUM:
      return true;
    default:
      return IsNumber(field) ||
             (!field.is_repeated() && (IsTime(field) || IsDuration(field)));
  }
}

absl::int128 Nanoseconds(absl::Duration duration) {
  absl::Duration rest;
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &rest);
  return absl::int128(seconds) * 1'000'000'000 + absl::ToInt64Nanoseconds(rest);
}

// Of a Timestamp or a Duration, both of which have seconds and nanos.
absl::int128 Nanoseconds(const Message& value) {
  const Descriptor& type = *value.GetDescriptor();
  const auto* r = value.GetReflection();
  return absl::int128(r->GetInt64(value, type.FindFieldByName("seconds"))) *
             1'000'000'000 +
         r->GetInt32(value, type.FindFieldByName("nanos"));
}

// A value of a field; `index` is -1 for a singular field.
Value ValueOf(const Message& message, const FieldDescriptor& field, int index) {
  const auto* r = message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return one ? r->GetString(message, &field)
                 : r->GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_BOOL:
      return absl::int128(one ? r->GetBool(message, &field)
                              : r->GetRepeatedBool(message, &field, index));
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::int128(
          one ? r->GetEnumValue(message, &field)
              : r->GetRepeatedEnumValue(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::int128(one ? r->GetInt32(message, &field)
                              : r->GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::int128(one ? r->GetInt64(message, &field)
                              : r->GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::int128(one ? r->GetUInt32(message, &field)
                              : r->GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::int128(one ? r->GetUInt64(message, &field)
                              : r->GetRepeatedUInt64(message, &field, index));
    default:
      return Nanoseconds(r->GetMessage(message, &field));
  }
}

bool Holds(Comparison comparison, const Value& left, const Value& right) {
  switch (comparison) {
    case Comparison::kEqual:
      return left == right;
    case Comparison::kNotEqual:
      return left != right;
    case Comparison::kLess:
      return left < right;
    case Comparison::kAtMost:
      return left <= right;
    case Comparison::kMore:
      return left > right;
    case Comparison::kAtLeast:
      return left >= right;
  }
  return false;
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
    in = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                 !IsTime(*field) && !IsDuration(*field)
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

absl::StatusOr<Comparison> ReadComparison(Reader& reader,
                                          const FieldDescriptor& field) {
  if (reader.Take("!=")) return Comparison::kNotEqual;
  if (reader.Take("=")) return Comparison::kEqual;
  if (!IsOrdered(field)) return reader.Fault("= or != must come here");
  if (field.is_repeated()) {
    return reader.Fault("a list takes = and != alone");
  }
  if (reader.Take("<=")) return Comparison::kAtMost;
  if (reader.Take(">=")) return Comparison::kAtLeast;
  if (reader.Take("<")) return Comparison::kLess;
  if (reader.Take(">")) return Comparison::kMore;
  return reader.Fault("=, !=, <, <=, > or >= must come here");
}

absl::StatusOr<Value> ReadQuoted(Reader& reader, const FieldDescriptor& field) {
  if (!reader.Take("\"")) {
    return reader.Fault("a value in quotation marks must come here");
  }
  SP_ASSIGN_OR_RETURN(std::string text, reader.Quoted());
  if (IsTime(field)) {
    absl::Time time;
    if (!absl::ParseTime(absl::RFC3339_full, text, &time, nullptr) ||
        time == absl::InfiniteFuture() || time == absl::InfinitePast()) {
      return reader.Fault("this is no time as RFC 3339 writes it");
    }
    return Nanoseconds(time - absl::UnixEpoch());
  }
  if (IsDuration(field)) {
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration) ||
        duration == absl::InfiniteDuration() ||
        duration == -absl::InfiniteDuration()) {
      return reader.Fault("this is no duration such as 90s or 1h30m");
    }
    return Nanoseconds(duration);
  }
  return text;
}

absl::StatusOr<Value> ReadValue(Reader& reader, const FieldDescriptor& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING || IsTime(field) ||
      IsDuration(field)) {
    return ReadQuoted(reader, field);
  }
  const std::string word(reader.Word());
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (word == "true" || word == "false") {
        return absl::int128(word == "true");
      }
      return reader.Fault("true or false must come here");
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field.enum_type()->FindValueByName(word);
      if (value == nullptr) {
        return reader.Fault(absl::StrCat(
            "a value of ", field.enum_type()->name(), " must come here"));
      }
      return absl::int128(value->number());
    }
    default: {
      int64_t number = 0;
      uint64_t large = 0;
      if (absl::SimpleAtoi(word, &number)) return absl::int128(number);
      if (absl::SimpleAtoi(word, &large)) return absl::int128(large);
      return reader.Fault("a whole number must come here");
    }
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
    SP_ASSIGN_OR_RETURN(term.comparison,
                        ReadComparison(reader, *term.path.back()));
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
    if (field.is_repeated()) {
      const int size = in->GetReflection()->FieldSize(*in, &field);
      bool found = false;
      for (int i = 0; i < size && !found; ++i) {
        found = ValueOf(*in, field, i) == term.value;
      }
      if (found != (term.comparison == Comparison::kEqual)) return false;
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
               !in->GetReflection()->HasField(*in, &field)) {
      if (term.comparison != Comparison::kNotEqual) return false;
    } else if (!Holds(term.comparison, ValueOf(*in, field, -1), term.value)) {
      return false;
    }
  }
  return true;
}

}  // namespace sallyport
