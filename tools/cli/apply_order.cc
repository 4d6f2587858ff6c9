#include "tools/cli/apply_order.h"

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "google/protobuf/descriptor.h"

namespace sallyport::cli {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

// Calls `visit` for each string field that is set; `visit` may clear it.
using Visit = std::function<void(Message*, const FieldDescriptor&, int index,
                                 const std::string& value)>;

void VisitStrings(Message* message, const Visit& visit) {
  const Reflection& r = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_string = field->type() == FieldDescriptor::TYPE_STRING;
    const bool is_message =
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!field->is_repeated()) {
      if (is_string) {
        visit(message, *field, -1, r.GetString(*message, field));
      } else if (is_message) {
        VisitStrings(r.MutableMessage(message, field), visit);
      }
      continue;
    }
    // From the end, since `visit` may remove an element.
    for (int i = r.FieldSize(*message, field) - 1; i >= 0; --i) {
      if (is_string) {
        visit(message, *field, i, r.GetRepeatedString(*message, field, i));
      } else if (is_message) {
        VisitStrings(r.MutableRepeatedMessage(message, field, i), visit);
      }
    }
  }
}

void RemoveReferences(Message* message, const std::set<std::string>& names) {
  VisitStrings(message, [&](Message* owner, const FieldDescriptor& field,
                            int index, const std::string& value) {
    if (field.name() == "name" || names.count(value) == 0) return;
    const Reflection& r = *owner->GetReflection();
    if (index < 0) {
      r.ClearField(owner, &field);
      return;
    }
    for (int i = index; i + 1 < r.FieldSize(*owner, &field); ++i) {
      r.SwapElements(owner, &field, i, i + 1);
    }
    r.RemoveLast(owner, &field);
  });
}

std::unique_ptr<Message> Copy(const Message& message) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  return copy;
}

}  // namespace

std::set<std::string> ReferencesIn(const Message& message,
                                   const std::set<std::string>& names) {
  std::set<std::string> found;
  const std::unique_ptr<Message> copy = Copy(message);
  VisitStrings(copy.get(), [&](Message* /*owner*/, const FieldDescriptor& field,
                               int /*index*/, const std::string& value) {
    if (field.name() != "name" && names.count(value) != 0) found.insert(value);
  });
  return found;
}

std::vector<ApplyStep> OrderForApply(
    const std::vector<ManifestEntry>& entries) {
  std::map<std::string, const ManifestEntry*> by_name;
  std::set<std::string> names;
  for (const ManifestEntry& entry : entries) {
    by_name[entry.name] = &entry;
    names.insert(entry.name);
  }
  std::vector<ApplyStep> steps;
  std::vector<ApplyStep> second;
  std::set<std::string> done;
  std::set<std::string> open;  // being visited: not written yet
  const std::function<void(const ManifestEntry&)> visit =
      [&](const ManifestEntry& entry) {
        if (done.count(entry.name) != 0 || !open.insert(entry.name).second) {
          return;
        }
        // What it lives in comes before all it refers to.
        for (const auto& [name, parent] : by_name) {
          if (absl::StartsWith(entry.name, name + "/")) visit(*parent);
        }
        const std::set<std::string> references =
            ReferencesIn(*entry.message, names);
        for (const std::string& name : references) visit(*by_name[name]);

        std::set<std::string> missing;
        for (const std::string& name : references) {
          if (name != entry.name && done.count(name) == 0) {
            missing.insert(name);
          }
        }
        ApplyStep step{&entry, Copy(*entry.message), false};
        if (!missing.empty()) {
          RemoveReferences(step.message.get(), missing);
          second.push_back({&entry, Copy(*entry.message), true});
        }
        steps.push_back(std::move(step));
        open.erase(entry.name);
        done.insert(entry.name);
      };
  for (const ManifestEntry& entry : entries) visit(entry);
  for (ApplyStep& step : second) steps.push_back(std::move(step));
  return steps;
}

}  // namespace sallyport::cli
