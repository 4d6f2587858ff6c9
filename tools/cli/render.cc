#include "tools/cli/render.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/json_util.h"
#include "tools/cli/field_text.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"
#include "yaml-cpp/yaml.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

// Would a YAML reader take this plain text for something but a string?
bool NeedsQuotes(const std::string& text) {
  static const auto* const words = new std::set<std::string>{
      "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ""};
  if (words->count(absl::AsciiStrToLower(text)) != 0) return true;
  const unsigned char first = text[0];
  return std::isdigit(first) || first == '+' || first == '-' || first == '.';
}

// Characters that a YAML file can hold only as escapes.
bool HasControls(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\n') || u == 0x7f;
  });
}

// Does a block of lines keep the text as it is? Its last line end is one, and
// no line has spaces that a reader could take for something else.
bool IsBlock(const std::string& text) {
  if (text.size() < 2 || text.back() != '\n') return false;
  char last = '\n';
  for (const char c : text) {
    const unsigned char u = c;
    if (u < 0x20 && c != '\n') return false;
    if (u == 0x7f || u >= 0x80) return false;
    if (last == '\n' && (c == ' ' || c == '\n')) return false;
    if (last == ' ' && c == '\n') return false;
    last = c;
  }
  return true;
}

void Emit(const YAML::Node& node, YAML::Emitter& out) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      out << YAML::BeginMap;
      for (const auto& entry : node) {
        out << YAML::Key << entry.first.Scalar() << YAML::Value;
        Emit(entry.second, out);
      }
      out << YAML::EndMap;
      break;
    case YAML::NodeType::Sequence:
      out << YAML::BeginSeq;
      for (const auto& element : node) Emit(element, out);
      out << YAML::EndSeq;
      break;
    case YAML::NodeType::Scalar: {
      const bool is_string = node.Tag() == "!";
      if (HasControls(node.Scalar()) ||
          (is_string && NeedsQuotes(node.Scalar()))) {
        out << YAML::DoubleQuoted << node.Scalar();
      } else if (is_string && IsBlock(node.Scalar())) {
        out << YAML::Literal << node.Scalar();
      } else if (is_string && node.Scalar().find('\n') != std::string::npos) {
        out << YAML::DoubleQuoted << node.Scalar();
      } else {
        out << node.Scalar();
      }
      break;
    }
    default:
      out << YAML::Null;
  }
}

// Resource names by their last part: a table has no room for more.
std::string Shortened(const std::string& text) {
  std::vector<std::string> parts = absl::StrSplit(text, ", ");
  for (std::string& part : parts) {
    if (absl::StartsWith(part, "tenants/")) part = ShortName(part);
  }
  return absl::StrJoin(parts, ", ");
}

// Lines of "path: value", submessages indented below their name.
void AppendFields(const Message& message, int indent, std::string* out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  const std::string margin(indent, ' ');
  for (const FieldDescriptor* field : fields) {
    const bool nested =
        field->message_type() != nullptr && !field->is_map() &&
        field->message_type()->file()->package() != "google.protobuf" &&
        field->message_type()->name() != "TransportAddress";
    if (!nested) {
      absl::StrAppend(out, margin, field->name(), ": ",
                      Printable(FieldText(message, field->name())), "\n");
      continue;
    }
    if (!field->is_repeated()) {
      absl::StrAppend(out, margin, field->name(), ":\n");
      AppendFields(message.GetReflection()->GetMessage(message, field),
                   indent + 2, out);
      continue;
    }
    const int size = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      absl::StrAppend(out, margin, field->name(), " ", i + 1, ":\n");
      AppendFields(
          message.GetReflection()->GetRepeatedMessage(message, field, i),
          indent + 2, out);
    }
  }
}

std::unique_ptr<Message> WithoutOutput(const Message& message) {
  std::unique_ptr<Message> out(message.New());
  out->CopyFrom(message);
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string& name = type.field(i)->name();
    if (IsOutputOnly(name) || name == "etag") {
      out->GetReflection()->ClearField(out.get(), type.field(i));
    }
  }
  return out;
}

bool HasCredentials(const Message& message) {
  const FieldDescriptor* const field =
      message.GetDescriptor()->FindFieldByName("has_credentials");
  return field != nullptr && message.GetReflection()->GetBool(message, field);
}

std::string Json(const Message& message, bool snake_case) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = snake_case;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  return status.ok() ? json : "{}\n";
}

}  // namespace

std::string ToJson(const Message& message) {
  return Json(message, /*snake_case=*/false);
}

std::string ToYaml(const Message& message, const std::string& kind) {
  const ResourceKind* const known = kind.empty() ? nullptr : FindKind(kind);
  const bool applies = known != nullptr && known->create != nullptr;
  // JSON is YAML; only its style changes, and strings keep their tag.
  const YAML::Node node =
      YAML::Load(Json(applies ? *WithoutOutput(message) : message,
                      /*snake_case=*/true));
  YAML::Emitter out;
  out.SetIndent(2);
  if (applies && HasCredentials(message)) {
    out << YAML::Comment(
               "The password is write-only: it stays on apply, and must be "
               "given (spec.password)\nwhere the user is made anew.")
        << YAML::Newline;
  }
  if (kind.empty()) {
    Emit(node, out);
    return absl::StrCat(out.c_str(), "\n");
  }
  YAML::Node spec(YAML::NodeType::Map);
  out << YAML::BeginMap << YAML::Key << "kind" << YAML::Value << kind;
  for (const auto& entry : node) {
    const std::string& field = entry.first.Scalar();
    if (field == "name") {
      out << YAML::Key << field << YAML::Value;
      Emit(entry.second, out);
    } else {
      spec[field] = entry.second;
    }
  }
  if (spec.size() > 0) {
    out << YAML::Key << "spec" << YAML::Value;
    Emit(spec, out);
  }
  out << YAML::EndMap;
  return absl::StrCat(out.c_str(), "\n");
}

std::string RenderList(const std::vector<const Message*>& messages,
                       OutputFormat format, const ResourceKind& kind,
                       const std::vector<Column>& columns) {
  std::string out;
  if (format == OutputFormat::kJson) {
    for (const Message* message : messages) {
      absl::StrAppend(&out, out.empty() ? "" : ",\n", ToJson(*message));
    }
    return absl::StrCat("{\"", kind.collection, "\": [\n", out, "]}\n");
  }
  if (format == OutputFormat::kYaml) {
    for (const Message* message : messages) {
      absl::StrAppend(&out, "---\n", ToYaml(*message, kind.name));
    }
    return out;
  }
  if (format == OutputFormat::kName) {
    for (const Message* message : messages) {
      absl::StrAppend(&out, NameOf(*message), "\n");
    }
    return out;
  }
  std::vector<std::string> headers;
  for (const Column& column : columns) headers.push_back(column.first);
  Table table(headers);
  for (const Message* message : messages) {
    std::vector<std::string> cells;
    for (const Column& column : columns) {
      cells.push_back(Shortened(FieldText(*message, column.second)));
    }
    table.AddRow(std::move(cells));
  }
  return table.ToString();
}

std::string RenderOne(const Message& message, OutputFormat format,
                      const std::string& kind) {
  if (format == OutputFormat::kJson) return ToJson(message);
  if (format == OutputFormat::kYaml) return ToYaml(message, kind);
  if (format == OutputFormat::kName) return NameOf(message) + "\n";
  std::string out;
  AppendFields(message, 0, &out);
  return out;
}

}  // namespace sallyport::cli
