#include "tools/cli/line_reader.h"

#include <editline/readline.h>

#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace sallyport::cli {
namespace {

class StreamLines final : public LineReader {
 public:
  explicit StreamLines(std::istream& in) : in_(in) {}

  std::optional<std::string> Next() override {
    std::string line;
    if (!std::getline(in_, line)) return std::nullopt;
    return line;
  }

 private:
  std::istream& in_;
};

// The library calls functions without an object.
Completer& TheCompleter() {
  static Completer* const completer = new Completer;
  return *completer;
}

// The next of those that begin with `text`, from the first when `state` is 0.
char* NextMatch(const char* text, int state) {
  static std::vector<std::string>* const matches = new std::vector<std::string>;
  static size_t next = 0;
  if (state == 0) {
    const std::string before(rl_line_buffer, strlen(rl_line_buffer));
    std::vector<std::string> words =
        absl::StrSplit(before, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (before.empty() || before.back() == ' ' || before.back() == '\t') {
      words.emplace_back();
    }
    matches->clear();
    for (std::string& word : TheCompleter()(words)) {
      if (absl::StartsWith(word, text)) matches->push_back(std::move(word));
    }
    next = 0;
  }
  return next < matches->size() ? strdup((*matches)[next++].c_str()) : nullptr;
}

// Names of files are no commands.
char** Complete(const char* text, int /*from*/, int /*to*/) {
  rl_attempted_completion_over = 1;
  return rl_completion_matches(text, NextMatch);
}

class TerminalLines final : public LineReader {
 public:
  TerminalLines(std::string prompt, Completer completer)
      : prompt_(std::move(prompt)) {
    TheCompleter() = std::move(completer);
    rl_attempted_completion_function = Complete;
    using_history();
  }
  ~TerminalLines() override { clear_history(); }

  std::optional<std::string> Next() override {
    char* const typed = readline(prompt_.c_str());
    if (typed == nullptr) return std::nullopt;
    std::string line = typed;
    std::free(typed);
    if (!line.empty()) add_history(line.c_str());
    return line;
  }

 private:
  const std::string prompt_;
};

}  // namespace

std::unique_ptr<LineReader> LinesOf(std::istream& in) {
  return std::make_unique<StreamLines>(in);
}

std::unique_ptr<LineReader> LinesOfTerminal(std::string prompt,
                                            Completer completer) {
  return std::make_unique<TerminalLines>(std::move(prompt),
                                         std::move(completer));
}

}  // namespace sallyport::cli
