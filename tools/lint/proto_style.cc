#include "tools/lint/proto_style.h"

#include <google/protobuf/descriptor.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace sallyport {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::MethodDescriptor;
using ::google::protobuf::OneofDescriptor;
using ::google::protobuf::ServiceDescriptor;
using ::google::protobuf::SourceLocation;

bool IsLowerSnake(const std::string& name) {
  for (char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_') {
      return false;
    }
  }
  return !name.empty() && absl::ascii_islower(name[0]) &&
         !absl::StrContains(name, "__");
}

bool IsPascal(const std::string& name) {
  return !name.empty() && absl::ascii_isupper(name[0]) &&
         !absl::StrContains(name, "_");
}

std::string UpperSnake(const std::string& pascal) {
  std::string out;
  for (size_t i = 0; i < pascal.size(); ++i) {
    const bool word_starts =
        i > 0 && absl::ascii_isupper(pascal[i]) &&
        (!absl::ascii_isupper(pascal[i - 1]) ||
         (i + 1 < pascal.size() && absl::ascii_islower(pascal[i + 1])));
    if (word_starts) out += '_';
    out += absl::ascii_toupper(pascal[i]);
  }
  return out;
}

class Checker {
 public:
  std::vector<std::string> faults;

  void File(const FileDescriptor& file) {
    file_ = file.name();
    CheckPackage(file);
    for (int i = 0; i < file.message_type_count(); ++i) {
      Message(*file.message_type(i));
    }
    for (int i = 0; i < file.enum_type_count(); ++i) Enum(*file.enum_type(i));
    for (int i = 0; i < file.service_count(); ++i) Service(*file.service(i));
  }

 private:
  void Fault(const std::string& symbol, const std::string& what) {
    faults.push_back(absl::StrCat(file_, ": ", symbol, ": ", what));
  }

  template <typename T>
  void NeedsComment(const T& item, const std::string& symbol) {
    SourceLocation where;
    const bool found = item.GetSourceLocation(&where);
    if (!found ||
        (absl::StripAsciiWhitespace(where.leading_comments).empty() &&
         absl::StripAsciiWhitespace(where.trailing_comments).empty())) {
      Fault(symbol, "has no comment");
    }
  }

  void CheckPackage(const FileDescriptor& file) {
    const std::string folder =
        file.name().substr(0, file.name().find_last_of('/'));
    if (absl::StrReplaceAll(folder, {{"/", "."}}) != file.package()) {
      Fault(file.package(), "the package is not the folder");
    }
    const std::vector<std::string> parts = absl::StrSplit(file.package(), '.');
    if (parts.empty() || parts.back().size() < 2 || parts.back()[0] != 'v') {
      Fault(file.package(), "the package does not end in a version");
    }
    const std::string base =
        file.name().substr(file.name().find_last_of('/') + 1);
    if (!IsLowerSnake(base.substr(0, base.find('.')))) {
      Fault(base, "the file name is not lower_snake_case");
    }
    if (file.syntax() != FileDescriptor::SYNTAX_PROTO3) {
      Fault(base, "is not proto3");
    }
  }

  void Message(const Descriptor& message) {
    if (message.options().map_entry()) return;
    if (!IsPascal(message.name())) {
      Fault(message.full_name(), "is not PascalCase");
    }
    NeedsComment(message, message.full_name());
    for (int i = 0; i < message.field_count(); ++i) Field(*message.field(i));
    for (int i = 0; i < message.nested_type_count(); ++i) {
      Message(*message.nested_type(i));
    }
    for (int i = 0; i < message.enum_type_count(); ++i) {
      Enum(*message.enum_type(i));
    }
  }

  void Field(const FieldDescriptor& field) {
    if (!IsLowerSnake(field.name())) {
      Fault(field.full_name(), "is not lower_snake_case");
    }
    NeedsComment(field, field.full_name());
    const Descriptor* type = field.message_type();
    if (type != nullptr && type->full_name() == "google.protobuf.Timestamp" &&
        !absl::EndsWith(field.name(), "_time") &&
        !absl::EndsWith(field.name(), "_times")) {
      Fault(field.full_name(), "a timestamp's name ends in _time");
    }
  }

  void Enum(const EnumDescriptor& type) {
    if (!IsPascal(type.name())) Fault(type.full_name(), "is not PascalCase");
    NeedsComment(type, type.full_name());
    const std::string prefix = absl::StrCat(UpperSnake(type.name()), "_");
    for (int i = 0; i < type.value_count(); ++i) {
      const std::string& name = type.value(i)->name();
      if (!absl::StartsWith(name, prefix)) {
        Fault(type.value(i)->full_name(),
              absl::StrCat("does not begin with ", prefix));
      }
      if (type.value(i)->number() == 0 && name != prefix + "UNSPECIFIED") {
        Fault(type.value(i)->full_name(), "the zero is not _UNSPECIFIED");
      }
      NeedsComment(*type.value(i), type.value(i)->full_name());
    }
  }

  void Service(const ServiceDescriptor& service) {
    if (!absl::EndsWith(service.name(), "Service")) {
      Fault(service.full_name(), "does not end in Service");
    }
    NeedsComment(service, service.full_name());
    for (int i = 0; i < service.method_count(); ++i) {
      Method(*service.method(i));
    }
  }

  void Method(const MethodDescriptor& method) {
    if (!IsPascal(method.name())) {
      Fault(method.full_name(), "is not PascalCase");
    }
    NeedsComment(method, method.full_name());
    const Descriptor& in = *method.input_type();
    if (in.name() != method.name() + "Request") {
      Fault(method.full_name(), absl::StrCat("takes ", in.name(), ", not ",
                                             method.name(), "Request"));
    }
    auto needs = [&](const char* field) {
      if (in.FindFieldByName(field) == nullptr) {
        Fault(in.full_name(), absl::StrCat("has no field ", field));
      }
    };
    const std::string& name = method.name();
    if (absl::StartsWith(name, "List")) {
      needs("page_size");
      needs("page_token");
      if (method.output_type()->FindFieldByName("next_page_token") == nullptr) {
        Fault(method.output_type()->full_name(), "has no next_page_token");
      }
    } else if (absl::StartsWith(name, "Create")) {
      needs("request_id");
    } else if (absl::StartsWith(name, "Update")) {
      needs("update_mask");
    } else if (absl::StartsWith(name, "Get") && name != "GetStatus") {
      needs("name");
    }
  }

  std::string file_;
};

}  // namespace

std::vector<std::string> ProtoStyleFaults(
    const google::protobuf::FileDescriptorSet& set, const std::string& prefix) {
  DescriptorPool pool;
  Checker checker;
  for (const auto& file : set.file()) {
    if (pool.FindFileByName(file.name()) == nullptr) pool.BuildFile(file);
  }
  for (const auto& file : set.file()) {
    if (!absl::StartsWith(file.name(), prefix)) continue;
    const FileDescriptor* found = pool.FindFileByName(file.name());
    if (found == nullptr) {
      checker.faults.push_back(absl::StrCat(file.name(), ": does not build"));
      continue;
    }
    checker.File(*found);
  }
  return checker.faults;
}

}  // namespace sallyport
