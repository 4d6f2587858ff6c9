#include "tools/cli/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sallyport::cli {
namespace {

constexpr size_t kContext = 3;
constexpr size_t kMaxProduct = 4000000;

using Lines = std::vector<std::string>;

Lines LinesOf(const std::string& text) {
  if (text.empty()) return {};
  Lines lines = absl::StrSplit(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

// ' ' for a line of both, '-' for one of the first, '+' for one of the second.
struct Edit {
  char mark;
  std::string line;
};

// The shortest edits of what differs, by the longest common subsequence.
std::vector<Edit> EditsOf(const Lines& from, const Lines& to) {
  std::vector<Edit> out;
  size_t head = 0;
  while (head < from.size() && head < to.size() && from[head] == to[head]) {
    out.push_back({' ', from[head++]});
  }
  size_t tail = 0;
  while (tail < from.size() - head && tail < to.size() - head &&
         from[from.size() - 1 - tail] == to[to.size() - 1 - tail]) {
    ++tail;
  }
  const size_t n = from.size() - head - tail;
  const size_t m = to.size() - head - tail;
  size_t i = 0;
  size_t j = 0;
  if (n * m <= kMaxProduct) {
    // common[i][j]: of what is left after i and j lines.
    std::vector<std::vector<size_t>> common(n + 1, std::vector<size_t>(m + 1));
    for (size_t a = n; a-- > 0;) {
      for (size_t b = m; b-- > 0;) {
        common[a][b] = from[head + a] == to[head + b]
                           ? common[a + 1][b + 1] + 1
                           : std::max(common[a + 1][b], common[a][b + 1]);
      }
    }
    while (i < n && j < m) {
      if (from[head + i] == to[head + j]) {
        out.push_back({' ', from[head + i]});
        ++i, ++j;
      } else if (common[i + 1][j] >= common[i][j + 1]) {
        out.push_back({'-', from[head + i++]});
      } else {
        out.push_back({'+', to[head + j++]});
      }
    }
  }
  for (; i < n; ++i) out.push_back({'-', from[head + i]});
  for (; j < m; ++j) out.push_back({'+', to[head + j]});
  for (size_t k = from.size() - tail; k < from.size(); ++k) {
    out.push_back({' ', from[k]});
  }
  return out;
}

// "3,2": where a hunk begins in one text, and its lines there.
std::string Range(size_t before, size_t count) {
  const size_t start = count == 0 ? before : before + 1;
  return count == 1 ? absl::StrCat(start) : absl::StrCat(start, ",", count);
}

}  // namespace

std::string UnifiedDiff(const std::string& from, const std::string& to,
                        const std::string& from_label,
                        const std::string& to_label) {
  const std::vector<Edit> edits = EditsOf(LinesOf(from), LinesOf(to));
  std::string out;
  size_t from_line = 0;  // lines before edits[at]
  size_t to_line = 0;
  size_t at = 0;
  while (at < edits.size()) {
    size_t first = at;
    while (first < edits.size() && edits[first].mark == ' ') ++first;
    if (first == edits.size()) break;
    const size_t begin = std::max(at, first - std::min(first, kContext));
    // Changes with no more than twice the context between them are one hunk.
    size_t end = first;
    for (size_t k = first; k < edits.size() && k <= end + 2 * kContext; ++k) {
      if (edits[k].mark != ' ') end = k;
    }
    end = std::min(edits.size(), end + 1 + kContext);
    from_line += begin - at;
    to_line += begin - at;
    std::string body;
    size_t from_count = 0;
    size_t to_count = 0;
    for (size_t k = begin; k < end; ++k) {
      absl::StrAppend(&body, std::string(1, edits[k].mark), edits[k].line,
                      "\n");
      from_count += edits[k].mark != '+' ? 1 : 0;
      to_count += edits[k].mark != '-' ? 1 : 0;
    }
    if (out.empty()) {
      absl::StrAppend(&out, "--- ", from_label, "\n+++ ", to_label, "\n");
    }
    absl::StrAppend(&out, "@@ -", Range(from_line, from_count), " +",
                    Range(to_line, to_count), " @@\n", body);
    from_line += from_count;
    to_line += to_count;
    at = end;
  }
  return out;
}

}  // namespace sallyport::cli
