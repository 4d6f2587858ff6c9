#include "tools/cli/yaml_tree.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/utf8.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/yaml.h"

namespace sallyport::cli {
namespace {

int LineOf(const YAML::Mark& mark) { return mark.line + 1; }

// What YAML 1.2 and its readers take for nothing.
bool IsNullWord(const std::string& text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" ||
         text == "NULL";
}

// Puts nodes together from events. After a fault that makes the rest
// meaningless it only counts what opens and closes. Thread-compatible.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const YamlLimits& limits, YamlText& out)
      : limits_(limits), out_(out) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp 0.7 takes some characters that are out of place for an empty
    // document, again and again.
    if (mark.pos == document_at_) {
      Stop(LineOf(mark), "has a character out of place");
      stuck_ = true;
    }
    document_at_ = mark.pos;
    open_.clear();
    anchors_.clear();
    root_ = nullptr;
  }
  void OnDocumentEnd() override {
    if (root_ != nullptr && !stopped_) out_.documents.push_back(root_);
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = std::make_shared<YamlNode>();
    node->line = LineOf(mark);
    Add(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    auto node = std::make_shared<YamlNode>();
    node->line = LineOf(mark);
    node->quoted = tag == "!";
    if (value.find('\0') != std::string::npos) {
      Fault(node->line, "has a NUL character, which no field takes");
    }
    if (node->quoted || !IsNullWord(value)) {
      node->kind = YamlNode::Kind::kScalar;
      node->scalar = value;
    }
    Add(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (stopped_) return;
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) {
      Stop(LineOf(mark), "an alias stands for what it is in itself");
      return;
    }
    Attach(it->second, LineOf(mark));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(YamlNode::Kind::kSequence, mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(YamlNode::Kind::kMap, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

  // No more documents will come.
  bool stuck() const { return stuck_; }

  void Fault(int line, std::string what) {
    if (out_.faults.size() < limits_.faults) {
      out_.faults.push_back({line, std::move(what)});
    }
  }

 private:
  // A sequence or map whose end has not come.
  struct OpenNode {
    std::shared_ptr<YamlNode> node;
    YAML::anchor_t anchor = 0;
    YamlNodePtr key;             // of a map, until its value comes
    std::set<std::string> keys;  // of a map
  };

  void Stop(int line, std::string what) {
    if (!stopped_) Fault(line, std::move(what));
    stopped_ = true;
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark,
            YAML::anchor_t anchor) {
    if (stopped_) return;
    if (open_.size() == limits_.depth) {
      Stop(LineOf(mark), absl::StrCat("is nested deeper than ", limits_.depth));
      return;
    }
    OpenNode open;
    open.node = std::make_shared<YamlNode>();
    open.node->kind = kind;
    open.node->line = LineOf(mark);
    open.anchor = anchor;
    open_.push_back(std::move(open));
  }

  void Close() {
    if (stopped_) return;
    OpenNode closed = std::move(open_.back());
    open_.pop_back();
    Add(std::move(closed.node), closed.anchor);
  }

  void Add(std::shared_ptr<YamlNode> node, YAML::anchor_t anchor) {
    if (stopped_) return;
    const int line = node->line;
    if (anchor != 0) anchors_[anchor] = node;
    // The values inside were counted when they came.
    ++values_;
    Attach(std::move(node), line, /*counted=*/true);
  }

  void Attach(YamlNodePtr node, int line, bool counted = false) {
    if (!counted) values_ += node->size;
    if (values_ > limits_.values) {
      Stop(line, absl::StrCat("holds more than ", limits_.values,
                              " values, aliases written out"));
      return;
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    OpenNode& parent = open_.back();
    parent.node->size += node->size;
    if (parent.node->IsSequence()) {
      parent.node->items.push_back(std::move(node));
    } else if (parent.key == nullptr) {
      if (!node->IsScalar()) {
        Fault(line, "a key must be text");
      } else if (!parent.keys.insert(node->scalar).second) {
        Fault(line, absl::StrCat("\"", node->scalar, "\" is given twice"));
      }
      parent.key = std::move(node);
    } else {
      parent.node->members.emplace_back(std::move(parent.key), std::move(node));
      parent.key = nullptr;
    }
  }

  const YamlLimits limits_;
  YamlText& out_;
  std::vector<OpenNode> open_;
  std::map<YAML::anchor_t, YamlNodePtr> anchors_;
  YamlNodePtr root_;
  size_t values_ = 0;
  bool stopped_ = false;
  int document_at_ = -1;
  bool stuck_ = false;
};

}  // namespace

const YamlNode* YamlNode::Find(const std::string& key) const {
  for (const auto& [name, value] : members) {
    if (name->IsScalar() && name->scalar == key) return value.get();
  }
  return nullptr;
}

YamlText ReadYaml(const std::string& text, const YamlLimits& limits) {
  YamlText out;
  if (text.size() > limits.octets) {
    out.faults.push_back({0, absl::StrCat("is larger than ", limits.octets,
                                          " octets: write several files")});
    return out;
  }
  if (const size_t bad = FindNotUtf8(text); bad != std::string::npos) {
    const auto line = std::count(text.begin(), text.begin() + bad, '\n') + 1;
    out.faults.push_back(
        {static_cast<int>(line), "is not UTF-8: save the file as UTF-8"});
    return out;
  }
  // YAML 1.2 section 5.1; yaml-cpp would take a NUL for the end.
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\t' && c != '\n' && c != '\r') || u == 0x7f;
  });
  if (control != text.end()) {
    const auto line = std::count(text.begin(), control, '\n') + 1;
    out.faults.push_back(
        {static_cast<int>(line), "has a control character: not YAML"});
    return out;
  }
  TreeBuilder builder(limits, out);
  // yaml-cpp reports by exception; it ends here.
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder) && !builder.stuck()) {
    }
  } catch (const YAML::Exception& error) {
    builder.Fault(error.mark.is_null() ? 0 : LineOf(error.mark), error.msg);
  }
  std::stable_sort(
      out.faults.begin(), out.faults.end(),
      [](const YamlFault& a, const YamlFault& b) { return a.line < b.line; });
  return out;
}

}  // namespace sallyport::cli
