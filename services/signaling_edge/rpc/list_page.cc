#include "services/signaling_edge/rpc/list_page.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/status/error_reason.h"

namespace sallyport::signaling_edge {
namespace {

using google::protobuf::FieldDescriptor;

constexpr int32_t kDefaultPage = 50;
constexpr int32_t kMaxPage = 1000;

absl::Status FilterError(const std::string& what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "FILTER_INVALID", what,
                   {{"filter", what}});
}

absl::Status PageError(const std::string& field, const std::string& what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PAGE_INVALID", what,
                   {{field, what}});
}

std::string TextOf(const google::protobuf::Message& message,
                   const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(message, &field)->name();
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    default:
      return "";
  }
}

bool IsComparable(const FieldDescriptor& field) {
  return !field.is_repeated() &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_FLOAT;
}

}  // namespace

absl::StatusOr<ListFilter> ListFilter::Parse(
    const std::string& text, const google::protobuf::Descriptor& type) {
  ListFilter out;
  if (absl::StripAsciiWhitespace(text).empty()) return out;
  for (const absl::string_view part : absl::StrSplit(text, " AND ")) {
    if (!absl::StrContains(part, '=')) {
      return FilterError("a comparison has the form field = value");
    }
    const std::pair<std::string, std::string> sides =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::string name(absl::StripAsciiWhitespace(sides.first));
    std::string value(absl::StripAsciiWhitespace(sides.second));
    const FieldDescriptor* const field = type.FindFieldByName(name);
    if (field == nullptr || !IsComparable(*field)) {
      return FilterError(absl::StrCat("there is no field to compare: ", name));
    }
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (absl::StrContains(value, '"')) {
      return FilterError("a value ends in its quote");
    }
    out.terms_.push_back({field, std::move(value)});
  }
  return out;
}

bool ListFilter::Matches(const google::protobuf::Message& message) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
    return TextOf(message, *term.field) == term.value;
  });
}

absl::StatusOr<PageRange> PageOf(int32_t page_size, const std::string& token,
                                 size_t count) {
  if (page_size < 0) return PageError("page_size", "must not be negative");
  uint64_t begin = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &begin)) {
    return PageError("page_token", "is not one of ours");
  }
  PageRange out;
  out.begin = std::min<uint64_t>(begin, count);
  out.end = std::min(
      count,
      out.begin + static_cast<size_t>(std::min(
                      page_size == 0 ? kDefaultPage : page_size, kMaxPage)));
  if (out.end < count) out.next_token = absl::StrCat(out.end);
  return out;
}

}  // namespace sallyport::signaling_edge
