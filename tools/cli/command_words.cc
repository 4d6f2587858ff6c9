#include "tools/cli/command_words.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "services/common/status/error_reason.h"

namespace sallyport::cli {

absl::StatusOr<std::vector<std::string>> CommandWords(std::string_view line) {
  std::vector<std::string> words;
  std::optional<std::string> word;  // that is being read
  char quote = '\0';
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quote != '\'') {
      if (++i == line.size()) {
        return MakeError(absl::StatusCode::kInvalidArgument, "LINE_MALFORMED",
                         "nothing follows the last backslash");
      }
      if (!word) word.emplace();
      word->push_back(line[i]);
    } else if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word->push_back(c);
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      if (!word) word.emplace();
    } else if (c == ' ' || c == '\t' || c == '\r') {
      if (word) words.push_back(*std::exchange(word, std::nullopt));
    } else if (c == '#' && !word) {
      break;
    } else {
      if (!word) word.emplace();
      word->push_back(c);
    }
  }
  if (quote != '\0') {
    return MakeError(absl::StatusCode::kInvalidArgument, "LINE_MALFORMED",
                     "a quotation has no end");
  }
  if (word) words.push_back(*std::move(word));
  return words;
}

}  // namespace sallyport::cli
