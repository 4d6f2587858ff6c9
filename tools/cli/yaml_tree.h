// YAML from files that nobody has checked, as a tree of bounded cost.
//
// yaml-cpp's own nodes share what an alias names and keep the last of two equal
// keys: a few lines can stand for gigabytes, and a doubled field goes unseen.
// Here only its events are used.

#ifndef SALLYPORT_TOOLS_CLI_YAML_TREE_H_
#define SALLYPORT_TOOLS_CLI_YAML_TREE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::cli {

struct YamlNode;
using YamlNodePtr = std::shared_ptr<const YamlNode>;

// One value. Immutable once it is read.
struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  bool IsNull() const { return kind == Kind::kNull; }
  bool IsScalar() const { return kind == Kind::kScalar; }
  bool IsSequence() const { return kind == Kind::kSequence; }
  bool IsMap() const { return kind == Kind::kMap; }
  // The value of a map's key; null if it has none.
  const YamlNode* Find(const std::string& key) const;

  Kind kind = Kind::kNull;
  int line = 0;         // where it begins, from 1
  std::string scalar;   // of a scalar
  bool quoted = false;  // the scalar: it is a string, whatever it looks like
  std::vector<YamlNodePtr> items;                            // of a sequence
  std::vector<std::pair<YamlNodePtr, YamlNodePtr>> members;  // of a map
  size_t size = 1;  // values in it, itself and what aliases stand for included
};

struct YamlFault {
  int line = 0;  // from 1; 0: of the text as a whole
  std::string what;

  bool operator==(const YamlFault&) const = default;
};

struct YamlLimits {
  size_t octets = 8 << 20;
  size_t values = 2000000;  // of all documents, with what aliases stand for
  size_t depth = 32;
  size_t faults = 100;  // more are not told
};

struct YamlText {
  std::vector<YamlNodePtr> documents;  // what is there without a fault
  std::vector<YamlFault> faults;       // in the order of lines
};

// Reads all documents of `text`. Faults are whatever is no YAML, not UTF-8,
// beyond a limit, a key that is given twice or is no text, and an alias to what
// it is in itself. Costs no more than the text is long. Pure.
YamlText ReadYaml(const std::string& text, const YamlLimits& limits);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_YAML_TREE_H_
