#include "tools/cli/apply_order.h"

#include <functional>
#include <iterator>
#include <list>
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

namespace {

// Visits entries depth first. Thread-compatible.
class Orderer {
 public:
  Orderer(const std::vector<ManifestEntry>& entries,
          const std::set<std::string>& present)
      : present_(present) {
    for (const ManifestEntry& entry : entries) {
      by_name_[entry.name] = &entry;
      names_.insert(entry.name);
    }
  }

  void Visit(const ManifestEntry& entry) {
    if (done_.count(entry.name) != 0 || !open_.insert(entry.name).second) {
      return;
    }
    // What it lives in comes before all it refers to.
    for (size_t at = entry.name.find('/'); at != std::string::npos;
         at = entry.name.find('/', at + 1)) {
      const auto parent = by_name_.find(entry.name.substr(0, at));
      if (parent != by_name_.end()) Visit(*parent->second);
    }
    const std::set<std::string> references =
        ReferencesIn(*entry.message, names_);
    for (const std::string& name : references) {
      // What lives in it comes after it: a second write refers to that.
      if (!absl::StartsWith(name, entry.name + "/")) Visit(*by_name_[name]);
    }
    std::set<std::string> missing;
    for (const std::string& name : references) {
      if (name != entry.name && done_.count(name) == 0 &&
          present_.count(name) == 0) {
        missing.insert(name);
      }
    }
    ApplyStep step{&entry, Copy(*entry.message), false};
    if (!missing.empty()) RemoveReferences(step.message.get(), missing);
    steps_.push_back(std::move(step));
    open_.erase(entry.name);
    done_.insert(entry.name);
    if (!missing.empty()) waiting_.emplace_back(&entry, missing);
    Complete();
    // Others may rely on what it could not refer to yet: what a tenant names
    // as a default holds for all that it has.
    for (const std::string& name : missing) Visit(*by_name_[name]);
  }

  std::vector<ApplyStep> Take() { return std::move(steps_); }

 private:
  // Second writes, as soon as all they refer to is there.
  void Complete() {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      auto& [entry, missing] = *it;
      for (auto name = missing.begin(); name != missing.end();) {
        name = done_.count(*name) != 0 ? missing.erase(name) : std::next(name);
      }
      if (!missing.empty()) {
        ++it;
        continue;
      }
      steps_.push_back({entry, Copy(*entry->message), true});
      it = waiting_.erase(it);
    }
  }

  const std::set<std::string>& present_;
  std::map<std::string, const ManifestEntry*> by_name_;
  std::set<std::string> names_;
  std::set<std::string> done_;
  std::set<std::string> open_;  // being visited: not written yet
  std::list<std::pair<const ManifestEntry*, std::set<std::string>>> waiting_;
  std::vector<ApplyStep> steps_;
};

}  // namespace

std::vector<ApplyStep> OrderForApply(const std::vector<ManifestEntry>& entries,
                                     const std::set<std::string>& present) {
  Orderer orderer(entries, present);
  for (const ManifestEntry& entry : entries) orderer.Visit(entry);
  return orderer.Take();
}

}  // namespace sallyport::cli
